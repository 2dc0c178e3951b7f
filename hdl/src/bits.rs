//! Conversions between RustHDL's bit vectors and Rust's numbers and bytes, for the simulation
//! halves of hand-written leaves.

use rust_hdl::prelude::*;

/// The value of up to 64 bits as an unsigned number.
pub fn to_unsigned<const N: usize>(value: Bits<N>) -> u64 {
    (0..N.min(64)).fold(0, |sum, index| {
        sum | (u64::from(value.get_bit(index)) << index)
    })
}

/// The value of up to 64 bits as a two's complement number. (RustHDL's own `signed_bit_cast`
/// overflows the stack on the least value.)
pub fn to_signed<const N: usize>(value: Bits<N>) -> i64 {
    let shift = 64 - N.min(64);
    ((to_unsigned(value) << shift) as i64) >> shift
}

/// The low `N` bits of a number, N up to 64.
pub fn from_unsigned<const N: usize>(value: u64) -> Bits<N> {
    let mask = if N >= 64 { u64::MAX } else { (1 << N) - 1 };
    (value & mask).into()
}

/// The low `N` bits of a two's complement number, N up to 64.
pub fn from_signed<const N: usize>(value: i64) -> Bits<N> {
    from_unsigned(value as u64)
}

/// `width` bits of a vector from bit `low` on, as a number; `width` up to 64.
pub fn slice<const N: usize>(value: Bits<N>, low: usize, width: usize) -> u64 {
    (0..width).fold(0, |sum, index| {
        sum | (u64::from(value.get_bit(low + index)) << index)
    })
}

/// A vector from parts of `width` bits each, lowest first.
pub fn concatenate<const N: usize>(width: usize, parts: impl IntoIterator<Item = u64>) -> Bits<N> {
    let mut bits = [false; N];
    for (part, value) in parts.into_iter().enumerate() {
        for index in 0..width {
            bits[part * width + index] = (value >> index) & 1 == 1;
        }
    }
    from_bools(bits)
}

fn from_bools<const N: usize>(bits: [bool; N]) -> Bits<N> {
    if N <= 32 {
        let value = bits
            .iter()
            .enumerate()
            .fold(0_u64, |sum, (index, bit)| sum | (u64::from(*bit) << index));
        value.into()
    } else {
        Bits::Long(bits.into())
    }
}

/// Bits that count 0 to `count - 1`, at least one.
pub const fn index_bits(count: usize) -> usize {
    let bits = count.next_power_of_two().trailing_zeros() as usize;
    if bits == 0 { 1 } else { bits }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signed_values_survive_the_corners() {
        for value in [-128_i64, -1, 0, 1, 127] {
            assert_eq!(to_signed(from_signed::<8>(value)), value);
        }
        assert_eq!(
            to_signed(from_signed::<32>(i64::from(i32::MIN))),
            i64::from(i32::MIN)
        );
        assert_eq!(to_signed(from_signed::<64>(i64::MIN)), i64::MIN);
    }

    #[test]
    fn parts_are_found_where_they_were_put() {
        let vector = concatenate::<40>(8, [1, 2, 3, 4, 0xff]);
        assert_eq!(slice(vector, 32, 8), 0xff);
        assert_eq!(slice(vector, 8, 16), 0x0302);
    }
}
