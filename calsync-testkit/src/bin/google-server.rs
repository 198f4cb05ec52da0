//! The Google Calendar emulator on its own, for clients in other languages and for a look with curl.
//!
//! Prints its address as one line and serves until standard input closes or it is interrupted.
//!
//! ```text
//! google-server [--user ADDRESS] [--token TEXT] [--zone NAME] [--port PORT]
//! ```

use std::io::{self, Read as _, Write as _};
use std::process::ExitCode;

use calsync_testkit::google::{GoogleOptions, GoogleServer};

const USAGE: &str = "usage: google-server [--user ADDRESS] [--token TEXT] [--zone NAME] [--port PORT]";

fn main() -> ExitCode {
    match options(std::env::args().skip(1)) {
        Some(options) => match serve(options) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                let _ = writeln!(io::stderr(), "google-server: {error}");
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
fn options(mut arguments: impl Iterator<Item = String>) -> Option<GoogleOptions> {
    let mut options = GoogleOptions::default();
    while let Some(argument) = arguments.next() {
        let value = arguments.next()?;
        match argument.as_str() {
            "--user" => options.user = value,
            "--token" => options.token = value,
            "--zone" => options.zone = value,
            "--port" => options.port = value.parse().ok()?,
            _ => return None,
        }
    }
    Some(options)
}

fn serve(options: GoogleOptions) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let server = GoogleServer::start_on(runtime.handle(), options)?;
    let mut out = io::stdout();
    writeln!(out, "{}", server.url())?;
    out.flush()?;
    let mut input = [0; 1024];
    while io::stdin().read(&mut input)? > 0 {}
    Ok(())
}
