//! Bugs of the field at accounts of Google and Microsoft and at a CalDAV server, emulated, with one calendar between them:
//! `docs/field-bugs.md` lists them all.
#![cfg(all(feature = "google", feature = "microsoft", feature = "caldav"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests may fail loudly")]

mod accounts;
mod duplicates;
mod loops;
mod recurrence;
mod requests;
mod walks;
