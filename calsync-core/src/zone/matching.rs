//! Comparing the rules of a file with zones of the database.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};

use super::custom::CustomZone;
use super::resolve::DefinitionCheck;
use super::tzif::Rules;
use super::{Tz, names, windows};

/// The years in which a definition is checked against the zone of its name.
const CHECKED_YEARS: std::ops::RangeInclusive<i32> = 2020..=2030;
/// The years in which a nameless definition must equal a zone of the database to be taken for it.
const MATCHED_YEARS: std::ops::RangeInclusive<i32> = 2000..=2037;

/// How a definition stands to the database zone of its name.
pub(super) fn check(rules: &CustomZone, tz: Tz) -> DefinitionCheck {
    let compare = |years| {
        let (mut equal, mut different) = (false, false);
        for (instant, offset) in samples(rules, years, &[1, 7]) {
            if offset_in(tz, instant) == offset { equal = true } else { different = true }
        }
        (equal, different)
    };
    match compare(CHECKED_YEARS) {
        (_, false) => DefinitionCheck::Agrees,
        (true, true) => DefinitionCheck::Contradicts,
        // A definition from before a country moved its clocks agrees with the past only.
        (false, true) if compare(MATCHED_YEARS).0 => DefinitionCheck::Contradicts,
        (false, true) => DefinitionCheck::Replaces,
    }
}

/// The database zone with the same offsets and changes from 2000 to 2037, if there is one. Of several, one whose
/// city the TZID mentions comes first, then the best known ones.
pub(super) fn equal_zone(rules: &CustomZone) -> Option<Tz> {
    let samples: Vec<_> = samples(rules, MATCHED_YEARS, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]).collect();
    let equals = |tz: &Tz| {
        let offset_at = |rules: &Rules, instant: &DateTime<Utc>| rules.state_at(instant.timestamp()).offset;
        tz.read()
            .is_some_and(|rules| samples.iter().all(|(instant, offset)| offset_at(rules, instant) == *offset))
    };
    if let Some(tz) = Tz::named_any().filter(|tz| mentions_city(rules.tzid(), *tz)).find(equals) {
        return Some(tz);
    }
    let (_, first) = samples.first()?;
    if samples.iter().all(|(_, offset)| offset == first)
        && let Some(tz) = names::whole_hours(*first)
    {
        return Some(tz);
    }
    windows::zones().find(equals).or_else(|| Tz::all().find(equals))
}

fn mentions_city(text: &str, tz: Tz) -> bool {
    let Some((_, city)) = tz.name().rsplit_once('/') else { return false };
    city.len() > 3 && names::contains_words(text, city)
}

/// Instants of these years with the offsets the rules give: the first of each of these months, and the seconds
/// around the last change before it.
fn samples<'a>(
    rules: &'a CustomZone,
    years: std::ops::RangeInclusive<i32>,
    months: &'a [u32],
) -> impl Iterator<Item = (DateTime<Utc>, i32)> + 'a {
    let days = years.flat_map(|year| months.iter().filter_map(move |m| NaiveDate::from_ymd_opt(year, *m, 1)));
    let mut previous: Option<NaiveDateTime> = None;
    days.flat_map(move |day| {
        let instant = day.and_time(NaiveTime::MIN).and_utc();
        let (onset, offset) = rules.change_before(instant);
        let change = match (onset, previous) {
            (Some(onset), Some(previous)) if onset > previous => Some(onset),
            _ => None,
        };
        previous = Some(instant.naive_utc());
        let around = change.into_iter().flat_map(move |onset| {
            let before = onset.checked_sub_signed(TimeDelta::seconds(1)).unwrap_or(onset).and_utc();
            [(before, rules.offset_at(before)), (onset.and_utc(), offset)]
        });
        around.chain([(instant, offset)])
    })
}

fn offset_in(tz: Tz, instant: DateTime<Utc>) -> i32 {
    tz.rules().state_at(instant.timestamp()).offset
}
