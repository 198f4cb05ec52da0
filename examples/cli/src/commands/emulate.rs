//! `calsync emulate`.

use std::{path::PathBuf, sync::Arc};

use calsync_core::context::{Clock, SystemClock};
use calsync_testkit::{
    Switch, SwitchError,
    cozi::{CoziOptions, CoziServer},
    dav::{DavOptions, DavServer},
    feed::{FeedOptions, FeedServer, FeedSource},
    google::{GoogleOptions, GoogleServer},
    microsoft::{GraphOptions, GraphServer},
};
use clap::{Args, ValueEnum};
use serde_json::json;
use tokio::runtime::Handle;

use crate::{
    IN_STEP,
    error::CliError,
    output::{Format, print, print_json, print_table},
};

#[derive(Args)]
pub(crate) struct EmulateArgs {
    /// What to emulate.
    kind: Kind,
    /// The port; by default any free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// ICS: the file to serve; it is read anew for every request.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// All but ICS: a deviation of the service, such as `page_max=2`; of CalDAV `product=NAME`; may be there several times.
    #[arg(long, value_name = "NAME[=VALUE]")]
    quirk: Vec<String>,
    /// All but ICS: what becomes of requests, such as `"status=503 method=GET times=3"`; may be there several times.
    #[arg(long, value_name = "FAULT")]
    fault: Vec<String>,
    /// Google, Microsoft: a deviation of its sign-in, such as `consent=deny`; may be there several times.
    #[arg(long, value_name = "NAME=VALUE")]
    oauth: Vec<String>,
    /// List what `--quirk`, `--oauth` and `--fault` take, and start nothing. What begins with `do` is for `/emulator`.
    #[arg(long)]
    list_faults: bool,
}

impl EmulateArgs {
    /// What the emulator is told before it is asked for anything, in lines.
    fn lines(&self) -> impl Iterator<Item = String> {
        let of = |verb: &'static str, all: &'_ [String]| -> Vec<String> {
            all.iter().map(|one| format!("{verb} {one}")).collect()
        };
        [of("quirk", &self.quirk), of("oauth", &self.oauth), of("fault", &self.fault)].into_iter().flatten()
    }
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Google Calendar, with its sign-in.
    Google,
    /// Microsoft Graph, with its sign-in.
    Microsoft,
    /// A CalDAV server.
    Caldav,
    /// Cozi's web application, as far as it is known.
    Cozi,
    /// An ICS feed.
    Ics,
}

/// Serves until the process is ended. What it prints is a configuration.
pub(crate) async fn run(args: EmulateArgs, format: Format) -> Result<u8, CliError> {
    let failed = |error| CliError::Io { what: "starting the emulator".to_owned(), error };
    let (runtime, port) = (Handle::current(), args.port);
    let switches = match args.kind {
        Kind::Google => GoogleServer::switches(),
        Kind::Microsoft => GraphServer::switches(),
        Kind::Caldav => DavServer::switches(),
        Kind::Cozi => CoziServer::switches(),
        Kind::Ics => Vec::new(),
    };
    if args.list_faults {
        return list(&switches, format);
    }
    if switches.is_empty() && args.lines().next().is_some() {
        let text = "a feed has no switches: --quirk and --fault are for the others, --oauth for google and microsoft";
        return Err(CliError::Config(text.to_owned()));
    }
    // Clients tell the time by the machine's clock, and so do channels that end.
    let clock: Option<Arc<dyn Clock>> = Some(Arc::new(SystemClock));
    let unheard = |error: SwitchError| CliError::Config(format!("{error}; --list-faults lists all"));
    match args.kind {
        Kind::Google => {
            let options = GoogleOptions { port, clock, ..GoogleOptions::default() };
            let server = GoogleServer::start_on(&runtime, options).map_err(failed)?;
            args.lines().try_for_each(|line| server.follow(&line)).map_err(unheard)?;
            let root = server.url();
            let oauth = format!(
                "authorize_url = \"{root}o/oauth2/v2/auth\"\ntoken_url = \"{root}token\"\n\
                 revoke_url = \"{root}revoke\"\n"
            );
            serve("google", &root, &signed_in("google", &root, &oauth, "primary"), format).await
        }
        Kind::Microsoft => {
            let mut options = GraphOptions::default();
            (options.port, options.clock) = (port, clock);
            let server = GraphServer::start_on(&runtime, options).map_err(failed)?;
            args.lines().try_for_each(|line| server.follow(&line)).map_err(unheard)?;
            let login = format!("{}common/oauth2/v2.0/", server.root());
            let oauth = format!(
                "authorize_url = \"{login}authorize\"\ntoken_url = \"{login}token\"\n\
                 device_url = \"{login}devicecode\"\n"
            );
            let root = server.url();
            serve("microsoft", &root, &signed_in("microsoft", &root, &oauth, "Calendar"), format).await
        }
        Kind::Caldav => {
            let options = DavOptions { port, ..DavOptions::default() };
            let server = DavServer::start_on(&runtime, options).map_err(failed)?;
            args.lines().try_for_each(|line| server.follow(&line)).map_err(unheard)?;
            let root = server.url();
            let keys = format!("url = \"{root}\"\nusername = \"user\"\npassword = \"plain:secret\"\n");
            serve("caldav", &root, &config("caldav", "", &keys, "remote = \"Work\"\n"), format).await
        }
        Kind::Cozi => {
            let options = CoziOptions { port, ..CoziOptions::default() };
            let server = CoziServer::start_on(&runtime, options).map_err(failed)?;
            args.lines().try_for_each(|line| server.follow(&line)).map_err(unheard)?;
            let root = server.url();
            let keys = format!(
                "unofficial_api = true\nbase_url = \"{root}\"\nusername = \"ann@example.com\"\n\
                 password = \"plain:secret\"\nrequests_per_minute = 600\n"
            );
            serve("cozi", &root, &config("cozi", "", &keys, ""), format).await
        }
        Kind::Ics => {
            let mut options = FeedOptions::default();
            options.port = port;
            options.source = args.file.map_or(options.source, FeedSource::File);
            let server = FeedServer::start_on(&runtime, options).map_err(failed)?;
            let root = server.url();
            serve("ics", &root, &config("ics", "", &format!("url = \"{root}\"\n"), ""), format).await
        }
    }
}

/// What an emulator can be told.
fn list(switches: &[Switch], format: Format) -> Result<u8, CliError> {
    match format {
        Format::Json => {
            let row = |switch: &Switch| json!({ "kind": switch.verb, "example": switch.example, "does": switch.about });
            print_json(&json!({ "switches": switches.iter().map(row).collect::<Vec<_>>() }))?;
        }
        Format::Table => {
            let row =
                |switch: &Switch| [switch.verb, &switch.example, switch.about].map(str::to_owned).to_vec();
            let rows: Vec<Vec<String>> = switches.iter().map(row).collect();
            print_table(&["kind", "for example", "what it does"], &rows)?;
        }
    }
    Ok(IN_STEP)
}

async fn serve(kind: &str, root: &str, config: &str, format: Format) -> Result<u8, CliError> {
    if format == Format::Json {
        print(&format!("{}\n", json!({ "kind": kind, "address": root, "configuration": config })))?;
        return std::future::pending().await;
    }
    print(&format!("# emulated {kind} at {root} until this process is ended\n{config}"))?;
    std::future::pending().await
}

fn signed_in(kind: &str, root: &str, oauth: &str, remote: &str) -> String {
    let keys =
        format!("base_url = \"{root}\"\n\n[connections.{kind}.oauth]\nclient_id = \"calsync\"\n{oauth}");
    let vault = format!("# calsync connect {kind}\nvault_key = \"file:vault.key\"\n");
    config(kind, &vault, &keys, &format!("remote = \"{remote}\"\n"))
}

fn config(kind: &str, top: &str, keys: &str, link: &str) -> String {
    format!(
        "store = \"sqlite:calsync.db\"\n{top}\n[connections.{kind}]\nprovider = \"{kind}\"\n{keys}\n\
         [[links]]\nname = \"{kind}\"\ncalendar = \"family\"\nconnection = \"{kind}\"\n{link}"
    )
}
