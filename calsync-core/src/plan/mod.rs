//! From two sides and their base to operations.
//!
//! In: what is known of each side. Out: a [`Plan`], plain data that can be shown, kept, compared and approved; or, for a host
//! that keeps both sides itself, what [`plan_pairs`] says of each pair. Pure.

mod decide;
mod guard;
pub(crate) mod here;
mod operation;
mod pairs;
pub(crate) mod reason;
mod urgency;

pub use decide::{Action, Direction, LocalSide, Meeting, RemoteSide, Rules, decide};
pub use guard::{DeletionGuard, Evidence, Tally, Verdict};
pub(crate) use operation::Permit;
pub use operation::{Operation, Plan, PlanId};
pub use pairs::{Agreed, Decision, Pair, PairPlan, PairRules, Side, plan_pairs};
pub use urgency::Urgency;
