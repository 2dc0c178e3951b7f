//! A device on a thread of this process: for tests, examples, and programs that bring their own device.

use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::thread::{self, JoinHandle};

use crate::{Core, ServeError, ServeOptions, Stop, serve};

/// A served device; it ends when this is dropped.
pub struct Background {
    socket: PathBuf,
    stop: Stop,
    thread: Option<JoinHandle<Result<(), ServeError>>>,
}

impl Background {
    /// Serves a device at a socket; it can be opened when this returns.
    ///
    /// # Errors
    /// If it can't be served there.
    ///
    /// # Panics
    /// If the system gives no thread.
    pub fn start(core: impl Core + 'static, socket: &Path) -> Result<Background, ServeError> {
        let (stop, (sender, ready)) = (Stop::new(), channel());
        let mut options = ServeOptions::new(socket);
        options.signals = false;
        options.stop = Some(stop.clone());
        options.ready = Some(Box::new(move |_| {
            let _ = sender.send(());
        }));
        let thread = thread::spawn(move || serve(options, Box::new(core)));
        let mut background = Background {
            socket: socket.to_owned(),
            stop,
            thread: Some(thread),
        };
        // A server that fails drops the other end.
        if ready.recv().is_err()
            && let Some(thread) = background.thread.take()
            && let Ok(result) = thread.join()
        {
            result?;
        }
        Ok(background)
    }

    /// Where it is served.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Ends it under its clients, as a device does that is pulled out.
    pub fn stop(&self) {
        self.stop.stop();
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.stop.stop();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
