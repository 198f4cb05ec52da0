//! Up to 20 requests in one (`POST /$batch`): each is answered, throttled and refused by itself.

use std::collections::HashMap;

use calsync_core::provider::{ProviderError, Result};
use futures_util::future::join_all;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde_json::{Value, json};

use super::{
    calls::{self, Call},
    error::{self, Refusal},
    provider::MicrosoftProvider,
    wire::{self, Object, inner, object, text},
};
use crate::http::{
    Answer, HttpError, request_id,
    together::{Batches, again, lost, unsent},
};

/// Graph takes bodies of 4 MB.
const BYTES_MAX: usize = 3 << 20;

/// What one request got, by itself or in a batch.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    /// `None`: no object.
    pub(crate) body: Option<Object>,
}

impl Part {
    fn of(answer: &Answer) -> Self {
        let answer = &answer.response;
        Self { status: answer.status.as_u16(), headers: answer.headers.clone(), body: object(&answer.body) }
    }

    /// One of the `responses` of a batch.
    fn read(part: &Object) -> Option<Self> {
        let status = part.get("status").and_then(Value::as_u64).and_then(|status| u16::try_from(status).ok());
        let status = status.filter(|status| StatusCode::from_u16(*status).is_ok())?;
        let mut headers = HeaderMap::new();
        for (name, value) in inner(part, "headers").into_iter().flatten() {
            let value = match value {
                Value::String(text) => text.clone(),
                Value::Number(number) => number.to_string(),
                _ => continue,
            };
            if let (Ok(name), Ok(value)) =
                (HeaderName::try_from(name.as_str()), HeaderValue::from_str(&value))
            {
                headers.insert(name, value);
            }
        }
        Some(Self { status, headers, body: inner(part, "body").cloned() })
    }

    /// What names the batch, for parts that have no name of their own.
    fn of_batch(mut self, whole: &HeaderMap) -> Self {
        if self.refusal().error.and_then(wire::request_id).is_some() {
            return self;
        }
        for (name, value) in whole.iter().filter(|(name, _)| name.as_str().ends_with("request-id")) {
            self.headers.entry(name).or_insert_with(|| value.clone());
        }
        self
    }

    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    pub(crate) fn refusal(&self) -> Refusal<'_> {
        let error = self.body.as_ref().and_then(|body| inner(body, "error"));
        Refusal { status: self.status, headers: &self.headers, error }
    }
}

impl Batches for MicrosoftProvider {
    type Call = Call;
    /// `None`: a batch with a read that has no answer in it.
    type Answer = Option<Part>;

    fn most(&self) -> usize {
        self.config.batch_max.clamp(1, 20)
    }

    async fn exchange(&self, operation: &'static str, calls: Vec<Call>) -> Vec<Result<Option<Part>>> {
        let mut answers = Vec::with_capacity(calls.len());
        let mut rest = calls.as_slice();
        while !rest.is_empty() {
            let (group, later) = rest.split_at(fitting(rest));
            rest = later;
            match (answers.last(), group) {
                (Some(Err(error)), group) => {
                    let errors: Vec<_> = group.iter().map(|_| Err(unsent(operation, error))).collect();
                    answers.extend(errors);
                }
                (_, [only]) => answers.push(self.alone(operation, only).await),
                (_, group) => answers.extend(self.batch(operation, group).await),
            }
        }
        answers
    }

    fn is_refusal(answer: &Option<Part>) -> bool {
        answer.as_ref().is_none_or(|part| !part.is_success())
    }
}

impl MicrosoftProvider {
    /// Sends one request, with others that are due now.
    ///
    /// `None`: the batch has no answer for it. A write without one is an error, as it may have been applied.
    pub(super) async fn ask(&self, operation: &'static str, call: Call) -> Result<Option<Part>> {
        call.check(operation)?;
        self.together.send(self, operation, call).await
    }

    /// The same for a write.
    pub(super) async fn write(&self, operation: &'static str, call: Call) -> Result<Part> {
        self.ask(operation, call).await?.ok_or_else(|| lost(operation))
    }

    /// Reads several things at once; the answers come in the order asked. `None`: the service did not answer this one.
    pub(super) async fn get_all(
        &self,
        operation: &'static str,
        paths: &[String],
    ) -> Result<Vec<Option<Part>>> {
        let reads = paths.iter().map(|path| self.ask(operation, Call::get(path)));
        join_all(reads).await.into_iter().collect()
    }

    async fn alone(&self, operation: &'static str, call: &Call) -> Result<Option<Part>> {
        let failed = if call.writes() { HttpError::writing } else { HttpError::reading };
        let request = call.request(self.url(&call.path, operation)?, operation)?;
        Ok(Some(Part::of(&self.send_as(operation, request, failed).await?)))
    }

    async fn batch(&self, operation: &'static str, calls: &[Call]) -> Vec<Result<Option<Part>>> {
        let whole = match self.send_batch(operation, calls).await {
            Ok(whole) => whole,
            Err(error) => {
                return calls.iter().map(|call| Err(without_answer(operation, &error, call))).collect();
            }
        };
        if !whole.response.status.is_success() {
            return self.refused(operation, &whole, calls).await;
        }
        let body = object(&whole.response.body);
        let responses = body.as_ref().and_then(|body| body.get("responses")).and_then(Value::as_array);
        let mut parts: HashMap<&str, Option<Part>> = HashMap::new();
        for part in responses.into_iter().flatten().filter_map(Value::as_object) {
            let Some(id) = text(part, "id") else { continue };
            // Two answers to one request: neither can be believed.
            let read = || Part::read(part).map(|part| part.of_batch(&whole.response.headers));
            parts.entry(id).and_modify(|part| *part = None).or_insert_with(read);
        }
        let mut answers = Vec::with_capacity(calls.len());
        for (index, call) in calls.iter().enumerate() {
            answers.push(match parts.remove(index.to_string().as_str()).flatten() {
                // Refused for its token alone: it was not acted on, and is sent again with a fresh one.
                Some(part) if part.status == 401 => self.alone(operation, call).await,
                Some(part) => Ok(Some(part)),
                None if call.writes() => {
                    Err(lost(operation).with_request_id(request_id(&whole.response.headers)))
                }
                None if responses.is_none() => {
                    let headers = &whole.response.headers;
                    Err(error::unusable_answer(operation, headers, "the answer is no batch"))
                }
                None => Ok(None),
            });
        }
        answers
    }

    /// The answers of a batch that was refused as a whole.
    async fn refused(
        &self,
        operation: &'static str,
        whole: &Answer,
        calls: &[Call],
    ) -> Vec<Result<Option<Part>>> {
        let part = Part::of(whole);
        match part.status {
            // What holds for all of them: the account, the service, the pace.
            401 | 403 | 408 | 429 | 500 | 502.. => calls.iter().map(|_| Ok(Some(part.clone()))).collect(),
            // What is in it, and be it in one of them: the others are not to suffer from that.
            _ => self.one_by_one(operation, calls).await,
        }
    }

    async fn one_by_one(&self, operation: &'static str, calls: &[Call]) -> Vec<Result<Option<Part>>> {
        let mut answers: Vec<Result<Option<Part>>> = Vec::with_capacity(calls.len());
        for call in calls {
            answers.push(match answers.last() {
                Some(Err(error)) => Err(unsent(operation, error)),
                _ => self.alone(operation, call).await,
            });
        }
        answers
    }

    async fn send_batch(&self, operation: &'static str, calls: &[Call]) -> Result<Answer> {
        let requests: Vec<Value> = calls.iter().enumerate().map(|(index, call)| call.part(index)).collect();
        let url = self.url("/$batch", operation)?;
        let cost = u32::try_from(calls.len()).unwrap_or(u32::MAX);
        let request = calls::with_json(calls::request(Method::POST, url), &json!({ "requests": requests }));
        self.send_write(operation, request.costing(cost)).await
    }
}

/// How many of these requests one batch may hold: at least one.
fn fitting(calls: &[Call]) -> usize {
    let mut bytes = 0;
    let fits = |call: &&Call| {
        bytes += call.size();
        bytes <= BYTES_MAX
    };
    calls.iter().take_while(fits).count().max(1)
}

/// The error of one request of a batch that failed on the way.
fn without_answer(operation: &'static str, error: &ProviderError, call: &Call) -> ProviderError {
    if call.writes() { again(operation, error) } else { unsent(operation, error) }
}
