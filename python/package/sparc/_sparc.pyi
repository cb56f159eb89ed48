"""The native half of the package: see the docstrings at run time for more."""

from typing import Any, Dict, Iterator, List, Optional, Tuple, final

from numpy.typing import ArrayLike, DTypeLike, NDArray
from typing_extensions import Literal, Self

from ._inspection import Damage, Info, Inspection
from ._types import Array, Bytes, Completion, Metadata

__all__ = [
    "AudioError",
    "Blocks",
    "DamageWarning",
    "Decoder",
    "Encoder",
    "Error",
    "InternalError",
    "LimitError",
    "Model",
    "ModelError",
    "OptionsError",
    "StreamError",
    "built_in_model",
    "built_in_models",
    "decode",
    "encode",
    "info",
    "inspect",
    "memory_required",
    "read_model",
    "set_threads",
]

class Error(ValueError):
    """Anything that sparc finds wrong."""

class StreamError(Error):
    """Bytes that are no .sparc stream, break its format, or are cut short."""

class LimitError(Error):
    """A size beyond a limit."""

class ModelError(Error):
    """A model that is missing, damaged, or does not fit."""

class AudioError(Error):
    """Samples that cannot be encoded."""

class OptionsError(Error):
    """Options out of range, or at odds with one another or with the clip."""

class InternalError(Error):
    """A fault of sparc itself."""

class DamageWarning(UserWarning):
    """Parts of a stream were damaged or lost."""

@final
class Model:
    """A network that completes images."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> Optional[str]: ...
    @property
    def file(self) -> bytes: ...
    @property
    def rate(self) -> int: ...
    @property
    def n_fft(self) -> int: ...
    @property
    def window_length(self) -> int: ...
    @property
    def hop(self) -> int: ...
    @property
    def arithmetic(self) -> str: ...
    @property
    def residual(self) -> bool: ...
    @property
    def offset_db(self) -> float: ...
    @property
    def scale_db(self) -> float: ...
    @property
    def metadata(self) -> Dict[str, str]: ...
    @property
    def weights(self) -> Dict[str, NDArray[Any]]: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self, /) -> int: ...
    def __reduce__(self, /) -> Tuple[Any, Tuple[bytes]]: ...

@final
class Encoder:
    """An encoder of sound that arrives in pieces of any length."""

    def __new__(
        cls,
        rate: int,
        channels: int = 1,
        bitrate: Optional[int] = None,
        *,
        quality: Optional[float] = None,
        cbr: bool = False,
        effort: Literal["fast", "default", "best"] = "default",
        model: Completion = None,
        embed_model: bool = False,
        segment: Optional[float] = None,
        seek_index: bool = False,
        metadata: Optional[Metadata] = None,
        delay: Optional[float] = None,
    ) -> Self: ...
    def push(self, /, array: ArrayLike) -> bytes: ...
    def finish(self, /) -> bytes: ...
    @property
    def rate(self) -> int: ...
    @property
    def channels(self) -> int: ...
    @property
    def starved(self) -> int: ...

@final
class Decoder:
    """A decoder of a stream that arrives in pieces of any size."""

    def __new__(
        cls,
        *,
        dtype: Optional[DTypeLike] = None,
        model: Completion = None,
        resample: bool = True,
        max_memory: Optional[int] = None,
    ) -> Self: ...
    def push(self, /, data: Bytes) -> None: ...
    def finish(self, /) -> None: ...
    def pull(self, /) -> Optional[Array]: ...
    def __iter__(self, /) -> Blocks: ...
    @property
    def rate(self) -> Optional[int]: ...
    @property
    def channels(self) -> Optional[int]: ...
    @property
    def damage(self) -> Damage: ...

@final
class Blocks(Iterator[Array]):
    """The arrays that a decoder has for now."""

    def __iter__(self, /) -> Self: ...
    def __next__(self, /) -> Array: ...

def encode(
    array: ArrayLike,
    rate: int,
    bitrate: Optional[int] = None,
    *,
    quality: Optional[float] = None,
    cbr: bool = False,
    effort: Literal["fast", "default", "best"] = "default",
    model: Completion = None,
    embed_model: bool = False,
    segment: Optional[float] = None,
    seek_index: bool = False,
    metadata: Optional[Metadata] = None,
) -> bytes: ...
def decode(
    data: Bytes,
    start: Optional[int] = None,
    stop: Optional[int] = None,
    *,
    dtype: Optional[DTypeLike] = None,
    model: Completion = None,
    resample: bool = True,
    max_memory: Optional[int] = None,
    max_samples: Optional[int] = None,
) -> Tuple[Array, int]: ...
def memory_required(data: Bytes, *, model: Completion = None, resample: bool = True) -> int: ...
def info(data: Bytes) -> Info: ...
def inspect(data: Bytes) -> Inspection: ...
def read_model(data: Bytes) -> Model: ...
def built_in_models() -> List[str]: ...
def built_in_model(name: str) -> Model: ...
def set_threads(count: int) -> None: ...
