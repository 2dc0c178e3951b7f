//! Bytes copied in and out of shared memory, by volatile accesses of aligned words.

/// Bytes of the words that memory is copied in. An aligned word is read and written as a whole,
/// so a 64-bit field that the device writes is never seen half written.
const WORD: usize = size_of::<u64>();

/// Copies `data` to shared memory.
///
/// # Safety
/// `target` is valid for writes of `data.len()` bytes, which no reference covers.
pub(super) unsafe fn copy_in(data: &[u8], mut target: *mut u8) {
    let (head, rest) = data.split_at(target.align_offset(WORD).min(data.len()));
    let (words, tail) = rest.as_chunks::<WORD>();
    for &byte in head {
        // SAFETY: one of the `data.len()` bytes that the caller vouches for.
        unsafe { target.write_volatile(byte) };
        target = target.wrapping_add(1);
    }
    for &word in words {
        // SAFETY: as above, and aligned, because the head ended at a multiple of the word size.
        unsafe {
            target
                .cast::<u64>()
                .write_volatile(u64::from_ne_bytes(word))
        };
        target = target.wrapping_add(WORD);
    }
    for &byte in tail {
        // SAFETY: one of the `data.len()` bytes that the caller vouches for.
        unsafe { target.write_volatile(byte) };
        target = target.wrapping_add(1);
    }
}

/// Copies shared memory to `data`.
///
/// # Safety
/// `source` is valid for reads of `data.len()` bytes and does not overlap `data`.
pub(super) unsafe fn copy_out(mut source: *const u8, data: &mut [u8]) {
    let (head, rest) = data.split_at_mut(source.align_offset(WORD).min(data.len()));
    let (words, tail) = rest.as_chunks_mut::<WORD>();
    for byte in head {
        // SAFETY: one of the `data.len()` bytes that the caller vouches for.
        *byte = unsafe { source.read_volatile() };
        source = source.wrapping_add(1);
    }
    for word in words {
        // SAFETY: as above, and aligned, because the head ended at a multiple of the word size.
        *word = unsafe { source.cast::<u64>().read_volatile() }.to_ne_bytes();
        source = source.wrapping_add(WORD);
    }
    for byte in tail {
        // SAFETY: one of the `data.len()` bytes that the caller vouches for.
        *byte = unsafe { source.read_volatile() };
        source = source.wrapping_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that are not copied.
    const UNTOUCHED: u8 = 0xee;

    #[test]
    fn bytes_are_copied_at_every_alignment() {
        let data: Vec<u8> = (1..=40).collect();
        for offset in 0..9 {
            for length in 0..=data.len() {
                let mut memory = vec![UNTOUCHED; 64];
                let target = memory.as_mut_ptr().wrapping_add(offset);
                // SAFETY: 9 + 40 bytes fit the memory, and no reference to it is in use.
                unsafe { copy_in(&data[..length], target) };
                let mut copy = vec![0; length];
                // SAFETY: as above; the copy is another allocation.
                unsafe { copy_out(target, &mut copy) };
                assert_eq!(copy, data[..length], "{length} bytes at {offset}");
                let (before, rest) = memory.split_at(offset);
                let (copied, after) = rest.split_at(length);
                assert_eq!(copied, &data[..length]);
                assert!(before.iter().chain(after).all(|&byte| byte == UNTOUCHED));
            }
        }
    }
}
