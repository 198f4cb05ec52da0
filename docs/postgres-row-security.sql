-- Row-level security for a host whose tenants share one database: even a statement that forgets its WHERE sees one
-- tenant's rows only. Run by the owner of the schema `calsync`, after the store was first
-- opened, and again after each version that adds tables: until then `calsync_app` has no right to those, and commits fail.
--
-- The store then connects as `calsync_app` with
--     PostgresConfig::default().with_tenant_setting("calsync.tenant")
-- and names the tenant of its handle before each statement. A worker as `calsync_app` claims what is due of the one
-- tenant its handle is of. One worker for all tenants looks for what is due everywhere: its pool connects as the
-- owner, who is not bound by the policies, and each run keeps to the tenant of its own handle all the same.

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['calendars', 'revisions', 'events', 'links', 'bases', 'outbox', 'conflicts', 'quarantine',
                                'runs', 'journal', 'leases', 'docs', 'feeds', 'feed_entries']
    LOOP
        EXECUTE format('ALTER TABLE calsync.%I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('DROP POLICY IF EXISTS tenant ON calsync.%I', name);
        EXECUTE format('CREATE POLICY tenant ON calsync.%I
            USING (tenant = current_setting(''calsync.tenant'', true))
            WITH CHECK (tenant = current_setting(''calsync.tenant'', true))', name);
    END LOOP;
END
$$;

GRANT USAGE ON SCHEMA calsync TO calsync_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA calsync TO calsync_app;
REVOKE INSERT, UPDATE, DELETE ON calsync.migrations FROM calsync_app;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA calsync TO calsync_app;
