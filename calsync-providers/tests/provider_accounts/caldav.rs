//! CalDAV: the scripted server.

use std::{collections::BTreeMap, sync::Mutex};

use async_trait::async_trait;
use calsync_core::{
    model::{RemoteCalendarId, RemoteId},
    provider::Provider,
};
use calsync_providers::caldav::{CalDavConfig, CalDavProvider};
use calsync_testkit::{
    dav::{DavOptions, DavServer, Fault, Quirks, Truncation, TruncationForm},
    provider_conformance::{Account, Cannot, Edit, Sample, Trouble, icalendar},
};

use super::transport;

pub(crate) struct CalDavAccount {
    server: DavServer,
    provider: CalDavProvider,
    page_max: Option<usize>,
    /// What somebody else stored, and did to it.
    others: Mutex<BTreeMap<RemoteId, (Sample, Vec<Edit>)>>,
}

impl CalDavAccount {
    pub(crate) fn new() -> Self {
        Self::with_page(None)
    }

    /// On a server that cuts its answers to so many entries.
    pub(crate) fn with_page(page_max: Option<usize>) -> Self {
        let truncation = page_max.map(|entries| Truncation { entries, form: TruncationForm::EntryWithError });
        let quirks = Quirks { truncation, ..Quirks::default() };
        let server = DavServer::start(DavOptions::with_quirks(quirks)).unwrap();
        let config = CalDavConfig::new(server.url(), "user", "secret");
        let provider = CalDavProvider::new(config, transport()).unwrap();
        Self { server, provider, page_max, others: Mutex::default() }
    }
}

fn name(id: &RemoteId) -> &str {
    id.as_str().rsplit('/').next().unwrap_or_default()
}

#[async_trait]
impl Account for CalDavAccount {
    fn provider(&self) -> &dyn Provider {
        &self.provider
    }

    fn calendar(&self) -> RemoteCalendarId {
        RemoteCalendarId::from(format!("{}dav/calendars/user/work/", self.server.url()))
    }

    fn page_max(&self) -> Option<usize> {
        self.page_max
    }

    async fn put(&self, sample: Sample) -> Result<RemoteId, Cannot> {
        let id = RemoteId::from(format!("/dav/calendars/user/work/{}.ics", sample.uid()));
        self.server.put("work", name(&id), &icalendar(sample, &[]));
        self.others.lock().unwrap().insert(id.clone(), (sample, Vec::new()));
        Ok(id)
    }

    async fn edit(&self, id: &RemoteId, edit: Edit) -> Result<(), Cannot> {
        if edit == Edit::Delete {
            self.server.delete("work", name(id));
            return Ok(());
        }
        let mut others = self.others.lock().unwrap();
        let (sample, edits) = others.get_mut(id).unwrap();
        edits.push(edit);
        self.server.put("work", name(id), &icalendar(*sample, edits));
        Ok(())
    }

    async fn trouble(&self, trouble: Trouble) -> Result<(), Cannot> {
        let listing = |fault: Fault| fault.on_method("REPORT").on_body("sync-collection");
        let refusal = |name: &str| {
            let body = format!(
                "<D:error xmlns:D=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\"><{name}/></D:error>"
            );
            Fault::status(403).body(&body).on_method("PUT")
        };
        self.server.inject(match trouble {
            Trouble::ListingCut => listing(Fault::truncate()),
            Trouble::SecondPageFails => listing(Fault::status(503)).nth(2),
            Trouble::AnswerLost => Fault::drop_after().on_method("PUT"),
            Trouble::WriteDropped => Fault::drop_before().on_method("PUT"),
            Trouble::WriteRefused => refusal("C:valid-calendar-data"),
            Trouble::WriteForbidden => refusal("D:need-privileges"),
            Trouble::Throttled => Fault::status(429).retry_after_seconds(7),
            Trouble::CursorsLost => {
                self.server.expire_tokens("work");
                return Ok(());
            }
            Trouble::Unauthorized => {
                self.server.revoke_credentials();
                return Ok(());
            }
            Trouble::CalendarGone => {
                self.server.remove_calendar("work");
                return Ok(());
            }
        });
        Ok(())
    }

    async fn count(&self) -> usize {
        self.server.list("work").len()
    }

    /// A server that schedules mails whoever is invited by a write: counted are people the writes brought in.
    async fn mails(&self) -> Result<u64, Cannot> {
        let invited = |text: &str| text.matches("\nATTENDEE").count();
        let others = self.others.lock().unwrap();
        let added = self.server.list("work").into_iter().map(|(name, _, body)| {
            let before = others.iter().find(|(id, _)| super::caldav::name(id) == name);
            let before = before.map_or(0, |(_, (sample, edits))| invited(&icalendar(*sample, edits)));
            invited(&body).saturating_sub(before)
        });
        Ok(added.sum::<usize>() as u64)
    }
}
