"""Prints comparison_reference.jsonl: tests and intervals by scipy and statsmodels.

python comparison_reference.py > comparison_reference.jsonl   (Python 3.11, scipy 1.17, statsmodels 0.15, numpy 2.4)
"""

import json

import numpy
from scipy import stats
from statsmodels.stats import multitest, proportion

ALPHA = 0.01
random = numpy.random.default_rng(5)


def line(**fields):
    print(json.dumps(fields, separators=(",", ":")))


def found(delta, interval, p):
    return {"delta": float(delta), "low": float(interval[0]), "high": float(interval[1]), "p": float(p)}


# Parts and wholes; the difference is the second less the first.
for a, b in [
    [(900, 1000), (850, 1000)], [(980, 1000), (480, 500)], [(500, 1000), (501, 1000)], [(20, 40), (30, 40)],
    [(99_900, 100_000), (9_900, 10_000)], [(10, 40), (30, 40)], [(5_000_000, 10_000_000), (5_010_000, 10_000_000)],
    [(35, 40), (34, 40)], [(30, 60), (30, 60)], [(123, 456), (654, 789)], [(999_000, 1_000_000), (4_960, 5_000)],
    [(1, 100), (99, 100)], [(60, 70), (60, 65)], [(40, 50), (45, 50)],
    [(1000, 1000), (29, 30)], [(1000, 1000), (15, 30)], [(30, 30), (30, 30)], [(0, 30), (0, 40)], [(0, 30), (1, 40)],
    [(30, 30), (25, 30)], [(999_999, 1_000_000), (98, 100)], [(29, 30), (28, 30)], [(2, 31), (5, 33)],
    [(100_000, 100_000), (99_990, 100_000)], [(100_000, 100_000), (99_998, 100_000)], [(0, 40), (40, 40)],
]:
    (part_a, n_a), (part_b, n_b) = a, b
    table = numpy.array([[part_a, n_a - part_a], [part_b, n_b - part_b]])
    expected = table.sum(0)[None, :] * table.sum(1)[:, None] / table.sum()
    exact = bool(expected.min() < 5)
    p = stats.fisher_exact(table).pvalue if exact else proportion.proportions_ztest([part_b, part_a], [n_b, n_a])[1]
    interval = proportion.confint_proportions_2indep(part_b, n_b, part_a, n_a, method="newcomb", alpha=ALPHA)
    line(test="proportions", a=a, b=b, exact=exact, expected=found(part_b / n_b - part_a / n_a, interval, p))


DRAWS = {
    "latency": lambda n: random.lognormal(7, 0.6, n),
    "slower": lambda n: random.lognormal(7.2, 0.6, n),
    "coarse": lambda n: random.integers(0, 6, n),
    "coarser": lambda n: random.integers(1, 7, n),
    "far": lambda n: 1_000_000_000 + random.integers(0, 50, n),
    "further": lambda n: 1_000_000_000 + random.integers(2, 60, n),
}
for first, second in [("latency", "latency"), ("latency", "slower"), ("slower", "latency"), ("coarse", "coarse"),
                      ("coarse", "coarser"), ("far", "further")]:
    for n_a, n_b in [(30, 30), (30, 200), (250, 40)]:
        a, b = (numpy.array([int(value) for value in DRAWS[name](n)]) for name, n in [(first, n_a), (second, n_b)])
        test = stats.ttest_ind(b, a, equal_var=False)
        interval = test.confidence_interval(1 - ALPHA)
        line(test="samples", a=a.tolist(), b=b.tolist(),
             welch=found(b.mean() - a.mean(), (interval.low, interval.high), test.pvalue))

for p in [[0.01], [0.04, 0.001, 0.03, 0.2], [0.5, 0.6, 0.9], random.uniform(0, 0.2, 12).tolist() + [1.0]]:
    line(test="holm", p=p, expected=multitest.multipletests(p, method="holm")[1].tolist())

for n in [2, 3, 10, 30, 400]:
    for shift in [0, 40, -300]:
        differences = numpy.array([int(value) for value in random.normal(shift, 120, n)])
        test = stats.ttest_1samp(differences, 0)
        interval = test.confidence_interval(1 - ALPHA)
        line(test="paired", differences=differences.tolist(),
             expected=found(differences.mean(), (interval.low, interval.high), test.pvalue))

for groups in [
    [(30, 100), (12, 100)], [(30, 100), (30, 100)], [(5, 50), (40, 60), (20, 200)], [(10, 40), (9, 40), (11, 40), (30, 40)],
    [(1_000, 100_000), (1_200, 100_000), (5, 500)], [(5, 10), (5, 10)], [(150, 300), (10, 300), (20, 30), (400, 900), (5, 20)],
    [(4, 10), (5, 10)], [(1, 100), (2, 100)], [(0, 40), (0, 40)], [(40, 40), (40, 40)], [(20, 40)], [(20, 40), (0, 0)],
]:
    table = numpy.array([[part, n - part] for part, n in groups])
    expected = table.sum(0)[None, :] * table.sum(1)[:, None] / table.sum()
    result = None
    if len(groups) > 1 and expected.min() >= 5:
        test = stats.chi2_contingency(table, correction=False)
        result = {"chi_squared": float(test.statistic), "degrees": int(test.dof), "p": float(test.pvalue),
                  "cramers_v": float(stats.contingency.association(table, method="cramer"))}
    line(test="chi_squared", groups=groups, expected=result)
