//! The server, the people, and the one who kills.

use std::{
    collections::BTreeMap,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use calsync_core::{
    context::{IdSource, RandomIds, SystemClock},
    engine::Hub,
    model::{Calendar, CalendarId},
    schedule::{Cadence, Priority, Schedule, Task},
    store::{Revision, Store},
};
use calsync_testkit::{
    dav::{DavOptions, DavServer},
    world::event,
};
use chrono::TimeDelta;
use clap::Args;

use crate::{
    Failure, StoreKind,
    place::{Place, timing},
};

/// Links; two to a tenant.
const LINKS: usize = 6;
/// Between two edits.
const EDIT: Duration = Duration::from_millis(100);
/// How long everything may take to settle once nobody is killed any more.
const SETTLE: Duration = Duration::from_secs(90);

/// How long and how hard.
#[derive(Args)]
pub(crate) struct Options {
    /// Minutes of edits and kills.
    #[arg(long, default_value_t = 1.0)]
    minutes: f64,
    /// Workers at once.
    #[arg(long, default_value_t = 3)]
    workers: usize,
    /// Where the calendars are kept.
    #[arg(long, value_enum, default_value_t = StoreKind::Sqlite)]
    store: StoreKind,
    /// What is edited, and who is killed when.
    #[arg(long, default_value_t = 1)]
    seed: u8,
}

/// The workers; killed when this goes.
struct Crew {
    store: String,
    dav: String,
    workers: Vec<Child>,
}

impl Crew {
    fn start(&self) -> Result<Child, Failure> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["work", "--store", &self.store, "--dav", &self.dav]).stdin(Stdio::null());
        Ok(command.spawn()?)
    }

    /// Kills one in the middle of whatever it does, and starts another in its place.
    fn replace(&mut self, index: usize) -> Result<(), Failure> {
        self.workers[index].kill()?;
        self.workers[index].wait()?;
        self.workers[index] = self.start()?;
        Ok(())
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        for worker in &mut self.workers {
            let _ = worker.kill();
            let _ = worker.wait();
        }
    }
}

/// A link with both its sides.
struct Side {
    name: String,
    store: Arc<dyn Store>,
    hub: Hub,
    schedule: Schedule,
    /// What must be there in the end: titles by UID.
    expected: BTreeMap<String, String>,
    /// UIDs that were made on the server, which edits them too.
    remote: Vec<String>,
}

/// Numbers that are the same for a seed.
struct Dice(RandomIds);

impl Dice {
    fn roll(&self, sides: usize) -> usize {
        let digits = self.0.fresh();
        let number = digits.get(..8).and_then(|digits| usize::from_str_radix(digits, 16).ok());
        number.unwrap_or(0) % sides.max(1)
    }
}

fn ics(uid: &str, title: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//soak//EN\r\nBEGIN:VEVENT\r\nUID:{uid}\r\n\
         DTSTAMP:20260101T000000Z\r\nDTSTART:20260105T090000Z\r\nDTEND:20260105T100000Z\r\nSUMMARY:{title}\r\n\
         END:VEVENT\r\nEND:VCALENDAR\r\n"
    )
}

pub(crate) async fn run(options: Options) -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let address = match options.store {
        StoreKind::Sqlite => format!("sqlite:{}", folder.path().join("soak.db").display()),
        StoreKind::Postgres => calsync_testkit::postgres::try_url()?,
    };
    let names: Vec<String> = (0..LINKS).map(|n| format!("c{n}")).collect();
    let dav = DavServer::start(
        DavOptions::default().calendars(names.iter().map(|name| (name.as_str(), name.as_str()))),
    )?;
    let place = Place::open(&address).await?;
    let mut sides = Vec::new();
    for (n, name) in names.iter().enumerate() {
        sides.push(side(&place, &format!("tenant {}", n / 2), name, options.seed).await?);
    }
    let mut crew = Crew { store: address, dav: dav.url(), workers: Vec::new() };
    for _ in 0..options.workers.max(1) {
        crew.workers.push(crew.start()?);
    }

    let dice = Dice(RandomIds::from_seed([options.seed; 32]));
    let end = Instant::now() + Duration::from_secs_f64((options.minutes * 60.0).clamp(1.0, 86_400.0));
    let (mut edits, mut kills) = (0_usize, 0_usize);
    let mut next_kill = Instant::now() + Duration::from_secs(3);
    while Instant::now() < end {
        edits += 1;
        let side = &mut sides[dice.roll(LINKS)];
        edit(side, &dav, &dice, edits).await?;
        if Instant::now() >= next_kill {
            crew.replace(dice.roll(crew.workers.len()))?;
            kills += 1;
            next_kill = Instant::now() + Duration::from_millis(500 + dice.roll(3_000) as u64);
        }
        tokio::time::sleep(EDIT).await;
    }
    println!("{edits} edits, {kills} workers killed; now both sides must come to hold the same");

    let give_up = Instant::now() + SETTLE;
    loop {
        let mut wrong = Vec::new();
        for side in &sides {
            wrong.extend(look(side, &dav).await?);
        }
        if wrong.is_empty() {
            let events: usize = sides.iter().map(|side| side.expected.len()).sum();
            println!("{events} events on both sides of {LINKS} links, each once, each as it was edited last");
            return Ok(());
        }
        if Instant::now() > give_up {
            for side in &sides {
                let entry = side.schedule.entry(&task(&side.name)).await?;
                eprintln!("{}: {:?}", side.name, entry.last);
            }
            return Err(wrong.join("\n").into());
        }
        for side in &sides {
            side.schedule.nudge(&task(&side.name)).await?;
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}

fn task(name: &str) -> Task {
    Task::Sync(name.into())
}

async fn side(place: &Place, tenant: &str, name: &str, seed: u8) -> Result<Side, Failure> {
    let store = place.tenant(tenant);
    let ids = Arc::new(RandomIds::from_seed([seed ^ name.bytes().last().unwrap_or(0); 32]));
    let hub = Hub::new(Arc::clone(&store), Arc::new(SystemClock), ids);
    hub.put_calendar(Calendar { id: CalendarId::from(name), name: name.to_owned(), color: None }).await?;
    let schedule = Schedule::new(Arc::clone(&store), Arc::new(SystemClock)).with_timing(timing());
    schedule.put(&task(name), &Cadence::every(TimeDelta::minutes(1))?, Priority::Normal).await?;
    let name = name.to_owned();
    Ok(Side { name, store, hub, schedule, expected: BTreeMap::new(), remote: Vec::new() })
}

/// Somebody makes an event on one of the sides, or edits one on the server.
async fn edit(side: &mut Side, dav: &DavServer, dice: &Dice, number: usize) -> Result<(), Failure> {
    let title = format!("Edit {number}");
    let uid = format!("uid-{number}");
    match dice.roll(3) {
        0 => {
            side.hub.add(&CalendarId::from(side.name.as_str()), event(&uid, &title)).await?;
            side.expected.insert(uid, title);
        }
        1 if !side.remote.is_empty() => {
            let uid = &side.remote[dice.roll(side.remote.len())];
            dav.put(&side.name, &format!("{uid}.ics"), &ics(uid, &title));
            side.expected.insert(uid.clone(), title);
        }
        _ => {
            dav.put(&side.name, &format!("{uid}.ics"), &ics(&uid, &title));
            side.remote.push(uid.clone());
            side.expected.insert(uid, title);
        }
    }
    side.schedule.nudge(&task(&side.name)).await?;
    Ok(())
}

/// What is not as it must be on either side of a link.
async fn look(side: &Side, dav: &DavServer) -> Result<Vec<String>, Failure> {
    let mut wrong = Vec::new();
    let mut check = |place: &str, found: Vec<(String, String)>| {
        let mut seen: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (uid, title) in &found {
            seen.entry(uid).or_default().push(title);
        }
        for (uid, title) in &side.expected {
            match seen.remove(uid.as_str()).as_deref() {
                None => wrong.push(format!("{}: {uid} is lost {place}", side.name)),
                Some([found]) if found == title => {}
                Some([_]) => wrong.push(format!("{}: {uid} is not as it was edited last {place}", side.name)),
                Some(more) => {
                    wrong.push(format!("{}: {uid} is there {} times {place}", side.name, more.len()))
                }
            }
        }
        wrong.extend(seen.keys().map(|uid| format!("{}: {uid} came from nowhere {place}", side.name)));
    };
    let line = |text: &str, name: &str| {
        text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim().to_owned()
    };
    let items = dav.list(&side.name);
    check(
        "on the server",
        items.iter().map(|(_, _, body)| (line(body, "UID:"), line(body, "SUMMARY:"))).collect(),
    );
    let calendar = CalendarId::from(side.name.as_str());
    let records = side.store.events_since(&calendar, Revision(0), 1_000_000).await?;
    let living = records.into_iter().filter(|record| record.deleted.is_none());
    check(
        "in the store",
        living
            .map(|record| {
                let title = record.event.master.and_then(|body| body.title).unwrap_or_default();
                (record.event.uid, title)
            })
            .collect(),
    );
    Ok(wrong)
}
