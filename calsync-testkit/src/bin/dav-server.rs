//! The scripted CalDAV server on its own, for clients in other languages and for a look with a browser or curl.
//!
//! Prints its address as one line and serves until standard input closes or it is interrupted.
//!
//! ```text
//! dav-server [--user NAME] [--password TEXT] [--calendar NAME[=DISPLAY NAME]]... [--product NAME]
//! ```
//!
//! `--product` gives it the quirks of a known product, by its name in `Quirks::products`.

use std::io::{self, Read as _, Write as _};
use std::process::ExitCode;

use calsync_testkit::dav::{DavOptions, DavServer, Quirks};

const USAGE: &str =
    "usage: dav-server [--user NAME] [--password TEXT] [--calendar NAME[=DISPLAY NAME]]... [--product NAME]";

fn main() -> ExitCode {
    match options(std::env::args().skip(1)) {
        Some(options) => match serve(options) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                let _ = writeln!(io::stderr(), "dav-server: {error}");
                ExitCode::FAILURE
            }
        },
        None => {
            let _ = writeln!(io::stderr(), "{USAGE}");
            ExitCode::from(2)
        }
    }
}

/// The options of a command line, or `None` when it cannot be read.
fn options(mut arguments: impl Iterator<Item = String>) -> Option<DavOptions> {
    let mut options = DavOptions::default();
    let mut calendars = Vec::new();
    while let Some(argument) = arguments.next() {
        let value = arguments.next()?;
        match argument.as_str() {
            "--user" => options.user = value,
            "--password" => options.password = value,
            "--calendar" => {
                let (name, display) = value.split_once('=').unwrap_or((&value, &value));
                calendars.push((name.to_owned(), display.to_owned()));
            }
            "--product" => {
                let (_, quirks) = Quirks::products().into_iter().find(|(product, _)| *product == value)?;
                options.quirks = quirks;
            }
            _ => return None,
        }
    }
    if !calendars.is_empty() {
        options.calendars = calendars;
    }
    Some(options)
}

fn serve(options: DavOptions) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let server = DavServer::start_on(runtime.handle(), options)?;
    let mut out = io::stdout();
    writeln!(out, "{}", server.url())?;
    out.flush()?;
    let mut input = [0; 1024];
    while io::stdin().read(&mut input)? > 0 {}
    Ok(())
}
