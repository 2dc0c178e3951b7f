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

use crate::error::ServeError;
use crate::http::Failure;
use crate::limits::Limits;
use crate::metrics::{Errors, Latencies};
use crate::repository::{Control, Repository, RepositoryError};
use crate::status::{self, Window};
use crate::telemetry::{self, Telemetry};
use connection::Listener;
use workers::Workers;

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
        // A signal that comes while models are being loaded counts as much as a later one.
        tokio::select! {
            () = stop => {}
            result = look_after(&app, options.poll) => result?,
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

/// Loads the models, and keeps what is served in line with the folder.
async fn look_after(app: &App, poll: Duration) -> Result<(), ServerError> {
    let repository = Arc::clone(&app.repository);
    if app.control != Control::Explicit {
        let repository = Arc::clone(&repository);
        let loaded = tokio::task::spawn_blocking(move || repository.load_all()).await;
        if let Ok(result) = loaded {
            result?;
        }
    }
    app.ready.store(true, Ordering::Release);
    tracing::info!("ready");
    let follow = async {
        match app.control {
            Control::Poll => crate::repository::watch(repository, poll).await,
            Control::None | Control::Explicit => std::future::pending().await,
        }
    };
    tokio::select! {
        () = follow => {}
        () = status::sample(app) => {}
    }
    Ok(())
}
