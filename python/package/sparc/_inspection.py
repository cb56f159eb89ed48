"""What streams are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Tuple

# Annotations of dataclasses may be asked for at run time, where 3.9 knows no `X | None`.


@dataclass(frozen=True)
class Damage:
    """What was damaged or lost of a stream."""

    #: Places that could not be used.
    places: int
    #: What is wrong at the first one.
    first: Optional[str]
    #: Segments that were concealed.
    concealed: int
    #: Segments decoded or concealed.
    segments: int

    def __bool__(self) -> bool:
        """Whether anything was."""
        return self.places > 0 or self.concealed > 0


@dataclass(frozen=True)
class Info:
    """How long a stream is, and of what sound; found without decoding it."""

    #: Of the source and of what is decoded, Hz.
    rate: int
    channels: int
    #: Samples per channel at `rate`.
    samples: int
    #: Rate at which the sound is coded, Hz.
    coded_rate: int
    #: Id of the model that the stream names, if it names one.
    model: Optional[str]
    #: Size of the stream.
    bytes: int

    @property
    def seconds(self) -> float:
        """Duration."""
        return self.samples / self.rate

    @property
    def bitrate(self) -> float:
        """Bits a second, of the whole stream; 0 without samples."""
        return self.bytes * 8 / self.seconds if self.samples else 0.0


@dataclass(frozen=True)
class Lattice:
    """Shape of the background lattice."""

    #: Bands over the spectrum.
    bands: int
    #: Frames from one column to the next.
    every: int
    #: Step of its levels, dB.
    step_db: float


@dataclass(frozen=True)
class Waveform:
    """Shape of the waveform layer, the lowest band as transform coefficients."""

    #: Coefficients a frame.
    coefficients: int
    #: Step of the quantiser above a frame's threshold, dB.
    step_db: float


@dataclass(frozen=True)
class Header:
    """The header of a stream, in the specification's words."""

    #: Hz.
    source_rate: int
    source_channels: int
    #: Hz.
    coded_rate: int
    coded_channels: int
    #: Samples per channel at the source's rate; None where only the end of the stream tells.
    total_samples: Optional[int]
    #: Coded samples before the first that counts.
    pre_skip: int
    #: Length of the transform, samples.
    n_fft: int
    #: "hann" or "sine".
    window: str
    #: Samples.
    window_length: int
    #: Samples from one frame to the next.
    hop: int
    #: Frames of a segment; the last may have fewer.
    segment_frames: int
    #: Level of the image's floor, dB.
    origin_db: float
    #: Step of the kept values, dB.
    step_db: float
    #: How kept pixels are named: "ridge", "uniform", "packed" or "runs".
    mask: str
    #: Of a uniform mask.
    seed: Optional[int]
    #: Step of the thresholds of a ridge mask, dB.
    threshold_step_db: Optional[float]
    #: How kept values are coded: "context" or "packed".
    values: str
    lattice: Optional[Lattice]
    waveform: Optional[Waveform]
    #: Which phases are stored: "none", "some" or "all".
    phases: str
    #: Bits of a stored phase.
    phase_bits: int
    #: Level from which on some are stored, dB.
    phase_threshold_db: Optional[float]
    #: Id of the model that completes the images; None for interpolation.
    model: Optional[str]


@dataclass(frozen=True)
class Layers:
    """Bits by layer."""

    #: Positions of kept values.
    mask: float
    #: Kept values.
    values: float
    #: Thresholds of the ridge mask.
    thresholds: float
    #: The background lattice.
    lattice: float
    #: Stored phases and their positions.
    phases: float
    #: The lowest band.
    waveform: float

    @property
    def total(self) -> float:
        """Bits of all layers."""
        return self.mask + self.values + self.thresholds + self.lattice + self.phases + self.waveform


@dataclass(frozen=True)
class Segment:
    """The inside of a segment's chunk."""

    #: Position in the stream, from 0.
    index: int
    frames: int
    #: Kept values over all channels.
    kept: int
    #: Pixels, bins by frames, over all channels.
    pixels: int
    layers: Layers


@dataclass(frozen=True)
class Chunk:
    """One chunk of a stream."""

    #: Its name in the specification, and the section that describes it.
    name: str
    section: str
    #: The type's number.
    type: int
    #: Whether a reader that does not know the type must give up.
    critical: bool
    #: Where it begins in the stream, and how long it is, bytes.
    offset: int
    size: int
    #: Whether its checksum is right.
    sound: bool
    #: What is inside, of a segment that decodes.
    segment: Optional[Segment]


@dataclass(frozen=True)
class Inspection:
    """Everything about a stream but its sound."""

    #: Size of the stream.
    bytes: int
    #: Samples per channel at the source's rate; None if neither header nor end tell.
    samples: Optional[int]
    header: Header
    #: Where the model that the header names is found: "embedded", "built in" or "elsewhere".
    model_place: Optional[str]
    #: The program that wrote the comments, and the comments.
    vendor: str
    metadata: Tuple[Tuple[str, str], ...]
    #: Bits by layer, of all segments.
    layers: Layers
    #: In their order; the signature counts as one.
    chunks: Tuple[Chunk, ...]
    damage: Damage
    #: Why the stream cannot be decoded to its end, if it cannot.
    fault: Optional[str]

    @property
    def seconds(self) -> Optional[float]:
        """Duration."""
        return None if self.samples is None else self.samples / self.header.source_rate

    @property
    def bitrate(self) -> Optional[float]:
        """Bits a second, of the whole stream."""
        return self.bytes * 8 / self.seconds if self.seconds else None

    @property
    def container_bits(self) -> float:
        """Bits of all that is no layer: chunks, checksums, header."""
        return self.bytes * 8 - self.layers.total

    @property
    def segments(self) -> Tuple[Segment, ...]:
        """The segments that decode."""
        return tuple(chunk.segment for chunk in self.chunks if chunk.segment is not None)

    @property
    def kept(self) -> float:
        """Share of the pixels that is kept; 0 without segments."""
        pixels = sum(segment.pixels for segment in self.segments)
        return sum(segment.kept for segment in self.segments) / pixels if pixels else 0.0
