//! Calls back into the host's language.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{Code, Failure};

/// The host's side of a call: its store, its resolver, its progress.
#[async_trait]
pub trait Host: Send + Sync {
    /// Calls a method of the host by its name, such as `store.commit`, with an object of named arguments as JSON. Gives
    /// what it returned as JSON.
    async fn call(&self, method: &'static str, args: String) -> Result<String, HostFailure>;

    /// Tells the host how far a run is, as JSON of a [`ProgressModel`](crate::model::ProgressModel). Must not wait.
    fn tell(&self, progress: String);
}

/// Why a call into the host gave nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct HostFailure {
    /// The method.
    pub method: String,
    /// What happened: `failed`, `wrong-type`, `silent`, or what a store may say: `conflict`, `fenced`, `unavailable`,
    /// `full`, `corrupt`, `invalid-input`.
    pub kind: String,
    /// The class of what was thrown or returned. No text of it: it may hold anything.
    pub detail: String,
    /// For `conflict` which expectation did not hold.
    pub expectation: usize,
}

impl HostFailure {
    /// A failure of a kind.
    pub fn new(method: &str, kind: &str, detail: impl Into<String>) -> Self {
        Self { method: method.to_owned(), kind: kind.to_owned(), detail: detail.into(), expectation: 0 }
    }

    pub(crate) fn failure(&self) -> Failure {
        let code = match self.kind.as_str() {
            "wrong-type" => Code::HostType,
            "silent" => Code::HostSilent,
            _ => Code::HostFailed,
        };
        Failure::new(code, self.to_string()).about(self.method.clone())
    }
}

impl fmt::Display for HostFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind.as_str() {
            "wrong-type" => "gave something of the wrong type",
            "silent" => "never answered",
            _ => "failed",
        };
        write!(f, "the host's {} {what}", self.method)?;
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        Ok(())
    }
}

impl fmt::Debug for HostFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for HostFailure {}

tokio::task_local! {
    /// The host of the call that is being carried out. The engine spawns nothing, so it is there wherever a host's method
    /// is needed; and each call uses the event loop it came from.
    pub(crate) static HOST: Option<Arc<dyn Host>>;
}

/// Asks `host`, else the host of the call that is being carried out.
pub(crate) async fn ask<T: DeserializeOwned>(
    host: Option<Arc<dyn Host>>,
    method: &'static str,
    args: Value,
) -> Result<T, HostFailure> {
    let host = host.or_else(|| HOST.try_with(Clone::clone).ok().flatten());
    let Some(host) = host else { return Err(HostFailure::new(method, "silent", "no host is there")) };
    let answer = host.call(method, to_json(&args)).await?;
    serde_json::from_str(&answer).map_err(|error| {
        // The place, never the value.
        HostFailure::new(
            method,
            "wrong-type",
            format!("expected {}, see column {}", type_name::<T>(), error.column()),
        )
    })
}

/// Tells the host of the call that is being carried out.
pub(crate) fn tell<T: Serialize>(progress: &T) {
    if let Ok(Some(host)) = HOST.try_with(Clone::clone) {
        host.tell(to_json(progress));
    }
}

fn to_json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn type_name<T>() -> String {
    let whole = std::any::type_name::<T>();
    let mut short = String::new();
    for word in whole.split_inclusive(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')) {
        short.push_str(word.rsplit("::").next().unwrap_or(word));
    }
    short
}
