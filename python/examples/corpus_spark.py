"""Encodes a corpus as a PySpark job: `python corpus_spark.py SOURCE OUT [--workers 2]`, see corpus.py.

Without more it runs on this machine; `spark-submit --master ... --py-files corpus.py corpus_spark.py SOURCE OUT` runs it on a
cluster, where source and OUT lie where all machines see them.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Iterator

import corpus
import pyarrow as pa
from pyspark import SparkConf
from pyspark.sql import SparkSession
from pyspark.sql import functions as f

#: The columns of `corpus.SCHEMA`, as Spark names their types.
SCHEMA = "path string, rate int, channels int, seconds double, size long, sparc binary, error string"


def main() -> None:
    """Runs the job."""
    job = corpus.arguments(__doc__ or "")
    builder = SparkSession.builder.appName("sparc corpus")
    if not SparkConf().get("spark.master"):
        # Workers run the very Python that this is.
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        builder = builder.master(f"local[{job.workers}]")
    builder = builder.config("spark.sql.execution.arrow.maxRecordsPerBatch", corpus.BATCH)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    spark.sparkContext.addPyFile(str(Path(__file__).with_name("corpus.py")))
    if job.is_folder:
        clips = spark.createDataFrame([(path,) for path in job.paths()], "path string")
    else:
        clips = spark.read.parquet(job.source).selectExpr(
            f"`{job.path_column}` as path", f"`{job.audio_column}` as audio"
        )
    if any(Path(job.rows).glob("*.parquet")):
        there = spark.read.schema(SCHEMA).parquet(job.rows).where("error is null").select("path")
        clips = clips.join(there, "path", "left_anti")

    def coded(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield from corpus.coded_table(pa.Table.from_batches([batch]), job).to_batches()

    # More partitions than workers, so that a slow one holds up none.
    rows = clips.repartition(4 * job.workers).mapInArrow(coded, SCHEMA).cache()
    # Before they are written: what lies in OUT would count as done then, and Spark would look again.
    found = rows.agg(f.count("path"), f.count("error"), f.sum("seconds"), f.sum("size")).first() or (0, 0, 0, 0)
    if found[0] == 0:
        print("nothing is left to do")
    else:
        rows.write.mode("append").parquet(job.rows)
        print(corpus.summary(job, *found))
    spark.stop()


if __name__ == "__main__":
    main()
