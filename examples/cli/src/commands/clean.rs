//! `calsync clean` and `calsync unlink`: what a link wrote is taken away, and the link is forgotten.

use calsync_core::{
    engine::{CleanOptions, CleanReport, KnownLink, Link},
    model::LinkId,
    plan::{Direction, PlanId},
    store::LinkState,
};
use clap::Args;
use serde_json::{Value, json};
use url::Url;

use super::sync::events_of;
use crate::{
    HELD, IN_STEP,
    app::App,
    ask,
    config::LinkConfig,
    connect::{self, Joined},
    error::CliError,
    hooks::Hooks,
    known,
    lease::when_free,
    output::{Format, plain, print, print_json},
};

#[derive(Args)]
pub(crate) struct CleanArgs {
    /// The link.
    #[arg(long, value_name = "NAME")]
    link: String,
    /// What this name wrote there: the link had it before, and is called otherwise in the configuration now.
    #[arg(long = "as", value_name = "EARLIER")]
    earlier: Option<String>,
    /// Show what would be deleted, and write nothing.
    #[arg(long)]
    dry_run: bool,
    /// Carry out this plan, if it is still exactly this one.
    #[arg(long, value_name = "PLAN_ID", conflicts_with = "dry_run")]
    approve: Option<String>,
}

#[derive(Args)]
pub(crate) struct UnlinkArgs {
    #[command(flatten)]
    pub(crate) part: PartArgs,
    /// Forget this name: the link had it before, and is called otherwise in the configuration now.
    #[arg(long = "as", value_name = "EARLIER")]
    pub(crate) earlier: Option<String>,
}

#[derive(Args)]
pub(crate) struct PartArgs {
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
    let parted = join(app, &args.link, args.earlier.as_deref()).await?;
    let (link, provider) = (parted.link_there().await?, parted.joined.provider.as_ref());
    let name = link.id.as_str();
    if link.direction == Direction::Import {
        return Err(CliError::Unmet(format!(
            "link {name} imports and writes nothing there; `calsync unlink {}{} --remove` takes away what it brought in here",
            args.link,
            suffix(args.earlier.as_deref())
        )));
    }
    let mut options = options(args.approve.as_deref());
    if args.dry_run {
        options = options.previewing();
    }
    let report = when_free(app, &link.id, async || app.engine.clean(&link, provider, &options).await).await?;
    if link.direction == Direction::TwoWay && report.plan.operations.is_empty() {
        return Err(no_marks(name, "nothing was deleted"));
    }
    let again = format!("calsync clean --link {}{}", args.link, suffix(args.earlier.as_deref()));
    show(app, &link, &report, &again, format, args.dry_run).await?;
    Ok(if report.plan.held && !args.dry_run { HELD } else { IN_STEP })
}

/// A link that goes both ways marks nothing: docs/adr/0020.
fn no_marks(link: &str, so: &str) -> CliError {
    CliError::Unmet(format!(
        "link {link} goes both ways: what it wrote belongs to both sides and carries no mark, so nothing tells it from what people \
         made; {so}"
    ))
}

/// How a command is called for a name a link had before.
fn suffix(earlier: Option<&str>) -> String {
    earlier.map(|earlier| format!(" --as {earlier}")).unwrap_or_default()
}

pub(crate) async fn unlink(app: &App, args: &UnlinkArgs, format: Format) -> Result<Unlinked, CliError> {
    let (name, earlier) = (&args.part.link, args.earlier.as_deref());
    // Before anything is asked of a person.
    named(app, name).await?;
    let copies = choice(&args.part, format)?;
    let parted = join(app, name, earlier).await?;
    if earlier.is_some() && parted.known.is_none() && parted.state.is_none() {
        let left: Vec<String> = known::left(app).await?.iter().map(|known| known.id.to_string()).collect();
        return Err(CliError::Unmet(format!(
            "--as: the store knows no such link; those it knows that are not in the configuration are {left:?}"
        )));
    }
    let id = parted.joined.link.id.clone();
    if copies == Copies::Remove {
        let (link, provider) = (parted.link_there().await?, parted.joined.provider.as_ref());
        if link.direction == Direction::TwoWay {
            let keep = format!(
                "nothing was deleted. `calsync unlink {name}{} --keep` parts the two sides and leaves both as they are",
                suffix(earlier)
            );
            return Err(no_marks(id.as_str(), &keep));
        }
        let options = options(args.part.approve.as_deref());
        let report = if link.direction.exports() {
            when_free(app, &id, async || app.engine.clean(&link, provider, &options).await).await?
        } else {
            when_free(app, &id, async || app.engine.clean_imported(&link, provider, &options).await).await?
        };
        let again = format!("calsync unlink {name}{} --remove", suffix(earlier));
        show(app, &link, &report, &again, format, false).await?;
        if report.plan.held {
            return Ok(Unlinked { code: HELD, forgotten: None });
        }
    }
    // Channels that cannot be ended end by themselves.
    let _ = Hooks::to_end(app)?.end(&parted.joined).await;
    when_free(app, &id, async || app.engine.forget(&parted.joined.link).await).await?;
    super::schedule::remove(app, id.as_str()).await?;
    match format {
        Format::Json if copies == Copies::Remove => {}
        Format::Json => print_json(&json!({ "link": id, "forgotten": true }))?,
        Format::Table => print(&format!("{id}: forgotten\n"))?,
    }
    Ok(Unlinked { code: IN_STEP, forgotten: Some(id.to_string()) })
}

/// What was said about what the link wrote; a person who said nothing is asked.
fn choice(args: &PartArgs, format: Format) -> Result<Copies, CliError> {
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

/// A link that is to be parted from what it joined.
struct Parted {
    /// As the configuration has it, under the name the store has it.
    joined: Joined,
    /// What it joined, as far as the store knows.
    known: Option<KnownLink>,
    /// The calendars the rows of the link are of: others than those of the configuration, where somebody changed that.
    state: Option<LinkState>,
}

impl Parted {
    /// The link as it was when it wrote, if the connection of the configuration leads to where that was.
    async fn link_there(&self) -> Result<Link, CliError> {
        let mut link = self.joined.link.clone();
        let Some(state) = &self.state else { return Ok(link) };
        link.calendar = state.calendar.clone();
        let moved = link.moved_from.as_ref() == Some(&state.remote);
        if moved || !link.direction.exports() {
            return Ok(link);
        }
        // The credentials of the configuration are for the server it names.
        let origin = |id: &str| Url::parse(id).ok().map(|url| url.origin());
        if origin(link.remote.as_str()) != origin(state.remote.as_str()) {
            return Err(elsewhere(&link));
        }
        link.remote = state.remote.clone();
        let Some(known) = &self.known else { return Ok(link) };
        match self.joined.provider.place(&link.remote).await? {
            // Another account, where a calendar may be called the same.
            Some(place) if place != known.place => Err(elsewhere(&link)),
            _ => Ok(link),
        }
    }
}

fn elsewhere(link: &Link) -> CliError {
    CliError::Unmet(format!(
        "link {} wrote to another account or server than the configuration names now: name that one again to have it taken away, or \
         leave it there with `calsync unlink` and --keep",
        link.id
    ))
}

/// A link of the configuration; of one that is not there any more, it is said how it is named.
async fn named<'a>(app: &'a App, name: &str) -> Result<&'a LinkConfig, CliError> {
    let missing = match app.links(Some(name)) {
        Ok(links) => return Ok(links[0]),
        Err(error) => error,
    };
    if known::left(app).await?.iter().any(|known| known.id.as_str() == name) {
        return Err(CliError::Unmet(format!(
            "link {name} is not in the configuration any more, and the store knows it: with a link of the same account in the place of \
             LINK, `calsync unlink LINK --as {name}` or `calsync clean --link LINK --as {name}`"
        )));
    }
    Err(missing)
}

async fn join(app: &App, name: &str, earlier: Option<&str>) -> Result<Parted, CliError> {
    let config = named(app, name).await?;
    if let Some(earlier) = earlier
        && app.config.links.iter().any(|link| link.name == earlier)
    {
        return Err(CliError::Unmet(format!(
            "--as: {earlier} is a link of the configuration: name it itself"
        )));
    }
    let mut joined = connect::join(app, config, &connect::transport()?).await?;
    if let Some(earlier) = earlier {
        joined.link.id = LinkId::from(earlier);
    }
    let id = &joined.link.id;
    let known = app.engine.known_links().await?.into_iter().find(|known| known.id == *id);
    if let Some(known) = known.as_ref().filter(|_| earlier.is_some()) {
        joined.link.direction = known.direction;
    }
    let state = app.store.link(id).await?;
    Ok(Parted { joined, known, state })
}

fn options(approve: Option<&str>) -> CleanOptions {
    let options = CleanOptions::default();
    match approve {
        Some(plan) => options.approving(PlanId(plan.to_owned())),
        None => options,
    }
}

async fn show(
    app: &App,
    link: &Link,
    report: &CleanReport,
    again: &str,
    format: Format,
    is_preview: bool,
) -> Result<(), CliError> {
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
    let calendar = link.calendar.as_str();
    let link = &report.plan.link;
    print(&format!("{link}: {} written by it, {} deleted\n", report.plan.deletions(), report.deleted))?;
    if is_preview || report.plan.held {
        let events = events_of(app, calendar, &report.plan.operations).await?;
        for operation in &report.plan.operations {
            let event = operation.event_id.as_ref().and_then(|id| events.get(id));
            let item = operation.remote_id.as_ref().map(|id| plain(id.as_str()));
            let what = event.cloned().or_else(|| Some(format!("item {}", item?))).unwrap_or_default();
            print(&format!("{link}: would delete {what}\n"))?;
        }
    }
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
