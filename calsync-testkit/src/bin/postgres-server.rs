//! A throw-away PostgreSQL server on its own, for programs that need one to test against.
//!
//! Prints its connection string as one line and runs until standard input closes or it is interrupted.

use std::io::{self, Read as _, Write as _};

fn main() -> io::Result<()> {
    #[cfg(unix)]
    {
        let mut out = io::stdout();
        writeln!(out, "{}", calsync_testkit::postgres::url())?;
        out.flush()?;
        let mut input = [0; 1024];
        while io::stdin().read(&mut input)? > 0 {}
        Ok(())
    }
    #[cfg(not(unix))]
    Err(io::Error::other("only on Unix"))
}
