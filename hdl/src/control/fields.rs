//! Where the fields of entries and instructions are, as constants for the kernels, taken from
//! the register description.

use rust_hdl::prelude::*;
use systole_regs::Field;

use crate::fixed::Fixed;

/// Position of a field in the 64-bit word in which the kernel looks for it.
///
/// # Panics
/// If the field is in another word: the kernel and the register description disagree.
pub fn bit_in_word(field: Field, word: usize) -> Fixed<Bits<6>> {
    assert_eq!(
        field.word(),
        word,
        "{} has moved to another word",
        field.name
    );
    Fixed::new((field.bit() as u64).into())
}

/// For each of the eight words of a 64-byte structure, the bits that the named fields cover.
pub fn mask_of(fields: &[Field]) -> [u64; 8] {
    let mut mask = [0_u64; 8];
    for field in fields {
        for byte in field.offset..field.offset + field.bytes {
            mask[byte / 8] |= 0xff << (byte % 8 * 8);
        }
    }
    mask
}

/// Bits that must have a fixed value: all but those of the named free fields. Fields that have
/// a value other than zero are given as a structure.
pub struct Shape {
    /// Bits that are fixed.
    pub mask: [Fixed<Bits<64>>; 8],
    /// Their values.
    pub value: [Fixed<Bits<64>>; 8],
}

impl Shape {
    /// Everything but `free` must be as in `fixed` (64 bytes).
    pub fn new(free: &[Field], fixed: &[u8]) -> Self {
        assert_eq!(fixed.len(), 64);
        let free = mask_of(free);
        let word = |index: usize| {
            (0..8).fold(0_u64, |sum, byte| {
                sum | (u64::from(fixed[index * 8 + byte]) << (8 * byte))
            })
        };
        Self {
            mask: std::array::from_fn(|index| Fixed::new((!free[index]).into())),
            value: std::array::from_fn(|index| Fixed::new((word(index) & !free[index]).into())),
        }
    }
}
