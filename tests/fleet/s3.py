"""Ships to a server that speaks the protocol of S3, on this machine, and reads the files from there."""

import contextlib
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request

import duckdb

from engines import chdb_engine, duckdb_engine, polars_engine

KEY, SECRET, REGION = "fleet-id", "fleet-secret", "us-east-1"


@contextlib.contextmanager
def server():
    """Starts the server of the package `moto` with an empty bucket `fleet`, and yields its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(["moto_server", "-H", "127.0.0.1", "-p", str(port)], **quiet)
    try:
        for _ in range(600):
            with contextlib.suppress(urllib.error.URLError):
                request = urllib.request.Request(f"{address}/fleet", method="PUT")
                urllib.request.urlopen(request).close()
                break
            time.sleep(0.1)
        yield address
    finally:
        process.kill()
        process.wait()


def check(ledgers, ship, wanted, differences):
    with server() as address:
        account = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": REGION}
        environment = {**os.environ, **account, "AWS_ENDPOINT": address, "AWS_ALLOW_HTTP": "true"}
        shipped = [ship(ledger, number, "s3://fleet/root", environment) for number, ledger in enumerate(ledgers)]
        print(f"shipped {sum(answer['files'] for answer in shipped)} files to {address}", flush=True)

        options = {"aws_endpoint_url": address, "aws_allow_http": "true", "aws_region": REGION}
        options |= {"aws_access_key_id": KEY, "aws_secret_access_key": SECRET}
        with polars_engine.Engine("s3://fleet/root", storage_options=options) as engine:
            differences.rows("cost: a directory, and Polars on S3", wanted, engine.ask("cost"))
        source = f"s3('{address}/fleet/root/v=1/*/*/*.parquet', '{KEY}', '{SECRET}', 'Parquet')"
        with chdb_engine.Engine(None, source) as engine:
            differences.rows("cost: a directory, and chDB on S3", wanted, engine.ask("cost"))
        check_duckdb(address, wanted, differences)
    print("NOT TESTED: Spark on S3: the package of Spark does not have the libraries for it (hadoop-aws)")


def check_duckdb(address, wanted, differences):
    """Reads the files with DuckDB if its extension for S3 was installed before. Nothing is downloaded."""
    try:
        duckdb.execute("LOAD httpfs")
    except duckdb.Error:
        print("NOT TESTED: DuckDB on S3: its extension httpfs is not in the Python package")
        return
    host = address.removeprefix("http://")
    secret = f"KEY_ID '{KEY}', SECRET '{SECRET}', REGION '{REGION}'"
    setup = f"CREATE SECRET (TYPE s3, {secret}, ENDPOINT '{host}', USE_SSL false, URL_STYLE 'path')"
    with duckdb_engine.Engine("s3://fleet/root", setup) as engine:
        differences.rows("cost: a directory, and DuckDB on S3", wanted, engine.ask("cost"))
