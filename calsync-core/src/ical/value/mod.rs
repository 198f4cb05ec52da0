//! Values of iCalendar types: times and durations, read leniently and written canonically.

mod date_time;
mod duration;

pub use date_time::{TimeValue, write_time};
pub use duration::IcalDuration;
