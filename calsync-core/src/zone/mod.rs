//! Time zones: one value for a zone of the IANA database and for a zone only a file defines, the resolution of
//! the names calendars use for them, and the definitions written into files.
//!
//! ```
//! use calsync_core::zone::Zone;
//! use chrono::NaiveDate;
//!
//! let berlin = Zone::from_iana("Europe/Berlin").expect("a zone of the database");
//! let noon = NaiveDate::from_ymd_opt(2026, 7, 1).and_then(|d| d.and_hms_opt(12, 0, 0)).expect("a date");
//! assert_eq!(berlin.resolve(noon).to_rfc3339(), "2026-07-01T10:00:00+00:00");
//! ```
//!
//! Nothing here is kept between documents: a file that defines `Europe/Berlin` falsely can harm only itself.

mod changes;
mod custom;
mod database;
mod lines;
mod matching;
mod names;
mod offset;
mod resolve;
mod rule;
mod territories;
mod tzif;
mod vtimezone;
pub mod windows;
pub mod write;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use custom::{CustomZone, Observance, ObservanceKind};
pub use database::{Tz, TzOffset, UnknownTz};
pub use offset::UtcOffset;
pub use resolve::{DefinitionCheck, ResolvedZone, UnresolvedZone, ZoneResolver, ZoneSource, zone_by_name};
pub use rule::{WeekdayRule, YearlyRule};
pub(crate) use tzif::LocalOffset;
pub(crate) use vtimezone::plain_tzid;
pub use vtimezone::{VTimezone, ZoneError, ZoneLimits};

/// A time zone: the rule that turns the local time somebody wrote into an instant and back.
///
/// Two values are equal when they are the same zone of the IANA database, or when both are defined by a file
/// and hold the same rules, whatever their names. `Europe/Berlin` and a definition with the rules of Berlin are
/// not equal: the first follows later changes of the database, the second does not.
///
/// Cloning is cheap. Serialised, a zone of the database is its name, a defined one an object with `tzid` and
/// `observances`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Zone {
    /// A zone of the IANA time zone database, among them its backward names such as `Asia/Calcutta`.
    Iana(Tz),
    /// A zone no database knows, with the rules a VTIMEZONE gave (RFC 5545 section 3.6.5).
    Custom(Arc<CustomZone>),
}

impl Zone {
    /// Coordinated Universal Time, as the database zone `UTC`.
    pub const UTC: Zone = Zone::Iana(Tz::UTC);

    /// The zone of the IANA database with exactly this name (case matters), or `None`.
    ///
    /// Names as calendars write them go through [`ZoneResolver`].
    pub fn from_iana(name: &str) -> Option<Zone> {
        Tz::from_str(name).ok().map(Zone::Iana)
    }

    /// The IANA name, or the TZID of the definition.
    pub fn name(&self) -> &str {
        match self {
            Zone::Iana(tz) => tz.name(),
            Zone::Custom(zone) => zone.tzid(),
        }
    }

    /// The IANA zone, unless only a file defines this zone.
    pub fn iana(&self) -> Option<Tz> {
        match self {
            Zone::Iana(tz) => Some(*tz),
            Zone::Custom(_) => None,
        }
    }

    /// The instant a local time means (RFC 5545 section 3.3.5): of a time that occurs twice the first, and a
    /// time that a forward change leaves out is read with the offset in force before the change.
    ///
    /// Years beyond those the database lists follow the last known rule. Times at the very ends of what `chrono` can hold are
    /// clamped to it.
    pub fn resolve(&self, local: NaiveDateTime) -> DateTime<Utc> {
        match self {
            Zone::Iana(tz) => {
                let (LocalOffset::Once(offset) | LocalOffset::Twice(offset, _) | LocalOffset::Never(offset)) =
                    tz.rules().local(local.and_utc().timestamp());
                minus_seconds(local, offset).and_utc()
            }
            Zone::Custom(zone) => zone.resolve(local),
        }
    }

    /// The offset a local time is read with, in seconds, of a time that occurs twice that of the first; `None` where a forward
    /// change leaves it out. Where it is one and the same at two times, both clocks are as far apart as the instants.
    pub(crate) fn offset_of(&self, local: NaiveDateTime) -> Option<i32> {
        match self {
            Zone::Iana(tz) => match tz.rules().local(local.and_utc().timestamp()) {
                LocalOffset::Once(offset) | LocalOffset::Twice(offset, _) => Some(offset),
                LocalOffset::Never(_) => None,
            },
            Zone::Custom(zone) => {
                let instant = zone.resolve(local);
                (self.to_local(instant) == local).then(|| zone.offset_at(instant))
            }
        }
    }

    /// The wall clock in this zone at an instant.
    pub fn to_local(&self, instant: DateTime<Utc>) -> NaiveDateTime {
        plus_seconds(instant.naive_utc(), self.offset_at(instant))
    }

    /// The offset from UTC in force at an instant, in seconds, positive east of Greenwich.
    pub fn offset_at(&self, instant: DateTime<Utc>) -> i32 {
        match self {
            Zone::Iana(tz) => tz.rules().state_at(instant.timestamp()).offset,
            Zone::Custom(zone) => zone.offset_at(instant),
        }
    }
}

fn plus_seconds(time: NaiveDateTime, seconds: i32) -> NaiveDateTime {
    let clamp = if seconds < 0 { NaiveDateTime::MIN } else { NaiveDateTime::MAX };
    time.checked_add_signed(TimeDelta::seconds(i64::from(seconds))).unwrap_or(clamp)
}

fn minus_seconds(time: NaiveDateTime, seconds: i32) -> NaiveDateTime {
    plus_seconds(time, -seconds)
}

impl From<Tz> for Zone {
    fn from(tz: Tz) -> Self {
        Zone::Iana(tz)
    }
}

#[cfg(feature = "chrono-tz")]
impl TryFrom<chrono_tz::Tz> for Zone {
    type Error = UnknownTz;

    /// The zone of the same name. Its rules are those of [`Tz::release`], not of that crate.
    fn try_from(tz: chrono_tz::Tz) -> Result<Self, UnknownTz> {
        tz.name().parse().map(Zone::Iana)
    }
}

impl From<CustomZone> for Zone {
    fn from(zone: CustomZone) -> Self {
        Zone::Custom(Arc::new(zone))
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Zone::Iana(tz) => write!(f, "Iana({})", tz.name()),
            Zone::Custom(zone) => write!(f, "Custom({:?})", zone.tzid()),
        }
    }
}

impl Serialize for Zone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Zone::Iana(tz) => serializer.serialize_str(tz.name()),
            Zone::Custom(zone) => zone.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ZoneVisitor;
        impl<'de> Visitor<'de> for ZoneVisitor {
            type Value = Zone;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of an IANA zone, or an object with tzid and observances")
            }
            fn visit_str<E: de::Error>(self, name: &str) -> Result<Zone, E> {
                // What was stored by another release of the database may be spelled, or called, as that one had it.
                let zone = Zone::from_iana(name).or_else(|| names::spelled(name).map(Zone::Iana));
                zone.ok_or_else(|| E::custom("not a zone of the IANA database"))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Zone, A::Error> {
                CustomZone::deserialize(de::value::MapAccessDeserializer::new(map)).map(Zone::from)
            }
        }
        deserializer.deserialize_any(ZoneVisitor)
    }
}
