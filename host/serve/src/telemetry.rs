//! Traces for OpenTelemetry: a span for each inference request, and inside it one for the queue and one
//! for the computation. A caller's `traceparent` makes them part of the caller's trace.
//!
//! ```text
//!  gate: span begins --> routes, task-local --> inference: model, times; two spans
//!                                          \--> failed: cause
//! ```
//!
//! Without an endpoint no task has a span, and a request pays for finding that out only.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use http::request::Parts;
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::{Span, SpanKind, Status, TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::tonic_types::transport::ClientTlsConfig;
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithTonicConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider, Span as SdkSpan};
use systole_host::serving::Timing;

use crate::ServeError;
use crate::description;
use crate::repository::Version;

const GRPC_SERVICE: &str = "inference.GRPCInferenceService";

tokio::task_local! {
    static CURRENT: Arc<Trace>;
}

/// Where traces go.
#[derive(Debug)]
pub struct Telemetry {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

/// Why traces can't be exported.
#[derive(Debug, thiserror::Error)]
#[error("traces cannot be exported to {endpoint}: {reason}")]
pub struct TelemetryError {
    endpoint: String,
    reason: String,
}

impl Telemetry {
    /// Exports to a collector, by OTLP over gRPC, in the background. Needs a Tokio runtime around it,
    /// and that for as long as it lives. `OTEL_TRACES_SAMPLER`, `OTEL_SERVICE_NAME` and the other
    /// variables of OpenTelemetry's SDK count.
    ///
    /// # Errors
    /// If the endpoint is no URL. A collector that isn't there is looked for again.
    pub fn otlp(endpoint: &str) -> Result<Telemetry, TelemetryError> {
        let failed = |reason: String| TelemetryError {
            endpoint: endpoint.to_owned(),
            reason,
        };
        let exporter = SpanExporter::builder().with_tonic().with_endpoint(endpoint);
        let exporter = match endpoint.starts_with("https:") {
            true => exporter.with_tls_config(ClientTlsConfig::new().with_enabled_roots()),
            false => exporter,
        };
        let exporter = exporter.build();
        let exporter = exporter.map_err(|error| failed(error.to_string()))?;
        let mut resource = Resource::builder();
        if std::env::var_os("OTEL_SERVICE_NAME").is_none() {
            resource = resource.with_service_name(description::NAME);
        }
        let version = KeyValue::new("service.version", description::VERSION);
        let provider = SdkTracerProvider::builder()
            .with_resource(resource.with_attribute(version).build())
            .with_batch_exporter(exporter)
            .build();
        let tracer = provider.tracer(description::NAME);
        Ok(Telemetry { provider, tracer })
    }

    /// Begins the span of a request, if it is one for inference.
    pub(crate) fn begin(&self, request: &Parts) -> Option<Arc<Trace>> {
        let path = request.uri.path();
        let call = path.strip_prefix('/').and_then(|path| path.split_once('/'));
        let grpc = call.filter(|(service, _)| *service == GRPC_SERVICE);
        let mut attributes = match grpc {
            Some((_, call @ ("ModelInfer" | "ModelStreamInfer"))) => vec![
                KeyValue::new("rpc.system", "grpc"),
                KeyValue::new("rpc.service", GRPC_SERVICE),
                KeyValue::new("rpc.method", call.to_owned()),
            ],
            None if path.ends_with("/infer") => {
                let method = request.method.as_str().to_owned();
                vec![KeyValue::new("http.request.method", method)]
            }
            _ => return None,
        };
        attributes.push(KeyValue::new("url.path", path.to_owned()));
        let parent = TraceContextPropagator::new()
            .extract_with_context(&Context::new(), &Headers(&request.headers));
        Some(Trace::begin(&self.tracer, &parent, attributes))
    }

    /// Sends what is left.
    pub(crate) async fn shut_down(&self) {
        let provider = self.provider.clone();
        let result = tokio::task::spawn_blocking(move || provider.shutdown()).await;
        if let Ok(Err(error)) = result {
            tracing::warn!(%error, "some traces were not exported");
        }
    }
}

struct Headers<'a>(&'a http::HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}

/// The span of a request. It ends when nobody has it any more: after the answer, or when the caller has
/// gone.
#[derive(Debug)]
pub(crate) struct Trace {
    tracer: SdkTracer,
    span: Mutex<SdkSpan>,
    /// With this span as the parent of others.
    context: Context,
}

impl Trace {
    fn begin(tracer: &SdkTracer, parent: &Context, attributes: Vec<KeyValue>) -> Arc<Trace> {
        let span = tracer
            .span_builder("infer")
            .with_kind(SpanKind::Server)
            .with_attributes(attributes)
            .start_with_context(tracer, parent);
        let context = Context::new().with_remote_span_context(span.span_context().clone());
        Arc::new(Trace {
            tracer: tracer.clone(),
            span: Mutex::new(span),
            context,
        })
    }

    /// The span of one request in a stream, which this is the span of.
    pub fn message(&self) -> Arc<Trace> {
        Trace::begin(&self.tracer, &self.context, Vec::new())
    }

    /// The answer has this status.
    pub fn answered(&self, status: http::StatusCode) {
        let status = i64::from(status.as_u16());
        let attribute = KeyValue::new("http.response.status_code", status);
        self.span().set_attribute(attribute);
    }

    fn computed(&self, version: &Version, rows: usize, timing: Timing, submitted: SystemTime) {
        let begin = submitted + timing.queued;
        let parts = [
            ("queue", submitted, begin),
            ("compute", begin, begin + timing.computed),
        ];
        for (name, begin, end) in parts {
            let builder = self.tracer.span_builder(name).with_start_time(begin);
            let mut span = builder.start_with_context(&self.tracer, &self.context);
            span.end_with_timestamp(end);
        }
        self.span().set_attributes([
            KeyValue::new("systole.model", version.name.clone()),
            KeyValue::new("systole.version", version.number.clone()),
            KeyValue::new("systole.rows", rows as i64),
            KeyValue::new("systole.batch", timing.batch as i64),
            KeyValue::new("systole.queue_seconds", timing.queued.as_secs_f64()),
            KeyValue::new("systole.compute_seconds", timing.computed.as_secs_f64()),
        ]);
    }

    fn failed(&self, model: &str, error: &ServeError) {
        let mut span = self.span();
        if !model.is_empty() {
            span.set_attribute(KeyValue::new("systole.model", model.to_owned()));
        }
        span.set_attribute(KeyValue::new("error.type", error.cause()));
        span.set_status(Status::error(error.to_string()));
    }

    fn span(&self) -> MutexGuard<'_, SdkSpan> {
        self.span.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The span of the request that this task answers.
pub(crate) fn current() -> Option<Arc<Trace>> {
    CURRENT.try_with(Arc::clone).ok()
}

/// Lets a future note what it does in a span, if there is one.
pub(crate) async fn within<F: Future>(trace: Option<Arc<Trace>>, work: F) -> F::Output {
    match trace {
        Some(trace) => CURRENT.scope(trace, work).await,
        None => work.await,
    }
}

/// The time, if a span will need it.
pub(crate) fn now() -> Option<SystemTime> {
    CURRENT.try_with(|_| SystemTime::now()).ok()
}

/// Rows that were handed in when [`now`] said so have been computed.
pub(crate) fn computed(
    version: &Version,
    rows: usize,
    timing: Timing,
    submitted: Option<SystemTime>,
) {
    if let Some(submitted) = submitted {
        // Without a span there was no time.
        let _ = CURRENT.try_with(|trace| trace.computed(version, rows, timing, submitted));
    }
}

/// The request is answered with an error.
pub(crate) fn failed(model: &str, error: &ServeError) {
    let _ = CURRENT.try_with(|trace| trace.failed(model, error));
}
