"""Streams in files."""

from __future__ import annotations

import os
import secrets
from types import TracebackType
from typing import TYPE_CHECKING, Any, Iterator, Optional, Tuple, Type, Union

from . import _sparc
from ._inspection import Info, Inspection

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from typing_extensions import Self, Unpack

    from ._sparc import Model
    from ._types import Array, Bytes, DecodeOptions, DecoderOptions, EncodeOptions, EncoderOptions, Path

#: Bytes read at once: some seconds of a stream.
_BLOCK = 4096


def _named(path: Path, error: _sparc.Error) -> _sparc.Error:
    """The error, which says now of which file it is."""
    return type(error)(f"{os.fspath(path)}: {error}")


def _stream(source: Union[Bytes, Path]) -> Bytes:
    """The bytes of a stream, or of the file of this path."""
    if isinstance(source, (str, os.PathLike)):
        with open(source, "rb") as file:
            return file.read()
    return source


def _of(source: Union[Bytes, Path], found: Any) -> Any:
    """What `found` makes of the bytes."""
    data = _stream(source)
    try:
        return found(data)
    except _sparc.Error as error:
        if isinstance(source, (str, os.PathLike)):
            raise _named(source, error) from None
        raise


def inspect(source: Union[Bytes, Path]) -> Inspection:
    """What a stream, given as bytes or by the path of its file, is made of: header, chunks, segments, bits by layer.

    One that is cut short shows what it has; `fault` says why it ends.

    Raises:
        StreamError: it is no stream, or has no header.
    """
    found: Inspection = _of(source, _sparc.inspect)
    return found


def info(source: Union[Bytes, Path]) -> Info:
    """Rate, channels and length of a stream, given as bytes or by the path of its file; no segment is looked into.

    Raises:
        StreamError: it is no stream, or is cut short.
    """
    found: Info = _of(source, _sparc.info)
    return found


def load_model(source: Union[Bytes, Path]) -> Model:
    """Reads a model from the bytes of its file, or from the file of this path.

    Raises:
        ModelError: it is no usable model.
        LimitError: it is too large.
    """
    found: Model = _of(source, _sparc.read_model)
    return found


def read(path: Path, start: int = 0, stop: Optional[int] = None, **options: Unpack[DecodeOptions]) -> Tuple[Array, int]:
    """Decodes a file, or its samples from `start` up to `stop`; options, result and errors are those of `decode`.

    Returns:
        The samples, of shape (n,) or (n, channels), and their rate, Hz.

    Raises:
        OSError: the file cannot be read.
    """
    part = {} if start == 0 and stop is None else {"start": start, "stop": stop}
    found: Tuple[Array, int] = _of(path, lambda data: _sparc.decode(data, **part, **options))
    return found


def write(
    path: Path, array: ArrayLike, rate: int, bitrate: Optional[int] = None, **options: Unpack[EncodeOptions]
) -> int:
    """Encodes samples of shape (n,) or (n, channels) at `rate` Hz to a file; options and errors are those of `encode`.

    The file appears whole or not at all: it is written beside its place and then renamed.

    Returns:
        Bytes written.

    Raises:
        OSError: the file cannot be written.
    """
    data = _sparc.encode(array, rate, bitrate, **options)
    with _Output(path) as output:
        output.write(data)
    return len(data)


def blocks(path: Path, **options: Unpack[DecoderOptions]) -> Iterator[Array]:
    """The samples of a file, bit by bit, of shape (n,) or (n, channels): a quarter of a second or so at a time, in memory
    that does not grow with the file. Options are those of `Decoder`.
    """
    decoder = _sparc.Decoder(**options)
    with open(path, "rb") as file:
        try:
            while data := file.read(_BLOCK):
                decoder.push(data)
                yield from decoder
            decoder.finish()
            yield from decoder
        except _sparc.Error as error:
            raise _named(path, error) from None


class _Output:
    """A file that is written beside its place, and put there once it is complete."""

    def __init__(self, path: Path) -> None:
        # A rename would replace a link by a file; what it points to is meant.
        self._path = os.path.realpath(path)
        folder, name = os.path.split(self._path)
        self._part = os.path.join(folder, f".{name}.{secrets.token_hex(8)}.part")
        # Not by `tempfile`, whose files nobody else may read.
        self._file = open(self._part, "xb")

    def write(self, data: bytes) -> None:
        self._file.write(data)

    def close(self, keep: bool) -> None:
        if self._file.closed:
            return
        try:
            self._file.close()
            if keep:
                os.replace(self._part, self._path)
                return
        except BaseException:
            os.unlink(self._part)
            raise
        os.unlink(self._part)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], *_: object) -> None:
        self.close(kind is None)


class Writer:
    """Encodes sound that arrives in pieces to a file, which appears once the `with` block has ended well.

        with sparc.Writer("talk.sparc", 16_000) as writer:
            for block in blocks:
                writer.write(block)

    Arguments and errors are those of `Encoder`, after the path.
    """

    def __init__(
        self,
        path: Path,
        rate: int,
        channels: int = 1,
        bitrate: Optional[int] = None,
        **options: Unpack[EncoderOptions],
    ) -> None:
        self._encoder = _sparc.Encoder(rate, channels, bitrate, **options)
        self._output = _Output(path)
        self._size = 0

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return self._size

    def write(self, array: ArrayLike) -> None:
        """Takes samples of shape (n,) or (n, channels)."""
        self._put(self._encoder.push(array))

    def close(self) -> None:
        """Ends the file and puts it in its place. Again it does nothing."""
        try:
            self._put(self._encoder.finish())
        except BaseException:
            self.discard()
            raise
        self._output.close(keep=True)

    def discard(self) -> None:
        """Leaves things as they were before."""
        self._output.close(keep=False)

    def _put(self, data: bytes) -> None:
        if data:
            self._output.write(data)
            self._size += len(data)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()
