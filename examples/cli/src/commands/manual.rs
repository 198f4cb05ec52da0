//! `calsync completions` and `calsync man`: made from the same definition the command line is read by.

use std::io;

use clap::Command;
use clap_complete::Shell;
use serde_json::json;

use crate::{
    IN_STEP,
    error::CliError,
    output::{Format, print, print_json},
};

/// Prints the completions of a shell.
pub(crate) fn completions(shell: Shell, mut command: Command, format: Format) -> Result<u8, CliError> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut command, "calsync", &mut text);
    let script = String::from_utf8_lossy(&text);
    match format {
        Format::Json => print_json(&json!({ "shell": shell.to_string(), "script": script }))?,
        Format::Table => print(&script)?,
    }
    Ok(IN_STEP)
}

/// Prints the manual page, the subcommands after the program.
pub(crate) fn page(mut command: Command, format: Format) -> Result<u8, CliError> {
    let failed = |error| CliError::Io { what: "the manual page".to_owned(), error };
    command.build();
    let mut text = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut text).map_err(failed)?;
    sections(&command, "CALSYNC", &mut text).map_err(failed)?;
    let page = String::from_utf8_lossy(&text);
    match format {
        Format::Json => print_json(&json!({ "commands": leaves(&command), "page": page }))?,
        Format::Table => print(&page)?,
    }
    Ok(IN_STEP)
}

/// A section for each command below one, and for those below it.
fn sections(command: &Command, name: &str, text: &mut Vec<u8>) -> io::Result<()> {
    for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
        let name = format!("{name} {}", inner.get_name().to_ascii_uppercase());
        let page = clap_mangen::Man::new(inner.clone());
        text.extend(format!(".SH \"{name}\"\n").into_bytes());
        page.render_description_section(text)?;
        page.render_options_section(text)?;
        sections(inner, &name, text)?;
    }
    Ok(())
}

/// Every command there is, as it is typed.
fn leaves(command: &Command) -> Vec<String> {
    let mut found = Vec::new();
    for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
        let below = leaves(inner);
        if below.is_empty() || !inner.is_subcommand_required_set() {
            found.push(inner.get_name().to_owned());
        }
        found.extend(below.into_iter().map(|name| format!("{} {name}", inner.get_name())));
    }
    found
}
