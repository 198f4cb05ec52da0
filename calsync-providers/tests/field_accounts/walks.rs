//! Random series, edited at random sides: in the end every side has the same, or was told what it cannot hold.

use calsync_core::{
    model::{Event, Override, OverrideScope, RecurrenceId},
    plan::Direction,
    recurrence::ExpansionLimits,
};
use calsync_testkit::{recurrence_cases::Dice, world::body};
use chrono::TimeDelta;

use crate::accounts::{Account, Side, all_instances, made};

const ZONES: [&str; 4] = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"];

/// More of them find what a change of a provider breaks: 60 take a minute and a half.
const SEEDS: u64 = 3;

/// Rules that every side can hold, whatever the series begins with.
const RULES: [&str; 8] = [
    "FREQ=DAILY;COUNT=9",
    "FREQ=DAILY;INTERVAL=3;COUNT=5",
    "FREQ=WEEKLY;COUNT=8",
    "FREQ=WEEKLY;INTERVAL=2;COUNT=5",
    "FREQ=WEEKLY;UNTIL=20260801T000000Z",
    "FREQ=MONTHLY;COUNT=6",
    "FREQ=MONTHLY;INTERVAL=12;COUNT=3",
    "FREQ=YEARLY;COUNT=3",
];

fn pick<'a, T>(dice: &mut Dice, from: &'a [T]) -> &'a T {
    let last = i64::try_from(from.len()).unwrap() - 1;
    &from[usize::try_from(dice.within(0, last)).unwrap()]
}

/// One of the things people do to a series.
fn edit(event: &mut Event, dice: &mut Dice) {
    let limits = ExpansionLimits::default();
    let reader = calsync_core::zone::Zone::UTC;
    let years = "2025-01-01T00:00:00Z".parse().unwrap().."2032-01-01T00:00:00Z".parse().unwrap();
    let (found, _) = event.instances(years, &reader, &limits);
    let keys: Vec<(RecurrenceId, calsync_core::model::EventBody, calsync_core::model::TimeSpan)> =
        found.iter().map(|instance| (instance.id, instance.body.clone(), instance.time.clone())).collect();
    drop(found);
    let word = format!("title {}", dice.within(0, 999));
    if keys.is_empty() {
        body(event).title = Some(word);
        return;
    }
    let (key, mut own, time) = pick(dice, &keys).clone();
    own.time = time;
    match dice.within(0, 5) {
        0 => body(event).title = Some(word),
        1 => body(event).location = Some(word),
        2 => drop(event.overrides.insert(key, Override::Excluded)),
        3 => {
            own.title = Some(word);
            event
                .overrides
                .insert(key, Override::Changed { body: Box::new(own), scope: OverrideScope::This });
        }
        4 => {
            let later = |time: &calsync_core::model::EventTime| {
                let at = time.absolute().unwrap() + TimeDelta::minutes(30);
                RecurrenceId::Instant(at).to_time(time)
            };
            own.time.start = later(&own.time.start);
            own.time.end = later(&own.time.end);
            event
                .overrides
                .insert(key, Override::Changed { body: Box::new(own), scope: OverrideScope::This });
        }
        _ => {
            let changed = event
                .with_rules(vec![calsync_core::model::RuleEntry::read(pick::<&str>(dice, &RULES))], &limits);
            if let Ok(changed) = changed {
                *event = changed.event;
            }
        }
    }
}

/// DUP-10, REC-01, REC-17: whoever edits a series in whichever way, all sides take place at the same times under the same
/// titles, with one series each, and come to rest.
#[tokio::test(flavor = "multi_thread")]
async fn dup_10_edits_of_series_at_random_sides_reach_all() {
    for seed in 0..SEEDS {
        let mut dice = Dice::new(seed);
        let accounts = Account::each("Europe/Berlin");
        let hub = Side::of(accounts.iter().map(|account| (account, 0)), Direction::TwoWay);
        let people: Vec<Side<'_>> =
            accounts.iter().map(|account| Side::of([(account, 0)], Direction::TwoWay)).collect();
        let zone = *pick(&mut dice, &ZONES);
        let start =
            format!("2026-0{}-0{}T{:02}:00:00", dice.within(2, 4), dice.within(1, 9), dice.within(0, 22));
        hub.world.add(made("series", &start, zone, pick::<&str>(&mut dice, &RULES))).await;
        let mut log = format!("seed {seed}: {zone} {start}");
        hub.settles(&log).await;
        for _ in 0..4 {
            let side = match dice.within(0, 3) {
                0 => &hub,
                n => &people[usize::try_from(n - 1).unwrap()],
            };
            side.sync().await;
            let record = side.world.locals().await.remove(0);
            side.world.edit(&record.event.uid, |event| edit(event, &mut dice)).await;
            let after = side.events().await.remove(0);
            log += &format!(
                "\n{}: {}",
                side.ways.iter().map(|way| way.2.name).collect::<String>(),
                serde_json::to_string(&after).unwrap()
            );
            side.settles(&log).await;
            hub.settles(&log).await;
        }
        let here = hub.events().await;
        assert_eq!(here.len(), 1, "{log}");
        for account in &accounts {
            let seen = account.seen(0).await;
            assert_eq!(seen.len(), 1, "{log}\n{}", account.name);
            assert_eq!(all_instances(&seen), all_instances(&here), "{log}\n{}", account.name);
        }
    }
}
