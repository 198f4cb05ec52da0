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
