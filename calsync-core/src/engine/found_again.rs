//! Copies that this link made, by their marks, and whose UID is of no event here: the rows are lost, or the link was parted, and with
//! them what their UIDs were made with.
//!
//! A copy shows no more of its event than when it is, so it is found again by that. Two that look the same are as good as each
//! other: whichever is taken for which, both sides hold the same afterwards. What is like none stays as it is, for `clean`.

use std::collections::HashMap;

use super::{
    EngineError,
    copies::held,
    meeting::{Because, Stranger},
    run::{PAGE, Run},
};
use crate::{
    identity::{Confidence, Moment, Profile, confidence},
    model::{Event, EventId, RemoteId},
    provider::Payload,
    store::{BaseQuery, Revision},
};

impl Run<'_> {
    /// Whether this very item was made by the link, on one that hides UIDs and compares everything for the first time.
    pub(super) fn is_own_copy(&self, payload: &Payload) -> bool {
        self.meets()
            && self.copies.is_some_and(|copies| {
                copies.hides_uids() && copies.made(self.provider.marked(payload).as_ref())
            })
    }

    /// Which events such copies are of: those that would look the same there, before those that only begin when they do.
    pub(super) async fn own_copies(
        &self,
        copies: &[Stranger],
    ) -> Result<HashMap<RemoteId, (EventId, Because)>, EngineError> {
        let mut wanted: HashMap<Moment, Vec<&Stranger>> = HashMap::new();
        for copy in copies {
            wanted.entry(copy.profile.start()).or_default().push(copy);
        }
        let mut found = HashMap::new();
        for (moment, mut events) in self.copied_at(&wanted).await? {
            for least in [Confidence::EQUAL, Confidence::SURE] {
                for copy in wanted.get(&moment).into_iter().flatten() {
                    if found.contains_key(&copy.item.id) {
                        continue;
                    }
                    let like = events.iter().position(|(_, event)| confidence(event, &copy.profile) >= least);
                    if let Some(at) = like {
                        let (event, _) = events.remove(at);
                        found.insert(copy.item.id.clone(), (event, Because::Marked));
                    }
                }
            }
        }
        Ok(found)
    }

    /// The events whose copies begin at one of some moments, and that have none, with what their copies look like.
    async fn copied_at(
        &self,
        wanted: &HashMap<Moment, Vec<&Stranger>>,
    ) -> Result<HashMap<Moment, Vec<(EventId, Profile)>>, EngineError> {
        let mut all: HashMap<Moment, Vec<(EventId, Profile)>> = HashMap::new();
        let store = &self.engine.store;
        let mut after = Revision::default();
        loop {
            let page = store.events_since(&self.link.calendar, after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(all) };
            after = last.revision;
            let alike: Vec<(&EventId, Profile)> = page
                .iter()
                .filter(|record| record.deleted.is_none())
                .filter_map(|record| Some((&record.id, self.look(&record.event)?)))
                .filter(|(_, profile)| wanted.contains_key(&profile.start()))
                .collect();
            if alike.is_empty() {
                continue;
            }
            let ids: Vec<EventId> = alike.iter().map(|(id, _)| EventId::clone(id)).collect();
            let joined = store.bases(&self.link.id, BaseQuery::Events(&ids)).await?;
            for (id, profile) in alike {
                if joined.iter().all(|base| base.event_id != *id) {
                    all.entry(profile.start()).or_default().push((id.clone(), profile));
                }
            }
        }
    }

    /// What the copy of an event looks like; `None`: it has none.
    fn look(&self, event: &Event) -> Option<Profile> {
        let copies = self.copies?;
        matches!(copies.refused(event), Ok(None))
            .then(|| Profile::of(&held(Some(copies), self.provider, event)))?
    }
}
