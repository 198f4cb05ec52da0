//! The keeper: carries the [`plan`] of a link's channels out, and takes its calls.
//!
//! What is kept is in [`Channels`]; the rest of the world is a provider, a clock and a source of names. A worker that dies
//! between the grant of a channel and its row leaves one that nobody knows: its calls are those of no channel, and it ends by
//! itself. Nothing else can be lost, and nothing is taken for a channel of ours that does not show the secret of one.

use std::{fmt, sync::Arc};

use calsync_core::{
    context::{Clock, IdSource},
    model::{LinkId, RemoteCalendarId},
    provider::{ErrorKind, Provider, ProviderError, Watch, WatchRequest},
    schedule::{Schedule, ScheduleError, Task},
    store::{
        Channel, Channels, KeptChannel, LinkChannels, ReadChannels, StoreError, StoreErrorKind,
        change_channels,
    },
};
use chrono::{DateTime, TimeDelta, Utc};

use super::{
    Answer, ChannelOptions, Ignored, Incoming, Known, Signal, Step, Vendor, channels, plan::plan, verify,
};
use crate::http::Secret;

/// A calendar the provider does not watch is asked about again after so long: providers change what they watch.
const REFUSED: TimeDelta = TimeDelta::days(7);
/// Channels of one request that are looked up: whoever calls is not known yet.
const LOOKED_UP: usize = 200;
/// The shortest material of a key.
const MATERIAL_MIN: usize = 16;

/// What the secrets of channels follow from. The same for every process of a host, and known to nobody else.
#[derive(Clone)]
pub struct ChannelKey([u8; 32]);

impl ChannelKey {
    /// A key from material of the host's: at least 16 bytes that nobody can guess.
    ///
    /// # Errors
    ///
    /// When anybody could: it is shorter, or all of one byte.
    pub fn new(material: &[u8]) -> Result<Self, WeakKey> {
        if material.len() < MATERIAL_MIN || material.iter().all(|byte| Some(byte) == material.first()) {
            return Err(WeakKey);
        }
        Ok(Self(blake3::derive_key("calsync 2026-11 webhook channel secrets", material)))
    }

    /// What tells the channels that are wanted from others. It shows nothing of the key.
    fn terms(&self, about: Tending<'_>) -> String {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(b"terms");
        for part in [about.calendar.as_str(), about.address] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        hasher.finalize().to_hex()[..32].to_owned()
    }

    /// The secret of the channel a link asked for under a name.
    fn secret(&self, link: &LinkId, asked: &str) -> Secret {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(&(link.as_str().len() as u64).to_le_bytes());
        hasher.update(link.as_str().as_bytes());
        hasher.update(asked.as_bytes());
        Secret::from(hasher.finalize().to_hex().as_str())
    }
}

impl fmt::Debug for ChannelKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChannelKey")
    }
}

/// The material of a key that can be guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is shorter than 16 bytes, or all of one byte")]
pub struct WeakKey;

/// Why the channels of a link could not be kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeepError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The provider failed. What was kept stays; it is tried again by the plan's own delays.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// The schedule could not be told.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
}

/// The link whose channels are kept.
#[derive(Clone, Copy)]
pub struct Tending<'a> {
    /// The link.
    pub link: &'a LinkId,
    /// The calendar there.
    pub calendar: &'a RemoteCalendarId,
    /// Its provider.
    pub provider: &'a dyn Provider,
    /// The public `https` address that answers calls. It should say whose tenant's they are.
    pub address: &'a str,
    /// What holds for this provider's channels.
    pub options: &'a ChannelOptions,
}

impl fmt::Debug for Tending<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tending").field("link", &self.link).finish_non_exhaustive()
    }
}

/// What was done about the channels of a link.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tended {
    /// Channels opened.
    pub opened: u32,
    /// Channels prolonged.
    pub prolonged: u32,
    /// Channels ended, here or by themselves.
    pub ended: u32,
    /// Nothing was heard for long. The next pull measures it.
    pub silent: bool,
    /// When there is something to do next.
    pub next: Option<DateTime<Utc>>,
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// To be given back.
    pub answer: Answer,
    /// What was ignored, to be counted.
    pub ignored: Vec<Ignored>,
    /// What was acted on.
    pub signals: Vec<Signal>,
}

/// Keeps the channels of a tenant's links. See the source file for what a crash can cost.
#[derive(Clone)]
pub struct Keeper {
    channels: Arc<dyn Channels>,
    key: ChannelKey,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper").finish_non_exhaustive()
    }
}

impl Keeper {
    /// Over the channels of a tenant ([`StoreChannels`](calsync_core::store::StoreChannels)).
    pub fn new(
        channels: Arc<dyn Channels>,
        key: ChannelKey,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
    ) -> Self {
        Self { channels, key, clock, ids }
    }

    /// Opens, prolongs and ends what the plan says is due. To be called from
    /// [`Host::renew`](calsync_core::worker::Host::renew), which returns [`Tended::next`].
    ///
    /// A channel for another calendar, address or key than now is replaced. Once one is open the link is pulled: what
    /// changed before nobody is told of.
    ///
    /// # Errors
    ///
    /// Of store and provider. What was done until then is kept.
    pub async fn tend(&self, about: Tending<'_>, schedule: &Schedule) -> Result<Tended, KeepError> {
        let mut tended = Tended::default();
        let now = self.clock.now();
        let terms = self.key.terms(about);
        let row = self.change(about.link, &|row| row.begin(&terms)).await?;
        let refused = row.refused.map(|at| at + REFUSED).filter(|until| *until > now);
        let kept: Vec<Channel> = row.wanted().map(|kept| kept.channel.clone()).collect();
        let failures = (row.failures, row.tried.unwrap_or(now));
        let todo = plan(about.options, &kept, failures, salt(about.link), now);
        tended.next = Some(todo.next);
        for step in todo.steps {
            match step {
                Step::Open if refused.is_some() => tended.next = tended.next.min(refused).or(refused),
                Step::Open => self.open(about, &mut tended).await?,
                Step::Prolong(id) => self.prolong(about, &id, &mut tended).await?,
                Step::Stop(id) => self.stop(about, &id, &mut tended).await?,
                Step::Forget(id) => {
                    tended.ended += 1;
                    self.forget(about.link, &id).await?;
                }
                Step::Probe(id) => {
                    tended.silent = true;
                    self.change(about.link, &|row| {
                        for kept in row.channels.iter_mut().filter(|kept| kept.channel.watch.id == id) {
                            kept.channel.probed = Some(now);
                        }
                    })
                    .await?;
                }
            }
        }
        for other in row.channels.iter().filter(|kept| kept.terms != terms) {
            self.stop(about, &other.channel.watch.id, &mut tended).await?;
        }
        if tended.opened > 0 {
            nudge(schedule, Task::Sync(about.link.clone())).await?;
        }
        // What was just opened or prolonged has a time of its own to be looked at again.
        if tended.opened + tended.prolonged > 0 {
            let row = self.channels.read(about.link).await?.row;
            let kept: Vec<Channel> = row.wanted().map(|kept| kept.channel.clone()).collect();
            let failures = (row.failures, row.tried.unwrap_or(now));
            tended.next = Some(plan(about.options, &kept, failures, salt(about.link), now).next);
        }
        Ok(tended)
    }

    /// Ends every channel of a link: it was removed, or is not to be called any more. Repeating it is harmless.
    ///
    /// # Errors
    ///
    /// Of store and provider; what could not be ended ends by itself, once the link is tended no more.
    pub async fn end(&self, link: &LinkId, provider: &dyn Provider) -> Result<u32, KeepError> {
        let row = self.channels.read(link).await?.row;
        let mut ended = 0;
        for kept in row.channels {
            if kept.channel.is_open(self.clock.now()) {
                provider.unwatch(&kept.channel.watch).await?;
            }
            self.forget(link, &kept.channel.watch.id).await?;
            ended += 1;
        }
        self.change(link, &|row| {
            if row.channels.is_empty() {
                *row = LinkChannels::default();
            }
        })
        .await?;
        Ok(ended)
    }

    /// Checks a call, notes it, and tells the schedule which links have something to do. The answer is to be given whatever
    /// comes of the rest.
    ///
    /// # Errors
    ///
    /// Of the store: whoever called is to be answered with 503, and calls again.
    pub async fn receive(
        &self,
        vendor: Vendor,
        incoming: Incoming<'_>,
        schedule: &Schedule,
    ) -> Result<Call, KeepError> {
        let mut known: Vec<(String, Known, LinkId)> = Vec::new();
        let named = channels(vendor, incoming);
        let named: Vec<&str> = named.iter().take(LOOKED_UP).map(String::as_str).collect();
        for (name, link, row) in self.channels.find(&named).await? {
            let Some(kept) = row.wanted().find(|kept| kept.channel.watch.id == name) else { continue };
            let secret = self.key.secret(&link, &kept.asked);
            known.push((name, Known { secret, resource: kept.channel.watch.resource.clone() }, link));
        }
        let find = |id: &str| known.iter().find(|(name, ..)| name == id).map(|(_, known, _)| known);
        let received = verify(vendor, incoming, find);
        for signal in &received.signals {
            let link = known.iter().find(|(name, ..)| name == signal.channel()).map(|(.., link)| link);
            if let Some(link) = link {
                self.note(link, signal, schedule).await?;
            }
        }
        Ok(Call { answer: received.answer, ignored: received.ignored, signals: received.signals })
    }

    async fn note(&self, link: &LinkId, signal: &Signal, schedule: &Schedule) -> Result<(), KeepError> {
        let now = self.clock.now();
        self.change(link, &|row| {
            let channel = row.channels.iter_mut().find(|kept| kept.channel.watch.id == signal.channel());
            let Some(channel) = channel.map(|kept| &mut kept.channel) else { return };
            channel.heard = channel.heard.max(Some(now));
            match signal {
                Signal::Reauthorize { .. } => channel.reauthorize = true,
                Signal::Removed { .. } => channel.removed = true,
                Signal::Opened { .. } => return,
                Signal::Changed { .. } | Signal::Gone { .. } | Signal::Missed { .. } => {}
            }
            row.called = row.called.max(Some(now));
        })
        .await?;
        // Every call is worth a pull, also the first: it may have been long in coming.
        nudge(schedule, Task::Sync(link.clone())).await?;
        if matches!(signal, Signal::Reauthorize { .. } | Signal::Removed { .. }) {
            nudge(schedule, Task::Renew(link.clone())).await?;
        }
        Ok(())
    }

    async fn open(&self, about: Tending<'_>, tended: &mut Tended) -> Result<(), KeepError> {
        let asked = self.ids.fresh();
        let watch = match self.granted(about, &asked).await {
            Ok(watch) => watch,
            Err(KeepError::Provider(error))
                if matches!(error.kind, ErrorKind::Refused | ErrorKind::Forbidden) =>
            {
                let now = self.clock.now();
                self.change(about.link, &|row| (row.refused, row.failures) = (Some(now), 0)).await?;
                tended.next = Some(now + REFUSED);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let terms = self.key.terms(about);
        let channel = KeptChannel { asked, terms, channel: Channel::new(watch.clone(), self.clock.now()) };
        let keep = |row: &mut LinkChannels| {
            (row.failures, row.tried, row.refused) = (0, None, None);
            row.channels.push(channel.clone());
        };
        if let Err(error) = self.change(about.link, &keep).await {
            // Nobody would know whose calls these are. When this fails too it ends by itself.
            let _ = about.provider.unwatch(&watch).await;
            return Err(error.into());
        }
        tended.opened += 1;
        Ok(())
    }

    /// Asks for a channel. The try is counted before it is made, and by one worker only: another one that had the same plan
    /// finds that somebody was faster.
    async fn granted(&self, about: Tending<'_>, asked: &str) -> Result<Watch, KeepError> {
        self.try_counted(about.link).await?;
        let secret = self.key.secret(about.link, asked);
        let request = WatchRequest {
            id: asked,
            address: about.address,
            secret: secret.expose(),
            lifetime: about.options.lifetime,
        };
        Ok(about.provider.watch(about.calendar, request).await?)
    }

    async fn try_counted(&self, link: &LinkId) -> Result<(), KeepError> {
        let read = self.channels.read(link).await?;
        let mut row = read.row.clone();
        (row.failures, row.tried) = (row.failures.saturating_add(1), Some(self.clock.now()));
        self.replace(link, &read, &row).await?;
        Ok(())
    }

    async fn prolong(&self, about: Tending<'_>, id: &str, tended: &mut Tended) -> Result<(), KeepError> {
        let row = self.channels.read(about.link).await?.row;
        let Some(kept) = row.channels.into_iter().find(|kept| kept.channel.watch.id == id) else {
            return Ok(());
        };
        self.try_counted(about.link).await?;
        match about.provider.rewatch(&kept.channel.watch, about.options.lifetime).await {
            Ok(watch) => {
                let now = self.clock.now();
                self.change(about.link, &|row| {
                    (row.failures, row.tried) = (0, None);
                    for kept in row.channels.iter_mut().filter(|kept| kept.channel.watch.id == id) {
                        kept.channel.watch.expires = watch.expires;
                        (kept.channel.since, kept.channel.reauthorize) = (now, false);
                    }
                })
                .await?;
                tended.prolonged += 1;
                Ok(())
            }
            Err(error) if error.kind == ErrorKind::NotFound => {
                // The service has lost it: another one takes its place at once.
                self.forget(about.link, id).await?;
                tended.ended += 1;
                self.open(about, tended).await
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn stop(&self, about: Tending<'_>, id: &str, tended: &mut Tended) -> Result<(), KeepError> {
        let row = self.channels.read(about.link).await?.row;
        if let Some(kept) = row.channels.into_iter().find(|kept| kept.channel.watch.id == id) {
            // First there, then here: whoever dies between the two ends it again, which is well.
            about.provider.unwatch(&kept.channel.watch).await?;
            self.forget(about.link, id).await?;
            tended.ended += 1;
        }
        Ok(())
    }

    async fn forget(&self, link: &LinkId, id: &str) -> Result<(), StoreError> {
        self.change(link, &|row| row.channels.retain(|kept| kept.channel.watch.id != id)).await?;
        Ok(())
    }

    async fn change(
        &self,
        link: &LinkId,
        change: &(dyn Fn(&mut LinkChannels) + Send + Sync),
    ) -> Result<LinkChannels, StoreError> {
        change_channels(&*self.channels, link, change).await
    }

    async fn replace(
        &self,
        link: &LinkId,
        read: &ReadChannels,
        row: &LinkChannels,
    ) -> Result<(), StoreError> {
        match self.channels.replace(link, read, row).await {
            Ok(_) => Ok(()),
            Err(error) if matches!(error.kind, StoreErrorKind::Conflict { .. }) => {
                Err(StoreError::new(StoreErrorKind::Unavailable, "channels"))
            }
            Err(error) => Err(error),
        }
    }
}

/// A link that is not in the schedule has nothing to do.
async fn nudge(schedule: &Schedule, task: Task) -> Result<(), ScheduleError> {
    match schedule.nudge(&task).await {
        Ok(_) | Err(ScheduleError::Unknown { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Tells links apart, for delays that are to differ.
fn salt(link: &LinkId) -> u64 {
    let hash = blake3::hash(link.as_str().as_bytes());
    hash.as_bytes().iter().take(8).fold(0, |salt, byte| salt << 8 | u64::from(*byte))
}
