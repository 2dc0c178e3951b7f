//! Memory that the device reaches over the link: this process reads and writes it for the device.
//!
//! ```text
//!  READ, WRITE frames --> [ IOVA -> memory ] <-- map_dma, unmap_dma
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use systole_regs::link::WRITE_BEAT_BYTES;

use crate::Iova;
use crate::memory::{SharedMemory, write_barrier};

/// Bytes of a beat.
const BEAT_BYTES: usize = 8;

/// The device's address is not mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unmapped;

/// What is mapped for the device.
#[derive(Default)]
pub(super) struct Mappings {
    by_address: BTreeMap<u64, Arc<SharedMemory>>,
}

impl Mappings {
    /// Maps memory.
    pub fn insert(&mut self, iova: Iova, memory: Arc<SharedMemory>) {
        self.by_address.insert(iova.0, memory);
    }

    /// Ends a mapping.
    pub fn remove(&mut self, iova: Iova) {
        self.by_address.remove(&iova.0);
    }

    /// The memory that holds all of these bytes, and where in it they begin.
    fn find(&self, address: u64, bytes: usize) -> Result<(&SharedMemory, usize), Unmapped> {
        let (&start, memory) = self
            .by_address
            .range(..=address)
            .next_back()
            .ok_or(Unmapped)?;
        let offset = usize::try_from(address - start).map_err(|_| Unmapped)?;
        let end = offset.checked_add(bytes).ok_or(Unmapped)?;
        if end > memory.len() {
            return Err(Unmapped);
        }
        Ok((memory, offset))
    }

    /// Reads for the device.
    ///
    /// # Errors
    /// If any of the bytes is not mapped.
    pub fn read(&self, address: u64, beats: usize) -> Result<Vec<u8>, Unmapped> {
        let mut data = vec![0; beats * BEAT_BYTES];
        let (memory, offset) = self.find(address, data.len())?;
        memory.read(offset, &mut data).map_err(|_| Unmapped)?;
        Ok(data)
    }

    /// Writes for the device: of each beat the bytes whose strobes are set, in order.
    ///
    /// # Errors
    /// If any of the bytes is not mapped; nothing is written then.
    pub fn write(&self, address: u64, beats: &[u8]) -> Result<(), Unmapped> {
        let (beats, _) = beats.as_chunks::<WRITE_BEAT_BYTES>();
        let places = || {
            beats.iter().enumerate().flat_map(move |(index, beat)| {
                let at = address.wrapping_add((index * BEAT_BYTES) as u64);
                pieces(beat).map(move |(first, data)| (at.wrapping_add(first as u64), data))
            })
        };
        for (at, data) in places() {
            self.find(at, data.len())?;
        }
        for (at, data) in places() {
            let (memory, offset) = self.find(at, data.len())?;
            // Each word is there before the next: the phase bit comes after what it announces.
            write_barrier();
            memory.write(offset, data).map_err(|_| Unmapped)?;
        }
        write_barrier();
        Ok(())
    }
}

/// The contiguous pieces of a beat whose strobes are set: offset and bytes.
fn pieces(beat: &[u8; WRITE_BEAT_BYTES]) -> impl Iterator<Item = (usize, &[u8])> {
    let [strobes, data @ ..] = beat;
    let is_set = move |index: usize| strobes >> index & 1 == 1;
    (0..BEAT_BYTES)
        .filter(move |&index| is_set(index) && (index == 0 || !is_set(index - 1)))
        .map(move |first| {
            let end = (first..BEAT_BYTES)
                .find(|&index| !is_set(index))
                .unwrap_or(BEAT_BYTES);
            (first, &data[first..end])
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::memory::page_bytes;

    const BASE: u64 = 1 << 32;

    fn mapped(pages: usize) -> Mappings {
        let mut mappings = Mappings::default();
        let memory = SharedMemory::allocate(pages * page_bytes()).unwrap();
        mappings.insert(Iova(BASE), Arc::new(memory));
        mappings
    }

    #[test]
    fn what_is_not_mapped_is_refused_whole() {
        let mut mappings = mapped(1);
        let end = BASE + page_bytes() as u64;
        assert_eq!(mappings.read(BASE - 8, 1), Err(Unmapped));
        assert_eq!(mappings.read(end - 8, 2), Err(Unmapped));
        assert_eq!(mappings.read(u64::MAX - 7, 2), Err(Unmapped));
        assert_eq!(mappings.read(end - 8, 1), Ok(vec![0; 8]));
        let beats = [[0xff; 9], [0xff; 9]].concat();
        assert_eq!(mappings.write(end - 8, &beats), Err(Unmapped));
        assert_eq!(mappings.read(end - 8, 1), Ok(vec![0; 8]));
        mappings.remove(Iova(BASE));
        assert_eq!(mappings.read(BASE, 1), Err(Unmapped));
    }

    proptest! {
        #[test]
        fn strobed_bytes_are_written_and_no_others(
            beats in prop::collection::vec(any::<[u8; 9]>(), 1..8),
            word in 0..100u64,
        ) {
            let mappings = mapped(1);
            let address = BASE + word * 8;
            mappings.write(address, &beats.concat()).unwrap();
            let expected: Vec<u8> = beats
                .iter()
                .flat_map(|beat| {
                    (0..8).map(|index| if beat[0] >> index & 1 == 1 { beat[index + 1] } else { 0 })
                })
                .collect();
            prop_assert_eq!(mappings.read(address, beats.len()).unwrap(), expected);
        }
    }
}
