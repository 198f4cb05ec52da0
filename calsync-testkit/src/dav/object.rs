//! GET, HEAD, PUT and DELETE of one calendar object.

use std::collections::BTreeMap;

use super::ical;
use super::record::RecordedRequest;
use super::reply::Reply;
use super::state::{Access, Home, Object, State};
use super::switch::{
    BadBody, ChunkedPut, DeleteMissing, EventEnd, GetEtag, IfMatch, IfMatchAny, IfNoneMatch, PutBody,
    PutEtag, PutName, Racing, UidConflict,
};
use super::xml::{CALDAV, DAV, Element, Name};

pub(super) fn get(state: &State, request: &RecordedRequest, home: Home, calendar: &str, name: &str) -> Reply {
    let Some(held) = state.calendar_in(home, calendar) else { return Reply::empty(404) };
    if held.renamed.contains_key(name) && !held.objects.contains_key(name) {
        return Reply::empty(410);
    }
    let Some(object) = state.object(calendar, name) else { return Reply::empty(404) };
    let etag = match state.quirks.get_etag {
        GetEtag::Plain => Some(object.etag.clone()),
        GetEtag::GzipSuffix => Some(format!("{}-gzip\"", object.etag.trim_end_matches('"'))),
        GetEtag::Missing => None,
    };
    let unchanged = request
        .header("if-none-match")
        .is_some_and(|tags| etag.is_some() && (tags.trim() == "*" || lists(tags, &object.etag, Tags::Weak)));
    let mut reply = if unchanged {
        Reply::empty(304)
    } else {
        Reply::text(200, "text/calendar; charset=utf-8", object.body.as_bytes())
    };
    if let Some(etag) = etag {
        reply = reply.header("ETag", etag);
    }
    reply
}

pub(super) fn put(state: &mut State, request: &RecordedRequest, home: Home, id: &str, name: &str) -> Reply {
    let quirks = state.quirks.clone();
    let Some(calendar) = state.calendar_in(home, id) else {
        return Reply::error(409, Name::new(CALDAV, "calendar-collection-location-ok"), &quirks);
    };
    if calendar.access == Access::ReadOnly {
        return Reply::error(403, ical::NEED_PRIVILEGES, &quirks);
    }
    if quirks.chunked_put == ChunkedPut::Refused && request.header("transfer-encoding").is_some() {
        return Reply::plain(400, "A length is required.\n");
    }
    if let Err(reply) = check_conditions(state, request, calendar.objects.get(name), quirks.if_match_put) {
        return reply;
    }
    if request.body.len() > state.max_resource_size {
        return Reply::error(403, Name::new(CALDAV, "max-resource-size"), &quirks);
    }
    let body = String::from_utf8_lossy(&request.body).into_owned();
    let summary = ical::summary(&body);
    let mut broken = ical::broken_precondition(summary.as_ref(), &calendar.components);
    if std::str::from_utf8(&request.body).is_err()
        || quirks.refused_texts.iter().any(|text| body.contains(text.as_str()))
        || quirks.event_end == EventEnd::Required
            && summary.as_ref().is_some_and(|summary| summary.has_endless_event)
    {
        broken = Some(Name::new(CALDAV, "valid-calendar-data"));
    }
    if let Some(precondition) = broken {
        match quirks.bad_body {
            BadBody::Precondition => return Reply::error(403, precondition, &quirks),
            BadBody::PreconditionFailed => return Reply::error(412, precondition, &quirks),
            BadBody::PlainPreconditionFailed => return Reply::plain(412, "No calendar content\n"),
            BadBody::BadRequest => return Reply::plain(400, "Bad Request\n"),
            BadBody::NotFound => return Reply::empty(404),
            BadBody::Unsupported => return Reply::error(415, precondition, &quirks),
            BadBody::ServerError => return Reply::html(500),
            BadBody::Accepted => {}
        }
    }
    let uid = summary.and_then(|summary| summary.uids.first().cloned());
    if let Some(uid) = &uid
        && quirks.uid_conflict != UidConflict::Accepted
        && let Some(other) = taken_by(&calendar.objects, name, uid)
    {
        let href = state.object_href(home, id, &other);
        return uid_conflict(state, &href);
    }
    let exists = calendar.objects.contains_key(name);
    let stored_as = match quirks.put_name {
        _ if exists => name.to_owned(),
        PutName::AsAsked => name.to_owned(),
        PutName::Uid => uid.unwrap_or_else(|| name.to_owned()),
        PutName::Eml => format!("{}.EML", name.strip_suffix(".ics").unwrap_or(name)),
    };
    let body = match quirks.put_body {
        PutBody::Verbatim => body,
        PutBody::Rewritten => ical::rewrite(&body),
    };
    let Some(calendar) = state.calendars.get_mut(id) else { return Reply::empty(404) };
    let etag = calendar.store(&stored_as, body, quirks.etags);
    if stored_as != name {
        calendar.renamed.insert(name.to_owned(), stored_as);
    }
    let reply = Reply::empty(if exists { 204 } else { 201 });
    match quirks.put_etag {
        PutEtag::Strong => reply.header("ETag", etag),
        PutEtag::Missing => reply,
        PutEtag::Weak => reply.header("ETag", format!("W/{etag}")),
        PutEtag::Unquoted => reply.header("ETag", etag.trim_matches('"')),
        PutEtag::PercentEncoded => reply.header("ETag", etag.replace('"', "%22")),
    }
}

/// The name of the object that keeps this UID from being stored here: another object with it, or this one with another UID.
fn taken_by(objects: &BTreeMap<String, Object>, name: &str, uid: &str) -> Option<String> {
    let holds = |object: &Object| object.uids.iter().any(|held| held == uid);
    if let Some((other, _)) = objects.iter().find(|(other, object)| other.as_str() != name && holds(object)) {
        return Some(other.clone());
    }
    let object = objects.get(name)?;
    (!object.uids.is_empty() && !holds(object)).then(|| name.to_owned())
}

fn uid_conflict(state: &State, href: &str) -> Reply {
    let href = Element::dav("href").text(href);
    let conflict = Element::new(CALDAV, "no-uid-conflict");
    let (status, precondition) = match state.quirks.uid_conflict {
        UidConflict::WithHref => (409, conflict.child(href)),
        UidConflict::WithoutHref => (409, conflict),
        UidConflict::Forbidden => (403, conflict.child(href)),
        UidConflict::PreconditionFailed => (412, conflict.child(href)),
        UidConflict::SchedulingObject => {
            (403, Element::new(CALDAV, "unique-scheduling-object-resource").child(href))
        }
        UidConflict::Bare | UidConflict::Accepted => return Reply::empty(409),
    };
    Reply::error_element(status, precondition, &state.quirks)
}

pub(super) fn delete(
    state: &mut State,
    request: &RecordedRequest,
    home: Home,
    id: &str,
    name: &str,
) -> Reply {
    let Some(calendar) = state.calendar_in(home, id) else { return Reply::empty(404) };
    if calendar.access == Access::ReadOnly {
        return Reply::error(403, ical::NEED_PRIVILEGES, &state.quirks);
    }
    let Some(object) = state.object(id, name) else {
        let conditional = request.header("if-match").is_some();
        return match state.quirks.delete_missing {
            DeleteMissing::PreconditionFailed if conditional => {
                Reply::error(412, Name::new(DAV, "if-match"), &state.quirks)
            }
            _ => Reply::empty(404),
        };
    };
    if let Err(reply) = check_conditions(state, request, Some(object), state.quirks.if_match_delete) {
        return reply;
    }
    if let Some(calendar) = state.calendars.get_mut(id) {
        calendar.remove(name);
    }
    Reply::empty(204)
}

/// `If-Match` and `If-None-Match` (RFC 9110, 13.1).
fn check_conditions(
    state: &State,
    request: &RecordedRequest,
    object: Option<&Object>,
    if_match: IfMatch,
) -> Result<(), Reply> {
    let quirks = &state.quirks;
    if let Some(tags) = request.header("if-none-match") {
        let refused = match (tags.trim(), object) {
            ("*", object) => quirks.if_none_match == IfNoneMatch::Honoured && object.is_some(),
            (tags, Some(object)) => lists(tags, &object.etag, Tags::Weak),
            (_, None) => false,
        };
        if refused {
            return Err(Reply::error(412, Name::new(DAV, "if-none-match"), quirks));
        }
    }
    let Some(tags) = request.header("if-match") else { return Ok(()) };
    let passes = if tags.trim() == "*" {
        match quirks.if_match_any {
            IfMatchAny::Honoured => object.is_some(),
            IfMatchAny::Backwards => object.is_none(),
            IfMatchAny::Ignored => true,
        }
    } else {
        match (if_match, object) {
            (IfMatch::Ignored, _) | (IfMatch::PassesWhenMissing, None) => true,
            (_, None) => false,
            (_, Some(object)) => {
                let unquoted =
                    quirks.put_etag == PutEtag::Unquoted && tags.trim() == object.etag.trim_matches('"');
                let raced = quirks.racing == Racing::TwoWinners
                    && object.previous_etag.as_ref().is_some_and(|etag| lists(tags, etag, Tags::Strong));
                unquoted || raced || lists(tags, &object.etag, Tags::Strong)
            }
        }
    };
    if passes { Ok(()) } else { Err(Reply::error(412, Name::new(DAV, "if-match"), quirks)) }
}

/// How entity tags are compared (RFC 9110, 8.8.3.2).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tags {
    Strong,
    Weak,
}

/// Whether a list of entity tags has this one. Tags made here hold no comma.
fn lists(tags: &str, etag: &str, comparison: Tags) -> bool {
    tags.split(',').map(str::trim).any(|tag| match comparison {
        Tags::Strong => tag == etag && !tag.starts_with("W/"),
        Tags::Weak => tag.trim_start_matches("W/") == etag.trim_start_matches("W/"),
    })
}
