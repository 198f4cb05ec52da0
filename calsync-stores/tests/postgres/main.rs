//! The PostgreSQL store on a real server, started for these tests.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

mod client_program;
mod postgres_behaviour;
mod postgres_bookings;
mod postgres_conformance;
mod postgres_engine;
mod postgres_feeds;
mod postgres_restore;
mod postgres_upgrade;
mod postgres_worker;
mod relay;
