//! `calsync conflicts`: what both sides changed at once, and a person's word in it.

use calsync_core::{
    diff::Field,
    engine::{Answer, conflicts_csv},
    model::LinkId,
    store::{AnswerState, ConflictRecord, ConflictState, FieldConflict, Take},
};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use crate::{
    IN_STEP,
    app::App,
    error::CliError,
    output::{Format, print, print_json, print_table},
};

#[derive(Args)]
pub(crate) struct ConflictsArgs {
    #[command(subcommand)]
    command: Option<Command>,
    /// Only those that wait for somebody.
    #[arg(long)]
    open: bool,
    /// Print the whole history for a spreadsheet or a program.
    #[arg(long, value_enum, value_name = "FORMAT", conflicts_with = "json")]
    export: Option<Export>,
}

#[derive(Subcommand)]
enum Command {
    /// Answer an open conflict. The next `sync` carries it out, if both sides still have what the conflict shows.
    Answer(AnswerArgs),
}

#[derive(Args)]
struct AnswerArgs {
    /// The conflict, as `conflicts` shows it.
    id: String,
    /// The version to take: of all open fields, or of those that no --field names.
    #[arg(long, value_enum, required_unless_present = "field")]
    take: Option<Side>,
    /// The version to take of one field, by its name or number: title=local, 2=remote. May come more than once.
    #[arg(long, value_name = "FIELD=local|remote")]
    field: Vec<String>,
    /// Who answers, for the record.
    #[arg(long, value_name = "NAME", default_value = "command line")]
    by: String,
}

#[derive(Clone, Copy, ValueEnum)]
enum Export {
    /// Comma-separated, a line per field. Cells a spreadsheet could take for formulas begin with an apostrophe.
    Csv,
    /// One JSON array with both whole versions of each conflict.
    Json,
}

#[derive(Clone, Copy, ValueEnum)]
enum Side {
    /// The version in the store.
    Local,
    /// The version on the remote side.
    Remote,
}

impl From<Side> for Take {
    fn from(side: Side) -> Self {
        match side {
            Side::Local => Self::Local,
            Side::Remote => Self::Remote,
        }
    }
}

pub(crate) async fn run(app: &App, args: ConflictsArgs, format: Format) -> Result<u8, CliError> {
    let mut conflicts = Vec::new();
    for link in &app.config.links {
        conflicts.extend(app.hub.conflicts(&LinkId::from(link.name.as_str())).await?);
    }
    if let Some(Command::Answer(answer)) = args.command {
        return self::answer(app, &conflicts, answer, format).await;
    }
    conflicts.retain(|conflict| !args.open || conflict.state == ConflictState::Open);
    match (args.export, format) {
        (Some(Export::Csv), _) => print(&conflicts_csv(&conflicts))?,
        (Some(Export::Json), _) => print_json(&json!(conflicts))?,
        (None, Format::Json) => print_json(&json!({ "conflicts": conflicts }))?,
        (None, Format::Table) => table(&conflicts)?,
    }
    Ok(IN_STEP)
}

fn table(conflicts: &[ConflictRecord]) -> Result<(), CliError> {
    let mut rows = Vec::new();
    for conflict in conflicts {
        let in_part = conflict.answers.iter().any(|answer| answer.state == AnswerState::Waiting);
        let state = match conflict.state {
            ConflictState::Open if conflict.is_answered() => "answered",
            ConflictState::Open if in_part => "answered in part",
            ConflictState::Open => "open",
            ConflictState::Resolved => "decided",
        };
        let start = || {
            vec![
                conflict.id.clone(),
                conflict.at.format("%F %T").to_string(),
                conflict.link.to_string(),
                conflict.uid.clone(),
                state.to_owned(),
            ]
        };
        if conflict.fields.is_empty() {
            let mut row = start();
            row.extend([String::new(), "deleted against edited".to_owned(), conflict.policy.clone()]);
            rows.push(row);
        }
        for (number, field) in (1..).zip(&conflict.fields) {
            let mut row = start();
            row.extend([number.to_string(), field.field.to_string(), field.outcome.clone()]);
            row.extend([&field.base, &field.local, &field.remote].map(ToString::to_string));
            rows.push(row);
        }
    }
    print_table(&["id", "at", "link", "uid", "state", "#", "field", "kept", "was", "here", "there"], &rows)
}

async fn answer(
    app: &App,
    conflicts: &[ConflictRecord],
    args: AnswerArgs,
    format: Format,
) -> Result<u8, CliError> {
    let Some(conflict) = conflicts.iter().find(|conflict| conflict.id == args.id) else {
        return Err(CliError::Unmet(format!(
            "no conflict {}; `calsync conflicts --open` lists those that wait",
            args.id
        )));
    };
    let mut answer = Answer::by(args.by);
    if let Some(side) = args.take {
        answer = answer.taking(side.into());
    }
    for text in &args.field {
        let (name, side) = parse(text)?;
        for field in named(conflict, name)? {
            answer = answer.field(field, side);
        }
    }
    app.hub.answer(&conflict.link, &conflict.id, answer).await?;
    match format {
        Format::Json => print_json(&json!({ "conflict": args.id, "link": conflict.link, "answered": true }))?,
        Format::Table => print("answered; the next `calsync sync` carries it out\n")?,
    }
    Ok(IN_STEP)
}

fn parse(text: &str) -> Result<(&str, Take), CliError> {
    match text.rsplit_once('=') {
        Some((name, "local")) => Ok((name, Take::Local)),
        Some((name, "remote")) => Ok((name, Take::Remote)),
        _ => Err(CliError::Unmet(format!("--field {text}: write FIELD=local or FIELD=remote"))),
    }
}

/// The open fields under a number or a name. Several people or alarms share one name: it means all of them.
fn named(conflict: &ConflictRecord, name: &str) -> Result<Vec<Field>, CliError> {
    let open = |field: &&FieldConflict| field.outcome == "open";
    let found: Vec<Field> = match name.parse::<usize>() {
        Ok(number) => {
            let field = number.checked_sub(1).and_then(|place| conflict.fields.get(place));
            field.filter(open).map(|field| field.field.clone()).into_iter().collect()
        }
        Err(_) => {
            let all = conflict.fields.iter().filter(open).map(|field| &field.field);
            all.filter(|field| field.to_string() == name).cloned().collect()
        }
    };
    if found.is_empty() {
        let open: Vec<String> =
            conflict.fields.iter().filter(open).map(|field| field.field.to_string()).collect();
        return Err(CliError::Unmet(format!("no open field {name}; open are {}", open.join(", "))));
    }
    Ok(found)
}
