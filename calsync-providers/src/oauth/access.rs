//! Access to an account that lasts: tokens are kept, renewed once for everybody, and given up only when the provider
//! itself says so.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use calsync_core::{
    context::{Clock, IdSource},
    provider::Retry,
    store::{LeaseGrant, LeaseToken, StoreErrorKind},
    vault::{Keeper, KeeperError, KeptSecret, SecretKey},
};
use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::Mutex;

use super::{Exchange, Grant, Intent, OAuthError, OAuthErrorKind, ReauthReason, TokenSet};
use crate::http::{Secret, TokenSource};

/// A token is renewed when less than this is left of its life: longer than the slowest request takes.
const MARGIN: TimeDelta = TimeDelta::minutes(3);
/// How long one worker may take to renew: its request has 30 s.
const LEASE: TimeDelta = TimeDelta::seconds(60);
/// How often a worker that waits for another one looks.
const LOOK: Duration = Duration::from_millis(250);
/// How often it looks before it gives up for now.
const LOOKS: usize = 300;
/// How often writing a new token is tried: it may be the only valid one.
const WRITES: usize = 5;

const OPERATION: &str = "renewing access";
const FIELD: &str = "tokens";

/// The kept access to one account. Cheap to ask: a token that is still good comes from memory.
///
/// Of all workers that share the store, one renews at a time, under a lease, and the others take what it wrote. A new
/// token is written before anybody uses it, so a rotated refresh token is never lost to a crash.
pub struct Access {
    exchange: Exchange,
    keeper: Keeper,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    account: String,
    cached: Mutex<Option<Kept>>,
}

#[derive(Clone)]
struct Kept {
    tokens: TokenSet,
    row: KeptSecret,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").field("exchange", &self.exchange).finish_non_exhaustive()
    }
}

impl Access {
    /// The access kept under an account's name.
    pub fn new(
        exchange: Exchange,
        keeper: Keeper,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
        account: impl Into<String>,
    ) -> Self {
        Self { exchange, keeper, clock, ids, account: account.into(), cached: Mutex::new(None) }
    }

    /// Keeps what a connection brought, in the place of what was there: of the same account, as far as both say whose they are.
    /// For another one, [`disconnect`](Self::disconnect) first.
    ///
    /// # Errors
    ///
    /// [`OAuthErrorKind::WrongAccount`], also when the other one was kept after the flow began; [`OAuthErrorKind::Storage`].
    pub async fn keep(&self, grant: &Grant) -> Result<(), OAuthError> {
        let mut cached = self.cached.lock().await;
        for _ in 0..WRITES {
            let before = self.read().await?;
            let mut tokens = grant.tokens.clone();
            let linked = before.as_ref().and_then(|kept| kept.tokens.subject.as_deref());
            if let (Some(linked), Some(came)) = (linked, tokens.subject.as_deref())
                && linked != came
            {
                return Err(OAuthError::new(OAuthErrorKind::WrongAccount, "connecting", ""));
            }
            if tokens.refresh.is_none() {
                // Google sends one at the first consent only; the one that is kept is still good, if it is this account's.
                let kept = before.as_ref().map(|kept| &kept.tokens);
                let inherited = kept.and_then(|kept| kept.inherited(tokens.subject.as_deref()));
                if inherited.is_some() {
                    // Its end is the one that was told with it.
                    tokens.ends = kept.and_then(|kept| kept.ends);
                }
                tokens.refresh = inherited;
            }
            let over = before.as_ref().map(|kept| &kept.row);
            match self.write(&tokens, over, None).await {
                Ok(kept) => {
                    *cached = Some(kept);
                    return Ok(());
                }
                Err(WriteError::Changed) => {}
                Err(WriteError::Failed(error)) => return Err(error),
            }
        }
        Err(storage("somebody else writes the same tokens all the time"))
    }

    /// A token that is good for some minutes.
    ///
    /// # Errors
    ///
    /// [`OAuthErrorKind::NeedsReauth`] when there is none to be had without a person, and only then.
    pub async fn token(&self) -> Result<Secret, OAuthError> {
        self.good(None).await
    }

    /// A token in the place of one that the provider refused. Asked again with the same one, the one that took its place
    /// is returned and nothing is renewed.
    ///
    /// # Errors
    ///
    /// As for [`token`](Self::token).
    pub async fn instead_of(&self, refused: &Secret) -> Result<Secret, OAuthError> {
        self.good(Some(refused)).await
    }

    /// What a person sets out to do who connects the account again: the same account has to come back, under the conditions
    /// the service named, if it did.
    ///
    /// # Errors
    ///
    /// [`OAuthErrorKind::Storage`].
    pub async fn intent(&self, session: impl Into<String>) -> Result<Intent, OAuthError> {
        let mut intent = Intent::new(self.account.as_str(), session);
        if let Some(kept) = self.read().await? {
            (intent.expected, intent.claims) = (kept.tokens.subject, kept.tokens.claims);
        }
        Ok(intent)
    }

    /// The service refused a token and named what it wants to see: only a person can show it. Nothing is renewed, and every
    /// worker that shares the store learns it, until the account is connected again. With a token that was replaced
    /// meanwhile there is nothing to do.
    ///
    /// # Errors
    ///
    /// [`OAuthErrorKind::NeedsReauth`] with [`ReauthReason::ClaimsChallenge`].
    pub async fn challenged_with(&self, refused: &Secret, claims: &str) -> Result<(), OAuthError> {
        let mut cached = self.cached.lock().await;
        for _ in 0..WRITES {
            let Some(kept) = self.read().await? else { return Err(reauth(ReauthReason::NoRefreshToken)) };
            if !kept.tokens.access.same(refused) {
                *cached = Some(kept);
                return Ok(());
            }
            let reason = ReauthReason::ClaimsChallenge;
            let tokens =
                TokenSet { dead: Some(reason), claims: Some(claims.to_owned()), ..kept.tokens.clone() };
            match self.write(&tokens, Some(&kept.row), None).await {
                Ok(kept) => {
                    *cached = Some(kept);
                    return Err(reauth(reason));
                }
                Err(WriteError::Changed) => {}
                Err(WriteError::Failed(error)) => return Err(error),
            }
        }
        Err(storage("somebody else writes the same tokens all the time"))
    }

    /// Whose account it is ([`Account::subject`](super::Account::subject)), when the provider said: for
    /// [`Intent::expected`](super::Intent::expected) when a person connects it again.
    ///
    /// # Errors
    ///
    /// [`OAuthErrorKind::Storage`].
    pub async fn subject(&self) -> Result<Option<String>, OAuthError> {
        Ok(self.read().await?.and_then(|kept| kept.tokens.subject))
    }

    /// Until when the access token that is kept is good; it is renewed before. `None` when there is none.
    ///
    /// # Errors
    ///
    /// [`OAuthErrorKind::Storage`].
    pub async fn expires(&self) -> Result<Option<DateTime<Utc>>, OAuthError> {
        Ok(self.read().await?.map(|kept| kept.tokens.expires))
    }

    /// When the grant ends, however often it is used: before that a person has to connect the account again. For
    /// the worker's `Opened::credentials_end`. `None`: nobody said that it ends, or
    /// nothing is kept.
    ///
    /// Known where the provider tells (Google, of grants for a limited time) or the host does
    /// ([`OAuthConfig::grant_lasts`](super::OAuthConfig::grant_lasts)). Grants also end where nobody tells: a person takes
    /// them away, an administrator does, or they are not used for months.
    ///
    /// # Errors
    ///
    /// [`OAuthErrorKind::Storage`].
    pub async fn ends(&self) -> Result<Option<DateTime<Utc>>, OAuthError> {
        let mut cached = self.cached.lock().await;
        // What was just read is good for the request that follows, too.
        *cached = self.read().await?;
        Ok(cached.as_ref().and_then(|kept| kept.tokens.ends))
    }

    /// Whether anything is kept for the account.
    ///
    /// # Errors
    ///
    /// [`OAuthErrorKind::Storage`].
    pub async fn is_kept(&self) -> Result<bool, OAuthError> {
        Ok(self.read().await?.is_some())
    }

    /// Tells the provider, and forgets the tokens whatever it answers; also those that another worker renews meanwhile.
    /// `Ok(false)`: the provider cannot be told; a person has to remove the access there. Other processes may go on with the
    /// access token they have until it expires, where the provider lets it live.
    ///
    /// # Errors
    ///
    /// When the provider could not be reached; [`OAuthErrorKind::Storage`] when what is kept cannot be read, and is forgotten all
    /// the same, or the store failed, and nothing is.
    pub async fn disconnect(&self) -> Result<bool, OAuthError> {
        let mut cached = self.cached.lock().await;
        let mut told = Ok(true);
        for _ in 0..WRITES {
            let kept = match self.keeper.get(self.key()).await {
                Ok(Some(kept)) => Some(kept),
                Ok(None) => {
                    *cached = None;
                    return told;
                }
                // What cannot be read, because its master key is lost, would stand in the way for ever.
                Err(KeeperError::Vault(error)) if error.retry() == Retry::Never => {
                    told = Err(kept_error(KeeperError::Vault(error)));
                    None
                }
                Err(error) => return Err(kept_error(error)),
            };
            if let Some(kept) = &kept {
                told = match TokenSet::from_secret(&kept.secret) {
                    Some(tokens) => self.exchange.revoke(&tokens).await,
                    None => Err(storage("not a set of tokens")),
                };
            }
            match self.keeper.remove(self.key(), kept.as_ref()).await {
                Ok(()) => {
                    *cached = None;
                    return told;
                }
                // Renewed, or connected again meanwhile: those go as well.
                Err(KeeperError::Store(error)) if matches!(error.kind, StoreErrorKind::Conflict { .. }) => {}
                Err(error) => return Err(kept_error(error)),
            }
        }
        Err(storage("somebody else writes the same tokens all the time"))
    }

    async fn good(&self, refused: Option<&Secret>) -> Result<Secret, OAuthError> {
        // One at a time in this process; the others find the new token when it is their turn.
        let mut cached = self.cached.lock().await;
        if let Some(kept) = cached.as_ref().filter(|kept| self.fits(kept, refused)) {
            return Ok(kept.tokens.access.clone());
        }
        for _ in 0..LOOKS {
            // Another worker may have renewed it already.
            *cached = self.read().await?;
            let Some(kept) = cached.clone() else { return Err(reauth(ReauthReason::NoRefreshToken)) };
            if self.fits(&kept, refused) {
                return Ok(kept.tokens.access);
            }
            if let Some(reason) = kept.tokens.dead {
                return Err(reauth(reason));
            }
            match self.acquire().await? {
                LeaseGrant::Granted(lease) => {
                    let result = self.renew(refused, &lease).await;
                    // A lease that cannot be given back runs out by itself.
                    let _ = self.keeper.store().release_lease(&lease).await;
                    let kept = result?;
                    let token = kept.tokens.access.clone();
                    *cached = Some(kept);
                    return Ok(token);
                }
                LeaseGrant::Held { .. } => tokio::time::sleep(LOOK).await,
            }
        }
        let detail = "another worker is renewing it and does not come to an end";
        Err(OAuthError::new(OAuthErrorKind::Unavailable, OPERATION, detail))
    }

    fn fits(&self, kept: &Kept, refused: Option<&Secret>) -> bool {
        let lasts = kept.tokens.expires - self.clock.now() > MARGIN;
        lasts && kept.tokens.dead.is_none() && refused.is_none_or(|refused| !kept.tokens.access.same(refused))
    }

    /// Renews under the lease. Whoever had it before may have done so: what is kept is read once more.
    async fn renew(&self, refused: Option<&Secret>, lease: &LeaseToken) -> Result<Kept, OAuthError> {
        let Some(kept) = self.read().await? else { return Err(reauth(ReauthReason::NoRefreshToken)) };
        if self.fits(&kept, refused) {
            return Ok(kept);
        }
        let renewed = self.exchange.refresh(&kept.tokens, self.clock.now()).await;
        let tokens = match &renewed {
            Ok(tokens) => tokens.clone(),
            Err(OAuthError { kind: OAuthErrorKind::NeedsReauth(reason), .. }) => {
                // Kept, so that no other worker asks again, until a person has connected the account.
                TokenSet { dead: Some(*reason), ..kept.tokens.clone() }
            }
            Err(error) => return Err(error.clone()),
        };
        let mut last = None;
        for _ in 0..WRITES {
            match self.write(&tokens, Some(&kept.row), Some(lease)).await {
                Ok(kept) => return renewed.map(|_| kept),
                // A person connected the account again meanwhile: that is newer than what we have.
                Err(WriteError::Changed) => {
                    let kept = self.read().await?.ok_or_else(|| reauth(ReauthReason::NoRefreshToken))?;
                    return if self.fits(&kept, refused) {
                        Ok(kept)
                    } else {
                        Err(storage("the tokens changed meanwhile"))
                    };
                }
                Err(WriteError::Failed(error)) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| storage("")))
    }

    async fn acquire(&self) -> Result<LeaseGrant, OAuthError> {
        let name = format!("oauth:{}:{}", self.exchange.provider(), self.account);
        let (holder, now) = (self.ids.fresh(), self.clock.now());
        let grant = self.keeper.store().acquire_lease(&name, &holder, now, LEASE).await;
        grant.map_err(|error| OAuthError::storage(OPERATION, error))
    }

    async fn read(&self) -> Result<Option<Kept>, OAuthError> {
        let Some(row) = self.keeper.get(self.key()).await.map_err(kept_error)? else {
            return Ok(None);
        };
        let tokens = TokenSet::from_secret(&row.secret).ok_or_else(|| storage("not a set of tokens"))?;
        Ok(Some(Kept { tokens, row }))
    }

    async fn write(
        &self,
        tokens: &TokenSet,
        over: Option<&KeptSecret>,
        lease: Option<&LeaseToken>,
    ) -> Result<Kept, WriteError> {
        let secret = tokens.to_secret().ok_or_else(|| WriteError::Failed(storage("")))?;
        match self.keeper.put(self.key(), &secret, over, lease).await {
            Ok(row) => Ok(Kept { tokens: tokens.clone(), row }),
            Err(KeeperError::Store(error)) if matches!(error.kind, StoreErrorKind::Conflict { .. }) => {
                Err(WriteError::Changed)
            }
            Err(error) => Err(WriteError::Failed(kept_error(error))),
        }
    }

    fn key(&self) -> SecretKey<'_> {
        SecretKey { account: &self.account, provider: self.exchange.provider(), field: FIELD }
    }
}

/// Providers run on the access that lasts. The [`OAuthError`] is the source of what they report, and says why a person is
/// needed.
#[async_trait]
impl TokenSource for Access {
    async fn token(&self) -> calsync_core::provider::Result<Secret> {
        Ok(Self::token(self).await?)
    }

    async fn rejected(&self, token: &Secret) -> calsync_core::provider::Result<()> {
        self.instead_of(token).await?;
        Ok(())
    }

    async fn challenged(&self, token: &Secret, claims: &str) -> calsync_core::provider::Result<()> {
        Ok(self.challenged_with(token, claims).await?)
    }
}

enum WriteError {
    Changed,
    Failed(OAuthError),
}

fn reauth(reason: ReauthReason) -> OAuthError {
    OAuthError::new(OAuthErrorKind::NeedsReauth(reason), OPERATION, "")
}

fn storage(detail: impl Into<String>) -> OAuthError {
    OAuthError::new(OAuthErrorKind::Storage, OPERATION, detail)
}

fn kept_error(error: KeeperError) -> OAuthError {
    match error {
        KeeperError::Store(error) => OAuthError::storage(OPERATION, error),
        KeeperError::Vault(error) => OAuthError::storage(OPERATION, error),
        error => OAuthError::storage(OPERATION, error),
    }
}
