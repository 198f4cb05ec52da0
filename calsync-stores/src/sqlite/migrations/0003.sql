-- Every row gets its tenant, and every key begins with it. What is there belongs to the tenant ''.

ALTER TABLE calendars RENAME TO calendars_of_one;
CREATE TABLE calendars (
    tenant TEXT NOT NULL,
    id     TEXT NOT NULL,
    json   TEXT NOT NULL,           -- Calendar
    PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;
INSERT INTO calendars SELECT '', id, json FROM calendars_of_one;
DROP TABLE calendars_of_one;

ALTER TABLE revisions RENAME TO revisions_of_one;
CREATE TABLE revisions (
    -- Outlives the events it counted, so that a revision is never given out twice.
    tenant   TEXT    NOT NULL,
    calendar TEXT    NOT NULL,
    last     INTEGER NOT NULL,
    PRIMARY KEY (tenant, calendar)
) STRICT, WITHOUT ROWID;
INSERT INTO revisions SELECT '', calendar, last FROM revisions_of_one;
DROP TABLE revisions_of_one;

ALTER TABLE events RENAME TO events_of_one;
DROP INDEX events_by_uid;
DROP INDEX events_by_revision;
DROP INDEX events_deleted;
CREATE TABLE events (
    tenant   TEXT    NOT NULL,
    calendar TEXT    NOT NULL,
    id       TEXT    NOT NULL,
    uid      TEXT    NOT NULL,      -- the one in json
    revision INTEGER NOT NULL,
    modified INTEGER NOT NULL,      -- microseconds since 1970 UTC
    deleted  INTEGER,               -- the same; NULL while it lives
    json     TEXT    NOT NULL,      -- Event
    PRIMARY KEY (tenant, calendar, id)
) STRICT;
INSERT INTO events SELECT '', calendar, id, uid, revision, modified, deleted, json FROM events_of_one;
DROP TABLE events_of_one;
CREATE INDEX events_by_uid ON events (tenant, calendar, uid);
CREATE UNIQUE INDEX events_by_revision ON events (tenant, calendar, revision);
CREATE INDEX events_deleted ON events (tenant, calendar, deleted) WHERE deleted IS NOT NULL;

ALTER TABLE links RENAME TO links_of_one;
CREATE TABLE links (
    tenant     TEXT    NOT NULL,
    id         TEXT    NOT NULL,
    generation INTEGER NOT NULL,    -- counts commits; the one in json is not used
    json       TEXT    NOT NULL,    -- LinkState
    PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;
INSERT INTO links SELECT '', id, generation, json FROM links_of_one;
DROP TABLE links_of_one;

ALTER TABLE bases RENAME TO bases_of_one;
CREATE TABLE bases (
    tenant    TEXT NOT NULL,
    link      TEXT NOT NULL,
    remote_id TEXT NOT NULL,
    event_id  TEXT NOT NULL,
    version   TEXT,
    state     TEXT NOT NULL CHECK (state IN ('linked', 'suppressed')),
    payload   TEXT NOT NULL,        -- byte for byte what the provider sent; the long columns come last
    local     TEXT,                 -- Event as JSON
    remote    TEXT,                 -- Event as JSON
    PRIMARY KEY (tenant, link, remote_id),
    UNIQUE (tenant, link, event_id)
) STRICT;
INSERT INTO bases SELECT '', link, remote_id, event_id, version, state, payload, local, remote FROM bases_of_one;
DROP TABLE bases_of_one;

ALTER TABLE outbox RENAME TO outbox_of_one;
CREATE TABLE outbox (
    tenant   TEXT NOT NULL,
    link     TEXT NOT NULL,
    id       TEXT NOT NULL,
    event_id TEXT NOT NULL,
    json     TEXT NOT NULL,         -- OutboxEntry
    PRIMARY KEY (tenant, link, id),
    UNIQUE (tenant, link, event_id)
) STRICT;
INSERT INTO outbox SELECT '', link, id, event_id, json FROM outbox_of_one;
DROP TABLE outbox_of_one;

ALTER TABLE conflicts RENAME TO conflicts_of_one;
DROP INDEX conflicts_by_event;
DROP INDEX conflicts_by_run;
DROP INDEX conflicts_by_age;
CREATE TABLE conflicts (
    tenant   TEXT NOT NULL,
    link     TEXT NOT NULL,
    id       TEXT NOT NULL,
    event_id TEXT NOT NULL,
    run      TEXT NOT NULL,
    aged     INTEGER,               -- what the log is cut by: microseconds since 1970 UTC; NULL while it is open
    json     TEXT NOT NULL,         -- ConflictRecord
    PRIMARY KEY (tenant, link, id)
) STRICT;
INSERT INTO conflicts SELECT '', link, id, event_id, run, aged, json FROM conflicts_of_one;
DROP TABLE conflicts_of_one;
CREATE INDEX conflicts_by_event ON conflicts (tenant, link, event_id, id);
CREATE INDEX conflicts_by_run ON conflicts (tenant, link, run, id);
CREATE INDEX conflicts_by_age ON conflicts (tenant, link, aged, id) WHERE aged IS NOT NULL;

ALTER TABLE quarantine RENAME TO quarantine_of_one;
CREATE TABLE quarantine (
    tenant    TEXT NOT NULL,
    link      TEXT NOT NULL,
    remote_id TEXT NOT NULL,
    json      TEXT NOT NULL,        -- QuarantineRecord
    PRIMARY KEY (tenant, link, remote_id)
) STRICT;
INSERT INTO quarantine SELECT '', link, remote_id, json FROM quarantine_of_one;
DROP TABLE quarantine_of_one;

ALTER TABLE runs RENAME TO runs_of_one;
DROP INDEX runs_by_age;
CREATE TABLE runs (
    tenant TEXT NOT NULL,
    link   TEXT NOT NULL,
    id     TEXT NOT NULL,
    aged   INTEGER,                 -- what the log is cut by: microseconds since 1970 UTC
    json   TEXT NOT NULL,           -- RunRecord
    PRIMARY KEY (tenant, link, id)
) STRICT;
INSERT INTO runs SELECT '', link, id, aged, json FROM runs_of_one;
DROP TABLE runs_of_one;
CREATE INDEX runs_by_age ON runs (tenant, link, aged, id) WHERE aged IS NOT NULL;

ALTER TABLE journal RENAME TO journal_of_one;
DROP INDEX journal_by_event;
DROP INDEX journal_by_run;
DROP INDEX journal_by_age;
CREATE TABLE journal (
    tenant   TEXT NOT NULL,
    link     TEXT NOT NULL,
    id       TEXT NOT NULL,
    event_id TEXT NOT NULL,
    run      TEXT NOT NULL,
    aged     INTEGER,               -- what the log is cut by: microseconds since 1970 UTC
    json     TEXT NOT NULL,         -- JournalEntry
    PRIMARY KEY (tenant, link, id)
) STRICT;
INSERT INTO journal SELECT '', link, id, event_id, run, aged, json FROM journal_of_one;
DROP TABLE journal_of_one;
CREATE INDEX journal_by_event ON journal (tenant, link, event_id, id);
CREATE INDEX journal_by_run ON journal (tenant, link, run, id);
CREATE INDEX journal_by_age ON journal (tenant, link, aged, id) WHERE aged IS NOT NULL;

ALTER TABLE leases RENAME TO leases_of_one;
CREATE TABLE leases (
    -- A row stays when its lease is given back: an epoch is never given out twice.
    tenant TEXT    NOT NULL,
    name   TEXT    NOT NULL,
    epoch  INTEGER NOT NULL,
    holder TEXT,                    -- NULL: given back
    until  INTEGER NOT NULL,        -- microseconds since 1970 UTC
    PRIMARY KEY (tenant, name)
) STRICT, WITHOUT ROWID;
INSERT INTO leases SELECT '', name, epoch, holder, until FROM leases_of_one;
DROP TABLE leases_of_one;

ALTER TABLE docs RENAME TO docs_of_one;
DROP INDEX docs_by_due;
CREATE TABLE docs (
    tenant  TEXT    NOT NULL,
    space   TEXT    NOT NULL,
    key     TEXT    NOT NULL,
    version INTEGER NOT NULL,       -- from counters
    due     INTEGER,                -- microseconds since 1970 UTC; NULL: never
    value   BLOB    NOT NULL,
    PRIMARY KEY (tenant, space, key)
) STRICT;
INSERT INTO docs SELECT '', space, key, version, due, value FROM docs_of_one;
DROP TABLE docs_of_one;
CREATE INDEX docs_by_due ON docs (tenant, space, due, key) WHERE due IS NOT NULL;
