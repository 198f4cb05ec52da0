//! libical, driven by small C programs that time themselves.

use std::path::PathBuf;
use std::process::Command;

use crate::install::{debian, output};
use crate::{Options, Outcome, root};

/// Compiles `benches/c/NAME.c` against libical, which is installed when it is not there.
pub(crate) fn program(options: &Options, name: &str) -> Outcome<PathBuf> {
    let source = root().join("benches").join("c").join(format!("{name}.c"));
    let binary = options.folder("native")?.join(name);
    let compile = || {
        let mut command = Command::new("cc");
        command.args(["-O2", "-Wall", "-Werror", "-o"]).arg(&binary).arg(&source).arg("-lical");
        output(&mut command)
    };
    compile().or_else(|first| {
        debian(&["gcc", "libc6-dev", "libical-dev", "tzdata"])
            .map_err(|error| format!("{error} ({first})"))?;
        compile()
    })?;
    Ok(binary)
}
