//! Making a model resident, while nothing else is in flight; and going back if that fails.
//!
//! ```text
//!  plan --> unload what must go --> load --+--> serve the new model
//!                                          +--> failed: empty the slot, load the old one again
//!                                                       if it had to go
//! ```

use std::time::Instant;

use systole_driver::{Command, DmaBuffer};

use super::LANES;
use super::lane::Lane;
use super::work::Work;
use crate::compiler::{Placement, Plan, Program};
use crate::engine::EngineError;

/// DMA memory of a model.
pub(super) struct ModelMemory {
    /// Read once, by the load.
    image: DmaBuffer,
    /// Weights that are read in every run.
    stream: Option<DmaBuffer>,
    lanes: Vec<Lane>,
}

impl Work {
    /// Everything that a model needs in memory that the device can reach.
    pub(super) fn prepare(&self, program: &Program) -> Result<ModelMemory, EngineError> {
        let lanes = (0..LANES).map(|_| Lane::new(&self.device, program, self.options));
        Ok(ModelMemory {
            image: self.buffer(&program.image())?,
            stream: self.stream(program)?,
            lanes: lanes.collect::<Result<_, _>>()?,
        })
    }

    fn stream(&self, program: &Program) -> Result<Option<DmaBuffer>, EngineError> {
        match program.stream.is_empty() {
            true => Ok(None),
            false => self.buffer(&program.stream_bytes()).map(Some),
        }
    }

    fn buffer(&self, bytes: &[u8]) -> Result<DmaBuffer, EngineError> {
        let mut buffer = self.device.allocate(bytes.len())?;
        buffer.write(0, bytes)?;
        Ok(buffer)
    }

    /// Makes a model resident and lets it serve. If the device refuses it, the old one still
    /// serves, reloaded if it had to make room.
    pub(super) fn install(
        &mut self,
        program: Program,
        memory: ModelMemory,
        version: u32,
    ) -> Result<(), EngineError> {
        let ModelMemory {
            image,
            stream,
            lanes,
        } = memory;
        // Whatever compiles fits the empty device.
        let Plan { placement, evict } = self.models.plan(&program).ok_or(EngineError::Stopped)?;
        match self.change(
            &program,
            &image,
            stream.as_ref(),
            &placement,
            &evict,
            version,
        ) {
            Ok(()) => {
                self.models.occupy(placement, stream);
                self.models.serve(program, placement, version);
                self.use_lanes(lanes);
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
        stream: Option<&DmaBuffer>,
        placement: &Placement,
        evict: &[u8],
        version: u32,
    ) -> Result<(), EngineError> {
        for &slot in evict {
            self.unload(slot)?;
        }
        self.load(program, image, stream, placement, version)
    }

    /// Loads the serving model again if it isn't resident any more.
    pub(super) fn restore(&mut self) -> Result<(), EngineError> {
        if self.models.is_resident() {
            return Ok(());
        }
        let Some(serving) = self.models.serving() else {
            return Ok(());
        };
        tracing::debug!(version = serving.version, "loading the serving model again");
        let (program, placement) = (serving.program.clone(), serving.placement);
        let version = serving.version;
        let image = self.buffer(&program.image())?;
        let stream = self.stream(&program)?;
        self.load(&program, &image, stream.as_ref(), &placement, version)?;
        self.models.occupy(placement, stream);
        Ok(())
    }

    fn load(
        &mut self,
        program: &Program,
        image: &DmaBuffer,
        stream: Option<&DmaBuffer>,
        placement: &Placement,
        version: u32,
    ) -> Result<(), EngineError> {
        // What was in the slot is gone as soon as the command begins.
        let address = stream.map_or(0, |stream| stream.iova().0);
        let entry = program.load_entry(placement, image.iova().0, address, version);
        let buffers = [image, stream.unwrap_or(image)];
        let result = self.carry_out(Command::Load(entry), &buffers, "loading a model");
        self.models.vacate(placement.slot);
        result
    }

    fn unload(&mut self, slot: u8) -> Result<(), EngineError> {
        self.carry_out(Command::Unload { slot }, &[], "an unload")?;
        self.models.vacate(slot);
        Ok(())
    }

    /// Carries out one command while nothing else is in flight.
    fn carry_out(
        &mut self,
        command: Command,
        buffers: &[&DmaBuffer],
        what: &'static str,
    ) -> Result<(), EngineError> {
        let id = self.queue()?.submit_with(command, buffers)?;
        self.queue()?.ring()?;
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
