-- What was received from forges and CI, once each.
--
-- `trigger` and `headers` hold JSON. The body comes last, so that lists do not read past it.

CREATE TABLE deliveries (
    key INTEGER PRIMARY KEY,
    provider TEXT NOT NULL,
    delivery_id TEXT NOT NULL,
    event TEXT NOT NULL,
    action TEXT,
    repo TEXT,
    sent_at TEXT,
    received_at TEXT NOT NULL,
    verdict TEXT NOT NULL CHECK (verdict IN ('accepted', 'ignored', 'rejected')),
    reason TEXT, -- of what was ignored or rejected
    trigger TEXT, -- of what was accepted
    handled_at TEXT,
    bytes INTEGER NOT NULL,
    headers TEXT NOT NULL,
    body BLOB NOT NULL,
    UNIQUE (provider, delivery_id),
    CHECK ((verdict = 'accepted') = (trigger IS NOT NULL) AND (verdict = 'accepted') = (reason IS NULL))
) STRICT;

CREATE INDEX deliveries_unhandled ON deliveries (key) WHERE handled_at IS NULL;
CREATE INDEX deliveries_handled ON deliveries (received_at) WHERE handled_at IS NOT NULL;
