//! The instances of series on their way to JavaScript: one text for each series instead of four objects for each instance.
//!
//! An instance is its id, its start and its end. Each begins with a letter that says how long it is, so that JavaScript cuts
//! the text up without looking for anything (`index.cjs`, `unpacked`).

use std::fmt::Write as _;

use calsync_bindings::model::{Expansion, InstanceModel};
use calsync_core::{
    model::{EventTime, Fold, RecurrenceId},
    recurrence::LimitReached,
    zone::Zone,
};
use serde::Serialize;

/// Zones of one series that a letter can name.
const ZONES: usize = 26;

/// What [`Expansion`] says.
#[derive(Serialize)]
pub(crate) struct Packed<'a> {
    instances: Instances<'a>,
    /// Those that instances name, the first one by `a`.
    zones: Vec<&'a Zone>,
    opaque_rules: usize,
    stopped: Option<LimitReached>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Instances<'a> {
    Packed(String),
    /// One has a time that is as long as no other: of a year of five digits, or of half a second.
    Odd(&'a [InstanceModel]),
}

impl<'a> From<&'a Expansion> for Packed<'a> {
    fn from(expansion: &'a Expansion) -> Self {
        let Expansion { instances, opaque_rules, stopped } = expansion;
        let mut zones = Vec::new();
        let mut text = String::with_capacity(instances.len() * 60);
        let all = instances.iter().all(|instance| pack(instance, &mut zones, &mut text));
        let instances = if all { Instances::Packed(text) } else { Instances::Odd(instances) };
        Self { instances, zones, opaque_rules: *opaque_rules, stopped: *stopped }
    }
}

/// `false`: it does not fit.
fn pack<'a>(instance: &'a InstanceModel, zones: &mut Vec<&'a Zone>, to: &mut String) -> bool {
    let (kind, length) = match instance.id {
        RecurrenceId::Date(_) => ('d', 8),
        RecurrenceId::Floating(_) => ('f', 15),
        RecurrenceId::Instant(_) => ('i', 16),
    };
    to.push(kind);
    let before = to.len();
    let is_usual = write!(to, "{}", instance.id).is_ok() && to.len() - before == length;
    is_usual && time(&instance.time.start, zones, to) && time(&instance.time.end, zones, to)
}

fn time<'a>(time: &'a EventTime, zones: &mut Vec<&'a Zone>, to: &mut String) -> bool {
    let (kind, length) = match time {
        EventTime::Date(_) => ('D', 10),
        EventTime::Floating(_) => ('F', 19),
        EventTime::Utc(_) => ('U', 20),
        EventTime::Zoned { fold: Fold::First, .. } => ('Z', 19),
        EventTime::Zoned { fold: Fold::Second, .. } => ('Y', 19),
    };
    to.push(kind);
    let before = to.len();
    time.push_text(to);
    let is_usual = to.len() - before == length;
    if let EventTime::Zoned { zone, .. } = time {
        let known = zones.iter().position(|known| *known == zone).unwrap_or(zones.len());
        if known == zones.len() {
            zones.push(zone);
        }
        to.push(u8::try_from(known).map_or('?', |known| char::from(b'a'.saturating_add(known))));
    }
    is_usual && zones.len() <= ZONES
}
