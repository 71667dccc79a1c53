-- What the local forge says at a commit: statuses and check runs, one for each kind and key.
--
-- `mark` holds JSON.

CREATE TABLE local_marks (
    id INTEGER PRIMARY KEY,
    commit_id TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('status', 'check_run')),
    key TEXT NOT NULL,
    mark TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    UNIQUE (commit_id, kind, key)
) STRICT;
