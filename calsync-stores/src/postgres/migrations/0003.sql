-- What happened in a calendar, in order. What was written before this has no entry. `last` outlives the entries it counted.
CREATE TABLE @.feeds (
    tenant   text COLLATE "C" NOT NULL,
    calendar text COLLATE "C" NOT NULL,
    last     bigint NOT NULL,
    PRIMARY KEY (tenant, calendar)
);
CREATE TABLE @.feed_entries (
    tenant   text COLLATE "C" NOT NULL,
    calendar text COLLATE "C" NOT NULL,
    seq      bigint NOT NULL,
    at       timestamptz NOT NULL,
    json     text NOT NULL,
    PRIMARY KEY (tenant, calendar, seq)
);
