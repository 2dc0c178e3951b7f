//! Which buffers the device may still reach: they stay mapped, and their addresses belong to nobody
//! else, whoever drops them meanwhile.
//!
//! ```text
//!  submit_with(command, buffers) --> in flight: until its completion --> free
//!                                       |                  |
//!                    device did not stop: until it         LOAD: what the model streams, until
//!                    stops or is reset (limbo)             the slot has another model (resident)
//! ```

use std::sync::{Arc, Mutex};

use systole_regs::entries::LoadEntry;

use crate::command::{ADDRESSES, STREAM};
use crate::lock::lock;
use crate::memory::Hold;
use crate::{Command, DmaBuffer, Error, Iova, Transport};

/// What a command in flight keeps.
#[derive(Debug, Default)]
pub(crate) struct Held {
    buffers: [Option<Hold>; ADDRESSES],
    /// What is true of a slot when the command has succeeded.
    change: Option<SlotChange>,
}

/// A slot that has another model, or none, and what that streams.
#[derive(Debug)]
struct SlotChange {
    slot: u8,
    stream: Option<Hold>,
}

impl Held {
    /// Those of `buffers` that the command names an address in.
    ///
    /// # Errors
    /// [`Error::NotHeld`] for an address that is in none of them.
    pub fn new(
        command: &Command,
        buffers: &[&DmaBuffer],
        transport: &Arc<dyn Transport>,
    ) -> Result<Self, Error> {
        let mut held = Held::default();
        let mut stream = None;
        for (index, (field, address)) in command.addresses().into_iter().enumerate() {
            if address == 0 {
                continue;
            }
            let covers = |buffer: &&&DmaBuffer| buffer.covers(transport, address);
            let Some(buffer) = buffers.iter().find(covers) else {
                let address = Iova(address);
                return Err(Error::NotHeld { field, address });
            };
            let hold = buffer.hold();
            if field == STREAM {
                stream = Some(hold.clone());
            }
            if !held.buffers.iter().flatten().any(|one| one.is(&hold)) {
                held.buffers[index] = Some(hold);
            }
        }
        held.change = match *command {
            Command::Load(LoadEntry { slot, .. }) => Some(SlotChange { slot, stream }),
            Command::Unload { slot } => Some(SlotChange { slot, stream: None }),
            _ => None,
        };
        Ok(held)
    }
}

/// What is kept beyond commands.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// For each slot, what its model streams.
    resident: Mutex<Vec<(u8, Hold)>>,
    /// What a device may reach that did not stop.
    limbo: Mutex<Vec<Hold>>,
}

impl Kept {
    /// A command has succeeded.
    pub fn succeeded(&self, held: Held) {
        if let Some(SlotChange { slot, stream }) = held.change {
            let mut resident = lock(&self.resident);
            resident.retain(|(other, _)| *other != slot);
            resident.extend(stream.map(|stream| (slot, stream)));
        }
    }

    /// The device has stopped: it reaches nothing but what its models stream, when they run again.
    pub fn stopped(&self) {
        lock(&self.limbo).clear();
    }

    /// The device has been reset, and has no models any more.
    pub fn reset(&self) {
        self.stopped();
        lock(&self.resident).clear();
    }

    /// The device did not stop while it had these.
    pub fn did_not_stop(&self, held: impl Iterator<Item = Held>, rings: [Hold; 2]) {
        let buffers = held.flat_map(|held| {
            let stream = held.change.and_then(|change| change.stream);
            held.buffers.into_iter().flatten().chain(stream)
        });
        lock(&self.limbo).extend(buffers.chain(rings));
    }
}
