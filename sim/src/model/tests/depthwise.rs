//! DEPTHWISE and POOL against straightforward code, and the two modes of DEPTHWISE against each
//! other.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use systole_regs::configuration::{ECP5_85F, SMALL};
use systole_regs::instructions::flag;

use super::machine::{Machine, random};
use super::matrix::requantize;
use super::*;

/// An image and a kernel of random size; the step from pixel to pixel in columns is separate.
fn shape(channels: u16, random: &mut ChaCha8Rng) -> Compute {
    let width = random.random_range(1..=7);
    let row_bytes = width * channels;
    let row_stride = row_bytes + random.random_range(0..=9);
    let height = random.random_range(1..=6);
    Compute {
        flags: random.random_range(0..=1) * flag::DOUBLE_ROUNDING,
        pad_value: random.random(),
        kernel_height: random.random_range(1..=5),
        input_address: random.random_range(0..50),
        input_batch_stride: u32::from(height * row_stride) + random.random_range(0..5),
        input_height: height,
        input_row_bytes: row_bytes,
        input_row_stride: row_stride,
        window_bytes: channels,
        pad_left: channels * random.random_range(0..=4),
        output_height: random.random_range(1..=4),
        output_width: random.random_range(1..=5),
        channels,
        input_tiles: random.random_range(1..=6),
        stride_y: random.random_range(0..=3),
        pad_top: random.random_range(0..=4),
        output_zero_point: random.random(),
        clamp_minimum: -127,
        clamp_maximum: 120,
        ..depthwise()
    }
}

/// The value under row `ky` and column `kx` of the kernel, pixels `step` columns apart.
fn value(machine: &Machine, i: &Compute, step: usize, at: [usize; 4], ky: usize, kx: usize) -> i8 {
    let [b, oy, ox, channel] = at;
    let pixel = i64::from(i.window_bytes);
    let y = (oy * usize::from(i.stride_y) + ky) as i64 - i64::from(i.pad_top);
    let x = (ox * step + kx) as i64 - i64::from(i.pad_left) / pixel;
    let width = i64::from(i.input_row_bytes) / pixel;
    if (0..i64::from(i.input_height)).contains(&y) && (0..width).contains(&x) {
        let start = i.input_address as usize + b * i.input_batch_stride as usize;
        let inside = y as usize * usize::from(i.input_row_stride) + x as usize * pixel as usize;
        machine.memories.scratchpad[start + inside + channel]
    } else {
        i.pad_value
    }
}

fn weight(channel: usize, ky: usize, kx: usize) -> i8 {
    (((channel * 77 + ky * 131 + kx * 29 + 5) * 2_654_435_761) >> 9) as u8 as i8
}

/// Writes the weights for either mode.
fn place_weights(machine: &mut Machine, i: &Compute) {
    let (r, c) = (machine.configuration.rows, machine.configuration.columns);
    let (height, width) = (usize::from(i.kernel_height), usize::from(i.input_tiles));
    let phases = usize::from(i.phases);
    let first = usize::from(i.weight_address);
    for channel in 0..usize::from(i.channels) {
        let (g, lane) = (channel / r, channel % r);
        for ky in 0..height {
            for kx in 0..width {
                let (tile, byte) = if phases == 0 {
                    let (shared, step) = (c.min(8), ky * width + kx);
                    let tile = g * (height * width).div_ceil(shared) + step / shared;
                    (tile, lane * c + step % shared)
                } else {
                    let tile = (g * height + ky) * phases + kx % phases;
                    (tile, lane * c + kx / phases)
                };
                *machine.weight(first + tile, byte) = weight(channel, ky, kx);
            }
        }
    }
}

fn sum(i: &Compute, mut term: impl FnMut(usize, usize) -> i64) -> i64 {
    let mut sum = 0;
    for ky in 0..usize::from(i.kernel_height) {
        for kx in 0..usize::from(i.input_tiles) {
            sum += term(ky, kx);
        }
    }
    sum
}

/// Runs one shape in direct mode, and in shared mode where it is possible.
fn depthwise_convolution(configuration: Configuration, seed: u64) {
    let random = &mut random(seed);
    let rows = random.random_range(1..=3);
    let channels = random.random_range(1..=2 * configuration.rows as u16 + 1);
    let mut machine = Machine::new(configuration, rows, random);
    let step = random.random_range(1..=3_u16);
    let mut i = Compute {
        weight_address: random.random_range(0..4),
        parameter_address: configuration.requantize_lanes as u16,
        column_step: step * channels,
        ..shape(channels, random)
    };
    machine.place_output(&mut i, 0x2000, random);
    let blocks = usize::from(channels).div_ceil(configuration.rows) as u32;
    let lines = blocks * rows * u32::from(i.output_height) * u32::from(i.kernel_height);
    let (width, columns) = (u32::from(i.output_width), u32::from(i.input_tiles));
    let before = machine.memories.scratchpad.clone();

    let shared = Compute {
        phases: step as u8,
        column_step: 0,
        ..i
    };
    let most = step * configuration.shared_columns as u16;
    let sharing = (step..=most).contains(&i.input_tiles);
    let modes = [
        Some((i, lines * width * columns)),
        sharing.then_some((shared, lines * (u32::from(step) * (width - 1) + columns))),
    ];
    for (i, vectors) in modes.into_iter().flatten() {
        machine.memories.scratchpad.clone_from(&before);
        place_weights(&mut machine, &i);
        let expected = machine.expect(&i, |at| {
            let sum = sum(&i, |ky, kx| {
                let value = value(&machine, &i, usize::from(step), at, ky, kx);
                i64::from(value) * i64::from(weight(at[3], ky, kx))
            });
            requantize(&machine, &i, at[3], sum)
        });
        let statistics = machine.run(i);
        machine.check(&i, &expected);
        let counted = Statistics {
            depthwise_vectors: vectors,
            instructions: 2,
            groups: 1,
            ..Statistics::zeroed()
        };
        assert_eq!(statistics, counted, "{i:?}");
    }
}

#[test]
fn depthwise_convolutions_equal_loops_over_tensors_in_both_modes() {
    for configuration in [TINY, SMALL, ECP5_85F] {
        for seed in 0..150 {
            depthwise_convolution(configuration, seed);
        }
    }
}

fn pooling(configuration: Configuration, seed: u64) {
    let random = &mut random(seed);
    let rows = random.random_range(1..=3);
    let channels = random.random_range(1..=2 * configuration.rows as u16 + 1);
    let mut machine = Machine::new(configuration, rows, random);
    let step = random.random_range(0..=3_u16);
    let maximum = random.random();
    let mut i = Compute {
        opcode: instructions::opcode::POOL,
        column_step: step * channels,
        ..shape(channels, random)
    };
    if maximum {
        i.flags |= flag::MAXIMUM;
    }
    machine.place_output(&mut i, 0x2000, random);
    let expected = machine.expect(&i, |at| {
        let value = |ky, kx| i64::from(value(&machine, &i, usize::from(step), at, ky, kx));
        let mut greatest = i64::MIN;
        let sum = sum(&i, |ky, kx| {
            greatest = greatest.max(value(ky, kx));
            value(ky, kx)
        });
        requantize(&machine, &i, at[3], if maximum { greatest } else { sum })
    });
    let statistics = machine.run(i);
    machine.check(&i, &expected);
    let blocks = usize::from(channels).div_ceil(configuration.rows) as u32;
    let pixels = rows * u32::from(i.output_height) * u32::from(i.output_width);
    let kernel = u32::from(i.kernel_height) * u32::from(i.input_tiles);
    assert_eq!(statistics.depthwise_vectors, blocks * pixels * kernel);
    assert_eq!(statistics.vectors, 0);
}

#[test]
fn pooling_equals_loops_over_tensors() {
    for configuration in [TINY, SMALL, ECP5_85F] {
        for seed in 0..150 {
            pooling(configuration, seed);
        }
    }
}

/// Columns and pixels need not be whole pixels of channels apart.
#[test]
fn columns_may_lie_at_any_distance() {
    let random = &mut random(3);
    let mut machine = Machine::new(TINY, 1, random);
    let i = Compute {
        kernel_height: 2,
        input_address: 101,
        input_height: 3,
        input_row_bytes: 23,
        input_row_stride: 29,
        window_bytes: 3,
        column_step: 5,
        pad_left: 4,
        pad_top: 1,
        stride_y: 1,
        output_height: 2,
        output_width: 5,
        output_row_stride: 50,
        output_pixel_stride: 10,
        channels: 7,
        input_tiles: 3,
        pad_value: -9,
        ..pool()
    };
    let expected = machine.expect(&i, |[_, oy, ox, channel]| {
        let sum = sum(&i, |ky, kx| {
            let (y, x) = ((oy + ky) as i64 - 1, (ox * 5 + kx * 3 + channel) as i64 - 4);
            if (0..3).contains(&y) && (0..23).contains(&x) {
                i64::from(machine.memories.scratchpad[(101 + y * 29 + x) as usize])
            } else {
                -9
            }
        });
        requantize(&machine, &i, channel, sum)
    });
    machine.run(i);
    machine.check(&i, &expected);
}
