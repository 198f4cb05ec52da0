-- What a log is cut by: microseconds since 1970 UTC; NULL: never cut.
ALTER TABLE runs ADD COLUMN aged INTEGER;
ALTER TABLE journal ADD COLUMN aged INTEGER;
ALTER TABLE conflicts ADD COLUMN aged INTEGER;
UPDATE runs SET aged = CAST(unixepoch(json ->> '$.started', 'subsec') * 1000000 AS INTEGER);
UPDATE journal SET aged = CAST(unixepoch(json ->> '$.at', 'subsec') * 1000000 AS INTEGER);
UPDATE conflicts SET aged = CAST(unixepoch(json ->> '$.at', 'subsec') * 1000000 AS INTEGER)
    WHERE json ->> '$.state' = 'resolved';
CREATE INDEX runs_by_age ON runs (link, aged, id) WHERE aged IS NOT NULL;
CREATE INDEX journal_by_age ON journal (link, aged, id) WHERE aged IS NOT NULL;
CREATE INDEX conflicts_by_age ON conflicts (link, aged, id) WHERE aged IS NOT NULL;

CREATE TABLE docs (
    space   TEXT    NOT NULL,
    key     TEXT    NOT NULL,
    version INTEGER NOT NULL,       -- from counters
    due     INTEGER,                -- microseconds since 1970 UTC; NULL: never
    value   BLOB    NOT NULL,
    PRIMARY KEY (space, key)
) STRICT;
CREATE INDEX docs_by_due ON docs (space, due, key) WHERE due IS NOT NULL;

CREATE TABLE counters (
    -- Outlives what it counted, so that no number is given out twice.
    name TEXT    NOT NULL PRIMARY KEY,
    last INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
