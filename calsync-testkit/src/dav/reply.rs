//! Answers: statuses, multistatus bodies and errors.

use super::quirks::Quirks;
use super::switch::{ErrorBody, EtagProperty};
use super::xml::{DAV, Element, Name, SOGO_DAV, render};

#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Reply {
    pub(super) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    pub(super) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(super) fn text(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let mut reply = Self::empty(status).header("Content-Type", content_type);
        reply.body = body.into();
        reply
    }

    pub(super) fn plain(status: u16, text: &str) -> Self {
        Self::text(status, "text/plain; charset=utf-8", text)
    }

    pub(super) fn html(status: u16) -> Self {
        let page = format!(
            "<!DOCTYPE html><html><head><title>{status}</title></head><body><h1>{status}</h1></body></html>"
        );
        Self::text(status, "text/html; charset=utf-8", page)
    }

    pub(super) fn xml(status: u16, root: &Element, quirks: &Quirks) -> Self {
        Self::text(status, "application/xml; charset=utf-8", render(root, &quirks.xml))
    }

    pub(super) fn multistatus(responses: Vec<Element>, quirks: &Quirks) -> Self {
        Self::xml(207, &Element::dav("multistatus").children(responses), quirks)
    }

    /// An error with the precondition that failed.
    pub(super) fn error(status: u16, precondition: Name, quirks: &Quirks) -> Self {
        Self::error_element(status, Element::named(precondition), quirks)
    }

    /// As [`Reply::error`], with content in the precondition.
    pub(super) fn error_element(status: u16, precondition: Element, quirks: &Quirks) -> Self {
        match quirks.error_body {
            ErrorBody::Xml => Self::xml(status, &Element::dav("error").child(precondition), quirks),
            ErrorBody::WrongNamespace => {
                Self::xml(status, &Element::new(SOGO_DAV, "error").child(precondition), quirks)
            }
            ErrorBody::Html => Self::html(status),
            ErrorBody::Plain => Self::plain(status, "The request was refused.\n"),
            ErrorBody::Empty => Self::empty(status),
        }
    }
}

/// One `response` with the properties found and those that are missing.
pub(super) fn properties(href: &str, found: Vec<Element>, missing: Vec<Name>) -> Element {
    let mut response = Element::dav("response").child(Element::dav("href").text(href));
    if !found.is_empty() || missing.is_empty() {
        response = response.child(propstat(found, 200));
    }
    if !missing.is_empty() {
        response = response.child(propstat(missing.into_iter().map(Element::named).collect(), 404));
    }
    response
}

pub(super) fn propstat(found: Vec<Element>, status: u16) -> Element {
    Element::dav("propstat").child(Element::dav("prop").children(found)).child(status_line(status))
}

/// One `response` with a status for the resource as a whole.
pub(super) fn status(href: &str, status: u16) -> Element {
    Element::dav("response").child(Element::dav("href").text(href)).child(status_line(status))
}

pub(super) fn status_line(status: u16) -> Element {
    let reason = http::StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason())
        .unwrap_or("Unknown");
    Element::dav("status").text(format!("HTTP/1.1 {status} {reason}"))
}

/// The names inside `prop` of a request body.
pub(super) fn asked(root: &Element) -> Vec<Name> {
    root.find(DAV, "prop")
        .map(|prop| prop.elements().map(|element| element.name.clone()).collect())
        .unwrap_or_default()
}

/// An entity tag as the `getetag` property.
pub(super) fn etag_property(etag: &str, quirks: &Quirks) -> Element {
    let text = match quirks.etag_property {
        EtagProperty::Quoted => etag,
        EtagProperty::Unquoted => etag.trim_matches('"'),
    };
    Element::dav("getetag").text(text)
}
