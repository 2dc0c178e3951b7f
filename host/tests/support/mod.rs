//! Networks with extreme numbers, and the reference models of the repository.

// Each test binary uses a part of this.
#![allow(dead_code)]

pub mod device;
pub mod graphs;

use std::path::PathBuf;

use ndarray::ArrayD;
use proptest::prelude::*;
use systole_host::model::{
    Element, FullyConnected, Layer, Layout, Network, Operation, Port, Quantization, Rounding,
    Scale, Source, Tensor, TensorId,
};

/// Numbers that follow from a seed alone (SplitMix64), so that a failing case can be repeated.
pub struct Numbers(pub u64);

impl Numbers {
    /// 32 random bits.
    pub fn bits(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed >> 32) as u32
    }

    /// A byte, often an extreme one.
    pub fn byte(&mut self) -> i8 {
        match self.bits() % 8 {
            0 => i8::MIN,
            1 => i8::MAX,
            _ => self.bits() as i8,
        }
    }

    /// So many of them.
    pub fn bytes(&mut self, count: usize) -> Vec<i8> {
        (0..count).map(|_| self.byte()).collect()
    }

    fn bias(&mut self) -> i32 {
        match self.bits() % 8 {
            0 => i32::MIN,
            1 => i32::MAX,
            _ => self.bits() as i32 >> (self.bits() % 32),
        }
    }

    fn scale(&mut self) -> Scale {
        let multiplier = match self.bits() % 8 {
            0 => i32::MAX,
            1 => 1 << 30,
            2 => 0,
            _ => (self.bits() >> 1 | 1 << 30) as i32,
        };
        // Mostly shifts that leave sums of some thousands in the range of a byte.
        let shift = match self.bits() % 8 {
            0 => (self.bits() % 62) as i8 - 31,
            _ => -((self.bits() % 13) as i8),
        };
        Scale { multiplier, shift }
    }

    fn layer(&mut self, inputs: usize, outputs: usize) -> FullyConnected {
        let (left, right) = (self.byte(), self.byte());
        FullyConnected {
            input_channels: inputs,
            output_channels: outputs,
            weights: self.bytes(inputs * outputs),
            bias: (0..outputs).map(|_| self.bias()).collect(),
            scales: (0..outputs).map(|_| self.scale()).collect(),
            rounding: if self.bits() & 1 == 0 {
                Rounding::Single
            } else {
                Rounding::Double
            },
            clamp_minimum: left.min(right),
            clamp_maximum: left.max(right),
        }
    }

    /// Fully-connected layers between tensors of these sizes.
    pub fn network(&mut self, sizes: &[usize]) -> Network {
        let layers = sizes
            .windows(2)
            .map(|pair| self.layer(pair[0], pair[1]))
            .collect();
        let zero_points = self.bytes(sizes.len());
        network_of(layers, &zero_points)
    }
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
        layout: Layout::Same,
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
    let sizes = prop::collection::vec(1..=largest, 2..=5);
    (sizes, any::<u64>()).prop_map(|(sizes, seed)| Numbers(seed).network(&sizes))
}

/// `rows` rows of any values for a network.
pub fn any_rows(network: &Network, rows: usize, seed: u64) -> Vec<i8> {
    Numbers(seed).bytes(rows * network.input_elements())
}

/// The folder of reference models: `mlperf-tiny` in the folder that the environment variable
/// SYSTOLE_SHARED names, or in `shared` beside the workspace.
fn references() -> PathBuf {
    std::env::var_os("SYSTOLE_SHARED")
        .map_or_else(
            || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared"),
            PathBuf::from,
        )
        .join("mlperf-tiny")
}

/// Whether the reference models are there. Tests that need them end early, with a note, if not.
pub fn references_are_there() -> bool {
    let folder = references();
    let there = folder.is_dir();
    if !there {
        eprintln!(
            "skipped: the reference models are not in {}",
            folder.display()
        );
    }
    there
}

/// A reference model.
pub fn reference(file: &str) -> Network {
    Network::load(references().join(file)).expect("the reference model is supported")
}

/// The anomaly detection model of MLPerf Tiny.
pub fn anomaly_detection() -> Network {
    reference("ad01_int8.tflite")
}

/// Rows of a reference array, flattened.
pub fn golden(name: &str) -> Vec<i8> {
    let path = references().join("golden").join(format!("{name}.npy"));
    let array: ArrayD<i8> = ndarray_npy::read_npy(path).expect("a reference array");
    array.into_iter().collect()
}
