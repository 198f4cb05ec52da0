//! What hosts test with: the cases for their own stores, and emulators of the providers on this machine.

use std::{fmt, io, panic::AssertUnwindSafe, sync::Arc};

use calsync_core::context::SystemClock;
use calsync_testkit::{
    dav::{DavOptions, DavServer},
    google::{GoogleOptions, GoogleServer},
    microsoft::{GraphOptions, GraphServer},
    store_conformance,
};
use futures_util::FutureExt;
use serde::Deserialize;
use serde_json::json;
use tokio::runtime::{Builder, Handle, Runtime};

use crate::{
    Code, Failure,
    args::{Opening, ProviderKind},
    dispatch,
    host::{Calling, Host, Patience},
    host_store::HostStore,
};

/// The names of the cases every store must pass.
pub fn store_cases() -> Vec<&'static str> {
    store_conformance::names()
}

/// Runs a case on a store of the host that is fresh and empty. `opening` is what an [`Engine`](crate::Engine) over it is made
/// with: it says what the store answers in one call, and how long each method may take. One that never answers fails the case.
///
/// # Errors
///
/// [`Code::CheckFailed`] with what the case expected, [`Code::InvalidInput`] when there is no such case or opening.
pub async fn check_store(case: String, opening: String, host: Arc<dyn Host>) -> Result<String, Failure> {
    let (_, asked) = dispatch::read::<Opening>("check_store", &opening)?.parts();
    let calling = Calling::new(Some(host), Patience::of(&asked));
    let store = Arc::new(HostStore::new(Some(calling), asked.in_one_call));
    match AssertUnwindSafe(store_conformance::run(&case, &store)).catch_unwind().await {
        Ok(true) => Ok("null".to_owned()),
        Ok(false) => Err(Failure::invalid("there is no such case").about(case)),
        Err(panic) => {
            let said = panic
                .downcast_ref::<String>()
                .cloned()
                .or_else(|| panic.downcast_ref::<&str>().map(|said| (*said).to_owned()));
            Err(Failure::new(Code::CheckFailed, said.unwrap_or_default()).about(case))
        }
    }
}

/// How an emulator starts.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    provider: ProviderKind,
    #[serde(default)]
    username: Option<String>,
    #[serde(default)]
    secret: Option<String>,
}

/// What keeps an emulator serving.
enum Serving {
    Dav { _server: DavServer },
    Google { _server: GoogleServer },
    Microsoft { _server: GraphServer },
}

/// A provider on a free port of 127.0.0.1, with one account and one empty calendar in memory, on a thread of its own. It ends
/// when it is dropped.
pub struct Emulator {
    account: String,
    // Before the runtime its tasks are on.
    _serving: Serving,
    runtime: Option<Runtime>,
}

impl Emulator {
    /// Starts one. The settings are JSON: `provider`, and where they are not the default `username` and `secret`, the password
    /// or access token that is accepted.
    ///
    /// # Errors
    ///
    /// [`Code::InvalidInput`] for other settings, and for `ics`: a file is a feed. [`Code::Internal`] when no port is free.
    pub fn start(settings: &str) -> Result<Self, Failure> {
        let settings: Settings = dispatch::read("emulator", settings)?;
        let failed =
            |error: io::Error| Failure::new(Code::Internal, format!("no emulator: {}", error.kind()));
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().map_err(failed)?;
        let secret = settings.secret.unwrap_or_else(|| "secret".to_owned());
        let username = settings.username.unwrap_or_else(|| "ann@example.com".to_owned());
        let started = match settings.provider {
            ProviderKind::Caldav => dav(runtime.handle(), &username, &secret),
            ProviderKind::Google => google(runtime.handle(), &username, &secret),
            ProviderKind::Microsoft => microsoft(runtime.handle(), &username, &secret),
            ProviderKind::Ics => return Err(Failure::invalid("a feed needs no emulator: a file is one")),
            ProviderKind::Cozi => return Err(Failure::invalid("there is no emulator of Cozi here")),
        };
        let (serving, url) = started.map_err(failed)?;
        let account = json!({
            "provider": settings.provider,
            "url": url,
            "username": username,
            "secret": secret,
            "trust_address": true,
        });
        Ok(Self { account: account.to_string(), _serving: serving, runtime: Some(runtime) })
    }

    /// What `connect` takes beside the name of the connection, as JSON.
    pub fn account(&self) -> &str {
        &self.account
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Also from a thread that must not wait.
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for Emulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emulator").finish_non_exhaustive()
    }
}

fn dav(runtime: &Handle, username: &str, secret: &str) -> io::Result<(Serving, String)> {
    let options = DavOptions::default().credentials(username, secret).calendars([("personal", "Personal")]);
    let server = DavServer::start_on(runtime, options)?;
    let url = server.url();
    Ok((Serving::Dav { _server: server }, url))
}

fn google(runtime: &Handle, username: &str, secret: &str) -> io::Result<(Serving, String)> {
    let options = GoogleOptions {
        user: username.to_owned(),
        token: secret.to_owned(),
        clock: Some(Arc::new(SystemClock)),
        ..GoogleOptions::default()
    };
    let server = GoogleServer::start_on(runtime, options)?;
    let url = server.url();
    Ok((Serving::Google { _server: server }, url))
}

fn microsoft(runtime: &Handle, username: &str, secret: &str) -> io::Result<(Serving, String)> {
    let mut options = GraphOptions::default();
    username.clone_into(&mut options.owner);
    secret.clone_into(&mut options.token);
    options.clock = Some(Arc::new(SystemClock));
    let server = GraphServer::start_on(runtime, options)?;
    let url = server.url();
    Ok((Serving::Microsoft { _server: server }, url))
}
