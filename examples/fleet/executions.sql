-- The executions of the fleet: the view `executions`, which the other files read.
-- `cost_usd` has at most 8 decimals. `exact_cost_usd` has all decimals.
-- An execution that was interrupted and ended later has several lines. Only its last line counts.
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
  coalesce(cost_exact_usd, cost_usd) AS exact_cost_usd
FROM records
LEFT JOIN repeated ON repeated.ledger = records.ledger AND repeated.execution_id = records.execution_id
WHERE repeated.last_seq IS NULL OR records.seq = repeated.last_seq
