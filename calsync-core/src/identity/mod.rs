//! Which events of two calendars that meet for the first time are the same.
//!
//! In: the events of both sides that no UID joins, as [`Profile`]s. Out: a [`Matching`], pairs to join and pairs that only
//! a person can tell apart. Pure, and linear in the number of events but for events that begin at the same moment.
//!
//! Joining two different events loses one of them, and not joining two equal ones only shows one twice. So everything
//! here errs to one side: a title that differs in a number, a name or a second word is another title, and two events that
//! begin at different times are different events. See `docs/identity.md` for the whole of it, as a table.

mod matching;
mod profile;
mod words;

pub use matching::{Joined, MatchOptions, Matching, Question, match_events};
pub use profile::{Confidence, Profile, Starts, confidence};
pub use words::normalized;
