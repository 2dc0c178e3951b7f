//! Where a computation puts its results, what it adds to them, and the weights and parameters that
//! they are made with.

use systole_regs::image::Parameter;
use systole_regs::instructions::{Compute, flag, opcode};

use super::buffers::{Buffer, Image};
use super::compute::Kernel;
use super::overlap::{Access, Space, Step};
use super::{ModelBuilder, numbers};

impl ModelBuilder<'_> {
    /// Completes a computation on an image and appends it; not if there is no place for it.
    pub(super) fn write_results(&mut self, kernel: Kernel, image: &Image) {
        let mut compute = kernel.compute;
        let second = match self.random.chance(35) {
            true => self.second(),
            false => None,
        };
        let extent = self.lay_out(&mut compute, second.as_ref());
        let total = if self.group_rows == 1 {
            extent
        } else {
            (self.group_rows - 1) * compute.output_batch_stride + extent
        };
        let start = u64::from(image.address);
        let mut reads = vec![(start, start + image.extent(self.group_rows))];
        if let Some(second) = &second {
            compute.flags |= flag::RESIDUAL;
            compute.second_address = second.address;
            reads.push((u64::from(second.start), u64::from(second.end)));
        }
        let in_place = second.filter(|second| {
            let apart = |&(start, end): &(u64, u64)| {
                u64::from(second.end) <= start || end <= u64::from(second.start)
            };
            reads[..1].iter().all(apart) && !self.is_kept(second.start, second.end)
        });
        let chosen = match in_place {
            Some(second) if self.random.chance(40) => Some(second.address),
            _ => self.place(total, &reads),
        };
        let Some(address) = chosen else {
            return;
        };
        compute.output_address = address;
        if compute.opcode != opcode::POOL {
            compute.weight_address = self.weights(kernel.tiles as usize);
        }
        self.number(&mut compute, kernel.terms);

        let mut accesses: Vec<Access> = reads
            .iter()
            .map(|(start, end)| Access::read(Space::Scratchpad, *start, end - start))
            .collect();
        accesses.push(Access::write(
            Space::Scratchpad,
            u64::from(address),
            u64::from(total),
        ));
        if kernel.tiles > 0 {
            let first = u64::from(compute.weight_address);
            let tiles = u64::from(kernel.tiles);
            accesses.push(Access::read(Space::Weights, first, tiles));
        }
        self.steps.push(Step {
            instruction: bytemuck::cast(compute),
            accesses,
        });
        self.overwrite(address, address + total);
        let buffer = self.results(&compute, address + total);
        self.buffers.push(buffer);
    }

    /// A buffer whose bytes can be added: each row of the group has its own.
    fn second(&mut self) -> Option<Buffer> {
        let buffer = self.pick_buffer();
        let own = self.group_rows == 1 || buffer.batch_stride >= buffer.run();
        own.then_some(buffer)
    }

    /// Chooses the strides of the results, which lie as those to add do. Returns the bytes from
    /// the first result of a row of the group to its last.
    fn lay_out(&mut self, compute: &mut Compute, second: Option<&Buffer>) -> u32 {
        if let Some(second) = second {
            // No more results than there are bytes.
            let run = second.run();
            let channels = u32::from(compute.channels).min(run);
            let width = u32::from(compute.output_width).min(run / channels);
            let height = u32::from(compute.output_height).min(run / channels / width);
            compute.channels = channels as u16;
            compute.output_width = width as u16;
            compute.output_height = height as u16;
        }
        let mut extent = self.strides(compute, true);
        if second.is_some_and(|second| extent > second.run()) {
            extent = self.strides(compute, false);
        }
        let random = &mut *self.random;
        compute.output_batch_stride = match second {
            _ if self.group_rows == 1 => random.pick(&[0, 1, extent, u32::MAX]),
            Some(second) => second.batch_stride,
            None => {
                let aligned = extent.next_multiple_of(8) - extent;
                extent + random.pick(&[0, 0, 1, 7, aligned, aligned + 8])
            }
        };
        extent
    }

    fn strides(&mut self, compute: &mut Compute, gaps: bool) -> u32 {
        let random = &mut *self.random;
        let channels = u32::from(compute.channels);
        let (height, width) = (
            u32::from(compute.output_height),
            u32::from(compute.output_width),
        );
        let many = height * width * self.group_rows > 200;
        let mut gap = || match gaps {
            true if many => random.pick(&[0, 0, 0, 1]),
            true => random.pick(&[0, 0, 0, 1, 3, 9]),
            false => 0,
        };
        let pixel = channels + gap();
        let line = (width - 1) * pixel + channels;
        let row = line + gap();
        // A stride that leads nowhere is free.
        let mut stride = |stride: u32, count: u32| match count {
            1 => random.pick(&[stride, stride, 0, 65_535]),
            _ => stride,
        };
        compute.output_pixel_stride = stride(pixel, width) as u16;
        compute.output_row_stride = stride(row, height) as u16;
        (height - 1) * row + line
    }

    /// What can be read of the results: all, or one pixel's if there are gaps between pixels.
    fn results(&mut self, compute: &Compute, end: u32) -> Buffer {
        let channels = u32::from(compute.channels);
        let (height, width) = (
            u32::from(compute.output_height),
            u32::from(compute.output_width),
        );
        let (row, pixel) = (
            u32::from(compute.output_row_stride),
            u32::from(compute.output_pixel_stride),
        );
        let whole = Buffer {
            address: compute.output_address,
            batch_stride: if self.group_rows == 1 {
                0
            } else {
                compute.output_batch_stride
            },
            height,
            row_stride: row,
            row_bytes: width * channels,
            start: compute.output_address,
            end,
        };
        if width == 1 || pixel == channels {
            return whole;
        }
        let (oy, ox) = (
            self.random.size(0, height - 1),
            self.random.size(0, width - 1),
        );
        Buffer {
            address: whole.address + oy * row + ox * pixel,
            height: 1,
            row_bytes: channels,
            ..whole
        }
    }

    /// The address of so many tiles: new ones of the image, or some that are there, streamed or
    /// not. What was streamed was streamed before in this pass.
    fn weights(&mut self, count: usize) -> u16 {
        let full = self.tiles + count > self.tiles_max() as usize;
        if self.tiles >= count && (full || self.random.chance(30)) {
            // Those that were streamed last are the last.
            let last = self.tiles - count;
            let any = self.random.range(0, last);
            return self.random.pick(&[last, any]) as u16;
        }
        let address = self.tiles + self.random.pick(&[0, 0, 0, 1]);
        self.tiles = address + count;
        address as u16
    }

    /// Parameters, zero points and clamps.
    fn number(&mut self, compute: &mut Compute, terms: u32) {
        let lanes = self.configuration.requantize_lanes;
        let random = &mut *self.random;
        (
            compute.output_zero_point,
            compute.clamp_minimum,
            compute.clamp_maximum,
        ) = numbers::output_range(random);
        let gap = random.pick(&[0, 0, 1]) * lanes;
        self.parameters
            .resize(self.parameters.len() + gap, Parameter::default());
        compute.parameter_address = self.parameters.len() as u16;
        // Products of random bytes are of about 5,000, and bytes alone of 74.
        let scale = if compute.opcode == opcode::POOL {
            74
        } else {
            5_000
        };
        let size = scale * terms.isqrt();
        for _ in 0..compute.channels {
            self.parameters.push(numbers::parameter(size, random));
        }
        self.parameters.resize(
            self.parameters.len().next_multiple_of(lanes),
            Parameter::default(),
        );
        if compute.flags & flag::RESIDUAL != 0 {
            (
                compute.sum_zero_point,
                compute.sum_minimum,
                compute.sum_maximum,
            ) = numbers::output_range(random);
            self.parameters.extend([
                numbers::operand(random),
                numbers::operand(random),
                numbers::total(random),
            ]);
            self.parameters.resize(
                self.parameters.len().next_multiple_of(lanes),
                Parameter::default(),
            );
        }
    }
}
