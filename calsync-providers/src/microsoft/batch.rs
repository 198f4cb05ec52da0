//! Up to 20 requests in one (`POST /$batch`): each is answered, throttled and refused by itself.

use std::collections::HashMap;

use calsync_core::provider::Result;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::{Value, json};

use super::{
    calls::{self, PREFER},
    error::{self, Refusal},
    provider::MicrosoftProvider,
    wire::{Object, inner, list, object, text},
};

/// What one of the requests got.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Object,
}

impl Part {
    pub(crate) fn refusal(&self) -> Refusal<'_> {
        Refusal { status: self.status, headers: &self.headers, error: inner(&self.body, "error") }
    }
}

impl MicrosoftProvider {
    /// Reads several things at once; the answers come in the order asked. `None`: the service did not answer this one.
    pub(super) async fn get_all(
        &self,
        operation: &'static str,
        paths: &[String],
    ) -> Result<Vec<Option<Part>>> {
        let mut answers = Vec::with_capacity(paths.len());
        for group in paths.chunks(self.config.batch_max.clamp(1, 20)) {
            let requests: Vec<Value> = group
                .iter()
                .enumerate()
                .map(|(index, path)| {
                    json!({"id": index.to_string(), "method": "GET", "url": path, "headers": {"Prefer": PREFER}})
                })
                .collect();
            let request = calls::request(Method::POST, self.url("/$batch", operation)?);
            let cost = u32::try_from(requests.len()).unwrap_or(u32::MAX);
            let request = calls::with_json(request, &json!({ "requests": requests })).costing(cost);
            let answer = self.send(operation, request).await?;
            let body = self.success(operation, &answer)?;
            let body = object(body)
                .filter(|body| body.contains_key("responses"))
                .ok_or_else(|| error::unusable(operation, "the answer is no batch"))?;
            let mut parts: HashMap<&str, &Object> = list(&body, "responses")
                .iter()
                .filter_map(Value::as_object)
                .filter_map(|part| Some((text(part, "id")?, part)))
                .collect();
            for index in 0..group.len() {
                answers.push(parts.remove(index.to_string().as_str()).and_then(part));
            }
        }
        Ok(answers)
    }
}

fn part(part: &Object) -> Option<Part> {
    let status = part.get("status").and_then(Value::as_u64).and_then(|status| u16::try_from(status).ok())?;
    let mut headers = HeaderMap::new();
    for (name, value) in inner(part, "headers").into_iter().flatten() {
        let value = value.as_str().map(ToOwned::to_owned).or_else(|| value.as_i64().map(|n| n.to_string()));
        if let (Ok(name), Some(Ok(value))) =
            (HeaderName::try_from(name.as_str()), value.map(|value| HeaderValue::from_str(&value)))
        {
            headers.insert(name, value);
        }
    }
    Some(Part { status, headers, body: inner(part, "body").cloned().unwrap_or_default() })
}
