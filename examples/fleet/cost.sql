-- The cost of each day, team and model. The team is the column `user`, which `runledger ship --user` sets.
-- Executions that used no model have no cost, and are left out.
-- `cost_usd` is the sum of the known costs, and null if no cost is known. `cost_unknown` counts the unknown costs.
SELECT day, executions.user AS team, model_name AS model,
  count(*) AS executions,
  sum(exact_cost_usd) AS cost_usd,
  count(*) - count(exact_cost_usd) AS cost_unknown,
  sum(tokens_used) AS tokens,
  count(*) - count(tokens_used) AS tokens_unknown
FROM executions
WHERE has_cost
GROUP BY day, executions.user, model_name
ORDER BY day, team NULLS LAST, model NULLS LAST
