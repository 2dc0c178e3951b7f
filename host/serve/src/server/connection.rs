//! Connections: accepted as far as the limit allows, with TLS if there is a certificate, and told to
//! finish when the server goes down.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use super::gate::Gate;
use super::heard::{Heard, PREFACE_BYTES};
use super::socket::OnePiece;
use super::workers::Workers;
use crate::limits::Limits;

/// Streams of one HTTP/2 connection at once.
const STREAMS: u32 = 1024;

/// Pause after a connection could not be accepted, which is mostly for want of file descriptors.
const PAUSE: Duration = Duration::from_millis(50);

/// A socket that connections come to.
pub(super) struct Listener {
    socket: TcpListener,
    tls: Option<TlsAcceptor>,
}

impl Listener {
    pub fn new(socket: TcpListener, tls: Option<Arc<ServerConfig>>) -> Listener {
        Listener {
            socket,
            tls: tls.map(TlsAcceptor::from),
        }
    }

    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Accepts connections until `stopped` says so, then waits for their requests.
    pub async fn accept(
        self,
        gate: Gate,
        workers: Arc<Workers>,
        limit: Arc<Semaphore>,
        mut stopped: watch::Receiver<bool>,
        limits: Limits,
    ) {
        let graceful = GracefulShutdown::new();
        let builder = Arc::new(builder(limits));
        loop {
            // A permit that was taken before would be kept from the other addresses.
            let accepted = async {
                let accepted = self.socket.accept().await;
                (Arc::clone(&limit).acquire_owned().await, accepted)
            };
            let (permit, accepted) = tokio::select! {
                accepted = accepted => accepted,
                _ = stopped.wait_for(|stopped| *stopped) => break,
            };
            let Ok(permit) = permit else { break };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "a connection cannot be accepted");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            // Answers are whole when they are written: nothing to wait for.
            let _ = stream.set_nodelay(true);
            let Ok(stream) = stream.into_std() else {
                continue;
            };
            let place = workers.place();
            let connection = Connection {
                gate: gate.clone(),
                builder: Arc::clone(&builder),
                tls: self.tls.clone(),
                head_time: limits.head_time,
                _permit: permit,
            };
            let watcher = graceful.watcher();
            let handle = place.handle.clone();
            handle.spawn(async move {
                // From here on it is this thread's.
                match TcpStream::from_std(stream) {
                    Ok(stream) => connection.begin(stream, watcher).await,
                    Err(error) => tracing::warn!(%error, "a connection cannot be served"),
                }
                drop(place);
            });
        }
        drop(self.socket);
        graceful.shutdown().await;
    }
}

fn builder(limits: Limits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .writev(true)
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_time)
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(64 << 10)
        .keep_alive_interval(Some(Duration::from_secs(30)))
        .keep_alive_timeout(Duration::from_secs(20));
    builder
}

async fn handshake(
    tls: &TlsAcceptor,
    stream: TcpStream,
    time: Duration,
) -> Option<tokio_rustls::server::TlsStream<TcpStream>> {
    match tokio::time::timeout(time, tls.accept(stream)).await {
        Ok(Ok(stream)) => Some(stream),
        Ok(Err(error)) => {
            tracing::debug!(%error, "a TLS handshake has failed");
            None
        }
        Err(_) => None,
    }
}

/// What a connection needs.
struct Connection {
    gate: Gate,
    builder: Arc<Builder<TokioExecutor>>,
    tls: Option<TlsAcceptor>,
    head_time: Duration,
    /// Its part of the limit on connections.
    _permit: OwnedSemaphorePermit,
}

impl Connection {
    async fn begin(self, stream: TcpStream, watcher: Watcher) {
        match self.tls.clone() {
            None => self.serve(stream, watcher).await,
            Some(tls) => {
                if let Some(stream) = handshake(&tls, stream, self.head_time).await {
                    self.serve(stream, watcher).await;
                }
            }
        }
    }

    async fn serve(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        watcher: Watcher,
    ) {
        let _counted = self.gate.connected();
        let gate = self.gate.clone();
        let service = service_fn(move |request| {
            let gate = gate.clone();
            async move { Ok::<_, std::convert::Infallible>(gate.answer(request).await) }
        });
        let (stream, heard) = Heard::new(OnePiece(stream));
        let connection = self
            .builder
            .serve_connection(TokioIo::new(stream), service)
            .into_owned();
        let mut connection = std::pin::pin!(watcher.watch(connection));
        // Which HTTP it is shows in the first bytes, for which nobody else keeps time.
        let ended = tokio::time::timeout(self.head_time, &mut connection).await;
        let ended = match ended {
            Err(_) if heard.bytes() < PREFACE_BYTES => {
                tracing::debug!("a connection has said nothing for too long");
                return;
            }
            Err(_) => connection.await,
            Ok(ended) => ended,
        };
        if let Err(error) = ended {
            // Clients go when they like.
            tracing::debug!(%error, "a connection has ended early");
        }
    }
}
