//! PostgreSQL's own programs.

use std::process::Command;

use calsync_testkit::postgres;

/// What a program writes.
pub(crate) fn run(program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(postgres::client_program(program).unwrap());
    let done = command.args(arguments).output().unwrap();
    assert!(done.status.success(), "{program}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}
