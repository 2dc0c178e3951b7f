//! A file of the client, mapped into this process. The client and its peers change the memory at
//! any time, so no reference to it is ever made: copies go through volatile accesses, whole
//! 64-bit words wherever alignment allows, in rising order, as a PCIe device's writes arrive.

use std::fs::File;
use std::io;
use std::sync::atomic::{Ordering, fence};

use memmap2::{MmapOptions, MmapRaw};

const WORD: usize = size_of::<u64>();

/// A whole shared file, mapped once for all mappings that lie in it.
pub struct SharedFile {
    map: MmapRaw,
    writable: bool,
}

impl SharedFile {
    /// Maps the file from its start to its present end.
    ///
    /// # Errors
    /// That of `mmap`: among others, the descriptor does not allow the access, or the file is
    /// empty. A client that shrinks the file afterwards kills this process by SIGBUS; that is the
    /// nature of shared memory.
    pub fn map(file: &File, writable: bool) -> io::Result<Self> {
        let options = MmapOptions::new();
        // A client may share memory that it lets nobody write.
        let map = if writable {
            options.map_raw(file)?
        } else {
            options.map_raw_read_only(file)?
        };
        Ok(SharedFile { map, writable })
    }

    /// Bytes of the mapping.
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// Whether it can be written.
    pub fn writable(&self) -> bool {
        self.writable
    }

    /// Copies `[offset, offset + data.len())` out. The caller has checked the range; a range
    /// beyond the mapping is a broken invariant.
    pub fn read(&self, offset: usize, data: &mut [u8]) {
        assert!(
            self.contains(offset, data.len()),
            "the DMA table keeps ranges inside their file"
        );
        // What is read here was written before whatever told the device to read it.
        fence(Ordering::Acquire);
        let mut done = 0;
        while done < data.len() {
            let at = offset + done;
            if at.is_multiple_of(WORD) && data.len() - done >= WORD {
                data[done..done + WORD].copy_from_slice(&self.load_word(at).to_ne_bytes());
                done += WORD;
            } else {
                data[done] = self.load_byte(at);
                done += 1;
            }
        }
    }

    /// Copies `data` to `[offset, offset + data.len())`. The caller has checked that the range is
    /// inside and the mapping writable.
    pub fn write(&self, offset: usize, data: &[u8]) {
        assert!(
            self.writable && self.contains(offset, data.len()),
            "the DMA table keeps ranges inside their file"
        );
        // Earlier writes become visible first: a completion follows the rows it speaks of.
        fence(Ordering::Release);
        let mut done = 0;
        while done < data.len() {
            let at = offset + done;
            if at.is_multiple_of(WORD) && data.len() - done >= WORD {
                let mut word = [0; WORD];
                word.copy_from_slice(&data[done..done + WORD]);
                // Between the words of one write too: the phase of a completion is in its last.
                fence(Ordering::Release);
                self.store_word(at, u64::from_ne_bytes(word));
                done += WORD;
            } else {
                self.store_byte(at, data[done]);
                done += 1;
            }
        }
    }

    fn contains(&self, offset: usize, length: usize) -> bool {
        offset
            .checked_add(length)
            .is_some_and(|end| end <= self.map.len())
    }

    fn load_word(&self, at: usize) -> u64 {
        // SAFETY: `read` checked that the word is inside the mapping; the mapping begins on a page
        // and `at` is a multiple of 8, so it is aligned. The memory is mapped as long as `self`.
        unsafe { self.map.as_ptr().add(at).cast::<u64>().read_volatile() }
    }

    fn load_byte(&self, at: usize) -> u8 {
        // SAFETY: `read` checked that the byte is inside the mapping.
        unsafe { self.map.as_ptr().add(at).read_volatile() }
    }

    fn store_word(&self, at: usize, value: u64) {
        // SAFETY: `write` checked that the word is inside a writable mapping; the mapping begins on
        // a page and `at` is a multiple of 8, so it is aligned.
        unsafe {
            self.map
                .as_mut_ptr()
                .add(at)
                .cast::<u64>()
                .write_volatile(value)
        }
    }

    fn store_byte(&self, at: usize, value: u8) {
        // SAFETY: `write` checked that the byte is inside a writable mapping.
        unsafe { self.map.as_mut_ptr().add(at).write_volatile(value) }
    }
}
