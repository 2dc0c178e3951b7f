//! Which instructions of a program may run side by side: the limits that let as much overlap as
//! its result allows.
//!
//! ```text
//!  pass n     LOAD a   MATRIX a>b   LOAD next a   MATRIX b>c   STORE c
//!                 '------^ reads        ^ writes what MATRIX a>b reads: one computation may run
//!  pass n+1   (skipped) MATRIX a>b ...    '--^ reads it
//! ```
//!
//! Each unit finishes its instructions in order, so an instruction that needs an earlier one of a
//! unit can leave as many unfinished as that unit has begun since.

use systole_regs::instructions::{Compute, NO_LIMIT, Transfer, flag, opcode};

use super::super::random::Random;

/// A memory that instructions share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    Scratchpad,
    Weights,
    Workspace,
}

/// A part of a memory that an instruction reads or writes; it may skip bytes in it.
#[derive(Clone, Copy, Debug)]
pub struct Access {
    pub space: Space,
    pub start: u64,
    pub end: u64,
    pub writes: bool,
}

impl Access {
    pub fn read(space: Space, start: u64, bytes: u64) -> Self {
        Access {
            space,
            start,
            end: start + bytes,
            writes: false,
        }
    }

    pub fn write(space: Space, start: u64, bytes: u64) -> Self {
        Access {
            writes: true,
            ..Self::read(space, start, bytes)
        }
    }

    pub fn meets(&self, other: &Access) -> bool {
        self.space == other.space && self.start < other.end && other.start < self.end
    }

    fn conflicts(&self, other: &Access) -> bool {
        self.meets(other) && (self.writes || other.writes)
    }
}

/// An instruction and what it touches when its group is full.
#[derive(Clone, Debug)]
pub struct Step {
    pub instruction: Transfer,
    pub accesses: Vec<Access>,
}

impl Step {
    /// The unit that carries it out: 0 computes, 1 loads, 2 stores. END is none of them.
    fn unit(&self) -> Option<usize> {
        match self.instruction.opcode {
            opcode::MATRIX | opcode::DEPTHWISE | opcode::POOL => Some(0),
            opcode::LOAD_ROWS | opcode::LOAD_WEIGHTS | opcode::LOAD_WORKSPACE => Some(1),
            opcode::STORE_ROWS | opcode::STORE_WORKSPACE => Some(2),
            _ => None,
        }
    }

    fn conflicts(&self, other: &Step) -> bool {
        self.accesses
            .iter()
            .any(|a| other.accesses.iter().any(|b| a.conflicts(b)))
    }

    /// Whether it runs in a pass of the first or of the last group.
    fn runs(&self, first: bool, last: bool) -> bool {
        let flags = match self.instruction.opcode {
            opcode::LOAD_ROWS => self.instruction.flags,
            _ => 0,
        };
        (flags & flag::FIRST_GROUP == 0 || first) && (flags & flag::NEXT_GROUP == 0 || !last)
    }
}

/// Runs of one group, of two, and of so many that every pass has had a full one before it.
const RUNS: [&[(bool, bool)]; 3] = [
    &[(true, true)],
    &[(true, false), (false, true)],
    &[(true, false), (false, false), (false, false), (false, true)],
];

/// Greatest limits of each step: of computations, LOADs and STOREs. `None` waits for nothing.
fn greatest(steps: &[Step]) -> Vec<[Option<u8>; 3]> {
    let mut limits = vec![[None; 3]; steps.len()];
    for passes in RUNS {
        let mut before: Vec<(usize, &Step)> = Vec::new();
        for &(first, last) in passes {
            for (index, step) in steps.iter().enumerate() {
                if !step.runs(first, last) {
                    continue;
                }
                let mut begun = [0_u8; 3];
                let mut met = [false; 3];
                for (unit, earlier) in before.iter().rev() {
                    if !met[*unit] && step.conflicts(earlier) {
                        met[*unit] = true;
                        let limit = &mut limits[index][*unit];
                        *limit = Some(limit.unwrap_or(NO_LIMIT).min(begun[*unit]));
                    }
                    begun[*unit] = begun[*unit].saturating_add(1);
                }
                if let Some(unit) = step.unit() {
                    before.push((unit, step));
                }
            }
        }
    }
    limits
}

/// Sets the limits of every step to something that doesn't change the result.
pub fn relax(steps: &mut [Step], random: &mut Random) {
    let limits = greatest(steps);
    for (step, limits) in steps.iter_mut().zip(limits) {
        if step.unit().is_none() {
            continue;
        }
        let mut choose = |limit: Option<u8>| match random.range(0, 9) {
            0 => 0,
            1 | 2 => random.size(0, u32::from(limit.unwrap_or(5))) as u8,
            3 => limit.unwrap_or(NO_LIMIT - 1),
            _ => limit.unwrap_or(NO_LIMIT),
        };
        let chosen = limits.map(&mut choose);
        // The limits lie at the same place in both formats.
        const {
            assert!(
                Transfer::field("compute_limit").offset == Compute::field("compute_limit").offset
                    && Transfer::field("load_limit").offset == Compute::field("load_limit").offset
                    && Transfer::field("store_limit").offset
                        == Compute::field("store_limit").offset
            );
        }
        step.instruction.compute_limit = chosen[0];
        step.instruction.load_limit = chosen[1];
        step.instruction.store_limit = chosen[2];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(opcode: u8, flags: u8, accesses: &[(u64, bool)]) -> Step {
        let accesses = accesses.iter().map(|&(at, writes)| Access {
            writes,
            ..Access::read(Space::Scratchpad, at * 10, 10)
        });
        Step {
            instruction: Transfer {
                opcode,
                flags,
                ..Transfer::default()
            },
            accesses: accesses.collect(),
        }
    }

    #[test]
    fn the_program_of_the_drawing_overlaps_as_it_says() {
        let (a, b, c) = (0, 1, 2);
        let steps = [
            step(opcode::LOAD_ROWS, flag::FIRST_GROUP, &[(a, true)]),
            step(opcode::MATRIX, 0, &[(a, false), (b, true)]),
            step(opcode::LOAD_ROWS, flag::NEXT_GROUP, &[(a, true)]),
            step(opcode::MATRIX, 0, &[(b, false), (c, true)]),
            step(opcode::STORE_ROWS, 0, &[(c, false)]),
            step(opcode::END, 0, &[]),
        ];
        let limits = greatest(&steps);
        assert_eq!(limits[0], [None; 3]);
        // Its input, and the reading of its output by the last computation of the pass before.
        assert_eq!(limits[1], [Some(0), Some(0), None]);
        // The input's reader is the last computation, the loading before it the last load.
        assert_eq!(limits[2], [Some(0), Some(0), None]);
        // Waits for the store of the pass before, but not for the loading.
        assert_eq!(limits[3], [Some(0), None, Some(0)]);
        assert_eq!(limits[4], [Some(0), None, None]);
        assert_eq!(limits[5], [None; 3]);
    }

    #[test]
    fn instructions_since_the_needed_one_may_be_unfinished() {
        let steps = [
            step(opcode::LOAD_ROWS, 0, &[(0, true)]),
            step(opcode::LOAD_WEIGHTS, 0, &[(5, true)]),
            step(opcode::LOAD_WORKSPACE, 0, &[(6, true)]),
            step(opcode::POOL, 0, &[(0, false), (1, true)]),
            step(opcode::POOL, 0, &[(5, false), (2, true)]),
            step(opcode::STORE_WORKSPACE, 0, &[(1, false)]),
        ];
        let limits = greatest(&steps);
        assert_eq!(limits[3], [Some(1), Some(2), Some(0)]);
        assert_eq!(limits[4], [Some(1), Some(1), None]);
        assert_eq!(limits[5], [Some(1), None, None]);
        // In the next pass: the reader has one computation after it.
        assert_eq!(limits[0], [Some(1), Some(2), None]);
    }
}
