//! The protocol over gRPC.

mod control;
mod infer;

use std::pin::Pin;

use futures_util::{Stream, StreamExt};
use tonic::codec::CompressionEncoding;
use tonic::{Request, Response, Status, Streaming};

use crate::control::{LOG_UNSUPPORTED, SHARED_MEMORY, TRACE_UNSUPPORTED};
use crate::description;
use crate::http::Shared;
use crate::protocol as p;
use crate::protocol::grpc_inference_service_server::{
    GrpcInferenceService, GrpcInferenceServiceServer,
};
use crate::telemetry;

/// Requests of one stream that are computed at once.
const STREAM_REQUESTS: usize = 64;

/// The service.
pub(crate) fn service(app: Shared) -> GrpcInferenceServiceServer<Inference> {
    let most = app.limits().body_bytes;
    // Answers are never packed: all clients say that they would unpack them, few want it.
    GrpcInferenceServiceServer::new(Inference { app })
        .max_decoding_message_size(most)
        .accept_compressed(CompressionEncoding::Gzip)
        .accept_compressed(CompressionEncoding::Deflate)
}

/// Answers the calls.
pub(crate) struct Inference {
    app: Shared,
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl GrpcInferenceService for Inference {
    async fn server_live(&self, _: Request<p::ServerLiveRequest>) -> Answer<p::ServerLiveResponse> {
        Ok(Response::new(p::ServerLiveResponse { live: true }))
    }

    async fn server_ready(
        &self,
        _: Request<p::ServerReadyRequest>,
    ) -> Answer<p::ServerReadyResponse> {
        let ready = self.app.is_ready();
        Ok(Response::new(p::ServerReadyResponse { ready }))
    }

    async fn model_ready(
        &self,
        request: Request<p::ModelReadyRequest>,
    ) -> Answer<p::ModelReadyResponse> {
        let request = request.into_inner();
        let found = self.app.repository().find(&request.name, &request.version);
        let ready = found.is_ok() && self.app.is_ready();
        Ok(Response::new(p::ModelReadyResponse { ready }))
    }

    async fn server_metadata(
        &self,
        _: Request<p::ServerMetadataRequest>,
    ) -> Answer<p::ServerMetadataResponse> {
        Ok(Response::new(p::ServerMetadataResponse {
            name: description::NAME.to_owned(),
            version: description::VERSION.to_owned(),
            extensions: description::EXTENSIONS.map(str::to_owned).to_vec(),
        }))
    }

    async fn model_metadata(
        &self,
        request: Request<p::ModelMetadataRequest>,
    ) -> Answer<p::ModelMetadataResponse> {
        let request = request.into_inner();
        let repository = self.app.repository();
        let found = repository.find(&request.name, &request.version)?;
        let served = repository.versions(&request.name);
        Ok(Response::new(description::metadata(&found, &served)))
    }

    async fn model_infer(
        &self,
        request: Request<p::ModelInferRequest>,
    ) -> Answer<p::ModelInferResponse> {
        infer::model_infer(&self.app, request).await
    }

    type ModelStreamInferStream =
        Pin<Box<dyn Stream<Item = Result<p::ModelStreamInferResponse, Status>> + Send>>;

    async fn model_stream_infer(
        &self,
        request: Request<Streaming<p::ModelInferRequest>>,
    ) -> Answer<Self::ModelStreamInferStream> {
        let app = self.app.clone();
        let trace = telemetry::current();
        let answers = request.into_inner().map(move |request| {
            let app = app.clone();
            let trace = trace.as_ref().map(|trace| trace.message());
            telemetry::within(trace, async move {
                Ok(infer::stream_answer(&app, request?).await)
            })
        });
        Ok(Response::new(Box::pin(answers.buffered(STREAM_REQUESTS))))
    }

    async fn model_config(
        &self,
        request: Request<p::ModelConfigRequest>,
    ) -> Answer<p::ModelConfigResponse> {
        let request = request.into_inner();
        let repository = self.app.repository();
        let found = repository.find(&request.name, &request.version)?;
        let config = description::config(&found, &repository.versions(&request.name));
        Ok(Response::new(p::ModelConfigResponse {
            config: Some(config),
        }))
    }

    async fn model_statistics(
        &self,
        request: Request<p::ModelStatisticsRequest>,
    ) -> Answer<p::ModelStatisticsResponse> {
        let request = request.into_inner();
        let repository = self.app.repository();
        let versions = match (&request.name[..], &request.version[..]) {
            ("", _) => repository.all(),
            (name, version) => {
                let found = repository.find(name, version)?;
                match version {
                    "" => repository.versions(name),
                    _ => vec![found],
                }
            }
        };
        Ok(Response::new(p::ModelStatisticsResponse {
            model_stats: versions
                .iter()
                .map(|version| description::statistics(version))
                .collect(),
        }))
    }

    async fn repository_index(
        &self,
        request: Request<p::RepositoryIndexRequest>,
    ) -> Answer<p::RepositoryIndexResponse> {
        control::index(&self.app, request.into_inner()).await
    }

    async fn repository_model_load(
        &self,
        request: Request<p::RepositoryModelLoadRequest>,
    ) -> Answer<p::RepositoryModelLoadResponse> {
        control::load(&self.app, request.into_inner()).await
    }

    async fn repository_model_unload(
        &self,
        request: Request<p::RepositoryModelUnloadRequest>,
    ) -> Answer<p::RepositoryModelUnloadResponse> {
        crate::control::unload(&self.app, request.into_inner().model_name).await?;
        Ok(Response::new(p::RepositoryModelUnloadResponse {}))
    }

    async fn system_shared_memory_status(
        &self,
        request: Request<p::SystemSharedMemoryStatusRequest>,
    ) -> Answer<p::SystemSharedMemoryStatusResponse> {
        no_region(&request.into_inner().name)?;
        Ok(Response::new(p::SystemSharedMemoryStatusResponse::default()))
    }

    async fn system_shared_memory_register(
        &self,
        _: Request<p::SystemSharedMemoryRegisterRequest>,
    ) -> Answer<p::SystemSharedMemoryRegisterResponse> {
        Err(Status::unimplemented(SHARED_MEMORY))
    }

    async fn system_shared_memory_unregister(
        &self,
        _: Request<p::SystemSharedMemoryUnregisterRequest>,
    ) -> Answer<p::SystemSharedMemoryUnregisterResponse> {
        // Clients do this before they register anything, in case something was left.
        Ok(Response::new(p::SystemSharedMemoryUnregisterResponse {}))
    }

    async fn cuda_shared_memory_status(
        &self,
        request: Request<p::CudaSharedMemoryStatusRequest>,
    ) -> Answer<p::CudaSharedMemoryStatusResponse> {
        no_region(&request.into_inner().name)?;
        Ok(Response::new(p::CudaSharedMemoryStatusResponse::default()))
    }

    async fn cuda_shared_memory_register(
        &self,
        _: Request<p::CudaSharedMemoryRegisterRequest>,
    ) -> Answer<p::CudaSharedMemoryRegisterResponse> {
        Err(Status::unimplemented(SHARED_MEMORY))
    }

    async fn cuda_shared_memory_unregister(
        &self,
        _: Request<p::CudaSharedMemoryUnregisterRequest>,
    ) -> Answer<p::CudaSharedMemoryUnregisterResponse> {
        Ok(Response::new(p::CudaSharedMemoryUnregisterResponse {}))
    }

    async fn trace_setting(
        &self,
        request: Request<p::TraceSettingRequest>,
    ) -> Answer<p::TraceSettingResponse> {
        let request = request.into_inner();
        if !request.settings.is_empty() {
            return Err(Status::unimplemented(TRACE_UNSUPPORTED));
        }
        if !request.model_name.is_empty() {
            self.app.repository().find(&request.model_name, "")?;
        }
        let off = p::trace_setting_response::SettingValue {
            value: vec!["OFF".to_owned()],
        };
        Ok(Response::new(p::TraceSettingResponse {
            settings: [("trace_level".to_owned(), off)].into(),
        }))
    }

    async fn log_settings(
        &self,
        request: Request<p::LogSettingsRequest>,
    ) -> Answer<p::LogSettingsResponse> {
        use p::log_settings_response::SettingValue;
        use p::log_settings_response::setting_value::ParameterChoice;
        if !request.into_inner().settings.is_empty() {
            return Err(Status::unimplemented(LOG_UNSUPPORTED));
        }
        let settings = crate::control::log_settings()
            .into_iter()
            .map(|(name, on)| {
                let parameter_choice = Some(ParameterChoice::BoolParam(on));
                (name.to_owned(), SettingValue { parameter_choice })
            });
        Ok(Response::new(p::LogSettingsResponse {
            settings: settings.collect(),
        }))
    }
}

/// No region of shared memory has a name.
fn no_region(name: &str) -> Result<(), Status> {
    match name {
        "" => Ok(()),
        name => Err(crate::control::no_region(name).into()),
    }
}
