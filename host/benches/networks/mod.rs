//! Networks to measure with.

// Each benchmark uses a part of this.
#![allow(dead_code)]

use std::path::Path;

use systole_host::Network;
use systole_host::model::{
    Element, FullyConnected, Layer, Layout, Operation, Port, Quantization, Rounding, Scale, Source,
    Tensor, TensorId,
};

/// Layer widths of MLPerf Tiny's anomaly detector, an autoencoder.
pub const ANOMALY_DETECTION: &[usize] = &[640, 128, 128, 128, 128, 8, 128, 128, 128, 128, 640];

/// Values over the whole range of int8, the same each time.
pub fn values(count: usize) -> Vec<i8> {
    let mut state = 1_u64;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as i8
    };
    (0..count).map(|_| next()).collect()
}

/// Fully-connected layers of these widths. Their speed doesn't depend on the weights, so any do.
pub fn dense(name: &str, widths: &[usize]) -> Network {
    let tensors: Vec<_> = widths
        .iter()
        .enumerate()
        .map(|(index, &width)| Tensor {
            name: format!("tensor {index}"),
            shape: vec![width],
            zero_point: 3,
            scale: 0.1,
        })
        .collect();
    let layer = |(index, pair): (usize, &[usize])| {
        let (inputs, outputs) = (pair[0], pair[1]);
        Layer {
            name: format!("layer {index}"),
            inputs: vec![TensorId(index)],
            output: TensorId(index + 1),
            operation: Operation::FullyConnected(FullyConnected {
                input_channels: inputs,
                output_channels: outputs,
                weights: values(inputs * outputs),
                bias: vec![100; outputs],
                scales: vec![Scale::from_real(0.000_7).expect("a valid scale"); outputs],
                rounding: Rounding::Single,
                clamp_minimum: 3,
                clamp_maximum: i8::MAX,
            }),
        }
    };
    let port = |index: usize| Port {
        name: tensors[index].name.clone(),
        tensor: TensorId(index),
        element: Element::I8,
        quantization: Quantization {
            scale: tensors[index].scale,
            zero_point: tensors[index].zero_point.into(),
        },
        external_float: false,
        layout: Layout::Same,
    };
    Network {
        name: name.to_owned(),
        source: Source::Tflite,
        layers: widths.windows(2).enumerate().map(layer).collect(),
        input: port(0),
        output: port(widths.len() - 1),
        tensors,
    }
}

/// The demo's network.
pub fn digits() -> Network {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("demo/digits.onnx");
    Network::load(path).expect("the demo's model is in the repository")
}
