//! Faults of the network and of a front end, queued by a test.

use std::fmt;
use std::time::Duration;

use super::record::RecordedRequest;

/// A write by somebody else, done as [`DavServer::put`](super::DavServer::put) and
/// [`DavServer::delete`](super::DavServer::delete) do.
#[derive(Clone, PartialEq, Eq)]
pub enum Edit {
    /// Stores a body.
    Put {
        /// The calendar.
        calendar: String,
        /// The name in it.
        name: String,
        /// The body.
        body: String,
    },
    /// Deletes an object.
    Delete {
        /// The calendar.
        calendar: String,
        /// The name in it.
        name: String,
    },
}

impl Edit {
    /// Stores a body.
    pub fn put(calendar: &str, name: &str, body: &str) -> Self {
        Self::Put { calendar: calendar.to_owned(), name: name.to_owned(), body: body.to_owned() }
    }

    /// Deletes an object.
    pub fn delete(calendar: &str, name: &str) -> Self {
        Self::Delete { calendar: calendar.to_owned(), name: name.to_owned() }
    }
}

/// Leaves the body out: it is event text.
impl fmt::Debug for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, calendar, name) = match self {
            Self::Put { calendar, name, .. } => ("Put", calendar, name),
            Self::Delete { calendar, name } => ("Delete", calendar, name),
        };
        f.debug_struct(kind).field("calendar", calendar).field("name", name).finish_non_exhaustive()
    }
}

/// What happens to a request that a [`Fault`] catches.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultAction {
    /// This answer, and the request has no effect.
    Respond {
        /// The status.
        status: u16,
        /// Headers.
        headers: Vec<(String, String)>,
        /// The body.
        body: String,
    },
    /// The connection is closed before the request has an effect.
    DropBefore,
    /// The request takes effect and the connection is closed without an answer.
    DropAfter,
    /// The request takes effect; half of the answer's body is sent, then the connection is closed. An empty body arrives whole.
    Truncate,
    /// The request has no effect and is never answered.
    HangBefore,
    /// The request takes effect and is never answered.
    HangAfter,
    /// Somebody else's write comes first, then the request is served: what the client read before is stale.
    EditBefore(Edit),
    /// The request is served, and somebody else's write follows before the answer arrives: the answer is stale.
    EditAfter(Edit),
    /// The request takes effect; the body arrives in pieces.
    Trickle {
        /// Bytes per piece; 0 counts as 1.
        bytes: usize,
        /// The wait before each piece, on the runtime's clock.
        every: Duration,
    },
}

/// A fault with the requests it catches. Of several queued ones the first that matches acts.
///
/// A new fault catches the next request, whatever it is, and then is used up.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a fault acts once it is given to `DavServer::inject`"]
pub struct Fault {
    action: FaultAction,
    method: Option<String>,
    path: Option<String>,
    body: Option<String>,
    skip: usize,
    /// `None`: for ever.
    left: Option<usize>,
}

impl Fault {
    /// A fault with that action.
    pub fn new(action: FaultAction) -> Self {
        Self { action, method: None, path: None, body: None, skip: 0, left: Some(1) }
    }

    /// An answer with that status and no body.
    pub fn status(status: u16) -> Self {
        Self::new(FaultAction::Respond { status, headers: Vec::new(), body: String::new() })
    }

    /// An answer 200 with a web page, such as a login form.
    pub fn html() -> Self {
        Self::status(200)
            .header("Content-Type", "text/html; charset=utf-8")
            .body("<!DOCTYPE html><html><head><title>Sign in</title></head><body><form></form></body></html>")
    }

    /// [`FaultAction::DropBefore`].
    pub fn drop_before() -> Self {
        Self::new(FaultAction::DropBefore)
    }

    /// [`FaultAction::DropAfter`].
    pub fn drop_after() -> Self {
        Self::new(FaultAction::DropAfter)
    }

    /// [`FaultAction::Truncate`].
    pub fn truncate() -> Self {
        Self::new(FaultAction::Truncate)
    }

    /// [`FaultAction::HangBefore`].
    pub fn hang() -> Self {
        Self::new(FaultAction::HangBefore)
    }

    /// [`FaultAction::EditBefore`].
    pub fn edit_before(edit: Edit) -> Self {
        Self::new(FaultAction::EditBefore(edit))
    }

    /// [`FaultAction::EditAfter`].
    pub fn edit_after(edit: Edit) -> Self {
        Self::new(FaultAction::EditAfter(edit))
    }

    /// [`FaultAction::Trickle`].
    pub fn trickle(bytes: usize, every: Duration) -> Self {
        Self::new(FaultAction::Trickle { bytes, every })
    }

    /// Adds a header to the answer of [`FaultAction::Respond`]; no effect on other actions.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let FaultAction::Respond { headers, .. } = &mut self.action {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// Sets the body of [`FaultAction::Respond`]; no effect on other actions.
    pub fn body(mut self, text: &str) -> Self {
        if let FaultAction::Respond { body, .. } = &mut self.action {
            text.clone_into(body);
        }
        self
    }

    /// `Retry-After` as seconds (RFC 9110, 10.2.3).
    pub fn retry_after_seconds(self, seconds: u64) -> Self {
        self.header("Retry-After", &seconds.to_string())
    }

    /// `Retry-After` as an HTTP date such as `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, 5.6.7).
    pub fn retry_after_date(self, date: &str) -> Self {
        self.header("Retry-After", date)
    }

    /// Catches only this method.
    pub fn on_method(mut self, method: &str) -> Self {
        self.method = Some(method.to_ascii_uppercase());
        self
    }

    /// Catches only paths that contain this text, as sent.
    pub fn on_path(mut self, part: &str) -> Self {
        self.path = Some(part.to_owned());
        self
    }

    /// Catches only bodies that contain this text, such as `sync-collection`.
    pub fn on_body(mut self, part: &str) -> Self {
        self.body = Some(part.to_owned());
        self
    }

    /// Catches the nth matching request from now, counted from 1, instead of the first.
    pub fn nth(mut self, nth: usize) -> Self {
        self.skip = nth.saturating_sub(1);
        self
    }

    /// Acts that many times.
    pub fn times(mut self, times: usize) -> Self {
        self.left = Some(times);
        self
    }

    /// Acts until [`DavServer::clear_faults`](super::DavServer::clear_faults).
    pub fn always(mut self) -> Self {
        self.left = None;
        self
    }

    /// Whether it acts on this request; counts it.
    pub(crate) fn take(&mut self, request: &RecordedRequest) -> Option<FaultAction> {
        let matches = self.left != Some(0)
            && self.method.as_ref().is_none_or(|method| *method == request.method)
            && self.path.as_ref().is_none_or(|part| request.path.contains(part))
            && self.body.as_ref().is_none_or(|part| contains(&request.body, part.as_bytes()));
        if !matches {
            return None;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return None;
        }
        if let Some(left) = &mut self.left {
            *left -= 1;
        }
        Some(self.action.clone())
    }

    pub(crate) fn is_spent(&self) -> bool {
        self.left == Some(0)
    }
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    needle.is_empty() || haystack.windows(needle.len()).any(|window| window == needle)
}
