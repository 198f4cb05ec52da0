//! The one server behind all fake providers: items with versions, a log of changes, tombstones.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
    sync::Arc,
};

use calsync_core::{
    model::{Event, FreeBusyStatus, Override, RemoteId, Version},
    provider::{Change, ItemChange, Payload, ReadError, UnreadKind},
};

use super::{
    emulated::Emulated,
    google::GoogleSide,
    graph::GraphSide,
    script::{Dialect, LinkSetup, RemoteKind},
};

/// What the server holds of one event.
#[derive(Clone)]
pub(crate) struct Item {
    pub(crate) version: Version,
    pub(crate) payload: Payload,
    /// What the payload says; `None` while it is unreadable.
    pub(crate) event: Option<Event>,
    /// What it was before it became unreadable.
    pub(crate) garbled: Option<(Payload, Event)>,
    /// It is being made, and not whole yet: nobody edits it.
    pub(crate) half_made: bool,
}

pub(crate) struct Server {
    pub(crate) setup: LinkSetup,
    pub(crate) items: BTreeMap<RemoteId, Item>,
    /// Which item changed at which tick.
    log: Vec<(u64, RemoteId)>,
    pub(crate) tick: u64,
    /// When an item was last renamed.
    pub(crate) renamed: u64,
    /// Tokens from before this tick are dead.
    forgotten: u64,
    /// Ids that were used once, where ids are used once only.
    retired: BTreeSet<RemoteId>,
    /// What a feed held when a listing of it began: a client that asks whether it changed is told by that.
    digests: BTreeMap<u64, u64>,
    read: HashMap<Payload, Event>,
    /// The emulator that holds everything, where there is one: `items` then says what it held when it was last looked at.
    pub(crate) emulated: Option<Arc<dyn Emulated>>,
    looked: u64,
}

impl Server {
    pub(crate) fn new(setup: LinkSetup) -> Self {
        let emulated: Option<Arc<dyn Emulated>> = match (setup.remote, setup.dialect) {
            (RemoteKind::Emulator, Dialect::Google) => Some(Arc::new(GoogleSide::new())),
            (RemoteKind::Emulator, Dialect::Graph) => Some(Arc::new(GraphSide::new())),
            _ => None,
        };
        Self {
            emulated,
            looked: u64::MAX,
            setup,
            items: BTreeMap::new(),
            log: Vec::new(),
            tick: 0,
            renamed: 0,
            forgotten: 0,
            retired: BTreeSet::new(),
            digests: BTreeMap::new(),
            read: HashMap::new(),
        }
    }

    /// What it holds of an event.
    pub(crate) fn held(&self, event: &Event) -> Event {
        held(self.setup, event)
    }

    pub(crate) fn read(&mut self, payload: &Payload) -> Result<Event, ReadError> {
        if let Some(event) = self.read.get(payload) {
            return Ok(event.clone());
        }
        let event: Event = payload
            .as_str()
            .split_once('\n')
            .and_then(|(_, json)| serde_json::from_str(json).ok())
            .ok_or_else(|| ReadError { kind: UnreadKind::Unreadable, reason: "not an event".to_owned() })?;
        self.read.insert(payload.clone(), event.clone());
        Ok(event)
    }

    /// The payload of an event, with what nobody but the server understands in its first line.
    pub(crate) fn payload(&mut self, extra: &str, event: &Event) -> Payload {
        let json = serde_json::to_string(event).unwrap_or_default();
        let payload = Payload::new(format!("{extra}\n{json}"));
        self.read.entry(payload.clone()).or_insert_with(|| event.clone());
        payload
    }

    fn log(&mut self, id: &RemoteId) {
        self.tick += 1;
        self.log.push((self.tick, id.clone()));
    }

    /// Looks at what an emulator holds by now.
    pub(crate) fn look(&mut self) {
        let Some(emulated) = self.emulated.clone() else { return };
        let stamp = emulated.stamp();
        if stamp == self.looked {
            return;
        }
        self.looked = stamp;
        self.items.clear();
        for held in emulated.held() {
            let payload = self.payload(&held.extra, &held.event);
            let version = Version::from(held.version);
            let (event, garbled) = match held.garbled {
                true => (None, Some((payload.clone(), held.event))),
                false => (Some(held.event), None),
            };
            let half_made = held.half_made;
            self.items.insert(held.id, Item { version, payload, event, garbled, half_made });
        }
    }

    pub(crate) fn put(&mut self, id: &RemoteId, extra: &str, event: &Event) -> Version {
        if let Some(emulated) = self.emulated.clone() {
            match self.items.get(id).and_then(|item| item.event.as_ref()) {
                Some(before) => emulated.edit(id, before, event),
                None => emulated.create(id.as_str(), extra, event),
            }
            self.look();
            return self.items.get(id).map_or_else(|| Version::from(""), |item| item.version.clone());
        }
        let held = self.held(event);
        let payload = self.payload(extra, &held);
        self.log(id);
        let version = Version::from(format!("v{}", self.tick));
        self.items.insert(
            id.clone(),
            Item { version: version.clone(), payload, event: Some(held), garbled: None, half_made: false },
        );
        version
    }

    /// The item becomes something nobody can read.
    pub(crate) fn garble(&mut self, id: &RemoteId) {
        if let Some(emulated) = self.emulated.clone() {
            emulated.garble(id);
            return self.look();
        }
        self.log(id);
        let version = Version::from(format!("v{}", self.tick));
        if let Some(item) = self.items.get_mut(id)
            && let Some(event) = item.event.take()
        {
            item.garbled = Some((item.payload.clone(), event));
            item.payload = Payload::new("?");
            item.version = version;
        }
    }

    /// What could not be read can be read again.
    pub(crate) fn mend(&mut self) {
        if let Some(emulated) = self.emulated.clone() {
            emulated.mend();
            return self.look();
        }
        let broken: Vec<RemoteId> =
            self.items.iter().filter(|(_, item)| item.garbled.is_some()).map(|(id, _)| id.clone()).collect();
        for id in broken {
            self.log(&id);
            let version = Version::from(format!("v{}", self.tick));
            if let Some(item) = self.items.get_mut(&id)
                && let Some((payload, event)) = item.garbled.take()
            {
                item.payload = payload;
                item.version = version;
                item.event = Some(event);
            }
        }
    }

    pub(crate) fn remove(&mut self, id: &RemoteId) {
        if let Some(emulated) = self.emulated.clone() {
            emulated.remove(id);
            return self.look();
        }
        if self.items.remove(id).is_some() {
            self.log(id);
            if self.setup.dialect == Dialect::Google {
                self.retired.insert(id.clone());
            }
        }
    }

    /// Whether an id cannot be given to a new item.
    pub(crate) fn taken(&self, id: &RemoteId) -> bool {
        self.items.contains_key(id) || self.retired.contains(id)
    }

    pub(crate) fn with_uid(&self, uid: &str) -> Option<&RemoteId> {
        self.items
            .iter()
            .find(|(_, item)| item.event.as_ref().is_some_and(|event| event.uid == uid))
            .map(|(id, _)| id)
    }

    pub(crate) fn forget_tokens(&mut self) {
        if let Some(emulated) = &self.emulated {
            emulated.forget_tokens();
        }
        self.tick += 1;
        self.forgotten = self.tick;
    }

    pub(crate) fn is_dead(&self, tick: u64) -> bool {
        tick < self.forgotten
    }

    /// Remembers what is listed from now on.
    pub(crate) fn keep_digest(&mut self) {
        let digest = self.digest();
        self.digests.insert(self.tick, digest);
    }

    /// Whether it holds, letter for letter, what it held when the listing of that tick began.
    pub(crate) fn is_as_at(&self, tick: u64) -> bool {
        self.digests.get(&tick) == Some(&self.digest())
    }

    fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for (id, item) in &self.items {
            (id, &item.payload).hash(&mut hasher);
        }
        hasher.finish()
    }

    /// Items that changed after one tick and not after the other, by name.
    pub(crate) fn changed(&self, since: u64, until: u64) -> BTreeSet<RemoteId> {
        let first = self.log.partition_point(|(at, _)| *at <= since);
        self.log[first..].iter().take_while(|(at, _)| *at <= until).map(|(_, id)| id.clone()).collect()
    }

    /// An item as a listing shows it.
    pub(crate) fn listed(&self, id: &RemoteId) -> Change {
        let change = match self.items.get(id) {
            None => ItemChange::Removed,
            Some(item) => match self.setup.dialect {
                Dialect::CalDav => ItemChange::Present { version: Some(item.version.clone()), payload: None },
                Dialect::Google | Dialect::Feed => ItemChange::Present {
                    version: Some(item.version.clone()),
                    payload: Some(item.payload.clone()),
                },
                Dialect::Graph => ItemChange::Present { version: None, payload: None },
            },
        };
        Change { id: id.clone(), change }
    }
}

/// The first line of a payload: what only the server understands.
pub(crate) fn extra(payload: &Payload) -> &str {
    payload.as_str().split_once('\n').map_or("", |(extra, _)| extra)
}

/// What a server holds of an event, and in which form.
pub(crate) fn held(setup: LinkSetup, event: &Event) -> Event {
    let mut event = event.clone();
    let instances = event.overrides.values_mut().filter_map(|value| match value {
        Override::Changed { body, .. } => Some(&mut **body),
        Override::Excluded | Override::Added { .. } => None,
    });
    for body in event.master.iter_mut().chain(instances) {
        if setup.dialect == Dialect::Graph {
            body.url = None;
        }
        if setup.remote == RemoteKind::Emulator {
            // Bookkeeping of each side, and what is so when nobody says anything.
            (body.sequence, body.created, body.organizer) = (0, None, None);
            body.free_busy = body.free_busy.filter(|status| *status != FreeBusyStatus::Busy);
        }
        if setup.rewrites
            && let Some(text) = &mut body.description
            && !text.ends_with('\n')
        {
            text.push('\n');
        }
    }
    event
}
