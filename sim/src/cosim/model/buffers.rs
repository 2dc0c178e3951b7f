//! What a pass has written to the scratchpad, and the ways to read it again: a program must not
//! depend on what was there before.
//!
//! ```text
//!  row b of the group at address + b * batch_stride
//!    |image row 0 .......|gap|image row 1 .......|gap| ...
//!     row_bytes           row_stride
//! ```

use super::super::random::Random;

/// Bytes that are there for each row of the group: an image, or one row of bytes.
#[derive(Clone, Copy, Debug)]
pub struct Buffer {
    pub address: u32,
    /// Zero if all rows of the group share one.
    pub batch_stride: u32,
    pub height: u32,
    pub row_stride: u32,
    pub row_bytes: u32,
    /// The part of the scratchpad that it lies in, for all rows of a full group.
    pub start: u32,
    pub end: u32,
}

/// A part of a buffer, as an instruction reads it.
#[derive(Clone, Copy, Debug)]
pub struct Image {
    pub address: u32,
    pub batch_stride: u32,
    pub height: u32,
    pub row_stride: u32,
    pub row_bytes: u32,
}

impl Image {
    /// Bytes from the first to the last that a group of so many rows reads.
    pub fn extent(&self, rows: u32) -> u64 {
        let row = |count: u32, stride: u32| u64::from(count - 1) * u64::from(stride);
        row(rows, self.batch_stride) + row(self.height, self.row_stride) + u64::from(self.row_bytes)
    }
}

impl Buffer {
    /// Bytes without a gap from the address on.
    pub fn run(&self) -> u32 {
        if self.height == 1 || self.row_stride != self.row_bytes {
            self.row_bytes
        } else {
            self.height * self.row_bytes
        }
    }

    /// Whether this part of the scratchpad has bytes of the buffer.
    pub fn meets(&self, start: u32, end: u32) -> bool {
        self.start < end && start < self.end
    }

    /// Some run of bytes, the same in each row of the group, or in all the first row's.
    pub fn bytes(&self, random: &mut Random) -> Image {
        let run = self.run();
        let skipped = match random.chance(60) {
            true => 0,
            false => random.size(0, (run - 1).min(20)),
        };
        Image {
            address: self.address + skipped,
            batch_stride: self.choose_batch_stride(random),
            height: 1,
            row_stride: 0,
            row_bytes: run - skipped,
        }
    }

    /// An image in the buffer: its own rows, or its bytes divided into rows as one likes.
    pub fn image(&self, random: &mut Random) -> Image {
        if self.height > 1 && (self.row_stride != self.row_bytes || random.chance(40)) {
            return self.rows(random);
        }
        let bytes = self.bytes(random);
        let run = bytes.row_bytes;
        let height = match random.chance(30) {
            true => 1,
            false => random.size(1, run.min(7)),
        };
        if height == 1 {
            let row_bytes = match random.chance(50) {
                true => run,
                false => random.size(1, run),
            };
            let row_stride = random.pick(&[0, row_bytes, 65_535, 33]);
            return Image {
                row_bytes,
                row_stride,
                ..bytes
            };
        }
        // Rows without gaps, with gaps, or with common bytes.
        let row_bytes = match random.chance(50) {
            true => run / height,
            false => random.size(1, run / height + (run - run / height) / 3),
        };
        let widest = (run - row_bytes) / (height - 1);
        let row_stride = match random.range(0, 3) {
            0 => widest,
            1 => random.size(0, widest),
            _ => row_bytes.min(widest),
        };
        Image {
            height,
            row_stride: row_stride.min(65_535),
            row_bytes,
            ..bytes
        }
    }

    fn rows(&self, random: &mut Random) -> Image {
        let first = random.size(0, self.height - 1).min(random.size(0, 3));
        let skipped = random.size(0, (self.row_bytes - 1).min(3));
        let rest = self.row_bytes - skipped;
        Image {
            address: self.address + first * self.row_stride + skipped,
            batch_stride: self.choose_batch_stride(random),
            height: match random.chance(70) {
                true => self.height - first,
                false => random.size(1, self.height - first),
            },
            row_stride: self.row_stride,
            row_bytes: match random.chance(70) {
                true => rest,
                false => random.size(1, rest),
            },
        }
    }

    fn choose_batch_stride(&self, random: &mut Random) -> u32 {
        match random.chance(8) {
            true => 0,
            false => self.batch_stride,
        }
    }
}
