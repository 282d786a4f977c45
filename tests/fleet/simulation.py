#!/usr/bin/env python3
"""Computes what a fleet costs in an object store, and prints the tables of src/docs/fleet.md.

    tests/fleet/simulation.py [--machines 10000] [--records 1000000] [--bin DIRECTORY]

With --bin, measures how many bytes a record takes in files of different sizes, with the command and the example
`generate_fleet` in the directory. Without it, uses the bytes that were measured for the document.
"""

import argparse
import dataclasses
import json
import math
import pathlib
import subprocess
import tempfile

SEGMENT_BYTES = 256 * 1024 * 1024
DAYS_STORED = 30
# Amazon S3 Standard, us-east-1, in US dollars. src/docs/fleet.md says where the prices come from.
GB_MONTH = [(50_000, 0.023), (450_000, 0.022), (math.inf, 0.021)]
PUT_OR_LIST = 0.005 / 1000
GET = 0.0004 / 1000
NAMES_A_PAGE = 1000
PUTS_A_SECOND_MAX = 3_500
# Two requests read a file: the footer, and the columns of its one row group.
GETS_A_FILE = 2
COMPACTED_BYTES = 256 * 1024 * 1024


@dataclasses.dataclass
class Policy:
    """When a machine ships."""

    name: str
    # The seconds between two files of the active segment. None if only sealed segments are shipped, each hour.
    seconds: int | None
    # True if each call is a new process, which first lists the claims of its ledger.
    is_new_process: bool

    def calls(self):
        return 86_400 // (self.seconds or 3_600)

    def files(self, segments):
        """Returns the files of a machine and a day. A segment, a day and a call each end a file."""
        return segments + 1 if self.seconds is None else self.calls() + segments


POLICIES = [
    Policy("`ship` each hour: sealed segments", None, True),
    Policy("`ship --active` each hour", 3_600, True),
    Policy("`ship --follow`: 300 s, the default", 300, False),
    Policy("`ship --follow --every 60`", 60, False),
]
# How many records the measured files have. A policy uses the nearest of these sizes.
MEASURED = [692, 3_436, 37_037]
# The bytes of a line, and for each number of records in a file, the bytes of a record in it. From `--bin`.
LINE_BYTES = 994
RECORD_BYTES = {692: 218, 3_436: 149, 37_037: 123}


def measure(binaries, counts):
    """Returns the bytes of a line, and the bytes of a record in files with these numbers of records."""
    bytes_of = {}
    for count in counts:
        with tempfile.TemporaryDirectory() as directory:
            work = pathlib.Path(directory)
            generate = [binaries / "examples" / "generate_fleet", work / "ledgers", "--ledgers", "1"]
            generate += ["--days", "1", "--records", str(count), "--segment-mib", "1024"]
            subprocess.run(generate, check=True)
            ledger = work / "ledgers/machine-0001/execution_metrics.jsonl"
            segments = [ledger, *ledger.with_suffix(".ledger").glob("sealed/*")]
            lines = sum(path.stat().st_size for path in segments)
            ship = [binaries / "runledger", "ship", work / "root", "--active", "--json", "--ledger", ledger]
            ran = subprocess.run([*ship, "--machine", "m"], check=True, capture_output=True, text=True)
            shipped = json.loads(ran.stdout)
            bytes_of[count] = round(shipped["bytes"] / shipped["records"])
            line = lines / shipped["records"]
    return round(line), bytes_of


def table(head, rows):
    print(f"| {' | '.join(head)} |")
    print(f"|---|{'--:|' * (len(head) - 1)}")
    for row in rows:
        print(f"| {' | '.join(row)} |")
    print()


def count(number):
    return f"{number:,.0f}"


def usd(amount):
    if 0 < amount < 0.005:
        return "< 0.01"
    return f"{amount:,.0f}" if amount >= 10 else f"{amount:,.2f}"


def storage_usd(gigabytes):
    """Returns the price of a month."""
    price = 0
    for size, usd_of_one in GB_MONTH:
        part = min(gigabytes, size)
        price += part * usd_of_one
        gigabytes -= part
    return price


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--machines", type=int, default=10_000)
    parser.add_argument("--records", type=int, default=1_000_000, help="records of each machine and day")
    parser.add_argument("--bin", type=pathlib.Path)
    options = parser.parse_args()
    line, of_record = LINE_BYTES, RECORD_BYTES
    sizes = {policy.name: round(options.records / policy.files(0 if policy.seconds else 3)) for policy in POLICIES}
    if options.bin:
        line, of_record = measure(options.bin, MEASURED)
        print(f"LINE_BYTES = {line}\nRECORD_BYTES = {of_record}\n")
    segments = options.records * line / SEGMENT_BYTES
    best = min(of_record.values())

    per_day, per_month, readers = [], [], []
    for policy in POLICIES:
        files = policy.files(segments) * options.machines
        nearest = min(of_record, key=lambda size: abs(size - sizes[policy.name]))
        day_bytes = options.records * options.machines * of_record[nearest]
        puts = 2 * files
        # Halfway through the month, a ledger has the claims of 15 days.
        pages = math.ceil(policy.files(segments) * DAYS_STORED / 2 / NAMES_A_PAGE)
        lists = policy.calls() * options.machines * pages if policy.is_new_process else 0
        per_day.append(
            [policy.name, count(files), f"{day_bytes / files / 1e6:,.2f}", f"{of_record[nearest]}",
             f"{day_bytes / 1e12:.2f}", count(puts), f"{puts / 86_400:,.1f}", count(lists)]
        )
        stored = storage_usd(day_bytes * DAYS_STORED / 1e9)
        requests = DAYS_STORED * (puts + lists) * PUT_OR_LIST
        # A shipper that starts also reads the last claim and the footer of its file.
        gets = DAYS_STORED * policy.calls() * options.machines * 2 if policy.is_new_process else 0
        total = stored + requests + gets * GET
        per_month.append([policy.name, usd(stored), usd(requests + gets * GET), usd(total)])
        pages_day, names_month = math.ceil(files / NAMES_A_PAGE), files * DAYS_STORED
        query = pages_day * PUT_OR_LIST + files * GETS_A_FILE * GET
        readers.append(
            [policy.name, count(pages_day), count(math.ceil(names_month / NAMES_A_PAGE)), count(files * GETS_A_FILE), usd(query)]
        )
    print("A day:\n")
    head = ["policy", "files", "MB a file", "bytes a record", "TB", "puts", "puts/s", "lists"]
    table(head, per_day)
    print(f"A month, in US dollars, with {DAYS_STORED} days stored:\n")
    table(["policy", "storage", "requests", "total"], per_month)
    print("Reading a day once:\n")
    table(["policy", "pages of names", "pages for 30 days", "gets", "US dollars"], readers)

    day_bytes = options.records * options.machines * best
    files = math.ceil(day_bytes / COMPACTED_BYTES)
    query = math.ceil(files / NAMES_A_PAGE) * PUT_OR_LIST + files * GETS_A_FILE * GET
    print("After compaction to files of 256 MiB:\n")
    head = ["files a day", "pages of names", "gets to read a day", "US dollars to read a day", "storage of a month"]
    month = usd(storage_usd(day_bytes * DAYS_STORED / 1e9))
    table(head, [[count(files), count(math.ceil(files / NAMES_A_PAGE)), count(files * GETS_A_FILE), usd(query), month]])
    seconds = 2 * options.machines / PUTS_A_SECOND_MAX
    print(f"If all machines ship at the same second, the puts take {seconds:.1f} s at {PUTS_A_SECOND_MAX:,} puts/s.")
    total_lines = options.records * options.machines * line
    print(f"The lines themselves have {line} bytes each, and {total_lines / 1e12:.1f} TB a day.")
    print(f"A machine writes {segments:.1f} segments a day.")


if __name__ == "__main__":
    main()
