"""DuckDB runs the SQL files of the example."""

import duckdb

from . import sql

NAME = "duckdb"


def version():
    return f"DuckDB {duckdb.__version__}"


class Engine:
    def __init__(self, root, setup=""):
        self.connection = duckdb.connect()
        self.connection.execute(f"SET TimeZone = 'UTC'; {setup}")
        files = f"read_parquet('{root}/v=1/*/*/*.parquet', hive_partitioning = true)"
        self.connection.execute(f"CREATE VIEW records AS SELECT * FROM {files}")
        self.connection.execute(sql("executions"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def ask(self, question):
        cursor = self.connection.execute(sql(question))
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row)) for row in cursor.fetchall()]
