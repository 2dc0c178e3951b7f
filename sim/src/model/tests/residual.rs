//! RESIDUAL: which parameters it takes, which byte it adds, and that it may replace that byte.

use rand::RngExt;
use systole_regs::configuration::SMALL;
use systole_regs::instructions::flag::RESIDUAL;

use super::machine::{Machine, random};
use super::matrix::requantize;
use super::*;
use crate::model::arithmetic::Residual;

/// POOL with a window of one pixel: the result is the image's byte, requantized.
fn addition(configuration: Configuration, seed: u64) {
    let random = &mut random(seed);
    let lanes = configuration.requantize_lanes;
    let mut machine = Machine::new(configuration, random.random_range(1..=3), random);
    let channels = random.random_range(1..=20_u16);
    let width = random.random_range(1..=4);
    let mut i = Compute {
        flags: RESIDUAL,
        input_batch_stride: 200,
        input_height: 3,
        input_row_bytes: width * channels,
        input_row_stride: width * channels,
        column_step: channels,
        stride_y: 1,
        parameter_address: (random.random_range(0..3) * lanes) as u16,
        output_height: 3,
        output_width: width,
        channels,
        output_zero_point: random.random(),
        sum_zero_point: random.random(),
        sum_minimum: -100,
        sum_maximum: 101,
        ..pool()
    };
    machine.place_output(&mut i, 0x1000, random);
    i.second_address = if random.random() {
        i.output_address
    } else {
        random.random_range(0x2000..0x2100)
    };
    // Of all parameters in the machine only these have such shifts.
    let first = usize::from(i.parameter_address) + usize::from(channels).next_multiple_of(lanes);
    let start = machine.slot.parameters.start() + first;
    for parameter in &mut machine.memories.parameters[start..start + 3] {
        parameter.bias = random.random_range(-128..=128);
        parameter.shift = random.random_range(-3..=0);
    }
    machine.memories.parameters[start + 2].shift = -18;

    let residual = Residual {
        first: machine.parameter(first),
        second: machine.parameter(first + 1),
        total: machine.parameter(first + 2),
        zero_point: i.sum_zero_point,
        minimum: i.sum_minimum,
        maximum: i.sum_maximum,
    };
    let expected = machine.expect(&i, |[b, oy, ox, channel]| {
        let input =
            b * 200 + oy * usize::from(i.input_row_stride) + ox * usize::from(channels) + channel;
        let value = machine.memories.scratchpad[input];
        let second = i.second_address as usize
            + b * i.output_batch_stride as usize
            + oy * usize::from(i.output_row_stride)
            + ox * usize::from(i.output_pixel_stride)
            + channel;
        let result = requantize(&machine, &i, channel, i64::from(value));
        residual.apply(result, machine.memories.scratchpad[second])
    });
    machine.run(i);
    machine.check(&i, &expected);
}

#[test]
fn results_are_added_to_the_second_tensor() {
    for configuration in [TINY, SMALL] {
        for seed in 0..200 {
            addition(configuration, seed);
        }
    }
}
