//! What can be wrong with what a feed's address gave.

use calsync_core::provider::{ErrorKind, ProviderError, Retry};

/// Why an answer is no listing of a calendar. It is the source of the [`ProviderError`] a call fails with.
///
/// None of these is ever an empty calendar: what was read before stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FeedError {
    /// Nothing, or only blanks.
    #[error("the feed is empty")]
    Empty,
    /// Something that is no iCalendar.
    #[error("the feed is no calendar: it looks like {found}")]
    NotCalendar {
        /// What it looks like.
        found: Found,
    },
    /// The text ends before its calendar does: a download that broke off.
    #[error("the feed ends before its END:VCALENDAR")]
    Truncated,
    /// More bytes than allowed, after decompression.
    #[error("the feed is larger than {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// Compressed to a smaller part of its size than text can be.
    #[error("the feed unpacks to more than {limit} times its size")]
    Bomb {
        /// The limit, as a factor.
        limit: usize,
    },
    /// More events than allowed.
    #[error("the feed has more than {limit} events")]
    TooManyEvents {
        /// The limit.
        limit: usize,
    },
    /// The events and the zone definitions each needs are together larger than allowed.
    #[error("the events of the feed take more than {limit} bytes one by one")]
    PayloadsTooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
}

/// What a body that is no calendar looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Found {
    /// HTML or XML: a sign-in page, an error page, an Atom feed.
    Markup,
    /// A PDF document.
    Pdf,
    /// A zip archive, or an office document.
    Zip,
    /// Something compressed once more than expected.
    Gzip,
    /// JSON.
    Json,
    /// Another component: a vCard, or an event without a calendar around it.
    OtherComponent,
    /// Anything else.
    Unknown,
}

impl Found {
    /// Tells from the first bytes.
    pub(super) fn of(bytes: &[u8]) -> Self {
        let start = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes).trim_ascii_start();
        match start {
            [b'<', ..] => Self::Markup,
            [b'%', b'P', b'D', b'F', ..] => Self::Pdf,
            [b'P', b'K', 3 | 5 | 7, ..] => Self::Zip,
            [0x1f, 0x8b, ..] => Self::Gzip,
            [b'{' | b'[', ..] => Self::Json,
            _ if start.get(..6).is_some_and(|head| head.eq_ignore_ascii_case(b"BEGIN:")) => {
                Self::OtherComponent
            }
            _ => Self::Unknown,
        }
    }
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Markup => "a web page",
            Self::Pdf => "a PDF document",
            Self::Zip => "a zip archive",
            Self::Gzip => "compressed data inside compressed data",
            Self::Json => "JSON",
            Self::OtherComponent => "another kind of component",
            Self::Unknown => "something else",
        })
    }
}

impl FeedError {
    /// The error of a provider call. What broke off, or was answered by a page instead of the feed, may be right the
    /// next time.
    pub(super) fn during(self, operation: &'static str) -> ProviderError {
        let (kind, retry) = match self {
            Self::Empty | Self::NotCalendar { .. } | Self::Truncated => (ErrorKind::Protocol, Retry::Backoff),
            Self::TooLarge { .. }
            | Self::Bomb { .. }
            | Self::TooManyEvents { .. }
            | Self::PayloadsTooLarge { .. } => (ErrorKind::TooLarge, Retry::Never),
        };
        ProviderError::new(kind, operation, self.to_string()).with_retry(retry).with_source(self)
    }
}
