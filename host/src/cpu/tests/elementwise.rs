//! Sums against their definition, value by value, with scales of every kind.

use super::port;
use crate::cpu::CpuExecutor;
use crate::cpu::kernel::Kernel;
use crate::model::{Add, Layer, Network, Operation, Rounding, Scale, Source, Tensor, TensorId};
use proptest::prelude::*;

/// `output = input + input`, with another scale for each side.
fn network(add: Add, size: usize, zero_points: [i8; 2]) -> Network {
    let tensors: Vec<Tensor> = zero_points
        .iter()
        .map(|&zero_point| Tensor {
            name: "t".into(),
            shape: vec![size],
            zero_point,
            scale: 0.5,
        })
        .collect();
    Network {
        name: "sum".into(),
        source: Source::Tflite,
        layers: vec![Layer {
            name: "l".into(),
            inputs: vec![TensorId(0), TensorId(0)],
            output: TensorId(1),
            operation: Operation::Add(add),
        }],
        input: port(&tensors, 0),
        output: port(&tensors, 1),
        tensors,
    }
}

/// Those of usual networks, and all others below one.
fn any_scale() -> impl Strategy<Value = Scale> {
    let multiplier = prop_oneof![1 << 30..=i32::MAX, 0..=i32::MAX, Just(0), Just(i32::MAX)];
    (multiplier, prop_oneof![-22_i8..=0, -31_i8..=0])
        .prop_map(|(multiplier, shift)| Scale { multiplier, shift })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn sums_give_what_their_definition_says(
        row in proptest::collection::vec(any::<i8>(), 1..70),
        scales in [any_scale(), any_scale(), any_scale()],
        left_shift in 0_u8..=20,
        zero_points in any::<[i8; 2]>(),
        clamp in any::<[i8; 2]>(),
    ) {
        let add = Add {
            left_shift,
            left: scales[0],
            right: scales[1],
            output: scales[2],
            clamp_minimum: clamp[0].min(clamp[1]),
            clamp_maximum: clamp[0].max(clamp[1]),
        };
        let expected: Vec<i8> = row
            .iter()
            .map(|&value| {
                let difference = (i32::from(value) - i32::from(zero_points[0])) << left_shift;
                let term = |scale: Scale| scale.apply(difference, Rounding::Double) as i32;
                let sum = term(add.left).wrapping_add(term(add.right));
                let scaled = add.output.apply(sum, Rounding::Double) + i64::from(zero_points[1]);
                scaled.clamp(add.clamp_minimum.into(), add.clamp_maximum.into()) as i8
            })
            .collect();
        let network = network(add, row.len(), zero_points);
        for kernel in Kernel::all() {
            let executor = CpuExecutor::with_kernel(&network, kernel).expect("consistent");
            prop_assert_eq!(executor.run(&row, 1), expected.clone());
        }
    }
}
