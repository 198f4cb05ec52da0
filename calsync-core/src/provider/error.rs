//! What a provider can answer instead of what was asked.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::model::RemoteId;

/// Whose fault an error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fault {
    /// The host's configuration or call.
    Caller,
    /// The provider, or the way to it.
    Provider,
    /// The credentials: a person has to do something.
    Credentials,
    /// The store.
    Store,
    /// A bug in calsync.
    Us,
}

/// Whether trying again can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Not without a change of the input.
    Never,
    /// After a growing, jittered delay.
    Backoff,
    /// Not before this long from now: the provider said so.
    After(Duration),
}

/// What kind of failure it is.
///
/// The names of items hold UIDs and are as private as titles: its `Debug` form, which ends up in logs, shows none.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ErrorKind {
    /// Caller: an argument or setting is wrong.
    InvalidInput,
    /// Caller: the provider does not claim this ability.
    Unsupported,
    /// Caller: the address is not allowed (private range, other scheme, other host).
    Blocked,
    /// Credentials: refused after they were really sent.
    Unauthorized,
    /// Provider: this account may not do that.
    Forbidden,
    /// Provider: the calendar itself is not there any more.
    CalendarGone,
    /// Provider: the item is not there.
    NotFound,
    /// Provider: the item has another version than expected.
    VersionMismatch,
    /// Provider: an item with this name or UID is there already.
    AlreadyExists {
        /// Where, when the provider said.
        at: Option<RemoteId>,
    },
    /// Provider: the content is refused and will be again.
    Refused,
    /// Provider: too large, or over quota.
    TooLarge,
    /// Provider: the cursor is not valid any more.
    CursorInvalid,
    /// Provider: too many requests.
    Throttled,
    /// Provider: not reachable, timed out or failing for now.
    Unavailable,
    /// Provider: the answer makes no sense.
    Protocol,
    /// Us: cannot happen.
    Internal,
}

/// What is known of the effect of a write that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    Unsaid,
    Maybe,
    None,
}

/// A failed call to a provider.
///
/// Messages hold no secret, no event text and no full URL.
#[derive(Debug)]
pub struct ProviderError {
    /// What kind of failure.
    pub kind: ErrorKind,
    /// Whether trying again can help.
    pub retry: Retry,
    /// What was being done.
    pub operation: &'static str,
    /// More for a person, without secrets or event text.
    pub detail: String,
    // Boxed: an error is returned by value everywhere.
    request_id: Option<Box<str>>,
    effect: Effect,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl ProviderError {
    /// An error with the retry advice usual for its kind.
    pub fn new(kind: ErrorKind, operation: &'static str, detail: impl Into<String>) -> Self {
        let retry = match kind {
            ErrorKind::Throttled | ErrorKind::Unavailable => Retry::Backoff,
            _ => Retry::Never,
        };
        Self {
            kind,
            retry,
            operation,
            detail: detail.into(),
            request_id: None,
            effect: Effect::Unsaid,
            source: None,
        }
    }

    /// The answer to an ability that is not claimed.
    pub fn unsupported(operation: &'static str) -> Self {
        Self::new(ErrorKind::Unsupported, operation, "this provider does not offer it")
    }

    /// Sets the retry advice.
    #[must_use]
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// Marks a write whose answer was lost: it may have been applied.
    #[must_use]
    pub fn maybe_applied(mut self) -> Self {
        self.effect = Effect::Maybe;
        self
    }

    /// Marks a write that certainly had no effect, as a part of a batch has none that was refused for the pace while others
    /// were served. A creation marked so is sent again without being looked for first, so it is for creations of a single
    /// request only.
    #[must_use]
    pub fn not_applied(mut self) -> Self {
        self.effect = Effect::None;
        self
    }

    /// Sets the name of the request, unless it has one already. It comes from outside: what is no plain word of at most 128
    /// letters, digits and `-._:|+/=` is dropped.
    #[must_use]
    pub fn with_request_id(mut self, id: Option<&str>) -> Self {
        let is_plain = |id: &&str| {
            (1..=128).contains(&id.len())
                && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:|+/=".contains(&byte))
        };
        if self.request_id.is_none() {
            self.request_id = id.filter(is_plain).map(Into::into);
        }
        self
    }

    /// What the provider calls the request in its own records, or what it was told to call it: to be quoted to its support.
    /// `None` where it says nothing.
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    /// Keeps the cause. It must hold no secret: it is shown to people who debug.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Whether the write may have been applied although it failed.
    pub fn is_ambiguous(&self) -> bool {
        self.effect == Effect::Maybe
    }

    /// Whether the write certainly had no effect. One that failed and is neither this nor [ambiguous](Self::is_ambiguous)
    /// was refused, by somebody who may not know what became of it.
    pub fn is_not_applied(&self) -> bool {
        self.effect == Effect::None
    }

    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self.kind {
            ErrorKind::InvalidInput | ErrorKind::Unsupported | ErrorKind::Blocked => Fault::Caller,
            ErrorKind::Unauthorized => Fault::Credentials,
            ErrorKind::Internal => Fault::Us,
            _ => Fault::Provider,
        }
    }
}

impl fmt::Display for ProviderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.operation, self.kind)?;
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        match &self.request_id {
            Some(id) => write!(f, " (request {id})"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvalidInput => "invalid input",
            Self::Unsupported => "not supported",
            Self::Blocked => "address not allowed",
            Self::Unauthorized => "credentials refused",
            Self::Forbidden => "no permission",
            Self::CalendarGone => "the calendar is gone",
            Self::NotFound => "not found",
            Self::VersionMismatch => "changed meanwhile",
            Self::AlreadyExists { .. } => "exists already",
            Self::Refused => "content refused",
            Self::TooLarge => "too large or over quota",
            Self::CursorInvalid => "sync token not valid any more",
            Self::Throttled => "too many requests",
            Self::Unavailable => "not available",
            Self::Protocol => "unusable answer",
            Self::Internal => "internal error",
        })
    }
}

impl fmt::Debug for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvalidInput => "InvalidInput",
            Self::Unsupported => "Unsupported",
            Self::Blocked => "Blocked",
            Self::Unauthorized => "Unauthorized",
            Self::Forbidden => "Forbidden",
            Self::CalendarGone => "CalendarGone",
            Self::NotFound => "NotFound",
            Self::VersionMismatch => "VersionMismatch",
            Self::AlreadyExists { at: None } => "AlreadyExists { at: None }",
            Self::AlreadyExists { at: Some(_) } => "AlreadyExists { at: Some(..) }",
            Self::Refused => "Refused",
            Self::TooLarge => "TooLarge",
            Self::CursorInvalid => "CursorInvalid",
            Self::Throttled => "Throttled",
            Self::Unavailable => "Unavailable",
            Self::Protocol => "Protocol",
            Self::Internal => "Internal",
        })
    }
}

impl std::error::Error for ProviderError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| &**source as &(dyn std::error::Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_that_is_debugged_names_no_item() {
        let at = Some(RemoteId::from("/cal/lunch-with-ann.ics"));
        let error = ProviderError::new(ErrorKind::AlreadyExists { at }, "create", "the UID is in use");
        let debugged = format!("{error:?} {error:#?} {error}");
        assert!(
            debugged.contains("AlreadyExists { at: Some(..) }") && !debugged.contains("ann"),
            "{debugged}"
        );
    }

    #[test]
    fn the_name_of_a_request_is_shown_and_nothing_else_gets_in_that_way() {
        let error = |id: &str| {
            ProviderError::new(ErrorKind::Refused, "create", "HTTP 400").with_request_id(Some(id)).to_string()
        };
        assert_eq!(error("7f1a-2"), "create: content refused: HTTP 400 (request 7f1a-2)");
        for id in ["", "a b", "a\nb", "Lunch with Ann", "é", &"x".repeat(129)] {
            assert_eq!(error(id), "create: content refused: HTTP 400", "{id}");
        }
        let twice = ProviderError::new(ErrorKind::Refused, "create", "").with_request_id(Some("a"));
        assert_eq!(twice.with_request_id(Some("b")).request_id(), Some("a"));
    }
}
