"""sparc: a speech and audio codec that stores a small part of a spectrogram and lets a tiny network complete the rest.

    import sparc
    data = sparc.encode(samples, 16_000, bitrate=6_000)   # numpy, (n,) or (n, channels), to bytes
    samples, rate = sparc.decode(data)                    # and back, float32

`read` and `write` do the same with files, `Decoder` and `Encoder` with what arrives in pieces, `blocks` and `Writer` with
files in pieces. `info` says how long a stream is, `inspect` all the rest. `sparc.torch` has a dataset for PyTorch.

Rates are in Hz, bitrates in bits a second, positions and lengths in samples per channel. Everything that takes time lets
other Python threads run; the arrays it reads must be left alone meanwhile. The same bytes decode to the same samples on
every machine, bit for bit, where the rate is not changed.
"""

from ._files import Writer, blocks, info, inspect, load_model, read, write
from ._inspection import Chunk, Damage, Header, Info, Inspection, Lattice, Layers, Segment, Waveform
from ._sparc import (
    AudioError,
    DamageWarning,
    Decoder,
    Encoder,
    Error,
    InternalError,
    LimitError,
    Model,
    ModelError,
    OptionsError,
    StreamError,
    built_in_model,
    built_in_models,
    decode,
    encode,
    memory_required,
    set_threads,
)

__all__ = [
    "AudioError",
    "Chunk",
    "Damage",
    "DamageWarning",
    "Decoder",
    "Encoder",
    "Error",
    "Header",
    "Info",
    "Inspection",
    "InternalError",
    "Lattice",
    "Layers",
    "LimitError",
    "Model",
    "ModelError",
    "OptionsError",
    "Segment",
    "StreamError",
    "Waveform",
    "Writer",
    "blocks",
    "built_in_model",
    "built_in_models",
    "decode",
    "encode",
    "info",
    "inspect",
    "load_model",
    "memory_required",
    "read",
    "set_threads",
    "write",
]
