//! The executor against a plain reading of the layer's definition.

mod elementwise;
mod images;

use super::*;
use crate::model::{
    Element, FullyConnected, Layer, Layout, Port, Quantization, Rounding, Scale, Source, Tensor,
    TensorId,
};
use proptest::prelude::*;

/// Numbers from a linear congruential generator: the same on every run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u32 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) as u32
    }

    /// Bytes with many extremes among them.
    fn byte(&mut self) -> i8 {
        match self.next() % 8 {
            0 => i8::MIN,
            1 => i8::MAX,
            _ => self.next() as i8,
        }
    }

    fn bytes(&mut self, count: usize) -> Vec<i8> {
        (0..count).map(|_| self.byte()).collect()
    }
}

fn random_network(sizes: &[usize], rounding: Rounding, numbers: &mut Numbers) -> Network {
    let tensors: Vec<Tensor> = sizes
        .iter()
        .enumerate()
        .map(|(index, &size)| Tensor {
            name: format!("t{index}"),
            shape: vec![size],
            zero_point: numbers.byte(),
            scale: 0.5,
        })
        .collect();
    let layers = sizes
        .windows(2)
        .enumerate()
        .map(|(index, size)| {
            let (first, second) = (numbers.byte(), numbers.byte());
            // Shifts of usual layers, which have a way of their own, and all others.
            let (shifts, least) = [(62, -31), (25, -21)][numbers.next() as usize % 2];
            let dense = FullyConnected {
                input_channels: size[0],
                output_channels: size[1],
                weights: numbers.bytes(size[0] * size[1]),
                bias: (0..size[1])
                    .map(|_| numbers.next() as i32 >> (numbers.next() % 31))
                    .collect(),
                scales: (0..size[1])
                    .map(|_| Scale {
                        multiplier: (numbers.next() & 0x7fff_ffff) as i32,
                        shift: (numbers.next() % shifts) as i8 + least,
                    })
                    .collect(),
                rounding,
                clamp_minimum: first.min(second),
                clamp_maximum: first.max(second),
            };
            Layer {
                name: format!("l{index}"),
                inputs: vec![TensorId(index)],
                output: TensorId(index + 1),
                operation: Operation::FullyConnected(dense),
            }
        })
        .collect();
    let (input, output) = (port(&tensors, 0), port(&tensors, sizes.len() - 1));
    Network {
        name: "random".into(),
        source: Source::Tflite,
        tensors,
        layers,
        input,
        output,
    }
}

/// An int8 port of a tensor.
fn port(tensors: &[Tensor], index: usize) -> Port {
    Port {
        name: format!("p{index}"),
        tensor: TensorId(index),
        element: Element::I8,
        quantization: Quantization {
            scale: 0.5,
            zero_point: tensors[index].zero_point.into(),
        },
        external_float: false,
        layout: Layout::Same,
    }
}

/// One row by the definition: differences from the zero point first, nothing folded or padded.
fn plain(network: &Network, row: &[i8]) -> Vec<i8> {
    let mut values = row.to_vec();
    for layer in &network.layers {
        let Operation::FullyConnected(dense) = &layer.operation else {
            unreachable!("only dense layers are made")
        };
        let input_zero = i32::from(network.tensor(layer.inputs[0]).zero_point);
        let output_zero = i64::from(network.tensor(layer.output).zero_point);
        values = (0..dense.output_channels)
            .map(|channel| {
                let weights = &dense.weights[channel * dense.input_channels..];
                let sum = values
                    .iter()
                    .zip(weights)
                    .fold(dense.bias[channel], |sum, (&x, &w)| {
                        sum.wrapping_add((i32::from(x) - input_zero) * i32::from(w))
                    });
                let scaled = dense.scales[channel].apply(sum, dense.rounding) + output_zero;
                scaled.clamp(dense.clamp_minimum.into(), dense.clamp_maximum.into()) as i8
            })
            .collect();
    }
    values
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_network_gives_what_its_definition_says(
        sizes in proptest::collection::vec(1_usize..70, 2..5),
        double in any::<bool>(),
        count in 0_usize..20,
        seed in any::<u64>(),
    ) {
        let mut numbers = Numbers(seed);
        let rounding = if double { Rounding::Double } else { Rounding::Single };
        let network = random_network(&sizes, rounding, &mut numbers);
        let rows = numbers.bytes(count * sizes[0]);
        let expected: Vec<i8> =
            rows.chunks(sizes[0]).flat_map(|row| plain(&network, row)).collect();
        for kernel in Kernel::all() {
            let executor = CpuExecutor::with_kernel(&network, kernel).expect("consistent");
            prop_assert_eq!(executor.run(&rows, count), expected.clone());
        }
    }
}

#[test]
fn an_inconsistent_network_is_refused() {
    let mut numbers = Numbers(1);
    let good = random_network(&[3, 4, 5], Rounding::Single, &mut numbers);
    assert!(CpuExecutor::new(&good).is_ok());
    type Change = fn(&mut Network);
    fn dense(network: &mut Network) -> &mut FullyConnected {
        let Operation::FullyConnected(dense) = &mut network.layers[1].operation else {
            unreachable!("only dense layers are made")
        };
        dense
    }
    let changes: [(&str, Change); 11] = [
        ("no layers", |n| n.layers.clear()),
        ("order", |n| n.layers.reverse()),
        ("tensor index", |n| n.layers[0].output = TensorId(9)),
        ("written twice", |n| n.layers[1].output = TensorId(1)),
        ("input shape", |n| n.tensors[0].shape = vec![2]),
        ("empty shape", |n| n.tensors[1].shape = vec![0]),
        ("huge shape", |n| n.tensors[1].shape = vec![usize::MAX, 2]),
        ("scale", |n| n.tensors[1].scale = f64::NAN),
        ("weights", |n| dense(n).weights.truncate(7)),
        ("shift", |n| dense(n).scales[0].shift = 31),
        ("port", |n| n.output.tensor = TensorId(7)),
    ];
    for (what, change) in changes {
        let mut network = good.clone();
        change(&mut network);
        assert!(CpuExecutor::new(&network).is_err(), "{what} was accepted");
    }
}

#[test]
fn buffers_are_no_more_than_calls_at_once() {
    let mut numbers = Numbers(2);
    let network = random_network(&[3, 4], Rounding::Single, &mut numbers);
    let executor = CpuExecutor::new(&network).expect("consistent");
    for _ in 0..10 {
        // A call of many rows meets the buffers of two small ones, the smaller on top.
        let (large, small) = (executor.take_arena(ROWS), executor.take_arena(1));
        executor.arenas().extend([large, small]);
        executor.run(&numbers.bytes(3 * ROWS), ROWS);
        assert!(executor.arenas().len() <= 2);
    }
}
