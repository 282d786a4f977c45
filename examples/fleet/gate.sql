-- The skills that must not be released: a lower success rate or a higher mean cost than allowed. If no row is returned,
-- all skills pass.
-- Change the limits here. An unknown value is not judged. `cost_unknown` says how many costs the mean does not cover.
WITH limits AS (
  SELECT CAST(0.985 AS DOUBLE) AS success_rate_min, CAST(0.05 AS DOUBLE) AS cost_mean_usd_max
), skills AS (
  SELECT skill_name AS skill,
    count(success) AS outcomes,
    CAST(count(CASE WHEN success THEN 1 END) AS DOUBLE) / nullif(count(success), 0) AS success_rate,
    CAST(sum(cost_usd) AS DOUBLE) / nullif(count(cost_usd), 0) AS cost_mean_usd,
    count(*) - count(cost_usd) AS cost_unknown
  FROM executions
  GROUP BY skill_name
)
SELECT skill, outcomes, success_rate, cost_mean_usd, cost_unknown,
  coalesce(success_rate < success_rate_min, false) AS fails_too_often,
  coalesce(cost_mean_usd > cost_mean_usd_max, false) AS costs_too_much
FROM skills
CROSS JOIN limits
WHERE success_rate < success_rate_min OR cost_mean_usd > cost_mean_usd_max
ORDER BY skill
