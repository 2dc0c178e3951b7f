//! What the server and its models say of themselves, once for both protocols.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use systole_host::serving::Count;

use crate::protocol as p;
use crate::repository::Version;
use systole_host::signature::{Datatype, TensorSpec};

/// Name of the server.
pub const NAME: &str = "systole";

/// Version of the server.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Extensions of the protocol that are there.
pub const EXTENSIONS: [&str; 6] = [
    "model_repository",
    "model_repository(unload_dependents)",
    "model_configuration",
    "binary_tensor_data",
    "parameters",
    "statistics",
];

/// Where a model comes from, as the protocol's `platform`.
pub fn platform(version: &Version) -> &'static str {
    match version.network().source {
        systole_host::model::Source::Tflite => "tensorflow_lite",
        systole_host::model::Source::Onnx => "onnx",
    }
}

/// Names, types and shapes of a version; `served` are all of its model.
pub fn metadata(version: &Version, served: &[Arc<Version>]) -> p::ModelMetadataResponse {
    let tensor = |tensor: &TensorSpec| p::model_metadata_response::TensorMetadata {
        name: tensor.name.clone(),
        datatype: tensor.datatype.protocol_name().to_owned(),
        shape: std::iter::once(-1).chain(row(tensor)).collect(),
    };
    p::ModelMetadataResponse {
        name: version.name.clone(),
        versions: served
            .iter()
            .map(|version| version.number.clone())
            .collect(),
        platform: platform(version).to_owned(),
        inputs: vec![tensor(&version.signature.input)],
        outputs: vec![tensor(&version.signature.output)],
    }
}

fn row(tensor: &TensorSpec) -> impl Iterator<Item = i64> {
    tensor.row.iter().map(|&size| size as i64)
}

fn data_type(datatype: Datatype) -> p::DataType {
    match datatype {
        Datatype::Int8 => p::DataType::TypeInt8,
        Datatype::Uint8 => p::DataType::TypeUint8,
        Datatype::Fp32 => p::DataType::TypeFp32,
    }
}

/// How a version is served, in Triton's words; `served` are all of its model.
pub fn config(version: &Version, served: &[Arc<Version>]) -> p::ModelConfig {
    let (input, output) = (&version.signature.input, &version.signature.output);
    let options = version.deployment.options();
    let versions = served.iter();
    let specific = p::model_version_policy::Specific {
        versions: versions
            .map(|version| i64::from(version.deployment.version()))
            .collect(),
    };
    let timeout = version.timeout().unwrap_or(Duration::ZERO);
    let units = version.deployment.units();
    p::ModelConfig {
        name: version.name.clone(),
        platform: platform(version).to_owned(),
        backend: NAME.to_owned(),
        version_policy: Some(p::ModelVersionPolicy {
            policy_choice: Some(p::model_version_policy::PolicyChoice::Specific(specific)),
        }),
        max_batch_size: options.rows as i32,
        input: vec![p::ModelInput {
            name: input.name.clone(),
            data_type: data_type(input.datatype).into(),
            dims: row(input).collect(),
            ..Default::default()
        }],
        output: vec![p::ModelOutput {
            name: output.name.clone(),
            data_type: data_type(output.datatype).into(),
            dims: row(output).collect(),
            ..Default::default()
        }],
        instance_group: units
            .into_iter()
            .map(|unit| p::ModelInstanceGroup {
                kind: match unit == "cpu" {
                    true => p::model_instance_group::Kind::Cpu.into(),
                    false => p::model_instance_group::Kind::Model.into(),
                },
                name: unit,
                count: 1,
            })
            .collect(),
        default_model_filename: version.file.clone(),
        scheduling_choice: Some(p::model_config::SchedulingChoice::DynamicBatching(
            p::ModelDynamicBatching {
                max_queue_delay_microseconds: micros(options.wait),
                priority_levels: 255,
                default_priority_level: u64::from(systole_host::serving::DEFAULT_PRIORITY),
                default_queue_policy: Some(p::ModelQueuePolicy {
                    default_timeout_microseconds: micros(timeout),
                    allow_timeout_override: true,
                    max_queue_size: u32::try_from(options.queue).unwrap_or(u32::MAX),
                    ..Default::default()
                }),
                ..Default::default()
            },
        )),
        ..Default::default()
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// What a version has done.
pub fn statistics(version: &Version) -> p::ModelStatistics {
    let times = version.deployment.times();
    let batches = times
        .by_size
        .iter()
        .map(|(&size, &count)| p::InferBatchStatistics {
            batch_size: size as u64,
            compute_input: Some(of(count.count, Duration::ZERO)),
            compute_infer: Some(duration(count)),
            compute_output: Some(of(count.count, Duration::ZERO)),
        });
    let answered = times.answered.count;
    p::ModelStatistics {
        name: version.name.clone(),
        version: version.number.clone(),
        last_inference: times.last.map_or(0, |last| {
            let since = last.duration_since(UNIX_EPOCH).unwrap_or_default();
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        }),
        inference_count: times.rows,
        execution_count: times.batches,
        inference_stats: Some(p::InferStatistics {
            success: Some(duration(times.answered)),
            fail: Some(duration(times.failed)),
            queue: Some(duration(times.queued)),
            compute_input: Some(of(answered, Duration::ZERO)),
            compute_infer: Some(duration(times.computed)),
            compute_output: Some(of(answered, Duration::ZERO)),
            cache_hit: Some(of(0, Duration::ZERO)),
            cache_miss: Some(of(0, Duration::ZERO)),
        }),
        batch_stats: batches.collect(),
        ..Default::default()
    }
}

fn duration(count: Count) -> p::StatisticDuration {
    of(count.count, count.time)
}

fn of(count: u64, time: Duration) -> p::StatisticDuration {
    p::StatisticDuration {
        count,
        ns: u64::try_from(time.as_nanos()).unwrap_or(u64::MAX),
    }
}
