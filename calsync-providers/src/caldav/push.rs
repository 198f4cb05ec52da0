//! Writes: each conditional, each refusal understood before it is reported.

use calsync_core::{
    model::{RemoteCalendarId, RemoteId, Version},
    provider::{ErrorKind, Fetched, Payload, ProviderError, Result, Retry, Written},
};
use http::header;
use url::Url;

use super::{
    calls,
    error::{WriteOutcome, writing},
    etag,
    href::resource_id,
    provider::{CalDavProvider, same_resource},
    wire::Multistatus,
    xml::Ns,
};
use crate::http::{Answer, HttpErrorKind, HttpRequest};

/// What is smaller, in bytes, is sent before a server could close the connection on it.
const LARGE: usize = 64 * 1024;

impl CalDavProvider {
    pub(super) async fn put_new(
        &self,
        calendar: &RemoteCalendarId,
        id: &RemoteId,
        payload: &Payload,
    ) -> Result<Written> {
        const OPERATION: &str = "create";
        let (collection, url) = self.places(calendar, id, OPERATION)?;
        let answer = self.send_item(OPERATION, &collection, calls::put::create(url, payload)).await?;
        let error = |kind, detail: &str| ProviderError::new(kind, OPERATION, detail);
        Err(match writing(OPERATION, &answer.response, self.now()) {
            WriteOutcome::Done => {
                if let Some(location) = answer.response.header(header::LOCATION) {
                    self.spellings.learn(&collection, &answer.url, location);
                }
                return Ok(self.settle(&collection, payload, written(&collection, id, &answer)).await);
            }
            WriteOutcome::ConditionFailed => match self.get(&collection, id).await? {
                Fetched::Missing(_) => error(ErrorKind::Refused, "412 although the name is free"),
                _ => error(ErrorKind::AlreadyExists { at: Some(id.clone()) }, "the name is taken"),
            },
            WriteOutcome::UidTaken(href) => {
                self.uid_taken(OPERATION, &collection, &answer.url, href, payload).await
            }
            WriteOutcome::NotFound => match self.parent(OPERATION, &collection).await? {
                // Some servers say "not found" to content they do not like.
                Parent::There => error(ErrorKind::Refused, "404 although the calendar is there"),
                Parent::Gone => error(ErrorKind::CalendarGone, "the calendar is not there"),
            },
            WriteOutcome::Conflict => match self.parent(OPERATION, &collection).await? {
                Parent::Gone => error(ErrorKind::CalendarGone, "the calendar is not there"),
                Parent::There if self.server().bare_conflict_is_uid() => {
                    self.uid_taken(OPERATION, &collection, &answer.url, None, payload).await
                }
                Parent::There => error(ErrorKind::Unavailable, "409 without a reason"),
            },
            WriteOutcome::Failed(error) => error,
        })
    }

    /// Where a new item really is. A server that does not tell its version may have given it another name (Calypso,
    /// DavMail); one that is not under its own name is looked for by its UID. What this cannot tell, the next pull
    /// does: the item is stored, and nothing here makes that an error.
    async fn settle(&self, collection: &Url, payload: &Payload, mut written: Written) -> Written {
        const OPERATION: &str = "create";
        if written.version.is_none()
            && let Ok(Fetched::Missing(_)) = self.get(collection, &written.id).await
            && let Some(found) = self.find_uid(OPERATION, collection, payload).await
        {
            written.id = found;
        }
        written
    }

    pub(super) async fn put_over(
        &self,
        calendar: &RemoteCalendarId,
        id: &RemoteId,
        expected: &Version,
        payload: &Payload,
    ) -> Result<Written> {
        const OPERATION: &str = "update";
        let (collection, url) = self.places(calendar, id, OPERATION)?;
        let error = |kind, detail: &str| ProviderError::new(kind, OPERATION, detail);
        let mut spelling = expected.clone();
        loop {
            let request = calls::put::update(url.clone(), &spelling, payload)
                .map_err(|error| error.writing(OPERATION))?;
            let answer = self.send_item(OPERATION, &collection, request).await?;
            return Err(match writing(OPERATION, &answer.response, self.now()) {
                WriteOutcome::Done => return Ok(written(&collection, id, &answer)),
                WriteOutcome::ConditionFailed => match self.current(OPERATION, &url).await? {
                    Current::Gone => match self.parent(OPERATION, &collection).await? {
                        Parent::There => error(ErrorKind::NotFound, "the item is not there"),
                        Parent::Gone => error(ErrorKind::CalendarGone, "the calendar is not there"),
                    },
                    Current::There { version, spelled } if version.as_ref() == Some(expected) => {
                        // The version is right and the server says it is not: it compares another spelling of the
                        // tag (without quotes, weak), or means something else by 412.
                        match spelled.filter(|spelled| *spelled != spelling) {
                            Some(spelled) if spelling == *expected => {
                                spelling = spelled;
                                continue;
                            }
                            _ => error(ErrorKind::Refused, "412 although the version is the expected one"),
                        }
                    }
                    Current::There { .. } => error(ErrorKind::VersionMismatch, "changed meanwhile"),
                },
                WriteOutcome::UidTaken(href) => {
                    self.uid_taken(OPERATION, &collection, &answer.url, href, payload).await
                }
                WriteOutcome::NotFound => match self.current(OPERATION, &url).await? {
                    Current::There { .. } => error(ErrorKind::Refused, "404 although the item is there"),
                    Current::Gone => match self.parent(OPERATION, &collection).await? {
                        Parent::There => error(ErrorKind::NotFound, "the item is not there"),
                        Parent::Gone => error(ErrorKind::CalendarGone, "the calendar is not there"),
                    },
                },
                WriteOutcome::Conflict => error(ErrorKind::Unavailable, "409 without a reason"),
                WriteOutcome::Failed(error) => error,
            });
        }
    }

    pub(super) async fn remove(
        &self,
        calendar: &RemoteCalendarId,
        id: &RemoteId,
        expected: &Version,
    ) -> Result<()> {
        const OPERATION: &str = "delete";
        let (collection, url) = self.places(calendar, id, OPERATION)?;
        let error = |kind, detail: &str| ProviderError::new(kind, OPERATION, detail);
        if !self.server().honours_if_match_on_delete() {
            match self.current(OPERATION, &url).await? {
                Current::Gone => return self.gone(OPERATION, &collection).await,
                Current::There { version, .. } if version.as_ref() == Some(expected) => {}
                Current::There { .. } => return Err(error(ErrorKind::VersionMismatch, "changed meanwhile")),
            }
        }
        let mut spelling = expected.clone();
        loop {
            let request =
                calls::delete::request(url.clone(), &spelling).map_err(|error| error.writing(OPERATION))?;
            let answer = self.send_write(OPERATION, request).await?;
            return Err(match writing(OPERATION, &answer.response, self.now()) {
                WriteOutcome::Done => return Ok(()),
                WriteOutcome::NotFound => match self.current(OPERATION, &url).await? {
                    Current::Gone => return self.gone(OPERATION, &collection).await,
                    Current::There { .. } => error(ErrorKind::Protocol, "404 although the item is there")
                        .with_retry(Retry::Backoff),
                },
                // "Not that version" is also what some say of an item that is gone.
                WriteOutcome::ConditionFailed => match self.current(OPERATION, &url).await? {
                    Current::Gone => return self.gone(OPERATION, &collection).await,
                    Current::There { version, spelled } if version.as_ref() == Some(expected) => {
                        match spelled.filter(|spelled| *spelled != spelling) {
                            Some(spelled) if spelling == *expected => {
                                spelling = spelled;
                                continue;
                            }
                            _ => error(ErrorKind::Refused, "412 although the version is the expected one"),
                        }
                    }
                    Current::There { .. } => error(ErrorKind::VersionMismatch, "changed meanwhile"),
                },
                WriteOutcome::UidTaken(_) | WriteOutcome::Conflict => {
                    error(ErrorKind::Unavailable, "409 without a reason")
                }
                WriteOutcome::Failed(error) => error,
            });
        }
    }

    /// Sends an item. A server that refuses one for its size, before it has read it, closes a connection that is still
    /// written to, and its refusal may be lost with it (RFC 9112 section 9.6): such an item would be offered for ever as if
    /// the server were down. The server is asked for its limit then.
    async fn send_item(
        &self,
        operation: &'static str,
        collection: &Url,
        request: HttpRequest,
    ) -> Result<Answer> {
        let size = request.body.len();
        let error = match self.client().send(request).await {
            Ok(answer) => return self.seen(operation, answer).await,
            Err(error) => error,
        };
        if error.kind == HttpErrorKind::Interrupted
            && size >= LARGE
            && self.max_resource_size(operation, collection).await.is_some_and(|most| size as u64 > most)
        {
            return Err(ProviderError::new(ErrorKind::TooLarge, operation, "larger than max-resource-size"));
        }
        Err(error.writing(operation))
    }

    /// The size of the largest item the calendar takes, in bytes (RFC 4791 section 5.2.5), where the server tells it.
    async fn max_resource_size(&self, operation: &'static str, collection: &Url) -> Option<u64> {
        let request = calls::propfind::max_resource_size(collection.clone());
        let (multistatus, _) = self.multistatus(operation, request).await.ok()?;
        multistatus.responses.first()?.prop(Ns::CalDav, "max-resource-size")?.text.trim().parse().ok()
    }

    fn places(
        &self,
        calendar: &RemoteCalendarId,
        id: &RemoteId,
        operation: &'static str,
    ) -> Result<(Url, Url)> {
        let collection = self.collection(calendar, operation)?;
        let url = self
            .spellings
            .url(&collection, id)
            .ok_or_else(|| ProviderError::new(ErrorKind::Blocked, operation, "an item of another site"))?;
        Ok((collection, url))
    }

    /// What is there now.
    async fn current(&self, operation: &'static str, url: &Url) -> Result<Current> {
        let answer = self.send(operation, calls::get::request(url.clone())).await?;
        match answer.response.status.as_u16() {
            200 => {
                let spelled = answer.response.header(header::ETAG).map(|tag| tag.trim().to_owned());
                let version = match spelled.as_deref().and_then(etag::version) {
                    Some(version) => Some(version),
                    None => self.etag_of(url).await?,
                };
                Ok(Current::There { version, spelled: spelled.map(Version::from) })
            }
            404 | 410 => Ok(Current::Gone),
            _ => Err(super::error::reading(operation, &answer.response, self.now())),
        }
    }

    /// An item that was to be deleted is not there. Gone with its calendar is not deleted: the calendar may come back.
    async fn gone(&self, operation: &'static str, collection: &Url) -> Result<()> {
        match self.parent(operation, collection).await? {
            Parent::There => Ok(()),
            Parent::Gone => {
                Err(ProviderError::new(ErrorKind::CalendarGone, operation, "the calendar is gone"))
            }
        }
    }

    /// Whether the calendar is there, when an item in it could not be.
    async fn parent(&self, operation: &'static str, collection: &Url) -> Result<Parent> {
        let answer = self.send(operation, calls::propfind::token(collection.clone())).await?;
        match answer.response.status.as_u16() {
            207 => Ok(Parent::There),
            404 | 410 => Ok(Parent::Gone),
            _ => Err(super::error::reading(operation, &answer.response, self.now())),
        }
    }

    /// The UID is stored already: where, from the server's words or by asking for it.
    async fn uid_taken(
        &self,
        operation: &'static str,
        collection: &Url,
        base: &Url,
        href: Option<String>,
        payload: &Payload,
    ) -> ProviderError {
        let mut at = href.and_then(|href| {
            self.spellings.learn(collection, base, &href);
            resource_id(collection, base, &href)
        });
        if at.is_none() {
            at = self.find_uid(operation, collection, payload).await;
        }
        ProviderError::new(ErrorKind::AlreadyExists { at }, operation, "the UID is in use")
    }

    async fn find_uid(
        &self,
        operation: &'static str,
        collection: &Url,
        payload: &Payload,
    ) -> Option<RemoteId> {
        let uid = super::map::uid(payload.as_str())?;
        let request = calls::uid_query::request(collection.clone(), &uid);
        let (multistatus, base): (Multistatus, Url) = self.multistatus(operation, request).await.ok()?;
        self.spellings.learn_all(collection, &base, &multistatus);
        // The filter is a hint to the server and no promise: its answer is checked.
        let mut holders = multistatus.responses.iter().filter(|response| {
            response
                .prop(Ns::CalDav, "calendar-data")
                .is_some_and(|data| super::map::uid(&data.text).as_deref() == Some(uid.as_str()))
        });
        holders.find_map(|response| resource_id(collection, &base, response.hrefs.first()?))
    }
}

enum Current {
    Gone,
    There {
        version: Option<Version>,
        /// The tag as the server spells it in a header.
        spelled: Option<Version>,
    },
}

enum Parent {
    There,
    Gone,
}

/// What a write was answered with. No body is taken for granted: servers store something else than was sent and
/// still give the tag of it.
fn written(collection: &Url, id: &RemoteId, answer: &Answer) -> Written {
    let moved = answer
        .response
        .header(header::LOCATION)
        .and_then(|location| resource_id(collection, &answer.url, location))
        .filter(|moved| !same_resource(moved, id));
    // A tag that comes with another name may be the tag of either.
    let version = match moved {
        Some(_) => None,
        None => answer.response.header(header::ETAG).and_then(etag::version_written),
    };
    Written { id: moved.unwrap_or_else(|| id.clone()), version, payload: None }
}
