-- Runs and steps by the names that products for workflows have for them: read from the log each time, and written by
-- nobody.

CREATE VIEW workflow_runs AS
SELECT
    runs.id AS id,
    runs.flow AS workflow_name,
    runs.repo AS repository,
    -- `running` until it has ended; whether it waits is seen in its tasks.
    runs.status AS status,
    first.body ->> '$.trigger' AS trigger_type,
    ifnull(first.body -> '$.payload', json_object('issue', first.body -> '$.issue')) AS trigger_payload,
    runs.started_at AS started_at,
    runs.completion_time AS completed_at,
    CASE WHEN runs.status IN ('failed', 'cancelled', 'superseded') THEN runs.reason END AS error_message
FROM runs JOIN events AS first ON first.run = runs.key AND first.seq = 0;

-- One row for each step, in plan order: those of the flow, then those that joined it. `depends_on` has the steps that
-- the plan names; where another step took the place of one, that one's name stays.
CREATE VIEW background_tasks AS
WITH
plans AS (
    SELECT events.run, events.seq, step.key AS place, step.value AS step, step.value ->> '$.id' AS name
    FROM events, json_each(
        events.body, iif(events.type = 'run_started', '$.plan.steps', '$.extension.steps')
    ) AS step
    WHERE events.type IN ('run_started', 'plan_extended')
),
needs AS (
    SELECT plans.run, plans.name, plans.seq, need.key AS place, need.value AS need
    FROM plans, json_each(plans.step, '$.needs') AS need
    UNION ALL
    SELECT events.run, joined.key, events.seq, need.key, need.value
    FROM events, json_each(events.body, '$.extension.joins') AS joined, json_each(joined.value) AS need
    WHERE events.type = 'plan_extended'
),
waits AS (
    SELECT run, name, json_group_array(need ORDER BY seq, place) AS depends_on FROM needs GROUP BY run, name
),
moves AS (
    SELECT
        run, at, type, body, body ->> '$.step' AS name,
        row_number() OVER (PARTITION BY run, body ->> '$.step' ORDER BY seq DESC) AS newest
    FROM events
    WHERE type IN ('step_started', 'step_succeeded', 'step_failed', 'attempt_lost', 'step_skipped',
                   'step_cancelled', 'gate_decided')
),
results AS (
    SELECT
        run, body, body ->> '$.step' AS name,
        row_number() OVER (PARTITION BY run, body ->> '$.step' ORDER BY seq DESC) AS newest
    FROM events WHERE type IN ('step_succeeded', 'step_failed')
),
starts AS (
    SELECT run, body ->> '$.step' AS name, min(at) AS started_at, max(body ->> '$.attempt') AS attempts
    FROM events WHERE type = 'step_started' GROUP BY run, body ->> '$.step'
),
tasks AS (
    SELECT
        plans.run, plans.seq, plans.place, plans.name, plans.step,
        waits.depends_on, starts.started_at, ifnull(starts.attempts, 0) AS attempts,
        moves.at AS moved_at, results.body -> '$.output' AS output,
        results.body ->> '$.failure.message' AS failure,
        CASE moves.type
            WHEN 'step_started' THEN 'running'
            WHEN 'step_succeeded' THEN 'succeeded'
            WHEN 'step_failed' THEN 'waiting'
            WHEN 'step_skipped' THEN 'skipped'
            WHEN 'step_cancelled' THEN 'cancelled'
            WHEN 'gate_decided' THEN CASE moves.body ->> '$.gate.gate'
                WHEN 'proceed' THEN 'succeeded'
                WHEN 'rework' THEN 'superseded'
                WHEN 'block' THEN
                    iif(results.body ->> '$.failure.class' = 'cancelled', 'cancelled', 'failed')
                ELSE 'waiting'
            END
            ELSE 'queued'
        END AS status
    FROM plans
    LEFT JOIN waits ON waits.run = plans.run AND waits.name = plans.name
    LEFT JOIN moves ON moves.run = plans.run AND moves.name = plans.name AND moves.newest = 1
    LEFT JOIN results ON results.run = plans.run AND results.name = plans.name AND results.newest = 1
    LEFT JOIN starts ON starts.run = plans.run AND starts.name = plans.name
)
SELECT
    runs.id || '/' || tasks.name AS id,
    runs.id AS workflow_run_id,
    tasks.name AS step_name,
    -- The word of a built-in step, or `agent`, `task`, `integrate`.
    ifnull(tasks.step ->> '$.work.uses', (SELECT key FROM json_each(tasks.step, '$.work') LIMIT 1)) AS task_type,
    tasks.status AS status,
    ifnull(tasks.depends_on, '[]') AS depends_on,
    tasks.step ->> '$.condition' AS condition,
    tasks.output AS output,
    tasks.failure AS error,
    tasks.attempts AS attempts,
    tasks.started_at AS started_at,
    iif(tasks.status IN ('queued', 'running', 'waiting'), NULL, tasks.moved_at) AS completed_at
FROM tasks JOIN runs ON runs.key = tasks.run
ORDER BY runs.key, tasks.seq, tasks.place;
