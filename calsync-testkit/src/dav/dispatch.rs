//! From a request to its answer: redirects, authentication, then the method.

use super::href::{CONTEXT, Target, path_of};
use super::record::RecordedRequest;
use super::reply::Reply;
use super::state::State;
use super::switch::{Anonymous, RedirectScope, WellKnown};
use super::xml::{DAV, Element, parse};
use super::{collection, object, propfind, report};

pub(super) fn dispatch(state: &mut State, request: &RecordedRequest) -> Reply {
    let target = state.target(&request.path);
    if let Some(reply) = redirect(state, request, &target) {
        return reply;
    }
    if target == Target::WellKnown {
        return well_known(state);
    }
    if let Err(reply) = authenticate(state, request) {
        return reply;
    }
    match (request.method.as_str(), &target) {
        ("OPTIONS", _) => collection::options(state),
        ("PROPFIND", _) => propfind::propfind(state, request, &target),
        ("REPORT", _) => report::report(state, request, &target),
        ("MKCALENDAR" | "MKCOL", _) => collection::make(state, request, &target),
        ("PROPPATCH", _) => collection::proppatch(state, request, &target),
        ("GET" | "HEAD", Target::Object { home, calendar, name }) => {
            object::get(state, request, *home, calendar, name)
        }
        ("PUT", Target::Object { home, calendar, name }) => {
            object::put(state, request, *home, calendar, name)
        }
        ("DELETE", Target::Object { home, calendar, name }) => {
            object::delete(state, request, *home, calendar, name)
        }
        ("DELETE", _) => collection::delete(state, &target),
        ("GET" | "HEAD", Target::Unknown) => Reply::empty(404),
        _ => Reply::empty(405)
            .header("Allow", "OPTIONS, PROPFIND, PROPPATCH, REPORT, MKCALENDAR, MKCOL, DELETE"),
    }
}

fn redirect(state: &State, request: &RecordedRequest, target: &Target) -> Option<Reply> {
    let redirect = state.quirks.redirect.as_ref()?;
    let caught = match redirect.scope {
        RedirectScope::Everything => true,
        RedirectScope::WellKnown => *target == Target::WellKnown,
        RedirectScope::Objects => matches!(target, Target::Object { .. }),
        RedirectScope::Collections => matches!(target, Target::Home(_) | Target::Calendar { .. }),
    };
    // What already lies where the redirect leads is served.
    let arrived =
        !redirect.path_prefix.is_empty() && path_of(&request.path).starts_with(&redirect.path_prefix);
    if !caught || arrived {
        return None;
    }
    let path = match target {
        Target::WellKnown => CONTEXT,
        _ => request.path.as_str(),
    };
    let location = format!("{}{}{path}", redirect.base, redirect.path_prefix);
    Some(Reply::empty(redirect.status).header("Location", location))
}

fn well_known(state: &State) -> Reply {
    match state.quirks.well_known {
        WellKnown::Redirect => Reply::empty(301).header("Location", CONTEXT),
        WellKnown::Found => Reply::empty(302).header("Location", CONTEXT),
        WellKnown::WithoutSlash => {
            Reply::empty(301).header("Location", format!("{}{}", state.base, CONTEXT.trim_end_matches('/')))
        }
        WellKnown::Html => Reply::html(200),
        WellKnown::NotFound => Reply::empty(404),
    }
}

fn authenticate(state: &mut State, request: &RecordedRequest) -> Result<(), Reply> {
    let Some(credentials) = request.header("authorization") else { return anonymous(state, request) };
    let expected = base64(format!("{}:{}", state.user, state.password).as_bytes());
    let accepted = credentials
        .split_once(' ')
        .is_some_and(|(scheme, value)| scheme.eq_ignore_ascii_case("basic") && value.trim() == expected);
    let spent = state.quirks.revoke_after.is_some_and(|limit| state.authenticated >= limit);
    if !accepted || spent || state.revoked {
        return Err(challenge(state));
    }
    state.authenticated += 1;
    Ok(())
}

fn anonymous(state: &State, request: &RecordedRequest) -> Result<(), Reply> {
    match state.quirks.anonymous {
        Anonymous::Open => Ok(()),
        Anonymous::UnauthenticatedPrincipal if request.method == "PROPFIND" => {
            Err(unauthenticated(state, request))
        }
        _ => Err(challenge(state)),
    }
}

fn challenge(state: &State) -> Reply {
    let header = match state.quirks.anonymous {
        Anonymous::ChallengeLowercase => "basic realm=\"calsync\"",
        Anonymous::ChallengeCombined => "X-MobileMe-AuthToken realm=\"calsync\", Basic realm=\"calsync\"",
        Anonymous::SilentChallenge => return Reply::empty(401),
        Anonymous::Challenge | Anonymous::UnauthenticatedPrincipal | Anonymous::Open => {
            "Basic realm=\"calsync\", charset=\"UTF-8\""
        }
    };
    Reply::plain(401, "Authentication is required.\n").header("WWW-Authenticate", header)
}

/// The answer that looks like success: the principal is nobody, everything else is missing.
fn unauthenticated(state: &State, request: &RecordedRequest) -> Reply {
    let names = parse(&request.body).map(|root| super::reply::asked(&root)).unwrap_or_default();
    let (principal, missing): (Vec<_>, Vec<_>) =
        names.into_iter().partition(|name| name.is(DAV, "current-user-principal"));
    let found = principal
        .into_iter()
        .map(|name| Element::named(name).child(Element::dav("unauthenticated")))
        .collect();
    let response = super::reply::properties(path_of(&request.path), found, missing);
    Reply::multistatus(vec![response], &state.quirks)
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0_usize, |group, byte| (group << 8) | usize::from(*byte))
            << (8 * (3 - chunk.len()));
        for position in 0..4 {
            let index = (group >> (18 - 6 * position)) & 63;
            out.push(if position > chunk.len() { '=' } else { char::from(ALPHABET[index]) });
        }
    }
    out
}
