"""Prints baseline_reference.jsonl: percentiles by numpy, means and deviations by exact fractions.

python baseline_reference.py > baseline_reference.jsonl   (Python 3.11, numpy 2.4)
"""

import json
import statistics
from fractions import Fraction

import numpy

random = numpy.random.default_rng(6)
DISTRIBUTIONS = {
    "constant": lambda n: numpy.full(n, 3200),
    "uniform": lambda n: random.integers(0, 10_000, n),
    "heavy tail": lambda n: random.lognormal(8, 1.5, n),
    "mostly zero": lambda n: random.integers(0, 100, n) // 90,
    "two peaks": lambda n: random.choice([20, 9_000], n) + random.integers(0, 9, n),
    "far from zero": lambda n: 1_000_000_000 + random.integers(0, 3, n),
}

for name, draw in DISTRIBUTIONS.items():
    for n in [1, 2, 3, 10, 101, 1000]:
        values = [int(value) for value in draw(n)]
        mean = Fraction(sum(values), n)
        std_dev = statistics.stdev(values) if n > 1 else None
        print(json.dumps({
            "distribution": name,
            "values": values,
            # A percentile of integers has at most two decimals; numpy's binary noise is rounded away.
            "percentiles": [round(float(numpy.percentile(values, p)), 2) for p in (50, 95, 99)],
            # Python rounds a fraction half to even.
            "mean": float(round(mean, 3)),
            "mean_whole": round(mean),
            "std_dev": std_dev and round(std_dev, 3),
            "std_dev_whole": std_dev if std_dev is None else round(std_dev),
        }, separators=(",", ":")))
