//! Delta queries: bound to a calendar and a window, told in whole rounds.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::{
    instances::point,
    render::{View, times},
    request::{Reply, Request, encode},
    state::{State, id_of},
};

/// What a token stands for: where the round began, what it looks at, and how far the client has read it.
struct Round {
    /// Changes after this.
    since: u64,
    /// Up to this: what changes while pages are read comes in the next round.
    upto: u64,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
    skip: usize,
    /// Its rows, as they were when the first page was given; 0 on the first.
    frozen: u64,
}

impl Round {
    fn write(&self) -> String {
        format!(
            "{}.{}.{}.{}.{}.{}",
            self.since,
            self.upto,
            self.from.timestamp(),
            self.until.timestamp(),
            self.skip,
            self.frozen
        )
    }

    fn read(text: &str) -> Option<Self> {
        let numbers: Vec<i64> = text.split('.').map(|number| number.parse().ok()).collect::<Option<_>>()?;
        let [since, upto, from, until, skip, frozen] = numbers[..] else { return None };
        Some(Self {
            since: since.try_into().ok()?,
            upto: upto.try_into().ok()?,
            from: DateTime::from_timestamp(from, 0)?,
            until: DateTime::from_timestamp(until, 0)?,
            skip: skip.try_into().ok()?,
            frozen: frozen.try_into().ok()?,
        })
    }
}

/// `windowed`: `calendarView/delta`; else `events/delta`, which has no end and tells of masters.
pub(super) fn serve(state: &mut State, request: &Request, calendar: &str, windowed: bool) -> Reply {
    for name in ["$select", "$expand", "$filter", "$orderby", "$search"] {
        if request.param(name).is_some() {
            return Reply::error(
                400,
                "ErrorInvalidUrlQuery",
                "The following parameters are not supported with change tracking.",
            );
        }
    }
    let token = request.param("$deltatoken").or_else(|| request.param("$skiptoken"));
    let mut round = match token {
        Some(text) => match Round::read(text) {
            Some(round) => round,
            None => return Reply::error(400, "SyncStateInvalid", "The sync state is not valid."),
        },
        None => {
            let from = request.param("startDateTime").and_then(point);
            let until = request.param("endDateTime").and_then(point);
            let (Some(from), Some(until)) = (
                from.or((!windowed).then_some(DateTime::<Utc>::UNIX_EPOCH)),
                until.or((!windowed).then(|| state.now + chrono::TimeDelta::days(36_500))),
            ) else {
                return Reply::error(
                    400,
                    "ErrorInvalidParameter",
                    "StartDateTime and EndDateTime are required.",
                );
            };
            Round { since: 0, upto: state.sequence, from, until, skip: 0, frozen: 0 }
        }
    };
    if token.is_some() && round.since > 0 && round.since < state.oldest_token {
        return Reply::error(
            410,
            "SyncStateNotFound",
            "The sync state generation is not found; generation: 1;",
        );
    }
    if request.param("$deltatoken").is_some() {
        round.upto = state.sequence;
        (round.skip, round.frozen) = (0, 0);
    }
    let rows = match state.rounds.get(&round.frozen) {
        Some(rows) => rows.clone(),
        None if round.frozen > 0 => {
            return Reply::error(410, "SyncStateNotFound", "The sync state generation is not found.");
        }
        None => rows(state, request, calendar, &round, windowed),
    };
    let top = request.preference("odata.maxpagesize").and_then(|top| top.parse().ok()).unwrap_or(50_usize);
    let top = top.clamp(1, state.quirks.page_max.max(1));
    let path = request.raw.split('?').next().unwrap_or_default();
    let link =
        |name: &str, round: &Round| json!(format!("{}{path}?{name}={}", state.base, encode(&round.write())));
    let mut body = json!({"@odata.context": "x"});
    if rows.len() > round.skip + top {
        if round.frozen == 0 {
            round.frozen = state.rounds.last_key_value().map_or(0, |(last, _)| *last) + 1;
            state.rounds.insert(round.frozen, rows.clone());
            // Whoever never comes back for the rest leaves nothing behind for long.
            while state.rounds.len() > 100 {
                state.rounds.pop_first();
            }
        }
        let next = Round { skip: round.skip + top, ..round };
        body["@odata.nextLink"] = link("$skiptoken", &next);
        body["value"] = Value::Array(rows.into_iter().skip(round.skip).take(top).collect());
    } else {
        let next = Round { since: round.upto.max(1), skip: 0, frozen: 0, ..round };
        body["@odata.deltaLink"] = link("$deltatoken", &next);
        body["value"] = Value::Array(rows.into_iter().skip(round.skip).collect());
    }
    Reply::json(200, body)
}

fn rows(state: &State, request: &Request, calendar: &str, round: &Round, windowed: bool) -> Vec<Value> {
    let view = View::of(request).plain();
    let first = round.since == 0;
    let mut rows = Vec::new();
    for (number, event) in state.events.iter().filter(|(_, event)| event.calendar == calendar) {
        if event.changed <= round.since || event.changed > round.upto {
            continue;
        }
        let removed = json!({"id": id_of(*number, view.immutable), "@removed": {"reason": "deleted"}});
        if event.properties.contains_key("recurrence") {
            if !windowed {
                rows.push(view.outline(state, *number));
                continue;
            }
            let mut days = event.within(round.from, round.until);
            days.retain(|day| !event.hidden || event.exceptions.contains_key(day));
            if days.is_empty() && !first {
                rows.push(removed);
            }
            for day in days {
                rows.push(if event.exceptions.contains_key(&day) {
                    view.instance(state, *number, day)
                } else {
                    view.skeleton(state, *number, day)
                });
            }
        } else if times(&event.properties).is_some_and(|t| t.start < round.until && t.end > round.from) {
            rows.push(if windowed { view.event(state, *number) } else { view.outline(state, *number) });
        } else if !first {
            // Also for what was never in the window.
            rows.push(removed);
        }
    }
    if !first {
        let prefix = if view.immutable { "AAImm/" } else { "AAMut-" };
        let gone = state.gone.iter().filter(|gone| {
            gone.calendar == calendar
                && gone.changed > round.since
                && gone.changed <= round.upto
                && gone.name.starts_with(prefix)
        });
        rows.extend(gone.map(|gone| json!({"id": gone.name, "@removed": {"reason": "deleted"}})));
    }
    if state.quirks.delta_repeats {
        rows.extend(rows.clone());
    }
    rows
}
