-- Due documents are claimed for all tenants: by when they are due, and tenant by tenant.
DROP INDEX @.docs_by_due;
CREATE INDEX docs_by_due ON @.docs (space, tenant, due, key) WHERE due IS NOT NULL;
CREATE INDEX docs_by_time ON @.docs (space, due, tenant, key) WHERE due IS NOT NULL;
