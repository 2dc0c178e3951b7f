//! Which models are on the device and where: picks a slot and regions for the next one.
//!
//! ```text
//!  weights  |  slot 0: model A  |          free         |
//!                                ^ first fit: model B of slot 1, if it is small enough;
//!                                  else A has to go first
//! ```

use super::{Program, Target};

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

/// Where a model can go, and which slots have to be emptied first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Where it goes. What is resident in that slot is replaced.
    pub placement: Placement,
    /// Other slots that must be unloaded before.
    pub evict: Vec<u8>,
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
        Residency {
            slots: vec![None; target.slots],
            program: target.usable_instructions(),
            parameters: target.usable_parameters(),
            weights: target.usable_tiles(),
        }
    }

    /// Finds a place for a program, disturbing as little as possible: an empty slot, else one whose
    /// model isn't `serving`, else by evicting more models, the serving one last.
    ///
    /// `None` if the program doesn't fit the device even alone.
    pub fn plan(&self, program: &Program, serving: Option<u8>) -> Option<Plan> {
        let is_serving = |slot: &u8| Some(*slot) == serving;
        let all = || (0..self.slots.len()).map_while(|slot| u8::try_from(slot).ok());
        // A single slot has to be replaced while it serves.
        let mut candidates: Vec<u8> = all()
            .filter(|slot| !is_serving(slot) || self.slots.len() == 1)
            .collect();
        candidates.sort_by_key(|&slot| self.slot(slot).is_some());
        let mut evictable: Vec<u8> = all().filter(|&slot| self.slot(slot).is_some()).collect();
        evictable.sort_by_key(is_serving);
        (0..=evictable.len()).find_map(|evictions| {
            let evicted = &evictable[..evictions];
            candidates.iter().find_map(|&slot| {
                let evict: Vec<u8> = evicted
                    .iter()
                    .copied()
                    .filter(|&other| other != slot)
                    .collect();
                let placement = self.place(program, slot, &evict)?;
                Some(Plan { placement, evict })
            })
        })
    }

    /// Regions for a program in `slot`, given that the slots in `evict` are empty.
    fn place(&self, program: &Program, slot: u8, evict: &[u8]) -> Option<Placement> {
        let others = || {
            self.slots
                .iter()
                .enumerate()
                .filter_map(|(index, placement)| {
                    let kept = index != usize::from(slot)
                        && !evict.iter().any(|&gone| usize::from(gone) == index);
                    placement.filter(|_| kept)
                })
        };
        // Region bases of parameters must be multiples of Q; all counts are.
        Some(Placement {
            slot,
            program: first_fit(
                others().map(|p| p.program),
                program.steps.len(),
                self.program,
            )?,
            parameters: first_fit(
                others().map(|p| p.parameters),
                program.parameters.len(),
                self.parameters,
            )?,
            weights: first_fit(
                others().map(|p| p.weights),
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

/// The lowest region of `count` entries that meets none of `taken`.
fn first_fit(taken: impl Iterator<Item = Region>, count: usize, size: usize) -> Option<Region> {
    let mut taken: Vec<Region> = taken.filter(|region| region.count > 0).collect();
    taken.sort_by_key(|region| region.base);
    let mut base = 0;
    for region in taken {
        if usize::from(region.base) >= base + count {
            break;
        }
        base = base.max(region.end());
    }
    if base + count > size {
        return None;
    }
    Some(Region {
        base: base.try_into().ok()?,
        count: count.try_into().ok()?,
    })
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
    fn two_small_models_lie_side_by_side() {
        let mut residency = residency();
        let program = program(10, 100, 1000);
        let first = residency.plan(&program, None).expect("fits");
        assert_eq!(first.placement.slot, 0);
        residency.occupy(first.placement);
        let second = residency.plan(&program, Some(0)).expect("fits");
        assert_eq!((second.placement.slot, &second.evict[..]), (1, &[][..]));
        assert_eq!(
            second.placement.program,
            Region {
                base: 10,
                count: 10
            }
        );
        assert_eq!(
            second.placement.parameters,
            Region {
                base: 100,
                count: 100
            }
        );
        assert_eq!(
            second.placement.weights,
            Region {
                base: 1000,
                count: 1000
            }
        );
        residency.occupy(second.placement);
        // The third replaces the one that no longer serves, in its place.
        let third = residency.plan(&program, Some(1)).expect("fits");
        assert_eq!(
            third,
            Plan {
                placement: first.placement,
                evict: vec![]
            }
        );
    }

    #[test]
    fn a_model_that_needs_the_room_evicts_the_serving_one_last() {
        let mut residency = residency();
        let large = program(10, 100, 3000);
        residency.occupy(residency.plan(&large, None).expect("fits").placement);
        let plan = residency.plan(&large, Some(0)).expect("fits alone");
        assert_eq!((plan.placement.slot, plan.evict), (1, vec![0]));
        // Beside a small serving model, only the idle one goes.
        let mut residency = self::residency();
        let small = program(1, 2, 500);
        residency.occupy(residency.plan(&small, None).expect("fits").placement);
        residency.occupy(residency.plan(&large, Some(0)).expect("fits").placement);
        let plan = residency.plan(&large, Some(0)).expect("fits");
        assert_eq!((plan.placement.slot, plan.evict), (1, vec![]));
        let plan = residency.plan(&large, Some(1)).expect("fits");
        assert_eq!((plan.placement.slot, plan.evict), (0, vec![1]));
    }

    #[test]
    fn a_single_slot_is_replaced() {
        let mut residency = Residency::new(&Target {
            slots: 1,
            ..Target::from(&TINY)
        });
        let program = program(10, 100, 3000);
        residency.occupy(residency.plan(&program, None).expect("fits").placement);
        let plan = residency.plan(&program, Some(0)).expect("fits");
        assert_eq!((plan.placement.slot, plan.evict), (0, vec![]));
    }

    #[test]
    fn what_never_fits_has_no_plan() {
        assert_eq!(residency().plan(&program(10, 100, 5000), None), None);
        assert_eq!(residency().plan(&program(129, 100, 10), None), None);
    }

    #[test]
    fn gaps_are_used_first() {
        let region = |base, count| Region { base, count };
        let fit = |count| first_fit([region(50, 10), region(0, 20)].into_iter(), count, 100);
        assert_eq!(fit(30), Some(region(20, 30)));
        assert_eq!(fit(31), Some(region(60, 31)));
        assert_eq!(fit(41), None);
        // Nothing takes no room, wherever it lies.
        assert_eq!(
            first_fit([region(0, 0)].into_iter(), 100, 100),
            Some(region(0, 100))
        );
    }
}
