//! The table of what the client has mapped for DMA: which bus addresses are which bytes of which
//! shared file.
//!
//! ```text
//!  bus address space      table (ordered)              files, each mapped once
//!  |  page a  | --------> a: file 1, offset 0x1000 --> +--------+
//!  |  page b  | --------> b: file 1, offset 0x7000 --> | memfd 1|
//!  |          |                                        +--------+
//!  |  buffer  | --------> c: file 2, offset 0    ----> | memfd 2|
//! ```
//!
//! A guest with an IOMMU maps page by page, thousands of them in one file, and unmaps ranges that
//! were mapped in pieces. A file is mapped into this process once and shared by its segments, as
//! the kernel limits the number of mappings; it goes when its last segment goes.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, Weak};

use super::shared::SharedFile;
use crate::core::DmaError;

/// Directions that a mapping allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Directions {
    /// The device may read.
    pub read: bool,
    /// The device may write.
    pub write: bool,
}

/// Why a range cannot be mapped.
#[derive(Debug, thiserror::Error)]
pub enum MapError {
    /// The range is empty or goes beyond the 64-bit space.
    #[error("{bytes} bytes at bus address {address:#x} are no possible range")]
    Range {
        /// First bus address.
        address: u64,
        /// Length in bytes.
        bytes: u64,
    },
    /// The range overlaps one that is mapped differently.
    #[error("bus address {address:#x} is mapped already: unmap it first")]
    Overlap {
        /// First bus address of the mapping that is in the way.
        address: u64,
    },
    /// The file is shorter than the range says.
    #[error(
        "the file has {file_bytes} bytes, the mapping ends at {end}: make the file longer first"
    )]
    BeyondFile {
        /// Present length of the file in bytes.
        file_bytes: u64,
        /// End of the mapping in the file.
        end: u64,
    },
    /// The file cannot be mapped into this process.
    #[error("cannot map the file into the device process")]
    File(#[from] io::Error),
}

struct Segment {
    bytes: u64,
    file: Arc<SharedFile>,
    /// Offset of the segment in the file.
    offset: u64,
    directions: Directions,
}

/// Bus addresses to shared memory.
#[derive(Default)]
pub struct DmaTable {
    segments: BTreeMap<u64, Segment>,
    /// Files that are mapped, by device and inode.
    files: HashMap<(u64, u64), Weak<SharedFile>>,
}

impl DmaTable {
    /// Maps `bytes` bytes of `file` from `offset` on at bus address `address`. Mapping the same
    /// again changes nothing.
    ///
    /// # Errors
    /// [`MapError`]; the table is unchanged then.
    pub fn map(
        &mut self,
        address: u64,
        bytes: u64,
        file: &File,
        offset: u64,
        directions: Directions,
    ) -> Result<(), MapError> {
        let range_error = MapError::Range { address, bytes };
        let (Some(last), Some(file_end)) = (
            bytes.checked_sub(1).and_then(|b| address.checked_add(b)),
            offset.checked_add(bytes),
        ) else {
            return Err(range_error);
        };
        let file = self.share(file, file_end, directions.write)?;
        if let Some((&start, segment)) = self.segments.range(..=last).next_back()
            && start + (segment.bytes - 1) >= address
        {
            let same = start == address
                && segment.bytes == bytes
                && Arc::ptr_eq(&segment.file, &file)
                && segment.offset == offset
                && segment.directions == directions;
            return if same {
                Ok(())
            } else {
                Err(MapError::Overlap { address: start })
            };
        }
        self.segments.insert(
            address,
            Segment {
                bytes,
                file,
                offset,
                directions,
            },
        );
        Ok(())
    }

    /// The mapping of a file, made if there is none that reaches to `end` and can be written if
    /// `writable`.
    fn share(
        &mut self,
        file: &File,
        end: u64,
        writable: bool,
    ) -> Result<Arc<SharedFile>, MapError> {
        let metadata = file.metadata()?;
        if metadata.len() < end {
            return Err(MapError::BeyondFile {
                file_bytes: metadata.len(),
                end,
            });
        }
        let key = (metadata.dev(), metadata.ino());
        if let Some(shared) = self.files.get(&key).and_then(Weak::upgrade)
            && shared.len() as u64 >= end
            && (shared.writable() || !writable)
        {
            return Ok(shared);
        }
        let shared = Arc::new(SharedFile::map(file, writable)?);
        self.files.retain(|_, file| file.strong_count() > 0);
        self.files.insert(key, Arc::downgrade(&shared));
        Ok(shared)
    }

    /// Unmaps whatever is mapped in `[address, address + bytes)`, in as many pieces as it may be;
    /// segments that reach beyond are cut.
    pub fn unmap(&mut self, address: u64, bytes: u64) {
        let Some(last) = bytes.checked_sub(1).map(|b| address.saturating_add(b)) else {
            return;
        };
        while let Some(start) = self.last_overlap(address, last) {
            let Some(segment) = self.segments.remove(&start) else {
                break;
            };
            let segment_last = start + (segment.bytes - 1);
            if segment_last > last {
                let cut = last + 1 - start;
                self.segments.insert(
                    last + 1,
                    Segment {
                        bytes: segment.bytes - cut,
                        file: Arc::clone(&segment.file),
                        offset: segment.offset + cut,
                        directions: segment.directions,
                    },
                );
            }
            if start < address {
                self.segments.insert(
                    start,
                    Segment {
                        bytes: address - start,
                        ..segment
                    },
                );
            }
        }
    }

    /// Start of the last segment that shares a byte with `[first, last]`.
    fn last_overlap(&self, first: u64, last: u64) -> Option<u64> {
        let (&start, segment) = self.segments.range(..=last).next_back()?;
        (start + (segment.bytes - 1) >= first).then_some(start)
    }

    /// Unmaps everything.
    pub fn clear(&mut self) {
        self.segments.clear();
        self.files.clear();
    }

    /// Mapped segments.
    pub fn len(&self) -> usize {
        self.segments.len()
    }

    /// Whether nothing is mapped.
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// Reads host memory.
    ///
    /// # Errors
    /// [`DmaError`] if a byte is not mapped or not readable.
    pub fn read(&self, address: u64, data: &mut [u8]) -> Result<(), DmaError> {
        let mut done = 0;
        self.pieces(
            address,
            data.len(),
            |directions| directions.read,
            |segment, offset, bytes| {
                segment.file.read(offset, &mut data[done..done + bytes]);
                done += bytes;
            },
        )
    }

    /// Writes host memory, all of it or, on an error, none.
    ///
    /// # Errors
    /// [`DmaError`] if a byte is not mapped or not writable.
    pub fn write(&self, address: u64, data: &[u8]) -> Result<(), DmaError> {
        self.pieces(
            address,
            data.len(),
            |directions| directions.write,
            |_, _, _| {},
        )?;
        let mut done = 0;
        self.pieces(
            address,
            data.len(),
            |directions| directions.write,
            |segment, offset, bytes| {
                segment.file.write(offset, &data[done..done + bytes]);
                done += bytes;
            },
        )
    }

    /// Calls `visit` with segment, offset in its file and length, for each piece of a range.
    fn pieces(
        &self,
        address: u64,
        length: usize,
        allowed: impl Fn(Directions) -> bool,
        mut visit: impl FnMut(&Segment, usize, usize),
    ) -> Result<(), DmaError> {
        let mut at = address;
        let mut left = length as u64;
        while left > 0 {
            let unmapped = DmaError::Unmapped { address: at };
            let (&start, segment) = self.segments.range(..=at).next_back().ok_or(unmapped)?;
            let inside = at - start;
            if inside >= segment.bytes {
                return Err(unmapped);
            }
            if !allowed(segment.directions) {
                return Err(DmaError::Forbidden { address: at });
            }
            let bytes = left.min(segment.bytes - inside);
            // Both are within a file that is mapped into this process.
            visit(segment, (segment.offset + inside) as usize, bytes as usize);
            left -= bytes;
            if left > 0 {
                at = at.checked_add(bytes).ok_or(unmapped)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek, SeekFrom, Write};

    use nix::sys::memfd::{MFdFlags, memfd_create};

    use super::*;

    const BOTH: Directions = Directions {
        read: true,
        write: true,
    };

    fn memory(bytes: u64) -> File {
        let file = File::from(memfd_create(c"dma-test", MFdFlags::MFD_CLOEXEC).unwrap());
        file.set_len(bytes).unwrap();
        file
    }

    fn contents(mut file: &File) -> Vec<u8> {
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(0)).unwrap();
        file.read_to_end(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn pages_of_one_file_are_walked_and_the_file_is_mapped_once() {
        let file = memory(0x4000);
        let mut table = DmaTable::default();
        // Pages in reverse order, each with a descriptor of its own, as they arrive.
        for page in 0..4_u64 {
            let copy = file.try_clone().unwrap();
            table
                .map(
                    0x10_0000 + page * 0x1000,
                    0x1000,
                    &copy,
                    0x3000 - page * 0x1000,
                    BOTH,
                )
                .unwrap();
        }
        assert_eq!((table.len(), table.files.len()), (4, 1));
        let data: Vec<u8> = (0..0x2003).map(|i| (i * 7) as u8).collect();
        table.write(0x10_0ffd, &data).unwrap();
        let mut back = vec![0; data.len()];
        table.read(0x10_0ffd, &mut back).unwrap();
        assert_eq!(back, data);
        let bytes = contents(&file);
        assert_eq!(bytes[0x3ffd..], data[..3]);
        assert_eq!(bytes[0x2000..0x3000], data[3..0x1003]);
        assert_eq!(bytes[0x1000..0x2000], data[0x1003..0x2003]);
        assert_eq!(bytes[..0x1000], [0; 0x1000]);
    }

    #[test]
    fn every_alignment_and_length_copies_exactly() {
        let mut file = memory(0x1000);
        let original: Vec<u8> = (0..0x1000).map(|i| (i % 251) as u8).collect();
        file.write_all(&original).unwrap();
        let mut table = DmaTable::default();
        table.map(0, 0x1000, &file, 0, BOTH).unwrap();
        for start in 0..10_usize {
            for length in 0..30_usize {
                let mut data = vec![0; length];
                table.read(start as u64, &mut data).unwrap();
                assert_eq!(data, contents(&file)[start..start + length]);
                let mut expected = contents(&file);
                expected[start..start + length].fill(length as u8);
                table
                    .write(start as u64, &vec![length as u8; length])
                    .unwrap();
                assert_eq!(contents(&file), expected);
            }
        }
    }

    #[test]
    fn holes_are_errors_and_nothing_is_written() {
        let file = memory(0x3000);
        let mut table = DmaTable::default();
        table.map(0x1000, 0x1000, &file, 0, BOTH).unwrap();
        table.map(0x3000, 0x1000, &file, 0x1000, BOTH).unwrap();
        let mut data = [0; 16];
        assert_eq!(
            table.read(0xff8, &mut data),
            Err(DmaError::Unmapped { address: 0xff8 })
        );
        assert_eq!(
            table.read(0x1ff8, &mut data),
            Err(DmaError::Unmapped { address: 0x2000 })
        );
        assert_eq!(
            table.write(0x1ff8, &[9; 16]),
            Err(DmaError::Unmapped { address: 0x2000 })
        );
        assert_eq!(contents(&file), vec![0; 0x3000]);
        assert_eq!(
            table.read(u64::MAX, &mut data),
            Err(DmaError::Unmapped { address: u64::MAX })
        );
    }

    #[test]
    fn the_top_of_the_space_can_be_mapped() {
        let file = memory(0x1000);
        let mut table = DmaTable::default();
        let top = u64::MAX - 0xfff;
        table.map(top, 0x1000, &file, 0, BOTH).unwrap();
        table.write(u64::MAX - 7, &[1; 8]).unwrap();
        assert!(matches!(
            table.write(u64::MAX - 7, &[1; 9]),
            Err(DmaError::Unmapped { .. })
        ));
        table.unmap(0, u64::MAX);
        table.unmap(u64::MAX, 1);
        assert!(table.is_empty());
    }

    #[test]
    fn directions_are_kept() {
        let file = memory(0x2000);
        let mut table = DmaTable::default();
        table
            .map(
                0,
                0x1000,
                &file,
                0,
                Directions {
                    read: true,
                    write: false,
                },
            )
            .unwrap();
        table
            .map(
                0x1000,
                0x1000,
                &file,
                0x1000,
                Directions {
                    read: false,
                    write: true,
                },
            )
            .unwrap();
        let mut data = [0; 8];
        assert_eq!(
            table.write(0xff8, &[0; 16]),
            Err(DmaError::Forbidden { address: 0xff8 })
        );
        table.write(0x1000, &[1; 8]).unwrap();
        assert_eq!(
            table.read(0x1000, &mut data),
            Err(DmaError::Forbidden { address: 0x1000 })
        );
        table.read(0, &mut data).unwrap();
    }

    #[test]
    fn unmapping_covers_pieces_and_cuts_segments() {
        let file = memory(0x8000);
        let mut table = DmaTable::default();
        table.map(0, 0x2000, &file, 0, BOTH).unwrap();
        table.map(0x2000, 0x1000, &file, 0x2000, BOTH).unwrap();
        table.map(0x4000, 0x4000, &file, 0x4000, BOTH).unwrap();
        table.unmap(0x1000, 0x4000);
        let mut byte = [0];
        for (address, mapped) in [
            (0xfff, true),
            (0x1000, false),
            (0x2fff, false),
            (0x4fff, false),
            (0x5000, true),
        ] {
            assert_eq!(
                table.read(address, &mut byte).is_ok(),
                mapped,
                "{address:#x}"
            );
        }
        // The cut segment still shows its own bytes.
        table.write(0x5000, &[0x77]).unwrap();
        assert_eq!(contents(&file)[0x5000], 0x77);
        // A hole in the middle of one.
        table.unmap(0x6000, 0x1000);
        assert!(table.read(0x5fff, &mut byte).is_ok() && table.read(0x7000, &mut byte).is_ok());
        assert!(table.read(0x6800, &mut byte).is_err());
        table.unmap(0x100, 0);
        table.clear();
        assert!(table.is_empty());
    }

    #[test]
    fn impossible_mappings_are_refused() {
        let file = memory(0x1000);
        let mut table = DmaTable::default();
        let mut map = |address, bytes, offset| table.map(address, bytes, &file, offset, BOTH);
        assert!(matches!(map(0, 0, 0), Err(MapError::Range { .. })));
        assert!(matches!(map(u64::MAX, 2, 0), Err(MapError::Range { .. })));
        assert!(matches!(map(0, 2, u64::MAX), Err(MapError::Range { .. })));
        assert!(matches!(
            map(0, 0x1001, 0),
            Err(MapError::BeyondFile { .. })
        ));
        map(0x1000, 0x1000, 0).unwrap();
        map(0x1000, 0x1000, 0).unwrap();
        assert!(matches!(
            map(0x1800, 0x800, 0x800),
            Err(MapError::Overlap { address: 0x1000 })
        ));
        assert!(matches!(
            map(0x0, 0x1001, 0),
            Err(MapError::BeyondFile { .. })
        ));
        assert!(matches!(
            map(0x800, 0x1000, 0),
            Err(MapError::Overlap { .. })
        ));
        assert_eq!(table.len(), 1);
    }

    #[test]
    fn a_file_that_grew_is_mapped_again_and_old_segments_stay() {
        let file = memory(0x1000);
        let mut table = DmaTable::default();
        table.map(0, 0x1000, &file, 0, BOTH).unwrap();
        file.set_len(0x3000).unwrap();
        table.map(0x2000, 0x1000, &file, 0x2000, BOTH).unwrap();
        table.write(0xff8, &[5; 8]).unwrap();
        table.write(0x2ff8, &[6; 8]).unwrap();
        let bytes = contents(&file);
        assert_eq!((bytes[0xfff], bytes[0x2fff]), (5, 6));
    }
}
