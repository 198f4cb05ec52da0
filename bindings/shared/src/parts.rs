//! The parts that need no engine, no store and no network. Each takes many at once: crossing the border is paid once.
//!
//! By name and with JSON they are [`pure()`](crate::pure()). A language that makes its objects itself, without JSON between, calls
//! those that are public: [`parse`] and [`expand`], which give thousands of values for one call.

use calsync_core::{
    diff::changed_fields,
    ical::{PatchOptions, ReadOptions, WriteOptions, patch, read_calendar, write_calendar},
    merge::{Bases, Freshness, Sides, merge},
    model::Event,
    recurrence::ExpansionLimits,
    zone::Zone,
};

use crate::{
    Failure, args,
    model::{
        ContestedField, EventModel, Expansion, FieldModel, InstanceModel, Merged, Outcome, ParsedCalendar,
        UnreadableItem, fields,
    },
};

pub(crate) fn parse_named(args: args::Parse) -> Result<Vec<Outcome<ParsedCalendar>>, Failure> {
    Ok(parse(&args.texts, args.default_zone))
}

/// Reads calendar texts. One that is none is a failure in its place.
pub fn parse(texts: &[impl AsRef<str>], default_zone: Option<Zone>) -> Vec<Outcome<ParsedCalendar>> {
    let mut options = ReadOptions::default();
    options.default_zone = default_zone;
    let read = |text: &str| {
        read_calendar(text, &options).map(|document| ParsedCalendar {
            name: document.info.name,
            events: document.items.into_iter().map(|item| item.event.into()).collect(),
            unreadable: document
                .quarantined
                .into_iter()
                .map(|item| UnreadableItem { uid: item.uid, reason: item.reason.to_string() })
                .collect(),
            complete: document.is_complete,
        })
    };
    texts.iter().map(|text| read(text.as_ref()).into()).collect()
}

pub(crate) fn write(args: args::Write) -> Result<String, Failure> {
    let mut options = WriteOptions::new(args.stamp);
    options.people = args.people;
    let events: Vec<Event> = args.events.into_iter().map(Event::from).collect();
    Ok(write_calendar(&events, &options))
}

pub(crate) fn patch_texts(args: args::Patch) -> Result<Vec<Outcome<String>>, Failure> {
    let mut options = PatchOptions::default();
    options.stamp = args.stamp;
    options.people = args.people;
    let edit = |edit: args::Edit| patch(&edit.original, &edit.event.into(), &options).into();
    Ok(args.edits.into_iter().map(edit).collect())
}

/// When each event takes place.
///
/// # Errors
///
/// [`Code::InvalidInput`](crate::Code::InvalidInput) when the window ends before it begins.
pub fn expand(args: args::Expand) -> Result<Vec<Expansion>, Failure> {
    if args.end < args.start {
        return Err(Failure::invalid("the window ends before it begins"));
    }
    let mut limits = ExpansionLimits::default();
    limits.instances = args.limit.unwrap_or(limits.instances);
    let zone = args.zone.unwrap_or(Zone::UTC);
    let expand = |event: EventModel| {
        let event = Event::from(event);
        let (instances, report) = event.instances(args.start..args.end, &zone, &limits);
        Expansion {
            instances: instances.into_iter().map(|i| InstanceModel { id: i.id, time: i.time }).collect(),
            opaque_rules: report.opaque.len(),
            stopped: report.stopped,
        }
    };
    Ok(args.events.into_iter().map(expand).collect())
}

pub(crate) fn diff(args: args::Diff) -> Result<Vec<Vec<FieldModel>>, Failure> {
    let diff = |pair: args::Pair| fields(&changed_fields(&pair.before.into(), &pair.after.into()));
    Ok(args.pairs.into_iter().map(diff).collect())
}

pub(crate) fn merge_events(args: args::Merge) -> Result<Vec<Merged>, Failure> {
    let one = |versions: args::Versions| {
        let base = versions.base.map(Event::from);
        let (local, remote) = (Event::from(versions.local), Event::from(versions.remote));
        let sides = Sides {
            bases: base.as_ref().map(|base| Bases { local: base, remote: base }),
            local: &local,
            remote: &remote,
        };
        let choice = args.policy.choose(Freshness { local: local.updated(), remote: remote.updated() });
        let merged = merge(sides, |_| choice);
        Merged {
            local: merged.apply_to_local(&local, &remote).into(),
            remote: merged.apply_to_remote(&local, &remote).into(),
            to_local: fields(&merged.to_local),
            to_remote: fields(&merged.to_remote),
            contested: merged
                .contested
                .iter()
                .map(|c| ContestedField { field: FieldModel::from(&c.field), choice: c.choice })
                .collect(),
            keep_local_copy: merged.keep_local_copy,
        }
    };
    Ok(args.items.into_iter().map(one).collect())
}

/// Seconds east of Greenwich at a wall-clock time: what a language without the zone asks for.
pub(crate) fn zone_offset(args: args::ZoneOffset) -> Result<i32, Failure> {
    Ok(args.zone.offset_at(args.zone.resolve(args.local)))
}
