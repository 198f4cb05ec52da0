//! When links run. Needs the feature `worker`.
//!
//! In: a [`Cadence`], what became of the last run, nudges, and a time. Out: when the next run is. All of it is pure:
//! [`Entry`] is a value, and the clock, the store and the waiting are the caller's. [`Schedule`] keeps entries as
//! documents of a store, where a worker finds those that are due; `docs/adr/0013-schedule.md` says why it is built like
//! this.

mod backoff;
mod cadence;
mod connection;
mod entry;
mod table;

pub use backoff::{BackOff, Setback};
pub use cadence::{Cadence, CadenceError, Preset};
pub use connection::ConnectionState;
pub use entry::{Entry, Finish, LastRun, Outcome, Paused, Pending, Priority, Running, Status, Task, Timing};
pub(crate) use table::Read;
pub use table::{Schedule, ScheduleError};
