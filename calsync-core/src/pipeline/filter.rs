//! Which events are let through.

use chrono::{Datelike, NaiveDateTime, TimeDelta, Timelike};
use serde::{Deserialize, Serialize};

use super::{HostOptions, Surroundings};
use crate::{
    availability::{ClockTime, shows},
    model::{EventBody, EventTime, Fold, FreeBusyStatus, ParticipationStatus, Person, Status},
    recurrence::Weekday,
    zone::Zone,
};

/// Which of two kinds is let through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Keep {
    /// What is of the kind.
    #[default]
    Inside,
    /// What is not.
    Outside,
}

/// How the time of an event is held against the hours of a [`Filter::TimeFrame`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Within {
    /// All of it lies inside, from its start to its end.
    #[default]
    Whole,
    /// The clock shows an hour from that of `from` to that of `to`, both counted, when it starts or when it ends. What goes
    /// on in between does not count.
    EitherHour,
    /// The clock shows the hour of `from` or a later one when it starts, and that of `to` or an earlier one when it ends,
    /// on whatever days.
    BothHours,
}

impl Within {
    fn is_whole(&self) -> bool {
        *self == Self::Whole
    }
}

/// What a [`Filter::TimeFrame`] makes of an all-day event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AllDay {
    /// It lasts from midnight to midnight, and is held against the hours like any other.
    #[default]
    Judge,
    /// It passes, whatever `keep` says.
    Pass,
}

impl AllDay {
    fn is_judged(&self) -> bool {
        *self == Self::Judge
    }
}

/// Lets events through, or not. A list that is empty asks nothing.
///
/// A series is judged by what all its instances share and by its first instance; an instance with content of its own is
/// judged by that, and taken out of the copy when it does not pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Filter {
    /// What the owner has not declined. A link that imports goes by what the provider says of it, where it does
    /// ([`Capabilities::tells_declined`](crate::provider::Capabilities)); otherwise the addresses of the owner have to be known.
    NotDeclined {},
    /// What has a time of day (`outside`: what lasts whole days).
    Timed {
        /// Which of the two. Default: `inside`.
        #[serde(default)]
        keep: Keep,
    },
    /// What has a title like this. An event without one has an empty title.
    Title {
        /// A regular expression that has to match somewhere.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        include: Option<String>,
        /// One that must not.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        exclude: Option<String>,
    },
    /// What lies inside some hours of the day.
    TimeFrame {
        /// The days it may begin on. Default: every day.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        days: Vec<Weekday>,
        /// The first minute; a full hour where `within` goes by hours.
        from: ClockTime,
        /// The minute after the last; at or before `from` that of the next day. The last hour where `within` goes by hours,
        /// of the same day.
        to: ClockTime,
        /// Whose clock. Default: that of the calendar.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        zone: Option<Zone>,
        /// What lies inside, or what does not. Default: `inside`.
        #[serde(default)]
        keep: Keep,
        /// What lying inside means. Default: `whole`.
        #[serde(default, skip_serializing_if = "Within::is_whole")]
        within: Within,
        /// What becomes of all-day events. Default: `judge`.
        #[serde(default, skip_serializing_if = "AllDay::is_judged")]
        all_day: AllDay,
    },
    /// What has one of some categories; ASCII case does not count.
    Category {
        /// One of these. Empty: any, or none.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        include: Vec<String>,
        /// None of these.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        exclude: Vec<String>,
    },
    /// What has none of some states. An event without a state is confirmed.
    Status {
        /// The states.
        exclude: Vec<Status>,
    },
    /// What takes up its owner's time, or what does not. An event that does not say takes it.
    Busy {
        /// Which.
        only: FreeBusyStatus,
    },
    /// What comes from some calendars, by their ids.
    Calendar {
        /// One of these. Empty: any.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        include: Vec<String>,
        /// None of these.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        exclude: Vec<String>,
    },
    /// What somebody organises, by address; ASCII case does not count.
    Organizer {
        /// One of these. Empty: anybody, or nobody.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        include: Vec<String>,
        /// None of these.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        exclude: Vec<String>,
    },
    /// What somebody takes part in, as a guest or as the organiser, by address; ASCII case does not count: a feed by person.
    Attendee {
        /// One of these. Empty: anybody, or nobody.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        include: Vec<String>,
        /// None of these.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        exclude: Vec<String>,
    },
    /// What is so long.
    Duration {
        /// At least so many minutes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at_least: Option<u32>,
        /// At most so many minutes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at_most: Option<u32>,
    },
    /// What the owner organises, or nobody does.
    OwnOnly {},
    /// What no link of calsync wrote there, by the mark every copy carries: what comes in over a link that imports. On one
    /// that exports everything passes.
    NotCopied {},
    /// What a filter of the host lets through: see [`HostFilter`](super::HostFilter).
    Host {
        /// Its name in [`HostRules`](super::HostRules).
        rule: String,
        /// What is said to it. Default: nothing.
        #[serde(default, skip_serializing_if = "HostOptions::is_empty")]
        options: HostOptions,
        /// The version it has to have. Default: any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<String>,
    },
}

impl Filter {
    /// Whether content passes, but for [`Filter::Title`], which needs its compiled patterns, and [`Filter::Host`].
    pub(super) fn lets_through(&self, body: &EventBody, around: &Surroundings<'_>) -> bool {
        let same = |a: &String, b: &str| a.eq_ignore_ascii_case(b);
        match self {
            Self::NotDeclined {} => {
                !around.declined.is_some_and(|declined| declined.whole)
                    && !body.participants.iter().any(|participant| {
                        participant.status == ParticipationStatus::Declined
                            && around.owner.iter().any(|own| same(own, &participant.person.address))
                    })
            }
            Self::Timed { keep } => (*keep == Keep::Inside) != body.time.is_all_day(),
            Self::Title { .. } | Self::Host { .. } => true,
            Self::TimeFrame { all_day: AllDay::Pass, .. } if body.time.is_all_day() => true,
            Self::TimeFrame { days, from, to, zone, keep, within, .. } => {
                let days = if days.is_empty() { &Weekday::ALL[..] } else { days };
                let clock = zone.as_ref().unwrap_or(around.zone);
                let span = shown(body, (clock, around.zone));
                (*keep == Keep::Inside) == lies_inside(span, *within, (days, *from, *to))
            }
            Self::Category { include, exclude } => {
                let has = |of: &[String]| {
                    of.iter().any(|name| body.categories.iter().any(|category| same(name, category)))
                };
                (include.is_empty() || has(include)) && !has(exclude)
            }
            Self::Status { exclude } => !exclude.contains(&body.status.unwrap_or(Status::Confirmed)),
            Self::Busy { only } => body.free_busy.unwrap_or(FreeBusyStatus::Busy) == *only,
            Self::Calendar { include, exclude } => {
                let has = |of: &[String]| of.iter().any(|id| id == around.calendar);
                (include.is_empty() || has(include)) && !has(exclude)
            }
            Self::Organizer { include, exclude } => {
                let is = |of: &[String]| {
                    body.organizer
                        .as_ref()
                        .is_some_and(|one| of.iter().any(|address| same(address, &one.address)))
                };
                (include.is_empty() || is(include)) && !is(exclude)
            }
            Self::Attendee { include, exclude } => {
                let guests = body.participants.iter().map(|participant| &participant.person);
                let people: Vec<&Person> = guests.chain(&body.organizer).collect();
                let has = |of: &[String]| {
                    of.iter().any(|address| people.iter().any(|person| same(address, &person.address)))
                };
                (include.is_empty() || has(include)) && !has(exclude)
            }
            Self::Duration { at_least, at_most } => {
                let length = body.time.duration();
                let minutes = |minutes: &u32| TimeDelta::minutes(i64::from(*minutes));
                at_least.as_ref().is_none_or(|least| length >= minutes(least))
                    && at_most.as_ref().is_none_or(|most| length <= minutes(most))
            }
            Self::OwnOnly {} => body
                .organizer
                .as_ref()
                .is_none_or(|organizer| around.owner.iter().any(|own| same(own, &organizer.address))),
            Self::NotCopied {} => !around.is_copy,
        }
    }
}

/// What a clock shows when an event starts and when it ends.
fn shown(body: &EventBody, (clock, reader): (&Zone, &Zone)) -> (NaiveDateTime, NaiveDateTime) {
    let local = |time: &EventTime| match time {
        // A date is a day on every clock.
        EventTime::Date(_) | EventTime::Floating(_) => time.local(),
        // On its own clock, unless that never shows it.
        EventTime::Zoned { local, zone, fold: Fold::First }
            if zone == clock && zone.offset_of(*local).is_some() =>
        {
            *local
        }
        EventTime::Zoned { .. } | EventTime::Utc(_) => clock.to_local(time.instant(reader)),
    };
    (local(&body.time.start), local(&body.time.end))
}

fn lies_inside(
    (start, end): (NaiveDateTime, NaiveDateTime),
    within: Within,
    (days, from, to): (&[Weekday], ClockTime, ClockTime),
) -> bool {
    let (first, last) = (u32::from(from.minutes() / 60), u32::from(to.minutes() / 60));
    let begins_on = || days.contains(&Weekday::from(start.weekday()));
    match within {
        Within::Whole => {
            shows(days, (from, to), start) && end_of_frame(start, (from, to)).is_some_and(|last| end <= last)
        }
        Within::EitherHour => {
            begins_on() && [start, end].iter().any(|local| (first..=last).contains(&local.hour()))
        }
        Within::BothHours => begins_on() && start.hour() >= first && end.hour() <= last,
    }
}

/// Where the frame ends that a moment lies in.
fn end_of_frame(inside: NaiveDateTime, (from, to): (ClockTime, ClockTime)) -> Option<NaiveDateTime> {
    let minutes = |time: ClockTime| TimeDelta::minutes(i64::from(time.minutes()));
    let midnight = inside.date().and_hms_opt(0, 0, 0)?;
    let today = midnight.checked_add_signed(minutes(to))?;
    let began_today = inside >= midnight.checked_add_signed(minutes(from))?;
    if to <= from && began_today {
        return today.checked_add_signed(TimeDelta::days(1));
    }
    Some(today)
}
