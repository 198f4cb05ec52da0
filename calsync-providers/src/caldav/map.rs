//! Calendar objects to events and back: [`calsync_core::ical`], with what a CalDAV resource is on top (RFC 4791
//! section 4.1): one UID, one component type, no METHOD.

use calsync_core::{
    ical::{ContentLine, Document, ReadOptions, read_calendar},
    model::Event,
    provider::{Payload, ReadError},
};

/// Reads the one event of a resource.
pub(crate) fn read(payload: &Payload) -> Result<Event, ReadError> {
    let error = |reason: String| ReadError { reason };
    let mut options = ReadOptions::default();
    // Objects without a UID get one from their content: the same for the same content, on every server.
    options.feed_key = "caldav".to_owned();
    let document = read_calendar(payload.as_str(), &options).map_err(|cause| error(cause.to_string()))?;
    if let Some(item) = document.quarantined.first() {
        return Err(error(item.reason.to_string()));
    }
    if !document.is_complete {
        return Err(error("the text ends in the middle of it".into()));
    }
    let mut items = document.items.into_iter();
    match (items.next(), items.next()) {
        (Some(item), None) => Ok(item.event),
        (Some(_), Some(_)) => Err(error("one resource holds more than one event".into())),
        (None, _) => Err(error("it holds no event".into())),
    }
}

/// The first UID in a text.
pub(crate) fn uid(text: &str) -> Option<String> {
    Document::new(text.as_bytes()).lines().find_map(|line| {
        let text = line.text();
        let line = ContentLine::parse(&text)?;
        line.is("UID").then(|| line.value().trim().to_owned()).filter(|uid| !uid.is_empty())
    })
}
