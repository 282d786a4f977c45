#!/usr/bin/env python3
"""Compares runledger, DuckDB and polars: each computes baselines of all skills of one log, as a process.

    pip install duckdb-cli polars
    cargo build --release --features cli && cargo build --release --example generate_log
    python3 benches/peers/analytics.py [--records 1000000] [--skills 20] [--log PATH] [--runs 5]

DuckDB and polars use two threads, and runledger one for each core. Each program reads the file from the page cache, and
computes the values of a baseline for each skill. The shortest time and the largest memory of all runs count. A peer
that is not installed is reported and skipped. polars stops at a line that is not JSON, so it reads a copy without such
lines.

The results of runledger and DuckDB are compared: counts exactly, means to the printed decimals with DuckDB's exact sums,
and percentiles to 1e-9, or to 1/256 if runledger's are not exact. The exit code is 1 if anything differs.
"""

import argparse
import decimal
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
COLUMNS = {
    "skill_name": "VARCHAR",
    "timestamp_start": "VARCHAR",
    "execution_succeeded": "BOOLEAN",
    "execution_failed": "BOOLEAN",
    "total_latency_ms": "BIGINT",
    "cost_usd": "DOUBLE",
    "tokens_used": "BIGINT",
}
# DuckDB reads a line that is not JSON as a row of nulls. The start is the last of the fields that each record has.
FROM = """read_json('{log}', format = 'newline_delimited', ignore_errors = true, columns = {{{columns}}})
    where timestamp_start is not null group by skill_name order by skill_name"""
BASELINES = """select skill_name, count(*), min(timestamp_start), max(timestamp_start),
    count(*) filter (execution_succeeded) / count(execution_succeeded),
    quantile_cont(total_latency_ms, [0.5, 0.95, 0.99]), avg(total_latency_ms), stddev_samp(total_latency_ms),
    avg(cost_usd), stddev_samp(cost_usd), avg(tokens_used) from """ + FROM
# The same, with exact sums.
EXACT = """select skill_name, count(*) as sample_size, count(*) filter (execution_succeeded) as succeeded,
    count(*) filter (execution_failed) as failed, quantile_cont(total_latency_ms, [0.5, 0.95, 0.99]) as percentiles,
    count(total_latency_ms) as latencies, sum(total_latency_ms)::varchar as latency_ms,
    count(cost_usd) as costs, sum(cost_usd::decimal(30, 12))::varchar as cost_usd,
    count(tokens_used) as with_tokens, sum(tokens_used)::varchar as tokens from """ + FROM
POLARS = """
import polars as pl
latency = pl.col("total_latency_ms")
schema = {{"skill_name": pl.String, "timestamp_start": pl.String, "execution_succeeded": pl.Boolean,
    "total_latency_ms": pl.Int64, "cost_usd": pl.Float64, "tokens_used": pl.Int64}}
lines = pl.scan_ndjson("{log}", schema=schema, ignore_errors=True)
print(lines.group_by("skill_name").agg(
    pl.len(), pl.col("timestamp_start").min().alias("from"), pl.col("timestamp_start").max().alias("to"),
    pl.col("execution_succeeded").mean(),
    *(latency.quantile(p, "linear").alias(f"p{{p}}") for p in (0.5, 0.95, 0.99)),
    latency.mean().alias("mean"), latency.std().alias("deviation"), pl.col("cost_usd").mean(),
    pl.col("cost_usd").std().alias("cost_deviation"), pl.col("tokens_used").mean(),
).collect(engine="streaming"))
"""


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--records", type=int, default=1_000_000)
    arguments.add_argument("--skills", type=int, default=20)
    arguments.add_argument("--log", help="a log of generate_log, which is created if it does not exist")
    arguments.add_argument("--runs", type=int, default=5)
    arguments = arguments.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        log = os.path.abspath(arguments.log or os.path.join(scratch, "log.jsonl"))
        if not os.path.exists(log):
            counts = ["--records", str(arguments.records), "--skills", str(arguments.skills)]
            subprocess.run([built("examples/generate_log"), log, *counts], check=True)
        return compare(log, arguments.runs, os.path.join(scratch, "whole.jsonl"))


def built(name):
    path = os.path.join(ROOT, "target", "release", name)
    if not os.path.exists(path):
        sys.exit(f"{path}: found no such file. Build it with the commands at the top of {os.path.basename(__file__)}")
    return path


def leave_out_malformed(log, copy):
    with open(log, "rb") as lines, open(copy, "wb") as whole:
        for line in lines:
            try:
                json.loads(line)
            except ValueError:
                continue
            whole.write(line)


def compare(log, runs, whole):
    columns = ", ".join(f"{name}: '{kind}'" for name, kind in COLUMNS.items())
    sql = lambda text: "set threads = 2; " + text.format(log=log, columns=columns) + ";"
    duckdb = shutil.which("duckdb", path=os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"])
    # With a bound, runledger reads all records and uses no checkpoint.
    ours = [built("runledger"), "--ledger", log, "baseline", "--since", "1970-01-01", "--json"]
    programs = {"runledger": ours}
    if duckdb:
        programs["DuckDB"] = [duckdb, "-csv", "-c", sql(BASELINES)]
    has_polars = subprocess.run([sys.executable, "-c", "import polars"], stderr=subprocess.DEVNULL).returncode == 0
    if has_polars:
        leave_out_malformed(log, whole)
        programs["polars"] = [sys.executable, "-c", POLARS.format(log=whole)]
    missing = {"DuckDB", "polars"} - programs.keys()

    measured = {name: (float("inf"), 0) for name in programs}
    for _ in range(runs):  # in turn, so that a busy moment affects all programs
        for name, command in programs.items():
            seconds, bytes_max = run(command)
            measured[name] = (min(measured[name][0], seconds), max(measured[name][1], bytes_max))
    ours, _ = measured["runledger"]
    print(f"{os.path.getsize(log) / 1e9:.2f} GB, {os.cpu_count()} cores, the shortest of {runs} runs")
    for name, (seconds, bytes_max) in measured.items():
        print(f"{name:<10} {seconds:6.3f} s  {bytes_max / 1e6:7.1f} MB  {seconds / ours:5.2f} x")
    for name in sorted(missing):
        print(f"{name:<10} NOT MEASURED: it is not installed")
    if not duckdb:
        return 0
    found = json.loads(subprocess.run([duckdb, "-json", "-c", sql(EXACT)], capture_output=True, check=True).stdout)
    baselines = json.loads(
        subprocess.run(programs["runledger"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout,
        parse_float=decimal.Decimal,
    )
    return differences(found, baselines)


def run(command):
    """Returns the time of the process in seconds, and its largest resident size in bytes."""
    environment = dict(os.environ, POLARS_MAX_THREADS="2")
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{command[0]} ended with {process.returncode}")
    return seconds, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def differences(found, baselines):
    decimal.getcontext().prec = 60
    wrong = 0
    if [row["skill_name"] for row in found] != list(baselines):
        sys.exit("the skills differ")
    for row in found:
        baseline = baselines[row["skill_name"]]
        size, ended = row["sample_size"], row["succeeded"] + row["failed"]
        expected = {
            "sample_size": size,
            "outcome_unknown": size - ended,
            "latency_unknown": size - row["latencies"],
            "cost_unknown": size - row["costs"],
            "tokens_unknown": size - row["with_tokens"],
            "success_rate": mean(row["succeeded"], ended, 4),
            "latency_mean_ms": mean(row["latency_ms"], row["latencies"], 3),
            "cost_mean_usd": mean(row["cost_usd"], row["costs"], 8),
            "tokens_mean": mean(row["tokens"], row["with_tokens"], 3),
        }
        exact = baseline["latency_precision"] == "exact"
        percentiles = row["percentiles"]
        percentiles = json.loads(percentiles) if isinstance(percentiles, str) else percentiles
        for key, value in zip(("latency_p50_ms", "latency_p95_ms", "latency_p99_ms"), percentiles):
            # DuckDB returns a double, which is compared within its rounding.
            near = abs(float(baseline[key]) - value) <= (1e-9 if exact else 1 / 256) * value
            wrong += report(row["skill_name"], key, baseline[key], value, near)
        for key, value in expected.items():
            wrong += report(row["skill_name"], key, baseline[key], value, baseline[key] == value)
    print(f"{len(found)} skills, {sum(row['sample_size'] for row in found)} records: {wrong or 'no'} differences")
    return 1 if wrong else 0


def mean(total, count, places):
    """Returns the exact quotient, rounded half to even like runledger's, or None if `count` is 0."""
    if not count:
        return None
    return (decimal.Decimal(total) / count).quantize(decimal.Decimal(1).scaleb(-places), decimal.ROUND_HALF_EVEN)


def report(skill, key, ours, theirs, same):
    if not same:
        print(f"{skill}: {key}: runledger {ours}, DuckDB {theirs}")
    return not same


if __name__ == "__main__":
    sys.exit(main())
