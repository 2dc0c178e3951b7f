//! The server: its sockets, what stands before every request, and how it ends.
//!
//! ```text
//!  socket --TLS?--> HTTP/1 or HTTP/2 --> gate: token, requests at once, time --> routes
//!                                                 |
//!  SIGTERM --> not ready; no new connections; requests finish, at most for the drain's time --> end
//! ```

mod connection;
mod gate;
mod heard;
mod socket;
mod tokens;
mod workers;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use tokio::net::TcpListener;
use tokio::sync::watch;

pub use tokens::{TokenError, Tokens};

use crate::error::{Code, ServeError};
use crate::http::{Failure, Shared};
use crate::limits::Limits;
use crate::metrics::{Errors, Latencies};
use crate::repository::{
    Control, IndexEntry, LoadRequest, Repository, RepositoryError, is_model_name,
};
use crate::status::{self, Window};
use crate::telemetry::{self, Telemetry};
use connection::Listener;
use workers::Workers;

/// Why tracing can't be set by a request.
pub(crate) const TRACE_UNSUPPORTED: &str =
    "traces are set where the server is started, not by requests";

/// Why logging can't be set by a request.
pub(crate) const LOG_UNSUPPORTED: &str =
    "logging is set where the server is started, not by requests";

/// What all requests share.
#[derive(Debug)]
pub struct App {
    repository: Arc<Repository>,
    limits: Limits,
    control: Control,
    tokens: Option<Tokens>,
    /// Set once the first models are loaded, and unset when the server goes down.
    ready: AtomicBool,
    /// Requests that are being read, computed or answered.
    requests: AtomicUsize,
    /// Connections that are open.
    connections: AtomicUsize,
    /// When the server was made, by both clocks.
    pub(crate) started: (Instant, SystemTime),
    pub(crate) errors: Errors,
    /// The last readings of all counters.
    pub(crate) window: Window,
    /// Where traces go.
    telemetry: Option<Telemetry>,
}

impl App {
    /// The models.
    pub fn repository(&self) -> &Arc<Repository> {
        &self.repository
    }

    /// What callers may cost.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Whether requests are welcome.
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    /// Requests that are being read, computed or answered.
    pub(crate) fn requests_now(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }

    /// Connections that are open.
    pub(crate) fn connections_now(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Time since the server was made.
    pub(crate) fn uptime(&self) -> Duration {
        self.started.0.elapsed()
    }

    /// Counts a request that is answered with an error.
    pub(crate) fn failed(&self, model: &str, error: ServeError) -> Failure {
        self.errors.count(model, &error);
        telemetry::failed(model, &error);
        Failure(error)
    }
}

/// When a request's head was there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrived(pub Instant);

/// What a request has taken, noted when it is answered.
#[derive(Clone, Debug)]
pub(crate) struct Spent {
    pub latencies: Latencies,
    pub queued: Duration,
    pub computed: Duration,
}

impl Spent {
    /// Notes it.
    pub fn observe(&self, request: Duration) {
        self.latencies.observe(request, self.queued, self.computed);
    }
}

/// How the server is reached, and what it may do.
#[derive(Debug, Default)]
pub struct ServerOptions {
    /// Addresses to listen at; each takes HTTP/1, HTTP/2 and gRPC.
    pub addresses: Vec<SocketAddr>,
    /// Limits.
    pub limits: Limits,
    /// Who may call; anybody if this is `None`.
    pub tokens: Option<Tokens>,
    /// Certificate chain and key in PEM, for TLS.
    pub tls: Option<Arc<tokio_rustls::rustls::ServerConfig>>,
    /// What decides which models are loaded.
    pub control: Option<Control>,
    /// How often the repository is looked at.
    pub poll: Duration,
    /// How long requests may take to finish when the server goes down.
    pub drain: Duration,
    /// Threads that answer requests; one for each processor if this is 0.
    pub threads: usize,
    /// Where traces go; nowhere if this is `None`.
    pub telemetry: Option<Telemetry>,
}

/// Why the server does not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// An address can't be had.
    #[error("cannot listen at {address}: {source}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The repository can't be read.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// The system gives no threads.
    #[error("cannot start the server's threads: {0}")]
    Threads(std::io::Error),
}

/// A server that is bound to its addresses.
pub struct Server {
    app: Arc<App>,
    listeners: Vec<Listener>,
    options: ServerOptions,
}

impl Server {
    /// Binds the addresses. Nothing is answered before [`Server::run`].
    ///
    /// # Errors
    /// If an address can't be had.
    pub async fn bind(
        repository: Arc<Repository>,
        mut options: ServerOptions,
    ) -> Result<Server, ServerError> {
        let mut listeners = Vec::new();
        for &address in &options.addresses {
            let listener = TcpListener::bind(address).await;
            let listener = listener.map_err(|source| ServerError::Listen { address, source })?;
            listeners.push(Listener::new(listener, options.tls.clone()));
        }
        let app = Arc::new(App {
            repository,
            limits: options.limits,
            control: options.control.unwrap_or(Control::Poll),
            tokens: options.tokens.take(),
            ready: AtomicBool::new(false),
            requests: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            started: (Instant::now(), SystemTime::now()),
            errors: Errors::default(),
            window: Window::default(),
            telemetry: options.telemetry.take(),
        });
        Ok(Server {
            app,
            listeners,
            options,
        })
    }

    /// The addresses, with the ports that the system has chosen.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let addresses = self.listeners.iter();
        addresses
            .filter_map(|listener| listener.address().ok())
            .collect()
    }

    /// What its requests share.
    pub fn app(&self) -> &Arc<App> {
        &self.app
    }

    /// Loads the models and serves until `stop` is done, then lets requests finish.
    ///
    /// # Errors
    /// If the repository can't be read at the start.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<(), ServerError> {
        let Server {
            app,
            listeners,
            options,
        } = self;
        let (stopping, stopped) = watch::channel(false);
        let gate = gate::Gate::new(Arc::clone(&app));
        let limit = Arc::new(tokio::sync::Semaphore::new(options.limits.connections));
        let threads = match options.threads {
            0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            threads => threads,
        };
        let workers = Arc::new(Workers::start(threads).map_err(ServerError::Threads)?);
        let mut accepting = tokio::task::JoinSet::new();
        for listener in listeners {
            let limit = Arc::clone(&limit);
            let (gate, workers, stopped) = (gate.clone(), Arc::clone(&workers), stopped.clone());
            accepting.spawn(listener.accept(gate, workers, limit, stopped, options.limits));
        }
        let control = app.control;
        let repository = Arc::clone(&app.repository);
        if control != Control::Explicit {
            let repository = Arc::clone(&repository);
            let loaded = tokio::task::spawn_blocking(move || repository.load_all()).await;
            if let Ok(Err(error)) = loaded {
                return Err(error.into());
            }
        }
        app.ready.store(true, Ordering::Release);
        tracing::info!("ready");
        let follow = async {
            match control {
                Control::Poll => crate::repository::watch(repository, options.poll).await,
                Control::None | Control::Explicit => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stop => {}
            () = follow => {}
            () = status::sample(&app) => {}
        }
        app.ready.store(false, Ordering::Release);
        let requests = app.requests.load(Ordering::Relaxed);
        tracing::info!(requests, "going down: requests finish first");
        let _ = stopping.send(true);
        let finished = async { while accepting.join_next().await.is_some() {} };
        if tokio::time::timeout(options.drain, finished).await.is_err() {
            let requests = app.requests.load(Ordering::Relaxed);
            tracing::warn!(requests, "some requests were not finished in time");
        }
        if let Some(telemetry) = &app.telemetry {
            telemetry.shut_down().await;
        }
        Ok(())
    }
}

/// The index, away from the server's own threads.
pub(crate) async fn index(app: &Shared, ready_only: bool) -> Result<Vec<IndexEntry>, ServeError> {
    let repository = Arc::clone(app.repository());
    let mut entries = blocking(move || repository.index()).await?;
    entries.retain(|entry| entry.ready || !ready_only);
    Ok(entries)
}

/// Loads a model.
pub(crate) async fn load(
    app: &Shared,
    name: String,
    request: LoadRequest,
) -> Result<(), ServeError> {
    check_name(&name)?;
    let repository = Arc::clone(app.repository());
    blocking(move || repository.load(&name, &request)).await
}

/// Serves a model no more.
pub(crate) async fn unload(app: &Shared, name: String) -> Result<(), ServeError> {
    check_name(&name)?;
    let repository = Arc::clone(app.repository());
    blocking(move || repository.unload(&name)).await
}

fn check_name(name: &str) -> Result<(), ServeError> {
    match is_model_name(name) {
        true => Ok(()),
        false => {
            let shown: String = name.chars().take(100).collect();
            let text = format!("{shown:?} is no name of a model");
            Err(ServeError::Other(Code::Invalid, text))
        }
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RepositoryError> + Send + 'static,
) -> Result<T, ServeError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => Ok(result?),
        Err(error) => Err(ServeError::Other(Code::Internal, error.to_string())),
    }
}

/// A model's state in the index.
pub(crate) fn state(ready: bool) -> &'static str {
    match ready {
        true => "READY",
        false => "UNAVAILABLE",
    }
}

/// A load request has something that isn't done here.
pub(crate) fn unknown_load_parameter(key: &str) -> ServeError {
    if key.starts_with("file:") {
        return ServeError::Unsupported(
            "models come from the repository's folder, not from requests: put the file there",
        );
    }
    ServeError::Invalid(format!(
        "the parameter \"{key}\" of a load request is not known, or has the wrong type: \"config\" (JSON) and \"version\" (a number) are"
    ))
}

/// There is no such region of shared memory.
pub(crate) fn no_region(region: &str) -> ServeError {
    let region: String = region.chars().take(100).collect();
    let text = format!(
        "there is no region {region:?}: {}",
        crate::http::SHARED_MEMORY
    );
    ServeError::Other(Code::Invalid, text)
}

/// How the server logs, in Triton's words.
pub(crate) fn log_settings() -> std::collections::BTreeMap<&'static str, bool> {
    use tracing::level_filters::LevelFilter;
    let level = LevelFilter::current();
    [
        ("log_error", level >= LevelFilter::ERROR),
        ("log_warning", level >= LevelFilter::WARN),
        ("log_info", level >= LevelFilter::INFO),
    ]
    .into()
}
