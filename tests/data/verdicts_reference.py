"""Prints verdicts_reference.jsonl: exact tails of the tests of `compare`, by counting with whole numbers.

python3 verdicts_reference.py > verdicts_reference.jsonl   (the standard library suffices)
"""

import json
import random
from collections import Counter
from fractions import Fraction
from math import comb

draw = random.Random(7)


def line(**fields):
    print(json.dumps(fields, separators=(",", ":")))


# Fisher's exact test in one direction: the hypergeometric tail.
for a, b in [
    [(2, 100), (5, 5)], [(0, 1000), (2, 30)], [(20, 1000), (12, 200)], [(4, 200), (14, 200)], [(10, 40), (30, 40)],
    [(30, 40), (10, 40)], [(0, 30), (0, 40)], [(30, 30), (40, 40)], [(500, 1000), (520, 1000)], [(1, 9999), (1, 50)],
    [(60, 3000), (14, 200)], [(10, 20), (0, 5)], [(3, 7), (4, 4)], [(600, 30000), (14, 200)],
]:
    (part_a, n_a), (part_b, n_b) = a, b
    part, whole = part_a + part_b, n_a + n_b
    tables = range(part_b, min(part, n_b) + 1)
    ways = sum(comb(n_b, k) * comb(n_a, part - k) for k in tables if part - k <= n_a)
    line(test="fisher", a=a, b=b, p=float(Fraction(ways, comb(whole, part))))


def splits(scores, part):
    """Counts the subsets of `part` scores by their sum."""
    ways = [Counter() for _ in range(part + 1)]
    ways[0][0] = 1
    for score in scores:
        for size in range(part, 0, -1):
            for total, count in ways[size - 1].items():
                ways[size][total + score] += count
    return ways[part]


# The permutation test. Half of the splits with the same sum count, as the saddlepoint's continuous tail does.
DRAWS = {
    "even": lambda: draw.randint(0, 1000),
    "skewed": lambda: int(100 * draw.expovariate(1)),
    "heavy": lambda: int(30 * draw.paretovariate(1.5)),
    "two modes": lambda: draw.choice([100, 100, 100, 900]) + draw.randint(0, 99),
}
for name, scores in DRAWS.items():
    for whole, part in [(40, 5), (60, 12), (30, 15), (60, 50)]:
        values = sorted(scores() for _ in range(whole))
        ways = splits(values, part)
        of_all = comb(whole, part)
        tails, above = [], 0
        for total in sorted(ways, reverse=True):
            tails.append((total, Fraction(2 * above + ways[total], 2 * of_all)))
            above += ways[total]
        greatest, at_most = tails[0]
        line(test="greatest", scores=values, part=part, sum=greatest, p=float(2 * at_most))
        for wanted in [0.02, 0.002, 1e-4]:
            total, p = min(tails, key=lambda tail: abs(tail[1] - Fraction(wanted)))
            line(test="permutation", scores=values, part=part, sum=total, p=float(p))


# The design effect, from its definition: the sum over all pairs of blocks.
def design_effect(sides, variance):
    beyond = beyond_unit = lagged = lagged_unit = fourth = lagged_fourth = 0.0
    for side in sides:
        n = sum(count for _, count, _ in side)
        mean = sum(total for _, _, total in side) / n
        residual = {number: total - count * mean for number, count, total in side}
        counts = {number: count for number, count, _ in side}
        for number, count in counts.items():
            alone = count * (n - count) / n
            # The expected square of a residual if all values of a block are equal.
            same = sum((other * ((number == at) - count / n)) ** 2 for at, other in counts.items())
            beyond += residual[number] ** 2 - variance * alone
            beyond_unit += same - alone
            fourth += alone ** 2
            if number + 1 in counts:
                lagged += residual[number] * residual[number + 1]
                lagged_unit += count * counts[number + 1]
                lagged_fourth += count * counts[number + 1]
    blocks = sum(map(len, sides))
    within = beyond / beyond_unit / variance if beyond > variance * (2 * fourth) ** 0.5 else 0.0
    within = min(max(within, 0.0), 1.0)
    decay = 0.0
    if within > 0 and lagged > variance * lagged_fourth ** 0.5:
        found = lagged / lagged_unit / variance / within
        means = sum(len(side) > 1 for side in sides)
        decay = min(max(found + means * (1 + 3 * min(max(found, 0.0), 1.0)) / blocks, 0.0), 0.9)
    correlated = independent = 0.0
    for side in sides:
        n = sum(count for _, count, _ in side)
        pairs = sum(p * q * decay ** abs(i - j) for i, p, _ in side for j, q, _ in side)
        correlated += (n * (1 - within) + within * pairs) / n ** 2
        independent += 1 / n
    return max(correlated / independent, 1.0), blocks - 2


for deviation, decay in [(0, 0), (0.5, 0), (0.5, 0.7), (2, 0.5), (1, 0.95)]:
    for sizes in [(40, 6), (12, 60)]:
        sides, scores, number, load = [], [], 0, 0.0
        for size in sizes:
            side = []
            for _ in range(size):
                number += draw.choice([1, 1, 1, 1, 2])
                load = decay * load + deviation * (1 - decay ** 2) ** 0.5 * draw.gauss(0, 1)
                values = [max(0, round(1000 + 100 * (load + draw.gauss(0, 1)))) for _ in range(draw.randint(3, 12))]
                scores.append(values)
                side.append((number, len(values), sum(values)))
            sides.append(side)
        flat = [[value for block in part for value in block] for part in (scores[:sizes[0]], scores[sizes[0]:])]
        squares = sum(sum((value - sum(side) / len(side)) ** 2 for value in side) for side in flat)
        variance = squares / (len(flat[0]) + len(flat[1]) - 2)
        factor, degrees = design_effect(sides, variance)
        line(test="design_effect", sides=sides, variance=variance, factor=factor, degrees=degrees)

# Holm's method with weights, from its definition: a hypothesis is rejected at the level of its adjusted p-value.
for weighted in [[(0.01, 1), (0.02, 1)], [(0.01, 3), (0.004, 1), (0.2, 3), (0.03, 1)], [(0.5, 3), (0.9, 1)]]:
    rest, greatest, adjusted = sum(w for _, w in weighted), 0.0, {}
    for p, w in sorted(weighted, key=lambda each: each[0] / each[1]):
        greatest = min(max(greatest, p * rest / w), 1.0)
        adjusted[p] = greatest
        rest -= w
    line(test="weighted_holm", weighted=weighted, expected=[adjusted[p] for p, _ in weighted])
