//! From a request to a reply.

use serde_json::{Value, json};

use super::{page, state::State, write};
use crate::dav::RecordedRequest;

pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Reply {
    fn json(status: u16, body: &Value) -> Self {
        let headers = vec![("Content-Type".to_owned(), "application/json; charset=utf-8".to_owned())];
        Self { status, headers, body: body.to_string().into_bytes() }
    }
}

fn refuse(status: u16, message: &str) -> Reply {
    Reply::json(status, &json!({"message": message}))
}

pub(super) fn answer(state: &mut State, request: &RecordedRequest) -> Reply {
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    if state.quirks.needs_api_key && !query.split('&').any(|pair| pair.starts_with("apikey=")) {
        return refuse(403, "no apikey");
    }
    let Some(path) = path.strip_prefix("/api/ext/") else { return refuse(404, "not found") };
    let segments: Vec<&str> = path.trim_end_matches('/').split('/').collect();
    match (request.method.as_str(), segments.as_slice()) {
        ("POST", ["2207", "auth", "login"]) => return login(state, request),
        ("POST", ["2111", account, "auth", "reauth"]) if *account == state.account => {
            return renew(state, request);
        }
        _ => {}
    }
    let bearer = request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    if !bearer.is_some_and(|token| state.tokens.contains(token)) {
        return refuse(401, "not signed in");
    }
    match (request.method.as_str(), segments.as_slice()) {
        (_, [_, account, ..]) if *account != state.account => refuse(403, "another account"),
        ("GET", ["2004", _, "account"]) => {
            Reply::json(200, &json!({"accountId": state.account, "name": state.name, "timezone": state.zone}))
        }
        ("GET", ["2004", _, "calendar", "item", id]) if !state.quirks.no_item_lookup => {
            match state.items.get(*id) {
                Some(item) => Reply::json(200, &page::shown(item, state.quirks)),
                None => refuse(404, "not found"),
            }
        }
        (method @ ("GET" | "POST"), ["2004", _, "calendar", year, month]) => {
            let (Ok(year), Ok(month @ 1..=12)) = (year.parse(), month.parse()) else {
                return refuse(404, "not found");
            };
            let mut rejected = Vec::new();
            if method == "POST" {
                match write::apply(state, &request.body) {
                    Some(found) => rejected = found,
                    None => return refuse(400, "not a list of operations"),
                }
            }
            let mut page = page::page(state, year, month);
            if !rejected.is_empty() {
                page["rejectedItems"] = rejected.into();
            }
            Reply::json(200, &page)
        }
        _ => refuse(404, "not found"),
    }
}

fn login(state: &mut State, request: &RecordedRequest) -> Reply {
    state.logins += 1;
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    if body["username"] != state.user.as_str() || body["password"] != state.password.as_str() {
        return refuse(401, "wrong name or password");
    }
    grant(state, true)
}

fn renew(state: &mut State, request: &RecordedRequest) -> Reply {
    let cookie = request.header("cookie").and_then(|cookie| cookie.strip_prefix("cozi_refresh="));
    if !cookie.is_some_and(|cookie| state.cookies.contains(cookie)) {
        return refuse(401, "no session");
    }
    state.renewals += 1;
    grant(state, false)
}

fn grant(state: &mut State, cookie: bool) -> Reply {
    let tick = state.tick();
    let token = format!("token-{tick}");
    state.tokens.insert(token.clone());
    let mut body = json!({"accessToken": token, "accountId": state.account, "accountPersonId": "person-1"});
    if !state.quirks.no_lifetime {
        body["expiresIn"] = state.lifetime.into();
    }
    let mut reply = Reply::json(200, &body);
    if cookie && !state.quirks.no_cookie {
        let cookie = format!("cookie-{tick}");
        reply.headers.push(("Set-Cookie".to_owned(), "other=1; Path=/".to_owned()));
        reply.headers.push(("Set-Cookie".to_owned(), format!("cozi_refresh={cookie}; Path=/; HttpOnly")));
        state.cookies.insert(cookie);
    }
    reply
}
