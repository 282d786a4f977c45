-- The executions of the fleet: the view `executions`, which the other files read.
-- `has_cost` is true if the execution has a cost, known or unknown: it used a model, or it was interrupted and may have.
-- `cost_usd` has at most 8 decimals. `exact_cost_usd` has all decimals.
-- An execution that was interrupted and ended later has several lines. Only its last line counts.
-- `runledger redact` appends a line that states what it took out. Such a statement is no execution, so it is left out.
CREATE OR REPLACE TEMPORARY VIEW executions AS
WITH repeated AS (
  SELECT ledger, execution_id, max(seq) AS last_seq
  FROM records
  GROUP BY ledger, execution_id
  HAVING count(*) > 1
)
SELECT records.*, CAST(records.timestamp_start AS DATE) AS day,
  CASE
    WHEN execution_succeeded = execution_failed THEN NULL
    ELSE coalesce(execution_succeeded, NOT execution_failed)
  END AS success,
  tokens_used IS NOT NULL OR cost_usd IS NOT NULL OR coalesce(status = 'interrupted', FALSE)
    OR (model_name IS NOT NULL AND kind NOT IN ('model_routing', 'budget_gate')) AS has_cost,
  coalesce(cost_exact_usd, cost_usd) AS exact_cost_usd
FROM records
LEFT JOIN repeated ON repeated.ledger = records.ledger AND repeated.execution_id = records.execution_id
WHERE (repeated.last_seq IS NULL OR records.seq = repeated.last_seq)
  AND NOT (skill_name = 'runledger.redact' AND coalesce(execution_succeeded, FALSE)
    AND model_name IS NULL AND tokens_used IS NULL AND cost_usd IS NULL)
