//! Which models are on the device and where: picks a slot and regions for the next one.
//!
//! ```text
//!  weights  |  slot 0: model A  |        free        |  slot 1: model B  |
//!            from the lower end                         from the upper end
//! ```

use super::{Memory, Program, Target};

/// Part of a memory, in entries of that memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Region {
    /// First entry.
    pub base: u16,
    /// Number of entries.
    pub count: u16,
}

impl Region {
    fn end(self) -> usize {
        usize::from(self.base) + usize::from(self.count)
    }
}

/// Slot and regions of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// Slot.
    pub slot: u8,
    /// Region of the program memory.
    pub program: Region,
    /// Region of the parameter memory.
    pub parameters: Region,
    /// Region of the weight memory.
    pub weights: Region,
}

/// Why a model can't be placed beside those that are resident.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoPlace {
    /// Every slot has a model.
    #[error("all {slots} slots are taken")]
    Slots {
        /// Slots of the device.
        slots: usize,
    },
    /// A memory has no gap of this size.
    #[error("it needs {needed} {} of {memory}, of which {free} are free in one piece", memory.unit())]
    Memory {
        /// The memory.
        memory: Memory,
        /// What the model needs, in [`Memory::unit`]s.
        needed: usize,
        /// Size of the largest gap.
        free: usize,
    },
}

/// The slots of one device and what is in them.
#[derive(Clone, Debug)]
pub struct Residency {
    slots: Vec<Option<Placement>>,
    program: usize,
    parameters: usize,
    weights: usize,
}

impl Residency {
    /// A device with all slots empty.
    pub fn new(target: &Target) -> Self {
        let lanes = target.requantize_lanes.max(1);
        Residency {
            slots: vec![None; target.slots],
            program: target.usable_instructions(),
            // Bases must be multiples of the lanes, those at the upper end as well.
            parameters: target.usable_parameters() / lanes * lanes,
            weights: target.usable_tiles(),
        }
    }

    /// Finds an empty slot for a program and room beside what is resident, as if the model in slot
    /// `gone` had been unloaded.
    ///
    /// # Errors
    /// If no slot is empty, or a memory has no gap that is large enough.
    pub fn place(&self, program: &Program, gone: Option<u8>) -> Result<Placement, NoPlace> {
        let all = (0..self.slots.len()).map_while(|slot| u8::try_from(slot).ok());
        let slot = all
            .into_iter()
            .find(|&slot| gone == Some(slot) || self.slot(slot).is_none())
            .ok_or(NoPlace::Slots {
                slots: self.slots.len(),
            })?;
        let others = || {
            let others = self.slots.iter().enumerate();
            others
                .filter(move |(index, _)| Some(*index) != gone.map(usize::from))
                .filter_map(|(_, placement)| *placement)
        };
        // Two models begin at opposite ends, so that what is free stays in one piece whichever goes.
        let end = match slot % 2 {
            0 => End::Lower,
            _ => End::Upper,
        };
        let fit = |taken: Vec<Region>, memory, needed, size| {
            fit(taken, needed, size, end).map_err(|free| NoPlace::Memory {
                memory,
                needed,
                free,
            })
        };
        Ok(Placement {
            slot,
            program: fit(
                others().map(|other| other.program).collect(),
                Memory::Program,
                program.steps.len(),
                self.program,
            )?,
            // Bases are multiples of Q, because all counts are.
            parameters: fit(
                others().map(|other| other.parameters).collect(),
                Memory::Parameters,
                program.parameters.len(),
                self.parameters,
            )?,
            weights: fit(
                others().map(|other| other.weights).collect(),
                Memory::Weights,
                program.weight_tiles(),
                self.weights,
            )?,
        })
    }

    /// Notes that a slot has been loaded.
    ///
    /// # Panics
    /// If the slot doesn't exist.
    pub fn occupy(&mut self, placement: Placement) {
        self.slots[usize::from(placement.slot)] = Some(placement);
    }

    /// Notes that a slot has been emptied.
    ///
    /// # Panics
    /// If the slot doesn't exist.
    pub fn vacate(&mut self, slot: u8) {
        self.slots[usize::from(slot)] = None;
    }

    /// What is in a slot.
    pub fn slot(&self, slot: u8) -> Option<Placement> {
        self.slots.get(usize::from(slot)).copied().flatten()
    }
}

/// Where in a memory a model begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Lower,
    Upper,
}

/// The region of `count` entries that is nearest to an end and meets none of `taken`; the size of the
/// largest gap if there is none.
fn fit(mut taken: Vec<Region>, count: usize, size: usize, end: End) -> Result<Region, usize> {
    if count == 0 {
        return Ok(Region::default());
    }
    taken.retain(|region| region.count > 0);
    taken.sort_by_key(|region| region.base);
    let mut gaps = Vec::with_capacity(taken.len() + 1);
    let mut begin = 0;
    for region in taken {
        gaps.push(begin..usize::from(region.base).max(begin));
        begin = begin.max(region.end());
    }
    gaps.push(begin..size.max(begin));
    let mut wide = gaps.iter().filter(|gap| gap.len() >= count);
    let base = match end {
        End::Lower => wide.next().map(|gap| gap.start),
        End::Upper => wide.next_back().map(|gap| gap.end - count),
    };
    let region = base.and_then(|base| {
        Some(Region {
            base: base.try_into().ok()?,
            count: count.try_into().ok()?,
        })
    });
    region.ok_or_else(|| gaps.iter().map(ExactSizeIterator::len).max().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use systole_regs::configuration::TINY;

    /// A program that takes so much of each memory.
    fn program(instructions: usize, parameters: usize, tiles: usize) -> Program {
        let mut program = crate::compiler::tests::dense_program();
        let step = program.steps[0].clone();
        program.steps = vec![step; instructions];
        program.parameters = vec![Default::default(); parameters];
        program.weights = vec![0; tiles * program.target.tile_bytes()];
        program
    }

    fn residency() -> Residency {
        Residency::new(&Target::from(&TINY))
    }

    #[test]
    fn two_small_models_lie_at_opposite_ends() {
        let mut residency = residency();
        let program = program(10, 100, 1000);
        let first = residency.place(&program, None).expect("fits");
        let region = |base, count| Region { base, count };
        assert_eq!(
            first,
            Placement {
                slot: 0,
                program: region(0, 10),
                parameters: region(0, 100),
                weights: region(0, 1000),
            }
        );
        residency.occupy(first);
        let second = residency.place(&program, None).expect("fits");
        let size = |entries: usize| entries as u16;
        assert_eq!(
            second,
            Placement {
                slot: 1,
                program: region(size(TINY.program_instructions) - 10, 10),
                parameters: region(size(TINY.parameter_entries) - 100, 100),
                weights: region(size(TINY.weight_tiles) - 1000, 1000),
            }
        );
        residency.occupy(second);
        assert_eq!(
            residency.place(&program, None),
            Err(NoPlace::Slots { slots: 2 })
        );
        // Whichever goes, the next one has all that is free.
        for gone in [0, 1] {
            let other = self::program(10, 100, TINY.weight_tiles - 1000);
            let third = residency.place(&other, Some(gone)).expect("fits");
            assert_eq!(third.slot, gone);
            let mut residency = residency.clone();
            residency.vacate(gone);
            assert_eq!(residency.place(&other, None), Ok(third));
        }
    }

    #[test]
    fn a_model_that_needs_the_room_of_another_is_refused_with_the_reason() {
        let mut residency = residency();
        let large = program(10, 100, 3000);
        let placement = residency.place(&large, None).expect("fits");
        residency.occupy(placement);
        assert_eq!(
            residency.place(&large, None),
            Err(NoPlace::Memory {
                memory: Memory::Weights,
                needed: 3000,
                free: TINY.weight_tiles - 3000,
            })
        );
        assert_eq!(residency.place(&large, Some(0)), Ok(placement));
    }

    #[test]
    fn a_single_slot_is_replaced() {
        let mut residency = Residency::new(&Target {
            slots: 1,
            ..Target::from(&TINY)
        });
        let program = program(10, 100, 3000);
        let placement = residency.place(&program, None).expect("fits");
        residency.occupy(placement);
        assert_eq!(
            residency.place(&program, None),
            Err(NoPlace::Slots { slots: 1 })
        );
        assert_eq!(residency.place(&program, Some(0)), Ok(placement));
    }

    #[test]
    fn what_never_fits_has_no_place() {
        assert!(residency().place(&program(10, 100, 5000), None).is_err());
        assert!(residency().place(&program(129, 100, 10), None).is_err());
    }

    #[test]
    fn gaps_are_used_from_the_end() {
        let region = |base, count| Region { base, count };
        let fit = |count, end| fit(vec![region(50, 10), region(0, 20)], count, 100, end);
        assert_eq!(fit(30, End::Lower), Ok(region(20, 30)));
        assert_eq!(fit(31, End::Lower), Ok(region(60, 31)));
        assert_eq!(fit(30, End::Upper), Ok(region(70, 30)));
        assert_eq!(fit(41, End::Upper), Err(40));
        // Nothing takes no room, wherever it lies.
        let full = vec![region(0, 100)];
        assert_eq!(self::fit(full, 0, 100, End::Lower), Ok(region(0, 0)));
    }
}
