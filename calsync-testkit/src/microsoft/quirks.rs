//! Switches, and faults of single requests.

use serde::{Deserialize, Serialize};

/// How the deletion of one instance shows in a delta query. Reports differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum DeletedInstance {
    /// The rows of the series come again, without it.
    #[default]
    Series,
    /// Its id, as `@removed`.
    Removed,
    /// Not at all.
    Silent,
}

/// What may differ. The default is what the documentation of v1.0 says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Quirks {
    /// The status of a `transactionId` that was used for another event. Default: 409; 400 has been seen.
    pub duplicate_status: u16,
    /// Events on a page of a delta query or a listing, whatever the client asks for. Default: 1,000.
    pub page_max: usize,
    /// Rows of a delta query come twice. Default: no.
    pub delta_repeats: bool,
    /// How the deletion of one instance shows.
    pub deleted_instance: DeletedInstance,
    /// Changing the pattern or the start of a series drops its exceptions and cancelled dates. Default: yes.
    pub drops_exceptions: bool,
    /// `If-Match` is not looked at. Default: it is.
    pub ignores_if_match: bool,
    /// Requests of one batch that are served before the rest is throttled. Default: all.
    pub batch_served: usize,
    /// A change of an exception changes the master's version as well. Default: no.
    pub exception_touches_master: bool,
    /// Notifications are lost. Default: no.
    pub drops_notifications: bool,
    /// Requests served at once before others get 429. Default: 4.
    pub concurrent_max: usize,
}

/// The switches by name, each with another value than its default.
pub(super) const ABOUT: [(&str, &str, &str); 10] = [
    ("duplicate_status", "400", "the status of a transactionId that was used for another event"),
    ("page_max", "2", "events on a page of a delta query or a listing, whatever the client asks for"),
    ("delta_repeats", "true", "rows of a delta query come twice"),
    (
        "deleted_instance",
        "removed",
        "how the deletion of one instance shows: series (default), removed, silent",
    ),
    ("drops_exceptions", "false", "changing the pattern of a series keeps its exceptions"),
    ("ignores_if_match", "true", "If-Match is not looked at"),
    ("batch_served", "5", "requests of one batch that are served before the rest is throttled"),
    ("exception_touches_master", "true", "a change of an exception changes the master's version as well"),
    ("drops_notifications", "true", "notifications are lost"),
    ("concurrent_max", "1", "requests served at once before others get 429"),
];

impl Default for Quirks {
    fn default() -> Self {
        Self {
            duplicate_status: 409,
            page_max: 1000,
            delta_repeats: false,
            deleted_instance: DeletedInstance::default(),
            drops_exceptions: true,
            ignores_if_match: false,
            batch_served: 20,
            exception_touches_master: false,
            drops_notifications: false,
            concurrent_max: 4,
        }
    }
}

/// What happens to requests it catches. A new one catches the next request and is then used up. The requests in a batch
/// are caught as well, after the batch itself: one whose connection would be closed, or left open, has no answer in the
/// batch.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a fault acts once it is given to `GraphServer::inject`"]
pub struct Fault {
    pub(super) action: Action,
    method: Option<String>,
    path: Option<String>,
    skip: usize,
    left: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// This answer; the request has no effect.
    Respond { status: u16, headers: Vec<(String, String)>, body: String },
    /// The connection is closed; the request has no effect.
    DropBefore,
    /// The request takes effect and the connection is closed.
    DropAfter,
    /// There is no answer and no end; the request has no effect.
    HangBefore,
    /// The request takes effect; there is no answer and no end.
    HangAfter,
    /// The request takes effect, and half of the answer arrives.
    Truncate,
}

impl Fault {
    fn new(action: Action) -> Self {
        Self { action, method: None, path: None, skip: 0, left: 1 }
    }

    /// An answer with that status and no body.
    pub fn status(status: u16) -> Self {
        Self::new(Action::Respond { status, headers: Vec::new(), body: String::new() })
    }

    /// An answer with an error of that code.
    pub fn code(status: u16, code: &str) -> Self {
        let body = serde_json::json!({"error": {"code": code, "message": "fault"}}).to_string();
        Self::new(Action::Respond { status, headers: Vec::new(), body })
    }

    /// The connection is closed before the request has an effect.
    pub fn drop_before() -> Self {
        Self::new(Action::DropBefore)
    }

    /// The request takes effect, and nobody hears of it.
    pub fn drop_after() -> Self {
        Self::new(Action::DropAfter)
    }

    /// The request has no effect and is never answered.
    pub fn hang_before() -> Self {
        Self::new(Action::HangBefore)
    }

    /// The request takes effect and is never answered.
    pub fn hang_after() -> Self {
        Self::new(Action::HangAfter)
    }

    /// The request takes effect, and half of the body of the answer arrives.
    pub fn truncate() -> Self {
        Self::new(Action::Truncate)
    }

    /// The body of the answer.
    pub fn body(mut self, text: &str) -> Self {
        if let Action::Respond { body, .. } = &mut self.action {
            text.clone_into(body);
        }
        self
    }

    /// One more header of the answer.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Action::Respond { headers, .. } = &mut self.action {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// Catches requests with this method only.
    pub fn on_method(mut self, method: &str) -> Self {
        self.method = Some(method.to_ascii_uppercase());
        self
    }

    /// Catches requests whose path and query contain this.
    pub fn on_path(mut self, part: &str) -> Self {
        self.path = Some(part.to_owned());
        self
    }

    /// Lets this many requests pass that it would catch.
    pub fn after(mut self, requests: usize) -> Self {
        self.skip = requests;
        self
    }

    /// Acts for ever.
    pub fn always(mut self) -> Self {
        self.left = usize::MAX;
        self
    }

    /// Acts this many times.
    pub fn times(mut self, times: usize) -> Self {
        self.left = times;
        self
    }

    pub(super) fn take(&mut self, method: &str, path: &str) -> Option<Action> {
        let caught = self.left > 0
            && self.method.as_deref().is_none_or(|wanted| wanted == method)
            && self.path.as_deref().is_none_or(|wanted| path.contains(wanted));
        if !caught {
            return None;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return None;
        }
        self.left -= 1;
        Some(self.action.clone())
    }
}
