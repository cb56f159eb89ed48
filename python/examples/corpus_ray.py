"""Encodes a corpus as a Ray Data job: `python corpus_ray.py SOURCE OUT [--workers 2]`, see corpus.py.

Without more it runs on this machine. On a cluster, which `RAY_ADDRESS` names, source and OUT lie where all machines see them, and
this folder is brought along.
"""

from __future__ import annotations

import os
from pathlib import Path

import corpus
import pyarrow as pa
import ray
from ray.data.aggregate import Count


def main() -> None:
    """Runs the job."""
    job = corpus.arguments(__doc__ or "")
    if "RAY_ADDRESS" in os.environ:
        ray.init(runtime_env={"working_dir": str(Path(__file__).parent)})
    else:
        ray.init(num_cpus=job.workers, include_dashboard=False)
    there = corpus.done(job)
    if job.is_folder:
        left = [path for path in job.paths() if path not in there]
        clips = ray.data.from_arrow(pa.table({"path": pa.array(left, pa.string())}))
    else:
        columns = [job.path_column, job.audio_column]
        clips = ray.data.read_parquet(job.source, columns=columns).rename_columns(dict(zip(columns, ["path", "audio"])))
        known = ray.put(there)

        def is_new(table: pa.Table) -> pa.Table:
            there = ray.get(known)
            return table.filter(pa.array([path not in there for path in table["path"].to_pylist()], pa.bool_()))

        clips = clips.map_batches(is_new, batch_format="pyarrow")
    # More blocks than workers, so that a slow one holds up none.
    rows = (
        clips.repartition(4 * job.workers)
        .map_batches(
            corpus.coded_table, fn_kwargs={"job": job}, batch_format="pyarrow", batch_size=corpus.BATCH, num_cpus=1
        )
        .materialize()
    )
    if rows.count() == 0:
        print("nothing is left to do")
        return
    rows.write_parquet(job.rows)
    failed = rows.aggregate(Count("error", ignore_nulls=True))["count(error)"]
    print(corpus.summary(job, rows.count(), failed, rows.sum("seconds"), rows.sum("size")))


if __name__ == "__main__":
    main()
