//! Scratchpad: rows and activations, byte-addressed.
//!
//! A word is as wide as a vector of the array, and at least a beat of the bus. Requantization
//! writes Q bytes at a time and DMA 8, so the word is split into banks of Q bytes that are
//! written separately. Reads give the vector and the beat at an address; the reader takes what it
//! wants. One reader and one writer at a time: the sequencer sees to that.
//!
//! ```text
//!  requantize (Q bytes) --+                          +--> vector (R bytes)
//!                         +--> banks of Q bytes x W --+
//!  DMA        (8 bytes) --+                          +--> beat (8 bytes)
//! ```

use rust_hdl::prelude::*;

use crate::bits::{concatenate, index_bits, slice};

/// Scratchpad for vectors of `RW` bits and requantized groups of `QW` bits.
#[derive(LogicBlock, Default)]
pub struct Scratchpad<const RW: usize, const QW: usize> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Writes `beat_data` at `beat_address`. Goes before a group.
    pub beat_valid: Signal<In, Bit>,
    /// Byte address, a multiple of 8.
    pub beat_address: Signal<In, Bits<32>>,
    /// 8 bytes from DMA.
    pub beat_data: Signal<In, Bits<64>>,
    /// Writes `group_data` at `group_address`.
    pub group_valid: Signal<In, Bit>,
    /// Byte address, a multiple of Q.
    pub group_address: Signal<In, Bits<32>>,
    /// Q bytes from requantization.
    pub group_data: Signal<In, Bits<QW>>,
    /// Byte address to read.
    pub read_address: Signal<In, Bits<32>>,
    /// The R bytes at the address of two cycles ago (a multiple of R).
    pub vector: Signal<Out, Bits<RW>>,
    /// The 8 bytes at the address of two cycles ago (a multiple of 8).
    pub beat: Signal<Out, Bits<64>>,
    _memory: Vec<u8>,
    _fetched: Vec<u8>,
    _offset: usize,
}

impl<const RW: usize, const QW: usize> Scratchpad<RW, QW> {
    /// A scratchpad of this many bytes, a power of two.
    pub fn new(bytes: usize) -> Self {
        assert!(
            bytes.is_power_of_two() && RW.is_power_of_two() && QW.is_power_of_two() && QW <= 64
        );
        Self {
            _memory: vec![0; bytes],
            _fetched: vec![0; Self::WORD],
            ..Default::default()
        }
    }

    const WORD: usize = if RW > 64 { RW / 8 } else { 8 };

    /// The part of the fetched word of this many bytes in which the address lies.
    fn part(&self, bytes: usize) -> impl Iterator<Item = u64> {
        let start = self._offset / bytes * bytes;
        self._fetched[start..start + bytes]
            .iter()
            .copied()
            .map(u64::from)
    }

    fn write(&mut self, address: usize, bytes: usize, value: impl Fn(usize) -> u64) {
        let start = address % self._memory.len() / bytes * bytes;
        for byte in 0..bytes {
            self._memory[start + byte] = value(byte) as u8;
        }
    }
}

impl<const RW: usize, const QW: usize> Logic for Scratchpad<RW, QW> {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            self.vector.next = concatenate(8, self.part(RW / 8));
            self.beat.next = concatenate(8, self.part(8));
            let address = self.read_address.val().index() % self._memory.len();
            self._offset = address % Self::WORD;
            let start = address - self._offset;
            self._fetched
                .copy_from_slice(&self._memory[start..start + Self::WORD]);
            if self.beat_valid.val() {
                let data = self.beat_data.val();
                self.write(self.beat_address.val().index(), 8, |byte| {
                    slice(data, byte * 8, 8)
                });
            } else if self.group_valid.val() {
                let data = self.group_data.val();
                self.write(self.group_address.val().index(), QW / 8, |byte| {
                    slice(data, byte * 8, 8)
                });
            }
        }
    }

    fn connect(&mut self) {
        self.vector.connect();
        self.beat.connect();
    }

    fn hdl(&self) -> Verilog {
        let word = Self::WORD;
        let group = QW / 8;
        let banks = word / group;
        let words = self._memory.len() / word;
        let offset_bits = word.trailing_zeros() as usize;
        let top = offset_bits + index_bits(words) - 1;
        let mut declare = String::new();
        let mut clocked = String::new();
        for bank in 0..banks {
            let first = bank * group;
            let beat_chosen = if word > 8 {
                format!(
                    " && beat_address[{}:3] == {}'d{}",
                    offset_bits - 1,
                    offset_bits - 3,
                    first / 8
                )
            } else {
                String::new()
            };
            let group_chosen = if banks > 1 {
                let low = group.trailing_zeros() as usize;
                format!(
                    " && group_address[{}:{low}] == {}'d{bank}",
                    offset_bits - 1,
                    offset_bits - low
                )
            } else {
                String::new()
            };
            declare += &format!("reg [{QW}-1:0] bank{bank} [0:{}];\n", words - 1);
            clocked += &format!(
                "   if (write_beat ? 1'b1{beat_chosen} : group_valid{group_chosen}) bank{bank}[write_word] <= write_beat ? beat_data[{}+:{QW}] : group_data;\n   \
                 fetched[{}+:{QW}] <= bank{bank}[read_address[{top}:{offset_bits}]];\n",
                first % 8 * 8,
                first * 8
            );
        }
        let select = |name: &str, width: usize| {
            if width == word * 8 {
                format!("   {name} <= fetched;\n")
            } else {
                let low = (width / 8).trailing_zeros();
                format!(
                    "   {name} <= fetched[{{offset[{}:{low}], {}'d0}}+:{width}];\n",
                    offset_bits - 1,
                    low + 3
                )
            }
        };
        Verilog::Custom(format!(
            "\
{declare}reg [{word_bits}-1:0] fetched;
reg [{offset_bits}-1:0] offset;
wire write_beat = beat_valid;
wire [{top}-{offset_bits}:0] write_word = beat_valid ? beat_address[{top}:{offset_bits}] : group_address[{top}:{offset_bits}];

always @(posedge clock) begin
{clocked}   offset <= read_address[{offset_bits}-1:0];
{vector}{beat}end
",
            word_bits = word * 8,
            vector = select("vector", RW),
            beat = select("beat", 64),
        ))
    }
}
