//! Making a model resident, while nothing else is in flight; and going back if that fails.
//!
//! ```text
//!  plan --> unload what must go --> load --+--> serve the new model
//!                                          +--> failed: empty the slot, load the old one again
//!                                                       if it had to go
//! ```

use std::time::Instant;

use systole_driver::{Command, DmaBuffer};

use super::work::Work;
use crate::compiler::{Placement, Plan, Program};
use crate::engine::EngineError;

impl Work {
    /// A program's image in memory that the device can read.
    pub(super) fn image(&self, program: &Program) -> Result<DmaBuffer, EngineError> {
        let image = program.image();
        let mut buffer = self.device.allocate(image.len())?;
        buffer.write(0, &image)?;
        Ok(buffer)
    }

    /// Makes a program resident and lets it serve. If the device refuses it, the old one still
    /// serves, reloaded if it had to make room.
    pub(super) fn install(
        &mut self,
        program: Program,
        image: &DmaBuffer,
        version: u32,
    ) -> Result<(), EngineError> {
        // Whatever compiles fits the empty device.
        let Plan { placement, evict } = self.models.plan(&program).ok_or(EngineError::Stopped)?;
        match self.change(&program, image, &placement, &evict, version) {
            Ok(()) => {
                self.models.occupy(placement);
                self.models.serve(program, placement, version);
                Ok(())
            }
            Err(error @ EngineError::Command { .. }) => {
                // A load that was refused before it began has left the slot as it was.
                self.unload(placement.slot)?;
                self.restore()?;
                Err(error)
            }
            Err(error) => Err(error),
        }
    }

    fn change(
        &mut self,
        program: &Program,
        image: &DmaBuffer,
        placement: &Placement,
        evict: &[u8],
        version: u32,
    ) -> Result<(), EngineError> {
        for &slot in evict {
            self.unload(slot)?;
        }
        self.models.vacate(placement.slot);
        self.load(program, image, placement, version)
    }

    /// Loads the serving model again if it isn't resident any more.
    fn restore(&mut self) -> Result<(), EngineError> {
        if self.models.is_resident() {
            return Ok(());
        }
        let Some(serving) = self.models.serving() else {
            return Ok(());
        };
        tracing::warn!(version = serving.version, "going back to the model before");
        let (program, placement) = (serving.program.clone(), serving.placement);
        let version = serving.version;
        let image = self.image(&program)?;
        self.load(&program, &image, &placement, version)?;
        self.models.occupy(placement);
        Ok(())
    }

    fn load(
        &mut self,
        program: &Program,
        image: &DmaBuffer,
        placement: &Placement,
        version: u32,
    ) -> Result<(), EngineError> {
        let entry = program.load_entry(placement, image.iova().0, version);
        self.carry_out(Command::Load(entry), "loading a model")
    }

    fn unload(&mut self, slot: u8) -> Result<(), EngineError> {
        self.carry_out(Command::Unload { slot }, "an unload")?;
        self.models.vacate(slot);
        Ok(())
    }

    /// Carries out one command while nothing else is in flight.
    fn carry_out(&mut self, command: Command, what: &'static str) -> Result<(), EngineError> {
        let id = self.queue.submit(command)?;
        self.queue.ring()?;
        self.last_progress = Instant::now();
        loop {
            let Some(completion) = self.wait(self.options.timeout)? else {
                continue;
            };
            if completion.command_id != id.0 {
                return Err(EngineError::OutOfOrder {
                    found: completion.command_id,
                    expected: id.0,
                });
            }
            return completion
                .status
                .map_err(|status| EngineError::Command { what, status });
        }
    }
}
