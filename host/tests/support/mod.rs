//! Networks with extreme numbers, and the reference models of the repository.

// Each test binary uses a part of this.
#![allow(dead_code)]

use std::path::PathBuf;

use ndarray::Array2;
use proptest::prelude::*;
use systole_host::model::{
    Element, FullyConnected, Layer, Network, Operation, Port, Quantization, Rounding, Scale,
    Source, Tensor, TensorId,
};

/// Bytes with many extremes among them.
pub fn any_byte() -> impl Strategy<Value = i8> + Clone {
    prop_oneof![2 => Just(i8::MIN), 2 => Just(i8::MAX), 1 => Just(0), 8 => any::<i8>()]
}

fn any_bias() -> impl Strategy<Value = i32> {
    prop_oneof![
        1 => Just(i32::MIN),
        1 => Just(i32::MAX),
        4 => -100_000..100_000_i32,
        1 => any::<i32>(),
    ]
}

fn any_scale() -> impl Strategy<Value = Scale> {
    let multiplier = prop_oneof![Just(i32::MAX), Just(1 << 30), Just(0), (1 << 30)..=i32::MAX];
    // Mostly shifts that leave sums of some thousands in the range of a byte.
    let shift = prop_oneof![8 => -12_i8..0, 1 => -31_i8..=30];
    (multiplier, shift).prop_map(|(multiplier, shift)| Scale { multiplier, shift })
}

fn any_layer(inputs: usize, outputs: usize) -> impl Strategy<Value = FullyConnected> {
    let rounding = prop_oneof![Just(Rounding::Single), Just(Rounding::Double)];
    let channels = (
        prop::collection::vec(any_bias(), outputs),
        prop::collection::vec(any_scale(), outputs),
    );
    let weights = prop::collection::vec(any_byte(), inputs * outputs);
    (weights, channels, rounding, any_byte(), any_byte()).prop_map(
        move |(weights, (bias, scales), rounding, left, right)| FullyConnected {
            input_channels: inputs,
            output_channels: outputs,
            weights,
            bias,
            scales,
            rounding,
            clamp_minimum: left.min(right),
            clamp_maximum: left.max(right),
        },
    )
}

/// A chain of fully-connected layers.
pub fn network_of(layers: Vec<FullyConnected>, zero_points: &[i8]) -> Network {
    let mut sizes = vec![layers[0].input_channels];
    sizes.extend(layers.iter().map(|layer| layer.output_channels));
    let tensors: Vec<Tensor> = sizes
        .iter()
        .zip(zero_points)
        .enumerate()
        .map(|(index, (&size, &zero_point))| Tensor {
            name: format!("tensor {index}"),
            shape: vec![size],
            zero_point,
            scale: 0.25,
        })
        .collect();
    let port = |index: usize| Port {
        name: format!("port {index}"),
        tensor: TensorId(index),
        element: Element::I8,
        quantization: Quantization {
            scale: 0.25,
            zero_point: zero_points[index].into(),
        },
        external_float: false,
    };
    Network {
        name: "random".into(),
        source: Source::Tflite,
        input: port(0),
        output: port(layers.len()),
        layers: layers
            .into_iter()
            .enumerate()
            .map(|(index, dense)| Layer {
                name: format!("layer {index}"),
                inputs: vec![TensorId(index)],
                output: TensorId(index + 1),
                operation: Operation::FullyConnected(dense),
            })
            .collect(),
        tensors,
    }
}

/// One to four layers between tensors of 1 to `largest` values.
pub fn any_network(largest: usize) -> impl Strategy<Value = Network> {
    prop::collection::vec(1..=largest, 2..=5).prop_flat_map(|sizes| {
        let layers: Vec<_> = sizes
            .windows(2)
            .map(|pair| any_layer(pair[0], pair[1]))
            .collect();
        let zero_points = prop::collection::vec(any_byte(), sizes.len());
        (layers, zero_points).prop_map(|(layers, zero_points)| network_of(layers, &zero_points))
    })
}

/// A network of one layer whose outputs all equal `value`, whatever its `inputs` values are.
pub fn constant_network(inputs: usize, outputs: usize, value: i8) -> Network {
    let dense = FullyConnected {
        input_channels: inputs,
        output_channels: outputs,
        weights: vec![1; inputs * outputs],
        bias: vec![0; outputs],
        scales: vec![
            Scale {
                multiplier: 0,
                shift: 0
            };
            outputs
        ],
        rounding: Rounding::Single,
        clamp_minimum: i8::MIN,
        clamp_maximum: i8::MAX,
    };
    network_of(vec![dense], &[0, value])
}

/// A network of one layer that hands its input on.
pub fn identity_network(elements: usize) -> Network {
    let mut weights = vec![0; elements * elements];
    for index in 0..elements {
        weights[index * elements + index] = 1;
    }
    let dense = FullyConnected {
        input_channels: elements,
        output_channels: elements,
        weights,
        bias: vec![0; elements],
        scales: vec![
            Scale {
                multiplier: 1 << 30,
                shift: 1
            };
            elements
        ],
        rounding: Rounding::Single,
        clamp_minimum: i8::MIN,
        clamp_maximum: i8::MAX,
    };
    network_of(vec![dense], &[0, 0])
}

/// A file of the reference models.
fn reference(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/models")
        .join(file)
}

/// The anomaly detection model of MLPerf Tiny.
pub fn anomaly_detection() -> Network {
    Network::load(reference("ad01_int8.tflite")).expect("the reference model is supported")
}

/// Rows of a reference array, flattened.
pub fn golden(name: &str) -> Vec<i8> {
    let path = reference("golden").join(format!("{name}.npy"));
    let array: Array2<i8> =
        ndarray_npy::read_npy(path).expect("a reference array of two dimensions");
    array.into_iter().collect()
}
