//! Consistency of one layer with its tensors: lengths, geometry, ranges of every number that
//! arithmetic depends on. The errors are reasons, to be completed with the layer's name.

use super::{ROW_ELEMENTS_MAX, Tensor, WINDOW_MAX, row_elements};
use crate::model::{
    Add, Concatenate, Convolution, Depthwise, Factor, FullyConnected, Multiply, Operation, Pad,
    Pool, Requantization, Scale, Softmax, Window,
};

/// Most values that a fixed-point softmax sums: each exponential is at most 1, and the sum has 12
/// integer bits.
const SOFTMAX_CHANNELS_MAX: usize = 4095;

pub(super) fn validate(
    operation: &Operation,
    inputs: &[&Tensor],
    output: &Tensor,
) -> Result<(), String> {
    match operation {
        Operation::FullyConnected(dense) => fully_connected(dense, one(inputs)?, output),
        Operation::Convolution(layer) => convolution(layer, one(inputs)?, output),
        Operation::Depthwise(layer) => depthwise(layer, one(inputs)?, output),
        Operation::Add(layer) => add(layer, inputs, output),
        Operation::Multiply(layer) => multiply(layer, inputs, output),
        Operation::Pool(layer) => pool(layer, one(inputs)?, output),
        Operation::Softmax(layer) => softmax(*layer, one(inputs)?, output),
        Operation::Reshape => {
            same_quantization(one(inputs)?, output).and_then(|()| same_length(one(inputs)?, output))
        }
        Operation::Concatenate(layer) => concatenate(layer, inputs, output),
        Operation::Pad(layer) => pad(layer, one(inputs)?, output),
    }
}

fn one<'a>(inputs: &[&'a Tensor]) -> Result<&'a Tensor, String> {
    match inputs {
        [input] => Ok(input),
        _ => Err(format!("needs one input, has {}", inputs.len())),
    }
}

fn two<'a>(inputs: &[&'a Tensor]) -> Result<(&'a Tensor, &'a Tensor), String> {
    match inputs {
        [left, right] => Ok((left, right)),
        _ => Err(format!("needs two inputs, has {}", inputs.len())),
    }
}

fn same_length(input: &Tensor, output: &Tensor) -> Result<(), String> {
    if input.elements() != output.elements() {
        return Err(format!(
            "its input has the shape {:?}, its output {:?}",
            input.shape, output.shape
        ));
    }
    Ok(())
}

fn same_quantization(input: &Tensor, output: &Tensor) -> Result<(), String> {
    if (input.scale, input.zero_point) != (output.scale, output.zero_point) {
        return Err("its input and output have different scales or zero points".into());
    }
    Ok(())
}

/// Height, width and channels.
fn image(tensor: &Tensor) -> Result<[usize; 3], String> {
    <[usize; 3]>::try_from(&tensor.shape[..]).map_err(|_| {
        format!(
            "\"{}\" of shape {:?} is not an image",
            tensor.name, tensor.shape
        )
    })
}

fn clamp(minimum: i8, maximum: i8) -> Result<(), String> {
    if minimum > maximum {
        return Err(format!("clamps to an empty range, {minimum} to {maximum}"));
    }
    Ok(())
}

fn channels(channels: usize, bias: &[i32], scales: &[Scale]) -> Result<(), String> {
    if bias.len() != channels || scales.len() != channels {
        return Err(format!(
            "needs a bias and a scale for each of {channels} channels, has {} and {}",
            bias.len(),
            scales.len()
        ));
    }
    if let Some(channel) = scales.iter().position(|scale| !scale.is_valid()) {
        return Err(format!("the scale of channel {channel} is out of range"));
    }
    Ok(())
}

fn valid(requantization: &Requantization) -> Result<(), String> {
    if requantization.scale.is_valid() {
        Ok(())
    } else {
        Err("its scale is out of range".into())
    }
}

/// Every window begins inside the image or its padding and reaches into the image, and what all of
/// them reach is of a size that backends can copy it together with the padding.
fn window(window: &Window, input: [usize; 3], output: [usize; 3]) -> Result<(), String> {
    let Window {
        height,
        width,
        stride_y,
        stride_x,
        pad_top,
        pad_left,
    } = *window;
    for (what, size, stride, pad, inside, outside) in [
        ("height", height, stride_y, pad_top, input[0], output[0]),
        ("width", width, stride_x, pad_left, input[1], output[1]),
    ] {
        if !(1..=WINDOW_MAX).contains(&size) || !(1..=WINDOW_MAX).contains(&stride) {
            return Err(format!(
                "its kernel's {what} is {size} with stride {stride}, both must be 1 to {WINDOW_MAX}"
            ));
        }
        if pad >= size {
            return Err(format!(
                "{pad} padding is not less than the kernel's {what}, {size}"
            ));
        }
        // Both factors are bounded, by the shape's limit and by that of strides.
        if (outside - 1) * stride >= inside + pad {
            return Err(format!(
                "{outside} windows of {what} {size} with stride {stride} don't fit {inside}"
            ));
        }
    }
    if window.area() > WINDOW_MAX {
        return Err(format!(
            "its kernel has {} positions, more than {WINDOW_MAX}",
            window.area()
        ));
    }
    let reach = |outside: usize, stride: usize, size: usize, end: usize| {
        ((outside - 1) * stride + size).max(end)
    };
    let rows = reach(output[0], stride_y, height, input[0] + pad_top);
    let columns = reach(output[1], stride_x, width, input[1] + pad_left);
    if row_elements(&[rows, columns, input[2]]).is_none() {
        return Err(format!(
            "with its padding the image is {rows} x {columns} x {}, more than {ROW_ELEMENTS_MAX} values",
            input[2]
        ));
    }
    Ok(())
}

fn fully_connected(dense: &FullyConnected, input: &Tensor, output: &Tensor) -> Result<(), String> {
    let (inputs, outputs) = (dense.input_channels, dense.output_channels);
    if input.elements() != inputs {
        return Err(format!(
            "takes rows of {inputs}, its input has {}",
            input.elements()
        ));
    }
    if output.elements() != outputs {
        return Err(format!(
            "gives rows of {outputs}, its output has {}",
            output.elements()
        ));
    }
    if inputs.checked_mul(outputs) != Some(dense.weights.len()) {
        return Err(format!(
            "needs {outputs} x {inputs} weights, has {}",
            dense.weights.len()
        ));
    }
    channels(outputs, &dense.bias, &dense.scales)?;
    clamp(dense.clamp_minimum, dense.clamp_maximum)
}

fn convolution(layer: &Convolution, input: &Tensor, output: &Tensor) -> Result<(), String> {
    let (inside, outside) = (image(input)?, image(output)?);
    let (inputs, outputs) = (layer.input_channels, layer.output_channels);
    if (inside[2], outside[2]) != (inputs, outputs) {
        return Err(format!(
            "makes {outputs} channels of {inputs}, its tensors have {} and {}",
            outside[2], inside[2]
        ));
    }
    window(&layer.window, inside, outside)?;
    let weights = layer
        .window
        .area()
        .checked_mul(inputs)
        .and_then(|products| products.checked_mul(outputs));
    if weights != Some(layer.weights.len()) {
        return Err(format!(
            "needs {outputs} x {} x {} x {inputs} weights, has {}",
            layer.window.height,
            layer.window.width,
            layer.weights.len()
        ));
    }
    channels(outputs, &layer.bias, &layer.scales)?;
    clamp(layer.clamp_minimum, layer.clamp_maximum)
}

fn depthwise(layer: &Depthwise, input: &Tensor, output: &Tensor) -> Result<(), String> {
    let (inside, outside) = (image(input)?, image(output)?);
    if inside[2] != layer.channels || outside[2] != layer.channels {
        return Err(format!(
            "has {} channels, its tensors {} and {}",
            layer.channels, inside[2], outside[2]
        ));
    }
    window(&layer.window, inside, outside)?;
    if layer.window.area().checked_mul(layer.channels) != Some(layer.weights.len()) {
        return Err(format!(
            "needs {} x {} x {} weights, has {}",
            layer.window.height,
            layer.window.width,
            layer.channels,
            layer.weights.len()
        ));
    }
    channels(layer.channels, &layer.bias, &layer.scales)?;
    clamp(layer.clamp_minimum, layer.clamp_maximum)
}

fn add(layer: &Add, inputs: &[&Tensor], output: &Tensor) -> Result<(), String> {
    /// 9 bits of a difference, shifted, and one for the sum fit 32 bits.
    const LEFT_SHIFT_MAX: u8 = 20;
    let (left, right) = two(inputs)?;
    if left.shape != output.shape || right.shape != output.shape {
        return Err(format!(
            "adds {:?} and {:?} to {:?}",
            left.shape, right.shape, output.shape
        ));
    }
    let below_one = |scale: Scale| scale.is_valid() && scale.shift <= 0;
    if layer.left_shift > LEFT_SHIFT_MAX
        || ![layer.left, layer.right, layer.output]
            .into_iter()
            .all(below_one)
    {
        return Err("a scale is out of range".into());
    }
    clamp(layer.clamp_minimum, layer.clamp_maximum)
}

fn multiply(layer: &Multiply, inputs: &[&Tensor], output: &Tensor) -> Result<(), String> {
    let (left, factors) = match &layer.factor {
        Factor::Tensor => two(inputs).map(|(left, right)| (left, right.elements()))?,
        Factor::Constant(values) => {
            if values.iter().any(|value| !(-255..=255).contains(value)) {
                return Err("a constant factor is out of range".into());
            }
            (one(inputs)?, values.len())
        }
    };
    if left.shape != output.shape {
        return Err(format!("makes {:?} of {:?}", output.shape, left.shape));
    }
    if ![Some(&left.elements()), left.shape.last(), Some(&1)].contains(&Some(&factors)) {
        return Err(format!(
            "{factors} factors don't fit a tensor of shape {:?}",
            left.shape
        ));
    }
    if !layer.scale.is_valid() {
        return Err("its scale is out of range".into());
    }
    clamp(layer.clamp_minimum, layer.clamp_maximum)
}

fn pool(layer: &Pool, input: &Tensor, output: &Tensor) -> Result<(), String> {
    let (inside, outside) = (image(input)?, image(output)?);
    if inside[2] != outside[2] {
        return Err(format!("makes {} channels of {}", outside[2], inside[2]));
    }
    window(&layer.window, inside, outside)?;
    match &layer.requantization {
        Some(requantization) => valid(requantization)?,
        None => same_quantization(input, output)?,
    }
    clamp(layer.clamp_minimum, layer.clamp_maximum)
}

fn softmax(layer: Softmax, input: &Tensor, output: &Tensor) -> Result<(), String> {
    if input.shape != output.shape {
        return Err(format!("makes {:?} of {:?}", output.shape, input.shape));
    }
    let Softmax::Fixed {
        multiplier,
        left_shift,
        difference_minimum,
    } = layer
    else {
        return Ok(());
    };
    let channels = input.shape.last().copied().unwrap_or(1);
    if channels > SOFTMAX_CHANNELS_MAX {
        return Err(format!(
            "it is over {channels} values, more than {SOFTMAX_CHANNELS_MAX}"
        ));
    }
    // Differences go down to -255: 9 bits and the shift, and the minimum keeps the product in 31.
    let product = 255_i64.min(-i64::from(difference_minimum)) << left_shift.min(31);
    if multiplier < 0 || difference_minimum > 0 || left_shift > 31 || product > i32::MAX.into() {
        return Err("its scale is out of range".into());
    }
    if (output.scale, output.zero_point) != (1.0 / 256.0, -128) {
        return Err("its output needs the scale 1/256 and the zero point -128".into());
    }
    Ok(())
}

fn concatenate(layer: &Concatenate, inputs: &[&Tensor], output: &Tensor) -> Result<(), String> {
    if inputs.is_empty() || inputs.len() != layer.requantizations.len() {
        return Err(format!(
            "has {} inputs and {} requantizations",
            inputs.len(),
            layer.requantizations.len()
        ));
    }
    let axis = layer.axis;
    if axis >= output.shape.len() {
        return Err(format!("there is no dimension {axis}"));
    }
    let mut length = 0;
    for (input, requantization) in inputs.iter().zip(&layer.requantizations) {
        let fits = input.shape.len() == output.shape.len()
            && input.shape[..axis] == output.shape[..axis]
            && input.shape[axis + 1..] == output.shape[axis + 1..];
        if !fits {
            return Err(format!(
                "\"{}\" of shape {:?} is no part of {:?}",
                input.name, input.shape, output.shape
            ));
        }
        // As many inputs as the file lists, of bounded dimensions.
        length += input.shape[axis];
        match requantization {
            Some(requantization) => valid(requantization)?,
            None => same_quantization(input, output)?,
        }
    }
    if length != output.shape[axis] {
        return Err(format!(
            "makes {} of {length} along dimension {axis}",
            output.shape[axis]
        ));
    }
    Ok(())
}

fn pad(layer: &Pad, input: &Tensor, output: &Tensor) -> Result<(), String> {
    same_quantization(input, output)?;
    let fits = input.shape.len() == output.shape.len()
        && layer.before.len() == output.shape.len()
        && std::iter::zip(&input.shape, &layer.before)
            .zip(&output.shape)
            .all(|((&inside, &before), &outside)| {
                inside.checked_add(before).is_some_and(|end| end <= outside)
            });
    if !fits {
        return Err(format!(
            "pads {:?} to {:?} with {:?} in front",
            input.shape, output.shape, layer.before
        ));
    }
    Ok(())
}
