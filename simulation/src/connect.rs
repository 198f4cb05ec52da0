//! The real providers before the emulators: what they send goes by the wire of the simulation.

use std::sync::Arc;

use async_trait::async_trait;
use calsync_core::provider::Provider;
use calsync_providers::{
    google::{GoogleConfig, GoogleProvider},
    http::{AddressPolicy, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpTransport, Secret},
    microsoft::{MicrosoftConfig, MicrosoftProvider, Window},
};
use calsync_testkit::sim::{Dialect, Wire, WireRequest};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

struct WireTransport(Wire);

#[async_trait]
impl HttpTransport for WireTransport {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let target = match request.url.query() {
            Some(query) => format!("{}?{query}", request.url.path()),
            None => request.url.path().to_owned(),
        };
        let headers = request
            .headers
            .iter()
            .map(|(name, value)| {
                (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
            })
            .collect();
        let method = request.method.as_str().to_owned();
        let lost = |_| HttpError::maybe_sent(HttpErrorKind::Interrupted, "the connection broke");
        let reply =
            self.0.send(WireRequest { method, target, headers, body: request.body }).await.map_err(lost)?;
        let headers: HeaderMap = reply
            .headers
            .iter()
            .filter_map(|(name, value)| {
                Some((HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_str(value).ok()?))
            })
            .collect();
        let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::BAD_GATEWAY);
        Ok(HttpResponse { status, headers, body: reply.body })
    }
}

/// A real provider that reaches its emulator by a wire.
///
/// # Panics
///
/// Never: the roots of the emulators are addresses.
pub(crate) fn connect(wire: Wire) -> Arc<dyn Provider> {
    let token = Arc::new(Secret::from(wire.token()));
    let (root, clock, page) = (wire.root(), wire.clock(), wire.page());
    let dialect = wire.dialect();
    let transport = Arc::new(WireTransport(wire));
    let provider: Option<Arc<dyn Provider>> = match dialect {
        Dialect::Graph => {
            let mut config = MicrosoftConfig::new(token).at(root, AddressPolicy::AllowPrivate);
            config.page_max = page;
            config.batch_max = page;
            // Everything people make in a simulation is in it, whatever time passes.
            config.window = Window { past_days: 2_000, ahead_days: 2_000 };
            let provider = MicrosoftProvider::new(config, transport).ok();
            provider.map(|provider| Arc::new(provider.with_clock(clock)) as Arc<dyn Provider>)
        }
        _ => {
            let mut config = GoogleConfig::new(token).at(root, AddressPolicy::AllowPrivate);
            config.page_max = page;
            config.batch_max = page;
            let provider = GoogleProvider::new(config, transport).ok();
            provider.map(|provider| Arc::new(provider.with_clock(clock)) as Arc<dyn Provider>)
        }
    };
    #[expect(clippy::expect_used, reason = "the roots are constants of the testkit")]
    provider.expect("the root of an emulator is an address")
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path, sync::Arc};

    use calsync_core::store::MemoryStore;
    use calsync_testkit::sim::{Options, Profile, RemoteKind, Remotes, Script, play};

    use super::connect;

    fn options() -> Options {
        Options { connect: Some(connect), ..Options::default() }
    }

    /// What failed once with a real provider fails no more.
    #[test]
    fn what_failed_once_before_an_emulator_fails_no_more() {
        let museum = Path::new(env!("CARGO_MANIFEST_DIR")).join("../calsync-testkit/museum");
        let mut pieces = 0;
        for entry in fs::read_dir(museum).expect("there is a museum") {
            let path = entry.expect("readable").path();
            let text = fs::read_to_string(&path).expect("readable");
            let script: Script = serde_json::from_str(&text).expect("a script");
            if script.setup.links.iter().all(|link| link.remote == RemoteKind::Model) {
                continue;
            }
            let outcome = play(&script, Arc::new(MemoryStore::default()), options());
            assert!(outcome.violations.is_empty(), "{}: {:?}", path.display(), outcome.violations);
            pieces += 1;
        }
        assert!(pieces >= 5, "only {pieces} pieces with emulators in the museum");
    }

    /// The same seed twice is the same simulation, request by request; and requests there are.
    #[test]
    fn seeds_keep_every_promise_before_the_emulators() {
        let profile = Profile { remotes: Remotes::Emulators, ..Profile::default() };
        let mut writes = 0;
        for seed in 0..60 {
            let script = Script::draw(seed, &profile);
            let once = || play(&script, Arc::new(MemoryStore::default()), options());
            let outcome = once();
            assert!(
                outcome.violations.is_empty(),
                "cargo xtask simulate --seed {seed} --remote emulators: {:?}",
                outcome.violations
            );
            writes += outcome.stats.writes;
            if seed % 20 == 0 {
                assert_eq!(once().trace, outcome.trace, "seed {seed}");
            }
        }
        assert!(writes > 100, "only {writes} writes reached a server");
    }
}
