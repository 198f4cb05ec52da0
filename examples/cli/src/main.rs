//! `calsync`: calendars in SQLite or PostgreSQL, kept in step with Google Calendar, Microsoft 365, CalDAV servers, ICS
//! feeds and Cozi.
//!
//! The configuration and the JSON output are a contract; see `README.md` beside `Cargo.toml`.

mod account;
mod app;
mod cadence;
mod commands;
mod config;
mod connect;
mod dynamodb;
mod error;
mod hooks;
mod loopback;
mod output;
mod progress;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, CommandFactory, Parser, Subcommand};

use app::App;
use error::CliError;

/// Exit code when both sides are in step.
const IN_STEP: u8 = 0;
/// Exit code when deletions or pairs wait for a person.
const HELD: u8 = 2;

/// Keeps calendars in SQLite, PostgreSQL or DynamoDB in step with Google Calendar, Microsoft 365, CalDAV servers and ICS feeds.
///
/// Exit code: 0 in step, 1 error, 2 something waits for a person, 3 credentials needed.
#[derive(Parser)]
#[command(name = "calsync", version)]
struct Cli {
    /// The configuration file.
    #[arg(long, global = true, default_value = "calsync.toml", value_name = "FILE")]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Bring links in step.
    Sync(SyncArgs),
    /// Sign in to Google or Microsoft, and keep the access.
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
    Doctor(Json),
    /// Print the completions of a shell.
    Completions {
        /// Which one.
        shell: clap_complete::Shell,
    },
    /// Print the manual page.
    Man,
    /// List the calendars of every connection and of the store.
    Calendars(Json),
    /// Show the events of a calendar in the store.
    Events(EventsArgs),
    /// Show what both sides changed at once and how it was decided, answer what waits, or export all of it.
    Conflicts(commands::conflicts::ConflictsArgs),
    /// Show remote items that may be the same as events here, and wait for an answer.
    Matches(Json),
    /// Say which event an item is, or that it is none of them.
    Match(MatchArgs),
    /// Show past runs.
    Log(Json),
    /// Show writes the remote side has not confirmed, or settle one that is stuck.
    Outbox(OutboxArgs),
    /// Keep links in step until told to stop (Ctrl-C): each runs when the schedule says so.
    Worker(WorkerArgs),
    /// Show when each link runs next and how its last run went; pause it, resume it, or run it now.
    Schedule(ScheduleArgs),
    /// Stop a link until it is resumed, or let it run again; as in `schedule`.
    Links {
        #[command(subcommand)]
        action: LinksAction,
    },
    /// Take back what a run did, and carry that to the remote side.
    Undo(UndoArgs),
    /// What is sealed in the store: tokens of accounts.
    #[command(subcommand)]
    Vault(commands::vault::VaultCommand),
    /// Tell when somebody is free, over calendars of the store.
    #[command(alias = "availability")]
    Free(commands::availability::AvailabilityArgs),
    /// Book a slot that is free on all calendars, keep one for a while, or give one back.
    Book(commands::book::BookArgs),
    /// Write a calendar of the store as a feed others can subscribe to: when somebody is busy, or with details.
    Publish(commands::publish::PublishArgs),
    /// Delete everything a link ever wrote into its remote calendar, also when the store is lost.
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
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Args)]
struct SyncArgs {
    /// Only this link.
    #[arg(long, value_name = "NAME")]
    link: Option<String>,
    /// Show what would be done, and write nothing anywhere.
    #[arg(long)]
    dry_run: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
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
struct Json {
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
struct OutboxArgs {
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
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
    /// Print one JSON object per line for each run and alert.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
struct ScheduleArgs {
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
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
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(run(cli)),
        Err(error) => Err(CliError::Io { what: "start".to_owned(), error }),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            output::tell(&error.to_string());
            ExitCode::from(error.exit_code())
        }
    }
}

async fn run(cli: Cli) -> Result<u8, CliError> {
    if let Command::Emulate(args) = cli.command {
        return commands::emulate::run(args).await;
    }
    match &cli.command {
        Command::ImportConfig { file } => return commands::import_config::run(file),
        Command::Completions { shell } => return commands::manual::completions(*shell, Cli::command()),
        Command::Man => return commands::manual::page(Cli::command()),
        Command::Provision => return commands::provision::run(&cli.config).await,
        _ => {}
    }
    let app = App::open(&cli.config).await?;
    let place = app.place.clone();
    command(app, cli.command).await.map_err(|error| error.in_store(&place))
}

async fn command(app: App, command: Command) -> Result<u8, CliError> {
    match command {
        Command::Emulate(_) => Ok(IN_STEP),
        Command::Connect(args) => {
            let way = match (args.device, args.no_browser) {
                (true, _) => commands::connect::Way::Device,
                (false, true) => commands::connect::Way::Address,
                (false, false) => commands::connect::Way::Browser,
            };
            commands::connect::connect(&app, &args.connection, way).await
        }
        Command::Disconnect { connection } => commands::connect::disconnect(&app, &connection).await,
        Command::Sync(args) => {
            let request = commands::sync::Request {
                link: args.link,
                mode: if args.dry_run { commands::sync::Mode::DryRun } else { commands::sync::Mode::Apply },
                format: output::Format::from_flag(args.json),
                approve: args.approve,
                refuse: args.refuse,
            };
            commands::sync::run(&app, request).await
        }
        Command::Calendars(json) => {
            commands::calendars::run(&app, output::Format::from_flag(json.json)).await
        }
        Command::Events(args) => commands::events::run(&app, &args.calendar, args.ics).await,
        Command::Conflicts(args) => commands::conflicts::run(&app, args).await,
        Command::Matches(json) => commands::matches::list(&app, output::Format::from_flag(json.json)).await,
        Command::Match(args) => {
            let event = args.join.as_deref().filter(|_| !args.keep_both);
            commands::matches::answer(&app, &args.link, &args.item, event).await
        }
        Command::Log(json) => commands::log::run(&app, output::Format::from_flag(json.json)).await,
        Command::Outbox(args) => match args.action {
            None => commands::outbox::list(&app, output::Format::from_flag(args.json)).await,
            Some(OutboxAction::Retry { event }) => {
                commands::outbox::settle(&app, &event, commands::outbox::Verdict::Retry).await
            }
            Some(OutboxAction::Drop { event }) => {
                commands::outbox::settle(&app, &event, commands::outbox::Verdict::Drop).await
            }
        },
        Command::Worker(args) => {
            let format = output::Format::from_flag(args.json);
            commands::worker::run(app, args.concurrency, format).await
        }
        Command::Schedule(args) => {
            use commands::schedule::Change;
            let (link, change) = match args.action {
                None => {
                    return commands::schedule::list(&app, output::Format::from_flag(args.json)).await;
                }
                Some(ScheduleAction::Pause { link }) => (link, Change::Pause),
                Some(ScheduleAction::Resume { link }) => (link, Change::Resume),
                Some(ScheduleAction::Run { link }) => (link, Change::Run),
                Some(ScheduleAction::Nudge { link }) => (link, Change::Nudge),
            };
            commands::schedule::change(&app, &link, change).await
        }
        Command::Vault(command) => commands::vault::run(&app, command).await,
        Command::Links { action } => {
            use commands::schedule::Change;
            let (link, change) = match action {
                LinksAction::Pause { link } => (link, Change::Pause),
                LinksAction::Resume { link } => (link, Change::Resume),
            };
            commands::schedule::change(&app, &link, change).await
        }
        Command::Undo(args) => {
            let what = match (args.run, args.last, args.link) {
                (Some(run), ..) => commands::undo::What::Run(run),
                (None, count, link) => {
                    commands::undo::What::Last(count.unwrap_or(1), link.unwrap_or_default())
                }
            };
            commands::undo::run(&app, &what).await
        }
        Command::Free(args) => commands::availability::run(&app, args).await,
        Command::Book(args) => commands::book::run(&app, args).await,
        Command::Clean(args) => commands::clean::clean(&app, args).await,
        Command::Unlink(args) => commands::clean::unlink(&app, args).await,
        Command::Publish(args) => commands::publish::run(&app, args).await,
        // Answered before there is a configuration.
        Command::ImportConfig { file } => commands::import_config::run(&file),
        Command::Provision => Ok(IN_STEP),
        Command::Completions { .. } | Command::Man => Ok(IN_STEP),
        Command::Doctor(json) => commands::doctor::run(&app, output::Format::from_flag(json.json)).await,
        Command::Explain { event, json } => {
            commands::explain::run(&app, &event, output::Format::from_flag(json)).await
        }
    }
}
