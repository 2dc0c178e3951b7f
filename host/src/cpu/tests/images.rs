//! Layers of images against their definitions, written as plain loops over coordinates.

use super::{Numbers, port};
use crate::cpu::CpuExecutor;
use crate::cpu::kernel::Kernel;
use crate::model::{
    Convolution, Depthwise, Layer, Network, Operation, Pool, PoolKind, Requantization, Rounding,
    Scale, Source, Tensor, TensorId, Window,
};
use proptest::prelude::*;

/// A network of one layer between images of these shapes.
fn network(operation: Operation, shapes: [[usize; 3]; 2], zero_points: [i8; 2]) -> Network {
    let tensors: Vec<Tensor> = shapes
        .iter()
        .zip(zero_points)
        .map(|(shape, zero_point)| Tensor {
            name: "t".into(),
            shape: shape.to_vec(),
            zero_point,
            scale: 0.5,
        })
        .collect();
    Network {
        name: "one".into(),
        source: Source::Tflite,
        layers: vec![Layer {
            name: "l".into(),
            inputs: vec![TensorId(0)],
            output: TensorId(1),
            operation,
        }],
        input: port(&tensors, 0),
        output: port(&tensors, 1),
        tensors,
    }
}

/// A window with the output size that it gives, for an image of this size.
fn any_window() -> impl Strategy<Value = (Window, [usize; 2], [usize; 2])> {
    let side = || {
        (1_usize..9, 1_usize..7, 1_usize..4)
            .prop_flat_map(|(input, kernel, stride)| (Just((input, kernel, stride)), 0..kernel))
    };
    (side(), side(), 0_usize..8).prop_map(|(vertical, horizontal, fewer)| {
        let outputs = |((input, _, stride), pad): ((usize, usize, usize), usize)| {
            // As many as begin in front of the image's end, or fewer.
            let most = (input + pad - 1) / stride + 1;
            most.saturating_sub(fewer % 3).max(1)
        };
        let ((height, kernel_height, stride_y), pad_top) = vertical;
        let ((width, kernel_width, stride_x), pad_left) = horizontal;
        let window = Window {
            height: kernel_height,
            width: kernel_width,
            stride_y,
            stride_x,
            pad_top,
            pad_left,
        };
        (
            window,
            [height, width],
            [outputs(vertical), outputs(horizontal)],
        )
    })
}

/// The input value at a position of a window, if it is inside the image.
fn under(
    window: &Window,
    [height, width]: [usize; 2],
    (y, x): (usize, usize),
    (ky, kx): (usize, usize),
) -> Option<usize> {
    let row = (y * window.stride_y + ky).checked_sub(window.pad_top)?;
    let column = (x * window.stride_x + kx).checked_sub(window.pad_left)?;
    (row < height && column < width).then_some(row * width + column)
}

fn scales(numbers: &mut Numbers, count: usize) -> Vec<Scale> {
    let scale = |_| Scale {
        multiplier: (numbers.next() & 0x7fff_ffff) as i32,
        shift: (numbers.next() % 20) as i8 - 16,
    };
    (0..count).map(scale).collect()
}

fn finish(scale: Scale, sum: i64, rounding: Rounding, zero_point: i8) -> i8 {
    let sum = i32::try_from(sum).expect("small sums");
    (scale.apply(sum, rounding) + i64::from(zero_point)).clamp(-100, 110) as i8
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn convolutions_give_what_their_definition_says(
        (window, inside, outside) in any_window(),
        (inputs, outputs) in (1_usize..20, 1_usize..40),
        double in any::<bool>(),
        seed in any::<u64>(),
    ) {
        let mut numbers = Numbers(seed);
        let zero_points = [numbers.byte(), numbers.byte()];
        let layer = Convolution {
            window,
            input_channels: inputs,
            output_channels: outputs,
            weights: numbers.bytes(window.area() * inputs * outputs),
            bias: (0..outputs).map(|_| numbers.next() as i32 >> 12).collect(),
            scales: scales(&mut numbers, outputs),
            rounding: if double { Rounding::Double } else { Rounding::Single },
            clamp_minimum: -100,
            clamp_maximum: 110,
        };
        let shapes = [
            [inside[0], inside[1], inputs],
            [outside[0], outside[1], outputs],
        ];
        let rows = numbers.bytes(inside[0] * inside[1] * inputs * 3);
        let mut expected = Vec::new();
        for row in rows.chunks(inside[0] * inside[1] * inputs) {
            for y in 0..outside[0] {
                for x in 0..outside[1] {
                    for output in 0..outputs {
                        let mut sum = i64::from(layer.bias[output]);
                        for ky in 0..window.height {
                            for kx in 0..window.width {
                                let Some(pixel) = under(&window, inside, (y, x), (ky, kx)) else {
                                    continue;
                                };
                                for input in 0..inputs {
                                    let place =
                                        ((output * window.height + ky) * window.width + kx)
                                            * inputs
                                            + input;
                                    let difference = i64::from(row[pixel * inputs + input])
                                        - i64::from(zero_points[0]);
                                    sum += difference * i64::from(layer.weights[place]);
                                }
                            }
                        }
                        let scale = layer.scales[output];
                        expected.push(finish(scale, sum, layer.rounding, zero_points[1]));
                    }
                }
            }
        }
        let network = network(Operation::Convolution(layer), shapes, zero_points);
        for kernel in Kernel::all() {
            let executor = CpuExecutor::with_kernel(&network, kernel).expect("consistent");
            prop_assert_eq!(executor.run(&rows, 3), expected.clone());
        }
    }

    #[test]
    fn depthwise_convolutions_are_convolutions_with_zeros(
        (window, inside, outside) in any_window(),
        channels in 1_usize..40,
        seed in any::<u64>(),
    ) {
        let mut numbers = Numbers(seed);
        let zero_points = [numbers.byte(), numbers.byte()];
        let layer = Depthwise {
            window,
            channels,
            weights: numbers.bytes(window.area() * channels),
            bias: (0..channels).map(|_| numbers.next() as i32 >> 14).collect(),
            scales: scales(&mut numbers, channels),
            rounding: Rounding::Double,
            clamp_minimum: -100,
            clamp_maximum: 110,
        };
        let mut weights = vec![0; window.area() * channels * channels];
        for (index, &weight) in layer.weights.iter().enumerate() {
            let (position, channel) = (index / channels, index % channels);
            weights[(channel * window.area() + position) * channels + channel] = weight;
        }
        let dense = Convolution {
            window,
            input_channels: channels,
            output_channels: channels,
            weights,
            bias: layer.bias.clone(),
            scales: layer.scales.clone(),
            rounding: layer.rounding,
            clamp_minimum: layer.clamp_minimum,
            clamp_maximum: layer.clamp_maximum,
        };
        let shapes = [
            [inside[0], inside[1], channels],
            [outside[0], outside[1], channels],
        ];
        let rows = numbers.bytes(inside[0] * inside[1] * channels);
        let run = |operation: Operation, kernel| {
            let network = network(operation, shapes, zero_points);
            let executor = CpuExecutor::with_kernel(&network, kernel).expect("consistent");
            executor.run(&rows, 1)
        };
        let dense = run(Operation::Convolution(dense), Kernel::Portable);
        for kernel in Kernel::all() {
            prop_assert_eq!(run(Operation::Depthwise(layer.clone()), kernel), dense.clone());
        }
    }

    #[test]
    fn pools_give_what_their_definition_says(
        (window, inside, outside) in any_window(),
        channels in 1_usize..5,
        average in any::<bool>(),
        requantized in any::<bool>(),
        seed in any::<u64>(),
    ) {
        let mut numbers = Numbers(seed);
        let zero_point = numbers.byte();
        let zero_points = [zero_point, if requantized { numbers.byte() } else { zero_point }];
        let scale = scales(&mut numbers, 1)[0];
        let rounding = Rounding::Double;
        let layer = Pool {
            kind: if average { PoolKind::Average } else { PoolKind::Maximum },
            window,
            requantization: requantized.then_some(Requantization { scale, rounding }),
            clamp_minimum: -100,
            clamp_maximum: 110,
        };
        let shapes = [
            [inside[0], inside[1], channels],
            [outside[0], outside[1], channels],
        ];
        let row = numbers.bytes(inside[0] * inside[1] * channels);
        let mut expected = Vec::new();
        for y in 0..outside[0] {
            for x in 0..outside[1] {
                for channel in 0..channels {
                    let positions = (0..window.height)
                        .flat_map(|ky| (0..window.width).map(move |kx| (ky, kx)));
                    let values: Vec<i64> = positions
                        .filter_map(|position| under(&window, inside, (y, x), position))
                        .map(|pixel| row[pixel * channels + channel].into())
                        .collect();
                    let zero = i64::from(zero_points[0]);
                    let sum: i64 = values.iter().sum();
                    let greatest = *values.iter().max().expect("windows reach the image");
                    let count = values.len() as i64;
                    expected.push(match (average, requantized) {
                        (true, true) => finish(scale, sum - count * zero, rounding, zero_points[1]),
                        (false, true) => finish(scale, greatest - zero, rounding, zero_points[1]),
                        (true, false) => {
                            (sum as f64 / count as f64).round().clamp(-100.0, 110.0) as i8
                        }
                        (false, false) => greatest.clamp(-100, 110) as i8,
                    });
                }
            }
        }
        let network = network(Operation::Pool(layer), shapes, zero_points);
        let executor = CpuExecutor::new(&network).expect("consistent");
        prop_assert_eq!(executor.run(&row, 1), expected);
    }
}

#[test]
fn impossible_geometry_is_refused() {
    let mut numbers = Numbers(3);
    let good = Depthwise {
        window: Window {
            height: 3,
            width: 3,
            stride_y: 2,
            stride_x: 2,
            pad_top: 1,
            pad_left: 1,
        },
        channels: 2,
        weights: numbers.bytes(18),
        bias: vec![0; 2],
        scales: scales(&mut numbers, 2),
        rounding: Rounding::Double,
        clamp_minimum: -100,
        clamp_maximum: 110,
    };
    let accepted = |layer: &Depthwise, inside, outside| {
        let network = network(
            Operation::Depthwise(layer.clone()),
            [inside, outside],
            [0, 0],
        );
        CpuExecutor::new(&network).is_ok()
    };
    assert!(accepted(&good, [5, 5, 2], [3, 3, 2]));
    assert!(
        !accepted(&good, [5, 5, 2], [4, 3, 2]),
        "a window behind the image"
    );
    assert!(!accepted(&good, [5, 5, 3], [3, 3, 3]), "channels");
    assert!(!accepted(&good, [5, 5, 2], [3, 3, 3]), "output channels");
    type Change = fn(&mut Depthwise);
    let changes: [(&str, Change); 8] = [
        ("no kernel", |layer| layer.window.height = 0),
        ("no stride", |layer| layer.window.stride_x = 0),
        ("huge stride", |layer| layer.window.stride_x = usize::MAX),
        ("huge kernel", |layer| layer.window.width = usize::MAX),
        ("padding of a whole kernel", |layer| {
            layer.window.pad_top = 3
        }),
        ("weights", |layer| layer.weights.truncate(17)),
        ("bias", |layer| layer.bias.clear()),
        ("clamp", |layer| layer.clamp_minimum = 111),
    ];
    for (what, change) in changes {
        let mut layer = good.clone();
        change(&mut layer);
        assert!(
            !accepted(&layer, [5, 5, 2], [3, 3, 2]),
            "{what} was accepted"
        );
    }
}
