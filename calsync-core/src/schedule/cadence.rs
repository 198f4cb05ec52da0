//! How often a link runs.

use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};
use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};
use serde::{Deserialize, Serialize};

use crate::zone::Tz;

/// The shortest interval: below it a link would run all the time.
const SHORTEST: TimeDelta = TimeDelta::minutes(1);
/// The longest: a link that runs more seldom forgets deletions before it sees them (they are kept for 30 days).
const LONGEST: TimeDelta = TimeDelta::days(28);
/// How far the runs of one cron expression are spread, so that a thousand links of `0 3 * * *` do not start together.
const SPREAD: TimeDelta = TimeDelta::minutes(2);
/// The longest cron expression.
const EXPRESSION_MAX: usize = 256;

/// How often a link runs.
///
/// Runs are spread: links of the same cadence have their runs at different times, always the same ones for one link,
/// computed from its name. Nothing is random.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Form", into = "Form")]
pub struct Cadence(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Every(TimeDelta),
    Cron { expression: String, zone: Tz },
    OnDemand,
}

/// What a cadence looks like as data.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Form {
    /// Seconds.
    Every(i64),
    Cron {
        expression: String,
        zone: String,
    },
    OnDemand,
}

/// A cadence that cannot be used: the caller's to put right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CadenceError {
    /// Too short or too long.
    #[error("an interval is from 1 minute to 28 days")]
    Interval,
    /// No cron expression.
    #[error("no cron expression of five fields: {reason}")]
    Expression {
        /// What is wrong with it.
        reason: String,
    },
    /// It names no moment there ever is, such as 30 February.
    #[error("the cron expression names no moment there ever is")]
    Never,
    /// No zone of the IANA database.
    #[error("no time zone of the IANA database, such as Europe/Berlin")]
    Zone,
}

/// What suits a provider where the host has no wish of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Preset {
    /// Google Calendar: every 15 minutes. Cheap with its sync tokens, and webhooks tell of most changes before.
    Google,
    /// Microsoft 365 and Outlook.com: every 15 minutes.
    Microsoft,
    /// CalDAV: every 10 minutes. There are no webhooks.
    CalDav,
    /// Cozi: every 30 minutes. Its feeds are made anew that often.
    Cozi,
    /// An ICS feed.
    Ics {
        /// How long the feed asked to be left alone: `REFRESH-INTERVAL` (RFC 7986, 5.7), `X-PUBLISHED-TTL`, or what its
        /// server said. At least 15 minutes, at most a day; an hour where it said nothing.
        refresh: Option<TimeDelta>,
    },
}

impl Preset {
    /// The cadence.
    pub fn cadence(self) -> Cadence {
        let interval = match self {
            Self::Google | Self::Microsoft => TimeDelta::minutes(15),
            Self::CalDav => TimeDelta::minutes(10),
            Self::Cozi => TimeDelta::minutes(30),
            Self::Ics { refresh: None } => TimeDelta::hours(1),
            Self::Ics { refresh: Some(asked) } => asked.clamp(TimeDelta::minutes(15), TimeDelta::days(1)),
        };
        Cadence(Kind::Every(interval))
    }
}

impl Cadence {
    /// Every so often, whole seconds.
    ///
    /// # Errors
    ///
    /// [`CadenceError::Interval`] when it is shorter than a minute or longer than 28 days.
    pub fn every(interval: TimeDelta) -> Result<Self, CadenceError> {
        if (SHORTEST..=LONGEST).contains(&interval) {
            Ok(Self(Kind::Every(TimeDelta::seconds(interval.num_seconds()))))
        } else {
            Err(CadenceError::Interval)
        }
    }

    /// At the moments of a cron expression of five fields (minute, hour, day of the month, month, day of the week), by
    /// the clocks of a zone of the IANA database, and at most two minutes after each. What a change of the clocks skips
    /// is made up for right after it, and what it repeats happens once (where the expression names an hour).
    ///
    /// # Errors
    ///
    /// When it is none, when there is no such moment, or when the zone is not known.
    pub fn cron(expression: &str, zone: &str) -> Result<Self, CadenceError> {
        let zone = Tz::from_str(zone).map_err(|_| CadenceError::Zone)?;
        let cron = parse(expression)?;
        let some_day = DateTime::from_timestamp(1_700_000_000, 0).unwrap_or_default().with_timezone(&zone);
        cron.find_next_occurrence(&some_day, false).map_err(|_| CadenceError::Never)?;
        Ok(Self(Kind::Cron { expression: expression.to_owned(), zone }))
    }

    /// Only when somebody asks, or nudges.
    pub fn on_demand() -> Self {
        Self(Kind::OnDemand)
    }

    /// The first run of the link `name` after `last`, when its last run began; never before half an interval has
    /// passed since. `None`: never.
    ///
    /// However much time has passed since, there is one next run: what was missed is not made up for.
    pub fn next(&self, name: &str, last: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match &self.0 {
            Kind::Every(interval) => {
                let (step, seconds) = (interval.num_seconds(), last.timestamp());
                let phase = part(name, 0, step);
                // The first slot at least half an interval later; slots are whole intervals apart.
                let from = seconds.checked_add(step / 2)?;
                let slots = from.checked_sub(phase)?.div_euclid(step).checked_add(1)?;
                DateTime::from_timestamp(slots.checked_mul(step)?.checked_add(phase)?, 0)
            }
            Kind::Cron { expression, zone } => {
                let cron = parse(expression).ok()?;
                let local = last.with_timezone(zone);
                let next = cron.find_next_occurrence(&local, false).ok()?.with_timezone(&Utc);
                if let Ok(slot) = cron.find_previous_occurrence(&local, true) {
                    let slot = slot.with_timezone(&Utc);
                    let spread = slot + late(name, slot, next);
                    if spread > last {
                        return Some(spread);
                    }
                }
                let after = cron.find_next_occurrence(&next.with_timezone(zone), false);
                let after = after.map_or(next + SPREAD, |after| after.with_timezone(&Utc));
                Some(next + late(name, next, after))
            }
            Kind::OnDemand => None,
        }
    }
}

/// By how much the run of a slot is late: not so much that it would meet the next one.
fn late(name: &str, slot: DateTime<Utc>, next: DateTime<Utc>) -> TimeDelta {
    let gap = (next - slot).min(SPREAD).num_seconds();
    TimeDelta::seconds(part(name, slot.timestamp(), gap))
}

/// A number from 0 up to `below`, always the same for a name and an occasion.
pub(super) fn part(name: &str, occasion: i64, below: i64) -> i64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(name.as_bytes()).update(&occasion.to_le_bytes());
    let mut first = [0; 8];
    hasher.finalize_xof().fill(&mut first);
    // A division by zero, or by less, has no rest.
    i64::from_le_bytes(first).checked_rem_euclid(below.max(1)).unwrap_or(0)
}

fn parse(expression: &str) -> Result<Cron, CadenceError> {
    if expression.len() > EXPRESSION_MAX {
        return Err(CadenceError::Expression { reason: format!("longer than {EXPRESSION_MAX} bytes") });
    }
    let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
    parser.parse(expression).map_err(|error| CadenceError::Expression { reason: error.to_string() })
}

impl From<Cadence> for Form {
    fn from(cadence: Cadence) -> Self {
        match cadence.0 {
            Kind::Every(interval) => Self::Every(interval.num_seconds()),
            Kind::Cron { expression, zone } => Self::Cron { expression, zone: zone.name().to_owned() },
            Kind::OnDemand => Self::OnDemand,
        }
    }
}

impl TryFrom<Form> for Cadence {
    type Error = CadenceError;

    fn try_from(form: Form) -> Result<Self, CadenceError> {
        match form {
            Form::Every(seconds) => {
                Self::every(TimeDelta::try_seconds(seconds).ok_or(CadenceError::Interval)?)
            }
            Form::Cron { expression, zone } => Self::cron(&expression, &zone),
            Form::OnDemand => Ok(Self::on_demand()),
        }
    }
}

impl std::fmt::Display for Cadence {
    /// `every 15m`, `cron 0 3 * * * (Europe/Berlin)`, `on demand`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Kind::Every(interval) => {
                let seconds = interval.num_seconds();
                for (unit, letter) in [(86_400, 'd'), (3_600, 'h'), (60, 'm')] {
                    if seconds % unit == 0 {
                        return write!(f, "every {}{letter}", seconds / unit);
                    }
                }
                write!(f, "every {seconds}s")
            }
            Kind::Cron { expression, zone } => write!(f, "cron {expression} ({})", zone.name()),
            Kind::OnDemand => f.write_str("on demand"),
        }
    }
}
