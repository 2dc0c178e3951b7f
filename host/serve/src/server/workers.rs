//! Threads that answer requests, each with the connections that it was given and a scheduler of its own:
//! a request is read, computed where that is cheap, and answered in one go, on one processor.
//!
//! ```text
//!  accept --> the thread with the fewest connections --> its own event loop
//! ```
//!
//! With one scheduler for all threads, the parts of an answer travel between threads and are written one
//! by one; that costs a third more time of the processor for each request.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// The threads. They end, with all that they do, when this is dropped.
pub(super) struct Workers {
    threads: Vec<Worker>,
}

struct Worker {
    handle: Handle,
    connections: Arc<AtomicUsize>,
    /// Dropped to end it.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// A connection's place on a thread, given back when dropped.
pub(super) struct Place {
    pub handle: Handle,
    connections: Arc<AtomicUsize>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Workers {
    /// Starts so many threads.
    pub fn start(count: usize) -> std::io::Result<Workers> {
        let threads = (0..count.max(1)).map(|_| Worker::start());
        Ok(Workers {
            threads: threads.collect::<Result<_, _>>()?,
        })
    }

    /// A place on the thread with the fewest connections.
    pub fn place(&self) -> Place {
        let load = |worker: &&Worker| worker.connections.load(Ordering::Relaxed);
        // There is at least one.
        let worker = self.threads.iter().min_by_key(load);
        let worker = worker.unwrap_or(&self.threads[0]);
        worker.connections.fetch_add(1, Ordering::Relaxed);
        Place {
            handle: worker.handle.clone(),
            connections: Arc::clone(&worker.connections),
        }
    }
}

impl Worker {
    fn start() -> std::io::Result<Worker> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new().name("systole-serve".into());
        let thread = thread.spawn(move || {
            // An error is what it waits for: the other end is gone.
            let _ = runtime.block_on(stopped);
        })?;
        Ok(Worker {
            handle,
            connections: Arc::default(),
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("a thread of the server has panicked");
        }
    }
}
