//! The driver against a device in the same process: a small honest engine behind the `vfio_user`
//! crate's server, whose script can make it misbehave, and hand-written servers that break the
//! protocol.
//!
//! ```text
//!  test -> Device, QueuePair -> vfio-user socket -> Server (crate) -> scripted device
//!                                     |                                  | DMA: the same memfd
//!                                     +--> hostile server                | MSI-X: the eventfd
//! ```

mod asynchronous;
mod device;
mod failures;
mod identification;
mod lifetimes;
mod memory;
mod protocol;
mod queues;
