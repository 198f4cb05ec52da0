//! Access tokens that expire.

use async_trait::async_trait;
use calsync_core::provider::Result;

use super::Secret;

/// Gives out the access token of one account (RFC 6750), refreshed when need be.
///
/// # Behavior
///
/// - [`TokenSource::token`] is called before every request; it is expected to keep the token, and to refresh it a little
///   before it expires, once for all who wait.
/// - An `Err` of kind [`Unauthorized`](calsync_core::provider::ErrorKind::Unauthorized) means that a person has to sign
///   in again, and is said only of a grant that was refused. A token endpoint that cannot be reached is
///   [`Unavailable`](calsync_core::provider::ErrorKind::Unavailable) (AUTH-06).
#[async_trait]
pub trait TokenSource: Send + Sync {
    /// The token to send now.
    async fn token(&self) -> Result<Secret>;

    /// This token was refused with 401. When it is still the current one, it is replaced before this returns; when
    /// somebody else has replaced it already, there is nothing to do. Called at most once per request.
    async fn rejected(&self, token: &Secret) -> Result<()>;

    /// This token was refused with a claims challenge: `claims` is the JSON of what the service wants to see at the next
    /// sign-in (`error="insufficient_claims"` of
    /// [continuous access evaluation](https://learn.microsoft.com/entra/identity-platform/claims-challenge)). The default
    /// takes it for one that was refused.
    async fn challenged(&self, token: &Secret, claims: &str) -> Result<()> {
        let _ = claims;
        self.rejected(token).await
    }
}

/// A token that is what it is: for tests, and for hosts that hand in a fresh one themselves.
#[async_trait]
impl TokenSource for Secret {
    async fn token(&self) -> Result<Secret> {
        Ok(self.clone())
    }

    async fn rejected(&self, _: &Secret) -> Result<()> {
        Ok(())
    }
}
