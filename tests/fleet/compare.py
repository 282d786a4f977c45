"""Compares rows. Counts, sums and texts are equal. Fractions differ by rounding in the last bits at most."""

import decimal
import fractions
import math

# Two engines may divide or interpolate in another order, so the last digits of a float can differ.
RELATIVE_MAX = 1e-12


def close(one, other):
    return math.isclose(one, other, rel_tol=RELATIVE_MAX, abs_tol=0)


def same(one, other):
    if one is None or other is None:
        return one is other
    if isinstance(one, float) or isinstance(other, float):
        return close(float(one), float(other))
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    return one == other


def mean(total, count):
    """Returns the exact mean; None if there are no values."""
    return fractions.Fraction(total) / count if count else None


def rounded(value, decimals):
    """Rounds an exact value half to even, as runledger does."""
    if value is None:
        return None
    scaled = round(value * 10**decimals)
    return decimal.Decimal(scaled).scaleb(-decimals)


class Differences:
    """What differs. The first differences are printed at once."""

    SHOWN_MAX = 100

    def __init__(self):
        self.count = 0
        self.compared = 0

    def add(self, text):
        self.count += 1
        if self.count <= self.SHOWN_MAX:
            print(f"DIFFERENT: {text}", flush=True)

    def value(self, what, one, other):
        self.compared += 1
        if not same(one, other):
            self.add(f"{what}: found {one!r} and {other!r}")

    def rows(self, what, one, other):
        """Compares lists of dicts in their order."""
        if len(one) != len(other):
            self.add(f"{what}: found {len(one)} and {len(other)} rows")
            return
        for number, (left, right) in enumerate(zip(one, other)):
            if left.keys() != right.keys():
                self.add(f"{what}, row {number}: found the columns {list(left)} and {list(right)}")
                return
            for column in left:
                self.value(f"{what}, row {number} {next(iter(left.values()))!r}, {column}", left[column], right[column])

    def job(self, printed, rows):
        """Compares what the example's job printed as JSON, in which an amount and a day are texts."""
        wanted = [{name: str(v) if isinstance(v, decimal.Decimal) else v for name, v in row.items()} for row in rows]
        self.rows("the job and its question", printed, wanted)

    def report(self):
        """Prints the result, and returns the exit code."""
        if self.count:
            print(f"{self.count} of {self.compared} values differ")
            return 1
        print(f"{self.compared} values are equal")
        return 0
