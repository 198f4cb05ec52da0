//! `calsync emulate`.

use std::path::PathBuf;

use calsync_testkit::{
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
    error::CliError,
    output::{Format, print},
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
    match args.kind {
        Kind::Google => {
            let options = GoogleOptions { port, ..GoogleOptions::default() };
            let server = GoogleServer::start_on(&runtime, options).map_err(failed)?;
            let root = server.url();
            let oauth = format!(
                "authorize_url = \"{root}o/oauth2/v2/auth\"\ntoken_url = \"{root}token\"\n\
                 revoke_url = \"{root}revoke\"\n"
            );
            serve("google", &root, &signed_in("google", &root, &oauth, "primary"), format).await
        }
        Kind::Microsoft => {
            let mut options = GraphOptions::default();
            options.port = port;
            let server = GraphServer::start_on(&runtime, options).map_err(failed)?;
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
            let root = server.url();
            let keys = format!("url = \"{root}\"\nusername = \"user\"\npassword = \"plain:secret\"\n");
            serve("caldav", &root, &config("caldav", "", &keys, "remote = \"Work\"\n"), format).await
        }
        Kind::Cozi => {
            let options = CoziOptions { port, ..CoziOptions::default() };
            let server = CoziServer::start_on(&runtime, options).map_err(failed)?;
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
