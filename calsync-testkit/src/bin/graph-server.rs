//! The emulator of Microsoft Graph's calendar on its own, for clients in other languages and for a look with curl.
//!
//! Prints its address as one line and serves until standard input closes or it is interrupted.
//!
//! ```text
//! graph-server [--token TEXT] [--port NUMBER] [--owner ADDRESS] [--calendar NAME]
//! ```

use std::io::{self, Read as _, Write as _};
use std::process::ExitCode;

use calsync_testkit::microsoft::{GraphOptions, GraphServer};

const USAGE: &str = "usage: graph-server [--token TEXT] [--port NUMBER] [--owner ADDRESS] [--calendar NAME]";

fn main() -> ExitCode {
    match options(std::env::args().skip(1)) {
        Some(options) => match serve(options) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                let _ = writeln!(io::stderr(), "graph-server: {error}");
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
fn options(mut arguments: impl Iterator<Item = String>) -> Option<GraphOptions> {
    let mut options = GraphOptions::default();
    while let Some(argument) = arguments.next() {
        let value = arguments.next()?;
        match argument.as_str() {
            "--token" => options.token = value,
            "--port" => options.port = value.parse().ok()?,
            "--owner" => options.owner = value,
            "--calendar" => options.calendar = value,
            _ => return None,
        }
    }
    Some(options)
}

fn serve(options: GraphOptions) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let server = GraphServer::start_on(runtime.handle(), options)?;
    let mut out = io::stdout();
    writeln!(out, "{}", server.url())?;
    out.flush()?;
    let mut input = [0; 1024];
    while io::stdin().read(&mut input)? > 0 {}
    Ok(())
}
