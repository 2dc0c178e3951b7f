//! From layers to nodes.

pub(super) mod average;

use std::borrow::Cow;

use systole_regs::image::Parameter;

use super::graph::{Graph, Image, ImageId, Kernel, Node, View, Window};
use super::{CompileError, Target};
use crate::model::{Network, Operation, Rounding, Scale};

/// The graph of a consistent network.
pub(super) fn build<'a>(network: &'a Network, _target: &Target) -> Result<Graph<'a>, CompileError> {
    let images: Vec<Image> = network
        .tensors
        .iter()
        .map(|t| Image {
            name: t.name.clone(),
            height: 1,
            width: 1,
            pixel_bytes: t.elements(),
            dense: false,
            can_spill: true,
        })
        .collect();
    let view = |id: usize| View {
        image: ImageId(id),
        offset: 0,
        height: 1,
        width: 1,
        channels: network.tensors[id].elements(),
    };
    let nodes = network
        .layers
        .iter()
        .map(|layer| {
            let Operation::FullyConnected(dense) = &layer.operation;
            let input = network.tensor(layer.inputs[0]);
            Node {
                label: layer.name.clone(),
                kernel: Kernel::Matrix(Cow::Borrowed(&dense.weights)),
                window: Window::POINT,
                input: view(layer.inputs[0].0),
                output: view(layer.output.0),
                pad_value: input.zero_point,
                parameters: parameters(
                    &dense.weights,
                    &dense.bias,
                    &dense.scales,
                    input.zero_point,
                ),
                double_rounding: dense.rounding == Rounding::Double,
                zero_point: network.tensor(layer.output).zero_point,
                minimum: dense.clamp_minimum,
                maximum: dense.clamp_maximum,
                residual: None,
                macs: dense.weights.len() as u64,
            }
        })
        .collect();
    Ok(Graph {
        images,
        nodes,
        input: ImageId(network.input.tensor.0),
        output: ImageId(network.output.tensor.0),
    })
}

fn parameters(weights: &[i8], bias: &[i32], scales: &[Scale], zero_point: i8) -> Vec<Parameter> {
    let size = weights.len() / bias.len();
    weights
        .chunks_exact(size)
        .zip(bias)
        .zip(scales)
        .map(|((weights, &bias), scale)| {
            let sum = weights
                .iter()
                .fold(0_i32, |sum, &weight| sum.wrapping_add(weight.into()));
            Parameter {
                bias: bias.wrapping_sub(sum.wrapping_mul(zero_point.into())),
                multiplier: scale.multiplier,
                shift: scale.shift,
                reserved: [0; 7],
            }
        })
        .collect()
}
