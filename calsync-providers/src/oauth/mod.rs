//! OAuth 2.0 (RFC 6749, RFC 9700): how an account is connected, and how its access lasts.
//!
//! In: where the provider's endpoints are, a browser that comes back, a clock and randomness. Out: tokens, the account
//! they are for, and a typed reason when a person has to do something.
//!
//! - Authorization code with PKCE (S256, RFC 7636), always. The state is used once, lives 15 minutes, and belongs to the
//!   session and the intent it was made for.
//! - Device code (RFC 8628) where the provider offers it.
//! - Flows and tokens live in the host's store, sealed by the vault, so any worker goes on where another one stopped; of
//!   all workers one renews a token at a time.
//! - What was granted is compared with what was asked for, and the account that came back with the one that was linked.
//!
//! Any standard server works by [`OAuthConfig`]; Google's and Microsoft's are presets.

mod access;
mod account;
mod config;
mod device;
mod error;
mod exchange;
mod flow;
mod flows;
mod scopes;
mod tokens;

pub use access::Access;
pub use account::Account;
pub use config::{ClientAuth, OAuthConfig};
pub use device::{DeviceCode, start_device, wait_for_device};
pub use error::{OAuthError, OAuthErrorKind, ReauthReason, StateProblem};
pub use exchange::{Exchange, Grant};
pub use flow::{Begun, Callback, Intent, Pending, begin, redeem};
pub use flows::{Connected, Flows};
pub use scopes::missing_scopes;
pub use tokens::TokenSet;
