-- What happened in a calendar, in order. What was written before this has no entry.
CREATE TABLE feeds (
    -- Outlives the entries it counted, so that a number is never given out twice.
    tenant   TEXT    NOT NULL,
    calendar TEXT    NOT NULL,
    last     INTEGER NOT NULL,
    PRIMARY KEY (tenant, calendar)
) STRICT, WITHOUT ROWID;
CREATE TABLE feed_entries (
    tenant   TEXT    NOT NULL,
    calendar TEXT    NOT NULL,
    seq      INTEGER NOT NULL,
    at       INTEGER NOT NULL,      -- microseconds since 1970 UTC
    json     TEXT    NOT NULL,      -- Happened
    PRIMARY KEY (tenant, calendar, seq)
) STRICT, WITHOUT ROWID;
