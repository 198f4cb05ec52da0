//! The other side: somebody with a phone, who edits the server directly and knows nothing of calsync's database.

use std::error::Error;

use calsync_core::{
    context::{Clock, SystemClock},
    model::{EventBody, RemoteCalendarId, RemoteId, Version},
    provider::{ChangesRequest, Fetched, ItemChange, Payload, PeoplePolicy, Provider, RenderRequest},
};
use calsync_providers::caldav::CalDavProvider;

/// A phone.
pub(crate) struct Phone {
    pub(crate) server: CalDavProvider,
    pub(crate) calendar: RemoteCalendarId,
}

impl Phone {
    /// The names of everything on the server.
    pub(crate) async fn names(&self) -> Result<Vec<RemoteId>, Box<dyn Error>> {
        let page = self.server.changes(&self.calendar, ChangesRequest::default()).await?;
        Ok(page
            .changes
            .into_iter()
            .filter(|change| matches!(change.change, ItemChange::Present { .. }))
            .map(|change| change.id)
            .collect())
    }

    /// Changes the event with a UID.
    pub(crate) async fn edit(
        &self,
        uid: &str,
        change: impl FnOnce(&mut EventBody),
    ) -> Result<(), Box<dyn Error>> {
        for (id, version, payload) in self.items().await? {
            let mut event = self.server.read(&payload)?;
            if event.uid != uid {
                continue;
            }
            if let Some(body) = &mut event.master {
                change(body);
            }
            let rendered = self.server.render(RenderRequest {
                event: &event,
                original: Some(&payload),
                now: SystemClock.now(),
                people: PeoplePolicy::default(),
            })?;
            self.server.update(&self.calendar, &id, &version, &rendered.payload).await?;
            return Ok(());
        }
        Err(format!("the server has no event {uid}").into())
    }

    /// Deletes the first `count` events; returns what they were.
    pub(crate) async fn delete(&self, count: usize) -> Result<Vec<(RemoteId, Payload)>, Box<dyn Error>> {
        let mut deleted = Vec::new();
        for (id, version, payload) in self.items().await?.into_iter().take(count) {
            self.server.delete(&self.calendar, &id, &version).await?;
            deleted.push((id, payload));
        }
        Ok(deleted)
    }

    /// The title and place of the event with a UID.
    pub(crate) async fn look(&self, uid: &str) -> Result<String, Box<dyn Error>> {
        for (_, _, payload) in self.items().await? {
            let event = self.server.read(&payload)?;
            if event.uid == uid {
                return Ok(event.body().map(crate::story::describe).unwrap_or_default());
            }
        }
        Err(format!("the server has no event {uid}").into())
    }

    async fn items(&self) -> Result<Vec<(RemoteId, Version, Payload)>, Box<dyn Error>> {
        let names = self.names().await?;
        let mut items = Vec::new();
        for names in names.chunks(50) {
            for fetched in self.server.fetch(&self.calendar, names).await? {
                if let Fetched::Found { id, version: Some(version), payload } = fetched {
                    items.push((id, version, payload));
                }
            }
        }
        Ok(items)
    }
}
