//! Events for property tests: a small vocabulary, so that two events often agree, differ in one field, or collide.
//!
//! [`event`] draws any event; [`edits`] draws what a person does to one. Both shrink.

use std::collections::{BTreeMap, BTreeSet};

use calsync_core::{
    model::{
        Alarm, Event, EventBody, EventTime, FreeBusyStatus, Override, OverrideScope, Participant,
        ParticipationStatus, Person, Privacy, RecurrenceId, Role, Status, TimeSpan, UidOrigin,
        VirtualLocation,
    },
    recurrence::RuleEntry,
};
use chrono::{DateTime, TimeDelta, Utc};
use proptest::{collection::btree_map, option, prelude::*, sample::select};

/// The UID of every drawn event.
pub const UID: &str = "u1";

/// An hour of 2026-01-05, as an instant.
fn hour(hour: i64) -> DateTime<Utc> {
    DateTime::<Utc>::UNIX_EPOCH + TimeDelta::seconds(1_767_571_200) + TimeDelta::hours(hour)
}

/// The key of the instance of day `day` of a daily series.
pub fn instance(day: u8) -> RecurrenceId {
    RecurrenceId::Instant(hour(i64::from(day) * 24 + 9))
}

fn text() -> impl Strategy<Value = Option<String>> {
    option::of(select(vec!["a", "b", "c"]).prop_map(str::to_owned))
}

fn time() -> impl Strategy<Value = TimeSpan> {
    (9_i64..12, 1_i64..3).prop_map(|(start, hours)| TimeSpan {
        start: EventTime::Utc(hour(start)),
        end: EventTime::Utc(hour(start + hours)),
    })
}

fn participants() -> impl Strategy<Value = Vec<Participant>> {
    let one = (select(vec!["anna@example.org", "ANNA@example.org"]), any::<bool>());
    let person = |address: &str, accepted| Participant {
        person: Person { address: address.to_owned(), name: None },
        status: if accepted { ParticipationStatus::Accepted } else { ParticipationStatus::NeedsAction },
        role: Role::Required,
        expect_reply: false,
    };
    (option::of(one), option::of(any::<bool>())).prop_map(move |(anna, ben)| {
        let anna = anna.map(|(address, accepted)| person(address, accepted));
        let ben = ben.map(|accepted| person("ben@example.org", accepted));
        anna.into_iter().chain(ben).collect()
    })
}

fn alarms() -> impl Strategy<Value = Vec<Alarm>> {
    proptest::collection::vec((select(vec![300_i64, 600]), text()), 0..3).prop_map(|alarms| {
        alarms
            .into_iter()
            .map(|(before, description)| Alarm { description, ..Alarm::display_before(before) })
            .collect()
    })
}

/// The content of an event, or of one instance.
pub fn body() -> impl Strategy<Value = EventBody> {
    let texts = (text(), text(), text(), text(), text(), text());
    let words = (
        option::of(select(vec![Status::Confirmed, Status::Cancelled])),
        option::of(select(vec![FreeBusyStatus::Busy, FreeBusyStatus::Free])),
        option::of(select(vec![Privacy::Public, Privacy::Private])),
        option::of(0_u8..2),
    );
    let sets = (
        proptest::collection::btree_set(select(vec!["work", "home"]).prop_map(str::to_owned), 0..3),
        participants(),
        alarms(),
        option::of(select(vec!["anna@example.org", "ben@example.org"])),
    );
    (time(), texts, words, sets, 0_u32..2).prop_map(|(time, texts, words, sets, sequence)| EventBody {
        title: texts.0,
        description: texts.1,
        location: texts.2,
        geo: None,
        url: texts.3,
        color: texts.4,
        virtual_locations: texts.5.into_iter().map(|uri| VirtualLocation { uri, name: None }).collect(),
        status: words.0,
        free_busy: words.1,
        privacy: words.2,
        priority: words.3,
        categories: sets.0,
        participants: sets.1,
        alarms: sets.2,
        organizer: sets.3.map(|address| Person { address: address.to_owned(), name: None }),
        sequence,
        updated: (sequence > 0).then(|| hour(0)),
        ..EventBody::new(time)
    })
}

fn an_override() -> impl Strategy<Value = Override> {
    let scope = prop_oneof![9 => Just(OverrideScope::This), 1 => Just(OverrideScope::ThisAndFuture)];
    prop_oneof![
        2 => Just(Override::Excluded),
        1 => Just(Override::Added { end: None }),
        3 => (body(), scope).prop_map(|(body, scope)| Override::Changed { body: Box::new(body), scope }),
    ]
}

fn rules() -> impl Strategy<Value = Vec<RuleEntry>> {
    select(vec![vec![], vec!["FREQ=DAILY"], vec!["FREQ=DAILY;COUNT=5"]])
        .prop_map(|rules| rules.into_iter().map(RuleEntry::read).collect())
}

/// Any event under [`UID`]: single or a series, with or without a master.
pub fn event() -> impl Strategy<Value = Event> {
    let overrides = btree_map((0_u8..3).prop_map(instance), an_override(), 0..3);
    (option::weighted(0.95, body()), rules(), overrides).prop_map(|(master, rules, overrides)| Event {
        uid: UID.to_owned(),
        uid_origin: UidOrigin::Given,
        master,
        rules,
        excluded_rules: Vec::new(),
        overrides,
        lineage: None,
    })
}

/// What a person does to an event.
#[derive(Clone, Debug)]
pub enum Edit {
    /// Changes one part of the master: the part with this number becomes what it is in the body.
    Master(u8, Box<EventBody>),
    /// Changes one part of an instance that has content of its own; else the instance gets this content.
    Instance(RecurrenceId, u8, Box<EventBody>),
    /// Excludes, adds, changes an instance, or (`None`) makes it what the rules say.
    Override(RecurrenceId, Option<Override>),
    /// Moves the series, and with it the names of all instances, by so many hours.
    Move(i64),
    /// Changes what repeats.
    Rules(Vec<RuleEntry>),
    /// The event loses its master, or gets one.
    Replace(Option<Box<EventBody>>),
}

/// Up to four edits.
pub fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let id = || (0_u8..3).prop_map(instance);
    let edit = prop_oneof![
        6 => (0_u8..PARTS, body()).prop_map(|(part, body)| Edit::Master(part, Box::new(body))),
        4 => (id(), 0_u8..PARTS, body()).prop_map(|(id, part, body)| Edit::Instance(id, part, Box::new(body))),
        3 => (id(), option::of(an_override())).prop_map(|(id, value)| Edit::Override(id, value)),
        1 => select(vec![-1_i64, 1]).prop_map(Edit::Move),
        1 => rules().prop_map(Edit::Rules),
        1 => option::weighted(0.7, body()).prop_map(|body| Edit::Replace(body.map(Box::new))),
    ];
    proptest::collection::vec(edit, 0..4)
}

const PARTS: u8 = 15;

fn copy(part: u8, from: &EventBody, into: &mut EventBody) {
    match part {
        0 => into.time.clone_from(&from.time),
        1 => into.title.clone_from(&from.title),
        2 => into.description.clone_from(&from.description),
        3 => into.location.clone_from(&from.location),
        4 => into.url.clone_from(&from.url),
        5 => into.color.clone_from(&from.color),
        6 => into.virtual_locations.clone_from(&from.virtual_locations),
        7 => into.status = from.status,
        8 => into.free_busy = from.free_busy,
        9 => into.privacy = from.privacy,
        10 => into.priority = from.priority,
        11 => into.categories.clone_from(&from.categories),
        12 => into.participants.clone_from(&from.participants),
        13 => into.alarms.clone_from(&from.alarms),
        _ => into.organizer.clone_from(&from.organizer),
    }
}

/// The event after the edits, in their order.
pub fn edited(event: &Event, edits: &[Edit]) -> Event {
    let mut event = event.clone();
    for edit in edits {
        match edit {
            Edit::Master(part, body) => {
                if let Some(master) = &mut event.master {
                    copy(*part, body, master);
                }
            }
            Edit::Instance(id, part, body) => match event.overrides.get_mut(id) {
                Some(Override::Changed { body: own, .. }) => copy(*part, body, own),
                _ => {
                    let scope = OverrideScope::This;
                    event.overrides.insert(*id, Override::Changed { body: body.clone(), scope });
                }
            },
            Edit::Override(id, Some(value)) => {
                event.overrides.insert(*id, value.clone());
            }
            Edit::Override(id, None) => {
                event.overrides.remove(id);
            }
            Edit::Move(hours) => shift(&mut event, TimeDelta::hours(*hours)),
            Edit::Rules(rules) => event.rules.clone_from(rules),
            Edit::Replace(body) => event.master = body.as_deref().cloned(),
        }
    }
    event
}

/// Moves a series: its start, and the names of its instances.
pub fn shift(event: &mut Event, by: TimeDelta) {
    let moved = |time: &EventTime| match time {
        EventTime::Utc(instant) => EventTime::Utc(*instant + by),
        other => other.clone(),
    };
    let Some(master) = &mut event.master else { return };
    master.time = TimeSpan { start: moved(&master.time.start), end: moved(&master.time.end) };
    let overrides: BTreeMap<_, _> = std::mem::take(&mut event.overrides);
    event.overrides = overrides
        .into_iter()
        .map(|(id, value)| match id {
            RecurrenceId::Instant(instant) => (RecurrenceId::Instant(instant + by), value),
            other => (other, value),
        })
        .collect();
}

/// The event without what no merge compares: bookkeeping, the order of people and alarms, and whether an instance that
/// does not take place is excluded or cancelled.
pub fn canonical(event: &Event) -> Event {
    let mut event = event.clone();
    event.lineage = None;
    for value in event.overrides.values_mut() {
        if let Override::Changed { body, scope: OverrideScope::This } = value
            && body.status == Some(Status::Cancelled)
        {
            *value = Override::Excluded;
        }
    }
    let instances = event.overrides.values_mut().filter_map(|value| match value {
        Override::Changed { body, .. } => Some(&mut **body),
        Override::Excluded | Override::Added { .. } => None,
    });
    for body in event.master.iter_mut().chain(instances) {
        (body.sequence, body.created, body.updated) = (0, None, None);
        body.participants.sort_by_key(|participant| participant.person.key());
        body.alarms.sort_by_key(|alarm| alarm.trigger);
    }
    event
}

/// The titles an event shows anywhere, for telling where an edit went.
pub fn titles(event: &Event) -> BTreeSet<&str> {
    let instances = event.overrides.values().filter_map(|value| match value {
        Override::Changed { body, .. } => Some(&**body),
        Override::Excluded | Override::Added { .. } => None,
    });
    event.master.iter().chain(instances).filter_map(|body| body.title.as_deref()).collect()
}
