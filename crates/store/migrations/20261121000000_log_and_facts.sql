-- The log, the facts that are derived from it, and the records of the local forge.
--
-- Times are RFC 3339 in UTC with nine decimals, so that they sort as text.
-- `run` is always `runs.key`. In the log and the facts, `body`, `write`, `receipt`, `failure`, `answer` and
-- `dependencies` hold JSON; so does `labels`.

PRAGMA application_id = 0x6d697961; -- "miya"

CREATE TABLE runs (
    key INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    number INTEGER NOT NULL,
    repo TEXT NOT NULL,
    issue INTEGER NOT NULL,
    title TEXT NOT NULL,
    flow TEXT NOT NULL,
    status TEXT NOT NULL,
    stage TEXT NOT NULL,
    started_at TEXT NOT NULL,
    completion_time TEXT,
    duration_sec INTEGER,
    reason TEXT,
    UNIQUE (repo, number)
) STRICT;

-- One live run per repo and issue.
CREATE UNIQUE INDEX runs_live ON runs (repo, issue) WHERE completion_time IS NULL;
CREATE INDEX runs_issue ON runs (issue);
CREATE INDEX runs_number ON runs (number);

-- One tree and no second index: an append touches one page. The run was looked up in the same transaction, so a
-- foreign key would only cost time. `type` takes no room: it is read out of the body when someone asks.
CREATE TABLE events (
    run INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    at TEXT NOT NULL,
    body TEXT NOT NULL,
    type TEXT GENERATED ALWAYS AS (body ->> '$.type') VIRTUAL,
    PRIMARY KEY (run, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
    key INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    run INTEGER NOT NULL REFERENCES runs (key),
    step TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    adapter TEXT NOT NULL,
    status TEXT NOT NULL,
    started_at TEXT NOT NULL,
    completion_time TEXT,
    duration_sec INTEGER,
    input_tokens INTEGER,
    output_tokens INTEGER,
    cost_usd REAL,
    turns INTEGER,
    UNIQUE (run, id)
) STRICT;

CREATE TABLE tasks (
    key INTEGER PRIMARY KEY,
    task_id TEXT NOT NULL,
    run INTEGER NOT NULL REFERENCES runs (key),
    issue_id INTEGER NOT NULL,
    title TEXT NOT NULL,
    dependencies TEXT NOT NULL,
    estimated_duration INTEGER NOT NULL, -- minutes
    agent_type TEXT NOT NULL,
    UNIQUE (run, task_id)
) STRICT;

CREATE TABLE escalations (
    key INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    run INTEGER NOT NULL REFERENCES runs (key),
    step TEXT NOT NULL,
    severity TEXT NOT NULL,
    reason TEXT NOT NULL,
    deadline TEXT NOT NULL,
    default_action TEXT NOT NULL,
    body TEXT NOT NULL,
    raised_at TEXT NOT NULL,
    answered_at TEXT,
    answer TEXT,
    UNIQUE (run, id)
) STRICT;

CREATE INDEX escalations_open ON escalations (raised_at) WHERE answered_at IS NULL;

CREATE TABLE intents (
    id TEXT NOT NULL,
    run INTEGER NOT NULL REFERENCES runs (key),
    step TEXT NOT NULL,
    write TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'done', 'failed')),
    receipt TEXT,
    failure TEXT,
    PRIMARY KEY (run, id)
) STRICT;

CREATE INDEX intents_open ON intents (run) WHERE state = 'open';

-- The local forge. Issues and changes share their numbers.
CREATE TABLE local_issues (
    number INTEGER PRIMARY KEY,
    title TEXT NOT NULL,
    body TEXT NOT NULL,
    labels TEXT NOT NULL,
    author TEXT NOT NULL,
    open INTEGER NOT NULL,
    created_at TEXT NOT NULL
) STRICT;

CREATE TABLE local_changes (
    number INTEGER PRIMARY KEY,
    issue INTEGER NOT NULL,
    title TEXT NOT NULL,
    body TEXT NOT NULL,
    head TEXT NOT NULL,
    base TEXT NOT NULL,
    head_commit TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'merged', 'closed')),
    merge_commit TEXT,
    labels TEXT NOT NULL,
    created_at TEXT NOT NULL
) STRICT;

-- One open change per head branch.
CREATE UNIQUE INDEX local_changes_open_head ON local_changes (head) WHERE state = 'open';

CREATE TABLE local_comments (
    id INTEGER PRIMARY KEY,
    issue INTEGER NOT NULL, -- or change
    author TEXT NOT NULL,
    body TEXT NOT NULL,
    key TEXT, -- what makes it recognisable
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    UNIQUE (issue, key)
) STRICT;
