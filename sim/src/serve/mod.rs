//! Serving a core as a PCIe function over vfio-user.
//!
//! ```text
//!  client ==socket==> connection thread            device thread
//!                     vfio_user::Server  --jobs--> Function { Core, config, MSI-X, DMA table }
//!                     (blocks on reads)  <-answers  advance(), advance(), ... while Busy
//!                                                            |
//!  client <==== shared memory (DMA), eventfds (MSI-X) =======+
//! ```
//!
//! One thread owns the function, so there are no locks: once an unmap is answered, no DMA to that
//! memory is under way. It works while the core is busy, takes jobs between two steps of the core
//! and sleeps when the core is idle. The server of `vfio_user` takes one connection at a time and
//! blocks on it, so it has a thread of its own; the calling thread waits for reasons to end.

mod backend;
mod device;
mod socket;

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use vfio_user::Server;

use crate::core::Core;
use backend::{Backend, Closed};
use device::DeviceThread;
use socket::Socket;

/// Is told the path of the socket once clients can connect.
pub type Ready = Box<dyn FnOnce(&Path) + Send>;

/// What to serve where.
pub struct ServeOptions {
    /// Path of the Unix socket. A stale socket of a server that is gone is replaced.
    pub socket: PathBuf,
    /// End after the first client that used the device.
    pub once: bool,
    /// End on SIGTERM and SIGINT. The handlers stay installed, without effect, afterwards.
    pub signals: bool,
    /// Ends the server from another thread.
    pub stop: Option<Stop>,
    /// Called once when clients can connect.
    pub ready: Option<Ready>,
}

impl ServeOptions {
    /// Serves at `socket`, client after client, until SIGTERM or SIGINT.
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        ServeOptions {
            socket: socket.into(),
            once: false,
            signals: true,
            stop: None,
            ready: None,
        }
    }
}

/// Why serving failed.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Another server answers at this path.
    #[error("{}: another server listens here: stop it, or choose another socket", .socket.display())]
    InUse {
        /// The path.
        socket: PathBuf,
    },
    /// There is something at this path that is no socket.
    #[error("{}: exists and is not a socket: remove it, or choose another path", .socket.display())]
    NotASocket {
        /// The path.
        socket: PathBuf,
    },
    /// The socket cannot be made.
    #[error("{}: cannot listen: does the directory exist, and is the path shorter than 108 bytes?", .socket.display())]
    Listen {
        /// The path.
        socket: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The signal handlers cannot be installed.
    #[error("cannot handle SIGTERM and SIGINT")]
    Signals(#[source] io::Error),
    /// A thread cannot be started.
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
    /// Connections cannot be accepted any more.
    #[error("cannot accept connections")]
    Accept(#[source] vfio_user::Error),
    /// The core panicked: a defect of the model or of the simulation.
    #[error("the simulated device broke down; its panic message says where")]
    CoreFailed,
}

/// Ends a server from another thread. Clones end the same server.
#[derive(Clone, Default)]
pub struct Stop {
    state: Arc<Mutex<StopState>>,
}

#[derive(Default)]
struct StopState {
    requested: bool,
    server: Option<Sender<Event>>,
}

impl Stop {
    /// A handle for [`ServeOptions::stop`].
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends the server, or lets it end as soon as it starts.
    pub fn stop(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.requested = true;
        if let Some(server) = &state.server {
            // A server that is gone needs no stopping.
            let _ = server.send(Event::Stop);
        }
    }

    fn attach(&self, server: &Sender<Event>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.server = Some(server.clone());
        if state.requested {
            // The receiver is held by the caller.
            let _ = server.send(Event::Stop);
        }
    }
}

/// What the calling thread waits for.
pub(crate) enum Event {
    /// A signal or a [`Stop`].
    Stop,
    /// A client has gone.
    Disconnected {
        /// Whether it did anything with the device.
        used: bool,
    },
    /// No more connections.
    AcceptFailed(vfio_user::Error),
    /// The device thread has ended.
    DeviceEnded,
}

/// Serves `core` until a signal, [`Stop`] or, with `once`, the end of the first client that used
/// it. After each client the core is reset and all its mappings are dropped. The socket is
/// removed at the end. A client that is still connected then finds its connection closed at its
/// next request, or when this process ends.
///
/// # Errors
/// [`ServeError`]; a client that misbehaves is no error, only the end of its connection.
pub fn serve(options: ServeOptions, core: Box<dyn Core>) -> Result<(), ServeError> {
    let ServeOptions {
        socket,
        once,
        signals,
        stop,
        ready,
    } = options;
    let (events, reasons) = channel();
    let socket = Socket::claim(&socket)?;
    let device = DeviceThread::start(core, events.clone()).map_err(ServeError::Thread)?;
    let _signals = signals
        .then(|| SignalThread::start(events.clone()))
        .transpose()?;
    if let Some(stop) = &stop {
        stop.attach(&events);
    }

    let stopping = Arc::new(AtomicBool::new(false));
    let listener = socket.listener().map_err(|source| ServeError::Listen {
        socket: socket.path().to_path_buf(),
        source,
    })?;
    let connections = Connections {
        server: Server::from_owned_fd(listener, true, backend::irqs(), backend::regions()),
        backend: Backend::new(device.handle()),
        events,
        stopping: Arc::clone(&stopping),
    };
    thread::Builder::new()
        .name("vfio-user".into())
        .spawn(move || connections.run())
        .map_err(ServeError::Thread)?;
    tracing::info!(socket = %socket.path().display(), "listening");
    if let Some(ready) = ready {
        ready(socket.path());
    }

    let reason = wait(&reasons, once);
    // The connection thread may be in the middle of a client's silence, so it isn't waited for:
    // it ends when accepting fails, or when it finds the device gone.
    stopping.store(true, Ordering::SeqCst);
    socket.shut_down();
    let device = device.stop();
    reason.and(device)
}

/// Waits for a reason to end.
fn wait(reasons: &Receiver<Event>, once: bool) -> Result<(), ServeError> {
    loop {
        match reasons.recv() {
            Ok(Event::Stop) => return Ok(()),
            Ok(Event::Disconnected { used }) if once && used => return Ok(()),
            Ok(Event::Disconnected { .. }) => {}
            Ok(Event::AcceptFailed(error)) => return Err(ServeError::Accept(error)),
            // Without its threads there is nothing to serve.
            Ok(Event::DeviceEnded) | Err(_) => return Err(ServeError::CoreFailed),
        }
    }
}

/// The connection thread: one client after the other.
struct Connections {
    server: Server,
    backend: Backend,
    events: Sender<Event>,
    stopping: Arc<AtomicBool>,
}

impl Connections {
    fn run(mut self) {
        loop {
            self.backend.begin();
            // `vfio_user` panics on some malformed messages, and unwinding is how the backend
            // ends a connection. The server holds no state of a connection that could be torn.
            let result = catch_unwind(AssertUnwindSafe(|| self.server.run(&mut self.backend)));
            if self.stopping.load(Ordering::SeqCst) {
                return;
            }
            match result {
                Ok(Ok(())) => tracing::info!("client disconnected"),
                Ok(Err(error @ vfio_user::Error::SocketAccept(_))) => {
                    // The calling thread may have ended meanwhile.
                    let _ = self.events.send(Event::AcceptFailed(error));
                    return;
                }
                Ok(Err(error)) => tracing::warn!(%error, "connection broke"),
                Err(payload) if payload.is::<Closed>() => return,
                Err(_) => tracing::warn!("a malformed message ended the connection"),
            }
            let used = self.backend.end();
            if self.events.send(Event::Disconnected { used }).is_err() {
                return;
            }
        }
    }
}

/// Turns SIGTERM and SIGINT into events as long as it lives.
struct SignalThread {
    handle: signal_hook::iterator::Handle,
    thread: Option<thread::JoinHandle<()>>,
}

impl SignalThread {
    fn start(events: Sender<Event>) -> Result<Self, ServeError> {
        let mut signals = Signals::new([SIGTERM, SIGINT]).map_err(ServeError::Signals)?;
        let handle = signals.handle();
        let thread = thread::Builder::new()
            .name("signals".into())
            .spawn(move || {
                for _ in signals.forever() {
                    if events.send(Event::Stop).is_err() {
                        break;
                    }
                }
            })
            .map_err(ServeError::Thread)?;
        Ok(SignalThread {
            handle,
            thread: Some(thread),
        })
    }
}

impl Drop for SignalThread {
    fn drop(&mut self) {
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            // It cannot panic; if it did, there is nothing to add.
            let _ = thread.join();
        }
    }
}
