//! The zones of one document, each `TZID` resolved once.

use crate::model::EventTime;
use crate::zone::{Zone, ZoneResolver};

use crate::ical::value::TimeValue;
use crate::ical::{ContentLine, error::QuarantineReason};

/// `TZID`s kept resolved; a document that uses more of them still reads, slower.
const MEMO: usize = 32;

/// What the times of a document need to be read.
pub(crate) struct Zones<'a> {
    resolver: ZoneResolver<'a>,
    /// Floating times are in this zone, if set.
    floating: Option<Zone>,
    memo: Vec<(Box<str>, Option<Zone>)>,
}

impl<'a> Zones<'a> {
    pub(crate) fn new(definitions: &[&'a str], default_zone: Option<Zone>, floating: Option<Zone>) -> Self {
        Self {
            resolver: ZoneResolver::new(definitions.iter().copied(), default_zone),
            floating,
            memo: Vec::new(),
        }
    }

    /// The zone floating times and UTC series are read in, if any.
    pub(crate) fn floating(&self) -> Option<&Zone> {
        self.floating.as_ref()
    }

    /// The zone a `TZID` means in this document.
    pub(crate) fn resolve(&mut self, tzid: &str) -> Option<Zone> {
        if let Some((_, zone)) = self.memo.iter().find(|(known, _)| **known == *tzid) {
            return zone.clone();
        }
        let zone = self.resolver.resolve(tzid).ok().map(|resolved| resolved.zone);
        // UTC under any of its names is one zone, and its times are instants.
        let zone = zone.map(|zone| if is_utc(&zone) { Zone::UTC } else { zone });
        if self.memo.len() < MEMO {
            self.memo.push((tzid.into(), zone.clone()));
        }
        zone
    }

    /// The time a property gives; `line` must be split at its last colon already.
    pub(crate) fn time(
        &mut self,
        line: &ContentLine<'_>,
        property: &'static str,
    ) -> Result<EventTime, QuarantineReason> {
        self.value(line.value(), line, property)
    }

    /// One value of a property that may hold several.
    pub(crate) fn value(
        &mut self,
        value: &str,
        line: &ContentLine<'_>,
        property: &'static str,
    ) -> Result<EventTime, QuarantineReason> {
        let value = TimeValue::parse(value).ok_or(QuarantineReason::BadTime { property })?;
        let local = match value {
            // A zone on a date means nothing (it shifts days wherever it is heeded).
            TimeValue::Date(date) => return Ok(EventTime::Date(date)),
            TimeValue::Utc(instant) => return Ok(EventTime::Utc(instant)),
            TimeValue::Local(local) => local,
        };
        let mut tzid = None;
        for param in line.params() {
            if param.is("TZID") {
                tzid = tzid.or(Some(param.first_value().trim()).filter(|tzid| !tzid.is_empty()));
            } else if param.is("VALUE") && param.first_value().eq_ignore_ascii_case("DATE") {
                return Ok(EventTime::Date(local.date()));
            }
        }
        match tzid {
            None => Ok(match &self.floating {
                Some(zone) => EventTime::zoned(local, zone.clone()),
                None => EventTime::Floating(local),
            }),
            Some(tzid) => match self.resolve(tzid) {
                None => Err(QuarantineReason::UnknownZone { property }),
                Some(zone) if zone == Zone::UTC => Ok(EventTime::Utc(local.and_utc())),
                Some(zone) => Ok(EventTime::zoned(local, zone)),
            },
        }
    }
}

/// Whether a zone is UTC under one of its names: such a time is an instant.
pub(crate) fn is_utc(zone: &Zone) -> bool {
    matches!(
        zone.name(),
        "UTC" | "Etc/UTC" | "Zulu" | "Etc/Zulu" | "UCT" | "Etc/UCT" | "Universal" | "Etc/Universal"
    )
}
