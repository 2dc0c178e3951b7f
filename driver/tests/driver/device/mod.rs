//! A scripted accelerator: registers, queue engine and interrupts as the interface describes
//! them, served by the `vfio_user` crate. It computes nothing but `input + 1`.

mod engine;
mod function;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use systole_driver::{Address, Device, Error, OpenOptions};
use systole_regs::Status;
use tempfile::TempDir;

pub use engine::Engine;

/// How the device departs from what it should do.
#[derive(Clone, Debug, Default)]
pub struct Script {
    /// Registers that read as something else.
    pub registers: Vec<(u32, u32)>,
    /// Bytes of configuration space that read as something else.
    pub config: Vec<(u16, u8)>,
    /// Everything reads as ones, as from an empty slot.
    pub all_ones: bool,
    /// DMA mappings are refused.
    pub refuse_dma: bool,
    /// Interrupts are not delivered.
    pub lose_interrupts: bool,
    /// Doorbells are heard, and nothing happens.
    pub hang: bool,
    /// Commands take at least this long.
    pub delay: Duration,
    /// Completions carry an id that differs in these bits.
    pub id_bits: u16,
    /// Completions report this submission head.
    pub head: Option<u16>,
    /// Completions have these bits beside the phase.
    pub phase_bits: u16,
    /// The next doorbell is answered with this fatal error.
    pub fatal: Option<Status>,
    /// CONTROL.RESET never ends.
    pub endless_reset: bool,
    /// The first page of BAR0 can be mapped.
    pub mapped_bar: bool,
    /// The function has no MSI-X capability.
    pub no_msix: bool,
}

/// The device's state, shared by its server and its engine.
pub struct Shared {
    state: Mutex<Engine>,
    work: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Engine> {
        // A test that fails while it looks at the engine shall not take others with it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until something may have changed.
    fn wait<'a>(&self, engine: MutexGuard<'a, Engine>) -> MutexGuard<'a, Engine> {
        let wait = self.work.wait_timeout(engine, Duration::from_millis(1));
        wait.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// A running device and its socket.
pub struct Rig {
    shared: Arc<Shared>,
    socket: PathBuf,
    _directory: TempDir,
}

impl Rig {
    /// A device that does what it should.
    pub fn new() -> Self {
        Self::scripted(Script::default())
    }

    /// A device that follows `script`.
    pub fn scripted(script: Script) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("device.sock");
        let shared = start(&socket, script);
        Self {
            shared,
            socket,
            _directory: directory,
        }
    }

    pub fn socket(&self) -> &Path {
        &self.socket
    }

    pub fn try_open(&self) -> Result<Device, Error> {
        open(&self.socket)
    }

    pub fn open(&self) -> Device {
        self.try_open().unwrap()
    }

    /// The engine, to look at or to change its script.
    pub fn engine(&self) -> MutexGuard<'_, Engine> {
        self.shared.lock()
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        self.shared.work.notify_all();
    }
}

/// Opens the device at `socket`, with the default time limit.
pub fn open(socket: &Path) -> Result<Device, Error> {
    Device::open(
        &Address::VfioUser(socket.to_owned()),
        OpenOptions::default(),
    )
}

/// Serves a device at `socket` from threads of this process.
pub fn start(socket: &Path, script: Script) -> Arc<Shared> {
    let shared = Arc::new(Shared {
        state: Mutex::new(Engine::new(script)),
        work: Condvar::new(),
    });
    let server = function::server(socket, &shared.lock());
    let mut backend = function::Function::new(Arc::clone(&shared));
    thread::spawn(move || server.run(&mut backend));
    let engine = Arc::clone(&shared);
    thread::spawn(move || engine::run(&engine));
    shared
}

/// The error, which must come within `limit`.
pub fn fails_within<T>(limit: Duration, attempt: impl FnOnce() -> Result<T, Error>) -> Error {
    let begin = Instant::now();
    let Err(error) = attempt() else {
        panic!("it should have failed");
    };
    let elapsed = begin.elapsed();
    assert!(elapsed < limit, "{error} took {elapsed:?}");
    error
}
