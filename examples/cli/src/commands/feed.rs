//! `calsync feed`: feeds others subscribe to, and the tokens in their addresses.

use std::{net::SocketAddr, sync::Arc};

use calsync_core::{
    context::SystemEntropy,
    publish::{FeedTokenError, FeedTokens, Publisher},
    secret::Secret,
};
use chrono::TimeDelta;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::{
    IN_STEP,
    app::App,
    ask::{YesArgs, confirm},
    cadence::interval,
    config::FeedConfig,
    error::CliError,
    feed_server,
    output::{Format, print, print_json, print_table, tell},
};

/// Where feeds are, on whatever server stands in front.
pub(crate) const FOLDER: &str = "/feeds/";

#[derive(Subcommand)]
pub(crate) enum FeedCommand {
    /// Answer subscribers until told to stop (Ctrl-C). It speaks HTTP: put a server in front of it that encrypts.
    Serve(ServeArgs),
    /// The tokens in the addresses of feeds: whoever has one reads the feed.
    #[command(subcommand)]
    Token(TokenCommand),
}

#[derive(Args)]
pub(crate) struct ServeArgs {
    /// Where to listen.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8808")]
    listen: SocketAddr,
}

#[derive(Subcommand)]
pub(crate) enum TokenCommand {
    /// Make the token of a feed, and show its address this once.
    Create {
        /// The feed.
        feed: String,
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// Give a feed another token, and show its address this once.
    Rotate {
        /// The feed.
        feed: String,
        /// How long the old address works on: `7d`, `12h`. Default: no longer.
        #[arg(long, value_name = "TIME", value_parser = overlap)]
        overlap: Option<TimeDelta>,
        #[command(flatten)]
        yes: YesArgs,
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// Take the token of a feed away: its address finds nothing any more.
    Revoke {
        /// The feed.
        feed: String,
        #[command(flatten)]
        yes: YesArgs,
    },
    /// Show which feeds have a token.
    List,
}

#[derive(Args)]
pub(crate) struct PlaceArgs {
    /// What the world reaches `feed serve` by, such as `https://calendar.example.org`.
    #[arg(long, value_name = "URL")]
    base: Option<String>,
}

fn overlap(text: &str) -> Result<TimeDelta, String> {
    interval(text)
        .filter(|time| *time >= TimeDelta::zero())
        .ok_or_else(|| "write 90s, 15m, 12h or 7d".to_owned())
}

impl From<FeedTokenError> for CliError {
    fn from(error: FeedTokenError) -> Self {
        match error {
            FeedTokenError::Store(error) => Self::Store(error),
            FeedTokenError::Exists { feed } => Self::Unmet(format!(
                "the feed {feed:?} has a token: `calsync feed token rotate {feed}` makes another one"
            )),
            FeedTokenError::Unknown { feed } => Self::Unmet(format!(
                "the feed {feed:?} has no token: `calsync feed token create {feed}` makes one"
            )),
            other => Self::Unmet(other.to_string()),
        }
    }
}

fn tokens(app: &App) -> FeedTokens {
    FeedTokens::new(app.store.clone(), app.clock.clone(), Arc::new(SystemEntropy))
}

pub(crate) async fn run(app: &App, command: FeedCommand, format: Format) -> Result<u8, CliError> {
    match command {
        FeedCommand::Serve(args) => serve(app, args.listen, format).await,
        FeedCommand::Token(TokenCommand::Create { feed, place }) => {
            let feed = known(app, &feed)?;
            let token = tokens(app).create(&feed.name).await?;
            show(feed, &place, &token, format)
        }
        FeedCommand::Token(TokenCommand::Rotate { feed, overlap, yes, place }) => {
            let feed = known(app, &feed)?;
            has_token(app, &feed.name).await?;
            if overlap.is_none_or(|overlap| overlap.is_zero()) {
                let name = &feed.name;
                let question = format!("everybody who has the address of {name} loses it now. Go on?");
                confirm(&question, yes, format)?;
            }
            let token = tokens(app).rotate(&feed.name, overlap.unwrap_or_default()).await?;
            show(feed, &place, &token, format)
        }
        // Also of a feed that is not in the configuration any more.
        FeedCommand::Token(TokenCommand::Revoke { feed, yes }) => {
            has_token(app, &feed).await?;
            confirm(
                &format!("nobody will reach {feed} any more, whoever has its address. Go on?"),
                yes,
                format,
            )?;
            tokens(app).revoke(&feed).await?;
            match format {
                Format::Json => print_json(&json!({ "feed": feed, "revoked": true }))?,
                Format::Table => print(&format!("{feed}: its address finds nothing any more\n"))?,
            }
            Ok(IN_STEP)
        }
        FeedCommand::Token(TokenCommand::List) => list(app, format).await,
    }
}

/// Before anything is asked of a person.
async fn has_token(app: &App, feed: &str) -> Result<(), CliError> {
    match tokens(app).list().await?.iter().any(|token| token.feed == feed) {
        true => Ok(()),
        false => Err(FeedTokenError::Unknown { feed: feed.to_owned() }.into()),
    }
}

fn known<'a>(app: &'a App, name: &str) -> Result<&'a FeedConfig, CliError> {
    let found = app.config.feeds.iter().find(|feed| feed.name == name);
    found.ok_or_else(|| {
        let names: Vec<&str> = app.config.feeds.iter().map(|feed| feed.name.as_str()).collect();
        CliError::Config(format!(
            "no feed is called {name:?}; the feeds are {names:?}: add one with [[feeds]], `name` and `calendar`"
        ))
    })
}

fn show(
    feed: &FeedConfig,
    place: &PlaceArgs,
    token: &Secret<String>,
    format: Format,
) -> Result<u8, CliError> {
    let path = format!("{FOLDER}{}.ics", token.expose());
    let url = place.base.as_ref().map(|base| format!("{}{path}", base.trim_end_matches('/')));
    match format {
        Format::Json => print_json(&json!({ "feed": feed.name, "path": path, "url": url }))?,
        Format::Table => {
            print(&format!("{}\n", url.unwrap_or(path)))?;
            tell(&format!(
                "whoever has this address reads the feed {}. It is shown this once; keep it out of logs and mails to many",
                feed.name
            ));
        }
    }
    Ok(IN_STEP)
}

async fn list(app: &App, format: Format) -> Result<u8, CliError> {
    let held = tokens(app).list().await?;
    let mut names: Vec<&str> = app.config.feeds.iter().map(|feed| feed.name.as_str()).collect();
    names.extend(held.iter().map(|token| token.feed.as_str()));
    names.sort_unstable();
    names.dedup();
    let (mut found, mut rows) = (Vec::<Value>::new(), Vec::new());
    for name in names {
        let config = app.config.feeds.iter().find(|feed| feed.name == name);
        let token = held.iter().find(|token| token.feed == name);
        found.push(json!({
            "feed": name,
            "calendar": config.map(|feed| &feed.calendar),
            "detail": config.map(|feed| feed.detail),
            "form": config.map(|feed| feed.form),
            "token": token.is_some(),
            "created": token.map(|token| token.created),
            "rotated": token.and_then(|token| token.rotated),
            "previous_until": token.and_then(|token| token.previous_until),
        }));
        let time = |at: Option<chrono::DateTime<chrono::Utc>>| {
            at.map(|at| at.format("%F %T").to_string()).unwrap_or_default()
        };
        rows.push(vec![
            name.to_owned(),
            config.map_or_else(|| "not in the configuration".to_owned(), |feed| feed.calendar.clone()),
            if token.is_some() { "yes" } else { "no" }.to_owned(),
            time(token.map(|token| token.created)),
            time(token.and_then(|token| token.rotated)),
            time(token.and_then(|token| token.previous_until)),
        ]);
    }
    match format {
        Format::Json => print_json(&json!({ "feeds": found }))?,
        Format::Table => {
            let head = ["feed", "calendar", "token", "made", "rotated", "the one before works until"];
            print_table(&head, &rows)?;
        }
    }
    Ok(IN_STEP)
}

async fn serve(app: &App, listen: SocketAddr, format: Format) -> Result<u8, CliError> {
    if app.config.feeds.is_empty() {
        return Err(CliError::Config(
            "there are no [[feeds]]: add one with `name` and `calendar`".to_owned(),
        ));
    }
    let mut publisher = Publisher::new(app.store.clone(), app.clock.clone(), tokens(app));
    let held = tokens(app).list().await?;
    for feed in &app.config.feeds {
        if !held.iter().any(|token| token.feed == feed.name) {
            tell(&format!("feed {0}: nobody can read it: `calsync feed token create {0}`", feed.name));
        }
        // What it was before this start is not known.
        let published = feed.published(app.clock.now()).map_err(CliError::Config)?;
        publisher = publisher.with_feed(feed.name.as_str(), published);
    }
    feed_server::serve(publisher, listen, format).await?;
    Ok(IN_STEP)
}
