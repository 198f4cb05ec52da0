//! Calendar providers for calsync: CalDAV, Google Calendar, Microsoft 365, ICS feeds and Cozi, each behind its feature.
//!
//! Every provider takes an [`http::HttpTransport`]: [`http::ReqwestTransport`] in production, anything else where the
//! host has its own network stack or a test has none. Who has one leaves the feature `reqwest` out, and builds no TLS.

#[cfg(feature = "caldav")]
pub mod caldav;
#[cfg(feature = "cozi")]
pub mod cozi;
#[cfg(feature = "google")]
pub mod google;
pub mod http;
#[cfg(feature = "ics")]
pub mod ics;
#[cfg(any(feature = "cozi", feature = "google", feature = "microsoft"))]
mod json;
#[cfg(feature = "microsoft")]
pub mod microsoft;
#[cfg(feature = "oauth")]
pub mod oauth;
#[cfg(any(feature = "google", feature = "microsoft"))]
pub mod webhook;

/// The example of the project's README, compiled as a test.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
mod readme {}
