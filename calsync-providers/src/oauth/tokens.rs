//! What a grant consists of.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::ReauthReason;
use crate::http::Secret;

/// Access to an account. `Debug` shows no token.
#[derive(Clone, Debug)]
pub struct TokenSet {
    /// Sent with every request until it expires.
    pub access: Secret,
    /// When it does, by our clock at the time of the answer.
    pub expires: DateTime<Utc>,
    /// What a new access token is asked for with.
    pub refresh: Option<Secret>,
    /// What was granted, when the provider said.
    pub scopes: Option<Vec<String>>,
    /// [`Account::subject`](super::Account::subject), when the provider said.
    pub subject: Option<String>,
    /// When the grant ends, however often it is used: a person has to connect again before. `None`: nobody said that it does.
    pub ends: Option<DateTime<Utc>>,
    /// Why no more tokens come of this grant: the provider refused it.
    pub(super) dead: Option<ReauthReason>,
    /// What the provider wants to see when the person signs in again ([`Intent::claims`](super::Intent::claims)).
    pub(super) claims: Option<String>,
    /// The client they were given to, and no other.
    pub(super) client: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    access: String,
    expires: DateTime<Utc>,
    refresh: Option<String>,
    scopes: Option<Vec<String>>,
    subject: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ends: Option<DateTime<Utc>>,
    #[serde(default)]
    dead: Option<ReauthReason>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    claims: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client: Option<String>,
}

impl Drop for Kept {
    fn drop(&mut self) {
        // What is overwritten is the memory of the tokens, once they are `Secret`s.
        drop(Secret::from(std::mem::take(&mut self.access)));
        drop(self.refresh.take().map(Secret::from));
    }
}

impl TokenSet {
    /// The refresh token a grant without one goes on with: of the same account only, and not one that was refused.
    pub(super) fn inherited(&self, subject: Option<&str>) -> Option<Secret> {
        let is_same = subject.is_some() && self.subject.as_deref() == subject;
        // A challenge is about the access token; the grant was not refused.
        let is_good = matches!(self.dead, None | Some(ReauthReason::ClaimsChallenge));
        self.refresh.clone().filter(|_| is_same && is_good)
    }

    /// One text with everything in it, to be sealed.
    pub(super) fn to_secret(&self) -> Option<Secret> {
        let kept = Kept {
            access: self.access.expose().clone(),
            expires: self.expires,
            refresh: self.refresh.as_ref().map(|token| token.expose().clone()),
            scopes: self.scopes.clone(),
            subject: self.subject.clone(),
            ends: self.ends,
            dead: self.dead,
            claims: self.claims.clone(),
            client: self.client.clone(),
        };
        serde_json::to_string(&kept).ok().map(Secret::from)
    }

    /// Reads what [`to_secret`](Self::to_secret) made.
    pub(super) fn from_secret(secret: &Secret) -> Option<Self> {
        let mut kept: Kept = serde_json::from_str(secret.expose()).ok()?;
        Some(Self {
            access: Secret::from(std::mem::take(&mut kept.access)),
            expires: kept.expires,
            refresh: kept.refresh.take().map(Secret::from),
            scopes: kept.scopes.take(),
            subject: kept.subject.take(),
            ends: kept.ends,
            dead: kept.dead,
            claims: kept.claims.take(),
            client: kept.client.take(),
        })
    }
}
