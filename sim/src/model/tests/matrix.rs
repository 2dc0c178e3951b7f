//! MATRIX against straightforward code: a convolution of tensors, and the definition of a window
//! byte by byte.

use rand::RngExt;
use systole_regs::configuration::{ECP5_85F, SMALL};
use systole_regs::instructions::{flag, rounding};

use super::machine::{Machine, random};
use super::*;
use crate::model::arithmetic::Requantization;

/// The result for a sum in 64 bits of an instruction without residual.
pub fn requantize(machine: &Machine, i: &Compute, channel: usize, sum: i64) -> i8 {
    let requantization = Requantization {
        rounding: if i.flags & flag::DOUBLE_ROUNDING == 0 {
            rounding::SINGLE
        } else {
            rounding::DOUBLE
        },
        zero_point: i.output_zero_point,
        minimum: i.clamp_minimum,
        maximum: i.clamp_maximum,
    };
    let parameter = machine.parameter(usize::from(i.parameter_address) + channel);
    requantization.apply(sum.try_into().expect("32 bits"), &parameter)
}

/// What an array of inner products adds to a channel's sum: for each pair of rows the product of
/// its weights.
fn weight_products(machine: &Machine, i: &Compute, channel: usize) -> i64 {
    let configuration = machine.configuration;
    if !configuration.takes_inner_products() {
        return 0;
    }
    let (r, c) = (configuration.rows, configuration.columns);
    let tiles = usize::from(i.input_tiles);
    let first = 7 + usize::from(i.weight_address) + channel / c * tiles;
    let weight =
        |row: usize| i64::from(machine.memories.weights[first * r * c + row * c + channel % c]);
    (0..tiles * r / 2)
        .map(|pair| weight(2 * pair) * weight(2 * pair + 1))
        .sum()
}

/// Images with the channels innermost, weights as (output channel, kernel row, column, channel).
#[test]
fn convolutions_equal_loops_over_tensors() {
    for configuration in [TINY, SMALL, ECP5_85F] {
        for seed in 0..150 {
            convolution(configuration, seed);
        }
    }
}

fn convolution(configuration: Configuration, seed: u64) {
    let random = &mut random(seed);
    let (r, c) = (configuration.rows, configuration.columns);
    let w = configuration.scratchpad_word_bytes();
    let rows = random.random_range(1..=3);
    let mut machine = Machine::new(configuration, rows, random);

    let (height, width) = (random.random_range(1..=7), random.random_range(1..=7_usize));
    let (kernel_height, kernel_width) =
        (random.random_range(1..=5_usize), random.random_range(1..=4));
    let least = if kernel_height > 1 {
        (r / 4).div_ceil(kernel_width)
    } else {
        1
    };
    let inputs = random.random_range(least..=least + 5);
    let outputs = random.random_range(1..=2 * c + 1);
    let (stride_y, stride_x) = (
        random.random_range(1..=3_u8),
        random.random_range(1..=3_usize),
    );
    let (pad_top, pad_left) = (
        random.random_range(0..=4_u8),
        random.random_range(0..=4_usize),
    );
    let window_bytes = kernel_width * inputs;
    let row_bytes = width * inputs;
    let mut row_stride = row_bytes + random.random_range(0..3);
    if kernel_height > 1 {
        while row_stride % w != window_bytes % w {
            row_stride += 1;
        }
    }
    let input_tiles = (kernel_height * window_bytes).div_ceil(r);
    let weight_address = random.random_range(0..3);

    // Weights where the array wants them; nothing beyond the window.
    let blocks = outputs.div_ceil(c);
    let weight = |o: usize, ky: usize, kx: usize, ci: usize| {
        let mixed = (o * 8191 + ky * 131 + kx * 31 + ci * 7 + seed as usize) * 2_654_435_761;
        (mixed >> 8) as u8 as i8
    };
    for tile in 0..blocks * input_tiles {
        for byte in 0..r * c {
            let n = tile % input_tiles * r + byte / c;
            let o = tile / input_tiles * c + byte % c;
            let (ky, kx, ci) = (
                n / window_bytes,
                n % window_bytes / inputs,
                n % window_bytes % inputs,
            );
            *machine.weight(weight_address + tile, byte) = if ky < kernel_height {
                weight(o, ky, kx, ci)
            } else {
                0
            };
        }
    }

    let mut i = Compute {
        flags: random.random_range(0..=1) * flag::DOUBLE_ROUNDING,
        pad_value: random.random(),
        kernel_height: kernel_height as u8,
        input_address: random.random_range(0..100),
        input_batch_stride: (row_stride * height + random.random_range(0..9)) as u32,
        weight_address: weight_address as u16,
        parameter_address: (2 * configuration.requantize_lanes) as u16,
        input_height: height as u16,
        input_row_bytes: row_bytes as u16,
        input_row_stride: row_stride as u16,
        window_bytes: window_bytes as u16,
        column_step: (stride_x * inputs) as u16,
        pad_left: (pad_left * inputs) as u16,
        output_height: random.random_range(1..=5),
        output_width: random.random_range(1..=5),
        channels: outputs as u16,
        input_tiles: input_tiles as u16,
        stride_y,
        pad_top,
        output_zero_point: random.random(),
        clamp_minimum: -120,
        clamp_maximum: 119,
        ..matrix()
    };
    machine.place_output(&mut i, 0x2000, random);

    let pixel = |b: usize, y: i64, x: i64, ci: usize| {
        if (0..height as i64).contains(&y) && (0..width as i64).contains(&x) {
            let start = i.input_address as usize + b * i.input_batch_stride as usize;
            let inside = y as usize * row_stride + x as usize * inputs + ci;
            machine.memories.scratchpad[start + inside]
        } else {
            i.pad_value
        }
    };
    let expected = machine.expect(&i, |[b, oy, ox, o]| {
        let mut sum = weight_products(&machine, &i, o);
        for ky in 0..kernel_height {
            for kx in 0..kernel_width {
                for ci in 0..inputs {
                    let y = (oy * usize::from(stride_y) + ky) as i64 - i64::from(pad_top);
                    let x = (ox * stride_x + kx) as i64 - pad_left as i64;
                    sum += i64::from(pixel(b, y, x, ci)) * i64::from(weight(o, ky, kx, ci));
                }
            }
        }
        requantize(&machine, &i, o, sum)
    });
    let statistics = machine.run(i);
    machine.check(&i, &expected);
    let pixels = rows * u32::from(i.output_height) * u32::from(i.output_width);
    let counted = Statistics {
        vectors: pixels * (blocks * input_tiles) as u32,
        instructions: 2,
        groups: 1,
        ..Statistics::zeroed()
    };
    assert_eq!(statistics, counted);
}

/// Windows that no convolution has: more tiles than the window, fewer, steps of any size, window
/// rows that overlap, weights beyond the window.
#[test]
fn windows_equal_their_definition() {
    for configuration in [TINY, SMALL, ECP5_85F] {
        for seed in 0..300 {
            any_window(configuration, seed);
        }
    }
}

fn any_window(configuration: Configuration, seed: u64) {
    let random = &mut random(seed);
    let (r, c) = (configuration.rows, configuration.columns);
    let w = configuration.scratchpad_word_bytes() as u16;
    let mut machine = Machine::new(configuration, random.random_range(1..=2), random);
    let window_bytes = random.random_range((r as u16 / 4).max(1)..=40);
    let mut i = Compute {
        pad_value: random.random(),
        kernel_height: random.random_range(1..=6),
        input_address: random.random_range(0..2000),
        input_batch_stride: random.random_range(0..500),
        weight_address: random.random_range(0..100),
        input_height: random.random_range(1..=6),
        input_row_bytes: random.random_range(1..=80),
        input_row_stride: window_bytes % w + w * random.random_range(0..8),
        window_bytes,
        column_step: random.random_range(0..=50),
        pad_left: random.random_range(0..=60),
        output_height: random.random_range(1..=4),
        output_width: random.random_range(1..=4),
        channels: random.random_range(1..=3 * c as u16),
        input_tiles: random.random_range(1..=12),
        stride_y: random.random_range(0..=4),
        pad_top: random.random_range(0..=7),
        output_zero_point: random.random(),
        ..matrix()
    };
    machine.place_output(&mut i, 0x2000, random);
    let weights = machine.memories.weights.clone();
    let expected = machine.expect(&i, |[b, oy, ox, channel]| {
        let mut sum = weight_products(&machine, &i, channel);
        for n in 0..usize::from(i.input_tiles) * r {
            let (s, within) = (
                n as i64 / i64::from(window_bytes),
                n as i64 % i64::from(window_bytes),
            );
            let y = oy as i64 * i64::from(i.stride_y) - i64::from(i.pad_top) + s;
            let x = ox as i64 * i64::from(i.column_step) - i64::from(i.pad_left) + within;
            let inside = s < i64::from(i.kernel_height)
                && (0..i64::from(i.input_height)).contains(&y)
                && (0..i64::from(i.input_row_bytes)).contains(&x);
            let value = if inside {
                let address = i64::from(i.input_address)
                    + b as i64 * i64::from(i.input_batch_stride)
                    + y * i64::from(i.input_row_stride)
                    + x;
                machine.memories.scratchpad[address as usize]
            } else {
                i.pad_value
            };
            let (m, column) = (channel / c, channel % c);
            let tile = 7 + usize::from(i.weight_address) + m * usize::from(i.input_tiles) + n / r;
            sum += i64::from(value) * i64::from(weights[tile * r * c + n % r * c + column]);
        }
        requantize(&machine, &i, channel, sum)
    });
    machine.run(i);
    machine.check(&i, &expected);
}

#[test]
fn sums_wrap_at_32_bits() {
    // A bias just below the end, and a product of 127 * 127.
    let random = &mut random(1);
    let mut machine = Machine::new(TINY, 1, random);
    machine.memories.scratchpad.fill(127);
    machine.memories.weights.fill(127);
    for parameter in &mut machine.memories.parameters {
        *parameter = Parameter {
            bias: i32::MAX - 127 * 127 * 4 + 1,
            multiplier: i32::MAX,
            shift: 0,
            ..Parameter::default()
        };
    }
    machine.run(matrix());
    assert_eq!(
        machine.memories.scratchpad[0x1000..0x1005],
        [-128, -128, -128, -128, 127]
    );
}
