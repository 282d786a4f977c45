-- How often each version of a skill fails, and why. The rate is the share of failures among the known outcomes.
-- `category` is null in the row of all failures of a version.
WITH counted AS (
  SELECT skill_name, skill_version, count(success) AS outcomes
  FROM executions
  GROUP BY skill_name, skill_version
), failures AS (
  SELECT skill_name, skill_version, coalesce(error_category, 'Unknown') AS category, count(*) AS failed
  FROM executions
  WHERE NOT success
  GROUP BY skill_name, skill_version, coalesce(error_category, 'Unknown')
  UNION ALL
  SELECT skill_name, skill_version, CAST(NULL AS VARCHAR(20)) AS category, count(CASE WHEN NOT success THEN 1 END) AS failed
  FROM executions
  GROUP BY skill_name, skill_version
)
SELECT counted.skill_name AS skill, counted.skill_version AS version, category, outcomes, failed,
  CAST(failed AS DOUBLE) / nullif(outcomes, 0) AS failure_rate
FROM counted
JOIN failures ON failures.skill_name = counted.skill_name AND failures.skill_version = counted.skill_version
ORDER BY skill, version, category NULLS FIRST
