DROP VIEW background_tasks;

-- One row for each step, in plan order: those of the flow, then those that joined it. `depends_on` has the steps that
-- the plan names; where another step took the place of one, it names that other one. The output of a step whose action
-- opened a change has that change.
CREATE VIEW background_tasks AS
WITH RECURSIVE
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
replaced AS (
    SELECT run, seq, body ->> '$.extension.supersedes[0]' AS old, body ->> '$.extension.supersedes[1]' AS new
    FROM events WHERE type = 'plan_extended' AND body ->> '$.extension.supersedes[0]' IS NOT NULL
),
-- Those that waited when a step was replaced wait for its replacement.
followed AS (
    SELECT run, name, seq, place, need FROM needs
    UNION ALL
    SELECT followed.run, followed.name, followed.seq, followed.place, replaced.new
    FROM followed JOIN replaced
        ON replaced.run = followed.run AND replaced.old = followed.need AND replaced.seq > followed.seq
),
waits AS (
    SELECT run, name, json_group_array(need ORDER BY seq, place) AS depends_on FROM followed
    WHERE NOT EXISTS (
        SELECT 1 FROM replaced
        WHERE replaced.run = followed.run AND replaced.old = followed.need AND replaced.seq > followed.seq
    )
    GROUP BY run, name
),
opened AS (
    SELECT
        asked.run, asked.body ->> '$.step' AS name,
        json_object('number', done.body ->> '$.receipt.change', 'url', done.body ->> '$.receipt.url') AS change,
        row_number() OVER (PARTITION BY asked.run, asked.body ->> '$.step' ORDER BY done.seq DESC) AS newest
    FROM events AS asked JOIN events AS done
        ON done.run = asked.run AND done.type = 'intent_done' AND done.body ->> '$.intent' = asked.body ->> '$.id'
    WHERE asked.type = 'intent_recorded' AND asked.body ->> '$.write.write' = 'open_change'
        AND NOT (asked.body ->> '$.ends_step') AND done.body ->> '$.receipt.change' IS NOT NULL
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
        moves.at AS moved_at,
        CASE
            WHEN opened.change IS NULL OR results.body -> '$.output' IS NULL THEN results.body -> '$.output'
            WHEN json_type(results.body, '$.output') = 'object'
            THEN json_set(results.body -> '$.output', '$.change', json(opened.change))
            ELSE json_object('text', json(results.body -> '$.output'), 'change', json(opened.change))
        END AS output,
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
    LEFT JOIN opened ON opened.run = plans.run AND opened.name = plans.name AND opened.newest = 1
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
