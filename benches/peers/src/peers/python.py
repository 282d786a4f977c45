"""Opens the file, appends to it, flushes and syncs it on every call. After a warm-up, measures the calls. Prints the
elapsed time and the time of every measured call."""

import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

path, threads, warm_up, duration_ns = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
record = sys.stdin.read()
start_line = threading.Barrier(threads, timeout=60)


def log(line):
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a", encoding="utf-8") as file:
        file.write(line)
        file.flush()
        os.fsync(file.fileno())


def run(_):
    for _ in range(warm_up):
        log(record)
    start_line.wait()
    latencies_ns = []
    start = time.perf_counter_ns()
    while True:
        before = time.perf_counter_ns()
        log(record)
        end = time.perf_counter_ns()
        latencies_ns.append(end - before)
        if end - start >= duration_ns:
            return start, end, latencies_ns


with ThreadPoolExecutor(threads) as pool:
    runs = list(pool.map(run, range(threads)))
print(max(end for _, end, _ in runs) - min(start for start, _, _ in runs))
for _, _, latencies_ns in runs:
    print(*latencies_ns, sep="\n")
