//! PostgreSQL, from Debian's package. The testkit starts and stops it; here it is made sure that there is one.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use super::apt;
use crate::board::{Doing, Outcome, Stop, failed};
use crate::built;
use crate::process::{self, Guarded};
use crate::workspace;

/// Whether packages may be installed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Install {
    /// They may.
    Allowed,
    /// They may not: what is there is used.
    Forbidden,
}

/// Makes sure that there is a PostgreSQL.
pub(crate) fn install(install: Install) -> Outcome {
    // What another xtask is installing now is there by half.
    drop(workspace::installing(apt::LOCK)?);
    let debian = Path::new("/usr/lib/postgresql").is_dir();
    let there =
        ["CALSYNC_TEST_POSTGRES", "CALSYNC_PG_BIN"].iter().any(|name| std::env::var_os(name).is_some());
    if debian || there || process::exists("initdb") {
        return Ok(());
    }
    if install == Install::Forbidden {
        return Err(Stop::Skipped("PostgreSQL is not installed".into()));
    }
    apt::install("PostgreSQL", &["postgresql"])
}

/// A server that runs until this is dropped.
pub(crate) struct Postgres {
    url: String,
    _running: Guarded,
}

impl Postgres {
    /// Starts one; its standard input is a named pipe in `dir` that never closes by itself.
    pub(crate) fn start(dir: &Path) -> Outcome<Self> {
        let built = built::program("postgres-server")?;
        let mut program = Command::new("sh");
        program.args(["-c", r#"mkfifo "$0" && exec "$@" <>"$0""#]).arg(dir.join("postgres-open"));
        program.arg(built);
        let mut running = Guarded::spawn(&program, Stdio::piped(), Stdio::inherit())?;
        let Some(pipe) = running.stdout() else { return failed("the server's output is not piped") };
        let mut line = String::new();
        BufReader::new(pipe).read_line(&mut line).doing("cannot read what postgres-server printed")?;
        let url = line.trim().to_owned();
        if !url.starts_with("postgres://") {
            return failed(format!("postgres-server printed {line:?} and not its URL"));
        }
        Ok(Self { url, _running: running })
    }

    /// Its connection string.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}
