//! Duplicates of the field at real protocols: two calendars of one account, split series, and what is written where.

use crate::accounts::{Account, Server, Side, all_instances, change, instances, key, made};
use calsync_core::{
    model::{Event, Override, RuleEntry},
    plan::Direction,
    recurrence::ExpansionLimits,
};
use calsync_testkit::{dav, microsoft, world::body};
use serde_json::json;

const BERLIN: &str = "Europe/Berlin";

/// Ten Mondays at nine, of which the third is in the afternoon and renamed, the sixth is moved and renamed, and the eighth is off.
fn series() -> Event {
    let mut series = made("series", "2026-02-02T09:00:00", BERLIN, "FREQ=WEEKLY;COUNT=10");
    change(&mut series, "2026-02-16T09:00:00", BERLIN, "2026-02-16T14:00:00", "first override");
    change(&mut series, "2026-03-09T09:00:00", BERLIN, "2026-03-09T11:00:00", "second override");
    series.overrides.insert(key("2026-03-23T09:00:00", BERLIN), Override::Excluded);
    series
}

/// DUP-07: one source goes into two calendars of one account, as copies or both ways. There is one of each in each, none
/// is stolen from the other, also when answers are lost; edits and the deletion reach both.
#[tokio::test(flavor = "multi_thread")]
async fn dup_07_two_calendars_of_one_account() {
    for way in [Direction::Export, Direction::TwoWay] {
        let losses: &[usize] = if way == Direction::Export { &[0, 1, 5] } else { &[0] };
        for &lost in losses {
            for account in Account::each(BERLIN) {
                let case = format!("{}, {way:?}, answer {lost} lost", account.name);
                let side = Side::of([(&account, 0), (&account, 1)], way);
                side.world.add(series()).await;
                for n in 1..5 {
                    let start = format!("2026-03-{n:02}T10:00:00");
                    side.world.add(made(&format!("single {n}"), &start, BERLIN, "")).await;
                }
                if lost > 0 {
                    lose(&account, lost);
                }
                for _ in 0..4 {
                    side.try_sync().await;
                    side.world.clock.advance(chrono::TimeDelta::hours(2));
                }
                side.settles(&case).await;
                let here = all_instances(&side.events().await);
                for which in 0..2 {
                    assert_eq!(account.seen(which).await.len(), 5, "{case}, calendar {which}");
                    assert_eq!(account.takes_place(which).await, here, "{case}, calendar {which}");
                }
                if lost > 0 {
                    continue;
                }
                side.world.edit("single 1", |event| body(event).title = Some("edited".into())).await;
                side.world.delete("single 2").await;
                side.settles(&case).await;
                let here = all_instances(&side.events().await);
                for which in 0..2 {
                    assert_eq!(account.takes_place(which).await, here, "{case}, calendar {which}");
                }
                assert_eq!(account.mails(), 0, "{case}");
            }
        }
    }
}

/// The answer of the nth write is lost, although it was carried out.
fn lose(account: &Account, nth: usize) {
    match &account.server {
        Server::Google(server) => server.inject(dav::Fault::drop_after().on_method("POST").nth(nth)),
        Server::Dav(server) => server.inject(dav::Fault::drop_after().on_method("PUT").nth(nth)),
        Server::Graph(server) => {
            server.inject(microsoft::Fault::drop_after().on_method("POST").after(nth - 1));
        }
    }
}

/// DUP-13: of two calendars that can be written, the link is to the second. One request makes the event, in that calendar,
/// and the account's own one stays empty.
#[tokio::test(flavor = "multi_thread")]
async fn dup_13_a_new_event_is_made_once_and_in_the_chosen_calendar() {
    for way in [Direction::Export, Direction::TwoWay] {
        for account in Account::each(BERLIN) {
            let case = format!("{}, {way:?}", account.name);
            let side = Side::of([(&account, 1)], way);
            side.sync().await;
            account.clear_requests();
            side.world.add(made("booking", "2026-03-02T10:00:00", BERLIN, "")).await;
            side.sync().await;
            let writes = account.writes();
            assert_eq!(writes.len(), 1, "{case}: {writes:?}");
            side.settles(&case).await;
            assert_eq!(account.writes().len(), 1, "{case}: {:?}", account.writes());
            assert_eq!((account.kept(0).len(), account.kept(1).len()), (0, 1), "{case}");
        }
    }
}

/// DUP-16: a series somebody made at an account is brought in, over and over, also after the cursor was lost. Nothing is
/// written back, and nobody is mailed.
#[tokio::test(flavor = "multi_thread")]
async fn dup_16_an_imported_series_is_not_written_back() {
    for account in Account::each(BERLIN) {
        let owner = Side::of([(&account, 0)], Direction::TwoWay);
        let mut old = made("old", "2019-01-07T09:00:00", BERLIN, "FREQ=WEEKLY");
        change(&mut old, "2026-01-12T09:00:00", BERLIN, "2026-01-13T14:00:00", "moved");
        for event in [series(), old] {
            owner.world.add(event).await;
        }
        owner.settles(account.name).await;
        let here = all_instances(&owner.events().await);
        account.clear_requests();
        let side = Side::of([(&account, 0)], Direction::TwoWay);
        for round in 0..4 {
            side.sync().await;
            assert_eq!(all_instances(&side.events().await), here, "{}, round {round}", account.name);
            match &account.server {
                Server::Google(server) => server.expire_tokens("primary"),
                Server::Graph(server) => server.expire_tokens(),
                Server::Dav(server) => server.expire_tokens("work"),
            }
        }
        assert_eq!((account.writes(), account.mails()), (Vec::new(), 0), "{}", account.name);
    }
}

/// DUP-10: the series is cut at its first override, here or at one of the accounts. Every side has the old series up to the
/// cut and the new one with the overrides that are left, and the instances there were, no more and no less.
#[tokio::test(flavor = "multi_thread")]
async fn dup_10_a_series_cut_at_an_override() {
    let cut = key("2026-02-16T09:00:00", BERLIN);
    for at in 0..4 {
        let accounts = Account::each(BERLIN);
        let side = Side::of(accounts.iter().map(|account| (account, 0)), Direction::TwoWay);
        side.world.add(series()).await;
        side.settles("whole").await;
        let whole = instances(&series());
        assert_eq!(whole.len(), 9);
        let person = (at > 0).then(|| Side::of([(&accounts[at - 1], 0)], Direction::TwoWay));
        let editor = person.as_ref().unwrap_or(&side);
        editor.sync().await;
        let case = if at > 0 { accounts[at - 1].name } else { "here" };
        let all = editor.world.locals().await;
        assert_eq!(all.len(), 1);
        let uid = all[0].event.uid.clone();
        let limits = ExpansionLimits::default();
        let (head, tail) = all[0].event.split_at(cut, "the new one", &limits).unwrap();
        assert_eq!((head.overrides.len(), tail.overrides.len()), (0, 3), "{case}");
        editor.world.edit(&uid, |event| *event = head).await;
        editor.world.add(tail).await;
        editor.settles(case).await;
        side.settles(case).await;
        editor.settles(case).await;
        assert_eq!(all_instances(&side.events().await), sorted(&whole), "{case}: here");
        for account in &accounts {
            let seen = account.seen(0).await;
            assert_eq!(seen.len(), 2, "{case}: two series at {}", account.name);
            assert_eq!(all_instances(&seen), sorted(&whole), "{case}: {}", account.name);
            let first = seen.iter().find(|event| event.overrides.is_empty()).expect("the old one");
            assert_eq!(instances(first), whole[..2], "{case}: {}", account.name);
        }
    }
}

fn sorted(all: &[String]) -> Vec<String> {
    let mut all = all.to_vec();
    all.sort();
    all
}

/// DUP-10, LUP-11: the same as Google's own application does it: the old series ends, and the new one has an id and a UID
/// that begin with the old ones. The two arrive in either order, in two runs.
#[tokio::test(flavor = "multi_thread")]
async fn dup_10_a_series_cut_by_google() {
    for new_first in [false, true] {
        for together in [false, true] {
            let accounts = Account::each(BERLIN);
            let Server::Google(google) = &accounts[0].server else { unreachable!() };
            let master = |rule: &str, day: &str| {
                json!({
                    "summary": "series", "recurrence": [rule],
                    "start": {"dateTime": format!("{day}T09:00:00+01:00"), "timeZone": BERLIN},
                    "end": {"dateTime": format!("{day}T10:00:00+01:00"), "timeZone": BERLIN},
                })
            };
            let mut old = master("RRULE:FREQ=WEEKLY;COUNT=6", "2026-02-02");
            old["id"] = "abcdefg".into();
            google.put("primary", old);
            google.edit("primary", "abcdefg_20260302T080000Z", |event| {
                event.insert("summary".into(), "override".into());
            });
            let side = Side::of(accounts.iter().map(|account| (account, 0)), Direction::TwoWay);
            side.settles("whole").await;
            let whole = all_instances(&side.events().await);
            assert_eq!(whole.len(), 6);
            let end = || {
                google.edit("primary", "abcdefg", |event| {
                    event.insert("recurrence".into(), json!(["RRULE:FREQ=WEEKLY;UNTIL=20260215T225959Z"]));
                });
                google.delete("primary", "abcdefg_20260302T080000Z");
            };
            let begin = || {
                let mut new = master("RRULE:FREQ=WEEKLY;COUNT=4", "2026-02-16");
                new["id"] = "abcdefg_R20260216T080000".into();
                new["iCalUID"] = "abcdefg_R20260216T080000@google.com".into();
                google.put("primary", new);
                google.edit("primary", "abcdefg_R20260216T080000_20260302T080000Z", |event| {
                    event.insert("summary".into(), "override".into());
                });
            };
            let case = format!("new first: {new_first}, together: {together}");
            if new_first {
                begin()
            } else {
                end()
            }
            if !together {
                side.sync().await;
            }
            if new_first {
                end()
            } else {
                begin()
            }
            side.settles(&case).await;
            for account in &accounts {
                assert_eq!(account.seen(0).await.len(), 2, "{case}: {}", account.name);
                assert_eq!(account.takes_place(0).await, whole, "{case}: {}", account.name);
            }
        }
    }
}

/// DUP-10: the rules of a series change. The overrides that still apply stay where they are on every side, and those of
/// instances that are no more are gone; nothing is doubled.
#[tokio::test(flavor = "multi_thread")]
async fn dup_10_other_rules_keep_the_overrides_that_still_apply() {
    let changes = [
        ("FREQ=WEEKLY;INTERVAL=2;COUNT=5", 1),
        ("FREQ=WEEKLY;COUNT=4", 1),
        ("FREQ=WEEKLY;COUNT=20", 3),
        ("FREQ=DAILY;UNTIL=20260312T080000Z", 2),
        ("FREQ=WEEKLY;BYDAY=MO,TU;UNTIL=20260330T070000Z", 3),
    ];
    for (n, (rule, kept)) in changes.into_iter().enumerate() {
        // Each at one side, the first at all of them.
        for at in (0..4).filter(|at| n == 0 || n - 1 == *at) {
            let accounts = Account::each(BERLIN);
            let side = Side::of(accounts.iter().map(|account| (account, 0)), Direction::TwoWay);
            side.world.add(series()).await;
            side.settles("before").await;
            let person = (at > 0).then(|| Side::of([(&accounts[at - 1], 0)], Direction::TwoWay));
            let editor = person.as_ref().unwrap_or(&side);
            editor.sync().await;
            let case = format!("{rule} {}", if at > 0 { accounts[at - 1].name } else { "here" });
            let record = editor.world.locals().await.remove(0);
            let rules = vec![RuleEntry::read(rule)];
            let changed = record.event.with_rules(rules, &ExpansionLimits::default()).unwrap();
            assert_eq!(changed.event.overrides.len(), kept, "{case}: {:?}", changed.dropped);
            let wanted = instances(&changed.event);
            editor.world.edit(&record.event.uid, |event| *event = changed.event).await;
            editor.settles(&case).await;
            side.settles(&case).await;
            editor.settles(&case).await;
            assert_eq!(all_instances(&side.events().await), sorted(&wanted), "{case}: here");
            for account in &accounts {
                assert_eq!(account.seen(0).await.len(), 1, "{case}: {}", account.name);
                assert_eq!(account.takes_place(0).await, sorted(&wanted), "{case}: {}", account.name);
            }
        }
    }
}
