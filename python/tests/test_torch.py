"""The dataset for PyTorch, where that is installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import tone

import sparc
import sparc.torch


def test_torch_is_not_needed_before_it_is_used() -> None:
    text = (
        "import sys; sys.modules['torch'] = None\n"
        "import sparc.torch\n"
        "try:\n"
        "    sparc.torch.SparcDataset('.')\n"
        "except ImportError as error:\n"
        "    assert 'pip install torch' in str(error)\n"
        "else:\n"
        "    raise SystemExit('made without torch')\n"
    )
    subprocess.run([sys.executable, "-c", text], check=True)


@pytest.fixture(scope="module")
def torch() -> Any:
    return pytest.importorskip("torch")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    (folder / "in").mkdir()
    for at, (name, seconds) in enumerate([("b", 2.0), ("in/a", 1.5), ("c", 0.2)]):
        sparc.write(folder / f"{name}.sparc", tone(seconds, seed=at), 16_000, effort="fast")
    return folder


def test_whole_files_are_waveforms(torch: Any, folder: Path) -> None:
    dataset = sparc.torch.SparcDataset(folder)
    assert isinstance(dataset, torch.utils.data.Dataset)
    assert [path.name for path in dataset.files] == ["b.sparc", "c.sparc", "a.sparc"]
    assert len(dataset) == 3
    waveform, rate = dataset[0]
    assert (waveform.dtype, tuple(waveform.shape), rate) == (torch.float32, (1, 32_000), 16_000)
    assert np.array_equal(waveform[0].numpy(), sparc.read(folder / "b.sparc")[0])


def test_crops_are_random_and_of_one_length(torch: Any, folder: Path) -> None:
    dataset = sparc.torch.SparcDataset(folder, crop=8_000, generator=torch.Generator().manual_seed(1))
    crops = [dataset[0][0] for _ in range(8)]
    assert {tuple(crop.shape) for crop in crops} == {(1, 8_000)}
    assert len({crop.numpy().tobytes() for crop in crops}) == 8
    again = sparc.torch.SparcDataset(folder, crop=8_000, generator=torch.Generator().manual_seed(1))
    assert torch.equal(again[0][0], crops[0])
    short, _ = dataset[1]
    assert short.shape == (1, 8_000) and not short[0, 3_200:].any() and short[0, :3_200].any()


def test_channels_come_first(torch: Any, tmp_path: Path) -> None:
    sparc.write(tmp_path / "a.sparc", tone(1.0, 44_100, channels=2), 44_100, effort="fast")
    waveform, rate = sparc.torch.SparcDataset([tmp_path / "a.sparc"], crop=5_000)[0]
    assert (tuple(waveform.shape), rate) == ((2, 5_000), 44_100)
    waveform, rate = sparc.torch.SparcDataset(tmp_path, resample=False)[0]
    assert (tuple(waveform.shape), rate) == ((2, 16_000), 16_000)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_loader_makes_batches(torch: Any, folder: Path, workers: int) -> None:
    dataset = sparc.torch.SparcDataset(folder, crop=4_000)
    loader = torch.utils.data.DataLoader(dataset, batch_size=3, num_workers=workers)
    batches = list(loader)
    assert len(batches) == 1
    waveforms, rates = batches[0]
    assert tuple(waveforms.shape) == (3, 1, 4_000) and rates.tolist() == [16_000] * 3


def test_faults_name_the_file(torch: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no .sparc files in"):
        sparc.torch.SparcDataset(tmp_path)
    (tmp_path / "a.sparc").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="crop of 0"):
        sparc.torch.SparcDataset(tmp_path, crop=0)
    with pytest.raises(sparc.StreamError, match="a.sparc: "):
        sparc.torch.SparcDataset(tmp_path)[0]
