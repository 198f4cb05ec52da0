//! The server, the people, and what goes wrong.

use std::time::{Duration, Instant};

use calsync_core::context::RandomIds;
use calsync_testkit::dav::{DavOptions, DavServer};
use clap::Args;

use crate::{
    Failure, StoreKind,
    crew::Crew,
    database::Database,
    place::Place,
    proof,
    side::{Dice, Side},
};

/// Links; two to a tenant.
const LINKS: usize = 6;
/// Between two edits.
const EDIT: Duration = Duration::from_millis(100);
/// Between two faults of the database, or of a worker that stands still.
const FAULT: Duration = Duration::from_secs(7);
/// How long everything may take to settle once nothing goes wrong any more.
const SETTLE: Duration = Duration::from_secs(90);

/// A soak of so many minutes has met every fault there is.
const ALL_FAULTS: f64 = 0.5;

/// How long and how hard.
#[derive(Args)]
pub(crate) struct Options {
    /// Minutes of edits and faults.
    #[arg(long, default_value_t = 1.0)]
    minutes: f64,
    /// Workers at once.
    #[arg(long, default_value_t = 3)]
    workers: usize,
    /// Where the calendars are kept.
    #[arg(long, value_enum, default_value_t = StoreKind::Sqlite)]
    store: StoreKind,
    /// How wrong the clocks of two workers of three are: one fast, one slow.
    #[arg(long, default_value_t = 48)]
    skew_hours: i64,
    /// What is edited, and what goes wrong when.
    #[arg(long, default_value_t = 1)]
    seed: u8,
}

/// What went wrong, and how often.
#[derive(Default)]
struct Faults {
    kills: usize,
    pauses: usize,
    cuts: usize,
    restarts: usize,
}

impl Faults {
    /// The next fault of those that are not kills, in turns.
    async fn next(&mut self, database: &Database, crew: &mut Crew, dice: &Dice) -> Result<(), Failure> {
        match (self.pauses + self.cuts + self.restarts) % 3 {
            0 if database.restart().await? => self.restarts += 1,
            1 if database.cut().await? => self.cuts += 1,
            _ if crew.has_paused() => {}
            _ => {
                crew.pause(dice.roll(crew.len()))?;
                self.pauses += 1;
            }
        }
        Ok(())
    }

    /// Fails when one of them never happened: then the soak shows less than it says.
    fn all(&self, database: &Database, crew: &Crew) -> Result<(), Failure> {
        let mut met = vec![("a kill", self.kills), ("a worker that woke up without its lease", crew.woken())];
        if database.is_server() {
            met.push(("a cut of the connections", self.cuts));
        }
        if database.may_crash() {
            met.push(("a crash of the database", self.restarts));
        }
        match met.iter().find(|(_, times)| *times == 0) {
            Some((fault, _)) => Err(format!("the soak never met {fault}").into()),
            None => Ok(()),
        }
    }
}

pub(crate) async fn run(options: Options) -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let database = Database::open(options.store, folder.path())?;
    let names: Vec<String> = (0..LINKS).map(|n| format!("c{n}")).collect();
    let dav = DavServer::start(
        DavOptions::default().calendars(names.iter().map(|name| (name.as_str(), name.as_str()))),
    )?;
    let place = Place::open(database.address()).await?;
    let mut sides = Vec::new();
    for (n, name) in names.iter().enumerate() {
        sides.push(Side::new(&place, &format!("tenant {}", n / 2), name, options.seed).await?);
    }
    let mut crew = Crew::start(database.address(), &dav.url(), options.workers, options.skew_hours)?;

    let dice = Dice(RandomIds::from_seed([options.seed; 32]));
    let end = Instant::now() + Duration::from_secs_f64((options.minutes * 60.0).clamp(1.0, 86_400.0));
    let (mut edits, mut faults) = (0_usize, Faults::default());
    let (mut next_kill, mut next_fault) = (Instant::now() + Duration::from_secs(3), Instant::now() + FAULT);
    while Instant::now() < end {
        edits += 1;
        sides[dice.roll(LINKS)].edit(&dav, &dice, edits).await?;
        if Instant::now() >= next_kill {
            faults.kills += usize::from(crew.replace(dice.roll(crew.len()))?);
            next_kill = Instant::now() + Duration::from_millis(500 + dice.roll(3_000) as u64);
        }
        if Instant::now() >= next_fault {
            faults.next(&database, &mut crew, &dice).await?;
            next_fault = Instant::now() + FAULT;
        }
        crew.check()?;
        tokio::time::sleep(EDIT).await;
    }
    println!(
        "{edits} edits; {} workers killed, {} stopped for longer than a lease and gone on {} times, connections cut {} times, the \
         database crashed {} times, clocks up to {} h wrong; now both sides must come to hold the same",
        faults.kills,
        faults.pauses,
        crew.woken(),
        faults.cuts,
        faults.restarts,
        options.skew_hours
    );
    if options.minutes >= ALL_FAULTS {
        faults.all(&database, &crew)?;
    }

    let give_up = Instant::now() + SETTLE;
    loop {
        crew.check()?;
        let mut wrong = Vec::new();
        for side in &sides {
            wrong.extend(side.look(&dav).await?);
        }
        if wrong.is_empty() {
            let events: usize = sides.iter().map(|side| side.expected.len()).sum();
            println!(
                "{events} events on both sides of {LINKS} links, each once, each as it was edited last, and none that was deleted"
            );
            let runs = proof::settled(&sides, &dav, &mut crew, give_up + SETTLE).await?;
            println!(
                "nothing waits or is in question, the journal tells of each event, and {runs} more runs wrote nothing"
            );
            return Ok(());
        }
        if Instant::now() > give_up {
            for side in &sides {
                let entry = side.entry().await?;
                eprintln!("{}: {:?}", side.name, entry);
            }
            return Err(wrong.join("\n").into());
        }
        for side in &sides {
            side.nudge().await?;
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}
