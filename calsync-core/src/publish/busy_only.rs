//! An event reduced to the time it takes.

use std::sync::Arc;

use crate::{
    availability::{BusyKind, busy_kind},
    model::{Event, EventBody, EventTime, FreeBusyStatus, Override, RuleEntry, Status, TimeSpan, UidOrigin},
    zone::{CustomZone, Observance, Zone},
};

/// How an event is reduced.
#[derive(Clone, Copy)]
pub struct BusyOnly<'a> {
    /// The title it gets.
    pub title: &'a str,
    /// The secret its UID is made with. `None` keeps the UID.
    pub key: Option<&'a [u8; 32]>,
    /// The addresses of the calendar's owner: what they declined takes none of their time.
    pub owner: &'a [String],
}

/// The event as nothing but the time it takes: no text, person, reminder, time of an edit or name of a zone that only a
/// file defines is left of it. `None`: it takes none.
///
/// A series stays one, with its rules; an instance that takes no time is excluded. A rule that has no clear meaning, which may
/// hold anything, is left out.
pub fn busy_only(event: &Event, how: &BusyOnly<'_>) -> Option<Event> {
    let master = event.master.as_ref().and_then(|body| reduced(body, how));
    let mut overrides = std::collections::BTreeMap::new();
    for (id, instance) in &event.overrides {
        let instance = match instance {
            Override::Changed { body, scope } => match reduced(body, how) {
                Some(body) => Override::Changed { body: Box::new(body), scope: *scope },
                None => Override::Excluded,
            },
            Override::Excluded => Override::Excluded,
            Override::Added { end } => Override::Added { end: end.as_ref().map(plain_zone) },
        };
        // Without a master there is nothing to take an instance from, or to add one to.
        if master.is_some() || matches!(instance, Override::Changed { .. }) {
            overrides.insert(*id, instance);
        }
    }
    if master.is_none() && overrides.is_empty() {
        return None;
    }
    let rules = |rules: &[RuleEntry]| match master {
        Some(_) => rules.iter().filter_map(plain_rule).collect(),
        None => Vec::new(),
    };
    Some(Event {
        uid: how.key.map_or_else(|| event.uid.clone(), |key| hidden_uid(key, &event.uid)),
        uid_origin: UidOrigin::Given,
        rules: rules(&event.rules),
        excluded_rules: rules(&event.excluded_rules),
        master,
        overrides,
        lineage: None,
    })
}

/// A UID that tells nothing of the one it is made from to whoever has not the key, and is the same every time.
pub(crate) fn hidden_uid(key: &[u8; 32], uid: &str) -> String {
    let mut hidden = String::with_capacity(45);
    hidden.push_str(&blake3::keyed_hash(key, uid.as_bytes()).to_hex()[..40]);
    hidden.push_str("@busy");
    hidden
}

/// What of a UID tells it from all others, where it is one that [`hidden_uid`] made.
pub(crate) fn hidden_number(uid: &str) -> Option<u128> {
    let digits = uid.strip_suffix("@busy").filter(|digits| digits.len() == 40)?;
    let is_digit = |digit: u8| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
    u128::from_str_radix(digits.get(..32).filter(|_| digits.bytes().all(is_digit))?, 16).ok()
}

fn reduced(body: &EventBody, how: &BusyOnly<'_>) -> Option<EventBody> {
    let kind = busy_kind(body, how.owner)?;
    let time = TimeSpan { start: plain_zone(&body.time.start), end: plain_zone(&body.time.end) };
    // A number: subscribers take no change of time without a higher one.
    Some(EventBody { sequence: body.sequence, ..shell(time, kind, how.title) })
}

/// Nothing but a time that is taken.
pub(super) fn shell(time: TimeSpan, kind: BusyKind, title: &str) -> EventBody {
    let mut body = EventBody::new(time);
    body.title = Some(title.to_owned());
    body.free_busy = Some(FreeBusyStatus::Busy);
    body.status = Some(if kind == BusyKind::Tentative { Status::Tentative } else { Status::Confirmed });
    body
}

pub(super) fn plain_rule(rule: &RuleEntry) -> Option<RuleEntry> {
    match rule {
        RuleEntry::Rule(rule) if !rule.is_opaque() => {
            let mut rule = rule.clone();
            rule.unknown.clear();
            Some(RuleEntry::Rule(rule))
        }
        RuleEntry::Rule(_) | RuleEntry::Opaque { .. } => None,
    }
}

/// The same time in a zone without a name of its own.
fn plain_zone(time: &EventTime) -> EventTime {
    let EventTime::Zoned { local, zone: Zone::Custom(custom), fold } = time else { return time.clone() };
    let nameless = |observance: &Observance| Observance { name: None, ..observance.clone() };
    let observances = custom.observances().iter().map(nameless).collect();
    match CustomZone::new("Local".to_owned(), observances) {
        Ok(zone) => EventTime::Zoned { local: *local, zone: Zone::Custom(Arc::new(zone)), fold: *fold },
        // Its rules were accepted before.
        Err(_) => time.absolute().map_or(EventTime::Floating(*local), EventTime::Utc),
    }
}
