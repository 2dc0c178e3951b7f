//! The commands of submission entries: their checks, in the order of the table in [`super`], and
//! what LOAD, RUN and UNLOAD do.

use bytemuck::Zeroable;
use systole_regs::entries::{LoadEntry, ROWS_MAX, RunEntry, Statistics, flag, opcode};
use systole_regs::{DATA_BYTES, SLOT_COUNT, Status};

use super::FunctionalModel;
use super::memories::Slot;
use super::program::Pass;
use crate::core::Host;

/// How a command ended.
pub(super) struct Outcome {
    pub status: Status,
    /// The block to write, if the entry asked for one and passed its checks.
    pub statistics: Option<Statistics>,
}

/// A run that has begun. It goes on pass by pass, so that registers can be read meanwhile.
pub(super) struct Running {
    pub entry: RunEntry,
    first_row: u32,
    statistics: Statistics,
}

impl FunctionalModel {
    /// Carries out one entry; `entry` is read as the type that its opcode says. A run is only
    /// begun: `None`, and [`continue_run`](Self::continue_run) does the rest.
    pub(super) fn execute(&mut self, entry: &RunEntry, host: &mut dyn Host) -> Option<Outcome> {
        let mut statistics = Statistics::zeroed();
        let load: &LoadEntry = bytemuck::cast_ref(entry);
        let checked = match entry.opcode {
            opcode::NOP => check_empty(load),
            opcode::UNLOAD => self.check_unload(load),
            opcode::LOAD => self.check_load(load),
            opcode::RUN => self.check_run(entry),
            _ => Err(Status::InvalidOpcode),
        };
        if let Err(status) = checked {
            return Some(Outcome {
                status,
                statistics: None,
            });
        }
        let result = match entry.opcode {
            opcode::UNLOAD => {
                self.slots[usize::from(entry.slot)] = Slot::default();
                Ok(())
            }
            opcode::LOAD => self.load(load, host, &mut statistics),
            opcode::RUN => {
                self.running = Some(Running {
                    entry: *entry,
                    first_row: 0,
                    statistics,
                });
                return None;
            }
            _ => Ok(()),
        };
        Some(outcome(entry, result, statistics))
    }

    /// Does one pass of the program for a run that has begun; `None` while there are more.
    pub(super) fn continue_run(
        &mut self,
        mut running: Running,
        host: &mut dyn Host,
    ) -> Option<Outcome> {
        let Running {
            entry,
            first_row,
            statistics,
        } = &mut running;
        let slot = self.slots[usize::from(entry.slot)];
        let rows = (entry.rows - *first_row).min(u32::from(slot.group_rows));
        let pass = Pass {
            configuration: &self.configuration,
            memories: &mut self.memories,
            slot: &slot,
            entry,
            first_row: *first_row,
            rows,
        };
        let result = pass.run(host, statistics);
        *first_row += rows;
        if result.is_ok() && *first_row < entry.rows {
            self.running = Some(running);
            return None;
        }
        Some(outcome(&running.entry, result, running.statistics))
    }

    fn check_unload(&self, entry: &LoadEntry) -> Result<(), Status> {
        // The slot comes before the alignment, which `check_empty` looks at last.
        check_reserved_of_empty(entry)?;
        check_slot(entry.slot)?;
        check_aligned(&[entry.statistics_address])
    }

    fn check_load(&self, entry: &LoadEntry) -> Result<(), Status> {
        check_flags(entry.flags, entry.statistics_address)?;
        check_zero(&entry.reserved0)?;
        check_zero(&entry.reserved1)?;
        check_slot(entry.slot)?;
        check_aligned(&[
            entry.image_address,
            entry.stream_address,
            entry.statistics_address,
        ])?;
        if entry.program_count == 0 || entry.group_rows == 0 {
            return Err(Status::InvalidField);
        }
        let lanes = self.configuration.requantize_lanes;
        if [entry.parameter_base, entry.parameter_count]
            .iter()
            .any(|&value| !usize::from(value).is_multiple_of(lanes))
        {
            return Err(Status::Misaligned);
        }
        let wanted = Slot::new(entry);
        if !wanted.fits(&self.configuration) {
            return Err(Status::RegionTooLarge);
        }
        let others = self
            .slots
            .iter()
            .enumerate()
            .filter(|(index, slot)| *index != usize::from(entry.slot) && slot.valid);
        for (_, other) in others {
            if wanted.overlaps(other) {
                return Err(Status::RegionOverlap);
            }
        }
        Ok(())
    }

    fn check_run(&self, entry: &RunEntry) -> Result<(), Status> {
        check_flags(entry.flags, entry.statistics_address)?;
        check_zero(&entry.reserved0)?;
        check_zero(&entry.reserved1)?;
        check_zero(&entry.reserved2)?;
        check_slot(entry.slot)?;
        if !self.slots[usize::from(entry.slot)].valid {
            return Err(Status::SlotEmpty);
        }
        if !(1..=ROWS_MAX).contains(&entry.rows) {
            return Err(Status::InvalidRows);
        }
        check_aligned(&[
            entry.input_address,
            entry.output_address,
            entry.workspace_address,
            entry.statistics_address,
            u64::from(entry.input_stride),
            u64::from(entry.output_stride),
        ])
    }

    /// Copies an image: three sections, one after the other in host memory, each to its region.
    fn load(
        &mut self,
        entry: &LoadEntry,
        host: &mut dyn Host,
        statistics: &mut Statistics,
    ) -> Result<(), Status> {
        let slot = Slot::new(entry);
        self.slots[usize::from(entry.slot)] = Slot::default();
        let tile = self.configuration.tile_bytes();
        let memories = &mut self.memories;
        let sections: [&mut [u8]; 3] = [
            bytemuck::cast_slice_mut(
                &mut memories.program[slot.program.start()..slot.program.end()],
            ),
            bytemuck::cast_slice_mut(
                &mut memories.parameters[slot.parameters.start()..slot.parameters.end()],
            ),
            bytemuck::cast_slice_mut(
                &mut memories.weights[slot.weights.start() * tile..slot.weights.end() * tile],
            ),
        ];
        let mut address = entry.image_address;
        for section in sections {
            if section.is_empty() {
                continue;
            }
            host.dma_read(address, section)
                .map_err(|_| Status::DmaReadError)?;
            address = address.wrapping_add(section.len() as u64);
            // An image is smaller than the memories, which are far below 2^32 bytes.
            statistics.dma_read_bytes += section.len() as u32;
        }
        self.slots[usize::from(entry.slot)] = slot;
        Ok(())
    }
}

/// The outcome of a command that has been carried out, or failed while it was.
fn outcome(entry: &RunEntry, result: Result<(), Status>, statistics: Statistics) -> Outcome {
    Outcome {
        status: result.err().unwrap_or(Status::Success),
        statistics: (entry.flags & flag::STATISTICS != 0).then_some(statistics),
    }
}

/// NOP: nothing but opcode, flags, id, slot and the address of the statistics.
fn check_empty(entry: &LoadEntry) -> Result<(), Status> {
    check_reserved_of_empty(entry)?;
    check_aligned(&[entry.statistics_address])
}

fn check_reserved_of_empty(entry: &LoadEntry) -> Result<(), Status> {
    check_flags(entry.flags, entry.statistics_address)?;
    let bare = LoadEntry {
        opcode: entry.opcode,
        flags: entry.flags,
        command_id: entry.command_id,
        slot: entry.slot,
        statistics_address: entry.statistics_address,
        ..LoadEntry::zeroed()
    };
    if *entry == bare {
        Ok(())
    } else {
        Err(Status::InvalidField)
    }
}

fn check_flags(flags: u8, statistics_address: u64) -> Result<(), Status> {
    let unknown = flags & !flag::ALL != 0;
    let unasked = flags & flag::STATISTICS == 0 && statistics_address != 0;
    if unknown || unasked {
        Err(Status::InvalidField)
    } else {
        Ok(())
    }
}

fn check_zero(reserved: &[u8]) -> Result<(), Status> {
    if reserved.iter().all(|&byte| byte == 0) {
        Ok(())
    } else {
        Err(Status::InvalidField)
    }
}

fn check_slot(slot: u8) -> Result<(), Status> {
    if u32::from(slot) < SLOT_COUNT {
        Ok(())
    } else {
        Err(Status::InvalidSlot)
    }
}

fn check_aligned(values: &[u64]) -> Result<(), Status> {
    let aligned = values
        .iter()
        .all(|value| value.is_multiple_of(u64::from(DATA_BYTES)));
    if aligned {
        Ok(())
    } else {
        Err(Status::Misaligned)
    }
}
