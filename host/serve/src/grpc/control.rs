//! Model repository control.

use tonic::{Response, Status};

use crate::control;
use crate::http::Shared;
use crate::protocol as p;
use crate::protocol::model_repository_parameter::ParameterChoice;
use crate::repository::LoadRequest;

/// Models of the repository.
pub(super) async fn index(
    app: &Shared,
    request: p::RepositoryIndexRequest,
) -> Result<Response<p::RepositoryIndexResponse>, Status> {
    let entries = control::index(app, request.ready).await?;
    let models = entries.into_iter().map(|entry| {
        let version = entry.version.map(|version| version.to_string());
        p::repository_index_response::ModelIndex {
            name: entry.name,
            version: version.unwrap_or_default(),
            state: control::state(entry.ready).to_owned(),
            reason: entry.reason.unwrap_or_default(),
        }
    });
    Ok(Response::new(p::RepositoryIndexResponse {
        models: models.collect(),
    }))
}

/// Loads a model, or what has changed of it, and swaps it in.
pub(super) async fn load(
    app: &Shared,
    request: p::RepositoryModelLoadRequest,
) -> Result<Response<p::RepositoryModelLoadResponse>, Status> {
    let mut load = LoadRequest::default();
    for (key, value) in request.parameters {
        match (key.as_str(), value.parameter_choice) {
            ("config", Some(ParameterChoice::StringParam(config))) => load.config = Some(config),
            ("version", Some(ParameterChoice::Int64Param(version))) => {
                load.version = Some(control::load_version(u32::try_from(version).ok(), version)?);
            }
            ("version", Some(ParameterChoice::StringParam(version))) => {
                load.version = Some(control::load_version(version.parse().ok(), version)?);
            }
            (key, _) => return Err(control::unknown_load_parameter(key).into()),
        }
    }
    control::load(app, request.model_name, load).await?;
    Ok(Response::new(p::RepositoryModelLoadResponse {}))
}
