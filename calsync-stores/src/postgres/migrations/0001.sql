-- `@` is the schema's name. Instants are timestamptz: exact to the microsecond, independent of any session's zone.
-- Every key starts with the tenant. Names are compared byte by byte. JSON is kept as text, because jsonb cannot hold
-- every string; where a host wants to look inside: json::json ->> 'uid'.

CREATE TABLE @.calendars (
    tenant text COLLATE "C" NOT NULL,
    id     text COLLATE "C" NOT NULL,
    json   text NOT NULL,
    PRIMARY KEY (tenant, id)
);

CREATE TABLE @.revisions (
    tenant   text COLLATE "C" NOT NULL,
    calendar text COLLATE "C" NOT NULL,
    last     bigint NOT NULL,
    PRIMARY KEY (tenant, calendar)
) WITH (fillfactor = 50);
COMMENT ON TABLE @.revisions IS
    'Outlives the events it counted, so that a revision is never given out twice. Its row is what writers of a calendar lock.';

CREATE TABLE @.events (
    tenant   text COLLATE "C" NOT NULL,
    calendar text COLLATE "C" NOT NULL,
    id       text COLLATE "C" NOT NULL,
    uid_hash bytea NOT NULL,
    revision bigint NOT NULL,
    modified timestamptz NOT NULL,
    deleted  timestamptz,
    json     text NOT NULL,
    PRIMARY KEY (tenant, calendar, id)
);
COMMENT ON COLUMN @.events.uid_hash IS 'BLAKE3 of the UID, 16 bytes: a UID may be longer than an index entry.';
CREATE INDEX events_by_uid ON @.events (tenant, calendar, uid_hash);
CREATE UNIQUE INDEX events_by_revision ON @.events (tenant, calendar, revision);
CREATE INDEX events_deleted ON @.events (tenant, calendar, deleted) WHERE deleted IS NOT NULL;

CREATE TABLE @.links (
    tenant     text COLLATE "C" NOT NULL,
    id         text COLLATE "C" NOT NULL,
    generation bigint NOT NULL,
    json       text NOT NULL,
    PRIMARY KEY (tenant, id)
) WITH (fillfactor = 50);
COMMENT ON COLUMN @.links.generation IS 'Counts commits; the one in json is not used.';

CREATE TABLE @.bases (
    tenant    text COLLATE "C" NOT NULL,
    link      text COLLATE "C" NOT NULL,
    remote_id text COLLATE "C" NOT NULL,
    event_id  text COLLATE "C" NOT NULL,
    version   bytea,
    state     text NOT NULL CHECK (state IN ('linked', 'suppressed')),
    payload   bytea NOT NULL,
    local     text,
    remote    text,
    PRIMARY KEY (tenant, link, remote_id),
    UNIQUE (tenant, link, event_id)
);
COMMENT ON COLUMN @.bases.payload IS 'Byte for byte what the provider sent.';

CREATE TABLE @.outbox (
    tenant   text COLLATE "C" NOT NULL,
    link     text COLLATE "C" NOT NULL,
    id       text COLLATE "C" NOT NULL,
    event_id text COLLATE "C" NOT NULL,
    json     text NOT NULL,
    PRIMARY KEY (tenant, link, id),
    UNIQUE (tenant, link, event_id)
);

CREATE TABLE @.conflicts (
    tenant   text COLLATE "C" NOT NULL,
    link     text COLLATE "C" NOT NULL,
    id       text COLLATE "C" NOT NULL,
    event_id text COLLATE "C" NOT NULL,
    run      text COLLATE "C" NOT NULL,
    aged     timestamptz,
    json     text NOT NULL,
    PRIMARY KEY (tenant, link, id)
);
COMMENT ON COLUMN @.conflicts.aged IS 'What the log is cut by; null while the conflict is open.';
CREATE INDEX conflicts_by_event ON @.conflicts (tenant, link, event_id, id);
CREATE INDEX conflicts_by_run ON @.conflicts (tenant, link, run, id);
CREATE INDEX conflicts_by_age ON @.conflicts (tenant, link, aged, id) WHERE aged IS NOT NULL;

CREATE TABLE @.quarantine (
    tenant    text COLLATE "C" NOT NULL,
    link      text COLLATE "C" NOT NULL,
    remote_id text COLLATE "C" NOT NULL,
    json      text NOT NULL,
    PRIMARY KEY (tenant, link, remote_id)
);

CREATE TABLE @.runs (
    tenant text COLLATE "C" NOT NULL,
    link   text COLLATE "C" NOT NULL,
    id     text COLLATE "C" NOT NULL,
    aged   timestamptz NOT NULL,
    json   text NOT NULL,
    PRIMARY KEY (tenant, link, id)
);
CREATE INDEX runs_by_age ON @.runs (tenant, link, aged, id);

CREATE TABLE @.journal (
    tenant   text COLLATE "C" NOT NULL,
    link     text COLLATE "C" NOT NULL,
    id       text COLLATE "C" NOT NULL,
    event_id text COLLATE "C" NOT NULL,
    run      text COLLATE "C" NOT NULL,
    aged     timestamptz NOT NULL,
    json     text NOT NULL,
    PRIMARY KEY (tenant, link, id)
);
CREATE INDEX journal_by_event ON @.journal (tenant, link, event_id, id);
CREATE INDEX journal_by_run ON @.journal (tenant, link, run, id);
CREATE INDEX journal_by_age ON @.journal (tenant, link, aged, id);

CREATE TABLE @.leases (
    tenant text COLLATE "C" NOT NULL,
    name   text COLLATE "C" NOT NULL,
    epoch  bigint NOT NULL,
    holder text COLLATE "C",
    until  timestamptz NOT NULL,
    PRIMARY KEY (tenant, name)
) WITH (fillfactor = 50);
COMMENT ON TABLE @.leases IS
    'A row stays when its lease is given back (holder is null then): an epoch is never given out twice.';

CREATE TABLE @.docs (
    tenant  text COLLATE "C" NOT NULL,
    space   text COLLATE "C" NOT NULL,
    key     text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    due     timestamptz,
    value   bytea NOT NULL,
    PRIMARY KEY (tenant, space, key)
) WITH (fillfactor = 50);
CREATE INDEX docs_by_due ON @.docs (tenant, space, due, key) WHERE due IS NOT NULL;
CREATE SEQUENCE @.doc_versions;
