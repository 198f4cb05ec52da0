//! Payloads: many at once, and one by one where that fails.

use std::collections::HashMap;

use calsync_core::{
    model::{RemoteCalendarId, RemoteId, Version},
    provider::{ErrorKind, Fetched, Payload, ProviderError, Result},
};
use url::Url;

use super::{
    calls, error, etag,
    href::{path_key, resource_id},
    provider::{CalDavProvider, calendar_gone},
    wire::{Multistatus, preconditions},
    xml::Ns,
};
use crate::http::{HttpErrorKind, HttpResponse};

const OPERATION: &str = "fetch";

/// After this many single requests failed one after the other, with none that worked, the server is in trouble and
/// not the items.
const FAILURES_MAX: usize = 5;

/// The most reports that may fail: halving a full batch down to one bad item takes eight.
const POISONED_MAX: usize = 64;
/// The same before any report worked: a server that fails them all is not asked for every half.
const POISONED_FIRST_MAX: usize = 10;

type Found = HashMap<Vec<u8>, (Option<Version>, Payload)>;

impl CalDavProvider {
    /// One answer for each id, in the order asked.
    pub(super) async fn fetch_all(
        &self,
        calendar: &RemoteCalendarId,
        ids: &[RemoteId],
    ) -> Result<Vec<Fetched>> {
        let collection = self.collection(calendar, OPERATION)?;
        let mut found = Found::new();
        let mut batches: Vec<&[RemoteId]> = ids.chunks(self.config.multiget_max.max(1)).rev().collect();
        let (mut read, mut poisoned) = (0, 0);
        while let Some(batch) = batches.pop() {
            let answer = self.multiget(&collection, batch).await?;
            match &answer {
                Batch::Read(_) => read += 1,
                _ => poisoned += 1,
            }
            if poisoned > POISONED_MAX || (read == 0 && poisoned > POISONED_FIRST_MAX) {
                break;
            }
            match answer {
                Batch::Read(part) => found.extend(part),
                // One bad item fails the whole report: halve until it is alone. Alone, a GET is its last chance.
                Batch::Poisoned if batch.len() > 1 => {
                    let (left, right) = batch.split_at(batch.len() / 2);
                    batches.push(right);
                    batches.push(left);
                }
                Batch::Poisoned => {}
                Batch::Unsupported => break,
            }
        }
        let mut fetched = Vec::with_capacity(ids.len());
        let (mut failures, mut successes) = (0, found.len());
        for id in ids {
            // What was asked for counts, not what came back: servers leave out what they do not find.
            let single = match found.get(&path_key(id.as_str())) {
                // What XML could not carry is read by itself: a GET has the bytes.
                Some((version @ Some(_), payload)) if !payload.as_str().contains('\u{fffd}') => {
                    Fetched::Found { id: id.clone(), version: version.clone(), payload: payload.clone() }
                }
                _ => self.get(&collection, id).await?,
            };
            match &single {
                Fetched::Failed(..) => failures += 1,
                _ => successes += 1,
            }
            if failures >= FAILURES_MAX && successes == 0 {
                return match single {
                    Fetched::Failed(_, error) => Err(error),
                    _ => Err(ProviderError::new(ErrorKind::Unavailable, OPERATION, "nothing can be read")),
                };
            }
            fetched.push(single);
        }
        Ok(fetched)
    }

    async fn multiget(&self, collection: &Url, batch: &[RemoteId]) -> Result<Batch> {
        let hrefs: Vec<String> = batch.iter().map(|id| self.spellings.href(id)).collect();
        let request = calls::multiget::request(collection.clone(), hrefs.iter().map(String::as_str));
        let answer = match self.client().send(request).await {
            Ok(answer) => self.seen(OPERATION, answer).await?,
            // Too much at once is a matter of the batch.
            Err(error) if error.kind == HttpErrorKind::TooLarge => return Ok(Batch::Poisoned),
            Err(error) => return Err(error.reading(OPERATION)),
        };
        let (response, base) = (&answer.response, &answer.url);
        match response.status.as_u16() {
            207 => {}
            400 | 500 | 507 => return Ok(Batch::Poisoned),
            405 | 415 | 501 => return Ok(Batch::Unsupported),
            403 if is_report_refused(response) => return Ok(Batch::Unsupported),
            _ => return Err(calendar_gone(error::reading(OPERATION, response, self.now()))),
        }
        let Ok(multistatus) = Multistatus::parse(&response.body) else { return Ok(Batch::Poisoned) };
        let mut found = Found::new();
        for response in &multistatus.responses {
            let Some(data) =
                response.prop(Ns::CalDav, "calendar-data").filter(|data| data.trimmed().is_some())
            else {
                continue;
            };
            let version = response.text(Ns::Dav, "getetag").and_then(etag::version);
            for href in &response.hrefs {
                if let Some(id) = resource_id(collection, base, href) {
                    let payload = Payload::new(data.text.trim_start().to_owned());
                    found.insert(path_key(id.as_str()), (version.clone(), payload));
                }
            }
        }
        Ok(Batch::Read(found))
    }

    /// One item by itself: what several could not tell, and whether it is really gone.
    pub(super) async fn get(&self, collection: &Url, id: &RemoteId) -> Result<Fetched> {
        let Some(url) = self.spellings.url(collection, id) else {
            let error = ProviderError::new(ErrorKind::Blocked, OPERATION, "an item of another site");
            return Ok(Fetched::Failed(id.clone(), error));
        };
        let answer = self.send(OPERATION, calls::get::request(url)).await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) if error.kind == ErrorKind::TooLarge => return Ok(Fetched::Failed(id.clone(), error)),
            Err(error) => return Err(error),
        };
        let response = &answer.response;
        Ok(match response.status.as_u16() {
            200 => match calls::get::content(response) {
                Some((version, payload)) => {
                    let version = match version {
                        Some(version) => Some(version),
                        None => self.etag_of(&answer.url).await?,
                    };
                    Fetched::Found { id: id.clone(), version, payload }
                }
                None => {
                    Fetched::Failed(id.clone(), error::unusable(OPERATION, "the answer is no calendar data"))
                }
            },
            404 | 410 => Fetched::Missing(id.clone()),
            429 | 503 => return Err(error::reading(OPERATION, response, self.now())),
            _ => Fetched::Failed(id.clone(), error::reading(OPERATION, response, self.now())),
        })
    }

    /// The version of one item, where GET does not tell.
    pub(super) async fn etag_of(&self, url: &Url) -> Result<Option<Version>> {
        let answer = self.send(OPERATION, calls::propfind::item(url.clone())).await?;
        let multistatus = self.read_multistatus(OPERATION, &answer.response)?;
        let tag = multistatus.responses.first().and_then(|response| response.text(Ns::Dav, "getetag"));
        Ok(tag.and_then(etag::version))
    }
}

/// What a multiget gave.
enum Batch {
    Read(Found),
    /// Something in it makes the server fail, or its answer unreadable.
    Poisoned,
    /// There is no such report here.
    Unsupported,
}

fn is_report_refused(response: &HttpResponse) -> bool {
    preconditions(&response.body).iter().any(|condition| &*condition.name == "supported-report")
}
