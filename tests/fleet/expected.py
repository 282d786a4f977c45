"""The answers of `runledger` over the same records: all ledgers, written one after the other to one file."""

import decimal
import json
import re
import subprocess
import time

from compare import mean, rounded


# What the ledger adds to a record.
TRAILER = re.compile(rb',"seq":[0-9]+,"prev":"[0-9a-f]{64}","hash":"[0-9a-f]{64}"(,"redacted":"[0-9a-f]{64}")?')


def segments(ledgers):
    """Returns the paths of the segments of the ledgers, in order."""
    for ledger in ledgers:
        yield from sorted(ledger.with_suffix(".ledger").glob("sealed/*"))
        yield ledger


def joined(ledgers, work):
    """Writes the records of all ledgers to one file, without numbers and hashes, because each ledger has its own. Returns
    its path."""
    path = work / "all.jsonl"
    with path.open("wb") as whole:
        for segment in segments(ledgers):
            with segment.open("rb") as lines:
                whole.writelines(TRAILER.sub(b"", line) for line in lines)
    return path


class Answer:
    """What `runledger` printed, and how many seconds it took."""

    def __init__(self, command, ledger, *words):
        began = time.monotonic()
        arguments = [command, *words, "--json", "--ledger", ledger]
        ran = subprocess.run(arguments, check=True, capture_output=True, text=True)
        self.seconds = time.monotonic() - began
        self.answer = json.loads(ran.stdout, parse_float=decimal.Decimal)


class Baseline(Answer):
    def __init__(self, command, ledger):
        super().__init__(command, ledger, "baseline")

    def check(self, found, differences):
        rows = {row["skill"]: row for row in found["baseline"]}
        if rows.keys() != self.answer.keys():
            differences.add(f"baseline and runledger: found the skills {sorted(rows)} and {sorted(self.answer)}")
            return
        for skill, wanted in self.answer.items():
            for name, value in self.fields(rows[skill]):
                differences.value(f"baseline and runledger, {skill}, {name}", value, wanted[name])
            for percentile in ["p50", "p95", "p99"]:
                self.percentile(skill, rows[skill], wanted, f"latency_{percentile}_ms", differences)

    @staticmethod
    def fields(row):
        """Returns the fields of a baseline, rounded from exact sums as runledger rounds them."""
        for name in ["outcome_unknown", "latency_unknown", "cost_unknown", "tokens_unknown"]:
            yield name, row[name]
        yield "sample_size", row["executions"]
        yield "success_rate", rounded(mean(row["succeeded"], row["succeeded"] + row["failed"]), 4)
        yield "latency_mean_ms", rounded(mean(row["latency_sum_ms"] or 0, row["latency_n"]), 3)
        yield "tokens_mean", rounded(mean(row["tokens_sum"] or 0, row["tokens_n"]), 3)
        yield "cost_mean_usd", rounded(mean(row["cost_sum_usd"] or 0, row["cost_n"]), 8)

    @staticmethod
    def percentile(skill, row, wanted, name, differences):
        """runledger rounds to 3 decimals. For a group with very many different latencies, it is within 0.4 %."""
        one, other = row[name], wanted[name]
        exact = wanted["latency_precision"] == "exact"
        differences.compared += 1
        if one is None or other is None:
            equal = one is other
        else:
            allowed = 0.000500001 if exact else 0.004 * float(other)
            equal = abs(float(one) - float(other)) <= allowed
        if not equal:
            differences.add(f"baseline and runledger, {skill}, {name}: found {one!r} and {other}")


class Cost(Answer):
    def __init__(self, command, ledger):
        super().__init__(command, ledger, "cost", "--by", "day")

    def check(self, found, differences):
        """Adds the teams up, because a ledger does not have them. An execution with a cost and without a known model has the
        model `-` in runledger, and none in SQL."""
        days, counted = {}, 0
        for row in found["cost"]:
            group = days.setdefault(str(row["day"]), {}).setdefault(row["model"] or "-", {"n": 0, "usd": None, "unknown": 0})
            group["n"] += row["executions"]
            group["unknown"] += row["cost_unknown"]
            counted += row["executions"]
            if row["cost_usd"] is not None:
                group["usd"] = (group["usd"] or 0) + row["cost_usd"]
        executions = sum(row["executions"] for row in found["baseline"])
        differences.value("cost and runledger, without a model", executions - counted, self.answer["withoutModel"])
        wanted = {day["date"]: day["modelBreakdowns"] for day in self.answer["daily"]}
        if days.keys() != wanted.keys():
            differences.add(f"cost and runledger: found the days {sorted(days)} and {sorted(wanted)}")
            return
        for date, breakdowns in wanted.items():
            # An interrupted execution may have used a model that its record does not name.
            models = {model["modelName"] or "-": model for model in breakdowns}
            if days[date].keys() != models.keys():
                differences.add(f"cost and runledger, {date}: found the models {sorted(days[date])} and {sorted(models)}")
                continue
            for name, model in models.items():
                group, what = days[date][name], f"cost and runledger, {date}, {name}"
                differences.value(f"{what}, executions", group["n"], model["executions"])
                differences.value(f"{what}, cost", group["usd"], model["cost"])
                differences.value(f"{what}, unknown costs", group["unknown"], model["unpriced"])


def answers(command, ledgers, work):
    ledger = joined(ledgers, work)
    yield "baseline", Baseline(command, ledger)
    yield "cost --by day", Cost(command, ledger)
