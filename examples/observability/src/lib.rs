//! What a host that wants to see something installs, once, before its worker starts: a recorder of metrics that Prometheus
//! reads, and a subscriber that turns the spans of `tracing` into those of OpenTelemetry. The names are in `docs/metrics.md`.

use axum::{Router, http::header::CONTENT_TYPE, routing::get};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanExporter};
use tracing_subscriber::layer::SubscriberExt as _;

/// What can go wrong at the start: something is installed already, or a setting makes no sense.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Where runs and their lags are counted, in seconds. Without buckets the exporter makes summaries, which cannot be added up over
/// several workers.
const SECONDS: &[f64] = &[0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0];

/// What is measured, and what was traced.
#[derive(Clone)]
pub struct Instruments {
    prometheus: PrometheusHandle,
    spans: SdkTracerProvider,
}

impl Instruments {
    /// Installs both for this process. Every span goes to `exporter`: in production that of `opentelemetry-otlp`, whose
    /// `SpanExporter::builder().with_http().build()` takes the collector's address from `OTEL_EXPORTER_OTLP_ENDPOINT`, and with
    /// `with_batch_exporter` below.
    ///
    /// # Errors
    ///
    /// When another recorder or subscriber is installed already.
    pub fn install(exporter: impl SpanExporter + 'static) -> Result<Self, Failure> {
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), SECONDS)?
            .build_recorder();
        let prometheus = recorder.handle();
        metrics::set_global_recorder(recorder)?;

        let spans = SdkTracerProvider::builder().with_simple_exporter(exporter).build();
        let layer = tracing_opentelemetry::layer().with_tracer(spans.tracer("calsync"));
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer))?;
        Ok(Self { prometheus, spans })
    }

    /// What Prometheus reads, in its text format.
    pub fn render(&self) -> String {
        self.prometheus.run_upkeep();
        self.prometheus.render()
    }

    /// `GET /metrics`. Whoever can reach it sees how many links there are and how they fare: keep it inside.
    pub fn router(&self) -> Router {
        let instruments = self.clone();
        Router::new().route(
            "/metrics",
            get(move || async move {
                ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], instruments.render())
            }),
        )
    }

    /// Sends what is left. To be called before the process ends.
    ///
    /// # Errors
    ///
    /// When the exporter cannot get rid of it.
    pub fn shutdown(&self) -> Result<(), Failure> {
        Ok(self.spans.shutdown()?)
    }
}
