//! The device thread: the only one that touches the function and its core.
//!
//! ```text
//!            +--> job waiting? --yes--> run it, answer --+
//!            |        | no                               |
//!            |        v                                  |
//!            |    core busy? --yes--> advance() ---------+
//!            |        | no                               |
//!            |        v                                  |
//!            |    sleep until a job comes                |
//!            +-------------------------------------------+
//! ```

use std::io;
use std::sync::mpsc::{Receiver, Sender, SyncSender, TryRecvError, channel, sync_channel};
use std::thread::{self, JoinHandle};

use super::{Event, ServeError};
use crate::core::{Activity, Core};
use crate::pcie::Function;

type Job = Box<dyn FnOnce(&mut Function) + Send>;

enum Message {
    Job(Job),
    Stop,
}

/// The thread, owned by the calling thread of the server.
pub struct DeviceThread {
    sender: Sender<Message>,
    thread: JoinHandle<()>,
}

/// The device thread is gone: the server stops, or the core broke down.
#[derive(Debug)]
pub struct Gone;

/// A way to run jobs on the device thread.
#[derive(Clone)]
pub struct DeviceHandle {
    sender: Sender<Message>,
}

impl DeviceThread {
    /// Starts the thread. However it ends, it sends [`Event::DeviceEnded`].
    pub fn start(core: Box<dyn Core>, events: Sender<Event>) -> io::Result<Self> {
        let (sender, messages) = channel();
        let thread = thread::Builder::new()
            .name("device".into())
            .spawn(move || {
                let _announcement = Announcement(events);
                work(Function::new(core), &messages);
            })?;
        Ok(DeviceThread { sender, thread })
    }

    /// A handle for the connection thread.
    pub fn handle(&self) -> DeviceHandle {
        DeviceHandle {
            sender: self.sender.clone(),
        }
    }

    /// Ends the thread and tells how it went.
    pub fn stop(self) -> Result<(), ServeError> {
        // If the thread is gone already, joining tells why.
        let _ = self.sender.send(Message::Stop);
        self.thread.join().map_err(|_| ServeError::CoreFailed)
    }
}

impl DeviceHandle {
    /// Runs `job` on the device thread and waits for its result.
    pub fn call<T, F>(&self, job: F) -> Result<T, Gone>
    where
        T: Send + 'static,
        F: FnOnce(&mut Function) -> T + Send + 'static,
    {
        let (answer, result): (SyncSender<T>, Receiver<T>) = sync_channel(1);
        let job = move |function: &mut Function| {
            // The caller waits right below.
            let _ = answer.send(job(function));
        };
        self.sender
            .send(Message::Job(Box::new(job)))
            .map_err(|_| Gone)?;
        result.recv().map_err(|_| Gone)
    }
}

fn work(mut function: Function, messages: &Receiver<Message>) {
    let mut activity = Activity::Idle;
    loop {
        let message = match activity {
            Activity::Idle => messages.recv().map_err(|_| TryRecvError::Disconnected),
            Activity::Busy => messages.try_recv(),
        };
        match message {
            Ok(Message::Job(job)) => {
                job(&mut function);
                // A register write may have given the core work.
                activity = Activity::Busy;
            }
            Err(TryRecvError::Empty) => activity = function.advance(),
            Ok(Message::Stop) | Err(TryRecvError::Disconnected) => return,
        }
    }
}

/// Tells the calling thread that the device thread ends, also by a panic.
struct Announcement(Sender<Event>);

impl Drop for Announcement {
    fn drop(&mut self) {
        // Nobody waits any more once the server stops.
        let _ = self.0.send(Event::DeviceEnded);
    }
}
