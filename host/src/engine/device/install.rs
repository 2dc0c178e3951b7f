//! Loading and unloading models, while nothing else is in flight; and going back if that fails.
//!
//! ```text
//!  load      room? --> wait for what is in flight --> LOAD --+--> resident
//!                                                            +--> failed: empty the slot
//!  replace   wait for all batches --> room for both? LOAD new, UNLOAD old
//!                                     else UNLOAD old, LOAD new, LOAD old again if that fails
//!  leave     wait for its batches, and for what is in flight --> UNLOAD --> loads that need the room
//! ```

use std::time::Instant;

use systole_driver::{Command, DmaBuffer};

use super::model::Model;
use super::prepared::buffer;
use super::work::Work;
use super::{Load, ResidentId};
use crate::compiler::NoPlace;
use crate::engine::EngineError;

impl Work {
    /// Loads a model beside the others. One that needs the room of a model that is leaving waits.
    ///
    /// # Errors
    /// If the device fails; what is wrong with the load itself is its answer.
    pub(super) fn load_beside(&mut self, load: Load) -> Result<(), EngineError> {
        let placement = match self.models.place(&load.prepared.program, None) {
            Ok(placement) => placement,
            Err(_) if self.models.any_leaves() => {
                self.waiting.push_back(load);
                return Ok(());
            }
            Err(lack) => {
                no_room(load, lack);
                return Ok(());
            }
        };
        if let Err(error) = self.settle() {
            // It has nothing to do with the failure, and has its turn again.
            self.waiting.push_front(load);
            return Err(error);
        }
        let Load { prepared, reply } = load;
        let (model, image) = Model::new(*prepared, placement);
        match self.load(&model, &image) {
            Ok(()) => {
                self.failures = 0;
                let id = self.models.add(model);
                // Nobody could ever unload it.
                if reply.send(Ok(id)).is_err()
                    && let Some(model) = self.models.get_mut(id)
                {
                    model.leaving = true;
                }
                Ok(())
            }
            Err(error) => {
                let _ = reply.send(Err(error.clone()));
                self.clear(placement.slot, error)
            }
        }
    }

    /// Loads a model in place of another, when all batches are answered. If the device refuses it, the
    /// old one still serves, reloaded if it had to make room.
    ///
    /// # Errors
    /// If the device fails.
    pub(super) fn replace(&mut self, id: ResidentId, load: Load) -> Result<(), EngineError> {
        if let Err(error) = self.drain() {
            load.fail(&error);
            return Err(error);
        }
        let Some(old) = self.models.get(id).map(|model| model.placement) else {
            load.fail(&EngineError::Stopped);
            return Ok(());
        };
        let place = |gone| self.models.place(&load.prepared.program, gone);
        let beside = place(None).ok();
        let placement = match beside.map_or_else(|| place(Some(old.slot)), Ok) {
            Ok(placement) => placement,
            Err(lack) => {
                no_room(load, lack);
                return Ok(());
            }
        };
        let Load { prepared, reply } = load;
        let (model, image) = Model::new(*prepared, placement);
        let makes_room = match beside {
            Some(_) => Ok(()),
            None => self.unload(old.slot),
        };
        match makes_room.and_then(|()| self.load(&model, &image)) {
            Ok(()) => {
                self.failures = 0;
                self.models.put(id, model);
                let _ = reply.send(Ok(id));
                match beside {
                    Some(_) => self.unload(old.slot),
                    None => Ok(()),
                }
            }
            Err(error) => {
                let _ = reply.send(Err(error.clone()));
                self.clear(placement.slot, error)?;
                match beside {
                    Some(_) => Ok(()),
                    None => self.reload(id),
                }
            }
        }
    }

    /// Unloads what nobody needs any more, and loads what has waited for the room.
    ///
    /// # Errors
    /// If the device fails.
    pub(super) fn make_room(&mut self) -> Result<(), EngineError> {
        while let Some(id) = self.models.leaver()
            && let Some(slot) = self.models.get(id).map(|model| model.placement.slot)
        {
            self.settle()?;
            self.unload(slot)?;
            self.models.take(id);
        }
        for _ in 0..self.waiting.len() {
            if let Some(load) = self.waiting.pop_front() {
                self.load_beside(load)?;
            }
        }
        Ok(())
    }

    /// Loads a model again into the place that it had.
    ///
    /// # Errors
    /// If the device refuses or fails.
    pub(super) fn reload(&mut self, id: ResidentId) -> Result<(), EngineError> {
        // Out of the table meanwhile, because the load needs all of `self`.
        let Some(model) = self.models.take(id) else {
            return Ok(());
        };
        tracing::debug!(
            name = model.program.name,
            version = model.version,
            "loading a model again"
        );
        let image = buffer(&self.device, &model.program.image());
        let result = image.and_then(|image| self.load(&model, &image));
        self.models.put(id, model);
        result
    }

    /// After a load that failed: one that was refused before it began has left the slot as it was.
    fn clear(&mut self, slot: u8, error: EngineError) -> Result<(), EngineError> {
        match error {
            EngineError::Command { .. } => self.unload(slot),
            error => Err(error),
        }
    }

    fn load(&mut self, model: &Model, image: &DmaBuffer) -> Result<(), EngineError> {
        let (program, placement) = (&model.program, &model.placement);
        let stream = model.stream.as_ref();
        let address = stream.map_or(0, |stream| stream.iova().0);
        let entry = program.load_entry(placement, image.iova().0, address, model.version);
        let buffers = [image, stream.unwrap_or(image)];
        // What was in the slot is gone as soon as the command begins.
        self.models.vacate(placement.slot);
        self.carry_out(Command::Load(entry), &buffers, "loading a model")?;
        self.models.occupy(*placement, program, model.version);
        Ok(())
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

fn no_room(load: Load, lack: NoPlace) {
    let network = load.prepared.program.name.clone();
    load.fail(&EngineError::NoRoom { network, lack });
}
