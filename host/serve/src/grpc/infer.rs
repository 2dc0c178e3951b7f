//! `ModelInfer`, and the same in a stream: tensors as raw bytes or as typed contents.

use std::time::Instant;

use bytes::Bytes;
use tonic::{Request, Response, Status};

use crate::error::ServeError;
use crate::http::Shared;
use crate::inference::{self, Urgency};
use crate::protocol as p;
use crate::protocol::infer_parameter::ParameterChoice;
use crate::repository::Version;
use crate::server::{Arrived, Spent};
use crate::tensor::{self, TensorError};
use systole_host::signature::Datatype;

type Parameters = std::collections::BTreeMap<String, p::InferParameter>;

/// Answers one request.
pub(super) async fn model_infer(
    app: &Shared,
    request: Request<p::ModelInferRequest>,
) -> Result<Response<p::ModelInferResponse>, Status> {
    let arrived = request.extensions().get::<Arrived>();
    let arrived = arrived.map_or_else(Instant::now, |arrived| arrived.0);
    let request = request.into_inner();
    let model = request.model_name.clone();
    match infer(app, request, arrived).await {
        Ok((response, spent)) => {
            let mut response = Response::new(response);
            response.extensions_mut().insert(spent);
            Ok(response)
        }
        Err(error) => Err(app.failed(&model, error).0.into()),
    }
}

/// Answers one request of a stream: an error is an answer, too.
pub(super) async fn stream_answer(
    app: &Shared,
    request: p::ModelInferRequest,
) -> p::ModelStreamInferResponse {
    let arrived = Instant::now();
    let (model, id) = (request.model_name.clone(), request.id.clone());
    match infer(app, request, arrived).await {
        Ok((response, spent)) => {
            spent.observe(arrived.elapsed());
            p::ModelStreamInferResponse {
                error_message: String::new(),
                infer_response: Some(response),
            }
        }
        Err(error) => p::ModelStreamInferResponse {
            error_message: app.failed(&model, error).0.sentence(),
            infer_response: Some(p::ModelInferResponse {
                model_name: model,
                id,
                ..Default::default()
            }),
        },
    }
}

async fn infer(
    app: &Shared,
    mut request: p::ModelInferRequest,
    arrived: Instant,
) -> Result<(p::ModelInferResponse, Spent), ServeError> {
    let version = app
        .repository()
        .find(&request.model_name, &request.model_version)?;
    inference::check_inputs(&version, request.inputs.len())?;
    for output in &request.outputs {
        inference::check_output(&version, &output.name)?;
        check(&output.parameters)?;
    }
    let input = request.inputs.swap_remove(0);
    check(&input.parameters)?;
    let (name, limits) = (&input.name, app.limits());
    let count = inference::check_input(&version, limits, name, &input.datatype, &input.shape)?;
    let mut raw = std::mem::take(&mut request.raw_input_contents);
    let rows = match (raw.pop(), raw.len(), input.contents) {
        (Some(bytes), 0, None) => {
            tensor::rows_from_bytes(version.network(), &version.signature.input, count, bytes)?
        }
        (None, 0, Some(contents)) => rows_from_contents(&version, count, contents)?,
        (None, 0, None) => {
            let text = format!(
                "input \"{}\" has no contents, neither raw nor typed",
                input.name
            );
            return Err(ServeError::Invalid(text));
        }
        (Some(_), 0, Some(_)) => {
            let text = format!(
                "input \"{}\" has raw and typed contents: send one of them",
                input.name
            );
            return Err(ServeError::Invalid(text));
        }
        (_, more, _) => {
            let text = format!("{} raw contents for one input", more + 1);
            return Err(ServeError::Invalid(text));
        }
    };
    let urgency = Urgency {
        priority: number(&request.parameters, "priority")?,
        timeout: number(&request.parameters, "timeout")?,
    };
    let prediction = inference::compute(&version, rows, count, urgency, arrived).await?;
    let spent = Spent {
        latencies: version.latencies.clone(),
        queued: prediction.queued,
        computed: prediction.computed,
    };
    let output = &version.signature.output;
    let response = p::ModelInferResponse {
        model_name: version.name.clone(),
        model_version: version.number.clone(),
        id: request.id,
        parameters: Parameters::new(),
        outputs: vec![p::model_infer_response::InferOutputTensor {
            name: output.name.clone(),
            datatype: output.datatype.protocol_name().to_owned(),
            shape: output
                .shape(count)
                .iter()
                .map(|&size| size as i64)
                .collect(),
            ..Default::default()
        }],
        raw_output_contents: vec![prediction.values.into_bytes()],
    };
    Ok((response, spent))
}

/// Rows from typed contents.
fn rows_from_contents(
    version: &Version,
    count: usize,
    contents: p::InferTensorContents,
) -> Result<Bytes, ServeError> {
    let input = &version.signature.input;
    let expected = count.saturating_mul(input.elements());
    let check = |found: usize| match found == expected {
        true => Ok(()),
        false => Err(TensorError::Length {
            name: input.name.clone(),
            found,
            expected,
            unit: "values",
        }),
    };
    let value = |position: usize, value: String| TensorError::Value {
        name: input.name.clone(),
        value,
        position,
        datatype: input.datatype.protocol_name(),
    };
    let bytes: Vec<u8> = match input.datatype {
        Datatype::Fp32 => {
            check(contents.fp32_contents.len())?;
            let floats = &contents.fp32_contents;
            return Ok(tensor::rows_from_floats(version.network(), input, floats)?);
        }
        Datatype::Int8 => {
            check(contents.int_contents.len())?;
            let values = contents.int_contents.iter().enumerate();
            let byte = |(position, &number): (usize, &i32)| {
                let byte = i8::try_from(number).map(|byte| byte as u8);
                byte.map_err(|_| value(position, number.to_string()))
            };
            values.map(byte).collect::<Result<_, _>>()?
        }
        Datatype::Uint8 => {
            check(contents.uint_contents.len())?;
            let values = contents.uint_contents.iter().enumerate();
            let byte = |(position, &number): (usize, &u32)| {
                u8::try_from(number).map_err(|_| value(position, number.to_string()))
            };
            values.map(byte).collect::<Result<_, _>>()?
        }
    };
    let network = version.network();
    Ok(tensor::rows_from_bytes(
        network,
        input,
        count,
        bytes.into(),
    )?)
}

/// Refuses what isn't done here.
fn check(parameters: &Parameters) -> Result<(), ServeError> {
    let shared_memory = parameters.contains_key("shared_memory_region");
    inference::check_extensions(shared_memory, number(parameters, "classification")?)
}

/// A parameter that is a number; 0 if it isn't there.
fn number(parameters: &Parameters, name: &str) -> Result<u64, ServeError> {
    let choice = parameters
        .get(name)
        .and_then(|value| value.parameter_choice.as_ref());
    let number = match choice {
        None => Some(0),
        Some(ParameterChoice::Uint64Param(number)) => Some(*number),
        Some(ParameterChoice::Int64Param(number)) => u64::try_from(*number).ok(),
        Some(ParameterChoice::StringParam(text)) => text.parse().ok(),
        Some(_) => None,
    };
    number.ok_or_else(|| {
        ServeError::Invalid(format!("the parameter \"{name}\" is not a number from 0"))
    })
}
