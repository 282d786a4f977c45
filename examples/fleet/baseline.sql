-- What is normal for each skill: latency, tokens and cost. Each value covers the executions where it is known.
-- Percentiles are interpolated linearly, like those of `runledger baseline`.
SELECT skill_name AS skill,
  count(*) AS executions,
  count(CASE WHEN success THEN 1 END) AS succeeded,
  count(CASE WHEN NOT success THEN 1 END) AS failed,
  count(*) - count(success) AS outcome_unknown,
  count(total_latency_ms) AS latency_n,
  count(*) - count(total_latency_ms) AS latency_unknown,
  sum(total_latency_ms) AS latency_sum_ms,
  CAST(sum(total_latency_ms) AS DOUBLE) / nullif(count(total_latency_ms), 0) AS latency_mean_ms,
  percentile_cont(0.5) WITHIN GROUP (ORDER BY total_latency_ms) AS latency_p50_ms,
  percentile_cont(0.95) WITHIN GROUP (ORDER BY total_latency_ms) AS latency_p95_ms,
  percentile_cont(0.99) WITHIN GROUP (ORDER BY total_latency_ms) AS latency_p99_ms,
  count(tokens_used) AS tokens_n,
  count(*) - count(tokens_used) AS tokens_unknown,
  sum(tokens_used) AS tokens_sum,
  CAST(sum(tokens_used) AS DOUBLE) / nullif(count(tokens_used), 0) AS tokens_mean,
  percentile_cont(0.5) WITHIN GROUP (ORDER BY tokens_used) AS tokens_p50,
  percentile_cont(0.95) WITHIN GROUP (ORDER BY tokens_used) AS tokens_p95,
  percentile_cont(0.99) WITHIN GROUP (ORDER BY tokens_used) AS tokens_p99,
  count(cost_usd) AS cost_n,
  count(*) - count(cost_usd) AS cost_unknown,
  sum(cost_usd) AS cost_sum_usd,
  CAST(sum(cost_usd) AS DOUBLE) / nullif(count(cost_usd), 0) AS cost_mean_usd,
  percentile_cont(0.5) WITHIN GROUP (ORDER BY CAST(cost_usd AS DOUBLE)) AS cost_p50_usd,
  percentile_cont(0.95) WITHIN GROUP (ORDER BY CAST(cost_usd AS DOUBLE)) AS cost_p95_usd,
  percentile_cont(0.99) WITHIN GROUP (ORDER BY CAST(cost_usd AS DOUBLE)) AS cost_p99_usd
FROM executions
GROUP BY skill_name
ORDER BY skill
