//! `POST /v2/models/NAME[/versions/VERSION]/infer`: JSON, with tensors in it or behind it.
//!
//! ```text
//!  Inference-Header-Content-Length: 130
//!  | 130 bytes of JSON | bytes of the inputs that have a "binary_data_size", one after the other |
//! ```

use std::borrow::Cow;
use std::io::{Read, Write};
use std::time::Instant;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use flate2::Compression;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::extract::{Names, Whole};
use super::numbers;
use super::object::Object;
use super::{Failure, Shared};
use crate::error::{Code, ServeError};
use crate::inference::{self, Prediction, Urgency};
use crate::repository::Version;
use crate::tensor::{self, TensorError};
use systole_host::signature::{Datatype, Values};

/// Bytes of JSON at the beginning of a body; the rest is tensors.
pub(super) const JSON_LENGTH: HeaderName =
    HeaderName::from_static("inference-header-content-length");

/// A request's JSON.
#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    inputs: Vec<Object<Input<'a>>>,
    #[serde(borrow, default)]
    outputs: Vec<Object<Output<'a>>>,
    #[serde(default)]
    parameters: Object<RequestParameters>,
}

#[derive(Deserialize)]
struct Input<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    datatype: Cow<'a, str>,
    shape: Vec<i64>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(default)]
    parameters: Object<TensorParameters>,
}

#[derive(Deserialize)]
struct Output<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(default)]
    parameters: Object<TensorParameters>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RequestParameters {
    priority: u64,
    timeout: u64,
    binary_data_output: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct TensorParameters {
    binary_data_size: Option<usize>,
    binary_data: Option<bool>,
    classification: Option<u64>,
    shared_memory_region: Option<serde::de::IgnoredAny>,
}

impl TensorParameters {
    /// Refuses what isn't done here.
    fn check(&self) -> Result<(), ServeError> {
        let shared_memory = self.shared_memory_region.is_some();
        inference::check_extensions(shared_memory, self.classification.unwrap_or(0))
    }
}

/// An answer's JSON.
#[derive(Serialize)]
struct Answer<'a> {
    model_name: &'a str,
    model_version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    outputs: [OutputTensor<'a>; 1],
}

#[derive(Serialize)]
struct OutputTensor<'a> {
    name: &'a str,
    datatype: &'static str,
    shape: Vec<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<BinarySize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a Values>,
}

#[derive(Serialize)]
struct BinarySize {
    binary_data_size: usize,
}

/// The latest version.
pub(super) async fn latest(
    State(app): State<Shared>,
    Names(model): Names<String>,
    headers: HeaderMap,
    Whole(body): Whole,
) -> Result<Response, Failure> {
    answer(&app, &model, "", &headers, body).await
}

/// One version.
pub(super) async fn versioned(
    State(app): State<Shared>,
    Names((model, version)): Names<(String, String)>,
    headers: HeaderMap,
    Whole(body): Whole,
) -> Result<Response, Failure> {
    answer(&app, &model, &version, &headers, body).await
}

async fn answer(
    app: &Shared,
    model: &str,
    version: &str,
    headers: &HeaderMap,
    body: Bytes,
) -> Result<Response, Failure> {
    let arrived = Instant::now();
    let result = infer(app, model, version, headers, body, arrived).await;
    result.map_err(|error| app.failed(model, error))
}

async fn infer(
    app: &Shared,
    model: &str,
    version: &str,
    headers: &HeaderMap,
    body: Bytes,
    arrived: Instant,
) -> Result<Response, ServeError> {
    let version = app.repository().find(model, version)?;
    let body = decompressed(headers, body, app.limits().body_bytes)?;
    let json_bytes = json_length(headers, body.len())?;
    let (json, binary) = (&body[..json_bytes.unwrap_or(body.len())], json_bytes);
    let Object(request) = serde_json::from_slice::<Object<Body<'_>>>(json).map_err(|error| {
        ServeError::Invalid(format!("the body is no inference request: {error}"))
    })?;

    inference::check_inputs(&version, request.inputs.len())?;
    let mut binary_output = request.parameters.binary_data_output;
    for output in &request.outputs {
        inference::check_output(&version, &output.name)?;
        output.parameters.check()?;
        binary_output = output.parameters.binary_data.unwrap_or(binary_output);
    }
    let input = &request.inputs[0];
    let (rows, count) = input_rows(app, &version, input, &body, binary)?;
    let urgency = Urgency {
        priority: request.parameters.priority,
        timeout: request.parameters.timeout,
    };
    let prediction = inference::compute(&version, rows, count, urgency, arrived).await?;
    let (queued, computed) = (prediction.queued, prediction.computed);
    let encoded = encode(&version, request.id.as_deref(), prediction, binary_output)?;
    let response = encoded.respond(headers);
    version
        .latencies
        .observe(arrived.elapsed(), queued, computed);
    Ok(response)
}

/// The rows of a request's input, and their number.
fn input_rows(
    app: &Shared,
    version: &Version,
    input: &Input<'_>,
    body: &Bytes,
    json_bytes: Option<usize>,
) -> Result<(Bytes, usize), ServeError> {
    input.parameters.check()?;
    let expected = &version.signature.input;
    let (name, limits) = (&input.name, app.limits());
    let count = inference::check_input(version, limits, name, &input.datatype, &input.shape)?;
    let network = version.network();
    let rows = match (input.parameters.binary_data_size, input.data) {
        (Some(size), None) => {
            let start = json_bytes.ok_or_else(|| {
                ServeError::Invalid(format!(
                    "input \"{}\" has a binary_data_size, but the header {JSON_LENGTH} is missing",
                    input.name
                ))
            })?;
            let there = body.len() - start;
            if size != there {
                return Err(TensorError::Length {
                    name: input.name.to_string(),
                    found: there,
                    expected: size,
                    unit: "bytes",
                }
                .into());
            }
            tensor::rows_from_bytes(network, expected, count, body.slice(start..))?
        }
        (None, Some(data)) => {
            let trailing = json_bytes.map_or(0, |json| body.len() - json);
            if trailing > 0 {
                return Err(ServeError::Invalid(format!(
                    "{trailing} bytes follow the JSON, but no input has a binary_data_size"
                )));
            }
            let values = count.saturating_mul(expected.elements());
            match expected.datatype {
                Datatype::Fp32 => {
                    let floats = numbers::floats(&input.name, data, values)?;
                    tensor::rows_from_floats(network, expected, &floats)?
                }
                datatype => {
                    let bytes = numbers::bytes(&input.name, data, values, datatype)?;
                    tensor::rows_from_bytes(network, expected, count, bytes.into())?
                }
            }
        }
        _ => {
            return Err(ServeError::Invalid(format!(
                "input \"{}\" needs either data or the parameter binary_data_size",
                input.name
            )));
        }
    };
    Ok((rows, count))
}

/// An answer's body.
struct Encoded {
    body: Vec<u8>,
    /// Bytes of JSON, if tensors follow.
    json_bytes: Option<usize>,
}

fn encode(
    version: &Version,
    id: Option<&str>,
    prediction: Prediction,
    binary: bool,
) -> Result<Encoded, ServeError> {
    let output = &version.signature.output;
    let rows = prediction.rows;
    let size = rows * output.row_bytes();
    let answer = Answer {
        model_name: &version.name,
        model_version: &version.number,
        id,
        outputs: [OutputTensor {
            name: &output.name,
            datatype: output.datatype.protocol_name(),
            shape: output.shape(rows),
            parameters: binary.then_some(BinarySize {
                binary_data_size: size,
            }),
            data: (!binary).then_some(&prediction.values),
        }],
    };
    // Most values are written with up to four characters and a comma.
    let room = 256 + if binary { size } else { 5 * size };
    let mut body = Vec::with_capacity(room);
    serde_json::to_writer(&mut body, &answer)
        .map_err(|error| ServeError::Other(Code::Internal, error.to_string()))?;
    let json_bytes = binary.then_some(body.len());
    if binary {
        body.extend_from_slice(prediction.values.as_ref());
    }
    Ok(Encoded { body, json_bytes })
}

impl Encoded {
    /// The response, packed if the client wants that.
    fn respond(self, request: &HeaderMap) -> Response {
        let mut headers = HeaderMap::with_capacity(4);
        let kind = match self.json_bytes {
            None => "application/json",
            Some(length) => {
                headers.insert(JSON_LENGTH, HeaderValue::from(length));
                "application/octet-stream"
            }
        };
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        let encoding = accepted_encoding(request);
        let packed = encoding.and_then(|encoding| pack(&self.body, encoding).ok());
        let body = match (packed, encoding) {
            (Some(packed), Some(encoding)) => {
                headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
                headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
                packed
            }
            _ => self.body,
        };
        (headers, body).into_response()
    }
}

/// Where the JSON ends, if tensors may follow.
fn json_length(headers: &HeaderMap, body: usize) -> Result<Option<usize>, ServeError> {
    let Some(value) = headers.get(JSON_LENGTH) else {
        return Ok(None);
    };
    let length = value.to_str().ok().and_then(|text| text.parse().ok());
    match length {
        Some(length) if length <= body => Ok(Some(length)),
        _ => Err(ServeError::Invalid(format!(
            "the header {JSON_LENGTH} is {value:?}, which is no length within the body of {body} bytes"
        ))),
    }
}

/// A body as it was before a client packed it.
fn decompressed(headers: &HeaderMap, body: Bytes, most: usize) -> Result<Bytes, ServeError> {
    let Some(encoding) = headers.get(CONTENT_ENCODING) else {
        return Ok(body);
    };
    let reader: Box<dyn Read + '_> = match encoding.as_bytes().to_ascii_lowercase().as_slice() {
        b"identity" | b"" => return Ok(body),
        b"gzip" => Box::new(flate2::read::MultiGzDecoder::new(&body[..])),
        b"deflate" => Box::new(flate2::read::ZlibDecoder::new(&body[..])),
        _ => {
            let text =
                format!("the content encoding {encoding:?} is not known: use gzip or deflate");
            return Err(ServeError::Other(Code::MediaType, text));
        }
    };
    let mut plain = Vec::new();
    // A small body may unpack to a very large one: no further than the limit.
    let read = reader.take(most as u64 + 1).read_to_end(&mut plain);
    read.map_err(|error| ServeError::Invalid(format!("the body cannot be unpacked: {error}")))?;
    if plain.len() > most {
        let text = format!("the unpacked body has more than the {most} bytes that are taken");
        return Err(ServeError::Other(Code::TooLarge, text));
    }
    Ok(plain.into())
}

/// The packing that a client takes.
fn accepted_encoding(headers: &HeaderMap) -> Option<&'static str> {
    let accepted = headers.get(ACCEPT_ENCODING)?.to_str().ok()?;
    let takes = |name: &str| {
        let mut encodings = accepted.split(',');
        encodings.any(|encoding| {
            let (kind, quality) = encoding.split_once(';').unwrap_or((encoding, ""));
            kind.trim().eq_ignore_ascii_case(name) && !matches!(quality.trim(), "q=0" | "q=0.0")
        })
    };
    ["gzip", "deflate"].into_iter().find(|name| takes(name))
}

fn pack(plain: &[u8], encoding: &str) -> std::io::Result<Vec<u8>> {
    let level = Compression::fast();
    if encoding == "gzip" {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
        encoder.write_all(plain)?;
        return encoder.finish();
    }
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), level);
    encoder.write_all(plain)?;
    encoder.finish()
}
