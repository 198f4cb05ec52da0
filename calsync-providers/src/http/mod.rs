//! HTTP as providers need it: one request, one answer, within limits.
//!
//! In: a method, a URL, headers, a body. Out: a status, headers and a body no larger than asked for, or a typed error
//! that says whether the request may have reached the server.
//!
//! [`HttpTransport`] moves one request and knows nothing else. [`HttpClient`] adds what must be the same in every
//! provider: redirects that are checked hop by hop, credentials that only ever go to the site they are for, and a
//! count of requests. [`pace::PacedTransport`] keeps an account below its provider's limits. Nothing here retries: an
//! error says what a scheduler has to know.

mod address;
mod auth;
mod challenge;
mod client;
#[cfg(test)]
mod client_tests;
mod error;
pub mod pace;
mod redirect;
#[cfg(feature = "reqwest")]
mod reqwest_transport;
mod retry;
mod site;
#[cfg(any(test, not(feature = "psl")))]
mod suffix;
#[cfg(any(feature = "google", feature = "microsoft"))]
pub(crate) mod together;
mod token;
mod transport;

pub use address::{AddressPolicy, is_local};
pub use auth::Credentials;
#[cfg(feature = "caldav")]
pub(crate) use auth::wants_only_digest;
pub use calsync_core::secret::Secret;
pub use challenge::ClaimsChallenge;
pub use client::{Answer, ClientOptions, HttpClient};
pub use error::{HttpError, HttpErrorKind};
pub use redirect::RedirectPolicy;
#[cfg(feature = "reqwest")]
pub use reqwest_transport::{ReqwestOptions, ReqwestTransport};
pub use retry::{error_for_status, request_id, retry_after};
#[cfg(feature = "caldav")]
pub(crate) use site::same_host_or_domain;
pub use site::same_site;
pub use token::TokenSource;
pub use transport::{HttpRequest, HttpResponse, HttpTransport, Limits};
