//! Payloads by id: events many at once, and the exceptions of those that are series.

use std::collections::BTreeMap;

use calsync_core::{
    model::{EventBody, RemoteCalendarId, RemoteId},
    provider::{ErrorKind, Fetched, ProviderError, Result},
};

use super::{
    batch::Part,
    calls::{self, Notify},
    config::GoogleConfig,
    error,
    item::{Item, is_cancelled, is_series, master_of, object_of},
    map::{
        project::project,
        read::{ID, OPEN, read_item},
    },
    provider::{GoogleProvider, Purpose},
    wire::{self, Object, Page, inner, text},
};
use crate::http::together::unsent;

const OPERATION: &str = "fetch";

/// Pages of one series or instance: more means that the answers go round in circles.
pub(super) const PAGES_MAX: usize = 100;

/// A series whose exceptions are not all written yet: to everybody but its writer it is not there.
pub(crate) fn is_open(event: &Object) -> bool {
    let ours = inner(event, "extendedProperties").and_then(|properties| inner(properties, "private"));
    ours.is_some_and(|ours| text(ours, OPEN).is_some() && text(ours, ID) == text(event, "id"))
}

/// What is kept in the mark of a series that is not written whole: that it says what it was made to say.
pub(crate) fn seal(event: &Object, config: &GoogleConfig) -> String {
    let Ok(read) = read_item(&Item::new(event.clone()), &config.colors) else { return String::new() };
    let held = project(&read, config);
    // What people edit, and Google does not add to.
    let of = |master: &EventBody| {
        let texts = [&master.title, &master.description, &master.location, &master.url].map(Clone::clone);
        (texts, master.time.clone(), held.rules.clone())
    };
    let text = serde_json::to_string(&held.master.as_ref().map(of)).unwrap_or_default();
    blake3::hash(text.as_bytes()).to_hex()[..32].to_owned()
}

fn is_untouched(event: &Object, config: &GoogleConfig) -> bool {
    let ours = inner(event, "extendedProperties").and_then(|properties| inner(properties, "private"));
    ours.and_then(|ours| text(ours, OPEN)) == Some(&seal(event, config))
}

impl GoogleProvider {
    /// One answer for each id, in the order asked.
    pub(super) async fn fetch_all(
        &self,
        calendar: &RemoteCalendarId,
        ids: &[RemoteId],
    ) -> Result<Vec<Fetched>> {
        let calls = ids.iter().map(|id| calls::get(calendar.as_str(), id.as_str())).collect();
        let parts = self.read_all(OPERATION, calls).await;
        let served = Served::of(&parts);
        let mut found = Vec::with_capacity(ids.len());
        let mut wanted = BTreeMap::new();
        for (id, part) in ids.iter().zip(parts) {
            let one = self.one(id, part, served)?;
            if let One::Event(event) = &one
                && is_series(event)
            {
                wanted.insert(id.as_str().to_owned(), text(event, "iCalUID").map(ToOwned::to_owned));
            }
            found.push((id, one));
        }
        // Nothing at all is there: perhaps it is the calendar that is not.
        if !found.is_empty() && found.iter().all(|(_, one)| matches!(one, One::NotFound)) {
            let error = self.not_found(OPERATION, calendar).await;
            if error.kind != ErrorKind::NotFound {
                return Err(error);
            }
        }
        let names: Vec<String> = wanted.keys().cloned().collect();
        let mut series = match self.series(OPERATION, calendar, wanted).await {
            Err(error) => {
                let error = of_one(error, served)?;
                names.into_iter().map(|id| (id, Series::Unread(unsent(OPERATION, &error)))).collect()
            }
            found => found?,
        };
        let mut answers = Vec::with_capacity(found.len());
        for (id, one) in found {
            answers.push(match one {
                One::NotFound => Fetched::Missing(id.clone()),
                One::Failed(error) => Fetched::Failed(id.clone(), error),
                One::Event(event) if is_cancelled(&event) => Fetched::Missing(id.clone()),
                One::Event(event) if is_open(&event) => match self.take_back(calendar, id, &event).await {
                    Err(error) => Fetched::Failed(id.clone(), of_one(error, served)?),
                    answer => answer?,
                },
                One::Event(event) => match series.remove(id.as_str()) {
                    Some(Series::Unread(error)) => Fetched::Failed(id.clone(), error),
                    Some(Series::Here(item)) => found_as(id, &item),
                    Some(Series::Cancelled) => Fetched::Missing(id.clone()),
                    // Without its exceptions, each of them would look undone.
                    Some(Series::Absent) => {
                        let detail = "a series is not listed by its UID";
                        Fetched::Failed(
                            id.clone(),
                            ProviderError::new(ErrorKind::Protocol, OPERATION, detail),
                        )
                    }
                    None => found_as(id, &Item::new(event)),
                },
            });
        }
        Ok(answers)
    }

    /// A series that was left half written. Whoever asks for it by name wants to know whether it was made, and goes on as if
    /// it was not, under another name when the event is another one by now: so it is not to stay. What somebody has
    /// edited is not deleted.
    async fn take_back(&self, calendar: &RemoteCalendarId, id: &RemoteId, event: &Object) -> Result<Fetched> {
        let failed =
            |kind, detail: &str| Ok(Fetched::Failed(id.clone(), ProviderError::new(kind, OPERATION, detail)));
        if !is_untouched(event, &self.config) {
            return failed(
                ErrorKind::Refused,
                "a series that was left half written was edited: it has to be deleted at Google by hand",
            );
        }
        let call = calls::delete(calendar.as_str(), id.as_str(), text(event, "etag"), Notify::Nobody);
        let part = self.send(OPERATION, Purpose::Write, call).await?;
        match part.status.as_u16() {
            200..=299 | 404 | 410 => Ok(Fetched::Missing(id.clone())),
            412 => failed(ErrorKind::Unavailable, "a series that was left half written changed meanwhile"),
            _ => Err(error::classify(OPERATION, &part.reply(), self.timing())),
        }
    }

    fn one(&self, id: &RemoteId, part: Result<Part>, served: Served) -> Result<One> {
        let part = match part {
            Err(error) => return of_one(error, served).map(One::Failed),
            part => part?,
        };
        match part.status.as_u16() {
            200 => {
                Ok(match wire::object(&part.body).filter(|event| text(event, "id") == Some(id.as_str())) {
                    Some(event) => One::Event(event),
                    None => One::Failed(self.unusable(OPERATION, &part)),
                })
            }
            404 | 410 => Ok(One::NotFound),
            _ => of_one(error::classify(OPERATION, &part.reply(), self.timing()), served).map(One::Failed),
        }
    }

    /// Series as they are now, each with all its exceptions: by their UID where it is known.
    pub(super) async fn series(
        &self,
        operation: &'static str,
        calendar: &RemoteCalendarId,
        mut wanted: BTreeMap<String, Option<String>>,
    ) -> Result<BTreeMap<String, Series>> {
        let mut found = BTreeMap::new();
        // The bare rows of cancelled instances do not tell their UID: the master does.
        let unknown: Vec<String> =
            wanted.iter().filter(|(_, uid)| uid.is_none()).map(|(id, _)| id.clone()).collect();
        let calls = unknown.iter().map(|id| calls::get(calendar.as_str(), id)).collect();
        let parts = self.read_all(operation, calls).await;
        let served = Served::of(&parts);
        for (id, part) in unknown.into_iter().zip(parts) {
            match self.uid_of(operation, &id, part, served)? {
                Ok(uid) => wanted.insert(id, Some(uid)),
                Err(known) => {
                    found.insert(id.clone(), known);
                    wanted.remove(&id)
                }
            };
        }
        let asked: Vec<(String, String)> =
            wanted.into_iter().filter_map(|(id, uid)| Some((id, uid?))).collect();
        let calls = asked.iter().map(|(_, uid)| calls::by_uid(calendar.as_str(), uid, None)).collect();
        let parts = self.read_all(operation, calls).await;
        let served = Served::of(&parts);
        for ((id, uid), part) in asked.into_iter().zip(parts) {
            let rows = async { self.rows(operation, calendar, &uid, part?).await };
            let series = match rows.await {
                Ok(rows) => assemble(&id, rows),
                // The calendar is asked here, and not the series.
                Err(error) if matches!(error.kind, ErrorKind::NotFound | ErrorKind::Forbidden) => {
                    return Err(error);
                }
                Err(error) => Series::Unread(of_one(error, served)?),
            };
            found.insert(id, series);
        }
        Ok(found)
    }

    /// The UID of a series as its master tells it, or what else is known of it.
    fn uid_of(
        &self,
        operation: &'static str,
        id: &str,
        part: Result<Part>,
        served: Served,
    ) -> Result<std::result::Result<String, Series>> {
        let part = match part {
            Err(error) => return Ok(Err(Series::Unread(of_one(error, served)?))),
            part => part?,
        };
        if matches!(part.status.as_u16(), 404 | 410) {
            return Ok(Err(Series::Absent));
        }
        // Cut short or something else altogether: that is no word about the series.
        let read = |body| wire::object(body).filter(|event| text(event, "id") == Some(id));
        let master = self
            .accept(operation, &part)
            .and_then(|body| read(body).ok_or_else(|| self.unusable(operation, &part)));
        Ok(match master {
            Err(error) => Err(Series::Unread(of_one(error, served)?)),
            Ok(master) if is_cancelled(&master) => Err(Series::Cancelled),
            Ok(master) => text(&master, "iCalUID").map(ToOwned::to_owned).ok_or_else(|| {
                Series::Unread(ProviderError::new(ErrorKind::Protocol, operation, "a series without a UID"))
            }),
        })
    }

    async fn rows(
        &self,
        operation: &'static str,
        calendar: &RemoteCalendarId,
        uid: &str,
        mut part: Part,
    ) -> Result<Vec<Object>> {
        let mut rows = Vec::new();
        for _ in 0..PAGES_MAX {
            let body = self.accept(operation, &part)?;
            let page = Page::read(body).ok_or_else(|| self.unusable(operation, &part))?;
            for row in page.items {
                // One that cannot be named may be the master, or an exception that would look undone.
                let row = object_of(row).filter(|row| text(row, "id").is_some());
                rows.push(row.ok_or_else(|| self.unusable(operation, &part))?);
            }
            let Some(next) = page.next_page else { return Ok(rows) };
            let call = calls::by_uid(calendar.as_str(), uid, Some(&next));
            part = self.send(operation, Purpose::Read, call).await?;
        }
        Err(ProviderError::new(ErrorKind::Protocol, operation, "the pages of a series do not end"))
    }
}

/// What became of questions that were asked together.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Served {
    /// Some were answered: what was refused for the pace is asked again later, and spoils no answer.
    Some,
    None,
}

impl Served {
    fn of(parts: &[Result<Part>]) -> Self {
        let is_answer = |part: &Part| part.status.is_success() || matches!(part.status.as_u16(), 404 | 410);
        if parts.iter().flatten().any(is_answer) { Self::Some } else { Self::None }
    }
}

/// The error, where it is of one item; what is about the account or the service ends the whole.
fn of_one(error: ProviderError, served: Served) -> Result<ProviderError> {
    match (&error.kind, served) {
        (ErrorKind::Throttled, Served::Some) => Ok(error),
        (ErrorKind::Throttled | ErrorKind::Unauthorized | ErrorKind::Unavailable, _) => Err(error),
        _ => Ok(error),
    }
}

fn found_as(id: &RemoteId, item: &Item) -> Fetched {
    Fetched::Found { id: id.clone(), version: item.version(), payload: item.payload() }
}

/// Of the rows of one UID those that belong to one master: a series that was split shares its UID.
fn assemble(id: &str, rows: Vec<Object>) -> Series {
    let mut master = None;
    let mut exceptions = Vec::new();
    for row in rows {
        if text(&row, "id") == Some(id) {
            master = Some(row);
        } else if master_of(&row) == Some(id) {
            exceptions.push(row);
        }
    }
    match master {
        None => Series::Absent,
        Some(master) if is_cancelled(&master) => Series::Cancelled,
        Some(master) => Series::Here(Box::new(Item::new(master).with_exceptions(exceptions))),
    }
}

/// What became of a series that was asked for.
pub(super) enum Series {
    Here(Box<Item>),
    /// Deleted, and its exceptions with it.
    Cancelled,
    /// Not in this calendar: what there is of it stands for itself.
    Absent,
    /// What was said of it cannot be read.
    Unread(ProviderError),
}

/// What is known of one id.
enum One {
    Event(Object),
    NotFound,
    Failed(ProviderError),
}
