"""Prints tails_reference.jsonl: tails of the normal, Student's and the χ² distribution, computed by scipy.

python tails_reference.py > tails_reference.jsonl   (Python 3.11, scipy 1.17)
"""

import json

from scipy import special, stats


def line(**fields):
    print(json.dumps(fields, separators=(",", ":")))


for i in [*range(1, 80), *range(80, 380, 7)]:
    z = i / 10
    # erfc keeps its digits where 1 - cdf would not.
    line(function="normal", z=z, p=float(special.erfc(z / 2**0.5)))

DEGREES = [1, 2, 2.5, 5, 29.3, 30, 57.9, 100, 1_000, 12_345.6, 1e5, 1e6, 1e7, 1e8]
for degrees in DEGREES:
    for t in [0.01, 0.1, 0.5, 1, 1.5, 1.7, 1.74, 2, 2.5, 3, 4, 6, 10, 20, 30]:
        p = float(2 * stats.t.sf(t, degrees))
        if p > 1e-290:
            line(function="student", t=t, degrees=degrees, p=p)
    for p in [0.5, 0.05, 0.01, 0.001]:
        line(function="student_quantile", p=p, degrees=degrees, t=float(stats.t.isf(p / 2, degrees)))

for degrees in [1, 2, 3, 4, 5, 6, 7, 10, 15, 30, 99, 100]:
    for x in [0, 1e-6, 0.01, 0.5, 1, 2, 3.84, 5, 6.63, 8.9, 9.1, 20, 50, 123.4, 400, 1200]:
        line(function="chi_squared", x=x, degrees=degrees, p=float(special.gammaincc(degrees / 2, x / 2)))
