//! One file per command.

pub(crate) mod availability;
pub(crate) mod book;
pub(crate) mod calendars;
pub(crate) mod clean;
pub(crate) mod conflicts;
pub(crate) mod connect;
pub(crate) mod doctor;
pub(crate) mod emulate;
pub(crate) mod events;
pub(crate) mod explain;
pub(crate) mod import_config;
pub(crate) mod log;
pub(crate) mod manual;
pub(crate) mod matches;
pub(crate) mod outbox;
pub(crate) mod provision;
pub(crate) mod publish;
pub(crate) mod schedule;
pub(crate) mod sync;
pub(crate) mod terms;
pub(crate) mod undo;
pub(crate) mod vault;
pub(crate) mod worker;
