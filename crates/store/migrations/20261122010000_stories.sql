-- Stories: a copy of their files, and what follows from the events of their runs.
--
-- `acceptance_criteria`, `decomposition`, `steps` and `entry` hold JSON. Hashes are SHA-256 in hexadecimal.

CREATE TABLE stories (
    key INTEGER PRIMARY KEY,
    repo TEXT NOT NULL,
    id TEXT NOT NULL,
    title TEXT NOT NULL,
    story TEXT NOT NULL,
    acceptance_criteria TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('active', 'paused', 'archived', 'planned')),
    path TEXT NOT NULL,
    text_hash TEXT NOT NULL,
    commit_sha TEXT NOT NULL,
    synced_at TEXT NOT NULL,
    UNIQUE (repo, id)
) STRICT;

-- Made at a commit: other branches may hold what leads an agent astray, and do not decide what a story means here.
CREATE TABLE story_decompositions (
    key INTEGER PRIMARY KEY,
    repo TEXT NOT NULL,
    story TEXT NOT NULL,
    commit_sha TEXT NOT NULL,
    text_hash TEXT NOT NULL,
    decomposition TEXT NOT NULL,
    run INTEGER NOT NULL REFERENCES runs (key),
    created_at TEXT NOT NULL,
    UNIQUE (run, story)
) STRICT;

CREATE INDEX story_decompositions_commit ON story_decompositions (repo, commit_sha);

CREATE TABLE story_test_results (
    key INTEGER PRIMARY KEY,
    run INTEGER NOT NULL REFERENCES runs (key),
    step TEXT NOT NULL,
    story TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('running', 'pass', 'fail', 'error', 'skipped')),
    commit_sha TEXT NOT NULL,
    explanation TEXT NOT NULL,
    steps TEXT NOT NULL,
    evidence INTEGER NOT NULL,
    cached_from_run TEXT, -- runs.id
    started_at TEXT NOT NULL,
    completion_time TEXT,
    duration_sec INTEGER,
    UNIQUE (run, step),
    CHECK ((status = 'running') = (completion_time IS NULL))
) STRICT;

CREATE INDEX story_test_results_story ON story_test_results (story, key);

CREATE TABLE story_evidence_cache (
    key INTEGER PRIMARY KEY,
    repo TEXT NOT NULL,
    story TEXT NOT NULL,
    commit_sha TEXT NOT NULL,
    text_hash TEXT NOT NULL,
    decomposition_hash TEXT NOT NULL,
    entry TEXT NOT NULL,
    run INTEGER NOT NULL REFERENCES runs (key),
    cached_from_run TEXT, -- runs.id, where that run only handed it on
    created_at TEXT NOT NULL,
    UNIQUE (run, story)
) STRICT;

CREATE INDEX story_evidence_cache_commit ON story_evidence_cache (repo, commit_sha);
