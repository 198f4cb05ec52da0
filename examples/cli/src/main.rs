//! `calsync`: calendars in SQLite or PostgreSQL, kept in step with Google Calendar, Microsoft 365, CalDAV servers, ICS
//! feeds and Cozi.
//!
//! The configuration and the JSON output are a contract; see `README.md` beside `Cargo.toml`.

mod account;
mod app;
mod ask;
mod cadence;
mod commands;
mod config;
mod connect;
mod dynamodb;
mod error;
mod feed_server;
mod hooks;
mod known;
mod lease;
mod loopback;
mod output;
mod progress;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, CommandFactory, Parser, Subcommand};

use app::App;
use error::CliError;
use output::Format;

/// Exit code when both sides are in step.
const IN_STEP: u8 = 0;
/// Exit code when deletions or pairs wait for a person.
const HELD: u8 = 2;

/// Keeps calendars in SQLite, PostgreSQL or DynamoDB in step with Google Calendar, Microsoft 365, CalDAV servers, ICS feeds and
/// Cozi.
///
/// Exit code: 0 in step, 1 error, 2 something waits for a person, 3 credentials needed.
#[derive(Parser)]
#[command(name = "calsync", version)]
struct Cli {
    /// The configuration file.
    #[arg(long, global = true, default_value = "calsync.toml", value_name = "FILE")]
    config: PathBuf,
    /// Print JSON: one object, or one on each line where a command goes on.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Bring links in step.
    Sync(SyncArgs),
    /// Bring one link in step, and with --watch keep it so until told to stop (Ctrl-C).
    Run(RunArgs),
    /// Sign in to Google or Microsoft, or give the password of a CalDAV account, and keep the access sealed in the store.
    Connect(ConnectArgs),
    /// Give the access back and forget it.
    Disconnect {
        /// The connection.
        #[arg(value_name = "NAME")]
        connection: String,
    },
    /// Start an emulator on 127.0.0.1 and print a configuration for it.
    Emulate(commands::emulate::EmulateArgs),
    /// Ask every connection how it is: reachable, encrypted, credentials, clocks, what it can do.
    Doctor,
    /// Print the completions of a shell.
    Completions {
        /// Which one.
        shell: clap_complete::Shell,
    },
    /// Print the manual page.
    Man,
    /// Print the JSON Schema of `start` and `steps`, what a link copies and what its copies show.
    Schema,
    /// Show how each connection stands, since when and why, and when somebody has to sign in again; asks nobody.
    Connections,
    /// List the calendars of every connection and of the store.
    Calendars,
    /// Show the events of a calendar in the store.
    Events(EventsArgs),
    /// Show what both sides changed at once and how it was decided, answer what waits, or export all of it.
    Conflicts(commands::conflicts::ConflictsArgs),
    /// Show remote items that may be the same as events here, and wait for an answer.
    Matches,
    /// Say which event an item is, or that it is none of them.
    Match(MatchArgs),
    /// Show past runs.
    Log,
    /// Show all that happened: runs, what they did and why, conflicts.
    History(commands::history::HistoryArgs),
    /// Show writes the remote side has not confirmed, or settle one that is stuck.
    Outbox(OutboxArgs),
    /// Keep links in step until told to stop (Ctrl-C): each runs when the schedule says so.
    Worker(WorkerArgs),
    /// Show when each link runs next and how its last run went; pause it, resume it, or run it now.
    Schedule(ScheduleArgs),
    /// Show the links of the configuration; add one, take one out, stop one until it is resumed.
    Links {
        #[command(subcommand)]
        action: Option<LinksAction>,
    },
    /// Take back what a run did, and carry that to the remote side.
    Undo(UndoArgs),
    /// What is sealed in the store: tokens and passwords of accounts.
    #[command(subcommand)]
    Vault(commands::vault::VaultCommand),
    /// Tell when somebody is free, over calendars of the store.
    #[command(alias = "availability")]
    Free(commands::availability::AvailabilityArgs),
    /// Book a slot that is free on all calendars, keep one for a while, or give one back.
    Book(commands::book::BookArgs),
    /// Write a calendar of the store as a feed others can subscribe to: when somebody is busy, or with details.
    Publish(commands::publish::PublishArgs),
    /// Serve feeds of the configuration, and make the tokens in their addresses.
    #[command(subcommand)]
    Feed(commands::feed::FeedCommand),
    /// Delete everything a link that exports ever wrote into its remote calendar, also when the store is lost.
    Clean(commands::clean::CleanArgs),
    /// Forget a link: keep what it wrote, or delete that first.
    Unlink(commands::clean::UnlinkArgs),
    /// Turn the configuration of inovex/CalendarSync into one of calsync, on standard output.
    ImportConfig {
        /// Its `sync.yaml`.
        file: PathBuf,
    },
    /// Make the table of a store in DynamoDB; other stores make theirs by themselves.
    Provision,
    /// Tell what was done about an event, and why.
    Explain {
        /// Its UID, or its id in the store.
        event: String,
    },
}

#[derive(Args)]
struct SyncArgs {
    /// Only this link, also while it is paused.
    #[arg(long, value_name = "NAME")]
    link: Option<String>,
    /// Show what would be done, and write nothing anywhere.
    #[arg(long)]
    dry_run: bool,
    /// Carry out the held deletions of this plan, if they are still exactly these.
    #[arg(long, value_name = "PLAN_ID", conflicts_with = "refuse")]
    approve: Option<String>,
    /// Take the held deletions of this plan back, if they are still exactly these: the events return.
    #[arg(long, value_name = "PLAN_ID")]
    refuse: Option<String>,
}

#[derive(Args)]
struct ConnectArgs {
    /// The connection.
    #[arg(value_name = "NAME")]
    connection: String,
    /// Print the address and open no browser.
    #[arg(long)]
    no_browser: bool,
    /// Show a code to type on another device, where the provider offers it.
    #[arg(long)]
    device: bool,
}

#[derive(Args)]
struct MatchArgs {
    /// The item, as `matches` shows it.
    item: String,
    /// Its link.
    #[arg(long, value_name = "NAME")]
    link: String,
    /// It is this event, as `matches` shows it: the two become one.
    #[arg(
        long,
        value_name = "EVENT_ID",
        required_unless_present = "keep_both",
        conflicts_with = "keep_both"
    )]
    join: Option<String>,
    /// It is none of them: each side gets what the other has.
    #[arg(long)]
    keep_both: bool,
}

#[derive(Args)]
struct UndoArgs {
    /// The run, as `log` shows it.
    #[arg(required_unless_present = "last", conflicts_with = "last")]
    run: Option<String>,
    /// Instead of one run, the last so many runs of a link.
    #[arg(long, value_name = "COUNT", requires = "link")]
    last: Option<usize>,
    /// The link of `--last`.
    #[arg(long, value_name = "NAME")]
    link: Option<String>,
}

#[derive(Args)]
struct RunArgs {
    /// The link.
    #[arg(value_name = "NAME")]
    link: String,
    /// Go on: run it again when the schedule says so, or when somebody nudges it.
    #[arg(long)]
    watch: bool,
}

#[derive(Args)]
struct OutboxArgs {
    #[command(subcommand)]
    action: Option<OutboxAction>,
}

#[derive(Subcommand)]
enum OutboxAction {
    /// Give a stuck write all its tries again.
    Retry {
        /// The event's UID, or its id in the store.
        event: String,
    },
    /// Give a write up: both sides stay as they are until the next edit.
    Drop {
        /// The event's UID, or its id in the store.
        event: String,
    },
}

#[derive(Args)]
struct WorkerArgs {
    /// Links that run at once. Start more processes for more.
    #[arg(long, value_name = "N", default_value_t = 4)]
    concurrency: usize,
}

#[derive(Args)]
struct ScheduleArgs {
    #[command(subcommand)]
    action: Option<ScheduleAction>,
}

#[derive(Subcommand)]
enum ScheduleAction {
    /// It runs no more until it is resumed.
    Pause {
        /// The link.
        link: String,
    },
    /// It runs again; once, when runs were missed.
    Resume {
        /// The link.
        link: String,
    },
    /// It runs as soon as a worker has room, whatever failed before.
    Run {
        /// The link.
        link: String,
    },
    /// There is something to do for it, as a webhook says: it runs after five seconds.
    Nudge {
        /// The link.
        link: String,
    },
}

#[derive(Subcommand)]
enum LinksAction {
    /// Write a link into the configuration. What it would do, `sync --link NAME --dry-run` shows.
    Add(commands::links::AddArgs),
    /// Forget a link as `unlink` does, and take it out of the configuration.
    Rm(commands::clean::PartArgs),
    /// It runs no more until it is resumed.
    Pause {
        /// The link.
        link: String,
    },
    /// It runs again; once, when runs were missed.
    Resume {
        /// The link.
        link: String,
    },
}

#[derive(Args)]
struct EventsArgs {
    /// The calendar in the store.
    #[arg(long, value_name = "NAME")]
    calendar: String,
    /// Print iCalendar.
    #[arg(long)]
    ics: bool,
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // clap's own code for a wrong call is 2, which means here that something waits for a person.
            let _ = error.print();
            return ExitCode::from(u8::from(error.use_stderr()));
        }
    };
    let format = Format::from_flag(cli.json);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(run(cli)),
        Err(error) => Err(CliError::Io { what: "start".to_owned(), error }),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            output::tell(&error.to_string());
            if format == Format::Json {
                output::print_failure(&error);
            }
            ExitCode::from(error.exit_code())
        }
    }
}

async fn run(cli: Cli) -> Result<u8, CliError> {
    let format = Format::from_flag(cli.json);
    // What needs no store, or not yet.
    let command = match cli.command {
        Command::Emulate(args) => return commands::emulate::run(args, format).await,
        Command::ImportConfig { file } => return commands::import_config::run(&file, format),
        Command::Completions { shell } => {
            return commands::manual::completions(shell, Cli::command(), format);
        }
        Command::Man => return commands::manual::page(Cli::command(), format),
        Command::Schema => return commands::schema::run(),
        Command::Provision => return commands::provision::run(&cli.config, format).await,
        Command::Links { action: Some(LinksAction::Add(args)) } => {
            return commands::links::add(&cli.config, &args, format);
        }
        command => command,
    };
    let app = App::open(&cli.config).await?;
    let place = app.place.clone();
    self::command(app, &cli.config, command, format).await.map_err(|error| error.in_store(&place))
}

async fn command(app: App, config: &Path, command: Command, format: Format) -> Result<u8, CliError> {
    match command {
        Command::Connect(args) => {
            let way = match (args.device, args.no_browser) {
                (true, _) => commands::connect::Way::Device,
                (false, true) => commands::connect::Way::Address,
                (false, false) => commands::connect::Way::Browser,
            };
            commands::connect::connect(&app, &args.connection, way, format).await
        }
        Command::Disconnect { connection } => commands::connect::disconnect(&app, &connection, format).await,
        Command::Sync(args) => {
            let request = commands::sync::Request {
                link: args.link,
                mode: if args.dry_run { commands::sync::Mode::DryRun } else { commands::sync::Mode::Apply },
                format,
                approve: args.approve,
                refuse: args.refuse,
            };
            commands::sync::run(&app, request).await
        }
        Command::Connections => commands::connections::run(&app, format).await,
        Command::Calendars => commands::calendars::run(&app, format).await,
        Command::Events(args) => commands::events::run(&app, &args.calendar, args.ics, format).await,
        Command::Conflicts(args) => commands::conflicts::run(&app, args, format).await,
        Command::Matches => commands::matches::list(&app, format).await,
        Command::Match(args) => {
            let event = args.join.as_deref().filter(|_| !args.keep_both);
            commands::matches::answer(&app, &args.link, &args.item, event, format).await
        }
        Command::History(args) => commands::history::run(&app, args, format).await,
        Command::Run(args) => {
            if args.watch {
                return commands::worker::run(app, commands::worker::Scope::One(args.link), format).await;
            }
            let request = commands::sync::Request {
                link: Some(args.link),
                mode: commands::sync::Mode::Apply,
                format,
                approve: None,
                refuse: None,
            };
            commands::sync::run(&app, request).await
        }
        Command::Log => commands::log::run(&app, format).await,
        Command::Outbox(args) => match args.action {
            None => commands::outbox::list(&app, format).await,
            Some(OutboxAction::Retry { event }) => {
                commands::outbox::settle(&app, &event, commands::outbox::Verdict::Retry, format).await
            }
            Some(OutboxAction::Drop { event }) => {
                commands::outbox::settle(&app, &event, commands::outbox::Verdict::Drop, format).await
            }
        },
        Command::Worker(args) => {
            commands::worker::run(app, commands::worker::Scope::All(args.concurrency), format).await
        }
        Command::Schedule(args) => {
            use commands::schedule::Change;
            let (link, change) = match args.action {
                None => {
                    return commands::schedule::list(&app, format).await;
                }
                Some(ScheduleAction::Pause { link }) => (link, Change::Pause),
                Some(ScheduleAction::Resume { link }) => (link, Change::Resume),
                Some(ScheduleAction::Run { link }) => (link, Change::Run),
                Some(ScheduleAction::Nudge { link }) => (link, Change::Nudge),
            };
            commands::schedule::change(&app, &link, change, format).await
        }
        Command::Vault(command) => commands::vault::run(&app, command, format).await,
        Command::Links { action } => {
            use commands::schedule::Change;
            let (link, change) = match action {
                None => return commands::links::list(&app, format).await,
                Some(LinksAction::Add(_)) => return Ok(IN_STEP),
                Some(LinksAction::Rm(args)) => {
                    return commands::links::remove(&app, config, args, format).await;
                }
                Some(LinksAction::Pause { link }) => (link, Change::Pause),
                Some(LinksAction::Resume { link }) => (link, Change::Resume),
            };
            commands::schedule::change(&app, &link, change, format).await
        }
        Command::Undo(args) => {
            let what = match (args.run, args.last, args.link) {
                (Some(run), ..) => commands::undo::What::Run(run),
                (None, count, link) => {
                    commands::undo::What::Last(count.unwrap_or(1), link.unwrap_or_default())
                }
            };
            commands::undo::run(&app, &what, format).await
        }
        Command::Free(args) => commands::availability::run(&app, args).await,
        Command::Book(args) => commands::book::run(&app, args).await,
        Command::Clean(args) => commands::clean::clean(&app, args, format).await,
        Command::Unlink(args) => {
            let done = commands::clean::unlink(&app, &args, format).await?;
            // One that had another name is not in there.
            let is_left = format == Format::Table && args.earlier.is_none();
            if let Some(link) = done.forgotten.filter(|_| is_left) {
                let rest = "take it out of the configuration, or the next sync joins both sides again";
                output::print(&format!("{link}: {rest}\n"))?;
            }
            Ok(done.code)
        }
        Command::Publish(args) => commands::publish::run(&app, args, format).await,
        Command::Feed(command) => commands::feed::run(&app, command, format).await,
        // Answered before there is a store.
        Command::Emulate(_)
        | Command::ImportConfig { .. }
        | Command::Provision
        | Command::Completions { .. }
        | Command::Man
        | Command::Schema => Ok(IN_STEP),
        Command::Doctor => commands::doctor::run(&app, format).await,
        Command::Explain { event } => commands::explain::run(&app, &event, format).await,
    }
}
