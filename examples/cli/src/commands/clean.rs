//! `calsync clean` and `calsync unlink`: what a link wrote is taken away, and the link is forgotten.

use calsync_core::{
    engine::{CleanOptions, CleanReport},
    plan::PlanId,
};
use clap::Args;
use serde_json::{Value, json};

use crate::{
    HELD, IN_STEP,
    app::App,
    ask,
    connect::{self, Joined},
    error::CliError,
    hooks::Hooks,
    lease::when_free,
    output::{Format, print, print_json},
};

#[derive(Args)]
pub(crate) struct CleanArgs {
    /// The link.
    #[arg(long, value_name = "NAME")]
    link: String,
    /// Show what would be deleted, and write nothing.
    #[arg(long)]
    dry_run: bool,
    /// Carry out this plan, if it is still exactly this one.
    #[arg(long, value_name = "PLAN_ID", conflicts_with = "dry_run")]
    approve: Option<String>,
}

#[derive(Args)]
pub(crate) struct UnlinkArgs {
    /// The link.
    link: String,
    /// Leave everything on both sides where it is. Without this and --remove, a person at a terminal is asked.
    #[arg(long, conflicts_with = "remove")]
    keep: bool,
    /// First delete what the link wrote: there, or, of a link that imports, here.
    #[arg(long)]
    remove: bool,
    /// Carry out these deletions, if they are still exactly these.
    #[arg(long, value_name = "PLAN_ID", conflicts_with = "keep")]
    approve: Option<String>,
}

/// How an unlinking ended.
pub(crate) struct Unlinked {
    pub(crate) code: u8,
    /// The link; `None` where deletions wait for a person, and it is still there.
    pub(crate) forgotten: Option<String>,
}

/// What becomes of what a link wrote.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Copies {
    Keep,
    Remove,
}

pub(crate) async fn clean(app: &App, args: CleanArgs, format: Format) -> Result<u8, CliError> {
    let joined = join(app, &args.link).await?;
    let mut options = options(args.approve.as_deref());
    if args.dry_run {
        options = options.previewing();
    }
    let clean = async || app.engine.clean(&joined.link, joined.provider.as_ref(), &options).await;
    let report = when_free(app, &joined.link.id, clean).await?;
    let again = format!("calsync clean --link {}", args.link);
    show(&report, &again, format, args.dry_run)?;
    Ok(if report.plan.held && !args.dry_run { HELD } else { IN_STEP })
}

pub(crate) async fn unlink(app: &App, args: &UnlinkArgs, format: Format) -> Result<Unlinked, CliError> {
    // Before anything is asked of a person.
    app.links(Some(&args.link))?;
    let copies = choice(args, format)?;
    let joined = join(app, &args.link).await?;
    if copies == Copies::Remove {
        let (link, provider) = (&joined.link, joined.provider.as_ref());
        let options = options(args.approve.as_deref());
        let report = if link.direction.exports() {
            when_free(app, &link.id, async || app.engine.clean(link, provider, &options).await).await?
        } else {
            when_free(app, &link.id, async || app.engine.clean_imported(link, provider, &options).await)
                .await?
        };
        show(&report, &format!("calsync unlink {} --remove", args.link), format, false)?;
        if report.plan.held {
            return Ok(Unlinked { code: HELD, forgotten: None });
        }
    }
    // Channels that cannot be ended end by themselves.
    let _ = Hooks::to_end(app)?.end(&joined).await;
    when_free(app, &joined.link.id, async || app.engine.forget(&joined.link).await).await?;
    super::schedule::remove(app, &args.link).await?;
    match format {
        Format::Json if copies == Copies::Remove => {}
        Format::Json => print_json(&json!({ "link": args.link, "forgotten": true }))?,
        Format::Table => print(&format!("{}: forgotten\n", args.link))?,
    }
    Ok(Unlinked { code: IN_STEP, forgotten: Some(args.link.clone()) })
}

/// What was said about what the link wrote; a person who said nothing is asked.
fn choice(args: &UnlinkArgs, format: Format) -> Result<Copies, CliError> {
    match (args.keep, args.remove) {
        (true, _) => return Ok(Copies::Keep),
        (_, true) => return Ok(Copies::Remove),
        _ => {}
    }
    let unsaid = || {
        CliError::Unmet(format!(
            "what becomes of what the link {} wrote? --keep leaves it where it is, --remove deletes it first",
            args.link
        ))
    };
    if !ask::somebody(format) {
        return Err(unsaid());
    }
    let question = format!("keep what the link {} wrote, or remove it?", args.link);
    match ask::choose(&question, &["keep", "remove"]) {
        Some("keep") => Ok(Copies::Keep),
        Some(_) => Ok(Copies::Remove),
        None => Err(unsaid()),
    }
}

async fn join(app: &App, name: &str) -> Result<Joined, CliError> {
    let Some(config) = app.links(Some(name))?.into_iter().next() else {
        return Err(CliError::Config(format!("no link is called {name:?}")));
    };
    connect::join(app, config, &connect::transport()?).await
}

fn options(approve: Option<&str>) -> CleanOptions {
    let options = CleanOptions::default();
    match approve {
        Some(plan) => options.approving(PlanId(plan.to_owned())),
        None => options,
    }
}

fn show(report: &CleanReport, again: &str, format: Format, is_preview: bool) -> Result<(), CliError> {
    let plan = report.plan.deletions_id().0;
    if format == Format::Json {
        let mut found = json!({
            "link": report.plan.link,
            "plan_id": plan,
            "held": report.plan.held,
            "deletions": report.plan.deletions(),
            "deleted": report.deleted,
            "edited": report.edited,
            "foreign": report.foreign,
            "complete": report.complete,
            "plan": Value::Null,
        });
        if is_preview || report.plan.held {
            found["plan"] = json!(report.plan.operations);
        }
        return print_json(&found);
    }
    let link = &report.plan.link;
    print(&format!("{link}: {} written by it, {} deleted\n", report.plan.deletions(), report.deleted))?;
    for (count, what) in [
        (report.edited, "were edited since, and stay"),
        (report.foreign, "carry the mark of another item: somebody's copies, which stay"),
    ] {
        if count > 0 {
            print(&format!("{link}: {count} {what}\n"))?;
        }
    }
    if !report.complete {
        print(&format!("{link}: not everything there could be listed; run it again\n"))?;
    }
    if report.plan.held {
        print(&format!("{link}: to delete exactly these: {again} --approve {plan}\n"))?;
    }
    Ok(())
}
