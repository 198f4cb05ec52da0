//! What the store holds of a link's outbox and bases, as far as this run knows it without asking again: what it read under its
//! lease, and what its own commits made of that.
//!
//! Nobody else writes there while the lease is held, and a commit is refused once it is not. So a commit that is taken says
//! that all of it is still so, as a read at that moment would. After one that is refused, or whose answer is lost, nothing is
//! known any more.

use std::collections::{BTreeMap, HashMap};

use crate::{
    model::{EventId, RemoteId},
    store::{BaseRecord, OutboxEntry, OutboxId, OutboxOp, Waiting, Write},
};

/// Rows a run knows.
pub(super) struct Known {
    /// At most so many entries, and the bases of so many events, are kept.
    most: usize,
    /// The outbox by id; `None`: not all of it is known.
    outbox: Option<BTreeMap<OutboxId, OutboxEntry>>,
    /// Bases by event; `None`: it has none.
    bases: HashMap<EventId, Option<BaseRecord>>,
    /// Whose bases they are.
    joined: HashMap<RemoteId, EventId>,
    /// How many requests had gone to the provider when the last commit was taken.
    taken_after: Option<u64>,
}

impl Known {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            outbox: Some(BTreeMap::new()),
            bases: HashMap::new(),
            joined: HashMap::new(),
            taken_after: None,
        }
    }

    /// The next page of the outbox is this.
    pub(super) fn lists(&mut self, page: &[OutboxEntry]) {
        if let Some(outbox) = &mut self.outbox {
            outbox.extend(page.iter().map(|entry| (entry.id.clone(), entry.clone())));
        }
        self.keep_few();
    }

    /// The bases of some events were read: these, and no others.
    pub(super) fn learn<'a>(&mut self, ids: impl Iterator<Item = &'a EventId>, found: Vec<BaseRecord>) {
        let ids: Vec<&EventId> = ids.collect();
        if self.bases.len() + ids.len() > self.most {
            (self.bases, self.joined) = (HashMap::new(), HashMap::new());
        }
        for id in ids {
            self.put(id.clone(), None);
        }
        for base in found {
            self.put(base.event_id.clone(), Some(base));
        }
    }

    /// Whether it is known which bases these events have.
    pub(super) fn knows(&self, ids: &[EventId]) -> bool {
        ids.iter().all(|id| self.bases.contains_key(id))
    }

    /// Those that are known and there.
    pub(super) fn bases(&self, ids: &[EventId]) -> HashMap<EventId, BaseRecord> {
        let base = |id: &EventId| Some((id.clone(), self.bases.get(id)?.clone()?));
        ids.iter().filter_map(base).collect()
    }

    /// The bases of some items, where all of them are known.
    pub(super) fn of_items(&self, items: &[RemoteId]) -> Option<Vec<BaseRecord>> {
        let base = |item: &RemoteId| {
            self.bases.get(self.joined.get(item)?)?.clone().filter(|base| base.remote_id == *item)
        };
        items.iter().map(base).collect()
    }

    /// A page of the outbox as [`Store::waiting`](crate::store::Store::waiting) answers it, where a read would say nothing
    /// else: a commit was taken and nothing was asked of the provider since, which had sent so many requests by now.
    pub(super) fn waiting(&self, after: Option<&OutboxId>, limit: usize, requests: u64) -> Option<Waiting> {
        if self.taken_after != Some(requests) {
            return None;
        }
        let page = self.outbox.as_ref()?.values();
        let page = page.filter(|entry| after.is_none_or(|after| entry.id > *after)).take(limit);
        let (mut entries, mut bases) = (Vec::new(), Vec::new());
        for entry in page {
            if !matches!(entry.op, OutboxOp::Create { .. }) {
                bases.extend(self.bases.get(&entry.event_id)?.clone());
            }
            entries.push(entry.clone());
        }
        Some(Waiting { entries, bases })
    }

    /// What the store will hold when a commit is taken. [`Known::ended`] says whether it was.
    pub(super) fn write(&mut self, writes: &[Write]) {
        for write in writes {
            match write {
                Write::PutOutbox(entry) => {
                    if let Some(outbox) = &mut self.outbox {
                        outbox.insert(entry.id.clone(), (**entry).clone());
                    }
                }
                Write::DeleteOutbox { id, .. } => {
                    if let Some(outbox) = &mut self.outbox {
                        outbox.remove(id);
                    }
                }
                Write::PutBase(base) => {
                    self.part(&base.remote_id);
                    if self.bases.contains_key(&base.event_id) {
                        self.put(base.event_id.clone(), Some((**base).clone()));
                    }
                }
                Write::DeleteBase { remote_id, .. } => self.part(remote_id),
                _ => {}
            }
        }
        self.keep_few();
    }

    /// A commit ended: it was taken when the provider had been sent so many requests, or not.
    pub(super) fn ended(&mut self, taken_after: Option<u64>) {
        self.taken_after = taken_after;
        if taken_after.is_none() {
            (self.outbox, self.bases, self.joined) = (None, HashMap::new(), HashMap::new());
        }
    }

    fn put(&mut self, event: EventId, base: Option<BaseRecord>) {
        if let Some(base) = &base {
            self.joined.insert(base.remote_id.clone(), event.clone());
        }
        self.bases.insert(event, base);
    }

    /// The base of an item is no more.
    fn part(&mut self, item: &RemoteId) {
        if let Some(base) = self.joined.remove(item).and_then(|event| self.bases.get_mut(&event)) {
            *base = base.take().filter(|base| base.remote_id != *item);
        }
    }

    /// What is much is read page by page.
    fn keep_few(&mut self) {
        if self.outbox.as_ref().is_some_and(|outbox| outbox.len() > self.most) {
            self.outbox = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{LinkId, RunId},
        provider::{Payload, PeoplePolicy},
        store::{BaseState, OutboxState},
    };

    fn base(item: &str, event: &str) -> BaseRecord {
        BaseRecord {
            link: LinkId::from("l"),
            remote_id: RemoteId::from(item),
            event_id: EventId::from(event),
            version: None,
            payload: Payload::new("p"),
            local: None,
            remote: None,
            state: BaseState::Linked,
        }
    }

    fn entry(id: &str, event: &str, op: OutboxOp) -> OutboxEntry {
        OutboxEntry {
            id: OutboxId(id.to_owned()),
            link: LinkId::from("l"),
            run: RunId::from("r"),
            event_id: EventId::from(event),
            remote_id: RemoteId::from("item"),
            op,
            local: None,
            losses: Vec::new(),
            people: PeoplePolicy::Withhold,
            fields: Vec::new(),
            reason: String::new(),
            state: OutboxState::Pending,
            attempts: 0,
            not_before: None,
        }
    }

    fn delete(id: &str, event: &str) -> OutboxEntry {
        entry(id, event, OutboxOp::Delete { expected: "v".into() })
    }

    fn ids(names: &[&str]) -> Vec<EventId> {
        names.iter().map(|name| EventId::from(*name)).collect()
    }

    fn items(known: &Known) -> Vec<(String, String)> {
        let found = known.bases(&ids(&["e1", "e2", "e3"])).into_values();
        let mut found: Vec<_> =
            found.map(|base| (base.event_id.to_string(), base.remote_id.to_string())).collect();
        found.sort();
        found
    }

    fn gone(item: &str) -> Write {
        Write::DeleteBase { link: LinkId::from("l"), remote_id: RemoteId::from(item) }
    }

    /// As a store does it: an item has one base, and its event follows from it.
    #[test]
    fn bases_follow_the_commits() {
        let mut known = Known::new(9);
        assert!(!known.knows(&ids(&["e1"])));
        known.learn(ids(&["e1", "e2", "e3"]).iter(), vec![base("i1", "e1"), base("i2", "e2")]);
        assert!(known.knows(&ids(&["e1", "e2", "e3"])) && !known.knows(&ids(&["e1", "e4"])));
        let pair = |event: &str, item: &str| (event.to_owned(), item.to_owned());
        let put = |item, event| Write::PutBase(Box::new(base(item, event)));
        let table: [(Vec<Write>, &[(&str, &str)]); 5] = [
            (vec![put("i3", "e3"), put("i4", "e4")], &[("e1", "i1"), ("e2", "i2"), ("e3", "i3")]),
            (vec![gone("i1"), put("renamed", "e1")], &[("e1", "renamed"), ("e2", "i2"), ("e3", "i3")]),
            (vec![gone("i1"), gone("i2")], &[("e1", "renamed"), ("e3", "i3")]),
            // Its item is another event's from now on.
            (vec![put("i3", "e2")], &[("e1", "renamed"), ("e2", "i3")]),
            (vec![put("renamed", "e4")], &[("e2", "i3")]),
        ];
        for (writes, left) in table {
            known.write(&writes);
            known.ended(Some(0));
            let left: Vec<_> = left.iter().map(|(event, item)| pair(event, item)).collect();
            assert_eq!(items(&known), left, "{writes:?}");
        }
        let items = |names: &[&str]| names.iter().map(|name| RemoteId::from(*name)).collect::<Vec<_>>();
        assert_eq!(known.of_items(&items(&["i3"])), Some(vec![base("i3", "e2")]));
        assert_eq!(known.of_items(&items(&["i3", "renamed"])), None, "whose base it is now is not known");
        known.write(&[gone("i3")]);
        known.ended(None);
        assert!(!known.knows(&ids(&["e1"])), "nobody knows what it did");
        known.learn(ids(&["e1", "e2"]).iter(), Vec::new());
        assert!(known.knows(&ids(&["e1", "e2"])));
        known.learn(ids(&["a", "b", "c", "d", "e", "f", "g", "h"]).iter(), Vec::new());
        assert!(!known.knows(&ids(&["e1"])), "it is of a bounded size");
    }

    #[test]
    fn the_outbox_is_known_from_a_commit_to_the_next_request() {
        let mut known = Known::new(3);
        known.lists(&[delete("o1", "e1")]);
        let ids_of = |known: &Known, after: Option<&str>, limit, requests| {
            let after = after.map(|after| OutboxId(after.to_owned()));
            let waiting = known.waiting(after.as_ref(), limit, requests)?;
            Some(waiting.entries.into_iter().map(|entry| entry.id.0).collect::<Vec<_>>())
        };
        assert_eq!(ids_of(&known, None, 9, 4), None, "no commit was taken");
        known.write(&[Write::PutOutbox(Box::new(delete("o2", "e2")))]);
        known.ended(Some(4));
        assert_eq!(ids_of(&known, None, 9, 4), None, "their bases were not read");
        known.learn(ids(&["e1", "e2"]).iter(), vec![base("i1", "e1")]);
        assert_eq!(ids_of(&known, None, 9, 4).unwrap(), ["o1", "o2"]);
        assert_eq!(known.waiting(None, 9, 4).unwrap().bases, [base("i1", "e1")]);
        assert_eq!(ids_of(&known, None, 1, 4).unwrap(), ["o1"]);
        assert_eq!(ids_of(&known, Some("o1"), 9, 4).unwrap(), ["o2"]);
        assert_eq!(ids_of(&known, None, 9, 5), None, "the provider was asked meanwhile");

        let link = LinkId::from("l");
        let create = entry("o3", "e3", OutboxOp::Create { payload: Payload::new("p") });
        let sent = Write::DeleteOutbox { link, id: OutboxId("o1".to_owned()) };
        known.write(&[sent, Write::PutOutbox(Box::new(create))]);
        known.ended(Some(5));
        assert_eq!(ids_of(&known, None, 9, 5).unwrap(), ["o2", "o3"]);
        known.write(&[]);
        known.ended(None);
        assert_eq!(ids_of(&known, None, 9, 5), None, "it was refused");
        known.write(&[]);
        known.ended(Some(5));
        assert_eq!(ids_of(&known, None, 9, 5), None, "nor is it known after the next one");

        let mut known = Known::new(3);
        known.lists(&[delete("o1", "e1"), delete("o2", "e2"), delete("o3", "e3"), delete("o4", "e4")]);
        known.learn(ids(&["e1", "e2", "e3"]).iter(), Vec::new());
        known.ended(Some(0));
        assert_eq!(ids_of(&known, None, 1, 0), None, "more than is kept");
    }
}
