//! calsync in one command: a feed, a database and a CalDAV server kept in step.
//!
//! `cargo run -p quickstart` starts a CalDAV server inside this process and needs nothing installed but Rust.
//! `--caldav URL --user NAME` runs the same story against a server of your own.

// An example talks to its terminal.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod phone;
mod screen;
mod story;

use std::{env, error::Error, path::PathBuf, process::ExitCode};

use calsync_providers::http::Secret;
use calsync_testkit::dav::{DavOptions, DavServer};
use clap::Parser;

use story::Server;

/// Keeps a feed of holidays, a SQLite file and a CalDAV calendar in step, and shows what happens on the way.
#[derive(Parser)]
struct Args {
    /// A CalDAV server to use instead of the one inside this process: an e-mail address, a host or a URL.
    #[arg(long, value_name = "URL", requires = "user")]
    caldav: Option<String>,
    /// The user name on that server. The password is asked for, or taken from CALDAV_PASSWORD.
    #[arg(long, value_name = "NAME", requires = "caldav")]
    user: Option<String>,
    /// The calendar on that server. It must be empty: the story fills it, and empties it at the end.
    #[arg(long, value_name = "NAME", default_value = "calsync quickstart")]
    calendar: String,
    /// Where the database is kept. Default: a temporary file, removed at the end.
    #[arg(long, value_name = "FILE")]
    database: Option<PathBuf>,
}

/// Where the password is taken from before it is asked for.
const PASSWORD: &str = "CALDAV_PASSWORD";

#[tokio::main]
async fn main() -> ExitCode {
    match run(Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("quickstart: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let database = args.database.unwrap_or_else(|| folder.path().join("quickstart.db"));
    // Lives as long as the story; dropped, it stops.
    let own_server;
    let server = match (args.caldav, args.user) {
        (Some(url), Some(user)) => {
            let password = match env::var(PASSWORD) {
                Ok(password) => password,
                Err(_) => rpassword::prompt_password(format!("Password of {user}: "))?,
            };
            Server { url, user, password: Secret::new(password), calendar: args.calendar }
        }
        _ => {
            let options =
                DavOptions::default().credentials("reader", "quickstart").calendars([("home", "Home")]);
            own_server = DavServer::start(options)?;
            Server {
                url: own_server.url(),
                user: "reader".to_owned(),
                password: Secret::new("quickstart".to_owned()),
                calendar: "Home".to_owned(),
            }
        }
    };
    story::tell(&server, &database).await
}
