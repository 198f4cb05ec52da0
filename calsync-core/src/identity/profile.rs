//! What of an event tells whether another one is the same.

use std::{collections::HashSet, fmt};

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use serde::{Deserialize, Serialize};

use super::words::{DIFFERENT, likeness, normalized};
use crate::model::{Event, EventTime};

/// How sure it is that two events are the same, in thousandths: 1000 is certain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Confidence(pub u16);

impl Confidence {
    /// Nothing speaks for it.
    pub const NONE: Self = Self(0);
    /// What joins a pair by default: 0.85.
    pub const SURE: Self = Self(850);
}

impl fmt::Display for Confidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1000, self.0 % 1000)
    }
}

/// A moment as an event means it: dates, floating times and instants are never the same moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Moment {
    Date(NaiveDate),
    Floating(NaiveDateTime),
    Instant(DateTime<Utc>),
}

impl Moment {
    fn of(time: &EventTime) -> Self {
        match time {
            EventTime::Date(date) => Self::Date(*date),
            EventTime::Floating(local) => Self::Floating(*local),
            EventTime::Zoned { .. } | EventTime::Utc(_) => {
                Self::Instant(time.absolute().unwrap_or(DateTime::<Utc>::MIN_UTC))
            }
        }
    }

    fn day(&self) -> NaiveDate {
        match self {
            Self::Date(date) => *date,
            Self::Floating(local) => local.date(),
            Self::Instant(instant) => instant.date_naive(),
        }
    }
}

/// What of an event is compared: title, time, place, and what repeats. A few hundred bytes, whatever the event holds.
#[derive(Clone, PartialEq, Eq)]
pub struct Profile {
    pub(super) start: Moment,
    end: Moment,
    pub(super) title: Box<str>,
    pub(super) place: Box<str>,
    /// The rules of a series, as a hash.
    rules: Option<[u8; 16]>,
}

/// Characters of a title or place that are looked at.
const TEXT_MAX: usize = 500;

impl Profile {
    /// The profile of an event. `None` when nothing tells it from others: it has no title, or nothing is known of it but
    /// single instances of a foreign series.
    pub fn of(event: &Event) -> Option<Self> {
        let body = event.master.as_ref()?;
        let text = |text: &Option<String>| -> Box<str> {
            let text = normalized(text.as_deref().unwrap_or_default());
            match text.char_indices().nth(TEXT_MAX) {
                // Equal beginnings are no equal texts.
                Some((end, _)) => {
                    format!("{}\u{0}{}", &text[..end], blake3::hash(text.as_bytes()).to_hex()).into()
                }
                None => text.into(),
            }
        };
        let title = text(&body.title);
        if title.is_empty() {
            return None;
        }
        Some(Self {
            start: Moment::of(&body.time.start),
            end: Moment::of(&body.time.end),
            title,
            place: text(&body.location),
            rules: event.is_series().then(|| rules(event)),
        })
    }
}

impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Profile").field("series", &self.rules.is_some()).finish_non_exhaustive()
    }
}

/// When some events begin: tells at once that another one cannot be any of them.
#[derive(Clone, Debug, Default)]
pub struct Starts(HashSet<Moment>);

impl Starts {
    /// Adds an event.
    pub fn insert(&mut self, profile: &Profile) {
        self.0.insert(profile.start);
    }

    /// Whether one of the events begins when this one does.
    pub fn contains(&self, profile: &Profile) -> bool {
        self.0.contains(&profile.start)
    }
}

impl<'a> FromIterator<&'a Profile> for Starts {
    fn from_iter<I: IntoIterator<Item = &'a Profile>>(profiles: I) -> Self {
        Self(profiles.into_iter().map(|profile| profile.start).collect())
    }
}

fn rules(event: &Event) -> [u8; 16] {
    // Instances that were changed may differ between the two sides; what repeats must not.
    let text = serde_json::to_vec(&(&event.rules, &event.excluded_rules)).unwrap_or_default();
    let mut hash = [0; 16];
    hash.copy_from_slice(&blake3::hash(&text).as_bytes()[..16]);
    hash
}

/// How sure it is that two events are the same: title for half of it, time for three tenths, place for two. A place that
/// neither has is left out, and one that only one side has counts half.
///
/// A single event and a series, or two series that repeat differently, are never the same.
pub fn confidence(a: &Profile, b: &Profile) -> Confidence {
    if a.rules != b.rules {
        return Confidence::NONE;
    }
    let title = likeness(&a.title, &b.title);
    let time = match () {
        () if a.start == b.start && a.end == b.end => 1000,
        () if a.start == b.start => 900,
        () if std::mem::discriminant(&a.start) == std::mem::discriminant(&b.start)
            && a.start.day() == b.start.day() =>
        {
            300
        }
        () => 0,
    };
    let known = title * 5 + time * 3;
    let score = match (a.place.is_empty(), b.place.is_empty()) {
        (true, true) => known / 8,
        (true, false) | (false, true) => (known + 500 * 2) / 10,
        (false, false) => match likeness(&a.place, &b.place) {
            // Another room is another place, however alike the two are called.
            ..=DIFFERENT => known / 10,
            place => (known + place * 2) / 10,
        },
    };
    Confidence(u16::try_from(score.min(1000)).unwrap_or(0))
}
