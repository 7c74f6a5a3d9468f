//! Traces: spans of joins and of HTTP requests, told to an OpenTelemetry collector by OTLP over HTTP.
//!
//! Only spans of the target [`TRACES`] are told, and no log line; with no collector configured none of them exist. Spans wait
//! in a bounded queue for a thread of the exporter's; what does not fit, or does not reach the collector, is dropped. The
//! collector's absence costs one line in the log, and another when it is back.

mod requests;

pub(crate) use requests::traced;

use async_trait::async_trait;
use opentelemetry::trace::TracerProvider;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{ExporterBuildError, Protocol, RetryPolicy, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider};
use parlor_config::TracesConfig;
use parlor_signaling::TRACES;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::runtime::Handle;
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::registry::LookupSpan;

/// Spans that wait to be sent, of about a kilobyte each. Who traces thousands of requests a second takes a sample.
const MAX_QUEUE: usize = 4096;
/// Spans of one request to the collector.
const MAX_BATCH: usize = 512;
/// How long spans are gathered.
const GATHERING: Duration = Duration::from_secs(2);
/// How long the collector may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a stop waits for the last spans to be sent.
const FLUSH_PATIENCE: Duration = Duration::from_secs(2);
/// The most of an answer that is read: a partial success says why in a few words.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// Why there are no traces, in one line that shows no credentials.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    /// The client for the collector cannot be made.
    #[error("cannot send traces (traces.endpoint): {0}")]
    Client(reqwest::Error),
    /// The address is none.
    #[error("cannot send traces: traces.endpoint is not an address")]
    Endpoint,
}

/// The way to a collector.
#[derive(Debug)]
pub struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// The way to the configured collector; `None` without one. Requests to it run on `runtime`. The process's cryptography
    /// must be there already.
    ///
    /// # Errors
    /// When the address cannot be used. Whether a collector is there is not looked at.
    pub fn start(config: &TracesConfig, runtime: &Handle) -> Result<Option<Self>, TracesError> {
        let Some(endpoint) = &config.endpoint else { return Ok(None) };
        let collector = Collector::new(runtime.clone()).map_err(TracesError::Client)?;
        let headers = config.headers.iter().map(|header| (header.name.clone(), header.value.expose().to_owned()));
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(collector)
            .with_endpoint(format!("{}/v1/traces", endpoint.expose()))
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(PATIENCE)
            .with_retry_policy(RetryPolicy::disabled())
            .with_headers(headers.collect())
            .build()
            // Its words may hold the address, which may hold a password.
            .map_err(|_: ExporterBuildError| TracesError::Endpoint)?;
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(MAX_QUEUE)
            .with_max_export_batch_size(MAX_BATCH)
            .with_scheduled_delay(GATHERING)
            .build();
        let resource = Resource::builder_empty()
            .with_service_name(config.service_name.clone())
            .with_attribute(opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let sampler = Sampler::TraceIdRatioBased(config.sample_ratio.as_f64());
        let provider = SdkTracerProvider::builder()
            .with_resource(resource)
            .with_sampler(Sampler::ParentBased(Box::new(sampler)))
            .with_span_processor(BatchSpanProcessor::builder(exporter).with_batch_config(batches).build())
            .build();
        Ok(Some(Self { provider }))
    }

    /// What takes the spans.
    pub(crate) fn layer<S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync>(&self) -> impl Layer<S> + use<S> {
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer("parlor"))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_filter(Targets::new().with_target(TRACES, LevelFilter::INFO))
    }

    /// Sends the last spans, within a bound. It blocks: call it beside the runtime, which must still be there.
    pub fn stop(self) {
        // What could not be sent has been told by the collector's own line.
        let _ = self.provider.shutdown_with_timeout(FLUSH_PATIENCE);
    }
}

/// The exporter's HTTP client: the one that the process has for webhooks and clouds.
#[derive(Debug)]
struct Collector {
    client: reqwest::Client,
    runtime: Handle,
    is_away: AtomicBool,
}

impl Collector {
    fn new(runtime: Handle) -> reqwest::Result<Self> {
        let agent = concat!("Parlor/", env!("CARGO_PKG_VERSION"));
        let builder = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
        let client = builder.timeout(PATIENCE).user_agent(agent).build()?;
        Ok(Self { client, runtime, is_away: AtomicBool::new(false) })
    }

    /// Logs when the collector goes, and when it is back.
    fn note(&self, answer: &Result<Response<Bytes>, String>) {
        let failure = match answer {
            Ok(response) if response.status().is_success() => None,
            Ok(response) => Some(format!("it answers {}", response.status())),
            Err(error) => Some(error.clone()),
        };
        match failure {
            Some(reason) if !self.is_away.swap(true, Ordering::Relaxed) => {
                tracing::warn!(reason, "traces do not reach the collector: they are dropped until it takes them");
            }
            None if self.is_away.swap(false, Ordering::Relaxed) => tracing::info!("traces reach the collector again"),
            _ => {}
        }
    }
}

#[async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let sent = send(self.client.clone(), request);
        // The exporter's thread has no runtime of its own.
        let answer = self.runtime.spawn(sent).await.unwrap_or_else(|_| Err("the server stops".to_owned()));
        self.note(&answer);
        Ok(answer?)
    }
}

/// Sends a request; an error's text is without the address.
async fn send(client: reqwest::Client, request: Request<Bytes>) -> Result<Response<Bytes>, String> {
    let failed = |error: reqwest::Error| reason(&error.without_url());
    let mut response = client.execute(request.try_into().map_err(failed)?).await.map_err(failed)?;
    let mut body = Vec::new();
    while let Some(part) = response.chunk().await.map_err(failed)? {
        if body.len() + part.len() > MAX_ANSWER_BYTES {
            return Err(format!("its answer has more than {MAX_ANSWER_BYTES} bytes"));
        }
        body.extend_from_slice(&part);
    }
    let mut answer = Response::new(Bytes::from(body));
    *answer.status_mut() = response.status();
    Ok(answer)
}

/// An error with what it comes from: the first says only that a request failed.
fn reason(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
