-- What the host had, and the columns calsync needs beside it.
CREATE TABLE events (
    calendar  TEXT COLLATE "C" NOT NULL,    -- "C": names are compared and ordered by bytes
    id        TEXT COLLATE "C" NOT NULL,
    -- What the application searches and shows. calsync's writes keep these in step with `event`.
    title     TEXT,
    location  TEXT,
    starts_at TIMESTAMPTZ,
    -- What calsync knows nothing of and never touches.
    catering  TEXT NOT NULL DEFAULT 'none',
    -- What calsync asks by.
    uid       BYTEA  NOT NULL,              -- text of PostgreSQL holds no NUL, UIDs of other people may
    revision  BIGINT NOT NULL,
    modified  BIGINT NOT NULL,              -- microseconds since 1970 UTC
    deleted   BIGINT,                       -- the same; NULL while it lives
    event     TEXT   NOT NULL,              -- Event, as JSON; not jsonb, which cannot hold every string
    PRIMARY KEY (calendar, id)
);
-- Of hashes: a UID may be longer than an entry of a B-tree.
CREATE INDEX events_by_uid ON events USING hash (uid);
CREATE UNIQUE INDEX events_by_revision ON events (calendar, revision);
CREATE INDEX events_deleted ON events (calendar, deleted) WHERE deleted IS NOT NULL;

-- Outlives the events it counted, so that no revision is given out twice. Every writer locks it.
CREATE TABLE calsync_revisions (
    calendar TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    last     BIGINT NOT NULL
);

-- Calendars, links, bases, the outbox and the lists people read: calsync's alone, so they can share a table.
CREATE TABLE calsync_rows (
    kind       TEXT COLLATE "C" NOT NULL,
    owner      TEXT COLLATE "C" NOT NULL,   -- the link; '' for calendars and links themselves
    id         TEXT COLLATE "C" NOT NULL,
    event      TEXT COLLATE "C",
    run        TEXT COLLATE "C",
    aged       BIGINT,                      -- what a log is cut by; NULL: never cut
    version    BYTEA,                       -- of a base, so that a listing is compared without reading its JSON
    generation BIGINT NOT NULL DEFAULT 1,   -- counts the writes of a row
    json       TEXT NOT NULL,
    PRIMARY KEY (kind, owner, id)
);
CREATE UNIQUE INDEX calsync_rows_pairs ON calsync_rows (kind, owner, event) WHERE kind IN ('base', 'outbox');
CREATE INDEX calsync_rows_by_event ON calsync_rows (kind, owner, event, id) WHERE kind IN ('conflict', 'journal');
CREATE INDEX calsync_rows_by_run ON calsync_rows (kind, owner, run, id) WHERE run IS NOT NULL;
CREATE INDEX calsync_rows_by_age ON calsync_rows (kind, owner, aged, id) WHERE aged IS NOT NULL;

CREATE TABLE calsync_docs (
    space   TEXT COLLATE "C" NOT NULL,
    key     TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    due     BIGINT,
    value   BYTEA NOT NULL,
    PRIMARY KEY (space, key)
);
CREATE INDEX calsync_docs_by_due ON calsync_docs (space, due, key) WHERE due IS NOT NULL;
-- A gap does no harm here, a version given out twice would.
CREATE SEQUENCE calsync_doc_versions;

-- A row stays when its lease is given back (holder is NULL then): no epoch is given out twice.
CREATE TABLE calsync_leases (
    name   TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    epoch  BIGINT NOT NULL,
    holder TEXT COLLATE "C",
    until  BIGINT NOT NULL
);
