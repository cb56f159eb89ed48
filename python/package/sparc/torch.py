"""A dataset for PyTorch; torch itself is needed once a dataset is made, not before."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Iterable, List, Optional, Tuple, Union

from ._files import _named
from ._sparc import Error, decode, info

if TYPE_CHECKING:
    from torch.utils.data import Dataset as _Dataset

    from ._types import Completion
else:
    try:
        from torch.utils.data import Dataset as _Dataset
    except ImportError:
        _Dataset = object

__all__ = ["SparcDataset"]


class SparcDataset(_Dataset):  # type: ignore[misc, type-arg, unused-ignore]
    """`.sparc` files as waveforms: whole ones, or crops of one length at random places.

    A crop is decoded alone, from the segment it begins in. An item is `(waveform, rate)`: float32 of shape (channels,
    samples), full scale 1, and Hz. What is shorter than a crop is padded with zeros at its end. Crops are drawn with torch's
    own generator, which `DataLoader` seeds for each of its workers; any way to start those will do.

    Args:
        files: a folder, all of whose `.sparc` files are taken, at any depth and in the order of their names; or their paths.
        crop: samples of a crop, per channel; None for whole files.
        resample: whether sound comes at the source's rate; otherwise at the coded one, which is the same for all files of
            a profile (16 kHz for speech), and is cheaper.
        model: as for `sparc.decode`.
        generator: a `torch.Generator` to draw crops with instead.

    Raises:
        ImportError: torch is not installed.
        ValueError: no files, or no crop.
    """

    def __init__(
        self,
        files: Union[str, "os.PathLike[str]", Iterable[Union[str, "os.PathLike[str]"]]],
        crop: Optional[int] = None,
        *,
        resample: bool = True,
        model: Completion = None,
        generator: Any = None,
    ) -> None:
        if _Dataset is object and not TYPE_CHECKING:
            raise ImportError("SparcDataset needs PyTorch: pip install torch")
        if isinstance(files, (str, os.PathLike)):
            found = sorted(Path(files).rglob("*.sparc"))
        else:
            found = [Path(file) for file in files]
        if not found:
            raise ValueError(f"no .sparc files in {files}")
        if crop is not None and crop < 1:
            raise ValueError(f"a crop of {crop} samples holds none")
        #: The files, in the order of the items.
        self.files: List[Path] = found
        self._crop = crop
        self._resample = resample
        self._model = model
        self._generator = generator

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Tuple[Any, int]:
        import torch

        path = self.files[index]
        data = path.read_bytes()
        try:
            if self._crop is None:
                samples, rate = decode(data, resample=self._resample, model=self._model)
            else:
                start = self._start(data)
                samples, rate = decode(
                    data, start, start + self._crop, resample=self._resample, model=self._model
                )
        except Error as error:
            raise _named(path, error) from None
        waveform = torch.from_numpy(samples)
        # torch has channels first.
        waveform = waveform.unsqueeze(0) if waveform.ndim == 1 else waveform.T.contiguous()
        if self._crop is not None and waveform.shape[1] < self._crop:
            waveform = torch.nn.functional.pad(waveform, (0, self._crop - waveform.shape[1]))
        return waveform, rate

    def _start(self, data: bytes) -> int:
        """A place for a crop, each as likely as any other."""
        import torch

        assert self._crop is not None
        found = info(data)
        length = found.samples
        if not self._resample:
            length = -(-length * found.coded_rate // found.rate)
        places = max(length - self._crop, 0) + 1
        return int(torch.randint(places, (), generator=self._generator))
