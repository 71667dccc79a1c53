-- What runs are about, which of them cannot live at once, and what each rule made of a delivery.

-- `lane` is what at most one live run of a repo has; a run whose place was taken has left it before it has ended.
ALTER TABLE runs ADD COLUMN lane TEXT;
ALTER TABLE runs ADD COLUMN subject TEXT;
ALTER TABLE runs ADD COLUMN head TEXT;
-- The delivery and the rule that had it begin.
ALTER TABLE runs ADD COLUMN cause TEXT;
-- The number of the run that takes its place.
ALTER TABLE runs ADD COLUMN superseded_by INTEGER;

UPDATE runs SET lane = 'issue:' || issue;

DROP INDEX runs_live;
CREATE UNIQUE INDEX runs_live ON runs (repo, lane) WHERE completion_time IS NULL AND superseded_by IS NULL;
CREATE UNIQUE INDEX runs_cause ON runs (repo, cause) WHERE cause IS NOT NULL;

-- JSON, as `trigger` and `headers`.
ALTER TABLE deliveries ADD COLUMN rules TEXT;
