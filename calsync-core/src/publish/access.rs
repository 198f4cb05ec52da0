//! Who may read which feed: the tokens, as documents of a store.

use std::{collections::BTreeSet, fmt, io, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{TokenHash, TokenRing};
use crate::{
    context::{Clock, Entropy},
    secret::Secret,
    store::{Batch, Doc, DocQuery, Expectation, Store, StoreError, StoreErrorKind, Write},
};

/// The space of the documents that hold a feed's tokens, by the feed's name.
const FEEDS: &str = "feed";
/// The space of the documents that name the feed of a token, by its hash.
const TOKENS: &str = "feed-token";
/// Feeds read at once.
const PAGE: usize = 200;
/// How often a change is made again when somebody else changes the same feed meanwhile.
const ATTEMPTS: usize = 16;

/// A change of a feed's tokens that could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FeedTokenError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The feed has a token already.
    #[error("the feed {feed:?} has a token: rotate it, or revoke it first")]
    Exists {
        /// The feed.
        feed: String,
    },
    /// The feed has none.
    #[error("the feed {feed:?} has no token")]
    Unknown {
        /// The feed.
        feed: String,
    },
    /// What is kept of the feed cannot be read: another version of calsync wrote it, or somebody else did.
    #[error("what is kept of the feed {feed:?} is not readable")]
    Unreadable {
        /// The feed.
        feed: String,
    },
    /// There is no randomness to make a token of.
    #[error("no randomness for a token: {0}")]
    Entropy(io::Error),
}

/// What is kept of a feed.
#[derive(Serialize, Deserialize)]
struct Kept {
    /// The secret UIDs of hidden events are made with, in hexadecimal digits. It hides them from subscribers; whoever reads
    /// the store reads the events themselves.
    key: String,
    ring: TokenRing,
    created: DateTime<Utc>,
    rotated: Option<DateTime<Utc>>,
}

impl Kept {
    fn key(&self) -> Option<Secret<[u8; 32]>> {
        blake3::Hash::from_hex(self.key.as_bytes()).ok().map(|key| Secret::new(*key.as_bytes()))
    }
}

/// A feed that has a token: all that can be told of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct FeedToken {
    /// The feed.
    pub feed: String,
    /// When its first token was made.
    pub created: DateTime<Utc>,
    /// When it got another one last.
    pub rotated: Option<DateTime<Utc>>,
    /// Until when the token before the present one is good; `None`: it is not.
    pub previous_until: Option<DateTime<Utc>>,
}

/// What a good token opens.
#[derive(Debug)]
#[non_exhaustive]
pub struct Granted {
    /// The feed.
    pub feed: String,
    /// The secret its hidden UIDs are made with, for [`FeedOptions::key`](super::FeedOptions::key).
    pub key: Secret<[u8; 32]>,
}

/// The tokens of one tenant's feeds. Each audience has a feed of its own (PRIV-03); a feed has one token, and for a while the
/// one before it. Only their hashes are kept, in documents of the spaces `feed` and `feed-token`.
///
/// Changes are compared and set: many processes may make them at once.
#[derive(Clone)]
pub struct FeedTokens {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl fmt::Debug for FeedTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FeedTokens").finish_non_exhaustive()
    }
}

impl FeedTokens {
    /// The tokens of the tenant whose store this is.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { store, clock, entropy }
    }

    /// Makes the first token of a feed. This is the one time it is shown.
    ///
    /// # Errors
    /// [`FeedTokenError::Exists`], and when there is no randomness or the store fails.
    pub async fn create(&self, feed: &str) -> Result<Secret<String>, FeedTokenError> {
        let mut key = zeroize::Zeroizing::new([0; 32]);
        self.entropy.fill(&mut *key).map_err(FeedTokenError::Entropy)?;
        let (ring, token) = TokenRing::issue(self.entropy.as_ref()).map_err(FeedTokenError::Entropy)?;
        let kept = Kept {
            key: blake3::Hash::from_bytes(*key).to_hex().to_string(),
            ring,
            created: self.clock.now(),
            rotated: None,
        };
        let mut batch = put(feed, &kept, None)?;
        batch.writes.push(opens(feed, kept.ring.current(), None));
        match self.store.commit(batch).await {
            Ok(_) => Ok(token),
            Err(error) if matches!(error.kind, StoreErrorKind::Conflict { .. }) => {
                Err(FeedTokenError::Exists { feed: feed.to_owned() })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Gives a feed another token, which is shown this once. The one before it is good for `overlap` longer; with none, or
    /// less, it is good no more. Hidden UIDs stay as they are.
    ///
    /// # Errors
    /// [`FeedTokenError::Unknown`], and when there is no randomness or the store fails.
    pub async fn rotate(&self, feed: &str, overlap: TimeDelta) -> Result<Secret<String>, FeedTokenError> {
        for _ in 0..ATTEMPTS {
            let (mut kept, doc) = self.kept(feed).await?;
            let now = self.clock.now();
            let (last, before) = (kept.ring.current(), kept.ring.previous());
            let rotated = kept.ring.rotate(self.entropy.as_ref(), now, overlap);
            let token = rotated.map_err(FeedTokenError::Entropy)?;
            kept.rotated = Some(now);
            let mut batch = put(feed, &kept, Some(doc.version))?;
            // The ones that open nothing any more.
            batch.writes.extend(before.map(|(hash, _)| closes(hash)));
            batch.writes.push(match kept.ring.previous() {
                Some((hash, until)) => opens(feed, hash, Some(until)),
                None => closes(last),
            });
            batch.writes.push(opens(feed, kept.ring.current(), None));
            match self.store.commit(batch).await {
                Ok(_) => return Ok(token),
                Err(error) if matches!(error.kind, StoreErrorKind::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::new(StoreErrorKind::Unavailable, "feed token").into())
    }

    /// Takes every token of a feed away: it answers nobody any more. A token made later is for a feed that looks new.
    ///
    /// # Errors
    /// [`FeedTokenError::Unknown`], and when the store fails.
    pub async fn revoke(&self, feed: &str) -> Result<(), FeedTokenError> {
        for _ in 0..ATTEMPTS {
            let doc = self.doc(feed).await?;
            let expect = vec![expect(feed, Some(doc.version))];
            let mut writes = vec![Write::DeleteDoc { space: FEEDS.to_owned(), key: feed.to_owned() }];
            // What cannot be read opens nothing, and can be taken away all the same.
            if let Some(kept) = doc.read::<Kept>() {
                writes.push(closes(kept.ring.current()));
                writes.extend(kept.ring.previous().map(|(hash, _)| closes(hash)));
            }
            match self.store.commit(Batch { expect, writes, ..Batch::default() }).await {
                Ok(_) => return Ok(()),
                Err(error) if matches!(error.kind, StoreErrorKind::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::new(StoreErrorKind::Unavailable, "feed token").into())
    }

    /// The feeds that have a token, by name.
    ///
    /// # Errors
    /// When the store fails, or one of them cannot be read.
    pub async fn list(&self) -> Result<Vec<FeedToken>, FeedTokenError> {
        let now = self.clock.now();
        let mut all = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let query = DocQuery::Page { after: after.as_deref(), limit: PAGE };
            let page = self.store.docs(FEEDS, query).await?;
            let Some(last) = page.last() else { return Ok(all) };
            after = Some(last.key.clone());
            for doc in page {
                let kept = read(&doc)?;
                let previous = kept.ring.previous().map(|(_, until)| until);
                all.push(FeedToken {
                    feed: doc.key,
                    created: kept.created,
                    rotated: kept.rotated,
                    previous_until: previous.filter(|until| *until > now),
                });
            }
        }
    }

    /// What the last part of an address opens, with or without `.ics` at its end; `None`: nothing. The same two rows are
    /// asked for whatever was sent, and the comparison takes the same time.
    ///
    /// # Errors
    /// When the store fails. What cannot be read opens nothing.
    pub async fn find(&self, sent: &str) -> Result<Option<Granted>, StoreError> {
        let hash = TokenHash::of(sent).to_hex();
        let row = self.store.docs(TOKENS, DocQuery::Keys(&[&hash])).await?.pop();
        let feed = row.and_then(|row| String::from_utf8(row.value).ok()).unwrap_or_default();
        let doc = self.store.docs(FEEDS, DocQuery::Keys(&[&feed])).await?.pop();
        let Some(kept) = doc.and_then(|doc| doc.read::<Kept>()) else {
            return Ok(None);
        };
        if !kept.ring.accepts(sent, self.clock.now()) {
            return Ok(None);
        }
        Ok(kept.key().map(|key| Granted { feed, key }))
    }

    async fn doc(&self, feed: &str) -> Result<Doc, FeedTokenError> {
        let doc = self.store.docs(FEEDS, DocQuery::Keys(&[feed])).await?.pop();
        doc.ok_or_else(|| FeedTokenError::Unknown { feed: feed.to_owned() })
    }

    async fn kept(&self, feed: &str) -> Result<(Kept, Doc), FeedTokenError> {
        let doc = self.doc(feed).await?;
        Ok((read(&doc)?, doc))
    }
}

/// The secrets of the feeds that have a token. What cannot be read is none.
pub(super) async fn feed_keys(store: &dyn Store) -> Result<BTreeSet<[u8; 32]>, StoreError> {
    let mut keys = BTreeSet::new();
    let mut after: Option<String> = None;
    loop {
        let page = store.docs(FEEDS, DocQuery::Page { after: after.as_deref(), limit: PAGE }).await?;
        let Some(last) = page.last() else { return Ok(keys) };
        after = Some(last.key.clone());
        keys.extend(page.iter().filter_map(|doc| Some(*read(doc).ok()?.key()?.expose())));
    }
}

fn read(doc: &Doc) -> Result<Kept, FeedTokenError> {
    let kept: Option<Kept> = doc.read();
    let kept = kept.filter(|kept| kept.key().is_some());
    kept.ok_or_else(|| FeedTokenError::Unreadable { feed: doc.key.clone() })
}

/// A batch that keeps what is known of a feed, in the place of what was read.
fn put(feed: &str, kept: &Kept, version: Option<u64>) -> Result<Batch, StoreError> {
    let value = serde_json::to_vec(kept)
        .map_err(|error| StoreError::new(StoreErrorKind::InvalidInput, "feed token").with_source(error))?;
    let writes = vec![Write::PutDoc(Doc::new(FEEDS, feed, value))];
    Ok(Batch { expect: vec![expect(feed, version)], writes, ..Batch::default() })
}

fn expect(feed: &str, version: Option<u64>) -> Expectation {
    Expectation::Doc { space: FEEDS.to_owned(), key: feed.to_owned(), version }
}

fn opens(feed: &str, hash: TokenHash, until: Option<DateTime<Utc>>) -> Write {
    Write::PutDoc(Doc::new(TOKENS, hash.to_hex(), feed).with_due(until))
}

fn closes(hash: TokenHash) -> Write {
    Write::DeleteDoc { space: TOKENS.to_owned(), key: hash.to_hex() }
}
