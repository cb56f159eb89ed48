"""What the jobs over a corpus share: a table of clips in, a table of streams out, a row for a row.

A source is a folder of sound files (whatever soundfile reads), or a Parquet file or folder with a column of paths or names
and one of sound files' bytes: binary, or a struct with a field `bytes`, as the datasets of Hugging Face have.

OUT/rows becomes Parquet with the columns below. With `--files` the streams are files OUT/PATH.sparc instead of values. A clip
that fails is a row with an error. A job that is started again skips what is there and tries again what failed; where `error`
is null every path is there once.
"""

from __future__ import annotations

import argparse
import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Iterable, Optional

import pyarrow as pa
import pyarrow.parquet as pq
import soundfile

import sparc

#: Clips that are handed to a worker at once: their sound is in memory together.
BATCH = 16

#: Files of a folder that are taken.
SUFFIXES = {".aif", ".aiff", ".flac", ".mp3", ".ogg", ".opus", ".wav"}

#: What becomes of a clip.
SCHEMA = pa.schema(
    [
        # Below the source's folder, or as the source's own column says.
        ("path", pa.string()),
        # Hz, of the source.
        ("rate", pa.int32()),
        ("channels", pa.int32()),
        ("seconds", pa.float64()),
        # Bytes of the stream.
        ("size", pa.int64()),
        # The stream; null with `--files`.
        ("sparc", pa.binary()),
        # What went wrong; all but the path are null then.
        ("error", pa.string()),
    ]
)


@dataclass(frozen=True)
class Job:
    """What is to be done; it travels to the workers."""

    source: str
    out: str
    files: bool = False
    path_column: str = "path"
    audio_column: str = "audio"
    workers: int = 2
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def is_folder(self) -> bool:
        """Whether the source is a folder of sound files."""
        source = Path(self.source)
        return source.is_dir() and not any(source.glob("**/*.parquet"))

    @property
    def rows(self) -> str:
        """Where the rows go."""
        return str(Path(self.out) / "rows")

    def paths(self) -> list[str]:
        """The sound files of the source's folder."""
        root = Path(self.source)
        return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.suffix.lower() in SUFFIXES)


def arguments(text: str) -> Job:
    """The job that the command line asks for."""
    parser = argparse.ArgumentParser(description=text)
    parser.add_argument("source", help="a folder of sound files, or Parquet")
    parser.add_argument("out", help="folder for rows and files")
    parser.add_argument("--files", action="store_true", help="streams as files; of a folder of sound files only")
    parser.add_argument("--path-column", default="path", help="of Parquet: the column of paths or names")
    parser.add_argument("--audio-column", default="audio", help="of Parquet: the column of sound files")
    parser.add_argument("--bitrate", type=int, help="bits a second for a whole stream [default: 6000 a channel]")
    parser.add_argument("--effort", choices=["fast", "default", "best"], default="default")
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    job = Job(
        source=str(Path(given.source).resolve()),
        out=str(Path(given.out).resolve()),
        files=given.files,
        path_column=given.path_column,
        audio_column=given.audio_column,
        workers=given.workers,
        options={"bitrate": given.bitrate, "effort": given.effort},
    )
    if not Path(job.source).exists():
        parser.error(f"{given.source} is not there")
    if job.files and not job.is_folder:
        parser.error("--files needs a folder of sound files")
    Path(job.rows).mkdir(parents=True, exist_ok=True)
    return job


def coded(path: str, audio: Optional[bytes], job: Job) -> dict[str, Any]:
    """The row of one clip, which is read here if its bytes are not given."""
    row: dict[str, Any] = dict.fromkeys(SCHEMA.names)
    row["path"] = path
    try:
        target = Path(job.out) / f"{path}.sparc"
        if job.files and target.exists():
            # Of a job that ended before it wrote its rows.
            found = sparc.info(target)
            row.update(rate=found.rate, channels=found.channels, seconds=found.seconds, size=found.bytes)
            return row
        sound = Path(job.source) / path if job.is_folder else io.BytesIO(audio or b"")
        samples, rate = soundfile.read(sound, dtype="float32")
        if job.files:
            target.parent.mkdir(parents=True, exist_ok=True)
            size = sparc.write(target, samples, rate, **job.options)
        else:
            row["sparc"] = sparc.encode(samples, rate, **job.options)
            size = len(row["sparc"])
        channels = 1 if samples.ndim == 1 else samples.shape[1]
        row.update(rate=rate, channels=channels, seconds=len(samples) / rate, size=size)
    except Exception as error:  # Whatever is wrong with one clip, the others go on.
        row = {**dict.fromkeys(SCHEMA.names), "path": path, "error": f"{type(error).__name__}: {error}"}
    return row


def coded_table(table: pa.Table, job: Job) -> pa.Table:
    """The rows of a table of clips, with the columns `path` and, of Parquet, `audio`."""
    # There is a worker for every core already.
    sparc.set_threads(1)
    paths = table["path"].to_pylist()
    audio: Iterable[Any] = table["audio"].to_pylist() if "audio" in table.column_names else [None] * len(paths)
    of = (sound["bytes"] if isinstance(sound, dict) else sound for sound in audio)
    return pa.Table.from_pylist([coded(path, sound, job) for path, sound in zip(paths, of)], SCHEMA)


def done(job: Job) -> set[str]:
    """Paths of the rows that are there and are no errors."""
    found: set[str] = set()
    for part in Path(job.rows).rglob("*.parquet"):
        try:
            rows = pq.read_table(part, columns=["path", "error"])
        except pa.ArrowInvalid:
            # Of a job that was killed while it wrote.
            part.rename(part.with_suffix(".broken"))
            continue
        found.update(path for path, error in zip(*(column.to_pylist() for column in rows.columns)) if error is None)
    return found


def summary(job: Job, clips: int, failed: int, seconds: Optional[float], size: Optional[int]) -> str:
    """A line about the rows that were added."""
    rate = f", {(size or 0) * 8 / seconds / 1000:.2f} kbit/s" if seconds else ""
    return f"{clips - failed} clips coded{rate}, {failed} failed; rows in {job.rows}"
