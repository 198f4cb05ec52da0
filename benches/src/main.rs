//! Measures calsync beside the libraries and programs people use today, and prints the ratios with their targets.
//!
//! `cargo xtask bench [NAME...]`; `docs/performance.md` says what each benchmark does and what it last gave.

mod availability;
mod caldav;
mod corpus;
mod counter;
mod diff;
mod install;
mod lines;
mod measure;
mod native;
mod one;
mod pipeline;
mod publish;
mod radicale;
mod read;
mod recurrence;
mod report;
mod scale;
mod stores;

use std::path::PathBuf;
use std::process::ExitCode;

use report::Report;

/// What goes wrong, for a person to read.
type Outcome<T> = Result<T, String>;

/// A benchmark of this program.
type Benchmark = fn(&Options) -> Outcome<Report>;

const ALL: [(&str, &str, Benchmark); 9] = [
    ("lines", "content lines of a large file, beside libical", lines::run),
    ("read", "typed read of the same file, beside calcard and icalendar: time and memory", read::run),
    ("recurrence", "a weekly rule over three years, beside rrule, libical and dateutil", recurrence::run),
    (
        "availability",
        "when somebody is free, over 50 calendars of 10,000 events, beside recurring-ical-events",
        availability::run,
    ),
    ("pipeline", "filters and transforms, a chain of five", pipeline::run),
    ("publish", "a feed of 100,000 events: speed, and memory that does not grow with them", publish::run),
    ("diff", "diff and plan of unchanged events, as a part of the time it takes to read them", diff::run),
    ("stores", "a commit of 1,000 events in SQLite and PostgreSQL, beside an INSERT by hand", stores::run),
    ("caldav", "first and empty syncs with a real Radicale, beside vdirsyncer", caldav::run),
];

/// What runs only when it is named: it takes twenty minutes.
const NAMED: [(&str, &str, Benchmark); 1] = [(
    "scale",
    "how it grows: calendars of up to a million events, 10,000 connections on two workers, first syncs",
    scale::run,
)];

const USAGE: &str = "\
usage: cargo xtask bench [--check] [--events N] [--items N] [--largest N] [--links N] [--seconds N] [NAME...]

  --check     exit with 1 when a target is missed or something could not be measured
  --events N  events in the large file (default 100000)
  --items N   items in the large CalDAV collection (default 10000)
  --largest N events in the largest calendar of `scale` (default 1000000)
  --links N   connections of `scale` (default 10000)
  --seconds N how long `scale` keeps up a day's rate of changes (default 120)

Names (default: all but `scale`):
";

/// What the command line asks for.
struct Options {
    /// Events in the large file.
    events: usize,
    /// Items in the large collection.
    items: usize,
    /// Events in the largest calendar of `scale`.
    largest: usize,
    /// Connections of `scale`.
    links: usize,
    /// How long `scale` keeps up a day's rate.
    seconds: usize,
}

impl Options {
    /// A folder for what is built, generated and installed.
    fn folder(&self, name: &str) -> Outcome<PathBuf> {
        let folder = root().join("benches").join("target").join(name);
        std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        Ok(folder)
    }
}

/// The root of the repository.
fn root() -> PathBuf {
    let benches = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    benches.parent().map_or(benches.clone(), std::path::Path::to_path_buf)
}

fn all() -> impl Iterator<Item = &'static (&'static str, &'static str, Benchmark)> {
    ALL.iter().chain(&NAMED)
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [first, rest @ ..] = &arguments[..]
        && first == "one"
    {
        return finish(one::run(rest).map(|()| ExitCode::SUCCESS));
    }
    finish(run(&arguments))
}

fn finish(result: Outcome<ExitCode>) -> ExitCode {
    result.unwrap_or_else(|error| {
        eprintln!("bench: {error}");
        ExitCode::FAILURE
    })
}

fn run(arguments: &[String]) -> Outcome<ExitCode> {
    let mut options =
        Options { events: 100_000, items: 10_000, largest: 1_000_000, links: 10_000, seconds: 120 };
    let mut names = Vec::new();
    let mut check = false;
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        let mut number = || {
            let value = words.next().and_then(|value| value.parse().ok());
            value.ok_or_else(|| format!("{word} needs a number"))
        };
        match word.as_str() {
            "--check" => check = true,
            "--events" => options.events = number()?,
            "--items" => options.items = number()?,
            "--largest" => options.largest = number()?,
            "--links" => options.links = number()?,
            "--seconds" => options.seconds = number()?,
            "--help" | "-h" => {
                print!("{USAGE}");
                all().for_each(|(name, what, _)| println!("  {name:<12} {what}"));
                return Ok(ExitCode::SUCCESS);
            }
            name if all().any(|(known, ..)| *known == name) => names.push(name),
            other => return Err(format!("no benchmark or option {other}\n\n{USAGE}")),
        }
    }
    let mut missed = 0;
    for (name, what, benchmark) in all() {
        let wanted = if names.is_empty() {
            ALL.iter().any(|(of_all, ..)| of_all == name)
        } else {
            names.contains(name)
        };
        if !wanted {
            continue;
        }
        println!("{name}: {what}");
        match benchmark(&options) {
            Ok(report) => {
                print!("{report}");
                missed += report.missed();
            }
            Err(error) => {
                println!("  NOT MEASURED  {error}\n");
                missed += 1;
            }
        }
    }
    println!("{missed} missed or not measured");
    Ok(if check && missed > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
