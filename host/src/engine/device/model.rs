//! Which models are on the device: the serving one, and what the slots hold.

use systole_driver::DmaBuffer;

use crate::compiler::{Placement, Plan, Program, Residency, Target};

/// A program that is resident.
pub(super) struct Serving {
    pub program: Program,
    pub placement: Placement,
    pub version: u32,
}

/// The slots, and which of them serves.
pub(super) struct Models {
    residency: Residency,
    /// For each slot the weights that its model streams: they stay as long as it is resident.
    streams: Vec<Option<DmaBuffer>>,
    serving: Option<Serving>,
}

impl Models {
    /// A device whose slots are empty.
    pub fn new(target: &Target) -> Self {
        Self {
            residency: Residency::new(target),
            streams: (0..target.slots).map(|_| None).collect(),
            serving: None,
        }
    }

    /// The model that new commands use.
    pub fn serving(&self) -> Option<&Serving> {
        self.serving.as_ref()
    }

    /// Where a program can go. Every program that compiles has a place.
    pub fn plan(&self, program: &Program) -> Option<Plan> {
        self.residency.plan(
            program,
            self.serving().map(|serving| serving.placement.slot),
        )
    }

    /// Notes that a slot is empty now. The serving model stays the one to go back to.
    pub fn vacate(&mut self, slot: u8) {
        self.residency.vacate(slot);
        self.streams[usize::from(slot)] = None;
    }

    /// Notes that the device has been reset: all slots are empty.
    pub fn vacate_all(&mut self) {
        for slot in 0..self.streams.len() {
            self.vacate(slot as u8);
        }
    }

    /// Notes that a program is resident, without letting it serve.
    pub fn occupy(&mut self, placement: Placement, stream: Option<DmaBuffer>) {
        self.residency.occupy(placement);
        self.streams[usize::from(placement.slot)] = stream;
    }

    /// Lets a resident program serve.
    pub fn serve(&mut self, program: Program, placement: Placement, version: u32) {
        self.serving = Some(Serving {
            program,
            placement,
            version,
        });
    }

    /// Whether the serving model's slot still holds it.
    pub fn is_resident(&self) -> bool {
        self.serving().is_some_and(|serving| {
            self.residency.slot(serving.placement.slot) == Some(serving.placement)
        })
    }
}
