//! The `UTC-OFFSET` value of RFC 5545 section 3.3.14.

use std::fmt;
use std::str::FromStr;

use super::vtimezone::ZoneError;

/// An offset from UTC as iCalendar writes it: `+0100`, `-033000` or, with seconds, `-003652`.
///
/// Reading also accepts the forms found in files: a colon between the parts, no sign, one digit for the hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UtcOffset {
    seconds: i32,
}

/// Offsets must be smaller than this, in seconds: the hour part of the format ends at 23.
const DAY_SECONDS: i32 = 86_400;

impl UtcOffset {
    /// The offset of so many seconds east of Greenwich; `None` unless it is smaller than a day either way.
    pub fn from_seconds(seconds: i32) -> Option<Self> {
        (-DAY_SECONDS < seconds && seconds < DAY_SECONDS).then_some(Self { seconds })
    }

    /// Seconds east of Greenwich.
    pub fn seconds(self) -> i32 {
        self.seconds
    }
}

impl fmt::Display for UtcOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Zero is written with a plus: `-0000` is not allowed.
        let sign = if self.seconds < 0 { '-' } else { '+' };
        let all = self.seconds.abs();
        let (hours, minutes, seconds) = (all / 3600, all / 60 % 60, all % 60);
        write!(f, "{sign}{hours:02}{minutes:02}")?;
        if seconds != 0 {
            write!(f, "{seconds:02}")?;
        }
        Ok(())
    }
}

impl FromStr for UtcOffset {
    type Err = ZoneError;

    fn from_str(text: &str) -> Result<Self, ZoneError> {
        let text = text.trim();
        let (negative, digits) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        let parts = if digits.contains(':') { parse_parts(digits) } else { parse_packed(digits) };
        let (hours, minutes, seconds) = parts.ok_or(ZoneError::Offset)?;
        if hours > 23 || minutes > 59 || seconds > 59 {
            return Err(ZoneError::Offset);
        }
        let all = hours * 3600 + minutes * 60 + seconds;
        Ok(Self { seconds: if negative { -all } else { all } })
    }
}

/// `1:00`, `01:00`, `01:00:00`.
fn parse_parts(text: &str) -> Option<(i32, i32, i32)> {
    let mut parts = text.split(':');
    let hours = number(parts.next()?)?;
    let minutes = number(parts.next()?)?;
    let seconds = match parts.next() {
        Some(part) => number(part)?,
        None => 0,
    };
    parts.next().is_none().then_some((hours, minutes, seconds))
}

/// `1`, `01`, `100`, `0100`, `010000`.
fn parse_packed(text: &str) -> Option<(i32, i32, i32)> {
    if !text.is_ascii() {
        return None;
    }
    match text.len() {
        1 | 2 => Some((number(text)?, 0, 0)),
        3 => Some((number(&text[..1])?, number(&text[1..])?, 0)),
        4 => Some((number(&text[..2])?, number(&text[2..])?, 0)),
        6 => Some((number(&text[..2])?, number(&text[2..4])?, number(&text[4..])?)),
        _ => None,
    }
}

fn number(text: &str) -> Option<i32> {
    let digits = (1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}
