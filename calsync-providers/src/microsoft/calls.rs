//! Addresses, parameters and headers of requests.

use calsync_core::{
    model::RemoteCalendarId,
    provider::{ErrorKind, ProviderError, Result},
};
use http::{HeaderValue, Method, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use url::Url;

use super::{config::MicrosoftConfig, map::props};
use crate::http::HttpRequest;

/// Ids hold `=`, `/` and `+`.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Sent with every request: ids that survive moves, times in UTC. Without them on every single one, ids do not match.
pub(crate) const PREFER: &str = "IdType=\"ImmutableId\", outlook.timezone=\"UTC\"";

/// One segment of a path.
pub(crate) fn segment(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

/// The value of a parameter.
pub(crate) fn value(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

/// A text inside a filter: quotes are doubled.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Paths relative to the service's root, as batches want them, with a slash in front.
pub(crate) struct Paths {
    mailbox: String,
    set: String,
    page: usize,
}

impl Paths {
    pub(crate) fn new(config: &MicrosoftConfig) -> Self {
        let mailbox = config.mailbox.split('/').map(segment).collect::<Vec<_>>().join("/");
        Self { mailbox, set: config.property_set.clone(), page: config.page_max.clamp(1, 1000) }
    }

    pub(crate) fn calendars(&self) -> String {
        format!("/{}/calendars?$top=100", self.mailbox)
    }

    pub(crate) fn calendar(&self, calendar: &RemoteCalendarId) -> String {
        format!("/{}/calendars/{}", self.mailbox, segment(calendar.as_str()))
    }

    pub(crate) fn create(&self, calendar: &RemoteCalendarId) -> String {
        format!("{}/events", self.calendar(calendar))
    }

    /// Every single event and master.
    pub(crate) fn events(&self, calendar: &RemoteCalendarId) -> String {
        format!(
            "{}/events?$top={}&$expand={}",
            self.calendar(calendar),
            self.page,
            value(&props::expand(&self.set))
        )
    }

    pub(crate) fn view_delta(&self, calendar: &RemoteCalendarId, from: &str, until: &str) -> String {
        format!(
            "{}/calendarView/delta?startDateTime={}&endDateTime={}",
            self.calendar(calendar),
            value(from),
            value(until)
        )
    }

    pub(crate) fn events_delta(&self, calendar: &RemoteCalendarId, from: &str) -> String {
        format!("{}/events/delta?startDateTime={}", self.calendar(calendar), value(from))
    }

    /// By the id calsync gave it when it was made.
    pub(crate) fn made_as(&self, calendar: &RemoteCalendarId, fresh: &str) -> String {
        let filter = format!(
            "singleValueExtendedProperties/any(ep:ep/id eq {} and ep/value eq {})",
            quoted(&props::id(&self.set, props::CREATE)),
            quoted(fresh)
        );
        format!("{}/events?$filter={}&$select=id,type", self.calendar(calendar), value(&filter))
    }

    pub(crate) fn event(&self, id: &str) -> String {
        format!("/{}/events/{}", self.mailbox, segment(id))
    }

    /// An item with all that belongs to it. `cancelledOccurrences` is given only when it is selected, and selecting one
    /// property selects no other: hence all of them.
    pub(crate) fn whole(&self, id: &str) -> String {
        format!(
            "{}?$select={}&$expand={}",
            self.event(id),
            SELECT.join(","),
            value(&format!("exceptionOccurrences,{}", props::expand(&self.set)))
        )
    }

    pub(crate) fn instances(&self, master: &str, from: &str, until: &str) -> String {
        format!(
            "{}/instances?startDateTime={}&endDateTime={}&$top=100&$select=id,type,start,originalStart,changeKey",
            self.event(master),
            value(from),
            value(until)
        )
    }

    pub(crate) fn schedule(&self) -> String {
        format!("/{}/calendar/getSchedule", self.mailbox)
    }

    /// What a subscription watches.
    pub(crate) fn watched(&self, calendar: &RemoteCalendarId) -> String {
        format!("{}/calendars/{}/events", self.mailbox, calendar.as_str())
    }
}

/// Every property of an event that is kept (`graph.event`, v1.0).
const SELECT: &[&str] = &[
    "id",
    "changeKey",
    "allowNewTimeProposals",
    "attendees",
    "body",
    "cancelledOccurrences",
    "categories",
    "createdDateTime",
    "end",
    "hasAttachments",
    "hideAttendees",
    "iCalUId",
    "importance",
    "isAllDay",
    "isCancelled",
    "isDraft",
    "isOnlineMeeting",
    "isOrganizer",
    "isReminderOn",
    "lastModifiedDateTime",
    "location",
    "locations",
    "onlineMeeting",
    "onlineMeetingProvider",
    "onlineMeetingUrl",
    "organizer",
    "originalEndTimeZone",
    "originalStart",
    "originalStartTimeZone",
    "recurrence",
    "reminderMinutesBeforeStart",
    "responseRequested",
    "responseStatus",
    "sensitivity",
    "seriesMasterId",
    "showAs",
    "start",
    "subject",
    "transactionId",
    "type",
    "webLink",
];

/// One request below the service's root, sent by itself or as a part of a batch.
#[derive(Clone)]
pub(crate) struct Call {
    method: Method,
    /// With a slash in front.
    pub(crate) path: String,
    if_match: Option<String>,
    body: Option<String>,
}

impl Call {
    pub(crate) fn new(method: Method, path: &str) -> Self {
        Self { method, path: path.to_owned(), if_match: None, body: None }
    }

    pub(crate) fn get(path: &str) -> Self {
        Self::new(Method::GET, path)
    }

    pub(crate) fn delete(path: &str) -> Self {
        Self::new(Method::DELETE, path)
    }

    #[must_use]
    pub(crate) fn with_body(mut self, body: &Value) -> Self {
        self.body = Some(body.to_string());
        self
    }

    #[must_use]
    pub(crate) fn matching(mut self, etag: Option<&str>) -> Self {
        self.if_match = etag.map(ToOwned::to_owned);
        self
    }

    /// Whether it changes something.
    pub(crate) fn writes(&self) -> bool {
        self.method != Method::GET
    }

    /// About how many bytes it takes in a batch.
    pub(crate) fn size(&self) -> usize {
        512 + self.path.len() + self.body.as_ref().map_or(0, String::len)
    }

    /// An entity tag came from outside: one that would break the headers cannot be sent.
    pub(crate) fn check(&self, operation: &'static str) -> Result<()> {
        let is_clean = self.if_match.as_ref().is_none_or(|etag| HeaderValue::from_str(etag).is_ok());
        let detail = "a header value holds control characters";
        if is_clean { Ok(()) } else { Err(ProviderError::new(ErrorKind::InvalidInput, operation, detail)) }
    }

    /// As a request of its own.
    pub(crate) fn request(&self, url: Url, operation: &'static str) -> Result<HttpRequest> {
        let mut sent = request(self.method.clone(), url);
        if let Some(body) = &self.body {
            sent = sent.header(header::CONTENT_TYPE, "application/json").body(body.clone());
        }
        if let Some(etag) = &self.if_match {
            sent = sent.try_header(header::IF_MATCH, etag).map_err(|error| error.writing(operation))?;
        }
        Ok(sent)
    }

    /// As a part of a batch.
    pub(crate) fn part(&self, index: usize) -> Value {
        let mut headers = json!({"Prefer": PREFER});
        let mut part = json!({"id": index.to_string(), "method": self.method.as_str(), "url": self.path});
        if let Some(etag) = &self.if_match {
            headers["If-Match"] = etag.as_str().into();
        }
        if let Some(body) = self.body.as_deref().and_then(|body| serde_json::from_str(body).ok()) {
            headers["Content-Type"] = "application/json".into();
            part["body"] = body;
        }
        part["headers"] = headers;
        part
    }
}

/// A request without a body.
pub(crate) fn request(method: Method, url: Url) -> HttpRequest {
    HttpRequest::new(method, url)
        .header(header::ACCEPT, "application/json")
        .header(header::HeaderName::from_static("prefer"), PREFER)
}

/// The same that asks for pages of a size.
pub(crate) fn with_page_size(mut request: HttpRequest, size: usize) -> HttpRequest {
    let text = format!("{PREFER}, odata.maxpagesize={}", size.clamp(1, 1000));
    if let Ok(value) = HeaderValue::from_str(&text) {
        request.headers.insert(header::HeaderName::from_static("prefer"), value);
    }
    request
}

/// An address that asks for no more than so many items.
pub(crate) fn smaller(mut url: Url, size: usize) -> Url {
    let asked = |query: &str| {
        let top = query.split('&').find_map(|pair| pair.strip_prefix("$top="))?;
        top.parse::<usize>().ok().filter(|top| *top > size)
    };
    if let Some(top) = url.query().and_then(asked) {
        let query = url.query().unwrap_or_default().replace(&format!("$top={top}"), &format!("$top={size}"));
        url.set_query(Some(&query));
    }
    url
}

/// A request with a JSON body.
pub(crate) fn with_json(request: HttpRequest, body: &Value) -> HttpRequest {
    request.header(header::CONTENT_TYPE, "application/json").body(body.to_string())
}

/// A path below the root.
pub(crate) fn url(root: &Url, path: &str, operation: &'static str) -> Result<Url> {
    root.join(path.trim_start_matches('/'))
        .map_err(|_| ProviderError::new(ErrorKind::InvalidInput, operation, "an id that fits no address"))
}
