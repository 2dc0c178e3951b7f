//! What the server and its models are, how they are served, and what they have done: the messages of the
//! gRPC protocol as JSON.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::extract::Names;
use super::{Failure, Shared};
use crate::description;
use crate::protocol as p;
use crate::repository::Version;

/// The server.
pub(super) async fn server() -> Json<Value> {
    Json(json!({
        "name": description::NAME,
        "version": description::VERSION,
        "extensions": description::EXTENSIONS,
    }))
}

/// A model, by its latest version.
pub(super) async fn latest(
    State(app): State<Shared>,
    Names(model): Names<String>,
) -> Result<Json<Value>, Failure> {
    metadata(&app, &model, "")
}

/// A version.
pub(super) async fn versioned(
    State(app): State<Shared>,
    Names((model, version)): Names<(String, String)>,
) -> Result<Json<Value>, Failure> {
    metadata(&app, &model, &version)
}

fn metadata(app: &Shared, model: &str, version: &str) -> Result<Json<Value>, Failure> {
    let found = app.repository().find(model, version)?;
    let metadata = description::metadata(&found, &app.repository().versions(model));
    let tensors = |tensors: Vec<p::model_metadata_response::TensorMetadata>| -> Vec<Value> {
        let tensors = tensors.into_iter();
        tensors
            .map(|tensor| {
                json!({"name": tensor.name, "datatype": tensor.datatype, "shape": tensor.shape})
            })
            .collect()
    };
    Ok(Json(json!({
        "name": metadata.name,
        "versions": metadata.versions,
        "platform": metadata.platform,
        "inputs": tensors(metadata.inputs),
        "outputs": tensors(metadata.outputs),
    })))
}

/// How a model's latest version is served.
pub(super) async fn config_latest(
    State(app): State<Shared>,
    Names(model): Names<String>,
) -> Result<Json<Value>, Failure> {
    config(&app, &model, "")
}

/// How a version is served.
pub(super) async fn config_versioned(
    State(app): State<Shared>,
    Names((model, version)): Names<(String, String)>,
) -> Result<Json<Value>, Failure> {
    config(&app, &model, &version)
}

fn config(app: &Shared, model: &str, version: &str) -> Result<Json<Value>, Failure> {
    let found = app.repository().find(model, version)?;
    let config = description::config(&found, &app.repository().versions(model));
    let data_type = |data_type| p::DataType::try_from(data_type).unwrap_or_default();
    let inputs = config.input.iter().map(|input| {
        let data_type = data_type(input.data_type).as_str_name();
        json!({"name": input.name, "data_type": data_type, "format": "FORMAT_NONE", "dims": input.dims})
    });
    let outputs = config.output.iter().map(|output| {
        let data_type = data_type(output.data_type).as_str_name();
        json!({"name": output.name, "data_type": data_type, "dims": output.dims})
    });
    let groups = config.instance_group.iter().map(|group| {
        let kind = p::model_instance_group::Kind::try_from(group.kind).unwrap_or_default();
        json!({"name": group.name, "kind": kind.as_str_name(), "count": group.count})
    });
    let mut json = json!({
        "name": config.name,
        "platform": config.platform,
        "backend": config.backend,
        "max_batch_size": config.max_batch_size,
        "input": inputs.collect::<Vec<_>>(),
        "output": outputs.collect::<Vec<_>>(),
        "instance_group": groups.collect::<Vec<_>>(),
        "default_model_filename": config.default_model_filename,
    });
    if let Some(p::model_version_policy::PolicyChoice::Specific(specific)) = config
        .version_policy
        .and_then(|policy| policy.policy_choice)
    {
        json["version_policy"] = json!({"specific": {"versions": specific.versions}});
    }
    if let Some(p::model_config::SchedulingChoice::DynamicBatching(batching)) =
        config.scheduling_choice
    {
        let policy = batching.default_queue_policy.unwrap_or_default();
        json["dynamic_batching"] = json!({
            "max_queue_delay_microseconds": batching.max_queue_delay_microseconds,
            "priority_levels": batching.priority_levels,
            "default_priority_level": batching.default_priority_level,
            "default_queue_policy": {
                "timeout_action": "REJECT",
                "default_timeout_microseconds": policy.default_timeout_microseconds,
                "allow_timeout_override": policy.allow_timeout_override,
                "max_queue_size": policy.max_queue_size,
            },
        });
    }
    Ok(Json(json))
}

/// What all models have done.
pub(super) async fn statistics_all(State(app): State<Shared>) -> Json<Value> {
    statistics(app.repository().all())
}

/// What a model's versions have done.
pub(super) async fn statistics_model(
    State(app): State<Shared>,
    Names(model): Names<String>,
) -> Result<Json<Value>, Failure> {
    // An error for one that isn't served.
    app.repository().find(&model, "")?;
    Ok(statistics(app.repository().versions(&model)))
}

/// What a version has done.
pub(super) async fn statistics_version(
    State(app): State<Shared>,
    Names((model, version)): Names<(String, String)>,
) -> Result<Json<Value>, Failure> {
    Ok(statistics(vec![app.repository().find(&model, &version)?]))
}

fn statistics(versions: Vec<Arc<Version>>) -> Json<Value> {
    let duration = |duration: Option<p::StatisticDuration>| {
        let duration = duration.unwrap_or_default();
        json!({"count": duration.count, "ns": duration.ns})
    };
    let one = |version: Arc<Version>| {
        let statistics = description::statistics(&version);
        let requests = statistics.inference_stats.unwrap_or_default();
        let batches = statistics.batch_stats.into_iter().map(|batch| {
            json!({
                "batch_size": batch.batch_size,
                "compute_input": duration(batch.compute_input),
                "compute_infer": duration(batch.compute_infer),
                "compute_output": duration(batch.compute_output),
            })
        });
        json!({
            "name": statistics.name,
            "version": statistics.version,
            "last_inference": statistics.last_inference,
            "inference_count": statistics.inference_count,
            "execution_count": statistics.execution_count,
            "inference_stats": {
                "success": duration(requests.success),
                "fail": duration(requests.fail),
                "queue": duration(requests.queue),
                "compute_input": duration(requests.compute_input),
                "compute_infer": duration(requests.compute_infer),
                "compute_output": duration(requests.compute_output),
                "cache_hit": duration(requests.cache_hit),
                "cache_miss": duration(requests.cache_miss),
            },
            "batch_stats": batches.collect::<Vec<_>>(),
            "memory_usage": [],
        })
    };
    Json(json!({"model_stats": versions.into_iter().map(one).collect::<Vec<_>>()}))
}
