"""Makes ledgers, ships them, and compares the answers of the engines. `run` starts it."""

import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import time

import expected
import s3
from compare import Differences
from engines import chdb_engine, duckdb_engine, polars_engine, spark_engine

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
QUESTIONS = ["cost", "baseline", "failures", "gate", "slow"]
# Each engine is compared with the first one, which is compared with runledger.
ENGINES = [duckdb_engine, spark_engine, polars_engine, chdb_engine]


def arguments():
    parser = argparse.ArgumentParser(prog="tests/fleet/run", description=__doc__)
    parser.add_argument("--ledgers", type=int, default=3)
    parser.add_argument("--records", type=int, default=2_000, help="executions of each ledger")
    parser.add_argument("--days", type=int, default=3)
    parser.add_argument("--master", default="local-cluster[2,1,1024]", help="where Spark runs")
    parser.add_argument("--bin", type=pathlib.Path, help="a directory with the command and examples/generate_fleet")
    parser.add_argument("--keep", action="store_true", help="use the files of an earlier run with the same sizes")
    return parser.parse_args()


def build():
    command = ["cargo", "build", "--quiet", "--locked", "--all-features"]
    command += ["--bin", "runledger", "--example", "generate_fleet"]
    subprocess.run(command, cwd=REPOSITORY, check=True)
    return REPOSITORY / "target" / "debug"


def step(text):
    print(f"== {text}", flush=True)


def timed(text, run):
    began = time.monotonic()
    answer = run()
    print(f"{text}: {time.monotonic() - began:.1f} s", flush=True)
    return answer


def ship(runledger, ledger, number, root, environment=None):
    """Ships one ledger. Some machines have no user, so the team of their rows is unknown."""
    user = ["--user", f"team-{number % 3}"] if number % 4 else []
    command = [runledger, "ship", root, "--active", "--json", "--ledger", ledger, "--machine", ledger.parent.name, *user]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True)
    if ran.returncode:
        sys.exit(f"{' '.join(map(str, command))}: {ran.stderr}")
    return json.loads(ran.stdout)


def prepare(options, work, binaries):
    """Makes the ledgers and ships them to a directory. Returns the paths of the ledgers, and the directory."""
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    generate = [binaries / "examples" / "generate_fleet", work / "ledgers", "--ledgers", options.ledgers]
    generate += ["--records", options.records, "--days", options.days]
    timed("made the ledgers", lambda: subprocess.run([str(word) for word in generate], check=True))
    ledgers = sorted((work / "ledgers").glob("*/execution_metrics.jsonl"))
    shipped = timed(
        "shipped the ledgers",
        lambda: [ship(binaries / "runledger", ledger, number, work / "root") for number, ledger in enumerate(ledgers)],
    )
    total = {key: sum(answer[key] for answer in shipped) for key in ["files", "records", "bytes"]}
    lines = sum(path.stat().st_size for path in expected.segments(ledgers))
    print(f"{total['records']} lines in {lines} bytes became {total['files']} files with {total['bytes']} bytes")


def answers(engine, root):
    """Returns the answers of an engine to all questions, and how many seconds each question took."""
    found, seconds = {}, {}
    with engine.Engine(root) as asked:
        for question in QUESTIONS:
            began = time.monotonic()
            found[question] = asked.ask(question)
            seconds[question] = time.monotonic() - began
    return found, seconds


def main():
    options = arguments()
    binaries = options.bin or build()
    work = REPOSITORY / "target" / "fleet" / f"{options.ledgers}x{options.records}x{options.days}"
    step(f"{options.ledgers} ledgers with {options.records} executions each")
    if not (options.keep and (work / "complete").exists()):
        prepare(options, work, binaries)
        (work / "complete").touch()
    ledgers = sorted((work / "ledgers").glob("*/execution_metrics.jsonl"))
    spark_engine.start(options.master)

    step("the engines")
    differences = Differences()
    found = {}
    for engine in ENGINES:
        found[engine.NAME], seconds = answers(engine, work / "root")
        slowest = max(seconds, key=seconds.get)
        times = ", ".join(f"{question} {taken:.2f} s" for question, taken in seconds.items())
        print(f"{engine.version()}: {times}; slowest: {slowest}", flush=True)
    first, *others = found
    for name in others:
        for question in QUESTIONS:
            differences.rows(f"{question}: {first} and {name}", found[first][question], found[name][question])
    for question in QUESTIONS:
        if not found[first][question]:
            differences.add(f"{question}: found no rows; expected some, or the question is not tested")

    step("runledger over the same records")
    for name, answer in expected.answers(binaries / "runledger", ledgers, work):
        print(f"runledger {name}: {answer.seconds:.2f} s", flush=True)
        answer.check(found[first], differences)

    step("the job of the example")
    differences.job(spark_engine.job(work / "root", "gate", options.master), found[first]["gate"])

    step("an object store")
    s3.check(ledgers, lambda *given: ship(binaries / "runledger", *given), found[first]["cost"], differences)
    sys.exit(differences.report())


if __name__ == "__main__":
    main()
