"""Runs one SQL file over the shipped files of a fleet in Spark, and prints the rows as JSON lines.

    spark-submit run_spark.py ROOT FILE.sql
    spark-submit --master 'local-cluster[2,1,1024]' run_spark.py s3a://bucket/fleet cost.sql
"""

import datetime
import decimal
import json
import pathlib
import sys

from pyspark.sql import SparkSession


def register(spark, root):
    """Makes the views `records` and `executions` of the files below `root`."""
    files = spark.read.option("basePath", f"{root}/v=1").parquet(f"{root}/v=1")
    # `v`, `date` and `ledger` are in the names of the folders, and become columns.
    files.createOrReplaceTempView("records")
    spark.sql(pathlib.Path(__file__).with_name("executions.sql").read_text())


def session():
    """Returns a session in UTC, because days begin in UTC. Names of folders, such as a ledger's id, stay texts."""
    builder = SparkSession.builder.appName("runledger fleet")
    builder = builder.config("spark.sql.session.timeZone", "UTC")
    return builder.config("spark.sql.sources.partitionColumnTypeInference.enabled", "false").getOrCreate()


def plain(value):
    """Returns a value that JSON can have. An amount becomes a text, so that no digit is lost, and so does a date."""
    return str(value) if isinstance(value, (decimal.Decimal, datetime.date)) else value


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: run_spark.py ROOT FILE.sql")
    root, file = sys.argv[1:]
    spark = session()
    register(spark, root.rstrip("/"))
    for row in spark.sql(pathlib.Path(file).read_text()).collect():
        print(json.dumps({name: plain(value) for name, value in row.asDict().items()}))
    spark.stop()


if __name__ == "__main__":
    main()
