//! A question to the person at the terminal, before something that cannot be taken back.

use std::io::{self, BufRead as _, IsTerminal as _};

use crate::{
    error::CliError,
    output::{Format, tell},
};

/// How often an answer that is none is asked for again.
const TRIES: usize = 3;

/// Whether somebody said yes beforehand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::Args)]
pub(crate) struct YesArgs {
    /// Do not ask: for scripts.
    #[arg(long)]
    pub(crate) yes: bool,
}

/// Whether there is somebody to ask.
pub(crate) fn somebody(format: Format) -> bool {
    format != Format::Json && io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// The answer, one of `words` or its first letter; `None`: none of them was said.
pub(crate) fn choose<'w>(question: &str, words: &[&'w str]) -> Option<&'w str> {
    for _ in 0..TRIES {
        tell(&format!("{question} [{}]", words.join("/")));
        let mut line = String::new();
        if !matches!(io::stdin().lock().read_line(&mut line), Ok(1..)) {
            return None;
        }
        let said = line.trim().to_lowercase();
        let meant = |word: &&&str| said == **word || !said.is_empty() && word.get(..1) == Some(said.as_str());
        if let Some(word) = words.iter().find(meant) {
            return Some(word);
        }
    }
    None
}

/// Goes on when somebody says yes, now or beforehand.
pub(crate) fn confirm(question: &str, args: YesArgs, format: Format) -> Result<(), CliError> {
    if args.yes {
        return Ok(());
    }
    if !somebody(format) {
        return Err(CliError::Unmet(format!("{question} Nobody is there to ask: say so with --yes")));
    }
    match choose(question, &["yes", "no"]) {
        Some("yes") => Ok(()),
        _ => Err(CliError::Unmet("nothing was done".to_owned())),
    }
}
