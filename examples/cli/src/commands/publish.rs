//! `calsync publish`.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use calsync_core::{
    context::{Entropy, SystemEntropy},
    model::Event,
    publish::{Detail, FeedOptions, feed, free_busy, remember_feed_key},
    secret::Secret,
};
use chrono::TimeDelta;
use clap::Args;
use serde_json::json;

use crate::{
    IN_STEP,
    app::App,
    config::zone,
    error::CliError,
    output::{Format, print_json, tell},
};

#[derive(Args)]
pub(crate) struct PublishArgs {
    /// The calendar in the store.
    #[arg(long, value_name = "NAME")]
    calendar: String,
    /// The file, replaced as a whole.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Show what events say. What is marked private is shown as busy all the same. Default: only when somebody is busy.
    #[arg(long)]
    details: bool,
    /// Write busy times for programs instead of events.
    #[arg(long, conflicts_with = "details")]
    free_busy: bool,
    /// The name subscribers see. Default: none.
    #[arg(long)]
    name: Option<String>,
    /// The zone of the calendar, such as Europe/Berlin.
    #[arg(long, default_value = "UTC")]
    zone: String,
    /// Addresses of the owner: what they declined takes none of their time.
    #[arg(long, value_delimiter = ',')]
    owner: Vec<String>,
    /// Days back.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(0..=36600))]
    back: u32,
    /// Days ahead.
    #[arg(long, default_value_t = 180, value_parser = clap::value_parser!(u32).range(0..=36600))]
    ahead: u32,
    /// Where the secret of the feed is kept, made when absent. Default: the name of the feed and `.key`.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

pub(crate) async fn run(app: &App, args: PublishArgs, format: Format) -> Result<u8, CliError> {
    let id = app.calendar(&args.calendar).await?;
    let key = args.key.clone().unwrap_or_else(|| beside(&args.out, "key"));
    let key = key_in(&key)?;
    // So that a link that reads the feed back in knows it.
    remember_feed_key(&*app.store, &key).await?;
    let mut options = FeedOptions::new(app.clock.now(), key);
    options.detail = if args.details { Detail::Details } else { Detail::BusyOnly };
    options.name.clone_from(&args.name);
    options.zone = zone("--zone", &args.zone).map_err(CliError::Unmet)?;
    options.owner.clone_from(&args.owner);
    options.back = TimeDelta::days(i64::from(args.back));
    options.ahead = TimeDelta::days(i64::from(args.ahead));
    let mut records = app.hub.events(&id).await?;
    // The same calendar gives the same file.
    records.sort_by(|a, b| a.id.cmp(&b.id));
    let events: Vec<&Event> = records.iter().map(|record| &record.event).collect();
    let written = if args.free_busy {
        let text = free_busy(events, &options);
        replace(&args.out, [text.into_bytes()])
    } else {
        replace(&args.out, feed(events, options))
    };
    let bytes = written.map_err(|error| CliError::Io { what: args.out.display().to_string(), error })?;
    if format == Format::Json {
        print_json(&json!({ "calendar": args.calendar, "out": args.out, "bytes": bytes }))?;
    }
    Ok(IN_STEP)
}

fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    PathBuf::from(name)
}

/// Writes beside the file, then takes its place: whoever fetches it sees the old one or the new one.
fn replace(file: &Path, chunks: impl IntoIterator<Item = Vec<u8>>) -> io::Result<usize> {
    let mut bytes = 0;
    let new = beside(file, "new");
    let mut out = io::BufWriter::new(fs::File::create(&new)?);
    for chunk in chunks {
        out.write_all(&chunk)?;
        bytes += chunk.len();
    }
    out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    fs::rename(&new, file)?;
    Ok(bytes)
}

/// The secret UIDs of hidden events are made with: another one would make every event look new to subscribers.
fn key_in(file: &Path) -> Result<Secret<[u8; 32]>, CliError> {
    let failed = |error| CliError::Io { what: file.display().to_string(), error };
    match fs::read(file) {
        Ok(bytes) => {
            let key: Result<[u8; 32], _> = bytes.try_into();
            key.map(Secret::new).map_err(|_| {
                let text = format!("{} holds no key of a feed: name another file with --key", file.display());
                CliError::Unmet(text)
            })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut key = [0; 32];
            SystemEntropy.fill(&mut key).map_err(failed)?;
            let mut options = fs::OpenOptions::new();
            options.write(true).create_new(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            options.open(file).and_then(|mut out| out.write_all(&key)).map_err(failed)?;
            tell(&format!(
                "the secret of this feed is in {}: keep it, and keep it to yourself",
                file.display()
            ));
            Ok(Secret::new(key))
        }
        Err(error) => Err(failed(error)),
    }
}
