//! What importers leave to be simplified, the same for both formats, without changing a value.
//!
//! ```text
//!  pad --> convolution                      becomes   convolution with padding
//!  convolution --> bound                    becomes   convolution with a tighter clamp
//!  image x constant of each channel         becomes   depthwise convolution of single values
//!  anything that the output doesn't need    is removed
//! ```

use crate::model::{
    Depthwise, Factor, Layer, Multiply, Network, Operation, Pad, Pool, PoolKind, TensorId, Window,
};
use std::collections::{HashMap, HashSet};

/// Simplifies a network that [`Network::validate`] accepts. It still does afterwards.
pub(super) fn fold(network: &mut Network) {
    let mut uses = Uses::of(network);
    for index in 0..network.layers.len() {
        fold_pad(network, &mut uses, index);
        fold_factors(network, index);
        fold_bound(network, &mut uses, index);
    }
    remove_unused(network);
}

/// Who computes and reads each tensor. It is kept beside the network: files may have a million
/// layers, too many to look for them.
struct Uses {
    /// Index of the layer that computes the tensor.
    producers: Vec<Option<usize>>,
    /// How many layers and ports read it.
    readers: Vec<usize>,
}

impl Uses {
    fn of(network: &Network) -> Uses {
        let mut uses = Uses {
            producers: vec![None; network.tensors.len()],
            readers: vec![0; network.tensors.len()],
        };
        for (index, layer) in network.layers.iter().enumerate() {
            uses.producers[layer.output.0] = Some(index);
            for input in &layer.inputs {
                uses.readers[input.0] += 1;
            }
        }
        uses.readers[network.output.tensor.0] += 1;
        uses
    }

    /// Notes that a layer reads another tensor.
    fn reads_instead(&mut self, before: TensorId, after: TensorId) {
        self.readers[before.0] -= 1;
        self.readers[after.0] += 1;
    }
}

/// A convolution behind a padding of height and width reads what is in front of the padding.
fn fold_pad(network: &mut Network, uses: &mut Uses, index: usize) {
    let layer = &network.layers[index];
    let window = match &layer.operation {
        Operation::Convolution(convolution) => convolution.window,
        Operation::Depthwise(depthwise) => depthwise.window,
        _ => return,
    };
    let Some(pad) = uses.producers[layer.inputs[0].0].map(|index| &network.layers[index]) else {
        return;
    };
    let Operation::Pad(Pad { before }) = &pad.operation else {
        return;
    };
    let input = pad.inputs[0];
    let (inside, padded) = (network.tensor(input), network.tensor(pad.output));
    let output = network.tensor(layer.output);
    let (&[top, left, _], &[height, width, channels]) = (&before[..], &inside.shape[..]) else {
        return;
    };
    let folded = Window {
        pad_top: window.pad_top + top,
        pad_left: window.pad_left + left,
        ..window
    };
    // Every window still begins in front of the image's end and reaches into it.
    let reaches = |outputs: usize, stride: usize, size: usize, pad: usize, kernel: usize| {
        pad < kernel && (outputs - 1) * stride < size + pad
    };
    let fits = padded.shape[2] == channels
        && reaches(
            output.shape[0],
            window.stride_y,
            height,
            folded.pad_top,
            window.height,
        )
        && reaches(
            output.shape[1],
            window.stride_x,
            width,
            folded.pad_left,
            window.width,
        );
    if !fits {
        return;
    }
    uses.reads_instead(pad.output, input);
    let layer = &mut network.layers[index];
    layer.inputs[0] = input;
    match &mut layer.operation {
        Operation::Convolution(convolution) => convolution.window = folded,
        Operation::Depthwise(depthwise) => depthwise.window = folded,
        _ => unreachable!("it is a convolution"),
    }
}

/// A product of an image with constants of its channels is a depthwise convolution without bias.
fn fold_factors(network: &mut Network, index: usize) {
    let layer = &network.layers[index];
    let &[_, _, channels] = &network.tensor(layer.output).shape[..] else {
        return;
    };
    let Operation::Multiply(Multiply {
        factor: Factor::Constant(values),
        scale,
        rounding,
        clamp_minimum,
        clamp_maximum,
    }) = &layer.operation
    else {
        return;
    };
    let values: Option<Vec<i8>> = values
        .iter()
        .map(|&value| i8::try_from(value).ok())
        .collect();
    let weights = match values {
        Some(values) if values.len() == channels => values,
        Some(values) if values.len() == 1 => vec![values[0]; channels],
        _ => return,
    };
    network.layers[index].operation = Operation::Depthwise(Depthwise {
        window: Window::POINT,
        channels,
        weights,
        bias: vec![0; channels],
        scales: vec![*scale; channels],
        rounding: *rounding,
        clamp_minimum: *clamp_minimum,
        clamp_maximum: *clamp_maximum,
    });
}

/// A bound of the only use of a layer's output becomes part of that layer.
fn fold_bound(network: &mut Network, uses: &mut Uses, index: usize) {
    let layer = &network.layers[index];
    let (input, output) = match layer.inputs[..] {
        [input] => (input, layer.output),
        _ => return,
    };
    let Operation::Pool(Pool {
        kind: PoolKind::Maximum,
        window: Window::POINT,
        requantization: None,
        clamp_minimum,
        clamp_maximum,
    }) = layer.operation
    else {
        return;
    };
    if uses.readers[input.0] != 1 || network.tensor(input).shape != network.tensor(output).shape {
        return;
    }
    let Some(producer) = uses.producers[input.0] else {
        return;
    };
    let first = &mut network.layers[producer];
    let Some((minimum, maximum)) = clamp(&mut first.operation) else {
        return;
    };
    *minimum = (*minimum).clamp(clamp_minimum, clamp_maximum);
    *maximum = (*maximum).clamp(clamp_minimum, clamp_maximum);
    first.output = output;
    // What is left over computes the old tensor from the new, and nobody reads that.
    let bound = &mut network.layers[index];
    bound.inputs = vec![output];
    bound.output = input;
    uses.reads_instead(input, output);
    uses.producers.swap(input.0, output.0);
}

/// The bounds of an operation's output, if it has any.
fn clamp(operation: &mut Operation) -> Option<(&mut i8, &mut i8)> {
    match operation {
        Operation::FullyConnected(layer) => {
            Some((&mut layer.clamp_minimum, &mut layer.clamp_maximum))
        }
        Operation::Convolution(layer) => Some((&mut layer.clamp_minimum, &mut layer.clamp_maximum)),
        Operation::Depthwise(layer) => Some((&mut layer.clamp_minimum, &mut layer.clamp_maximum)),
        Operation::Add(layer) => Some((&mut layer.clamp_minimum, &mut layer.clamp_maximum)),
        Operation::Multiply(layer) => Some((&mut layer.clamp_minimum, &mut layer.clamp_maximum)),
        Operation::Pool(layer) => Some((&mut layer.clamp_minimum, &mut layer.clamp_maximum)),
        _ => None,
    }
}

/// Removes layers that the output doesn't need, and their tensors.
fn remove_unused(network: &mut Network) {
    let mut needed = HashSet::from([network.input.tensor, network.output.tensor]);
    let mut layers: Vec<Layer> = Vec::new();
    for layer in std::mem::take(&mut network.layers).into_iter().rev() {
        if needed.contains(&layer.output) {
            needed.extend(&layer.inputs);
            layers.push(layer);
        }
    }
    layers.reverse();
    let mut places = HashMap::new();
    let mut tensors = Vec::new();
    for (index, tensor) in std::mem::take(&mut network.tensors).into_iter().enumerate() {
        if needed.contains(&TensorId(index)) {
            places.insert(TensorId(index), TensorId(tensors.len()));
            tensors.push(tensor);
        }
    }
    for layer in &mut layers {
        for id in layer.inputs.iter_mut().chain([&mut layer.output]) {
            *id = places[id];
        }
    }
    for port in [&mut network.input, &mut network.output] {
        port.tensor = places[&port.tensor];
    }
    network.layers = layers;
    network.tensors = tensors;
}
