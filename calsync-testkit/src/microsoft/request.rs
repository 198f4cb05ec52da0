//! A request, taken apart.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::state::Object;

/// One request, whether it came by itself or inside a batch.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) method: String,
    /// The segments below the version, decoded.
    pub(super) path: Vec<String>,
    pub(super) query: BTreeMap<String, String>,
    /// Names in lower case.
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Vec<u8>,
    /// Path and query, for links.
    pub(super) raw: String,
}

impl Request {
    /// `target` is path and query; `None` when it does not begin with a version that is served.
    pub(super) fn new(
        method: &str,
        target: &str,
        headers: BTreeMap<String, String>,
        body: Vec<u8>,
    ) -> Option<Self> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let below = path.strip_prefix("/v1.0").or_else(|| path.strip_prefix("/beta"))?;
        let path: Vec<String> = below.split('/').filter(|part| !part.is_empty()).map(decode).collect();
        let query = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(name, value)| (decode(&name.replace('+', " ")), decode(&value.replace('+', " "))))
            .collect();
        let method = method.to_ascii_uppercase();
        Some(Self { method, path, query, headers, body, raw: target.to_owned() })
    }

    pub(super) fn param(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// A preference, without its quotes.
    pub(super) fn preference(&self, name: &str) -> Option<String> {
        self.header("prefer")?.split(',').find_map(|part| {
            let (key, value) = part.split_once('=')?;
            key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"').to_owned())
        })
    }

    pub(super) fn immutable(&self) -> bool {
        self.preference("IdType").is_some_and(|kind| kind == "ImmutableId")
    }

    pub(super) fn json(&self) -> Option<Object> {
        match serde_json::from_slice(&self.body) {
            Ok(Value::Object(object)) => Some(object),
            _ => None,
        }
    }

    pub(super) fn top(&self, most: usize) -> usize {
        let asked = self
            .param("$top")
            .map(ToOwned::to_owned)
            .or_else(|| self.preference("odata.maxpagesize"))
            .and_then(|top| top.parse().ok());
        asked.unwrap_or(10).clamp(1, most.max(1))
    }
}

/// Percent-decoding.
pub(crate) fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        match (bytes[at], hex.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 3;
            }
            (byte, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Percent-encoding of everything but letters, digits and `-._~`.
pub(crate) fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

/// An answer.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Option<Value>,
}

impl Reply {
    pub(super) fn json(status: u16, body: Value) -> Self {
        Self { status, headers: Vec::new(), body: Some(body) }
    }

    pub(super) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: None }
    }

    pub(super) fn error(status: u16, code: &str, message: &str) -> Self {
        Self::json(
            status,
            json!({"error": {"code": code, "message": message, "innerError": {"date": "2026-01-05T09:00:00"}}}),
        )
    }

    pub(super) fn not_found() -> Self {
        Self::error(404, "ErrorItemNotFound", "The specified object was not found in the store.")
    }

    /// Writes what the request is called into the answer.
    pub(super) fn name(&mut self, id: &str, client: Option<&str>) {
        self.headers.push(("request-id".to_owned(), id.to_owned()));
        if let Some(inner) = self.body.as_mut().and_then(|body| body.pointer_mut("/error/innerError")) {
            inner["request-id"] = json!(id);
            inner["client-request-id"] = json!(client.unwrap_or(id));
        }
    }

    pub(super) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }
}
