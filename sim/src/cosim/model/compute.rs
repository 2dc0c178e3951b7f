//! Random computations on a buffer: their shapes, at the edges of what an instruction may ask for
//! as often as in between, and cheap enough to simulate.

use systole_regs::instructions::{Compute, DEPTHWISE_STEPS_MAX, flag, opcode};

use super::buffers::Image;
use super::{ModelBuilder, WEIGHT_BYTES, numbers};

/// Row vectors that a computation may read, in a full group.
pub(super) const VECTORS_MAX: u32 = 1_200;
/// Cycles of requantization that it may cost.
const RESULTS_MAX: u32 = 1_200;

/// A window, and the weight tiles that it takes.
pub(super) struct Kernel {
    pub compute: Compute,
    /// Weight tiles of all channels.
    pub tiles: u32,
    /// Vectors that a pixel reads, about.
    pub vectors: u32,
    /// Products of a sum.
    pub terms: u32,
}

impl ModelBuilder<'_> {
    /// Appends a computation on one of the buffers.
    pub(super) fn compute(&mut self) {
        let source = self.pick_buffer();
        let image = source.image(self.random);
        let kernel = match self.random.range(0, 9) {
            0..5 => self.matrix(&image),
            5..8 => self.depthwise(&image),
            _ => self.pool(&image),
        };
        let mut compute = self.around(kernel.compute, &image);
        self.bound(&mut compute, kernel.vectors);
        let kernel = Kernel { compute, ..kernel };
        self.write_results(kernel, &image);
    }

    fn matrix(&mut self, image: &Image) -> Kernel {
        let (r, c) = (self.rows(), self.columns());
        let word = self.configuration.scratchpad_word_bytes() as u32;
        let most = self.tiles_max();
        let random = &mut *self.random;
        let kernel_height = match random.range(0, 9) {
            0..4 => 1,
            4 => random.pick(&[7, 255]),
            _ => random.size(2, 5),
        };
        let window_bytes = if kernel_height == 1 {
            let any = random.size(1, 40);
            random.pick(&[image.row_bytes, image.row_bytes, any, 1, r, 65_535])
        } else {
            let smallest = (r / 4).max(1);
            let mut window = image.row_stride % word;
            while window < smallest {
                window += word;
            }
            window + word * random.pick(&[0, 0, 0, 1, 2])
        };
        let whole = (kernel_height.min(8) * window_bytes).div_ceil(r);
        let input_tiles = match random.range(0, 5) {
            0 => random.size(1, whole.min(most)),
            1 => (whole + 1).min(most),
            _ => whole.min(most),
        };
        let blocks_max = (most / input_tiles).clamp(1, 3);
        let any = random.size(1, 3 * c);
        let channels = random.pick(&[1, c - 1, c, c, c + 1, 2 * c, 3 * c, any]);
        let channels = channels.clamp(1, blocks_max * c);
        let blocks = channels.div_ceil(c);
        let any = random.size(0, 2 * window_bytes.min(100));
        let column_step = random.pick(&[0, 1, any, any, window_bytes, r, 65_535]);
        let pad_left = random.size(0, window_bytes.min(60));
        let pad_left = random.pick(&[0, 0, pad_left, pad_left, 1, 65_535]);
        Kernel {
            compute: Compute {
                opcode: opcode::MATRIX,
                kernel_height: kernel_height as u8,
                window_bytes: window_bytes as u16,
                input_tiles: input_tiles as u16,
                channels: channels as u16,
                column_step: column_step as u16,
                pad_left: pad_left as u16,
                ..Compute::default()
            },
            tiles: blocks * input_tiles,
            vectors: blocks * input_tiles,
            terms: input_tiles * r,
        }
    }

    /// Channels of a computation channel by channel, and the bytes from column to column.
    fn channels(&mut self, image: &Image, blocks_max: u32) -> (u32, u32) {
        let r = self.rows();
        let random = &mut *self.random;
        let any = random.size(1, 2 * r + 1);
        let channels = random
            .pick(&[1, r - 1, r, r + 1, 2 * r, any, any, image.row_bytes])
            .clamp(1, blocks_max * r);
        let other = random.size(1, channels + 8);
        let column = random.pick(&[channels, channels, channels, other, 1, 65_535]);
        (channels, column)
    }

    fn depthwise(&mut self, image: &Image) -> Kernel {
        let largest = DEPTHWISE_STEPS_MAX as u32;
        let mut most = (self.tiles_max() / 3).clamp(1, largest);
        let bytes = DEPTHWISE_STEPS_MAX * self.configuration.tile_bytes();
        if bytes <= 2 * WEIGHT_BYTES && self.group_rows < 5 && self.random.chance(25) {
            most = largest;
        }
        let shared = self.random.chance(55);
        let shares = self.configuration.shared_columns as u32;
        let random = &mut *self.random;
        let mut kernel_height = random.pick(&[1, 1, 2, 3, 3, 4, 5, 64]).min(most);
        let (phases, columns) = if shared {
            let phases = random.pick(&[1, 1, 1, 2, 2, 3, 4, 64]).min(most);
            let all = shares * phases;
            let any = random.size(phases, all);
            (
                phases,
                random.pick(&[any, any, phases, all.min(2 * phases), all]),
            )
        } else {
            (0, random.pick(&[1, 2, 3, 3, 4, 5, 6, 64]).min(most))
        };
        let steps = if shared { phases } else { columns };
        kernel_height = kernel_height.min(most / steps).max(1);
        let (channels, column) = self.channels(image, (most / (steps * kernel_height)).clamp(1, 3));
        let blocks = channels.div_ceil(self.rows());
        let block_tiles = if shared {
            kernel_height * steps
        } else {
            (kernel_height * steps).div_ceil(self.configuration.tile_steps() as u32)
        };
        let (column_step, pad_left) = self.columns_apart(column);
        Kernel {
            compute: Compute {
                opcode: opcode::DEPTHWISE,
                kernel_height: kernel_height as u8,
                phases: phases as u8,
                window_bytes: column as u16,
                input_tiles: columns as u16,
                channels: channels as u16,
                column_step: if shared { 0 } else { column_step as u16 },
                pad_left: pad_left as u16,
                ..Compute::default()
            },
            tiles: blocks * block_tiles,
            vectors: blocks * kernel_height * columns,
            terms: kernel_height * columns,
        }
    }

    fn pool(&mut self, image: &Image) -> Kernel {
        let random = &mut *self.random;
        let any = (random.size(1, 5), random.size(1, 6));
        let (kernel_height, columns) = random.pick(&[
            (1, 1),
            (1, 1),
            any,
            any,
            any,
            any,
            (1, 256),
            (255, 1),
            (2, 2),
        ]);
        let most = VECTORS_MAX / self.group_rows;
        let (kernel_height, columns) = match kernel_height * columns <= most {
            true => (kernel_height, columns),
            false => (1, 2),
        };
        let maximum = random.chance(45);
        let blocks_max = (most / (kernel_height * columns)).clamp(1, 3);
        let (channels, column) = self.channels(image, blocks_max);
        let (column_step, pad_left) = self.columns_apart(column);
        let vectors = channels.div_ceil(self.rows()) * kernel_height * columns;
        Kernel {
            compute: Compute {
                opcode: opcode::POOL,
                flags: if maximum { flag::MAXIMUM } else { 0 },
                kernel_height: kernel_height as u8,
                window_bytes: column as u16,
                input_tiles: columns as u16,
                channels: channels as u16,
                column_step: column_step as u16,
                pad_left: pad_left as u16,
                ..Compute::default()
            },
            tiles: 0,
            vectors,
            terms: if maximum { 1 } else { kernel_height * columns },
        }
    }

    /// Bytes from pixel to pixel and to the left of the image, for columns so far apart.
    fn columns_apart(&mut self, column: u32) -> (u32, u32) {
        let random = &mut *self.random;
        let any = random.size(0, 100);
        let whole = column.min(200) * random.size(1, 3);
        let step = random.pick(&[column, column, whole, 0, any, 65_535]);
        let left = column.min(200) * random.size(0, 4);
        (step, random.pick(&[0, left, left, any, 65_535]))
    }

    /// Completes a kernel: the image, its surroundings and the number of pixels.
    fn around(&mut self, kernel: Compute, image: &Image) -> Compute {
        let random = &mut *self.random;
        let kernel_height = u32::from(kernel.kernel_height);
        let pad_top = random.size(0, kernel_height.min(5));
        let double = random.chance(50);
        let any = [random.size(1, 6), random.size(1, 6), random.size(1, 12)];
        let batch_stride = match self.group_rows == 1 && random.chance(10) {
            true => random.pick(&[0, 1, u32::MAX]),
            false => image.batch_stride,
        };
        Compute {
            flags: kernel.flags | if double { flag::DOUBLE_ROUNDING } else { 0 },
            pad_value: numbers::pad_value(random),
            input_address: image.address,
            input_batch_stride: batch_stride,
            input_height: image.height as u16,
            input_row_bytes: image.row_bytes as u16,
            input_row_stride: image.row_stride as u16,
            output_height: random.pick(&[1, any[0], any[0]]) as u16,
            output_width: random.pick(&[1, any[1], any[1], any[2]]) as u16,
            stride_y: random.pick(&[1, 1, 1, 2, 3, 0, 255]),
            pad_top: random.pick(&[0, 0, pad_top, pad_top, 255]) as u8,
            ..kernel
        }
    }

    /// Reduces the pixels until the computation is cheap.
    fn bound(&mut self, compute: &mut Compute, vectors: u32) {
        let lanes = self.configuration.requantize_lanes as u32;
        let results = u32::from(compute.channels).div_ceil(lanes);
        loop {
            let pixels = u32::from(compute.output_height) * u32::from(compute.output_width);
            let rows = pixels * self.group_rows;
            let small = rows * vectors <= VECTORS_MAX && rows * results <= RESULTS_MAX;
            if small || pixels == 1 {
                return;
            }
            if compute.output_height > compute.output_width {
                compute.output_height = compute.output_height.div_ceil(2);
            } else {
                compute.output_width = compute.output_width.div_ceil(2);
            }
        }
    }
}
