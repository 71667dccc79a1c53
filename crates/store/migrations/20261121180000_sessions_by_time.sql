-- What all runs of a day have used is asked before each agent starts.
CREATE INDEX sessions_started ON sessions (started_at);
