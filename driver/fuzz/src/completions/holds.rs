//! What must be mapped, and nothing else: what the user has, what a command in flight names, what a
//! resident model streams, and what a device that did not stop had.

use std::collections::{BTreeMap, BTreeSet};

use systole_driver::{Command, DmaBuffer};

use super::commands::addresses;

/// Who keeps which mappings, each named by its first address.
#[derive(Debug, Default)]
pub(crate) struct Holds {
    /// Commands in the order of their submission.
    in_flight: Vec<(u16, Held)>,
    resident: BTreeMap<u8, u64>,
    limbo: BTreeSet<u64>,
    rings: Vec<u64>,
}

/// What one command keeps.
#[derive(Debug)]
pub(crate) struct Held {
    buffers: Vec<u64>,
    /// A slot that the command changes, and what its model will stream.
    change: Option<(u8, Option<u64>)>,
}

impl Held {
    /// Nothing, if the command names an address in none of `buffers`.
    pub fn new(command: &Command, buffers: &[&DmaBuffer]) -> Option<Self> {
        let find = |address: u64| {
            let inside = |buffer: &&&DmaBuffer| {
                let start = buffer.iova().0;
                (start..start + buffer.len() as u64).contains(&address)
            };
            buffers.iter().find(inside).map(|buffer| buffer.iova().0)
        };
        let kept: Option<Vec<u64>> = addresses(command).into_iter().map(find).collect();
        Some(Self {
            buffers: kept?,
            change: match command {
                Command::Load(load) => Some((load.slot, find(load.stream_address))),
                Command::Unload { slot } => Some((*slot, None)),
                _ => None,
            },
        })
    }
}

impl Holds {
    /// A queue pair was made, with rings at these addresses.
    pub fn made(&mut self, rings: [u64; 2]) {
        self.rings = rings.to_vec();
    }

    pub fn submitted(&mut self, id: u16, held: Held) {
        self.in_flight.push((id, held));
    }

    /// A completion was returned.
    pub fn completed(&mut self, id: u16, success: bool) {
        let position = self.in_flight.iter().position(|(other, _)| *other == id);
        let (_, held) = self
            .in_flight
            .remove(position.expect("it was submitted and not completed"));
        if let (true, Some((slot, stream))) = (success, held.change) {
            self.resident.remove(&slot);
            self.resident.extend(stream.map(|stream| (slot, stream)));
        }
    }

    /// The queue pair was dropped, and the device has stopped or not.
    pub fn dropped(&mut self, stopped: bool) {
        let rings = std::mem::take(&mut self.rings);
        let in_flight = std::mem::take(&mut self.in_flight);
        if stopped {
            self.limbo.clear();
            return;
        }
        self.limbo.extend(rings);
        for (_, held) in in_flight {
            self.limbo.extend(held.buffers);
        }
    }

    /// The device was found to have stopped.
    pub fn stopped(&mut self) {
        self.limbo.clear();
    }

    /// The device was reset.
    pub fn reset(&mut self) {
        self.limbo.clear();
        self.resident.clear();
    }

    /// All that must be mapped while the user has `buffers`.
    pub fn mapped(&self, buffers: &[DmaBuffer]) -> BTreeSet<u64> {
        let mut mapped: BTreeSet<u64> = buffers.iter().map(|buffer| buffer.iova().0).collect();
        mapped.extend(&self.rings);
        mapped.extend(&self.limbo);
        mapped.extend(self.resident.values());
        mapped.extend(self.in_flight.iter().flat_map(|(_, held)| &held.buffers));
        mapped
    }
}
