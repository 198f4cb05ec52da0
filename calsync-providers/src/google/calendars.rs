//! The calendars of an account.

use calsync_core::{
    model::RemoteCalendarId,
    provider::{ErrorKind, ProviderError, RemoteCalendar, Result},
};
use serde_json::Value;

use super::{
    calls,
    provider::{GoogleProvider, Purpose},
    wire::{Object, Page, flag, object, text},
};

const OPERATION: &str = "calendars";

/// Pages of the list: more means that it goes round in circles.
const PAGES_MAX: usize = 1000;

impl GoogleProvider {
    /// The whole list each time: changes of titles and of roles are not in its deltas.
    pub(super) async fn list_calendars(&self) -> Result<Vec<RemoteCalendar>> {
        let mut calendars: Vec<RemoteCalendar> = Vec::new();
        let mut page: Option<String> = None;
        for _ in 0..PAGES_MAX {
            let call = calls::calendar_list(self.config.hidden, page.as_deref());
            let part = self.send(OPERATION, Purpose::Read, call).await?;
            let listed =
                Page::read(self.accept(OPERATION, &part)?).ok_or_else(|| self.unusable(OPERATION, &part))?;
            let entries = listed.items.iter().filter_map(Value::as_object).filter_map(calendar);
            for entry in entries {
                if calendars.iter().all(|known| known.id != entry.id) {
                    calendars.push(entry);
                }
            }
            page = listed.next_page;
            if page.is_none() {
                return Ok(calendars);
            }
        }
        Err(ProviderError::new(ErrorKind::Protocol, OPERATION, "the pages do not end"))
    }
}

impl GoogleProvider {
    /// The address of the account's own calendar. `None` where Google does not say.
    pub(super) async fn primary(&self) -> Result<Option<String>> {
        let part = self.send(OPERATION, Purpose::Read, calls::calendar_entry("primary")).await?;
        let body = match self.accept(OPERATION, &part) {
            // Nor is the list of calendars needed to look after one of them: it has a scope of its own.
            Err(error)
                if matches!(
                    error.kind,
                    ErrorKind::NotFound | ErrorKind::Forbidden | ErrorKind::Unauthorized
                ) =>
            {
                return Ok(None);
            }
            body => body?,
        };
        Ok(object(body).and_then(|entry| text(&entry, "id").map(ToOwned::to_owned)))
    }
}

fn calendar(entry: &Object) -> Option<RemoteCalendar> {
    let id = text(entry, "id").filter(|_| !flag(entry, "deleted"))?;
    let name = text(entry, "summaryOverride").or_else(|| text(entry, "summary")).unwrap_or(id);
    // A role nobody has heard of is not taken for one that may write.
    let may_write =
        matches!(text(entry, "accessRole"), Some("owner" | "writer" | "writerWithoutPrivateAccess"));
    Some(RemoteCalendar {
        id: RemoteCalendarId::from(id),
        name: name.to_owned(),
        color: text(entry, "backgroundColor").map(ToOwned::to_owned),
        read_only: !may_write,
    })
}
