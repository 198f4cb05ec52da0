//! The filters and transformers of an inovex/CalendarSync configuration, as a pipeline.

use serde_json::{Map, Value};

use super::{Addresses, AllDay, CopiedField, Filter, Keep, Names, Pipeline, Start, Transform, Within};
use crate::{availability::ClockTime, zone::Zone};

/// A pipeline made of somebody else's configuration, and what of that it does not say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Translation {
    /// The pipeline.
    pub pipeline: Pipeline,
    /// What could not be carried over, for a person to read.
    pub lost: Vec<String>,
    /// Entries with a name CalendarSync does not know, such as `filters[1]`; each is in `lost`, too. One that is a filter's
    /// with a letter wrong leaves nothing out here, which somebody has to look at before anything is copied.
    pub unknown: Vec<String>,
}

/// The lists are not of the form CalendarSync reads.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {reason}")]
pub struct InovexError {
    /// Where, such as `filters[1].config.HourStart`.
    pub place: String,
    /// What is wrong.
    pub reason: String,
}

/// The title of a bare copy there.
const BARE_TITLE: &str = "CalendarSync Event";
/// What ReplaceTitle says without a title.
const NEW_TITLE: &str = "[CalendarSync Event]";

/// What stands before the description of a copy whose event has a link to connect.
const BEFORE_DESCRIPTION: &str = "original meeting link: {{meeting_link}}\n\n############\n";
/// The characters a description is cut to there.
const DESCRIPTION_MAX: u32 = 4_000;

/// CalendarSync applies these in this order, whatever the file says.
const TRANSFORMERS: [&str; 8] = [
    "KeepAttendees",
    "KeepLocation",
    "KeepReminders",
    "KeepDescription",
    "KeepMeetingLink",
    "KeepTitle",
    "PrefixTitle",
    "ReplaceTitle",
];
const FILTERS: [&str; 5] = ["TimeFrame", "TimeFilter", "DeclinedEvents", "AllDayEvents", "RegexTitle"];

/// Translates the lists `transformations` and `filters` of a CalendarSync file, each `[{ name, config }]` or absent
/// (`null`).
///
/// The copy begins bare, as there: the time and the title `CalendarSync Event`. An unknown name is skipped there with a
/// warning, and reported here. Of a name given twice the last counts.
///
/// # Errors
/// A list that is none, an entry without a name, a value of another kind than CalendarSync reads.
pub fn translate_inovex(transformations: &Value, filters: &Value) -> Result<Translation, InovexError> {
    let transformations = Entries::read("transformations", transformations)?;
    let filters = Entries::read("filters", filters)?;
    let mut lost = Vec::new();
    let mut pipeline = Pipeline { start: Start::Bare { title: BARE_TITLE.to_owned() }, steps: Vec::new() };
    let mut unknown = Vec::new();
    for (entries, known) in [(&filters, &FILTERS[..]), (&transformations, &TRANSFORMERS)] {
        for entry in entries.unknown(known) {
            lost.push(format!("{}: CalendarSync has no {:?} in {}", entry.place, entry.name, entries.list));
            unknown.push(entry.place.clone());
        }
    }
    for name in FILTERS {
        let Some(entry) = filters.get(name) else { continue };
        let frame = |keep, within| {
            let (from, to) = (entry.hour("HourStart")?, entry.hour("HourEnd")?);
            let (days, zone, all_day) = (Vec::new(), Some(Zone::UTC), AllDay::Pass);
            Ok(Filter::TimeFrame { days, from, to, zone, keep, within, all_day })
        };
        let filter = match name {
            "TimeFrame" => frame(Keep::Inside, Within::EitherHour)?,
            "TimeFilter" => frame(Keep::Outside, Within::BothHours)?,
            "DeclinedEvents" => Filter::NotDeclined {},
            "AllDayEvents" => Filter::Timed { keep: Keep::Inside },
            _ => match entry.text("ExcludeRegexp")? {
                Some(pattern) if !pattern.is_empty() => {
                    Filter::Title { include: None, exclude: Some(pattern) }
                }
                _ => {
                    lost.push(format!("{}: without ExcludeRegexp it keeps every event", entry.place));
                    continue;
                }
            },
        };
        pipeline = pipeline.with_filter(name, filter);
    }
    for name in TRANSFORMERS {
        let Some(entry) = transformations.get(name) else { continue };
        let keep = |field| Transform::Keep { fields: vec![field] };
        let transform = match name {
            "KeepAttendees" => Transform::KeepAttendees {
                names: if entry.flag("UseEmailAsDisplayName")? { Names::Address } else { Names::Given },
                addresses: Addresses::Cloaked,
            },
            "KeepLocation" => keep(CopiedField::Location),
            "KeepReminders" => keep(CopiedField::Reminders),
            "KeepDescription" => keep(CopiedField::Description),
            "KeepMeetingLink" => {
                Transform::MeetingLinkInDescription { before: Some(BEFORE_DESCRIPTION.to_owned()) }
            }
            "KeepTitle" => keep(CopiedField::Title),
            "PrefixTitle" => {
                Transform::PrefixTitle { prefix: literal(&entry.text("Prefix")?.unwrap_or_default()) }
            }
            _ => Transform::ReplaceTitle {
                title: literal(&entry.text("NewTitle")?.unwrap_or_else(|| NEW_TITLE.to_owned())),
            },
        };
        pipeline = pipeline.with_transform(name, transform);
        if name == "KeepDescription" {
            let cut = Transform::CutDescription { characters: DESCRIPTION_MAX };
            pipeline = pipeline.with_transform("KeepDescription, cut", cut);
        }
    }
    Ok(Translation { pipeline, lost, unknown })
}

/// A text in which nothing is filled in.
fn literal(text: &str) -> String {
    text.replace("{{", "{{{{")
}

struct Entries {
    list: &'static str,
    entries: Vec<Entry>,
}

struct Entry {
    place: String,
    name: String,
    config: Map<String, Value>,
}

impl Entries {
    fn read(list: &'static str, value: &Value) -> Result<Self, InovexError> {
        let error = |place: String, reason: &str| InovexError { place, reason: reason.to_owned() };
        let items = match value {
            Value::Null => &[],
            Value::Array(items) => &items[..],
            _ => return Err(error(list.to_owned(), "it is no list")),
        };
        let mut entries = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let place = format!("{list}[{index}]");
            let name = item.get("name").and_then(Value::as_str);
            let name = name.ok_or_else(|| error(place.clone(), "it has no name"))?.to_owned();
            let config = match item.get("config") {
                None | Some(Value::Null) => Map::new(),
                Some(Value::Object(config)) => config.clone(),
                Some(_) => return Err(error(format!("{place}.config"), "it is no table")),
            };
            entries.push(Entry { place, name, config });
        }
        Ok(Self { list, entries })
    }

    fn get(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().rev().find(|entry| entry.name == name)
    }

    fn unknown(&self, known: &[&str]) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| !known.contains(&entry.name.as_str()))
    }
}

impl Entry {
    fn error(&self, key: &str, reason: &str) -> InovexError {
        InovexError { place: format!("{}.config.{key}", self.place), reason: reason.to_owned() }
    }

    fn text(&self, key: &str) -> Result<Option<String>, InovexError> {
        match self.config.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(self.error(key, "it is no text")),
        }
    }

    fn flag(&self, key: &str) -> Result<bool, InovexError> {
        match self.config.get(key) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(self.error(key, "it is neither true nor false")),
        }
    }

    fn hour(&self, key: &str) -> Result<ClockTime, InovexError> {
        let hour = self.config.get(key).and_then(Value::as_u64).and_then(|hour| u16::try_from(hour).ok());
        let hour = hour.ok_or_else(|| self.error(key, "it is no hour from 0 to 24"))?;
        ClockTime::new(hour, 0).map_err(|_| self.error(key, "it is no hour from 0 to 24"))
    }
}
