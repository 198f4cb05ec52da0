//! Events as objects of Python, made without JSON between: for the calls that give thousands of them.
//!
//! The classes are those of `calsync.model` and `calsync.words`; their arguments stand here in the order they are declared
//! there. The tests hold every value that is made here against the one `calsync._codec` makes of the JSON.

use std::{collections::HashMap, sync::Arc};

use calsync_bindings::{
    model::{EventModel, Expansion, InstanceModel, Outcome, ParsedCalendar},
    surface,
};
use calsync_core::{
    model::{
        Alarm, AlarmAction, AlarmTrigger, Descent, EventBody, EventTime, Fold, FreeBusyStatus, Override,
        OverrideScope, Participant, ParticipationStatus, Person, Privacy, RelativeTo, Role, Status, TimeSpan,
        UidOrigin,
    },
    recurrence::LimitReached,
    zone::Zone,
};
use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, Timelike, Utc};
use pyo3::{
    prelude::*,
    sync::PyOnceLock,
    types::{PyDict, PyList, PySet, PyString, PyTuple},
};
use serde::Deserialize;

/// What is looked up once for a process.
struct Classes {
    parsed: Py<PyAny>,
    unreadable: Py<PyAny>,
    event: Py<PyAny>,
    body: Py<PyAny>,
    span: Py<PyAny>,
    person: Py<PyAny>,
    participant: Py<PyAny>,
    virtual_location: Py<PyAny>,
    alarm: Py<PyAny>,
    offset: Py<PyAny>,
    lineage: Py<PyAny>,
    excluded: Py<PyAny>,
    added: Py<PyAny>,
    changed: Py<PyAny>,
    expansion: Py<PyAny>,
    instance: Py<PyAny>,
    date: Py<PyAny>,
    datetime: Py<PyAny>,
    utc: Py<PyAny>,
    /// `calsync._codec.zone_of`.
    zone_of: Py<PyAny>,
    words: Words,
}

/// The members of the enums, in the order their words are declared.
struct Words {
    uid_origin: Vec<Py<PyAny>>,
    status: Vec<Py<PyAny>>,
    free_busy: Vec<Py<PyAny>>,
    privacy: Vec<Py<PyAny>>,
    scope: Vec<Py<PyAny>>,
    participation: Vec<Py<PyAny>>,
    role: Vec<Py<PyAny>>,
    action: Vec<Py<PyAny>>,
    relative_to: Vec<Py<PyAny>>,
    descent: Vec<Py<PyAny>>,
    limit: Vec<Py<PyAny>>,
}

static CLASSES: PyOnceLock<Classes> = PyOnceLock::new();

impl Classes {
    fn of(py: Python<'_>) -> PyResult<&Self> {
        CLASSES.get_or_try_init(py, || Self::find(py))
    }

    fn find(py: Python<'_>) -> PyResult<Self> {
        let (model, words) = (py.import("calsync.model")?, py.import("calsync.words")?);
        let class = |name: &str| model.getattr(name).map(Bound::unbind);
        let datetime = py.import("datetime")?;
        Ok(Self {
            parsed: class("ParsedCalendar")?,
            unreadable: class("UnreadableItem")?,
            event: class("Event")?,
            body: class("EventBody")?,
            span: class("TimeSpan")?,
            person: class("Person")?,
            participant: class("Participant")?,
            virtual_location: class("VirtualLocation")?,
            alarm: class("Alarm")?,
            offset: class("Offset")?,
            lineage: class("Lineage")?,
            excluded: class("Excluded")?,
            added: class("Added")?,
            changed: class("Changed")?,
            expansion: class("Expansion")?,
            instance: class("Instance")?,
            date: datetime.getattr("date")?.unbind(),
            datetime: datetime.getattr("datetime")?.unbind(),
            utc: datetime.getattr("timezone")?.getattr("utc")?.unbind(),
            zone_of: py.import("calsync._codec")?.getattr("zone_of")?.unbind(),
            words: Words {
                uid_origin: members::<UidOrigin>(&words.getattr("UidOrigin")?)?,
                status: members::<Status>(&words.getattr("Status")?)?,
                free_busy: members::<FreeBusyStatus>(&words.getattr("FreeBusyStatus")?)?,
                privacy: members::<Privacy>(&words.getattr("Privacy")?)?,
                scope: members::<OverrideScope>(&words.getattr("OverrideScope")?)?,
                participation: members::<ParticipationStatus>(&words.getattr("ParticipationStatus")?)?,
                role: members::<Role>(&words.getattr("Role")?)?,
                action: members::<AlarmAction>(&words.getattr("AlarmAction")?)?,
                relative_to: members::<RelativeTo>(&words.getattr("RelativeTo")?)?,
                descent: members::<Descent>(&words.getattr("Descent")?)?,
                limit: members::<LimitReached>(&words.getattr("LimitReached")?)?,
            },
        })
    }
}

/// The members of an enum by the place of their words in ours.
fn members<T: for<'de> Deserialize<'de>>(class: &Bound<'_, PyAny>) -> PyResult<Vec<Py<PyAny>>> {
    surface::names::<T>().into_iter().map(|word| class.call1((word,)).map(Bound::unbind)).collect()
}

/// The outcomes of `parse`: each a `ParsedCalendar`, or its failure as JSON.
pub(crate) fn parsed<'py>(
    py: Python<'py>,
    outcomes: &[Outcome<ParsedCalendar>],
) -> PyResult<Bound<'py, PyAny>> {
    let mut maker = Maker::new(py)?;
    list(py, outcomes, |outcome| match outcome {
        Outcome::Ok(parsed) => maker.parsed(parsed),
        Outcome::Failure(failure) => Ok(maker.text(&crate::json(failure))),
    })
}

/// What `expand` answers: a list of `Expansion`.
pub(crate) fn expansions<'py>(py: Python<'py>, expansions: &[Expansion]) -> PyResult<Bound<'py, PyAny>> {
    let mut maker = Maker::new(py)?;
    list(py, expansions, |expansion| maker.expansion(expansion))
}

fn list<'a, 'py, T>(
    py: Python<'py>,
    values: &'a [T],
    make: impl FnMut(&'a T) -> PyResult<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let values: Vec<_> = values.iter().map(make).collect::<PyResult<_>>()?;
    Ok(PyList::new(py, values)?.into_any())
}

/// Makes objects of Python for one call.
struct Maker<'a, 'py> {
    py: Python<'py>,
    classes: &'py Classes,
    /// Those of the database by name, those of a file by the place of their definition: two files may define the same zone
    /// under two names.
    named: HashMap<&'a str, Bound<'py, PyAny>>,
    defined: HashMap<usize, Bound<'py, PyAny>>,
}

impl<'a, 'py> Maker<'a, 'py> {
    fn new(py: Python<'py>) -> PyResult<Self> {
        // The cell lives as long as the process.
        Ok(Self { py, classes: Classes::of(py)?, named: HashMap::new(), defined: HashMap::new() })
    }

    fn make<const N: usize>(
        &self,
        class: &Py<PyAny>,
        args: [Bound<'py, PyAny>; N],
    ) -> PyResult<Bound<'py, PyAny>> {
        class.bind(self.py).call1(PyTuple::new(self.py, args)?)
    }

    fn text(&self, text: &str) -> Bound<'py, PyAny> {
        PyString::new(self.py, text).into_any()
    }

    fn number(&self, number: impl Into<i64>) -> PyResult<Bound<'py, PyAny>> {
        Ok(number.into().into_pyobject(self.py)?.into_any())
    }

    fn truth(&self, truth: bool) -> Bound<'py, PyAny> {
        truth.into_pyobject(self.py).map_or_else(|_| self.none(), |truth| truth.to_owned().into_any())
    }

    fn none(&self) -> Bound<'py, PyAny> {
        self.py.None().into_bound(self.py)
    }

    fn maybe<T>(
        &mut self,
        value: Option<T>,
        make: impl FnOnce(&mut Self, T) -> PyResult<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        match value {
            Some(value) => make(self, value),
            None => Ok(self.none()),
        }
    }

    fn maybe_text(&self, text: Option<&str>) -> Bound<'py, PyAny> {
        text.map_or_else(|| self.none(), |text| self.text(text))
    }

    fn texts(&self, texts: &[String]) -> PyResult<Bound<'py, PyAny>> {
        list(self.py, texts, |text| Ok(self.text(text)))
    }

    /// The member of an enum that stands where the word does.
    fn word(&self, members: &[Py<PyAny>], place: usize) -> Bound<'py, PyAny> {
        members.get(place).map_or_else(|| self.none(), |member| member.bind(self.py).clone())
    }

    fn maybe_word(&self, members: &[Py<PyAny>], place: Option<usize>) -> Bound<'py, PyAny> {
        place.map_or_else(|| self.none(), |place| self.word(members, place))
    }

    fn parsed(&mut self, parsed: &'a ParsedCalendar) -> PyResult<Bound<'py, PyAny>> {
        let unreadable = list(self.py, &parsed.unreadable, |item| {
            let args = [self.maybe_text(item.uid.as_deref()), self.text(&item.reason)];
            self.make(&self.classes.unreadable, args)
        })?;
        let args = [
            self.maybe_text(parsed.name.as_deref()),
            list(self.py, &parsed.events, |event| self.event(event))?,
            unreadable,
            self.truth(parsed.complete),
        ];
        self.make(&self.classes.parsed, args)
    }

    fn event(&mut self, event: &'a EventModel) -> PyResult<Bound<'py, PyAny>> {
        let overrides = PyDict::new(self.py);
        for (id, change) in &event.overrides {
            overrides.set_item(id.to_string(), self.change(change)?)?;
        }
        let args = [
            self.text(&event.uid),
            self.maybe(event.master.as_ref(), Self::body)?,
            self.texts(&event.rules)?,
            self.texts(&event.excluded_rules)?,
            overrides.into_any(),
            self.word(&self.classes.words.uid_origin, event.uid_origin as usize),
            self.maybe(event.lineage.as_ref(), |maker, lineage| {
                let how = maker.word(&maker.classes.words.descent, lineage.how as usize);
                maker.make(&maker.classes.lineage, [maker.text(&lineage.uid), how])
            })?,
        ];
        self.make(&self.classes.event, args)
    }

    fn change(&mut self, change: &'a Override) -> PyResult<Bound<'py, PyAny>> {
        match change {
            Override::Excluded => self.make(&self.classes.excluded, []),
            Override::Added { end } => {
                let end = self.maybe(end.as_ref(), Self::time)?;
                self.make(&self.classes.added, [end])
            }
            Override::Changed { body, scope } => {
                let args = [self.body(body)?, self.word(&self.classes.words.scope, *scope as usize)];
                self.make(&self.classes.changed, args)
            }
        }
    }

    fn body(&mut self, body: &'a EventBody) -> PyResult<Bound<'py, PyAny>> {
        let classes = self.classes;
        let words = &classes.words;
        let virtual_locations = list(self.py, &body.virtual_locations, |location| {
            let args = [self.text(&location.uri), self.maybe_text(location.name.as_deref())];
            self.make(&classes.virtual_location, args)
        })?;
        let args = [
            self.span(&body.time)?,
            self.maybe_text(body.title.as_deref()),
            self.maybe_text(body.description.as_deref()),
            self.maybe_text(body.location.as_deref()),
            self.maybe_text(body.geo.as_deref()),
            self.maybe_text(body.url.as_deref()),
            virtual_locations,
            self.maybe_word(&words.status, body.status.map(|word| word as usize)),
            self.maybe_word(&words.free_busy, body.free_busy.map(|word| word as usize)),
            self.maybe_word(&words.privacy, body.privacy.map(|word| word as usize)),
            self.maybe(body.priority, |maker, priority| maker.number(priority))?,
            self.maybe_text(body.color.as_deref()),
            PySet::new(self.py, &body.categories)?.into_any(),
            self.maybe(body.organizer.as_ref(), |maker, person: &Person| {
                let args = [maker.text(&person.address), maker.maybe_text(person.name.as_deref())];
                maker.make(&classes.person, args)
            })?,
            list(self.py, &body.participants, |participant| self.participant(participant))?,
            list(self.py, &body.alarms, |alarm| self.alarm(alarm))?,
            self.number(body.sequence)?,
            self.maybe(body.created, |maker, instant| maker.instant(instant))?,
            self.maybe(body.updated, |maker, instant| maker.instant(instant))?,
        ];
        self.make(&classes.body, args)
    }

    fn participant(&self, participant: &Participant) -> PyResult<Bound<'py, PyAny>> {
        let words = &self.classes.words;
        let args = [
            self.text(&participant.person.address),
            self.maybe_text(participant.person.name.as_deref()),
            self.word(&words.participation, participant.status as usize),
            self.word(&words.role, participant.role as usize),
            self.truth(participant.expect_reply),
        ];
        self.make(&self.classes.participant, args)
    }

    fn alarm(&self, alarm: &Alarm) -> PyResult<Bound<'py, PyAny>> {
        let words = &self.classes.words;
        let trigger = match alarm.trigger {
            AlarmTrigger::Offset { seconds, relative_to } => {
                let args = [self.number(seconds)?, self.word(&words.relative_to, relative_to as usize)];
                self.make(&self.classes.offset, args)?
            }
            AlarmTrigger::Absolute(instant) => self.instant(instant)?,
        };
        let action = self.word(&words.action, alarm.action as usize);
        self.make(&self.classes.alarm, [trigger, action, self.maybe_text(alarm.description.as_deref())])
    }

    fn expansion(&mut self, expansion: &'a Expansion) -> PyResult<Bound<'py, PyAny>> {
        let args = [
            list(self.py, &expansion.instances, |instance: &InstanceModel| {
                let args = [self.text(&instance.id.to_string()), self.span(&instance.time)?];
                self.make(&self.classes.instance, args)
            })?,
            self.number(i64::try_from(expansion.opaque_rules).unwrap_or(i64::MAX))?,
            self.maybe_word(&self.classes.words.limit, expansion.stopped.map(|word| word as usize)),
        ];
        self.make(&self.classes.expansion, args)
    }

    fn span(&mut self, span: &'a TimeSpan) -> PyResult<Bound<'py, PyAny>> {
        let args = [self.time(&span.start)?, self.time(&span.end)?];
        self.make(&self.classes.span, args)
    }

    fn time(&mut self, time: &'a EventTime) -> PyResult<Bound<'py, PyAny>> {
        match time {
            EventTime::Date(date) => self.date(*date),
            EventTime::Floating(local) => self.datetime(*local, self.none()),
            EventTime::Utc(instant) => self.instant(*instant),
            EventTime::Zoned { local, zone, fold } => {
                let zone = self.zone(zone)?;
                let time = self.datetime(*local, zone)?;
                if *fold == Fold::First {
                    return Ok(time);
                }
                let second = PyDict::new(self.py);
                second.set_item("fold", 1)?;
                time.call_method("replace", (), Some(&second))
            }
        }
    }

    fn zone(&mut self, zone: &'a Zone) -> PyResult<Bound<'py, PyAny>> {
        let known = match zone {
            Zone::Iana(_) => self.named.get(zone.name()),
            Zone::Custom(defined) => self.defined.get(&place(defined)),
        };
        if let Some(known) = known {
            return Ok(known.clone());
        }
        let made = self.classes.zone_of.bind(self.py).call1((crate::json(zone),))?;
        match zone {
            Zone::Iana(_) => self.named.insert(zone.name(), made.clone()),
            Zone::Custom(defined) => self.defined.insert(place(defined), made.clone()),
        };
        Ok(made)
    }

    fn instant(&self, instant: DateTime<Utc>) -> PyResult<Bound<'py, PyAny>> {
        self.datetime(instant.naive_utc(), self.classes.utc.bind(self.py).clone())
    }

    /// Years that Python has not are its first and last.
    fn date(&self, date: NaiveDate) -> PyResult<Bound<'py, PyAny>> {
        let class = self.classes.date.bind(self.py);
        match date.year() {
            1..=9999 => class.call1((date.year(), date.month(), date.day())),
            year if year < 1 => class.getattr("min"),
            _ => class.getattr("max"),
        }
    }

    /// As [`Maker::date`]. Nanoseconds are cut, and a leap second is the last moment before it.
    fn datetime(&self, local: NaiveDateTime, zone: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let class = self.classes.datetime.bind(self.py);
        let (date, time) = (local.date(), local.time());
        match date.year() {
            1..=9999 => class.call1((
                date.year(),
                date.month(),
                date.day(),
                time.hour(),
                time.minute(),
                time.second(),
                (time.nanosecond() / 1000).min(999_999),
                zone,
            )),
            year if year < 1 => class.call1((1, 1, 1, 0, 0, 0, 0, zone)),
            _ => class.call1((9999, 12, 31, 23, 59, 59, 0, zone)),
        }
    }
}

/// Where a definition lies: the same for all times of it, as long as nothing of the result is let go.
fn place<T>(defined: &Arc<T>) -> usize {
    Arc::as_ptr(defined).cast::<()>() as usize
}
