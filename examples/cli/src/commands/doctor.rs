//! `calsync doctor`: what stands between this machine and every calendar, asked and not guessed.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use calsync_core::{
    context::Clock,
    provider::{Capabilities, ChangesRequest, Provider, RemoteCalendar},
};
use calsync_providers::http::{HttpError, HttpRequest, HttpResponse, HttpTransport};
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use crate::{
    IN_STEP,
    account::Account,
    app::App,
    config::{Connection, ProviderKind},
    connect,
    error::CliError,
    output::{Format, print, print_json},
};

/// A clock that differs by more is worth a word: tokens and signatures are good for minutes.
const SKEW_MAX: i64 = 60;

/// A transport that remembers how it went, and nothing of what was said.
struct Observed {
    inner: Arc<dyn HttpTransport>,
    clock: Arc<dyn Clock>,
    seen: Mutex<Seen>,
}

#[derive(Clone, Default)]
struct Seen {
    answers: usize,
    /// Whether every request went over TLS; `None` before the first.
    tls: Option<bool>,
    /// Whether something went in the clear to another machine.
    in_the_clear: bool,
    /// The server's clock less this machine's, in seconds.
    skew: Option<i64>,
}

impl Observed {
    fn note(&self, act: impl FnOnce(&mut Seen)) {
        act(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn seen(&self) -> Seen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl HttpTransport for Observed {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let tls = request.url.scheme() == "https";
        let here = match request.url.host() {
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            Some(url::Host::Domain(name)) => name == "localhost",
            None => false,
        };
        let asked = self.clock.now();
        let answer = self.inner.send(request).await;
        if let Ok(response) = &answer {
            let date = response.header("date").and_then(|date| DateTime::parse_from_rfc2822(date).ok());
            // The server looked at its clock somewhere between the two.
            let middle = asked + (self.clock.now() - asked) / 2;
            self.note(|seen| {
                seen.answers += 1;
                seen.tls = Some(tls && seen.tls.unwrap_or(true));
                seen.in_the_clear |= !tls && !here;
                seen.skew = date.map(|date| (date.with_timezone(&Utc) - middle).num_seconds()).or(seen.skew);
            });
        }
        answer
    }
}

/// What was found out about a connection.
struct Finding {
    name: String,
    provider: ProviderKind,
    seen: Seen,
    calendars: Result<Vec<RemoteCalendar>, CliError>,
    capabilities: Vec<&'static str>,
    server: Option<String>,
    /// How calsync deals with it otherwise than with others.
    quirks: Vec<&'static str>,
    token_expires: Option<DateTime<Utc>>,
    /// When a person has to sign in again.
    credentials_end: Option<DateTime<Utc>>,
    requests: u64,
    warnings: Vec<String>,
}

pub(crate) async fn run(app: &App, format: Format) -> Result<u8, CliError> {
    let mut findings = Vec::new();
    for (name, connection) in &app.config.connections {
        findings.push(examine(app, name, connection).await);
    }
    match format {
        Format::Json => {
            let connections: Vec<Value> = findings.iter().map(|finding| finding.json(app)).collect();
            print_json(&json!({ "connections": connections }))?;
        }
        Format::Table if findings.is_empty() => print("there are no connections\n")?,
        Format::Table => {
            for finding in &findings {
                print(&finding.text(app))?;
            }
        }
    }
    let failed: Vec<&CliError> =
        findings.iter().filter_map(|finding| finding.calendars.as_ref().err()).collect();
    if failed.is_empty() {
        return Ok(IN_STEP);
    }
    let credentials = failed.iter().any(|error| error.needs_credentials());
    Err(CliError::Connections { failed: failed.len(), all: findings.len(), credentials })
}

async fn examine(app: &App, name: &str, connection: &Connection) -> Finding {
    let mut finding = Finding {
        name: name.to_owned(),
        provider: connection.provider,
        seen: Seen::default(),
        calendars: Ok(Vec::new()),
        capabilities: Vec::new(),
        server: None,
        quirks: Vec::new(),
        token_expires: None,
        credentials_end: None,
        requests: 0,
        warnings: Vec::new(),
    };
    let inner = match connect::transport() {
        Ok(inner) => inner,
        Err(error) => {
            finding.calendars = Err(error);
            return finding;
        }
    };
    let observed = Arc::new(Observed { inner, clock: app.clock.clone(), seen: Mutex::default() });
    let transport: Arc<dyn HttpTransport> = observed.clone();
    finding.calendars = look(app, name, connection, &transport, &mut finding).await;
    finding.seen = observed.seen();
    if finding.seen.in_the_clear {
        finding.warnings.push("the connection is not encrypted: write an https address".to_owned());
    }
    if let Some(skew) = finding.seen.skew.filter(|skew| skew.abs() > SKEW_MAX) {
        let (seconds, way) = (skew.abs(), if skew > 0 { "behind" } else { "ahead of" });
        finding.warnings.push(format!("this machine's clock is {seconds} s {way} the server's: set it"));
    }
    finding
}

/// Asks what a sync would ask first.
async fn look(
    app: &App,
    name: &str,
    connection: &Connection,
    transport: &Arc<dyn HttpTransport>,
    finding: &mut Finding,
) -> Result<Vec<RemoteCalendar>, CliError> {
    let transport = &app.paced(name, connection, transport);
    let calendars = match connection.provider {
        ProviderKind::Caldav => {
            let provider = connect::caldav(app, name, connection, transport).await?;
            let calendars = asked(&provider, finding).await;
            if let Some(account) = provider.account() {
                let kind = serde_json::to_value(account.server).ok();
                finding.server = kind.and_then(|kind| kind.as_str().map(ToOwned::to_owned));
                finding.quirks = account.server.quirks();
                if account.scheduling {
                    let text = "the server mails people who are in an event: calsync writes none into copies";
                    finding.warnings.push(text.to_owned());
                }
            }
            calendars?
        }
        ProviderKind::Cozi => {
            let provider = connect::cozi(app, name, connection, transport).await?;
            let calendars = asked(&provider, finding).await;
            finding.token_expires = provider.token_ends().await;
            finding.warnings.push("the interface is unofficial: it may change or end on any day".to_owned());
            finding.quirks = vec!["polled-by-month", "edits-without-condition", "no-marks"];
            calendars?
        }
        ProviderKind::Ics => {
            let provider = connect::ics(app, name, connection, transport).await?;
            let calendars = asked(&provider, finding).await?;
            // Its list of calendars is no question to anybody: the feed itself is.
            let read = provider.changes(provider.calendar(), ChangesRequest::default()).await;
            finding.requests = provider.requests();
            read?;
            calendars
        }
        ProviderKind::Google | ProviderKind::Microsoft => {
            let provider = connect::on(app, name, connection, transport).await?;
            let calendars = asked(&*provider, finding).await;
            match &connection.oauth {
                Some(oauth) => {
                    let access = Account::open(app, name, connection, oauth, transport)?.access;
                    finding.token_expires = access.expires().await?;
                    finding.credentials_end = access.ends().await?;
                }
                None => finding.warnings.push("the access token is not renewed here".to_owned()),
            }
            calendars?
        }
    };
    Ok(calendars)
}

async fn asked(provider: &dyn Provider, finding: &mut Finding) -> Result<Vec<RemoteCalendar>, CliError> {
    let calendars = provider.calendars().await;
    finding.capabilities = words(&provider.capabilities());
    finding.requests = provider.requests();
    Ok(calendars?)
}

fn shown(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn words(capabilities: &Capabilities) -> Vec<&'static str> {
    let all = [
        (capabilities.write, "write"),
        (capabilities.pull_incremental, "changes-since"),
        (capabilities.pull_window_slides, "window-slides"),
        (capabilities.write_mails_people, "may-mail-people"),
        (capabilities.watch, "watch"),
        (capabilities.free_busy, "free-busy"),
    ];
    all.into_iter().filter_map(|(has, word)| has.then_some(word)).collect()
}

impl Finding {
    /// `verified`, `none`; nothing where nobody answered, as for a file.
    fn tls(&self) -> Option<&'static str> {
        self.seen.tls.map(|tls| if tls { "verified" } else { "none" })
    }

    fn credentials(&self) -> &'static str {
        match &self.calendars {
            Ok(_) => "accepted",
            Err(error) if error.needs_credentials() => "needed",
            Err(_) => "unknown",
        }
    }

    fn error(&self, app: &App) -> Option<String> {
        let error = self.calendars.as_ref().err()?;
        Some(format!("{error}{}", app.hint(&self.name, error)))
    }

    fn expires(&self) -> Option<String> {
        self.token_expires.map(shown)
    }

    fn json(&self, app: &App) -> Value {
        let calendars: Vec<Value> = self
            .calendars
            .iter()
            .flatten()
            .map(|calendar| {
                let access = if calendar.read_only { "read only" } else { "read and write" };
                json!({"id": calendar.id.as_str(), "name": calendar.name, "access": access})
            })
            .collect();
        json!({
            "name": self.name,
            "provider": self.provider.word(),
            "ok": self.calendars.is_ok(),
            "reachable": self.is_reachable(),
            "tls": self.tls(),
            "credentials": self.credentials(),
            "clock_skew_seconds": self.seen.skew,
            "server": self.server,
            "quirks": self.quirks,
            "capabilities": self.capabilities,
            "calendars": calendars,
            "token_expires": self.expires(),
            "credentials_end": self.credentials_end.map(shown),
            "requests": self.requests,
            "warnings": self.warnings,
            "error": self.error(app),
        })
    }

    /// A file is reached without a request.
    fn is_reachable(&self) -> bool {
        self.seen.answers > 0 || self.calendars.is_ok()
    }

    fn text(&self, app: &App) -> String {
        let mark = if self.calendars.is_ok() { "ok" } else { "FAILED" };
        let mut text =
            format!("{} ({}, {}): {mark}\n", self.name, self.provider.word(), app.whereabouts(&self.name));
        let mut line = |what: &str, found: String| text.push_str(&format!("  {what:<15}{found}\n"));
        let reached = if self.is_reachable() { "yes" } else { "no" };
        line("reachable", reached.to_owned());
        if let Some(tls) = self.tls() {
            line("tls", tls.to_owned());
        }
        line("credentials", self.credentials().to_owned());
        if let Some(skew) = self.seen.skew {
            line("clock", format!("{skew:+} s"));
        }
        if let Some(server) = &self.server {
            line("server", server.clone());
        }
        if !self.quirks.is_empty() {
            line("quirks", self.quirks.join(", "));
        }
        if !self.capabilities.is_empty() {
            line("capabilities", self.capabilities.join(", "));
        }
        if let Ok(calendars) = &self.calendars {
            let names: Vec<&str> = calendars.iter().map(|calendar| calendar.name.as_str()).collect();
            line("calendars", format!("{}: {}", names.len(), names.join(", ")));
        }
        if let Some(expires) = self.expires() {
            line("token until", expires);
        }
        if let Some(end) = self.credentials_end {
            line("sign-in until", shown(end));
        }
        for warning in &self.warnings {
            line("warning", warning.clone());
        }
        if let Some(error) = self.error(app) {
            line("error", error);
        }
        text
    }
}
