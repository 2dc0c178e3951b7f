//! Where a case puts things in host memory.

use super::memory::{Memory, Region};
use super::random::Random;

/// Bytes at the end of each region that nothing valid lies in: accesses that run out of the
/// region begin here.
pub(super) const TAIL_BYTES: usize = 4096;

/// Random bytes, repeated: a stray write shows, and filling memory doesn't take longer than a case.
fn pattern(bytes: &mut [u8], random: &mut Random) {
    let (first, rest) = bytes.split_at_mut(TAIL_BYTES.min(bytes.len()));
    random.fill(first);
    for chunk in rest.chunks_mut(first.len()) {
        chunk.copy_from_slice(&first[..chunk.len()]);
    }
}

/// Hands out host memory, from a region below 4 GiB and one above.
pub(super) struct Layout {
    regions: Vec<Region>,
    next: Vec<usize>,
}

impl Layout {
    pub fn new(random: &mut Random) -> Self {
        let low = 0x1000 * random.range(0, 0xf_fff) as u64;
        let high = match random.range(0, 3) {
            // A region that crosses 4 GiB.
            0 => 0xffff_8000,
            1 => u64::MAX - 0xf_ffff,
            _ => (random.wide() & 0x00ff_ffff_ffff_f000) | 1 << 40,
        };
        let regions: Vec<Region> = [(low, 48 * 1024), (high, 192 * 1024)]
            .into_iter()
            .map(|(base, bytes)| {
                let mut region = Region {
                    base,
                    bytes: vec![0; bytes],
                };
                pattern(&mut region.bytes, random);
                region
            })
            .collect();
        Layout {
            next: vec![0; regions.len()],
            regions,
        }
    }

    /// A place for `bytes` bytes at a multiple of `alignment`.
    pub fn allocate(&mut self, bytes: usize, alignment: usize, random: &mut Random) -> u64 {
        let gap = 8 * random.range(0, 4);
        let preferred = usize::from(random.chance(70));
        for index in [preferred, 1] {
            let start = (self.next[index] + gap).next_multiple_of(alignment);
            let region = &self.regions[index];
            if start + bytes + TAIL_BYTES <= region.bytes.len() {
                self.next[index] = start + bytes;
                return region.base + start as u64;
            }
        }
        panic!("a case fits its memory: its commands are limited by their cost in cycles");
    }

    /// An address from which at least one of the next `bytes` bytes is not mapped: beyond a
    /// region, or shortly before its end. `bytes` is at most [`TAIL_BYTES`].
    pub fn unmapped(&self, bytes: usize, random: &mut Random) -> u64 {
        let region = &self.regions[random.range(0, 1)];
        let end = region.base.wrapping_add(region.bytes.len() as u64);
        let words = bytes.div_ceil(8);
        match random.range(0, 2) {
            0 => end,
            1 => end.wrapping_sub(8 * random.range(0, words - 1) as u64),
            _ => 0x7700_0000_0000_0000 | u64::from(random.word() & !7),
        }
    }

    pub fn bytes_mut(&mut self, address: u64, bytes: usize) -> &mut [u8] {
        for region in &mut self.regions {
            if let Some(start) = address.checked_sub(region.base).map(|start| start as usize)
                && start + bytes <= region.bytes.len()
            {
                return &mut region.bytes[start..start + bytes];
            }
        }
        panic!("only what was allocated is written");
    }

    pub fn finish(self) -> Memory {
        Memory::new(self.regions)
    }
}
