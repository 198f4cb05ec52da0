//! Answers.

use serde_json::{Value, json};

#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Reply {
    pub(super) fn json(body: &Value) -> Self {
        Self::with(200, body)
    }

    fn with(status: u16, body: &Value) -> Self {
        let mut headers = vec![("Content-Type".to_owned(), "application/json; charset=UTF-8".to_owned())];
        if let Some(etag) = body.get("etag").and_then(Value::as_str) {
            headers.push(("ETag".to_owned(), etag.to_owned()));
        }
        Self { status, headers, body: body.to_string().into_bytes() }
    }

    pub(super) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }
}

/// A refusal in Google's form.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) reason: &'static str,
}

pub(super) type Result<T> = std::result::Result<T, Refusal>;

pub(super) fn refuse<T>(status: u16, reason: &'static str) -> Result<T> {
    Err(Refusal { status, reason })
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Self {
        Self::with(refusal.status, &error(refusal.status, refusal.reason))
    }
}

/// A refusal in Google's form.
pub(super) fn error(status: u16, reason: &str) -> Value {
    let domain = match reason {
        "rateLimitExceeded" | "userRateLimitExceeded" | "quotaExceeded" => "usageLimits",
        "fullSyncRequired" | "updatedMinTooLongAgo" => "calendar",
        _ => "global",
    };
    let error = json!({"domain": domain, "reason": reason, "message": reason});
    json!({"error": {"code": status, "message": reason, "errors": [error]}})
}
