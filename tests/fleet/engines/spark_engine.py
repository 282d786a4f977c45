"""Spark runs the SQL files of the example, with the functions of the example's job."""

import json
import os
import subprocess
import sys

import pyspark

from . import EXAMPLES, sql

NAME = "spark"
PACKAGE = os.path.dirname(pyspark.__file__)

sys.path.insert(0, str(EXAMPLES))
import run_spark  # noqa: E402


def version():
    return f"Spark {pyspark.__version__}"


def options(master):
    """Returns options for a small machine and few files. The memory is that of the driver, which collects the rows."""
    values = ["spark.ui.enabled=false", "spark.ui.showConsoleProgress=false", "spark.sql.shuffle.partitions=4"]
    values += ["spark.driver.host=127.0.0.1", "spark.driver.bindAddress=127.0.0.1"]
    return ["--master", master, "--driver-memory", "2g", *[word for value in values for word in ("--conf", value)]]


def environment():
    return {**os.environ, "SPARK_HOME": PACKAGE, "SPARK_LOCAL_IP": "127.0.0.1", "SPARK_SCALA_VERSION": "2.13"}


def start(master):
    """Says where the session of this process runs, before it starts."""
    os.environ.update(environment())
    quoted = [f'"{word}"' for word in options(master)]
    os.environ["PYSPARK_SUBMIT_ARGS"] = " ".join([*quoted, "pyspark-shell"])
    print(f"Spark runs at {master}", flush=True)


def job(root, question, master):
    """Runs the job of the example as a user runs it, and returns the rows that it printed."""
    submit = [os.path.join(PACKAGE, "bin", "spark-submit"), *options(master)]
    command = [*submit, EXAMPLES / "run_spark.py", root, EXAMPLES / f"{question}.sql"]
    ran = subprocess.run(list(map(str, command)), env=environment(), capture_output=True, text=True)
    if ran.returncode:
        sys.exit(f"spark-submit: {ran.stderr[-4000:]}")
    return [json.loads(line) for line in ran.stdout.splitlines() if line.startswith("{")]


class Engine:
    def __init__(self, root):
        self.session = run_spark.session()
        self.session.sparkContext.setLogLevel("ERROR")
        run_spark.register(self.session, root)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.session.stop()

    def ask(self, question):
        return [row.asDict() for row in self.session.sql(sql(question)).collect()]
