"""Polars answers the same questions in its own language."""

import polars
from polars import col, lit, when

NAME = "polars"


def version():
    return f"Polars {polars.__version__}"


def executions(files, **options):
    """Returns the executions, as executions.sql defines them."""
    records = polars.scan_parquet(files, hive_partitioning=True, **options)
    last = col("seq") == col("seq").max().over("ledger", "execution_id")
    used_model = polars.any_horizontal(col("model_name", "tokens_used", "cost_usd").is_not_null())
    succeeded = col("execution_succeeded").fill_null(False)
    statement = (col("skill_name") == "runledger.redact") & succeeded & ~used_model
    contradicts = col("execution_succeeded") == col("execution_failed")
    success = polars.coalesce("execution_succeeded", ~col("execution_failed"))
    needed = ["ledger", "execution_id", "seq", "timestamp_start", "user", "model_name", "skill_name", "skill_version"]
    needed += ["execution_succeeded", "execution_failed", "error_category", "total_latency_ms", "tokens_used", "cost_usd"]
    needed += ["cost_exact_usd", "status", "kind"]
    return records.select(needed).filter(last & ~statement).with_columns(
        day=col("timestamp_start").dt.date(),
        has_cost=polars.any_horizontal(col("tokens_used", "cost_usd").is_not_null())
        | (col("status") == "interrupted").fill_null(False)
        | (col("model_name").is_not_null() & ~col("kind").is_in(["model_routing", "budget_gate"])),
        exact_cost_usd=polars.coalesce("cost_exact_usd", "cost_usd"),
        success=when(contradicts.fill_null(False)).then(None).otherwise(success),
    )


def total(name):
    """Returns the sum of the known values, and null if there are none. Polars calls that sum 0."""
    return when(col(name).count() > 0).then(col(name).sum())


def mean(name):
    return total(name).cast(polars.Float64) / col(name).count()


def unknown(name):
    return col(name).null_count()


def percentile(name, share):
    return col(name).cast(polars.Float64).quantile(share, "linear")


def cost(fleet):
    return fleet.filter("has_cost").group_by("day", team="user", model="model_name").agg(
        executions=polars.len(),
        cost_usd=total("exact_cost_usd"),
        cost_unknown=unknown("exact_cost_usd"),
        tokens=total("tokens_used"),
        tokens_unknown=unknown("tokens_used"),
    ).sort("day", "team", "model", nulls_last=True)


def parts(column, name, unit):
    """Returns the columns of a baseline about one value."""
    yield f"{name}_n", col(column).count()
    yield f"{name}_unknown", unknown(column)
    yield f"{name}_sum{unit}", total(column)
    yield f"{name}_mean{unit}", mean(column)
    for percent in [50, 95, 99]:
        yield f"{name}_p{percent}{unit}", percentile(column, percent / 100)


def baseline(fleet):
    columns = [*parts("total_latency_ms", "latency", "_ms"), *parts("tokens_used", "tokens", "")]
    return fleet.group_by(skill="skill_name").agg(
        executions=polars.len(),
        succeeded=col("success").sum(),
        failed=(~col("success")).sum(),
        outcome_unknown=unknown("success"),
        **dict([*columns, *parts("cost_usd", "cost", "_usd")]),
    ).sort("skill")


def failures(fleet):
    version = {"skill": "skill_name", "version": "skill_version"}
    counted = fleet.group_by(**version).agg(outcomes=col("success").count(), failed=(~col("success")).sum())
    category = col("error_category").fill_null("Unknown")
    by_category = fleet.filter(~col("success")).group_by(**version, category=category).agg(failed=polars.len())
    of_all = counted.select("skill", "version", category=lit(None, polars.String), failed=col("failed"))
    both = polars.concat([by_category.with_columns(col("failed").cast(polars.UInt32)), of_all])
    rows = both.join(counted.drop("failed"), on=["skill", "version"])
    rate = when(col("outcomes") > 0).then(col("failed") / col("outcomes"))
    columns = ["skill", "version", "category", "outcomes", "failed"]
    return rows.select(*columns, failure_rate=rate).sort("skill", "version", "category", nulls_last=False)


def gate(fleet):
    skills = fleet.group_by(skill="skill_name").agg(
        outcomes=col("success").count(),
        success_rate=when(col("success").count() > 0).then(col("success").sum() / col("success").count()),
        cost_mean_usd=mean("cost_usd"),
        cost_unknown=unknown("cost_usd"),
    )
    verdicts = skills.with_columns(
        fails_too_often=(col("success_rate") < 0.985).fill_null(False),
        costs_too_much=(col("cost_mean_usd") > 0.05).fill_null(False),
    )
    return verdicts.filter(col("fails_too_often") | col("costs_too_much")).sort("skill")


def slow(fleet):
    last_day = col("day") == col("last_day")
    of = {"last": when(last_day).then("total_latency_ms"), "before": when(~last_day).then("total_latency_ms")}
    days = fleet.filter(col("total_latency_ms").is_not_null()).select(last_day=col("day").max())
    sides = fleet.join(days, how="cross").with_columns(**of).group_by(skill="skill_name").agg(
        last_n=col("last").count(),
        before_n=col("before").count(),
        last_p95_ms=percentile("last", 0.95),
        before_p95_ms=percentile("before", 0.95),
    )
    slower = col("last_p95_ms") > 1.05 * col("before_p95_ms")
    enough = (col("last_n") >= 20) & (col("before_n") >= 20)
    ratio = col("last_p95_ms") / col("before_p95_ms")
    return sides.filter(enough & slower).with_columns(ratio=ratio).sort("ratio", "skill", descending=[True, False])


class Engine:
    def __init__(self, root, **options):
        self.fleet = executions(f"{root}/v=1/*/*/*.parquet", **options)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def ask(self, question):
        query = {"cost": cost, "baseline": baseline, "failures": failures, "gate": gate, "slow": slow}[question]
        return query(self.fleet).collect().to_dicts()
