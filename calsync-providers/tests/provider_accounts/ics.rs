//! An ICS feed, from a transport that answers as a server with entity tags does.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use calsync_core::{
    context::SystemClock,
    model::{RemoteCalendarId, RemoteId},
    provider::{ChangesRequest, ItemChange, Provider, PullMode},
};
use calsync_providers::{
    http::{HttpError, HttpRequest, HttpResponse, HttpTransport},
    ics::{IcsConfig, IcsProvider},
};
use calsync_testkit::provider_conformance::{Account, Cannot, Edit, Sample, Trouble, icalendar};
use http::{HeaderMap, HeaderValue, StatusCode};

#[derive(Default)]
struct Feed {
    samples: BTreeMap<Sample, Vec<Edit>>,
    trouble: Option<Trouble>,
}

impl Feed {
    fn text(&self) -> String {
        let mut text = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//calsync//conformance//EN\r\n".to_owned();
        for (sample, edits) in &self.samples {
            let file = icalendar(*sample, edits);
            let inner = file.split_once("EN\r\n").unwrap().1;
            text.push_str(inner.strip_suffix("END:VCALENDAR\r\n").unwrap());
        }
        text + "END:VCALENDAR\r\n"
    }
}

struct Server(Arc<Mutex<Feed>>);

#[async_trait]
impl HttpTransport for Server {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let mut feed = self.0.lock().unwrap();
        let mut headers = HeaderMap::new();
        let text = feed.text();
        let tag = format!("\"{}\"", &blake3(&text));
        let known = request.headers.get("if-none-match").is_some_and(|known| known == tag.as_str());
        headers.insert("etag", HeaderValue::from_str(&tag).unwrap());
        headers.insert("content-type", HeaderValue::from_static("text/calendar"));
        let (status, body) = match feed.trouble {
            Some(Trouble::Unauthorized) => (401, String::new()),
            Some(Trouble::CalendarGone) => (410, String::new()),
            Some(Trouble::Throttled) => {
                feed.trouble = None;
                headers.insert("retry-after", HeaderValue::from_static("7"));
                (429, String::new())
            }
            Some(Trouble::ListingCut) => {
                feed.trouble = None;
                (200, text[..text.len() / 2].to_owned())
            }
            _ if known => (304, String::new()),
            _ => (200, text),
        };
        Ok(HttpResponse { status: StatusCode::from_u16(status).unwrap(), headers, body: body.into_bytes() })
    }
}

/// A tag of the text; collisions would show as lost changes.
fn blake3(text: &str) -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

pub(crate) struct IcsAccount {
    feed: Arc<Mutex<Feed>>,
    provider: IcsProvider,
}

impl IcsAccount {
    pub(crate) fn new() -> Self {
        let feed = Arc::new(Mutex::new(Feed::default()));
        let config = IcsConfig { gone_after: 1, ..IcsConfig::new("https://feeds.example.com/calendar.ics") };
        let transport = Arc::new(Server(Arc::clone(&feed)));
        Self { feed, provider: IcsProvider::new(config, transport, Arc::new(SystemClock)).unwrap() }
    }

    fn named(uid: &str) -> String {
        format!("UID:{uid}\r\n")
    }
}

#[async_trait]
impl Account for IcsAccount {
    fn provider(&self) -> &dyn Provider {
        &self.provider
    }

    fn calendar(&self) -> RemoteCalendarId {
        self.provider.calendar().clone()
    }

    /// The name of an item is the provider's.
    async fn put(&self, sample: Sample) -> Result<RemoteId, Cannot> {
        self.feed.lock().unwrap().samples.insert(sample, Vec::new());
        let request = ChangesRequest { cursor: None, mode: PullMode::Snapshot };
        let page = self.provider.changes(self.provider.calendar(), request).await.unwrap();
        let holds = Self::named(&sample.uid());
        let found = page.changes.into_iter().find(|change| match &change.change {
            ItemChange::Present { payload: Some(payload), .. } => payload.as_str().contains(&holds),
            _ => false,
        });
        Ok(found.unwrap().id)
    }

    async fn edit(&self, id: &RemoteId, edit: Edit) -> Result<(), Cannot> {
        let request = ChangesRequest { cursor: None, mode: PullMode::Snapshot };
        let page = self.provider.changes(self.provider.calendar(), request).await.unwrap();
        let change = page.changes.into_iter().find(|change| change.id == *id).unwrap().change;
        let ItemChange::Present { payload: Some(payload), .. } = change else { unreachable!() };
        let mut feed = self.feed.lock().unwrap();
        let sample = *feed
            .samples
            .keys()
            .find(|sample| payload.as_str().contains(&Self::named(&sample.uid())))
            .unwrap();
        match edit {
            Edit::Delete => feed.samples.remove(&sample),
            _ => feed.samples.get_mut(&sample).map(|edits| {
                edits.push(edit);
                Vec::new()
            }),
        };
        Ok(())
    }

    async fn trouble(&self, trouble: Trouble) -> Result<(), Cannot> {
        match trouble {
            Trouble::Unauthorized | Trouble::CalendarGone | Trouble::Throttled | Trouble::ListingCut => {
                self.feed.lock().unwrap().trouble = Some(trouble);
                Ok(())
            }
            Trouble::CursorsLost => Err(Cannot("forget cursors: they are the reader's own")),
            Trouble::SecondPageFails => Err(Cannot("list in pages")),
            _ => Err(Cannot("be written")),
        }
    }

    async fn count(&self) -> usize {
        self.feed.lock().unwrap().samples.len()
    }
}
