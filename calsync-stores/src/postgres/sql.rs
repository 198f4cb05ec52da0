//! Every statement, with `@` in the place of the schema's name.
//!
//! Keys come as one array per column, so that a statement, its plan and its round trip are one, however many rows
//! there are. Pages start after the last key of the page before: `>= coalesce($n, '')` finds the place in the index,
//! `IS DISTINCT FROM $n` leaves out that key itself, and without a key both are true of every row.

/// Declares the statements as the fields of [`Sql`], and the list of them for the test of their plans.
macro_rules! statements {
    ($( $(#[$doc:meta])* $name:ident = $sql:expr; )+) => {
        /// The statements, for one schema.
        pub(super) struct Sql {
            $( $(#[$doc])* pub(super) $name: String, )+
        }

        impl Sql {
            /// The statements for a schema. Its name was checked: it can stand between quotes.
            pub(super) fn new(schema: &str) -> Self {
                let quoted = format!("\"{schema}\"");
                Self { $( $name: $sql.replace('@', &quoted), )+ }
            }

            #[cfg(test)]
            pub(super) fn all(&self) -> Vec<(&'static str, &str)> {
                vec![$( (stringify!($name), self.$name.as_str()) ),+]
            }
        }
    };
}

statements! {
    calendars = "SELECT id, json FROM @.calendars WHERE tenant = $1 ORDER BY id";

    events = "SELECT id, revision, modified, deleted, json FROM @.events \
        WHERE tenant = $1 AND calendar = $2 AND id = ANY($3)";
    events_by_uid = "SELECT id, revision, modified, deleted, json FROM @.events \
        WHERE tenant = $1 AND calendar = $2 AND uid_hash = ANY($3)";
    events_since = "SELECT id, revision, modified, deleted, json FROM @.events \
        WHERE tenant = $1 AND calendar = $2 AND revision > $3 ORDER BY revision LIMIT $4";
    link = "SELECT generation, json FROM @.links WHERE tenant = $1 AND id = $2 AND generation > 0";

    /// Those of a link that has seen a revision: from that one on, each with its base where it has one, in any order. PostgreSQL
    /// cannot read JSON with an escaped NUL; then it answers none, and they are asked for with the revision.
    events_since_seen = "SELECT e.id, e.revision, e.modified, e.deleted, e.json, \
            b.remote_id, b.event_id, b.version, b.state, b.payload, b.local, b.remote \
        FROM unnest(ARRAY(SELECT id FROM @.events \
            WHERE tenant = $1 AND calendar = $2 AND revision >= (SELECT CASE \
                WHEN position(chr(92) || 'u0000' IN l.json) = 0 \
                THEN nullif(least((l.json::json->>'seen')::numeric, 9223372036854775807)::bigint, 0) END \
                FROM @.links l WHERE l.tenant = $1 AND l.id = $3 AND l.generation > 0) \
            ORDER BY revision LIMIT $4)) AS k (id) \
        JOIN @.events e ON e.tenant = $1 AND e.calendar = $2 AND e.id = k.id \
        LEFT JOIN @.bases b ON b.tenant = $1 AND b.link = $3 AND b.event_id = e.id";

    feed = "SELECT f.last, e.seq, e.at, e.json FROM @.feeds f LEFT JOIN LATERAL ( \
            SELECT seq, at, json FROM @.feed_entries \
            WHERE tenant = $1 AND calendar = $2 AND seq > $3 ORDER BY seq LIMIT $4) AS e ON true \
        WHERE f.tenant = $1 AND f.calendar = $2";

    bases_by_remote = "SELECT remote_id, event_id, version, state, payload, local, remote FROM @.bases \
        WHERE tenant = $1 AND link = $2 AND remote_id = ANY($3)";
    bases_by_event = "SELECT remote_id, event_id, version, state, payload, local, remote FROM @.bases \
        WHERE tenant = $1 AND link = $2 AND event_id = ANY($3)";
    events_of_items = "SELECT id, revision, modified, deleted, json FROM @.events \
        WHERE tenant = $1 AND calendar = $2 AND id = ANY(ARRAY(SELECT event_id FROM @.bases \
            WHERE tenant = $1 AND link = $3 AND remote_id = ANY($4)))";
    docs_of_items = "SELECT key, version, due, value FROM @.docs \
        WHERE tenant = $1 AND space = $2 AND version > 0 AND key = ANY(ARRAY(SELECT event_id FROM @.bases \
            WHERE tenant = $1 AND link = $3 AND remote_id = ANY($4)))";
    bases_of_outbox = "SELECT remote_id, event_id, version, state, payload, local, remote FROM @.bases \
        WHERE tenant = $1 AND link = $2 AND event_id = ANY(ARRAY(SELECT event_id FROM @.outbox \
            WHERE tenant = $1 AND link = $2 AND id >= coalesce($3, '') AND id IS DISTINCT FROM $3 \
            ORDER BY id LIMIT $4))";
    base_summaries = "SELECT remote_id, event_id, version FROM @.bases \
        WHERE tenant = $1 AND link = $2 AND remote_id >= coalesce($3, '') AND remote_id IS DISTINCT FROM $3 \
        ORDER BY remote_id LIMIT $4";

    outbox = "SELECT json FROM @.outbox \
        WHERE tenant = $1 AND link = $2 AND id >= coalesce($3, '') AND id IS DISTINCT FROM $3 \
        ORDER BY id LIMIT $4";
    quarantine = "SELECT json FROM @.quarantine \
        WHERE tenant = $1 AND link = $2 AND remote_id >= coalesce($3, '') AND remote_id IS DISTINCT FROM $3 \
        ORDER BY remote_id LIMIT $4";
    runs = "SELECT json FROM @.runs \
        WHERE tenant = $1 AND link = $2 AND id >= coalesce($3, '') AND id IS DISTINCT FROM $3 \
        ORDER BY id LIMIT $4";

    conflicts = "SELECT json FROM @.conflicts \
        WHERE tenant = $1 AND link = $2 AND id >= coalesce($3, '') AND id IS DISTINCT FROM $3 \
        ORDER BY id LIMIT $4";
    conflicts_of_event = "SELECT json FROM @.conflicts \
        WHERE tenant = $1 AND link = $2 AND event_id = $5 AND id >= coalesce($3, '') AND id IS DISTINCT FROM $3 \
        ORDER BY id LIMIT $4";
    conflicts_of_run = "SELECT json FROM @.conflicts \
        WHERE tenant = $1 AND link = $2 AND run = $5 AND id >= coalesce($3, '') AND id IS DISTINCT FROM $3 \
        ORDER BY id LIMIT $4";
    conflicts_of_event_in_run = "SELECT json FROM @.conflicts \
        WHERE tenant = $1 AND link = $2 AND event_id = $5 AND run = $6 AND id >= coalesce($3, '') \
        AND id IS DISTINCT FROM $3 ORDER BY id LIMIT $4";

    journal = "SELECT json FROM @.journal \
        WHERE tenant = $1 AND link = $2 AND id >= coalesce($3, '') AND id IS DISTINCT FROM $3 \
        ORDER BY id LIMIT $4";
    journal_of_event = "SELECT json FROM @.journal \
        WHERE tenant = $1 AND link = $2 AND event_id = $5 AND id >= coalesce($3, '') AND id IS DISTINCT FROM $3 \
        ORDER BY id LIMIT $4";
    journal_of_run = "SELECT json FROM @.journal \
        WHERE tenant = $1 AND link = $2 AND run = $5 AND id >= coalesce($3, '') AND id IS DISTINCT FROM $3 \
        ORDER BY id LIMIT $4";
    journal_of_event_in_run = "SELECT json FROM @.journal \
        WHERE tenant = $1 AND link = $2 AND event_id = $5 AND run = $6 AND id >= coalesce($3, '') \
        AND id IS DISTINCT FROM $3 ORDER BY id LIMIT $4";

    docs_by_key = "SELECT key, version, due, value FROM @.docs \
        WHERE tenant = $1 AND space = $2 AND key = ANY($3) AND version > 0";
    docs = "SELECT key, version, due, value FROM @.docs \
        WHERE tenant = $1 AND space = $2 AND key >= coalesce($3, '') AND key IS DISTINCT FROM $3 AND version > 0 \
        ORDER BY key LIMIT $4";
    docs_due = "SELECT key, version, due, value FROM @.docs \
        WHERE tenant = $1 AND space = $2 AND due <= $3 ORDER BY due, key LIMIT $4";

    /// Of all tenants: what is due, and the first that is due of the first tenant from a name on.
    due = "SELECT tenant, key, due FROM @.docs WHERE space = $1 AND due <= $2 ORDER BY due LIMIT $3";
    first_due_of_tenant_from = "SELECT tenant, key, due FROM @.docs \
        WHERE space = $1 AND tenant >= $2 AND due <= $3 \
        ORDER BY tenant, due, key LIMIT 1";
    next_due = "SELECT due FROM @.docs WHERE space = $1 AND due IS NOT NULL ORDER BY due LIMIT 1";
    count_due = "SELECT count(*) FROM (SELECT 1 FROM @.docs WHERE space = $1 AND due <= $2 ORDER BY due LIMIT $3) AS d";
    /// Of all tenants: by its index, and so no further than the limit.
    count_writes = "SELECT count(*) FROM (SELECT 1 FROM @.outbox WHERE tenant >= '' ORDER BY tenant, link, id LIMIT $1) AS w";
    /// What is due later than a time, backwards from a place: a row is compared as its index has it.
    due_later = "SELECT key, version, due, value, tenant FROM @.docs \
        WHERE space = $1 AND due > $2 AND (due, tenant, key) < ($3, $4, $5) \
        ORDER BY due DESC, tenant DESC, key DESC LIMIT $6";
    /// The same of one tenant.
    due_of_tenant = "SELECT tenant, key, due FROM @.docs WHERE tenant = $1 AND space = $2 AND due <= $3 ORDER BY due, key LIMIT $4";
    next_due_of_tenant = "SELECT due FROM @.docs WHERE tenant = $1 AND space = $2 AND due IS NOT NULL ORDER BY due, key LIMIT 1";
    count_due_of_tenant = "SELECT count(*) FROM (SELECT 1 FROM @.docs \
        WHERE tenant = $1 AND space = $2 AND due <= $3 ORDER BY due, key LIMIT $4) AS d";
    count_writes_of_tenant = "SELECT count(*) FROM (SELECT 1 FROM @.outbox WHERE tenant = $1 ORDER BY link, id LIMIT $2) AS w";
    due_later_of_tenant = "SELECT key, version, due, value, tenant FROM @.docs \
        WHERE tenant = $1 AND space = $2 AND due > $3 AND (due, key) < ($4, $5) \
        ORDER BY due DESC, key DESC LIMIT $6";
    /// Takes those that are still due, passing over what another worker is taking or writing at this moment.
    claim = "WITH free AS MATERIALIZED (SELECT d.tenant, d.space, d.key, d.due \
            FROM unnest($2::text[], $3::text[]) AS k (tenant, key) \
            JOIN @.docs d ON d.space = $1 AND d.tenant = k.tenant AND d.key = k.key \
            WHERE d.due <= $4 FOR UPDATE OF d SKIP LOCKED) \
        UPDATE @.docs d SET due = $5, version = nextval('@.doc_versions') FROM free f \
        WHERE d.tenant = f.tenant AND d.space = f.space AND d.key = f.key AND d.due <= $4 \
        RETURNING d.key, d.version, d.due, d.value, d.tenant, f.due";

    /// What a commit reads first. A row that is not there yet is made, because only a row can be locked; `version` 0 and
    /// `generation` 0 say that it stands for nothing, and what is still so at the end of the commit is removed.
    lock_lease = "SELECT epoch FROM @.leases WHERE tenant = $1 AND name = $2 AND holder IS NOT NULL FOR SHARE";
    /// The same where nothing else is read: it fails (22012) when the token is not the current one, and with it the
    /// transaction, so that the writes behind it can be sent along.
    hold_lease = "SELECT 1 / count(*) FROM (SELECT FROM @.leases \
        WHERE tenant = $1 AND name = $2 AND epoch = $3 AND holder IS NOT NULL FOR SHARE) AS held";
    /// In the same way, when an event has another revision than is expected of it; NULL: there is none.
    hold_events = "SELECT 1 / (CASE WHEN EXISTS (SELECT FROM unnest($2::text[], $3::text[], $4::bigint[]) \
            AS k (calendar, id, revision) \
            LEFT JOIN @.events e ON e.tenant = $1 AND e.calendar = k.calendar AND e.id = k.id \
            WHERE e.revision IS DISTINCT FROM k.revision) THEN 0 ELSE 1 END)";
    lock_calendars = "INSERT INTO @.revisions AS r (tenant, calendar, last) \
        SELECT $1::text, k.calendar, 0 FROM unnest($2::text[]) AS k (calendar) \
        ON CONFLICT (tenant, calendar) DO UPDATE SET last = r.last RETURNING calendar, last";
    lock_links = "INSERT INTO @.links AS l (tenant, id, generation, json) \
        SELECT $1::text, k.id, 0, '' FROM unnest($2::text[]) AS k (id) \
        ON CONFLICT (tenant, id) DO UPDATE SET generation = l.generation RETURNING id, generation";
    lock_docs = "INSERT INTO @.docs AS d (tenant, space, key, version, value) \
        SELECT $1::text, k.space, k.key, 0, '' FROM unnest($2::text[], $3::text[]) AS k (space, key) \
        ON CONFLICT (tenant, space, key) DO UPDATE SET version = d.version RETURNING space, key, version";
    event_states = "SELECT e.calendar, e.id, e.revision, e.deleted \
        FROM unnest($2::text[], $3::text[]) AS k (calendar, id) \
        JOIN @.events e ON e.tenant = $1 AND e.calendar = k.calendar AND e.id = k.id";
    event_ids_of_uids = "SELECT e.calendar, e.uid_hash, e.id \
        FROM unnest($2::text[], $3::bytea[]) AS k (calendar, uid_hash) \
        JOIN @.events e ON e.tenant = $1 AND e.calendar = k.calendar AND e.uid_hash = k.uid_hash";
    new_doc_versions = "SELECT nextval('@.doc_versions') FROM generate_series(1, $1::bigint)";

    put_calendars = "INSERT INTO @.calendars (tenant, id, json) \
        SELECT $1::text, * FROM unnest($2::text[], $3::text[]) \
        ON CONFLICT (tenant, id) DO UPDATE SET json = excluded.json";
    set_revisions = "UPDATE @.revisions r SET last = k.last \
        FROM unnest($2::text[], $3::bigint[]) AS k (calendar, last) \
        WHERE r.tenant = $1 AND r.calendar = k.calendar";
    put_events = "INSERT INTO @.events (tenant, calendar, id, uid_hash, revision, modified, deleted, json) \
        SELECT $1::text, * FROM unnest($2::text[], $3::text[], $4::bytea[], $5::bigint[], $6::timestamptz[], \
            $7::timestamptz[], $8::text[]) \
        ON CONFLICT (tenant, calendar, id) DO UPDATE SET uid_hash = excluded.uid_hash, \
            revision = excluded.revision, modified = excluded.modified, deleted = excluded.deleted, \
            json = excluded.json";
    delete_events = "UPDATE @.events e SET revision = k.revision, deleted = k.deleted \
        FROM unnest($2::text[], $3::text[], $4::bigint[], $5::timestamptz[]) \
            AS k (calendar, id, revision, deleted) \
        WHERE e.tenant = $1 AND e.calendar = k.calendar AND e.id = k.id";
    purge_events = "DELETE FROM @.events WHERE ctid = ANY(ARRAY(SELECT ctid FROM @.events \
        WHERE tenant = $1 AND calendar = $2 AND deleted < $3 ORDER BY deleted LIMIT $4)) RETURNING 1";
    /// With how many entries each gets.
    count_feeds = "INSERT INTO @.feeds AS f (tenant, calendar, last) \
        SELECT $1::text, * FROM unnest($2::text[], $3::bigint[]) \
        ON CONFLICT (tenant, calendar) DO UPDATE SET last = f.last + excluded.last";
    /// With how many entries of its feed each is from the last one.
    put_feed_entries = "INSERT INTO @.feed_entries (tenant, calendar, seq, at, json) \
        SELECT $1::text, k.calendar, f.last - k.behind, k.at, k.json \
        FROM unnest($2::text[], $3::bigint[], $4::timestamptz[], $5::text[]) AS k (calendar, behind, at, json) \
        JOIN @.feeds f ON f.tenant = $1 AND f.calendar = k.calendar";
    /// Of the oldest entries those up to the last old one.
    forget_feed = "DELETE FROM @.feed_entries WHERE tenant = $1 AND calendar = $2 AND seq <= (SELECT max(seq) \
            FROM (SELECT seq, at FROM @.feed_entries WHERE tenant = $1 AND calendar = $2 ORDER BY seq LIMIT $4) AS oldest \
            WHERE at < $3) RETURNING 1";
    /// With how often each was put.
    put_links = "INSERT INTO @.links AS l (tenant, id, generation, json) \
        SELECT $1::text, * FROM unnest($2::text[], $3::bigint[], $4::text[]) \
        ON CONFLICT (tenant, id) DO UPDATE SET generation = l.generation + excluded.generation, \
            json = excluded.json";
    drop_links = "DELETE FROM @.links WHERE tenant = $1 AND id = ANY($2) AND generation = 0";
    delete_bases = "DELETE FROM @.bases b USING unnest($2::text[], $3::text[]) AS k (link, remote_id) \
        WHERE b.tenant = $1 AND b.link = k.link AND b.remote_id = k.remote_id";
    put_bases = "INSERT INTO @.bases (tenant, link, remote_id, event_id, version, state, payload, local, remote) \
        SELECT $1::text, * FROM unnest($2::text[], $3::text[], $4::text[], $5::bytea[], $6::text[], $7::bytea[], \
            $8::text[], $9::text[]) \
        ON CONFLICT (tenant, link, remote_id) DO UPDATE SET event_id = excluded.event_id, \
            version = excluded.version, state = excluded.state, payload = excluded.payload, \
            local = excluded.local, remote = excluded.remote";
    delete_outbox = "DELETE FROM @.outbox o USING unnest($2::text[], $3::text[]) AS k (link, id) \
        WHERE o.tenant = $1 AND o.link = k.link AND o.id = k.id";
    put_outbox = "INSERT INTO @.outbox (tenant, link, id, event_id, json) \
        SELECT $1::text, * FROM unnest($2::text[], $3::text[], $4::text[], $5::text[]) \
        ON CONFLICT (tenant, link, id) DO UPDATE SET event_id = excluded.event_id, json = excluded.json";
    put_conflicts = "INSERT INTO @.conflicts (tenant, link, id, event_id, run, aged, json) \
        SELECT $1::text, * FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], \
            $7::text[]) \
        ON CONFLICT (tenant, link, id) DO UPDATE SET event_id = excluded.event_id, run = excluded.run, \
            aged = excluded.aged, json = excluded.json";
    delete_quarantine = "DELETE FROM @.quarantine q USING unnest($2::text[], $3::text[]) AS k (link, remote_id) \
        WHERE q.tenant = $1 AND q.link = k.link AND q.remote_id = k.remote_id";
    put_quarantine = "INSERT INTO @.quarantine (tenant, link, remote_id, json) \
        SELECT $1::text, * FROM unnest($2::text[], $3::text[], $4::text[]) \
        ON CONFLICT (tenant, link, remote_id) DO UPDATE SET json = excluded.json";
    put_runs = "INSERT INTO @.runs (tenant, link, id, aged, json) \
        SELECT $1::text, * FROM unnest($2::text[], $3::text[], $4::timestamptz[], $5::text[]) \
        ON CONFLICT (tenant, link, id) DO UPDATE SET aged = excluded.aged, json = excluded.json";
    put_journal = "INSERT INTO @.journal (tenant, link, id, event_id, run, aged, json) \
        SELECT $1::text, * FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], \
            $7::text[]) \
        ON CONFLICT (tenant, link, id) DO UPDATE SET event_id = excluded.event_id, run = excluded.run, \
            aged = excluded.aged, json = excluded.json";
    purge_runs = "DELETE FROM @.runs WHERE ctid = ANY(ARRAY(SELECT ctid FROM @.runs \
        WHERE tenant = $1 AND link = $2 AND aged < $3 ORDER BY aged, id LIMIT $4)) RETURNING 1";
    purge_journal = "DELETE FROM @.journal WHERE ctid = ANY(ARRAY(SELECT ctid FROM @.journal \
        WHERE tenant = $1 AND link = $2 AND aged < $3 ORDER BY aged, id LIMIT $4)) RETURNING 1";
    purge_conflicts = "DELETE FROM @.conflicts WHERE ctid = ANY(ARRAY(SELECT ctid FROM @.conflicts \
        WHERE tenant = $1 AND link = $2 AND aged < $3 ORDER BY aged, id LIMIT $4)) RETURNING 1";
    delete_docs = "DELETE FROM @.docs d USING unnest($2::text[], $3::text[]) AS k (space, key) \
        WHERE d.tenant = $1 AND d.space = k.space AND d.key = k.key";
    put_docs = "INSERT INTO @.docs (tenant, space, key, version, due, value) \
        SELECT $1::text, * FROM unnest($2::text[], $3::text[], $4::bigint[], $5::timestamptz[], $6::bytea[]) \
        ON CONFLICT (tenant, space, key) DO UPDATE SET version = excluded.version, due = excluded.due, \
            value = excluded.value";
    /// Removes rows that were made to be locked and stand for nothing.
    drop_docs = "DELETE FROM @.docs d USING unnest($2::text[], $3::text[]) AS k (space, key) \
        WHERE d.tenant = $1 AND d.space = k.space AND d.key = k.key AND d.version = 0";

    /// One row when the lease was taken, none when somebody has it.
    take_lease = "INSERT INTO @.leases AS l (tenant, name, epoch, holder, until) VALUES ($1, $2, 1, $3, $5) \
        ON CONFLICT (tenant, name) DO UPDATE SET \
            epoch = l.epoch + CASE WHEN l.holder IS NOT NULL AND $4 < l.until THEN 0 ELSE 1 END, \
            holder = excluded.holder, until = excluded.until \
            WHERE l.holder IS NULL OR l.holder = excluded.holder OR l.until <= $4 \
        RETURNING epoch";
    lease_end = "SELECT until FROM @.leases WHERE tenant = $1 AND name = $2";
    release_lease = "UPDATE @.leases SET holder = NULL WHERE tenant = $1 AND name = $2 AND epoch = $3";
}
