//! A scenario: host memory, rings and commands, all from one seed.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use systole_regs::Configuration;

use super::commands::{Coverage, Writer};
use super::{Memory, Region};

/// Bytes of each region of host memory.
const REGION_BYTES: usize = 1 << 20;

/// Where the regions lie: low, above 4 GiB, and near the top of the address space.
const REGION_BASES: [u64; 3] = [0x10_0000, 0x1_2345_6000, 0xffff_ffff_ff00_0000];

/// One command of a scenario.
#[derive(Clone, Debug)]
pub struct Command {
    /// The 64 bytes of its submission entry.
    pub entry: [u8; 64],
    /// Where its rows are written: address and length. Not compared if it fails.
    pub output: Option<(u64, usize)>,
    /// Where its statistics block is written.
    pub statistics: Option<u64>,
    /// Ring the doorbell only after the next command.
    pub held: bool,
    /// Reset the device before this command.
    pub reset_first: bool,
}

/// Everything that a run needs.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Dimensions of the device.
    pub configuration: Configuration,
    /// Host memory as it is at first.
    pub memory: Memory,
    /// Bus address and entries of the submission ring.
    pub submission: (u64, u32),
    /// Bus address and entries of the completion ring.
    pub completion: (u64, u32),
    /// MSI-X vector, if completions request interrupts.
    pub vector: Option<u16>,
    /// The commands, in order.
    pub commands: Vec<Command>,
}

impl Scenario {
    /// The scenario of a seed for a configuration, and what it covers.
    pub fn new(configuration: Configuration, seed: u64) -> (Scenario, Coverage) {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut space = Space::new();
        let submission_entries = random.random_range(2..=9);
        let completion_entries = random.random_range(2..=9);
        let submission = (
            space.take(&mut random, submission_entries as usize * 64, 64),
            submission_entries,
        );
        let completion = (
            space.take(&mut random, completion_entries as usize * 16, 16),
            completion_entries,
        );
        let vector = random.random_bool(0.5).then(|| random.random_range(0..8));
        let mut writer = Writer::new(configuration, random, space);
        let count = writer.random.random_range(4..=9);
        let commands = (0..count).map(|_| writer.command()).collect();
        let (space, coverage) = writer.finish();
        let scenario = Scenario {
            configuration,
            memory: space.memory(),
            submission,
            completion,
            vector,
            commands,
        };
        (scenario, coverage)
    }
}

/// Host memory while it is being handed out.
pub(super) struct Space {
    regions: Vec<(u64, Vec<u8>, usize)>,
}

impl Space {
    fn new() -> Self {
        Self {
            regions: REGION_BASES
                .map(|base| (base, vec![0; REGION_BYTES], 0))
                .into(),
        }
    }

    /// A piece of this length at an aligned address, at times right at the end of a region's page.
    pub(super) fn take(&mut self, random: &mut ChaCha8Rng, bytes: usize, alignment: usize) -> u64 {
        let first = random.random_range(0..self.regions.len());
        for offset in 0..self.regions.len() {
            let index = (first + offset) % self.regions.len();
            let (base, memory, used) = &mut self.regions[index];
            let gap = random.random_range(0..64) * 8;
            let start = (*used + gap).next_multiple_of(alignment.max(8));
            if start + bytes <= memory.len() {
                *used = start + bytes;
                return *base + start as u64;
            }
        }
        panic!("a scenario fits its host memory");
    }

    /// Fills a piece that has been taken.
    pub(super) fn fill(&mut self, address: u64, bytes: &[u8]) {
        let (base, memory, _) = self
            .regions
            .iter_mut()
            .find(|(base, memory, _)| address >= *base && address - *base < memory.len() as u64)
            .expect("the piece has been taken from a region");
        let start = (address - *base) as usize;
        memory[start..start + bytes.len()].copy_from_slice(bytes);
    }

    /// An address that nothing is mapped at.
    pub(super) fn unmapped(&self, random: &mut ChaCha8Rng) -> u64 {
        [0, 0x8000, 0x7_0000_0000, 0xffff_ffff_ffff_f000][random.random_range(0..4)]
    }

    fn memory(self) -> Memory {
        Memory::new(
            self.regions
                .into_iter()
                .map(|(base, bytes, _)| Region { base, bytes })
                .collect(),
        )
    }
}
