//! iCalendar text (RFC 5545, 7986, 6868): read what the world writes, change only what must change, write what is sound.
//!
//! In: bytes nobody vouches for. Out: neutral events, with the text they came from, and that text patched.
//!
//! | step | module | loses anything? |
//! |---|---|---|
//! | bytes to content lines | [`lines`] | no: the lines tile the input |
//! | content line to name, parameters, value | [`ContentLine`], [`params`], [`text`] | no: slices of the line |
//! | lines to nested components, tolerant | `walk` | no: every line is in one token |
//! | components to events | [`read`] | what the model has no field for; it stays in the text |
//! | event back into its text | [`patch`](mod@patch) | no: only the lines that must change do |
//! | event to a text of its own | [`write`](mod@write) | what the model has no field for |

mod content_line;
mod decode;
pub mod error;
mod limits;
pub mod lines;
pub mod params;
pub mod patch;
pub mod read;
pub mod text;
pub mod value;
mod walk;
pub mod write;

pub use content_line::ContentLine;
pub use error::{IcalError, Issue, IssueKind, QuarantineReason};
pub use limits::IcalLimits;
pub use lines::{Document, Line, LineEnd, Lines};
pub use patch::{PatchError, PatchOptions, SequenceChange, patch, patch_bytes};
pub use read::{
    CalendarDocument, CalendarInfo, CalendarReader, CalendarZoneUse, ItemIdentity, QuarantinedItem, ReadItem,
    ReadOptions, read_calendar,
};
pub use write::{PRODUCT_ID, PeoplePolicy, WriteOptions, write_calendar, write_new};
