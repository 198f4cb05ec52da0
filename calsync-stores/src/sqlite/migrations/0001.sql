CREATE TABLE calendars (
    id   TEXT NOT NULL PRIMARY KEY,
    json TEXT NOT NULL              -- Calendar
) STRICT, WITHOUT ROWID;

CREATE TABLE revisions (
    -- Outlives the events it counted, so that a revision is never given out twice.
    calendar TEXT    NOT NULL PRIMARY KEY,
    last     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
    calendar TEXT    NOT NULL,
    id       TEXT    NOT NULL,
    uid      TEXT    NOT NULL,      -- the one in json
    revision INTEGER NOT NULL,
    modified INTEGER NOT NULL,      -- microseconds since 1970 UTC
    deleted  INTEGER,               -- the same; NULL while it lives
    json     TEXT    NOT NULL,      -- Event
    PRIMARY KEY (calendar, id)
) STRICT;
CREATE INDEX events_by_uid ON events (calendar, uid);
CREATE UNIQUE INDEX events_by_revision ON events (calendar, revision);
CREATE INDEX events_deleted ON events (calendar, deleted) WHERE deleted IS NOT NULL;

CREATE TABLE links (
    id         TEXT    NOT NULL PRIMARY KEY,
    generation INTEGER NOT NULL,    -- counts commits; the one in json is not used
    json       TEXT    NOT NULL     -- LinkState
) STRICT, WITHOUT ROWID;

CREATE TABLE bases (
    link      TEXT NOT NULL,
    remote_id TEXT NOT NULL,
    event_id  TEXT NOT NULL,
    version   TEXT,
    state     TEXT NOT NULL CHECK (state IN ('linked', 'suppressed')),
    payload   TEXT NOT NULL,        -- byte for byte what the provider sent; the long columns come last
    local     TEXT,                 -- Event as JSON
    remote    TEXT,                 -- Event as JSON
    PRIMARY KEY (link, remote_id),
    UNIQUE (link, event_id)
) STRICT;

CREATE TABLE outbox (
    link     TEXT NOT NULL,
    id       TEXT NOT NULL,
    event_id TEXT NOT NULL,
    json     TEXT NOT NULL,         -- OutboxEntry
    PRIMARY KEY (link, id),
    UNIQUE (link, event_id)
) STRICT;

CREATE TABLE conflicts (
    link     TEXT NOT NULL,
    id       TEXT NOT NULL,
    event_id TEXT NOT NULL,
    run      TEXT NOT NULL,
    json     TEXT NOT NULL,         -- ConflictRecord
    PRIMARY KEY (link, id)
) STRICT;
CREATE INDEX conflicts_by_event ON conflicts (link, event_id, id);
CREATE INDEX conflicts_by_run ON conflicts (link, run, id);

CREATE TABLE quarantine (
    link      TEXT NOT NULL,
    remote_id TEXT NOT NULL,
    json      TEXT NOT NULL,        -- QuarantineRecord
    PRIMARY KEY (link, remote_id)
) STRICT;

CREATE TABLE runs (
    link TEXT NOT NULL,
    id   TEXT NOT NULL,
    json TEXT NOT NULL,             -- RunRecord
    PRIMARY KEY (link, id)
) STRICT;

CREATE TABLE journal (
    link     TEXT NOT NULL,
    id       TEXT NOT NULL,
    event_id TEXT NOT NULL,
    run      TEXT NOT NULL,
    json     TEXT NOT NULL,         -- JournalEntry
    PRIMARY KEY (link, id)
) STRICT;
CREATE INDEX journal_by_event ON journal (link, event_id, id);
CREATE INDEX journal_by_run ON journal (link, run, id);

CREATE TABLE leases (
    -- A row stays when its lease is given back: an epoch is never given out twice.
    name   TEXT    NOT NULL PRIMARY KEY,
    epoch  INTEGER NOT NULL,
    holder TEXT,                    -- NULL: given back
    until  INTEGER NOT NULL         -- microseconds since 1970 UTC
) STRICT, WITHOUT ROWID;
