//! Calendar providers for calsync: CalDAV and ICS feeds, each behind its feature.
