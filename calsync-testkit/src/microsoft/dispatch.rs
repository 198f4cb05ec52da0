//! Which path does what.

use super::{
    batch, calendars, delta, events, instances,
    request::{Reply, Request},
    schedule,
    state::State,
    subscriptions,
};

/// Serves one request. What happens besides (notifications) is in the state.
pub(super) fn dispatch(state: &mut State, request: &Request) -> Reply {
    let bearer = request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    if !bearer.is_some_and(|token| token == state.token || state.oauth.accepts(token)) {
        let mut reply =
            Reply::error(401, "InvalidAuthenticationToken", "Access token is empty or not valid.");
        reply.headers.extend(state.oauth.challenge());
        return reply;
    }
    authorised(state, request)
}

pub(super) fn authorised(state: &mut State, request: &Request) -> Reply {
    let path: Vec<&str> = request.path.iter().map(String::as_str).collect();
    let below = match path.as_slice() {
        ["$batch"] => return batch::serve(state, request),
        ["subscriptions", rest @ ..] => return subscriptions::serve(state, request, rest),
        ["me", rest @ ..] | ["users", _, rest @ ..] => rest,
        _ => return unknown(),
    };
    let default = state.default_calendar();
    match below {
        ["calendars"] => calendars::list(state, request),
        ["calendar"] => calendars::one(state, request, &default),
        ["calendar", "getSchedule"] => schedule::serve(state, request),
        ["calendars", calendar] => calendars::one(state, request, calendar),
        ["calendar", rest @ ..] => in_calendar(state, request, &default, rest),
        ["calendars", calendar, "events", id, rest @ ..] if !is_delta(id) => {
            one_event(state, request, id, rest, Some(calendar))
        }
        ["calendars", calendar, rest @ ..] => in_calendar(state, request, calendar, rest),
        ["events"] | ["calendarView"] => in_calendar(state, request, &default, below),
        ["events" | "calendarView", last] if is_delta(last) => in_calendar(state, request, &default, below),
        ["events", id, rest @ ..] => one_event(state, request, id, rest, None),
        _ => unknown(),
    }
}

fn is_delta(segment: &str) -> bool {
    matches!(segment, "delta" | "delta()" | "microsoft.graph.delta" | "microsoft.graph.delta()")
}

fn in_calendar(state: &mut State, request: &Request, calendar: &str, rest: &[&str]) -> Reply {
    if !state.calendars.contains_key(calendar) {
        return Reply::not_found();
    }
    match (request.method.as_str(), rest) {
        ("GET", ["events"]) => events::list(state, request, calendar),
        ("POST", ["events"]) => events::create(state, request, calendar),
        ("GET", ["calendarView"]) => instances::view(state, request, calendar),
        ("GET", ["calendarView", last]) if is_delta(last) => delta::serve(state, request, calendar, true),
        ("GET", ["events", last]) if is_delta(last) => delta::serve(state, request, calendar, false),
        _ => unknown(),
    }
}

fn one_event(state: &mut State, request: &Request, id: &str, rest: &[&str], calendar: Option<&str>) -> Reply {
    let Some(name) = state.name(id) else { return Reply::not_found() };
    if calendar.is_some_and(|calendar| !state.holds(name, calendar)) {
        return Reply::not_found();
    }
    match (request.method.as_str(), rest) {
        ("GET", []) => events::get(state, request, name),
        ("PATCH", []) => events::patch(state, request, name),
        ("DELETE", []) => events::delete(state, request, name),
        ("GET", ["instances"]) => instances::of(state, request, name),
        _ => unknown(),
    }
}

fn unknown() -> Reply {
    Reply::error(400, "BadRequest", "Resource not found for the segment.")
}
