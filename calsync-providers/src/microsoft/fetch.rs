//! Payloads: items read whole, several at once.

use calsync_core::{
    model::{Event, EventTime, RemoteCalendarId, RemoteId},
    provider::{ErrorKind, Fetched, ProviderError, Result},
};

use super::{
    batch::Part,
    calls::Call,
    error, item,
    map::{self, props},
    provider::{MicrosoftProvider, PAGES_MAX},
    wire::{Object, text},
};
use futures_util::future::join_all;
use serde_json::Value;

const OPERATION: &str = "fetch";
/// How the mark of an item that is being made begins, in the place of a version.
const MADE: &str = "new:";

/// What a look at one item gave.
pub(crate) enum Look {
    /// The item, whole.
    There(Object),
    /// An instance of a series: the item is its master, where the account has that.
    Instance {
        master: String,
        instance: Object,
    },
    Gone,
    Failed(ProviderError),
}

impl MicrosoftProvider {
    pub(super) async fn fetch_all(
        &self,
        calendar: &RemoteCalendarId,
        ids: &[RemoteId],
    ) -> Result<Vec<Fetched>> {
        let mut fetched = Vec::with_capacity(ids.len());
        let named: Vec<RemoteId> = ids.iter().filter(|id| item::proposed(id).is_none()).cloned().collect();
        for (id, look) in named.iter().zip(self.look(OPERATION, &named).await?) {
            fetched.push(match look {
                Look::There(object) | Look::Instance { instance: object, .. } => Fetched::Found {
                    id: id.clone(),
                    version: item::version(&object),
                    payload: item::payload(object),
                },
                Look::Gone => Fetched::Missing(id.clone()),
                Look::Failed(error) => Fetched::Failed(id.clone(), error),
            });
        }
        let proposed = ids.iter().filter_map(|asked| Some((asked, item::proposed(asked)?)));
        for found in join_all(proposed.map(|(asked, fresh)| self.by_name(calendar, asked, fresh))).await {
            fetched.push(found?);
        }
        Ok(fetched)
    }

    /// The item that was proposed under a name.
    async fn by_name(&self, calendar: &RemoteCalendarId, asked: &RemoteId, fresh: &str) -> Result<Fetched> {
        let found = match self.find(calendar, fresh, OPERATION).await {
            // An answer that says nothing is about this one, and no other is to suffer.
            Err(error) if error.kind == ErrorKind::Protocol => {
                return Ok(Fetched::Failed(asked.clone(), error));
            }
            found => found?,
        };
        Ok(match found {
            // Its creation was begun and not finished.
            Some(object) if self.is_half_made(&object) => self.take_back(asked, &object).await?,
            Some(object) if self.is_unfinished(&object) => Fetched::Missing(asked.clone()),
            Some(object) => match text(&object, "id") {
                Some(id) => Fetched::Renamed {
                    asked: asked.clone(),
                    id: RemoteId::from(id),
                    version: item::version(&object),
                    payload: item::payload(object),
                },
                None => Fetched::Missing(asked.clone()),
            },
            None => Fetched::Missing(asked.clone()),
        })
    }

    /// Whether the item was being made, in several steps, and is not whole.
    fn is_half_made(&self, object: &Object) -> bool {
        item::Unfinished::of(object, &self.config.property_set)
            .is_some_and(|unfinished| unfinished.expected.starts_with(MADE))
    }

    /// What an item says that is being made, for the mark it carries meanwhile.
    pub(super) fn seal(&self, object: &Object) -> String {
        let read = map::read_payload(&item::payload(object.clone()), &self.options()).ok();
        // What people edit, and Graph does not add to.
        let of = |event: &Event| {
            let master = event.master.as_ref()?;
            let texts = [&master.title, &master.description, &master.location].map(Clone::clone);
            // The name of the zone is in a note that not every answer carries.
            let times = [&master.time.start, &master.time.end].map(EventTime::absolute);
            Some((texts, times, event.rules.clone()))
        };
        let text = serde_json::to_string(&read.as_ref().and_then(of)).unwrap_or_default();
        format!("{MADE}{}", &blake3::hash(text.as_bytes()).to_hex()[..32])
    }

    /// A series that was left half made. Whoever asks for it by the name it was proposed under goes on as if it was not
    /// made, under another name when its event is another one by now: so it is not to stay. What somebody has edited is
    /// not deleted, nor what people were invited to: that goes on when it is sent again.
    async fn take_back(&self, asked: &RemoteId, object: &Object) -> Result<Fetched> {
        let unfinished = item::Unfinished::of(object, &self.config.property_set);
        let is_untouched = unfinished.is_some_and(|unfinished| unfinished.expected == self.seal(object));
        if map::is_meeting(object) {
            return Ok(Fetched::Missing(asked.clone()));
        }
        let id = text(object, "id").map(RemoteId::from).filter(|_| is_untouched);
        let Some(id) = id else {
            let detail =
                "a series that was left half made was edited: it has to be deleted in Outlook by hand";
            let error = ProviderError::new(ErrorKind::Refused, OPERATION, detail);
            return Ok(Fetched::Failed(asked.clone(), error));
        };
        match self.delete_event(OPERATION, &id, item::etag(object).as_deref()).await {
            Ok(()) => Ok(Fetched::Missing(asked.clone())),
            Err(error) if error.kind == ErrorKind::VersionMismatch => Ok(Fetched::Failed(
                asked.clone(),
                ProviderError::new(ErrorKind::Unavailable, OPERATION, "it changed meanwhile"),
            )),
            Err(error) => Err(error),
        }
    }

    /// Looks at items by their ids, in the order asked.
    pub(super) async fn look(&self, operation: &'static str, ids: &[RemoteId]) -> Result<Vec<Look>> {
        let paths: Vec<String> = ids.iter().map(|id| self.paths.whole(id.as_str())).collect();
        let mut looks: Vec<Look> = Vec::with_capacity(ids.len());
        let mut late = Vec::new();
        for (index, part) in self.get_all(operation, &paths).await?.into_iter().enumerate() {
            let look = self.whole(operation, self.judge(operation, part)).await;
            // The rest of a batch may be throttled while its head is served: asked once more, in a batch of their own.
            if matches!(&look, Look::Failed(error) if error.kind == ErrorKind::Throttled) {
                late.push(index);
            }
            looks.push(look);
        }
        if !late.is_empty() && late.len() < ids.len() {
            let again: Vec<String> = late.iter().filter_map(|index| paths.get(*index).cloned()).collect();
            for (index, part) in late.into_iter().zip(self.get_all(operation, &again).await?) {
                if let Some(look) = looks.get_mut(index) {
                    *look = self.whole(operation, self.judge(operation, part)).await;
                }
            }
        }
        // What the account or the service refuses for all is no property of an item.
        let fatal = looks.iter().position(|look| {
            matches!(look, Look::Failed(error) if matches!(error.kind, ErrorKind::Unauthorized | ErrorKind::Throttled))
        });
        if let Some(Look::Failed(error)) = fatal.map(|index| looks.swap_remove(index)) {
            return Err(error);
        }
        Ok(looks)
    }

    fn judge(&self, operation: &'static str, part: Option<Part>) -> Look {
        let Some(part) = part else {
            return Look::Failed(error::unusable(operation, "the batch has no answer for it"));
        };
        if part.is_success() {
            let Some(body) = part.body.filter(|body| text(body, "id").is_some()) else {
                return Look::Failed(error::unusable(operation, "the answer is no event"));
            };
            let is_instance = matches!(text(&body, "type"), Some("occurrence" | "exception"));
            return match text(&body, "seriesMasterId").filter(|_| is_instance).map(ToOwned::to_owned) {
                Some(master) => Look::Instance { master, instance: body },
                None => Look::There(body),
            };
        }
        let error = error::of(operation, &part.refusal(), self.now());
        if error.kind == ErrorKind::NotFound { Look::Gone } else { Look::Failed(error) }
    }

    async fn whole(&self, operation: &'static str, look: Look) -> Look {
        match look {
            Look::There(object) => match self.with_all_exceptions(operation, object).await {
                Ok(object) => Look::There(object),
                Err(error) => Look::Failed(error),
            },
            look => look,
        }
    }

    /// A series whose exceptions do not all fit into one answer, with those of the pages that follow: what is not read would
    /// look undone.
    async fn with_all_exceptions(&self, operation: &'static str, mut object: Object) -> Result<Object> {
        const NEXT: &str = "exceptionOccurrences@odata.nextLink";
        for _ in 0..PAGES_MAX {
            let Some(Value::String(next)) = object.remove(NEXT) else { return Ok(object) };
            let page = self.page(operation, self.link(&next, operation)?).await?;
            if page.broken > 0 {
                return Err(error::unusable(operation, "an exception that is no event"));
            }
            let rows = page.items.into_iter().map(Value::Object);
            match object.entry("exceptionOccurrences").or_insert_with(|| Value::Array(Vec::new())) {
                Value::Array(exceptions) => exceptions.extend(rows),
                _ => return Err(error::unusable(operation, "the exceptions are no list")),
            }
            if let Some(next) = page.next {
                object.insert(NEXT.to_owned(), next.into());
            }
        }
        Err(error::unusable(operation, "the pages do not end"))
    }

    /// One item by itself.
    pub(super) async fn look_at(&self, operation: &'static str, id: &RemoteId) -> Result<Option<Object>> {
        match self.read(operation, &self.paths.whole(id.as_str())).await {
            Ok(body) => {
                let object = body.filter(|object| text(object, "id").is_some());
                let object = object.ok_or_else(|| error::unusable(operation, "the answer is no event"))?;
                self.with_all_exceptions(operation, object).await.map(Some)
            }
            Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The object at a path; `None` when what is there is none.
    pub(super) async fn read(&self, operation: &'static str, path: &str) -> Result<Option<Object>> {
        let part = self.ask(operation, Call::get(path)).await?;
        let part = part.ok_or_else(|| error::unusable(operation, "the batch has no answer for it"))?;
        if part.is_success() {
            return Ok(part.body);
        }
        Err(error::of(operation, &part.refusal(), self.now()))
    }

    /// The item calsync made under an identifier.
    pub(super) async fn find(
        &self,
        calendar: &RemoteCalendarId,
        fresh: &str,
        operation: &'static str,
    ) -> Result<Option<Object>> {
        let found = self.read(operation, &self.paths.made_as(calendar, fresh)).await?;
        let found = found.ok_or_else(|| error::unusable(operation, "the answer is no list"))?;
        // One that cannot be named is there all the same: made again, it would be there twice.
        let named = |row: &Object| text(row, "id").map(|_| true);
        let Some(row) = self.row(operation, found, named).await? else { return Ok(None) };
        let id = text(&row, "id").unwrap_or_default();
        let item = self.look_at(operation, &RemoteId::from(id)).await?;
        let is_it = |item: &Object| {
            text(item, "id") == Some(id)
                && props::get(item, &self.config.property_set, props::CREATE) == Some(fresh)
        };
        match item {
            Some(item) if !is_it(&item) => {
                Err(error::unusable(operation, "what was made before is not what was asked for"))
            }
            item => Ok(item),
        }
    }

    /// Whether the calendar is there. What is no calendar says nothing of it.
    pub(super) async fn has_calendar(
        &self,
        operation: &'static str,
        calendar: &RemoteCalendarId,
    ) -> Result<bool> {
        match self.read(operation, &self.paths.calendar(calendar)).await {
            Ok(Some(found)) if text(&found, "id").is_some() => Ok(true),
            Ok(_) => Err(error::unusable(operation, "the answer is no calendar")),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(super) fn is_unfinished(&self, object: &Object) -> bool {
        item::Unfinished::of(object, &self.config.property_set)
            .is_some_and(|unfinished| unfinished.is_fresh(self.now()))
    }
}
