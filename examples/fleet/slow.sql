-- The skills that were slower on the last day than on the days before: the 95th percentile of the latency grew by more than
-- 5 %. Skills with fewer than 20 latencies on either side are left out.
WITH latest AS (
  SELECT max(day) AS last_day FROM executions WHERE total_latency_ms IS NOT NULL
), sides AS (
  SELECT skill_name AS skill,
    percentile_cont(0.95) WITHIN GROUP (ORDER BY CASE WHEN day = last_day THEN total_latency_ms END) AS last_p95_ms,
    percentile_cont(0.95) WITHIN GROUP (ORDER BY CASE WHEN day < last_day THEN total_latency_ms END) AS before_p95_ms,
    count(CASE WHEN day = last_day THEN total_latency_ms END) AS last_n,
    count(CASE WHEN day < last_day THEN total_latency_ms END) AS before_n
  FROM executions
  CROSS JOIN latest
  GROUP BY skill_name
)
SELECT skill, last_n, before_n, last_p95_ms, before_p95_ms, last_p95_ms / before_p95_ms AS ratio
FROM sides
WHERE last_n >= 20 AND before_n >= 20 AND last_p95_ms > 1.05 * before_p95_ms
ORDER BY ratio DESC, skill
