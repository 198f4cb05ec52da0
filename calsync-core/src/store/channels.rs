//! The channels by which providers call back, kept link by link.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    Announced, Batch, DeliveryHealth, Doc, DocQuery, Expectation, HasChannel, Result, Store, StoreError,
    StoreErrorKind, Write,
};
use crate::{model::LinkId, provider::Watch};

/// The space of the documents channels are kept in, by link.
pub const CHANNELS: &str = "channels";
/// The space of the documents that say whose a channel is, by the channel's id.
pub const CHANNEL_NAMES: &str = "channels.names";

/// How often a change is made again when somebody else changes the same row meanwhile.
const ATTEMPTS: usize = 16;
/// Rows read at once.
const PAGE: usize = 200;
/// Channels looked up at once.
const FIND: usize = 100;
/// Channels of one link. A provider that grants more is not believed; the oldest are left to end by themselves.
const CHANNELS_MAX: usize = 16;

/// What is kept of a channel of a calendar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channel {
    /// As it was granted.
    pub watch: Watch,
    /// When it was opened, or prolonged last.
    pub since: DateTime<Utc>,
    /// The last call that was genuine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heard: Option<DateTime<Utc>>,
    /// The last time silence was looked into.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probed: Option<DateTime<Utc>>,
    /// The service ended it (Graph's `subscriptionRemoved`).
    #[serde(default)]
    pub removed: bool,
    /// The service wants it prolonged now (Graph's `reauthorizationRequired`).
    #[serde(default)]
    pub reauthorize: bool,
}

impl Channel {
    /// One that was just granted.
    pub fn new(watch: Watch, now: DateTime<Utc>) -> Self {
        Self { watch, since: now, heard: None, probed: None, removed: false, reauthorize: false }
    }

    /// Whether calls can come by it.
    pub fn is_open(&self, now: DateTime<Utc>) -> bool {
        !self.removed && self.watch.expires > now
    }
}

/// A channel of a link, with the name it was asked for under: the secret its calls show follows from that, and is kept
/// nowhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptChannel {
    /// [`WatchRequest::id`](crate::provider::WatchRequest::id). Some providers name the channel otherwise
    /// ([`Watch::id`]).
    pub asked: String,
    /// What it was asked for with ([`LinkChannels::terms`] at that time).
    #[serde(default)]
    pub terms: String,
    /// The channel.
    #[serde(flatten)]
    pub channel: Channel,
}

/// Everything that is kept of the channels of one link. It holds no secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LinkChannels {
    /// The channels; at most one that is to stay, and older ones beside it.
    pub channels: Vec<KeptChannel>,
    /// What channels are asked for with: a digest of the calendar, the address and the key. Those with other terms are ended,
    /// and their calls are nobody's.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub terms: String,
    /// Tries to open or prolong one since the last that went well. A try counts before it is made: a worker that dies at it
    /// is not followed by one that hurries.
    pub failures: u32,
    /// When the last try was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tried: Option<DateTime<Utc>>,
    /// When the provider said that it does not watch this calendar: it is polled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<DateTime<Utc>>,
    /// The last call since the last pull.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub called: Option<DateTime<Utc>>,
    /// Whether changes are announced.
    pub health: DeliveryHealth,
}

impl LinkChannels {
    /// The channels that are as they are wanted now.
    pub fn wanted(&self) -> impl Iterator<Item = &KeptChannel> {
        self.channels.iter().filter(|kept| kept.terms == self.terms)
    }

    /// From now on other channels are wanted: what was found out about those before says nothing about them.
    pub fn begin(&mut self, terms: &str) {
        if self.terms != terms {
            let channels = std::mem::take(&mut self.channels);
            *self = Self { channels, terms: terms.to_owned(), called: self.called, ..Self::default() };
        }
    }

    /// Whether calls can come.
    pub fn has_channel(&self, now: DateTime<Utc>) -> HasChannel {
        if self.wanted().any(|kept| kept.channel.is_open(now)) { HasChannel::Yes } else { HasChannel::No }
    }

    /// A pull has ended. `called` is [`Self::called`] as it was when the pull began; `found`: there were changes that did
    /// not come from here. A call that came during the pull was in time, and asks for another pull.
    pub fn pulled(&mut self, called: Option<DateTime<Utc>>, found: Found) {
        if found == Found::Changes {
            let announced = called.is_some() || self.called.is_some();
            self.health = self.health.found(if announced { Announced::Before } else { Announced::Not });
        }
        if self.called == called {
            self.called = None;
        }
    }
}

/// What a pull found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Changes that did not come from here.
    Changes,
    /// None.
    Nothing,
}

/// A row as it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadChannels {
    /// What is kept. Empty where nothing was yet.
    pub row: LinkChannels,
    /// The version a change expects; `None`: there is no row yet.
    pub version: Option<u64>,
}

/// Keeps the channels of links, for workers that share a database and for whoever answers the calls.
///
/// # Guarantees
///
/// Each is checked by the case of the store conformance suite that is named with it; [`StoreChannels`] is judged on every
/// store.
///
/// 1. **Exact**: what was written is read back; of a link without a row an empty one (`channels_round_trip`).
/// 2. **Compared**: a change on top of what somebody else has changed is refused with [`StoreErrorKind::Conflict`], and
///    changes nothing (`channels_are_compared_and_set`).
/// 3. **Found**: a channel leads to its link from the moment its row is written until it is taken out of it, and to no
///    other link (`channels_lead_to_their_link`).
/// 4. **Apart**: a tenant's channels are found by no other tenant (each handle is one tenant's).
#[async_trait]
pub trait Channels: Send + Sync {
    /// What is kept of a link.
    async fn read(&self, link: &LinkId) -> Result<ReadChannels>;

    /// Puts `row` in the place of what was read; returns the new version. A row with nothing in it is deleted.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Conflict`] when somebody else has changed it since.
    async fn replace(&self, link: &LinkId, read: &ReadChannels, row: &LinkChannels) -> Result<Option<u64>>;

    /// The link a channel is for, by the name its provider has for it.
    async fn link_of(&self, channel: &str) -> Result<Option<LinkId>>;

    /// The same for several channels, with what is kept of their links; channels nobody knows are left out. Whoever calls
    /// names as many as they like: what it costs must not grow with names that are made up.
    async fn find(&self, channels: &[&str]) -> Result<Vec<(String, LinkId, LinkChannels)>> {
        let mut found = Vec::new();
        for channel in channels {
            if let Some(link) = self.link_of(channel).await? {
                let row = self.read(&link).await?.row;
                found.push(((*channel).to_owned(), link, row));
            }
        }
        Ok(found)
    }

    /// Every link of which something is kept.
    async fn links(&self) -> Result<Vec<LinkId>>;
}

/// Changes a row, again when somebody else changes it meanwhile. Returns it as it is now.
///
/// # Errors
///
/// When the store fails, or when others are faster again and again ([`StoreErrorKind::Unavailable`]).
pub async fn change_channels(
    channels: &dyn Channels,
    link: &LinkId,
    change: &(dyn Fn(&mut LinkChannels) + Send + Sync),
) -> Result<LinkChannels> {
    for _ in 0..ATTEMPTS {
        let read = channels.read(link).await?;
        let mut row = read.row.clone();
        change(&mut row);
        if row == read.row {
            return Ok(row);
        }
        match channels.replace(link, &read, &row).await {
            Ok(_) => return Ok(row),
            Err(error) if matches!(error.kind, StoreErrorKind::Conflict { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Err(StoreError::new(StoreErrorKind::Unavailable, "channels"))
}

/// [`Channels`] of one tenant over any store: a document for each link, and one for each channel that leads to it.
#[derive(Clone)]
pub struct StoreChannels {
    store: Arc<dyn Store>,
}

impl StoreChannels {
    /// The channels of the tenant whose store this is.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }
}

impl fmt::Debug for StoreChannels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreChannels").finish_non_exhaustive()
    }
}

fn names(row: &LinkChannels) -> BTreeSet<&str> {
    row.channels.iter().map(|kept| kept.channel.watch.id.as_str()).collect()
}

#[async_trait]
impl Channels for StoreChannels {
    async fn read(&self, link: &LinkId) -> Result<ReadChannels> {
        let found = self.store.docs(CHANNELS, DocQuery::Keys(&[link.as_str()])).await?;
        Ok(match found.first() {
            // One of another version of calsync is begun anew: what it named ends by itself.
            Some(doc) => ReadChannels { row: doc.read().unwrap_or_default(), version: Some(doc.version) },
            None => ReadChannels::default(),
        })
    }

    async fn replace(&self, link: &LinkId, read: &ReadChannels, row: &LinkChannels) -> Result<Option<u64>> {
        let (space, key) = (CHANNELS.to_owned(), link.to_string());
        let mut row = row.clone();
        let excess = row.channels.len().saturating_sub(CHANNELS_MAX);
        row.channels.drain(..excess);
        let (before, after) = (names(&read.row), names(&row));
        let mut writes = Vec::new();
        let is_empty = row == LinkChannels::default();
        if is_empty {
            writes.push(Write::DeleteDoc { space: space.clone(), key: key.clone() });
        } else {
            let value = serde_json::to_vec(&row)
                .map_err(|error| StoreError::new(StoreErrorKind::Backend, "channels").with_source(error))?;
            writes.push(Write::PutDoc(Doc::new(CHANNELS, key.clone(), value)));
        }
        for gone in before.difference(&after) {
            writes.push(Write::DeleteDoc { space: CHANNEL_NAMES.to_owned(), key: (*gone).to_owned() });
        }
        for new in after.difference(&before) {
            writes.push(Write::PutDoc(Doc::new(CHANNEL_NAMES, *new, link.as_str())));
        }
        let expect = vec![Expectation::Doc { space, key, version: read.version }];
        let receipt = self.store.commit(Batch { expect, writes, ..Batch::default() }).await?;
        Ok(if is_empty { None } else { receipt.doc_versions.first().copied() })
    }

    async fn link_of(&self, channel: &str) -> Result<Option<LinkId>> {
        let found = self.store.docs(CHANNEL_NAMES, DocQuery::Keys(&[channel])).await?;
        let name = found.first().and_then(|doc| String::from_utf8(doc.value.clone()).ok());
        let Some(link) = name.map(LinkId::from) else { return Ok(None) };
        // What is kept of the link decides.
        let row = self.read(&link).await?.row;
        Ok(names(&row).contains(channel).then_some(link))
    }

    /// Two reads for each hundred channels, however many of them there are.
    async fn find(&self, channels: &[&str]) -> Result<Vec<(String, LinkId, LinkChannels)>> {
        let mut found = Vec::new();
        for some in channels.chunks(FIND) {
            let known = self.store.docs(CHANNEL_NAMES, DocQuery::Keys(some)).await?;
            let links: BTreeMap<String, String> = known
                .into_iter()
                .filter_map(|doc| Some((doc.key, String::from_utf8(doc.value).ok()?)))
                .collect();
            let keys: BTreeSet<&str> = links.values().map(String::as_str).collect();
            let keys: Vec<&str> = keys.into_iter().collect();
            if keys.is_empty() {
                continue;
            }
            let rows = self.store.docs(CHANNELS, DocQuery::Keys(&keys)).await?;
            let rows: BTreeMap<String, LinkChannels> =
                rows.into_iter().map(|doc| (doc.key.clone(), doc.read().unwrap_or_default())).collect();
            // What is kept of the link decides.
            found.extend(links.into_iter().filter_map(|(channel, link)| {
                let row = rows.get(&link).filter(|row| names(row).contains(channel.as_str()))?;
                Some((channel, LinkId::from(link), row.clone()))
            }));
        }
        Ok(found)
    }

    async fn links(&self) -> Result<Vec<LinkId>> {
        let mut links = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let page =
                self.store.docs(CHANNELS, DocQuery::Page { after: after.as_deref(), limit: PAGE }).await?;
            let Some(last) = page.last() else { return Ok(links) };
            after = Some(last.key.clone());
            links.extend(page.into_iter().map(|doc| LinkId::from(doc.key)));
        }
    }
}
