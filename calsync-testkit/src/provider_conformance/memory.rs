//! The suite's own example: the provider that keeps everything in memory.

use async_trait::async_trait;
use calsync_core::{
    model::{EventBody, Override, RecurrenceId, RemoteCalendarId, RemoteId},
    provider::{ErrorKind, Payload, Provider},
};

use super::{Account, Cannot, Edit, Sample, Trouble, sample::berlin};
use crate::remote::{MemoryRemote, RemoteFault};

/// [`MemoryRemote`] as the suite sees it.
pub struct MemoryAccount {
    remote: MemoryRemote,
}

impl Default for MemoryAccount {
    fn default() -> Self {
        Self { remote: MemoryRemote::default().with_page(3) }
    }
}

#[async_trait]
impl Account for MemoryAccount {
    fn provider(&self) -> &dyn Provider {
        &self.remote
    }

    fn calendar(&self) -> RemoteCalendarId {
        RemoteCalendarId::from("memory")
    }

    fn page_max(&self) -> Option<usize> {
        Some(3)
    }

    async fn put(&self, sample: Sample) -> Result<RemoteId, Cannot> {
        let id = RemoteId::from(sample.uid());
        match sample {
            Sample::Broken => self.remote.put_payload(id.as_str(), Payload::new("?")),
            _ => self.remote.put(id.as_str(), &sample.event()),
        }
        Ok(id)
    }

    async fn edit(&self, id: &RemoteId, edit: Edit) -> Result<(), Cannot> {
        if edit == Edit::Delete {
            self.remote.remove(id.as_str());
            return Ok(());
        }
        let mut event = self.remote.get(id).expect("the item is there");
        let master = event.master.as_mut().expect("a master");
        let key = |day| RecurrenceId::of(&berlin(2, day, 10, 0));
        match edit {
            Edit::Title(title) => master.title = Some(title.to_owned()),
            Edit::InstanceTitle(title) => {
                let mut time = master.time.clone();
                (time.start, time.end) = (berlin(2, 2, 10, 0), berlin(2, 2, 11, 0));
                let body = Box::new(EventBody { title: Some(title.to_owned()), ..EventBody::new(time) });
                event.overrides.insert(key(2), Override::Changed { body, scope: Default::default() });
            }
            Edit::CancelInstance => {
                event.overrides.insert(key(9), Override::Excluded);
            }
            Edit::Delete => {}
        }
        self.remote.put(id.as_str(), &event);
        Ok(())
    }

    async fn trouble(&self, trouble: Trouble) -> Result<(), Cannot> {
        let write = ["create", "update", "delete"];
        let fail = |operations: &[&'static str], fault: RemoteFault| {
            for operation in operations {
                self.remote.fail(operation, fault.clone());
            }
        };
        match trouble {
            Trouble::CursorsLost => self.remote.forget_cursors(),
            Trouble::AnswerLost => fail(&write, RemoteFault::After),
            Trouble::WriteRefused => fail(&["create"], RemoteFault::Before(ErrorKind::Refused)),
            Trouble::WriteForbidden => fail(&["create"], RemoteFault::Before(ErrorKind::Forbidden)),
            Trouble::ListingCut => fail(&["changes"], RemoteFault::Before(ErrorKind::Protocol)),
            Trouble::CalendarGone
            | Trouble::SecondPageFails
            | Trouble::Throttled
            | Trouble::Unauthorized
            | Trouble::WriteDropped => return Err(Cannot("fail like that")),
        }
        Ok(())
    }

    async fn count(&self) -> usize {
        self.remote.items().len()
    }
}
