//! `systole serve`: the arguments, and the server's life.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use systole_host::serving::Fleet;
use tokio::signal::unix::{SignalKind, signal};
use tokio_rustls::rustls;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::RepositoryError;
use crate::limits::Limits;
use crate::repository::{Control, Repository};
use crate::server::{Server, ServerError, ServerOptions, TokenError, Tokens};
use crate::telemetry::{Telemetry, TelemetryError};

/// Serves models of a folder over HTTP and gRPC, by the Open Inference Protocol.
///
/// The folder holds NAME/VERSION/model.tflite or model.onnx, VERSION being a number; the greatest one is
/// served. NAME/config.toml and golden_input.npy with golden_output.npy beside the model are optional. A
/// new version is served when it has been loaded, warmed up, and has answered its golden inputs; the old
/// one serves until then. SIGTERM and SIGINT let requests finish first.
///
/// GET / is a page for people with what the server does, GET /metrics tells Prometheus. Where there are
/// tokens, both want one of those for inference.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// Folder of models.
    #[arg(long, value_name = "DIR")]
    pub repository: PathBuf,
    /// Address for HTTP; gRPC is answered there too.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8000")]
    pub http: SocketAddr,
    /// Address for gRPC; HTTP is answered there too.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8001")]
    pub grpc: SocketAddr,
    /// Which models are loaded: all at the start ("none" after that), all and what changes in the folder
    /// ("poll"), or what requests ask for ("explicit").
    #[arg(long, value_name = "MODE", default_value = "poll", value_enum)]
    pub model_control: ModelControl,
    /// How often the folder is looked at.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration)]
    pub poll: Duration,
    /// Certificate chain in PEM, for TLS.
    #[arg(long, value_name = "CHAIN.pem", requires = "tls_key")]
    pub tls_certificate: Option<PathBuf>,
    /// Key of the certificate in PEM.
    #[arg(long, value_name = "KEY.pem", requires = "tls_certificate")]
    pub tls_key: Option<PathBuf>,
    /// File with `infer TOKEN` or `control TOKEN` on each line; without it, anybody may call.
    #[arg(long, value_name = "FILE")]
    pub tokens: Option<PathBuf>,
    /// Bytes of a request, at most.
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().body_bytes)]
    pub max_body: usize,
    /// Rows of a request, at most.
    #[arg(long, value_name = "N", default_value_t = Limits::default().rows)]
    pub max_rows: usize,
    /// Connections at once; others wait.
    #[arg(long, value_name = "N", default_value_t = Limits::default().connections)]
    pub max_connections: usize,
    /// Requests at once; others are refused.
    #[arg(long, value_name = "N", default_value_t = Limits::default().requests)]
    pub max_requests: usize,
    /// Time in which a request's head has to arrive.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub head_timeout: Duration,
    /// Time in which a request has to be read and answered.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    pub request_timeout: Duration,
    /// How long requests may take to finish when the server goes down.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub drain: Duration,
    /// Collector of OpenTelemetry traces, by OTLP over gRPC: http://HOST:4317, or https.
    #[arg(long, value_name = "ENDPOINT")]
    pub otlp: Option<String>,
    /// Threads that answer requests; one for each processor by default.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub threads: Option<u16>,
}

/// Which models are loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ModelControl {
    /// All at the start.
    None,
    /// All, and what changes.
    Poll,
    /// What requests ask for.
    Explicit,
}

/// Why the command failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The repository can't be used.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// The tokens can't be used.
    #[error(transparent)]
    Tokens(#[from] TokenError),
    /// The certificate or its key can't be used.
    #[error("the certificate {} with the key {} cannot be used: {reason}", chain.display(), key.display())]
    Tls {
        /// The chain's file.
        chain: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why.
        reason: String,
    },
    /// The server does not run.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// Traces can't be exported.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// The system gives no threads or signals.
    #[error("cannot start the server's threads: {0}")]
    Runtime(std::io::Error),
}

/// Serves until a signal comes. `ready` is told the addresses once they are bound.
///
/// # Errors
/// If the server can't run.
pub fn run(
    arguments: &Arguments,
    fleet: Arc<Fleet>,
    bound: impl FnOnce(&[SocketAddr]),
) -> Result<(), CommandError> {
    let repository = Arc::new(Repository::open(&arguments.repository, fleet)?);
    let tls = match (&arguments.tls_certificate, &arguments.tls_key) {
        (Some(chain), Some(key)) => Some(Arc::new(tls_config(chain, key)?)),
        _ => None,
    };
    let tokens = arguments.tokens.as_deref().map(Tokens::read).transpose()?;
    let mut options = ServerOptions {
        addresses: vec![arguments.http, arguments.grpc],
        limits: Limits {
            body_bytes: arguments.max_body,
            rows: arguments.max_rows,
            connections: arguments.max_connections,
            requests: arguments.max_requests,
            head_time: arguments.head_timeout,
            request_time: arguments.request_timeout,
        },
        tokens,
        tls,
        control: Some(match arguments.model_control {
            ModelControl::None => Control::None,
            ModelControl::Poll => Control::Poll,
            ModelControl::Explicit => Control::Explicit,
        }),
        poll: arguments.poll,
        drain: arguments.drain,
        threads: arguments.threads.map_or(0, usize::from),
        telemetry: None,
    };
    // It accepts connections and looks after the repository; others answer.
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all();
    let runtime = runtime.build().map_err(CommandError::Runtime)?;
    let result = runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).map_err(CommandError::Runtime)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(CommandError::Runtime)?;
        let endpoint = arguments.otlp.as_deref();
        options.telemetry = endpoint.map(Telemetry::otlp).transpose()?;
        let server = Server::bind(repository, options).await?;
        bound(&server.addresses());
        let stop = async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        Ok(server.run(stop).await?)
    });
    // A load in progress is not waited for.
    runtime.shutdown_timeout(Duration::from_millis(100));
    result
}

fn tls_config(chain: &PathBuf, key: &PathBuf) -> Result<rustls::ServerConfig, CommandError> {
    let failed = |reason: String| CommandError::Tls {
        chain: chain.clone(),
        key: key.clone(),
        reason,
    };
    let certificates = CertificateDer::pem_file_iter(chain)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| failed(error.to_string()))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| failed(error.to_string()))?;
    let mut config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(certificates, private)
        .map_err(|error| failed(error.to_string()))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|error| format!("{error}; give a time with its unit: 500us, 10ms, 2s"))
}
