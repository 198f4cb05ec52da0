//! Values of iCalendar types: times and durations, read leniently and written canonically.

mod date_time;
mod duration;

pub(crate) use date_time::write_date;
pub use date_time::{TimeValue, write_time};
pub use duration::IcalDuration;
