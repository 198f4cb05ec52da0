//! From two sides and their base to operations.
//!
//! In: what is known of each side. Out: a [`Plan`], plain data that can be shown, kept, compared and approved. Pure.

mod decide;
mod guard;
mod operation;
mod urgency;

pub use decide::{Action, Direction, LocalSide, Meeting, RemoteSide, Rules, decide};
pub use guard::{DeletionGuard, Evidence, Tally, Verdict};
pub(crate) use operation::Permit;
pub use operation::{Operation, Plan, PlanId};
pub use urgency::Urgency;
