//! A link with both its sides, the people who edit on them, and what must be there in the end.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use calsync_core::{
    context::{IdSource, RandomIds, SystemClock},
    engine::{EngineError, Hub},
    model::{Calendar, CalendarId, LinkId},
    schedule::{Cadence, Entry, Priority, Schedule, Task},
    store::{Revision, Store, StoreErrorKind},
};
use calsync_testkit::{
    dav::DavServer,
    world::{body, event},
};
use chrono::TimeDelta;

use crate::{
    Failure,
    place::{Place, timing},
};

/// Somebody whose database is away tries again for so long.
const PATIENCE: Duration = Duration::from_secs(60);
/// Nobody deletes while there are fewer: a calendar that loses all it has is held for a person.
const FEW: usize = 6;

/// A link with both its sides.
pub(crate) struct Side {
    pub(crate) name: String,
    pub(crate) calendar: CalendarId,
    pub(crate) store: Arc<dyn Store>,
    hub: Hub,
    schedule: Schedule,
    /// What must be there in the end: titles by UID.
    pub(crate) expected: BTreeMap<String, String>,
    /// UIDs of what was made here, and edited and deleted only here: who edits first is not the question.
    local: Vec<String>,
    /// UIDs of what was made on the server.
    remote: Vec<String>,
}

/// Numbers that are the same for a seed.
pub(crate) struct Dice(pub(crate) RandomIds);

impl Dice {
    pub(crate) fn roll(&self, sides: usize) -> usize {
        let digits = self.0.fresh();
        let number = digits.get(..8).and_then(|digits| usize::from_str_radix(digits, 16).ok());
        number.unwrap_or(0) % sides.max(1)
    }
}

/// What somebody wants of an event in the application.
#[derive(Clone, Copy)]
enum Wish<'a> {
    /// It is there, with this title.
    Made(&'a str),
    /// What is there has this title.
    Retitled(&'a str),
    /// It is gone.
    Gone,
}

fn ics(uid: &str, title: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//soak//EN\r\nBEGIN:VEVENT\r\nUID:{uid}\r\n\
         DTSTAMP:20260101T000000Z\r\nDTSTART:20260105T090000Z\r\nDTEND:20260105T100000Z\r\nSUMMARY:{title}\r\n\
         END:VEVENT\r\nEND:VCALENDAR\r\n"
    )
}

/// Tries until it works: the database may be away.
async fn insist<T, E: Into<Failure>>(mut call: impl AsyncFnMut() -> Result<T, E>) -> Result<T, Failure> {
    let give_up = Instant::now() + PATIENCE;
    loop {
        match call().await {
            Err(_) if Instant::now() < give_up => tokio::time::sleep(Duration::from_millis(50)).await,
            done => return done.map_err(Into::into),
        }
    }
}

impl Side {
    pub(crate) async fn new(place: &Place, tenant: &str, name: &str, seed: u8) -> Result<Self, Failure> {
        let store = place.tenant(tenant);
        let ids = Arc::new(RandomIds::from_seed([seed ^ name.bytes().last().unwrap_or(0); 32]));
        let hub = Hub::new(Arc::clone(&store), Arc::new(SystemClock), ids);
        let calendar = CalendarId::from(name);
        hub.put_calendar(Calendar { id: calendar.clone(), name: name.to_owned(), color: None }).await?;
        let schedule = Schedule::new(Arc::clone(&store), Arc::new(SystemClock)).with_timing(timing());
        let side = Self {
            name: name.to_owned(),
            calendar,
            store,
            hub,
            schedule,
            expected: BTreeMap::new(),
            local: Vec::new(),
            remote: Vec::new(),
        };
        side.schedule.put(&side.task(), &Cadence::every(TimeDelta::minutes(1))?, Priority::Normal).await?;
        Ok(side)
    }

    pub(crate) fn link(&self) -> LinkId {
        self.name.as_str().into()
    }

    fn task(&self) -> Task {
        Task::Sync(self.link())
    }

    pub(crate) async fn nudge(&self) -> Result<Entry, Failure> {
        let task = self.task();
        insist(async || self.schedule.nudge(&task).await).await
    }

    pub(crate) async fn entry(&self) -> Result<Entry, Failure> {
        let task = self.task();
        insist(async || self.schedule.entry(&task).await).await
    }

    /// Somebody makes, changes or deletes an event on one of the sides.
    pub(crate) async fn edit(&mut self, dav: &DavServer, dice: &Dice, number: usize) -> Result<(), Failure> {
        let title = format!("Edit {number}");
        let new = format!("uid-{number}");
        let file = |uid: &str| format!("{uid}.ics");
        let (local, remote) = (dice.roll(self.local.len()), dice.roll(self.remote.len()));
        match dice.roll(9) {
            0 | 1 => {
                self.wish(&new, Wish::Made(&title)).await?;
                self.local.push(new.clone());
                self.expected.insert(new, title);
            }
            2 if !self.local.is_empty() => {
                let uid = self.local[local].clone();
                self.wish(&uid, Wish::Retitled(&title)).await?;
                self.expected.insert(uid, title);
            }
            3 if self.local.len() > FEW => {
                let uid = self.local.swap_remove(local);
                self.wish(&uid, Wish::Gone).await?;
                self.expected.remove(&uid);
            }
            4 | 5 if !self.remote.is_empty() => {
                let uid = self.remote[remote].clone();
                dav.put(&self.name, &file(&uid), &ics(&uid, &title));
                self.expected.insert(uid, title);
            }
            6 if self.remote.len() > FEW => {
                let uid = self.remote.swap_remove(remote);
                if !dav.delete(&self.name, &file(&uid)) {
                    return Err(format!("{}: {uid} was not there to be deleted", self.name).into());
                }
                self.expected.remove(&uid);
            }
            _ => {
                dav.put(&self.name, &file(&new), &ics(&new, &title));
                self.remote.push(new.clone());
                self.expected.insert(new, title);
            }
        }
        self.nudge().await?;
        Ok(())
    }

    /// What a person does: looks, and does it again until it is so. A lost answer is looked up that way, and an edit the engine
    /// was faster than is made again.
    async fn wish(&self, uid: &str, wish: Wish<'_>) -> Result<(), Failure> {
        let give_up = Instant::now() + PATIENCE;
        loop {
            let lost = match self.attempt(uid, wish).await {
                Ok(true) => return Ok(()),
                Ok(false) => None,
                Err(error) => Some(error),
            };
            if Instant::now() > give_up {
                let why =
                    lost.map_or_else(|| "it is lost or changes all the time".to_owned(), |e| e.to_string());
                return Err(format!("{}: {uid} cannot be edited: {why}", self.name).into());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Whether it is as wished; if not, it is tried to make it so.
    async fn attempt(&self, uid: &str, wish: Wish<'_>) -> Result<bool, EngineError> {
        let found = self.store.events_by_uid(&self.calendar, &[uid]).await?;
        let mut living = found.into_iter().filter(|record| record.deleted.is_none());
        let done = match (living.next(), wish) {
            (None, Wish::Gone) => return Ok(true),
            (None, Wish::Retitled(_)) => return Ok(false),
            (None, Wish::Made(title)) => self.hub.add(&self.calendar, event(uid, title)).await.map(drop),
            (Some(record), Wish::Gone) => self.hub.delete(&self.calendar, &record.id, record.revision).await,
            (Some(record), Wish::Made(title) | Wish::Retitled(title)) => {
                let mut edited = record.event;
                if body(&mut edited).title.as_deref() == Some(title) {
                    return Ok(true);
                }
                body(&mut edited).title = Some(title.to_owned());
                self.hub.update(&self.calendar, &record.id, record.revision, edited).await
            }
        };
        match done {
            Err(EngineError::Store(error)) if matches!(error.kind, StoreErrorKind::Conflict { .. }) => {
                Ok(false)
            }
            done => done.map(|()| true),
        }
    }

    /// What is not as it must be on either side.
    pub(crate) async fn look(&self, dav: &DavServer) -> Result<Vec<String>, Failure> {
        let line = |text: &str, name: &str| {
            text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim().to_owned()
        };
        let items = dav.list(&self.name);
        let there = items.iter().map(|(_, _, body)| (line(body, "UID:"), line(body, "SUMMARY:"))).collect();
        let mut wrong = self.compare("on the server", there);
        let records =
            insist(async || self.store.events_since(&self.calendar, Revision(0), 1_000_000).await).await?;
        let living = records.into_iter().filter(|record| record.deleted.is_none());
        let here = living.map(|record| {
            let title = record.event.master.and_then(|body| body.title).unwrap_or_default();
            (record.event.uid, title)
        });
        wrong.extend(self.compare("in the store", here.collect()));
        Ok(wrong)
    }

    fn compare(&self, place: &str, found: Vec<(String, String)>) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut seen: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (uid, title) in &found {
            seen.entry(uid).or_default().push(title);
        }
        for (uid, title) in &self.expected {
            match seen.remove(uid.as_str()).as_deref() {
                None => wrong.push(format!("{}: {uid} is lost {place}", self.name)),
                Some([found]) if found == title => {}
                Some([_]) => wrong.push(format!("{}: {uid} is not as it was edited last {place}", self.name)),
                Some(more) => {
                    wrong.push(format!("{}: {uid} is there {} times {place}", self.name, more.len()))
                }
            }
        }
        wrong.extend(
            seen.keys().map(|uid| format!("{}: {uid} was deleted, or never made {place}", self.name)),
        );
        wrong
    }
}
