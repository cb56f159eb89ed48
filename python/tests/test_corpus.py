"""The jobs over a corpus, where Ray or Spark are installed: each runs here with two workers."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, tone

import sparc

JOBS = [pytest.param("corpus_ray.py", "ray", id="ray"), pytest.param("corpus_spark.py", "pyspark", id="spark")]

pytestmark = pytest.mark.filterwarnings("default")


def run(script: str, *arguments: Any) -> str:
    """The last line that the job prints."""
    words = [sys.executable, str(ROOT / "python" / "examples" / script), *map(str, arguments), "--effort", "fast"]
    # Ray would look for the environment of the tests on its workers.
    environment = {**os.environ, "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    found = subprocess.run(words, capture_output=True, text=True, env=environment, timeout=900)
    assert found.returncode == 0, found.stderr[-4_000:]
    return [line for line in found.stdout.splitlines() if line.strip()][-1]


def rows(out: Path) -> list[dict[str, Any]]:
    parquet = pytest.importorskip("pyarrow.parquet")
    found: list[dict[str, Any]] = []
    for part in (out / "rows").rglob("*.parquet"):
        found += parquet.read_table(part).to_pylist()
    return sorted(found, key=lambda row: str(row["path"]))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three clips, and a file that is none."""
    soundfile = pytest.importorskip("soundfile")
    folder = tmp_path_factory.mktemp("clips")
    (folder / "deep").mkdir()
    soundfile.write(folder / "a.wav", tone(1.0), 16_000)
    soundfile.write(folder / "b.flac", tone(1.0, 22_050, channels=2), 22_050)
    soundfile.write(folder / "deep" / "c.wav", tone(0.5, 8_000), 8_000)
    (folder / "damaged.wav").write_bytes(b"RIFF and no more")
    (folder / "notes.txt").write_text("no sound")
    return folder


@pytest.mark.parametrize(("script", "needs"), JOBS)
def test_a_folder_becomes_files(script: str, needs: str, folder: Path, tmp_path: Path) -> None:
    pytest.importorskip(needs)
    assert "3 clips coded" in run(script, folder, tmp_path, "--files")
    assert [row["path"] for row in rows(tmp_path)] == ["a.wav", "b.flac", "damaged.wav", "deep/c.wav"]
    for row in rows(tmp_path):
        if row["path"] == "damaged.wav":
            assert row["error"] and row["size"] is None
            continue
        assert row["error"] is None and row["sparc"] is None
        info = sparc.info(tmp_path / (row["path"] + ".sparc"))
        assert (info.rate, info.channels, info.bytes) == (row["rate"], row["channels"], row["size"])
        assert info.seconds == row["seconds"]
    assert not (tmp_path / "damaged.wav.sparc").exists()


@pytest.mark.parametrize(("script", "needs"), JOBS)
def test_a_job_goes_on_where_it_ended(script: str, needs: str, folder: Path, tmp_path: Path) -> None:
    pytest.importorskip(needs)
    source = tmp_path / "clips"
    shutil.copytree(folder, source)
    out = tmp_path / "out"
    run(script, source, out)
    before = {row["path"]: row["sparc"] for row in rows(out) if row["error"] is None}
    assert set(before) == {"a.wav", "b.flac", "deep/c.wav"}
    samples, _ = sparc.decode(before["b.flac"])
    assert samples.shape == (22_050, 2)
    # What failed is made right, one clip is new; those that are there must not be looked at again.
    shutil.copy(source / "a.wav", source / "damaged.wav")
    shutil.copy(source / "a.wav", source / "new.wav")
    (source / "a.wav").write_bytes(b"")
    assert "2 clips coded" in run(script, source, out)
    after = {row["path"]: row["sparc"] for row in rows(out) if row["error"] is None}
    assert after == {**before, "damaged.wav": before["a.wav"], "new.wav": before["a.wav"]}
    assert sum(row["error"] is None for row in rows(out)) == 5
    assert run(script, source, out) == "nothing is left to do"


@pytest.mark.parametrize(("script", "needs"), JOBS)
def test_parquet_becomes_parquet(script: str, needs: str, folder: Path, tmp_path: Path) -> None:
    pytest.importorskip(needs)
    arrow = pytest.importorskip("pyarrow")
    import pyarrow.parquet

    names = ["a.wav", "b.flac", "damaged.wav"]
    audio = [{"bytes": (folder / name).read_bytes(), "path": name} for name in names]
    table = arrow.table({"name": [*names, "none"], "audio": [*audio, None], "text": ["x"] * 4})
    arrow.parquet.write_table(table, tmp_path / "clips.parquet")
    out = tmp_path / "out"
    assert "2 clips coded" in run(script, tmp_path / "clips.parquet", out, "--path-column", "name")
    found = {row["path"]: row for row in rows(out)}
    assert {name for name, row in found.items() if row["error"]} == {"damaged.wav", "none"}
    soundfile = pytest.importorskip("soundfile")
    samples, rate = soundfile.read(folder / "a.wav", dtype="float32")
    assert found["a.wav"]["sparc"] == sparc.encode(samples, rate, effort="fast")
    assert "0 clips coded, 2 failed" in run(script, tmp_path / "clips.parquet", out, "--path-column", "name")
