//! Payloads: items read whole, several at once.

use calsync_core::{
    model::{RemoteCalendarId, RemoteId},
    provider::{ErrorKind, Fetched, ProviderError, Result},
};

use super::{
    batch::Part,
    error, item,
    provider::MicrosoftProvider,
    wire::{Object, text},
};

const OPERATION: &str = "fetch";

/// What a look at one item gave.
pub(crate) enum Look {
    /// The item, whole.
    There(Object),
    /// An instance of a series: the item is its master.
    Instance {
        master: String,
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
                Look::There(object) => Fetched::Found {
                    id: id.clone(),
                    version: item::version(&object),
                    payload: item::payload(object),
                },
                Look::Gone | Look::Instance { .. } => Fetched::Missing(id.clone()),
                Look::Failed(error) => Fetched::Failed(id.clone(), error),
            });
        }
        for asked in ids {
            let Some(fresh) = item::proposed(asked) else { continue };
            fetched.push(match self.find(calendar, fresh, OPERATION).await? {
                // Its creation was begun and not finished: it goes on when it is sent again.
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
            });
        }
        Ok(fetched)
    }

    /// Looks at items by their ids, in the order asked.
    pub(super) async fn look(&self, operation: &'static str, ids: &[RemoteId]) -> Result<Vec<Look>> {
        let paths: Vec<String> = ids.iter().map(|id| self.paths.whole(id.as_str())).collect();
        let mut looks: Vec<Look> = Vec::with_capacity(ids.len());
        let mut late = Vec::new();
        for (index, part) in self.get_all(operation, &paths).await?.into_iter().enumerate() {
            let look = self.judge(operation, part);
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
                    *look = self.judge(operation, part);
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
        if (200..300).contains(&part.status) {
            return match (
                text(&part.body, "id"),
                text(&part.body, "type"),
                text(&part.body, "seriesMasterId"),
            ) {
                (None, ..) => Look::Failed(error::unusable(operation, "the answer is no event")),
                (Some(id), Some("occurrence" | "exception"), Some(master)) if id != master => {
                    Look::Instance { master: master.to_owned() }
                }
                _ => Look::There(part.body),
            };
        }
        let error = error::of(operation, &part.refusal(), self.now());
        if error.kind == ErrorKind::NotFound { Look::Gone } else { Look::Failed(error) }
    }

    /// One item by itself.
    pub(super) async fn look_at(&self, operation: &'static str, id: &RemoteId) -> Result<Option<Object>> {
        let request =
            super::calls::request(http::Method::GET, self.url(&self.paths.whole(id.as_str()), operation)?);
        let answer = self.send(operation, request).await?;
        match self.success(operation, &answer) {
            Ok(body) => super::wire::object(body)
                .filter(|object| text(object, "id").is_some())
                .map(Some)
                .ok_or_else(|| error::unusable(operation, "the answer is no event")),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The item calsync made under an identifier.
    pub(super) async fn find(
        &self,
        calendar: &RemoteCalendarId,
        fresh: &str,
        operation: &'static str,
    ) -> Result<Option<Object>> {
        let page = self.page(operation, self.url(&self.paths.made_as(calendar, fresh), operation)?).await?;
        let Some(id) = page.items.iter().find_map(|item| text(item, "id")) else { return Ok(None) };
        self.look_at(operation, &RemoteId::from(id)).await
    }

    pub(super) fn is_unfinished(&self, object: &Object) -> bool {
        item::Unfinished::of(object, &self.config.property_set)
            .is_some_and(|unfinished| unfinished.is_fresh(self.now()))
    }
}
