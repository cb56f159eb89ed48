"""Names of types, for annotations alone."""

from __future__ import annotations

import mmap
import os
from typing import Any, Iterable, Mapping, Optional, Tuple, TypedDict, Union

from numpy.typing import DTypeLike, NDArray
from typing_extensions import Literal

from ._sparc import Model

#: Samples of shape (n,) or (n, channels).
Array = NDArray[Any]

#: What lends bytes.
Bytes = Union[bytes, bytearray, memoryview, mmap.mmap]

#: A file by its path.
Path = Union[str, "os.PathLike[str]"]

#: What completes images: by default the built-in model that fits.
Completion = Union[Model, Literal["none"], None]

#: Comments.
Metadata = Union[Mapping[str, str], Iterable[Tuple[str, str]]]


class DecoderOptions(TypedDict, total=False):
    """Keywords of `Decoder`."""

    dtype: Optional[DTypeLike]
    model: Completion
    resample: bool
    max_memory: Optional[int]


class DecodeOptions(DecoderOptions, total=False):
    """Keywords of `decode`."""

    max_samples: Optional[int]


class EncodeOptions(TypedDict, total=False):
    """Keywords of `encode`."""

    quality: Optional[float]
    cbr: bool
    effort: Literal["fast", "default", "best"]
    model: Completion
    embed_model: bool
    segment: Optional[float]
    seek_index: bool
    metadata: Optional[Metadata]


class EncoderOptions(EncodeOptions, total=False):
    """Keywords of `Encoder`."""

    delay: Optional[float]
