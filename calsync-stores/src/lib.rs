//! Stores for calsync: SQLite, each behind its feature.
