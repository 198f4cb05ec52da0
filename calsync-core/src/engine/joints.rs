//! The links of a store as a graph, looked at where one of them runs that is new, was changed, or said nothing for long.
//!
//! A host that never asks [`check_rules`](super::check_rules) is not let run in circles either: every link leaves a note of
//! what it joins and how beside its rows, and reads those of the others.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    CopyRules, Engine, EngineError, Joint, RuleCycle,
    graph::{circles, leaves_copies_out},
    run::Run,
};
use crate::{
    model::{CalendarId, LinkId, RemoteCalendarId},
    pipeline::{Filter, Pipeline},
    plan::Direction,
    store::{Doc, DocQuery, Store, Write},
};

/// Rows read at once.
const PAGE: usize = 200;

/// Where they are kept.
const SPACE: &str = "joints";

/// What a link says of itself.
#[derive(Serialize, Deserialize)]
struct Note {
    calendar: String,
    /// The remote calendar, under the name it has for everybody.
    place: String,
    /// The remote calendar, as the link calls it.
    remote: String,
    direction: Direction,
    passes_on: PassesOn,
    /// A link that says nothing until then is taken for one that is gone.
    until: DateTime<Utc>,
}

impl Note {
    fn joins_like(&self, other: &Self) -> bool {
        let joins = |note: &Self| (note.calendar.clone(), note.place.clone(), note.direction, note.passes_on);
        joins(self) == joins(other)
    }
}

/// What of its source a link passes on.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum PassesOn {
    Everything,
    ByRules,
    /// What no link wrote.
    Originals,
}

/// A link as it is known to a store.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KnownLink {
    /// The link.
    pub id: LinkId,
    /// The calendar here.
    pub calendar: CalendarId,
    /// The remote calendar, as the link calls it.
    pub remote: RemoteCalendarId,
    /// The remote calendar, as everybody calls it: [`Provider::place`](crate::provider::Provider::place).
    pub place: String,
    /// Which way it goes.
    pub direction: Direction,
}

impl Engine {
    /// The links that ran through on this store and were not [forgotten](Self::forget) since, by name: also those the host has
    /// no more, whatever it calls them now. A link whose provider cannot tell what its calendar is called by everybody is not
    /// among them. One read of the store for each 200.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn known_links(&self) -> Result<Vec<KnownLink>, EngineError> {
        let known = |(id, note): (LinkId, Note)| KnownLink {
            id,
            calendar: CalendarId::from(note.calendar),
            remote: RemoteCalendarId::from(note.remote),
            place: note.place,
            direction: note.direction,
        };
        Ok(notes(&*self.store).await?.into_iter().map(known).collect())
    }
}

/// What forgets what a link joins.
pub(super) fn part(link: &LinkId) -> Write {
    Write::DeleteDoc { space: SPACE.to_owned(), key: link.to_string() }
}

impl Run<'_> {
    /// Refuses a link whose copies would come back to it.
    pub(super) async fn check_circles(&mut self) -> Result<(), EngineError> {
        if !self.is_first_of_its_turn(self.state.last_success) && self.state.cursor_key == self.cursor_key {
            return Ok(());
        }
        let key = self.link.id.as_str();
        let said = self.engine.store.docs(SPACE, DocQuery::Keys(&[key])).await?;
        let said = said.first().and_then(|doc| doc.read::<Note>());
        let said = said.filter(|note| note.remote == self.link.remote.as_str());
        let place = match &said {
            Some(note) => Some(note.place.clone()),
            None => self.provider.place(&self.link.remote).await?,
        };
        // Nobody can tell whether it is the same as another link's.
        let Some(place) = place else { return Ok(()) };
        let rules = self.link.copy_rules();
        let passes_on = match &rules {
            None => PassesOn::Everything,
            Some(rules) if leaves_copies_out(&rules.pipeline) => PassesOn::Originals,
            Some(_) => PassesOn::ByRules,
        };
        let own = Note {
            calendar: self.link.calendar.to_string(),
            place,
            remote: self.link.remote.as_str().to_owned(),
            direction: self.link.direction,
            passes_on,
            until: self.started + self.link.audit_every * 2 + chrono::TimeDelta::days(1),
        };
        // What it said before was looked at when it was said; what others said since, they looked at.
        if !said.is_some_and(|said| said.until > self.started && said.joins_like(&own)) {
            let notes = notes(&*self.engine.store).await?;
            let others = notes.iter().filter(|(id, note)| *id != self.link.id && note.until > self.started);
            let others: Vec<(&LinkId, &Note)> = others.map(|(id, note)| (id, note)).collect();
            if let Some(circle) = circle_through((&self.link.id, &own), &others) {
                return Err(circle.into());
            }
        }
        let value = serde_json::to_vec(&own).unwrap_or_default();
        self.last_writes.push(Write::PutDoc(Doc::new(SPACE, self.link.id.as_str(), value)));
        Ok(())
    }
}

/// What all links of a store say of themselves.
async fn notes(store: &dyn Store) -> Result<Vec<(LinkId, Note)>, EngineError> {
    let (mut notes, mut after) = (Vec::new(), None::<String>);
    loop {
        let page = store.docs(SPACE, DocQuery::Page { after: after.as_deref(), limit: PAGE }).await?;
        let Some(last) = page.last() else { return Ok(notes) };
        after = Some(last.key.clone());
        // What nobody can read joins nothing.
        notes.extend(page.iter().filter_map(|doc| Some((LinkId::from(doc.key.as_str()), doc.read()?))));
    }
}

/// Those links that are joined to one over others, in whatever direction: no circle through it has any other.
fn reachable<'n>(own: &Note, others: &[(&'n LinkId, &'n Note)]) -> Vec<(&'n LinkId, &'n Note)> {
    let mut here = BTreeSet::from([own.calendar.as_str()]);
    let mut there = BTreeSet::from([own.place.as_str()]);
    let (mut near, mut far) = (Vec::new(), others.to_vec());
    loop {
        let before = near.len();
        far.retain(|(id, note)| {
            let is_near = here.contains(note.calendar.as_str()) || there.contains(note.place.as_str());
            if is_near {
                here.insert(&note.calendar);
                there.insert(&note.place);
                near.push((*id, *note));
            }
            !is_near
        });
        if near.len() == before {
            return near;
        }
    }
}

/// The first circle with this link in it. One that is there without it is the others' business.
fn circle_through(own: (&LinkId, &Note), others: &[(&LinkId, &Note)]) -> Option<RuleCycle> {
    let by_rules = CopyRules::new(Pipeline::default());
    let originals = CopyRules::new(Pipeline::everything().with_filter("not copied", Filter::NotCopied {}));
    let everything = CopyRules::everything();
    let near = reachable(own.1, others);
    let joints: Vec<Joint<'_>> = std::iter::once(&own)
        .chain(&near)
        .map(|(link, note)| Joint {
            link: link.as_str(),
            calendar: &note.calendar,
            account: "",
            remote: &note.place,
            direction: note.direction,
            copies: Some(match note.passes_on {
                PassesOn::Everything => &everything,
                PassesOn::ByRules => &by_rules,
                PassesOn::Originals => &originals,
            }),
        })
        .collect();
    circles(&joints).find(|circle| circle.links.iter().any(|link| link == own.0.as_str()))
}
