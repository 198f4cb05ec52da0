//! The sync-collection REPORT (RFC 6578) with everything servers get wrong about it.

use super::propfind::{GHOST_ETAG, object_property};
use super::reply::{Reply, asked, etag_property, properties, propstat, status, status_line};
use super::report::{object_entry, unsupported, wants_data};
use super::state::{Calendar, Home, State};
use super::switch::{
    AnswerToken, BriefItems, ClientLimit, DeadEntries, DeletionStatus, InitialSync, SelfEntry, SyncAnswers,
    SyncData, SyncSupport, Truncation, TruncationForm, UnknownToken,
};
use super::xml::{CALDAV, DAV, Element, Name};

/// Where a sync starts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Since {
    /// The living objects.
    Beginning,
    /// The living objects, and every deletion.
    BeginningWithDead,
    /// What came after that change.
    Change(u64),
    /// Nothing at all.
    Now,
}

enum Entry<'a> {
    Living(&'a str),
    Dead(&'a str),
    Ghost(&'a str),
}

pub(super) fn sync_collection(state: &State, home: Home, id: &str, root: &Element) -> Reply {
    let quirks = &state.quirks;
    if !matches!(quirks.sync_support, SyncSupport::TokenAndCtag | SyncSupport::TokenOnly) {
        return unsupported(state);
    }
    let Some(calendar) = state.calendars.get(id) else { return Reply::empty(404) };
    let sent = root.find(DAV, "sync-token").map(Element::own_text).unwrap_or_default();
    let sent = sent.trim();
    let since = if sent.is_empty() {
        match quirks.initial_sync {
            InitialSync::Living => Since::Beginning,
            InitialSync::WithDead => Since::BeginningWithDead,
        }
    } else {
        match (calendar.read_token(quirks, sent), quirks.sync_answers) {
            (Some(_), SyncAnswers::AlwaysEmpty) => Since::Now,
            (Some(sequence), SyncAnswers::Changes) => Since::Change(sequence),
            (None, _) => match unknown(state) {
                Ok(since) => since,
                Err(reply) => return reply,
            },
        }
    };
    let mut entries = entries(state, calendar, since);
    let mut reached = calendar.sequence;
    let mut cut = None;
    if let Some(truncation) = limit(state, root)
        && entries.len() > truncation.entries
    {
        if truncation.form == TruncationForm::HttpStatus {
            return Reply::error(507, Name::new(DAV, "number-of-matches-within-limits"), quirks);
        }
        entries.truncate(truncation.entries);
        if truncation.form != TruncationForm::Silent {
            let start = match since {
                Since::Change(sequence) => sequence,
                _ => 0,
            };
            reached = entries.last().map_or(start, |(sequence, _)| *sequence);
        }
        cut = Some(truncation.form);
    }
    let mut names = asked(root);
    let data_refused = wants_data(&names) && quirks.sync_data == SyncData::Absent;
    if data_refused {
        names.retain(|name| !name.is(CALDAV, "calendar-data"));
    }
    let mut responses: Vec<Element> = Vec::new();
    responses.extend(self_entry(state, home, id, calendar, since));
    let gone = match quirks.deletion_status {
        DeletionStatus::NotFound => 404,
        DeletionStatus::Gone => 410,
        DeletionStatus::Teapot => 418,
    };
    let mut grouped = Vec::new();
    for (_, entry) in &entries {
        let response = match entry {
            Entry::Living(name) => {
                let Some(object) = calendar.objects.get(*name) else { continue };
                if wants_data(&names) && state.is_poison(name) {
                    return Reply::html(500);
                }
                let mut response = object_entry(state, &state.object_href(home, id, name), object, &names);
                if data_refused {
                    response = response.child(propstat(vec![Element::new(CALDAV, "calendar-data")], 404));
                }
                response
            }
            Entry::Dead(name) if quirks.dead_entries == DeadEntries::Grouped => {
                grouped.push(Element::dav("href").text(state.object_href(home, id, name)));
                continue;
            }
            Entry::Dead(name) => status(&state.object_href(home, id, name), gone),
            Entry::Ghost(name) => {
                let found =
                    names.iter().filter_map(|name| object_property(state, "", GHOST_ETAG, name)).collect();
                properties(&state.object_href(home, id, name), found, Vec::new())
            }
        };
        responses.push(response);
    }
    if !grouped.is_empty() {
        responses.push(Element::dav("response").children(grouped).child(status_line(gone)));
    }
    if let Some(form @ (TruncationForm::EntryWithError | TruncationForm::BareEntry)) = cut {
        let mut response = status(&state.calendar_href(home, id), 507);
        if form == TruncationForm::EntryWithError {
            let matches = Element::dav("number-of-matches-within-limits");
            response = response.child(Element::dav("error").child(matches));
        }
        responses.push(response);
    }
    let token = match quirks.answer_token {
        AnswerToken::Fresh => Some(calendar.token_at(quirks, reached)),
        AnswerToken::Missing => None,
        AnswerToken::Empty => Some(String::new()),
        AnswerToken::Repeated if sent.is_empty() => Some(calendar.token_at(quirks, calendar.oldest_token)),
        AnswerToken::Repeated => Some(sent.to_owned()),
    };
    let token = token.map(|token| match token.is_empty() {
        true => Element::dav("sync-token"),
        false => Element::dav("sync-token").text(token),
    });
    Reply::xml(207, &Element::dav("multistatus").children(responses).children(token), quirks)
}

fn unknown(state: &State) -> Result<Since, Reply> {
    let code = match state.quirks.unknown_token {
        UnknownToken::Forbidden => 403,
        UnknownToken::PreconditionFailed => 412,
        UnknownToken::Conflict => 409,
        UnknownToken::BadRequest => 400,
        UnknownToken::ServerError => 500,
        UnknownToken::Gone => return Err(Reply::empty(410)),
        UnknownToken::FullList => return Ok(Since::Beginning),
        UnknownToken::Replay => return Ok(Since::BeginningWithDead),
        UnknownToken::Nothing => return Ok(Since::Now),
    };
    Err(Reply::error(code, Name::new(DAV, "valid-sync-token"), &state.quirks))
}

/// The limit that holds: the server's own, or what the client asked for in `limit/nresults` (RFC 6578, 3.7).
fn limit(state: &State, root: &Element) -> Option<Truncation> {
    let asked = root
        .find(DAV, "limit")
        .and_then(|limit| limit.find(DAV, "nresults"))
        .and_then(|nresults| nresults.own_text().trim().parse().ok());
    let form = match state.quirks.client_limit {
        ClientLimit::Honoured => Some(TruncationForm::EntryWithError),
        ClientLimit::Ignored => None,
        ClientLimit::Silent => Some(TruncationForm::Silent),
        ClientLimit::Refused => Some(TruncationForm::HttpStatus),
    };
    let client = asked.zip(form).map(|(entries, form)| match form {
        // Refused whatever the number is.
        TruncationForm::HttpStatus => Truncation { entries: 0, form },
        _ => Truncation { entries, form },
    });
    match (state.quirks.truncation, client) {
        (Some(own), Some(client)) if client.entries < own.entries => Some(client),
        (own, client) => own.or(client),
    }
}

/// What a sync lists, in order of change, each with the change after which it is settled.
fn entries<'a>(state: &'a State, calendar: &'a Calendar, since: Since) -> Vec<(u64, Entry<'a>)> {
    let mut entries = Vec::new();
    let after = match since {
        Since::Now => return entries,
        Since::Beginning | Since::BeginningWithDead => {
            // Before every change, so that a truncated answer still goes on after it.
            entries.extend(state.quirks.ghosts.iter().map(|ghost| (0, Entry::Ghost(ghost.as_str()))));
            None
        }
        Since::Change(sequence) => Some(sequence),
    };
    for (name, object) in &calendar.objects {
        if after.is_none_or(|after| object.changed > after) && !state.is_ghost(name) {
            entries.push((object.changed, Entry::Living(name)));
        }
    }
    if since != Since::Beginning {
        for (name, tombstone) in &calendar.tombstones {
            let brief = after.is_some_and(|after| tombstone.created > after);
            let omitted = brief && state.quirks.brief_items == BriefItems::Omitted;
            if after.is_none_or(|after| tombstone.deleted > after) && !omitted {
                entries.push((tombstone.deleted, Entry::Dead(name)));
            }
        }
    }
    entries.sort_by_key(|(sequence, _)| *sequence);
    entries
}

fn self_entry(state: &State, home: Home, id: &str, calendar: &Calendar, since: Since) -> Option<Element> {
    let href = state.calendar_href(home, id);
    let missing = |href: &str| Some(properties(href, Vec::new(), vec![Name::new(DAV, "getetag")]));
    match state.quirks.self_entry {
        SelfEntry::Absent => None,
        SelfEntry::MissingEtag => missing(&href),
        SelfEntry::MissingEtagWithoutSlash => missing(href.trim_end_matches('/')),
        SelfEntry::AfterPropertyEdit => match since {
            Since::Change(sequence) if calendar.edited > sequence => missing(href.trim_end_matches('/')),
            _ => None,
        },
        SelfEntry::Member => {
            let etag = super::ical::content_tag(&calendar.token(&state.quirks));
            Some(properties(&href, vec![etag_property(&etag, &state.quirks)], Vec::new()))
        }
    }
}
