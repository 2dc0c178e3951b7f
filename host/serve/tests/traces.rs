//! Spans arrive at a collector: one for each request, in the caller's trace, with its parts inside.

mod common;

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

use common::{Running, repository};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use systole_host::engine::EngineOptions;
use systole_host::serving::Fleet;
use systole_serve::ServerOptions;
use systole_serve::protocol::grpc_inference_service_client::GrpcInferenceServiceClient;
use systole_serve::protocol::model_infer_request::InferInputTensor;
use systole_serve::protocol::{ModelInferRequest, ModelMetadataRequest};
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

/// Takes spans.
struct Collector(Mutex<Sender<ExportTraceServiceRequest>>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let sender = self.0.lock().expect("nobody panics with it");
        let _ = sender.send(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

/// A collector, for as long as the runtime is there.
fn collector(runtime: &tokio::runtime::Runtime) -> (String, Receiver<ExportTraceServiceRequest>) {
    let (sender, receiver) = channel();
    let _inside = runtime.enter();
    let incoming = TcpIncoming::bind(([127, 0, 0, 1], 0).into()).expect("a port is free");
    let address = incoming.local_addr().expect("it is bound");
    let service = TraceServiceServer::new(Collector(Mutex::new(sender)));
    runtime.spawn(
        tonic::transport::Server::builder()
            .add_service(service)
            .serve_with_incoming(incoming),
    );
    (format!("http://{address}"), receiver)
}

fn attribute(span: &Span, key: &str) -> Option<Value> {
    let found = span
        .attributes
        .iter()
        .find(|attribute| attribute.key == key);
    found?.value.clone()?.value
}

fn text(text: &str) -> Option<Value> {
    Some(Value::StringValue(text.to_owned()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

#[test]
fn spans_of_requests_arrive_with_their_parts_and_the_callers_trace() {
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    let (endpoint, exported) = collector(&runtime);
    let folder = repository(&["wake_word"]);
    let fleet = Fleet::new(Vec::new(), EngineOptions::default()).expect("the CPU is there");
    let options = ServerOptions::default();
    let server = Running::start(folder.path(), fleet, options, Some(endpoint));

    let traceparent = format!("00-{TRACE}-{CALLER}-01");
    let reply = server.infer("wake_word", 3, &[("traceparent", &traceparent)]);
    assert_eq!(reply.status, 200, "{}", reply.body);
    let reply = server.ask("POST", "/v2/models/none/infer", &[], "{}");
    assert_eq!(reply.status, 404);
    let unsampled = format!("00-{TRACE}-{CALLER}-00");
    server.infer("wake_word", 1, &[("traceparent", &unsampled)]);
    runtime.block_on(stream_of_two(
        &format!("http://{}", server.address),
        &traceparent,
    ));
    // Going down sends what is left.
    drop(server);

    let exported: Vec<ExportTraceServiceRequest> = exported.try_iter().collect();
    let resources = exported.iter().flat_map(|request| &request.resource_spans);
    for resource in resources.clone() {
        let attributes = &resource.resource.as_ref().expect("it says who").attributes;
        let name = attributes
            .iter()
            .find(|attribute| attribute.key == "service.name");
        let name = name.and_then(|name| name.value.clone()?.value);
        assert_eq!(name, text("systole"));
    }
    let spans: Vec<&Span> = resources
        .flat_map(|resource| &resource.scope_spans)
        .flat_map(|scope| &scope.spans)
        .collect();
    let names: Vec<&str> = spans.iter().map(|span| &span.name[..]).collect();
    // HTTP, the failure, the stream and its two messages; three of them were computed.
    assert_eq!(
        names.iter().filter(|name| **name == "infer").count(),
        5,
        "{names:?}"
    );
    assert_eq!(spans.len(), 5 + 3 * 2, "{names:?}");

    let answered = spans
        .iter()
        .find(|span| attribute(span, "systole.rows") == Some(Value::IntValue(3)));
    let answered = answered.expect("the first request");
    assert_eq!(hex(&answered.trace_id), TRACE);
    assert_eq!(hex(&answered.parent_span_id), CALLER);
    assert_eq!(attribute(answered, "systole.model"), text("wake_word"));
    assert_eq!(attribute(answered, "systole.version"), text("1"));
    assert_eq!(
        attribute(answered, "systole.batch"),
        Some(Value::IntValue(3))
    );
    assert_eq!(attribute(answered, "http.request.method"), text("POST"));
    let status = attribute(answered, "http.response.status_code");
    assert_eq!(status, Some(Value::IntValue(200)));
    let compute = attribute(answered, "systole.compute_seconds");
    assert!(matches!(compute, Some(Value::DoubleValue(seconds)) if seconds > 0.0));
    for part in ["queue", "compute"] {
        let found = spans
            .iter()
            .filter(|span| span.name == part && span.parent_span_id == answered.span_id);
        let [part] = found.collect::<Vec<_>>()[..] else {
            panic!("one {part} of the request");
        };
        assert_eq!(part.trace_id, answered.trace_id);
        assert!(part.start_time_unix_nano >= answered.start_time_unix_nano);
        assert!(part.end_time_unix_nano >= part.start_time_unix_nano);
    }

    let failed = spans
        .iter()
        .find(|span| attribute(span, "error.type").is_some());
    let failed = failed.expect("the request for a model that isn't there");
    assert_eq!(attribute(failed, "error.type"), text("not_found"));
    assert_eq!(failed.status.as_ref().map(|status| status.code), Some(2));
    assert!(failed.parent_span_id.is_empty());
    assert_ne!(hex(&failed.trace_id), TRACE);

    let stream = spans
        .iter()
        .find(|span| attribute(span, "rpc.method") == text("ModelStreamInfer"));
    let stream = stream.expect("the stream");
    assert_eq!(hex(&stream.trace_id), TRACE);
    let messages = spans
        .iter()
        .filter(|span| span.parent_span_id == stream.span_id);
    assert_eq!(messages.count(), 2);
}

/// Two requests of one row each, in one stream.
async fn stream_of_two(server: &str, traceparent: &str) {
    let channel = tonic::transport::Endpoint::from_shared(server.to_owned());
    let channel = channel.expect("it is a URL").connect().await;
    let mut client = GrpcInferenceServiceClient::new(channel.expect("it listens"));
    let metadata = ModelMetadataRequest {
        name: "wake_word".to_owned(),
        ..Default::default()
    };
    let metadata = client.model_metadata(metadata).await.expect("it is served");
    let input = metadata.into_inner().inputs.remove(0);
    let shape = [&[1], &input.shape[1..]].concat();
    let bytes = shape.iter().product::<i64>() as usize;
    let width = if input.datatype == "FP32" { 4 } else { 1 };
    let message = ModelInferRequest {
        model_name: "wake_word".to_owned(),
        inputs: vec![InferInputTensor {
            name: input.name,
            datatype: input.datatype,
            shape,
            ..Default::default()
        }],
        raw_input_contents: vec![vec![0; bytes * width].into()],
        ..Default::default()
    };
    let messages = tokio_stream::iter([message.clone(), message]);
    let mut request = Request::new(messages);
    let value = traceparent.parse().expect("it is ASCII");
    request.metadata_mut().insert("traceparent", value);
    let answers = client.model_stream_infer(request).await;
    let mut answers = answers.expect("it is answered").into_inner();
    for _ in 0..2 {
        let answer = answers.message().await.expect("it is answered");
        let answer = answer.expect("there are two");
        assert_eq!(answer.error_message, "");
    }
    assert!(answers.message().await.expect("it ends").is_none());
}
