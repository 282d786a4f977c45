"""chDB, which is ClickHouse as a library, answers the same questions in its own SQL."""

import datetime
import decimal
import json

import chdb
from chdb import session

NAME = "chdb"
COLUMNS = "user, model_name, skill_name, skill_version, error_category, total_latency_ms, tokens_used, cost_usd"
# As in executions.sql: the last line of each execution, without statements of redactions. Then the day and the outcome.
EXECUTIONS = f"""
CREATE VIEW fleet.executions AS
WITH repeated AS (
  SELECT ledger, execution_id, max(seq) AS last_seq FROM fleet.records GROUP BY ledger, execution_id HAVING count() > 1
)
SELECT {COLUMNS},
  tokens_used IS NOT NULL OR cost_usd IS NOT NULL OR coalesce(status = 'interrupted', FALSE)
    OR (model_name IS NOT NULL AND kind NOT IN ('model_routing', 'budget_gate')) AS has_cost,
  coalesce(cost_exact_usd, cost_usd) AS exact_cost_usd, toDate(timestamp_start, 'UTC') AS day,
  if(execution_succeeded = execution_failed, NULL, coalesce(execution_succeeded, NOT execution_failed)) AS success
FROM fleet.records AS records
LEFT JOIN repeated ON repeated.ledger = records.ledger AND repeated.execution_id = records.execution_id
WHERE (repeated.last_seq IS NULL OR records.seq = repeated.last_seq)
  AND NOT (skill_name = 'runledger.redact' AND coalesce(execution_succeeded, FALSE)
    AND model_name IS NULL AND tokens_used IS NULL AND cost_usd IS NULL)
SETTINGS join_use_nulls = 1
"""
# ClickHouse calls the sum of no values null only if the column can be null, as here.
COST = """
SELECT day, user AS team, model_name AS model, count() AS executions, sum(exact_cost_usd) AS cost_usd,
  count() - count(exact_cost_usd) AS cost_unknown, sum(tokens_used) AS tokens, count() - count(tokens_used) AS tokens_unknown
FROM fleet.executions WHERE has_cost GROUP BY day, team, model
ORDER BY day, team NULLS LAST, model NULLS LAST
"""


def part(column, name, unit):
    """Returns the columns of a baseline about one value."""
    float_column = f"toFloat64({column})"
    yield f"count({column}) AS {name}_n, count() - count({column}) AS {name}_unknown"
    yield f"sum({column}) AS {name}_sum{unit}, toFloat64(sum({column})) / nullIf(count({column}), 0) AS {name}_mean{unit}"
    for percent in ["50", "95", "99"]:
        yield f"quantileExactInclusive(0.{percent})({float_column}) AS {name}_p{percent}{unit}"


BASELINE = f"""
SELECT skill_name AS skill, count() AS executions, countIf(success) AS succeeded, countIf(NOT success) AS failed,
  count() - count(success) AS outcome_unknown,
  {", ".join([*part("total_latency_ms", "latency", "_ms"), *part("tokens_used", "tokens", ""),
              *part("cost_usd", "cost", "_usd")])}
FROM fleet.executions GROUP BY skill ORDER BY skill
"""
FAILURES = """
WITH counted AS (
  SELECT skill_name AS skill, skill_version AS version, count(success) AS outcomes, countIf(NOT success) AS failed
  FROM fleet.executions GROUP BY skill, version
), failures AS (
  SELECT skill_name AS skill, skill_version AS version, toNullable(coalesce(error_category, 'Unknown')) AS category,
    count() AS failed
  FROM fleet.executions WHERE NOT success GROUP BY skill, version, category
  UNION ALL SELECT skill, version, NULL AS category, failed FROM counted
)
SELECT failures.skill AS skill, failures.version AS version, category, outcomes, failures.failed AS failed,
  failures.failed / nullIf(outcomes, 0) AS failure_rate
FROM failures JOIN counted ON counted.skill = failures.skill AND counted.version = failures.version
ORDER BY skill, version, category NULLS FIRST
"""
GATE = """
SELECT skill_name AS skill, count(success) AS outcomes, countIf(success) / nullIf(count(success), 0) AS success_rate,
  toFloat64(sum(cost_usd)) / nullIf(count(cost_usd), 0) AS cost_mean_usd, count() - count(cost_usd) AS cost_unknown,
  CAST(coalesce(success_rate < 0.985, 0) AS Bool) AS fails_too_often,
  CAST(coalesce(cost_mean_usd > 0.05, 0) AS Bool) AS costs_too_much
FROM fleet.executions GROUP BY skill HAVING fails_too_often OR costs_too_much ORDER BY skill
"""
SLOW = """
WITH (SELECT max(day) FROM fleet.executions WHERE total_latency_ms IS NOT NULL) AS last_day
SELECT skill_name AS skill, countIf(total_latency_ms, day = last_day) AS last_n,
  countIf(total_latency_ms, day < last_day) AS before_n,
  quantileExactInclusiveIf(0.95)(toFloat64(total_latency_ms), day = last_day) AS last_p95_ms,
  quantileExactInclusiveIf(0.95)(toFloat64(total_latency_ms), day < last_day) AS before_p95_ms,
  last_p95_ms / before_p95_ms AS ratio
FROM fleet.executions GROUP BY skill
HAVING last_n >= 20 AND before_n >= 20 AND last_p95_ms > 1.05 * before_p95_ms
ORDER BY ratio DESC, skill
"""
SQL = {"cost": COST, "baseline": BASELINE, "failures": FAILURES, "gate": GATE, "slow": SLOW}


def version():
    return f"chDB {'.'.join(chdb.chdb_version)}"


def value(text, kind):
    """Returns a value of an answer in JSON, in which counts and amounts are texts, so that no digit is lost."""
    if text is None:
        return None
    if "Int" in kind:
        return int(text)
    if "Decimal" in kind:
        return decimal.Decimal(text)
    return datetime.date.fromisoformat(text) if "Date" in kind else text


class Engine:
    def __init__(self, root, source=None):
        self.session = session.Session()
        source = source or f"file('{root}/v=1/*/*/*.parquet', Parquet)"
        self.session.query("CREATE DATABASE fleet")
        self.session.query(f"CREATE VIEW fleet.records AS SELECT * FROM {source} SETTINGS use_hive_partitioning = 1")
        self.session.query(EXECUTIONS)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.session.close()

    def ask(self, question):
        quoted = "output_format_json_quote_64bit_integers = 1, output_format_json_quote_decimals = 1"
        answer = json.loads(str(self.session.query(f"{SQL[question]} SETTINGS {quoted}", "JSON")))
        kinds = {column["name"]: column["type"] for column in answer["meta"]}
        return [{name: value(row[name], kind) for name, kind in kinds.items()} for row in answer["data"]]
