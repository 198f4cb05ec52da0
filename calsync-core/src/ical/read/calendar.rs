//! The calendar's own properties (RFC 5545 section 3.7, RFC 7986 section 5, and what the world puts beside them).

use std::fmt;

use chrono::TimeDelta;

use crate::ical::ContentLine;
use crate::ical::error::IcalError;
use crate::ical::text::unescape;
use crate::ical::value::IcalDuration;
use crate::ical::walk::Property;

/// What a text says about its calendar. `Debug` shows no names.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CalendarInfo {
    /// `NAME`, else `X-WR-CALNAME`.
    pub name: Option<String>,
    /// `DESCRIPTION`, else `X-WR-CALDESC`.
    pub description: Option<String>,
    /// `COLOR` (a CSS name), else `X-APPLE-CALENDAR-COLOR` or `X-OUTLOOK-COLOR` (`#RRGGBB`).
    pub color: Option<String>,
    /// `X-WR-TIMEZONE`, as written.
    pub zone_name: Option<String>,
    /// How often to look again: `REFRESH-INTERVAL`, else `X-PUBLISHED-TTL`. Positive.
    pub refresh_interval: Option<TimeDelta>,
    /// `METHOD` in upper case. `CANCEL` makes every event of the text a cancelled one.
    pub method: Option<String>,
    /// `PRODID`.
    pub product_id: Option<String>,
}

impl fmt::Debug for CalendarInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CalendarInfo")
            .field("zone_name", &self.zone_name)
            .field("refresh_interval", &self.refresh_interval)
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}

/// Each property in the order of preference; the first text of several counts.
#[derive(Default)]
pub(super) struct InfoLines {
    name: [Option<String>; 2],
    description: [Option<String>; 2],
    color: [Option<String>; 3],
    refresh: [Option<TimeDelta>; 2],
    zone_name: Option<String>,
    method: Option<String>,
    product_id: Option<String>,
}

impl InfoLines {
    /// Takes a line of the calendar itself.
    pub(super) fn take(&mut self, property: &Property<'_>) -> Result<(), IcalError> {
        let text = property.text();
        let Some(line) = ContentLine::parse(&text) else {
            return Ok(());
        };
        let value = line.value().trim();
        if line.is("CALSCALE") && !value.is_empty() && !value.eq_ignore_ascii_case("GREGORIAN") {
            return Err(IcalError::CalendarScale);
        }
        let slot = match line.name().to_ascii_uppercase().as_str() {
            "NAME" => &mut self.name[0],
            "X-WR-CALNAME" => &mut self.name[1],
            "DESCRIPTION" => &mut self.description[0],
            "X-WR-CALDESC" => &mut self.description[1],
            "COLOR" => &mut self.color[0],
            "X-APPLE-CALENDAR-COLOR" => &mut self.color[1],
            "X-OUTLOOK-COLOR" => &mut self.color[2],
            "X-WR-TIMEZONE" => &mut self.zone_name,
            "METHOD" => &mut self.method,
            "PRODID" => &mut self.product_id,
            "REFRESH-INTERVAL" => {
                self.refresh[0] = self.refresh[0].or_else(|| interval(value));
                return Ok(());
            }
            "X-PUBLISHED-TTL" => {
                self.refresh[1] = self.refresh[1].or_else(|| interval(value));
                return Ok(());
            }
            _ => return Ok(()),
        };
        if slot.is_none() && !value.is_empty() {
            *slot = Some(unescape(value).into_owned());
        }
        Ok(())
    }

    pub(super) fn finish(self) -> CalendarInfo {
        CalendarInfo {
            name: first(self.name),
            description: first(self.description),
            color: first(self.color),
            zone_name: self.zone_name,
            refresh_interval: first(self.refresh),
            method: self.method.map(|method| method.to_ascii_uppercase()),
            product_id: self.product_id,
        }
    }
}

fn first<T, const N: usize>(values: [Option<T>; N]) -> Option<T> {
    values.into_iter().flatten().next()
}

fn interval(value: &str) -> Option<TimeDelta> {
    let seconds = IcalDuration::parse(value)?.total_seconds();
    (seconds > 0).then(|| TimeDelta::seconds(seconds))
}
