//! What the compiler promises of every program.

mod graphs;
mod machine;
mod programs;
mod random;

use super::*;
use crate::model::{
    Element, FullyConnected, Layer, Layout, Operation, Port, Quantization, Rounding, Scale, Source,
    Tensor, TensorId,
};
use systole_regs::configuration::TINY;

/// A chain of fully-connected layers between tensors of these sizes, with some weights.
pub(crate) fn network(sizes: &[usize]) -> Network {
    let tensor = |(index, &size): (usize, &usize)| Tensor {
        name: format!("tensor {index}"),
        shape: vec![size],
        zero_point: (index % 9) as i8 - 1,
        scale: 0.5,
    };
    let tensors: Vec<Tensor> = sizes.iter().enumerate().map(tensor).collect();
    let layer = |(index, pair): (usize, &[usize])| Layer {
        name: format!("layer {index}"),
        inputs: vec![TensorId(index)],
        output: TensorId(index + 1),
        operation: Operation::FullyConnected(FullyConnected {
            input_channels: pair[0],
            output_channels: pair[1],
            weights: (0..pair[0] * pair[1]).map(|value| value as i8).collect(),
            bias: vec![7; pair[1]],
            scales: vec![
                Scale {
                    multiplier: 1 << 30,
                    shift: -6
                };
                pair[1]
            ],
            rounding: Rounding::Single,
            clamp_minimum: -100,
            clamp_maximum: 100,
        }),
    };
    let port = |id: usize| Port {
        name: format!("port {id}"),
        tensor: TensorId(id),
        element: Element::I8,
        quantization: Quantization {
            scale: 0.5,
            zero_point: tensors[id].zero_point.into(),
        },
        external_float: false,
        layout: Layout::Same,
    };
    Network {
        name: "chain".into(),
        source: Source::Tflite,
        input: port(0),
        output: port(sizes.len() - 1),
        layers: sizes.windows(2).enumerate().map(layer).collect(),
        tensors,
    }
}

fn tiny() -> Target {
    Target::from(&TINY)
}

/// A program of one layer.
pub(crate) fn dense_program() -> Program {
    compile(&network(&[10, 6]), &tiny()).expect("fits")
}
