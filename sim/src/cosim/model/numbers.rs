//! Random numbers of a computation: its parameters, zero points and clamps. Mostly such that
//! results spread over the range of a byte, else anything.

use systole_regs::image::Parameter;

use super::super::random::Random;

/// Zero point, least and greatest value of an output.
pub fn output_range(random: &mut Random) -> (i8, i8, i8) {
    let zero_point = match random.range(0, 2) {
        0 => random.pick(&[-128, 127, 0]),
        _ => random.word() as i8,
    };
    let (minimum, maximum) = match random.range(0, 5) {
        0 => (zero_point, 127),
        1 => random.pick(&[(-128, -128), (127, 127), (0, 0)]),
        2 => {
            let (a, b) = (random.word() as i8, random.word() as i8);
            (a.min(b), a.max(b))
        }
        _ => (-128, 127),
    };
    (zero_point, minimum, maximum)
}

/// A byte of padding.
pub fn pad_value(random: &mut Random) -> i8 {
    match random.chance(50) {
        true => random.pick(&[0, -128, 127, -1]),
        false => random.word() as i8,
    }
}

/// Parameters of a channel whose sums are of about this size.
pub fn parameter(size: u32, random: &mut Random) -> Parameter {
    if random.chance(40) {
        return any(random);
    }
    // 2^shift brings the sums below 128.
    let bits = 32 - (size / 64).leading_zeros() as i32;
    Parameter {
        bias: random.size(0, 2 * size) as i32 - size as i32,
        multiplier: random.range(1 << 30, i32::MAX as usize) as i32,
        shift: (random.size(0, 4) as i32 - bits - 1) as i8,
        ..Parameter::default()
    }
}

/// Parameters of an operand of an addition.
pub fn operand(random: &mut Random) -> Parameter {
    if random.chance(25) {
        return any(random);
    }
    Parameter {
        bias: random.size(0, 256) as i32 - 128,
        multiplier: random.range(1 << 30, i32::MAX as usize) as i32,
        shift: random.pick(&[0, 0, 0, -1, -2, -5, -20, 1]),
        ..Parameter::default()
    }
}

/// Parameters of the sum of two operands.
pub fn total(random: &mut Random) -> Parameter {
    if random.chance(25) {
        return any(random);
    }
    Parameter {
        bias: random.pick(&[0, 0, 1 << 20, -(1 << 24), 12_345]),
        multiplier: random.range(1 << 30, i32::MAX as usize) as i32,
        shift: -(random.size(17, 21) as i8),
        ..Parameter::default()
    }
}

fn any(random: &mut Random) -> Parameter {
    let multiplier = match random.range(0, 5) {
        0 => 0,
        1 => 1,
        2 => i32::MAX,
        3 => 1 << 30,
        // Beyond what models have; the hardware takes it as signed all the same.
        4 if random.chance(30) => random.pick(&[i32::MIN, -1, -(1 << 30)]),
        _ => random.range(0, i32::MAX as usize) as i32,
    };
    let shift = if random.chance(4) {
        random.pick(&[i8::MIN, -32, 31, i8::MAX])
    } else {
        random.size(0, 61) as i8 - 31
    };
    Parameter {
        bias: random.extreme(),
        multiplier,
        shift,
        ..Parameter::default()
    }
}
