//! Real models against their references: TFLite's reference kernels to the byte, ONNX Runtime
//! within one step.

mod common;

use common::{differences, fixture, model, values};
use systole_host::Network;
use systole_host::cpu::CpuExecutor;
use systole_host::model::{Element, Layout, Operation, Rounding, Source};
use systole_host::rows::{Rows, write_outputs};
use systole_host::signature::Datatype;

fn load(path: std::path::PathBuf) -> Network {
    Network::load(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn run(network: &Network, rows: &Rows) -> Vec<i8> {
    CpuExecutor::new(network)
        .expect("a loaded network")
        .run(&rows.values, rows.count)
}

#[test]
fn anomaly_detection_is_what_its_page_says() {
    if !common::references_are_there() {
        return;
    }
    let network = load(model("ad01_int8.tflite"));
    assert_eq!(
        (network.name.as_str(), network.source),
        ("ad01_int8", Source::Tflite)
    );
    assert_eq!(network.macs(), 264_192);
    assert_eq!(network.layers.len(), 10);
    assert_eq!(
        (network.input_elements(), network.output_elements()),
        (640, 640)
    );
    assert_eq!(network.input.quantization.zero_point, 89);
    for layer in &network.layers {
        let Operation::FullyConnected(dense) = &layer.operation else {
            panic!("{} is not dense", layer.name);
        };
        assert_eq!(dense.rounding, Rounding::Single);
    }
}

#[test]
fn anomaly_detection_equals_the_goldens_from_both_formats() {
    if !common::references_are_there() {
        return;
    }
    for name in ["ad01_int8.tflite", "ad01_int8.onnx"] {
        let network = load(model(name));
        for (golden, count) in [("ad01_int8", 16), ("ad01_int8_real", 196)] {
            let rows = Rows::read(model(&format!("golden/{golden}_in.npy")), &network)
                .expect("the golden input");
            assert_eq!((rows.count, rows.element), (count, Datatype::Int8));
            let expected: Vec<i8> = values(&model(&format!("golden/{golden}_out.npy")));
            assert_eq!(
                differences(&run(&network, &rows), &expected),
                (0, 0),
                "{name}, {golden}"
            );
        }
    }
}

/// Both files, golden data and multiply-accumulates of the convolutional networks.
const CONVOLUTIONAL: [(&str, &str, &str, u64); 3] = [
    (
        "pretrainedResnet_quant.tflite",
        "ic_resnet8_int8.onnx",
        "ic_resnet8_int8",
        12_501_632,
    ),
    (
        "kws_ref_model.tflite",
        "kws_dscnn_int8.onnx",
        "kws_dscnn_int8",
        2_656_768,
    ),
    (
        "vww_96_int8.tflite",
        "vww_96_int8.onnx",
        "vww_96_int8",
        7_489_664,
    ),
];

#[test]
fn convolutional_tflite_networks_equal_the_goldens() {
    if !common::references_are_there() {
        return;
    }
    for (tflite, _, golden, macs) in CONVOLUTIONAL {
        let network = load(model(tflite));
        assert_eq!(network.macs(), macs, "{tflite}");
        let rows =
            Rows::read(model(&format!("golden/{golden}_in.npy")), &network).expect("the input");
        assert_eq!(rows.count, 16);
        let logits_expected: Vec<i8> = values(&model(&format!("golden/{golden}_logits_out.npy")));
        let expected: Vec<i8> = values(&model(&format!("golden/{golden}_out.npy")));
        let logits = run(&network.without_softmax(), &rows);
        assert_eq!(differences(&logits, &logits_expected), (0, 0), "{tflite}");
        assert_eq!(
            differences(&run(&network, &rows), &expected),
            (0, 0),
            "{tflite}"
        );

        let (head, tail) = network.split_tail();
        head.validate().expect("consistent");
        assert_eq!(head.layers.len() + 1, network.layers.len(), "softmax");
        let outputs = tail.apply(&run(&head, &rows), rows.count);
        assert_eq!(differences(&outputs, &expected), (0, 0), "{tflite}");
    }
}

/// Index of the greatest value of a row.
fn class(row: &[i8]) -> usize {
    let greatest = row.iter().max().expect("rows are not empty");
    row.iter()
        .position(|value| value == greatest)
        .expect("it is one of them")
}

#[test]
fn convolutional_onnx_networks_agree_with_the_goldens() {
    if !common::references_are_there() {
        return;
    }
    for ((_, onnx, golden, macs), bound) in CONVOLUTIONAL.into_iter().zip([6, 1, 2]) {
        let network = load(model(onnx));
        assert_eq!(network.macs(), macs, "{onnx}");
        assert_eq!(
            network.input.layout,
            Layout::Same,
            "{onnx}: transposed in the graph"
        );
        let rows =
            Rows::read(model(&format!("golden/{golden}_in.npy")), &network).expect("the input");
        let logits_expected: Vec<i8> = values(&model(&format!("golden/{golden}_logits_out.npy")));
        let logits = run(&network.without_softmax(), &rows);
        let (count, most) = differences(&logits, &logits_expected);
        println!(
            "{onnx}: {count} of {} logits differ, by {most} at most",
            logits.len()
        );
        // TFLite rounds convolutions twice, and what a step of difference in one layer becomes
        // in the logits depends on the weights behind it. Classes may swap only if they are as
        // close.
        assert!(most <= bound, "{onnx}: {count}, by {most}");
        for (row, expected) in logits
            .chunks(logits.len() / 16)
            .zip(logits_expected.chunks(logits.len() / 16))
        {
            let (class, expected_class) = (class(row), class(expected));
            let lead = i32::from(expected[expected_class]) - i32::from(expected[class]);
            assert!(lead <= 2 * bound, "{onnx}: {class}, not {expected_class}");
        }
        // ONNX Runtime's float32 goes the other way at a few rounding boundaries, so it is up to 3
        // steps away from what the graph says in exact arithmetic. This is one at most, and only
        // where an average is a tie.
        let exact: Vec<i8> = values(&fixture(&format!("{golden}_exact.npy")));
        let (count, most) = differences(&logits, &exact);
        println!("{onnx}: {count} differ from exact arithmetic, by {most} at most");
        assert!(
            most <= 1 && count * 10 <= exact.len(),
            "{onnx}: {count}, by {most}"
        );
        let outputs = run(&network, &rows);
        assert_eq!(outputs.len(), logits.len());
    }
}

#[test]
fn both_formats_of_a_model_are_the_same_network() {
    if !common::references_are_there() {
        return;
    }
    let (tflite, onnx) = (
        load(model("ad01_int8.tflite")),
        load(model("ad01_int8.onnx")),
    );
    assert_eq!(tflite.layers.len(), onnx.layers.len());
    for (left, right) in tflite.layers.iter().zip(&onnx.layers) {
        let Operation::FullyConnected(left) = &left.operation else {
            panic!("not dense")
        };
        let Operation::FullyConnected(right) = &right.operation else {
            panic!("not dense")
        };
        assert_eq!((&left.weights, &left.bias), (&right.weights, &right.bias));
        assert_eq!(
            (left.clamp_minimum, left.clamp_maximum),
            (right.clamp_minimum, right.clamp_maximum)
        );
        for (left, right) in left.scales.iter().zip(&right.scales) {
            // TFLite rounds the product of two scales to float before it divides.
            assert!((left.real() / right.real() - 1.0).abs() < 1e-7);
        }
    }
}

#[test]
fn rows_may_come_in_any_number() {
    if !common::references_are_there() {
        return;
    }
    let network = load(model("ad01_int8.tflite"));
    let rows: Vec<i8> = values(&model("golden/ad01_int8_real_in.npy"));
    let executor = CpuExecutor::new(&network).expect("a loaded network");
    let all = executor.run(&rows, 196);
    for batch in [1, 7, 16] {
        let pieces: Vec<i8> = rows
            .chunks(batch * 640)
            .flat_map(|piece| executor.run(piece, piece.len() / 640))
            .collect();
        assert_eq!(differences(&pieces, &all), (0, 0), "batch {batch}");
    }
    assert!(executor.run(&[], 0).is_empty());
}

#[test]
fn small_tflite_networks_equal_the_reference_kernels() {
    // Every fused activation, weight scales per tensor and per channel, no bias.
    for name in ["activations_tensor", "activations_channel"] {
        let network = load(fixture(&format!("{name}.tflite")));
        assert_eq!(network.layers.len(), 4);
        let rows = Rows::read(fixture(&format!("{name}_in.npy")), &network).expect("its input");
        let expected: Vec<i8> = values(&fixture(&format!("{name}_out.npy")));
        assert_eq!(
            differences(&run(&network, &rows), &expected),
            (0, 0),
            "{name}"
        );
    }
}

#[test]
fn small_convolutional_tflite_networks_equal_the_reference_kernels() {
    // Convolutions of all kinds and what stands between them, then each tail by itself.
    let names = [
        "images_joined",
        "images_gated",
        "images_flat_mean",
        "wake_word",
    ];
    let mut different = Vec::new();
    for name in names {
        let network = load(fixture(&format!("{name}.tflite")));
        let rows = Rows::read(fixture(&format!("{name}_in.npy")), &network).expect("its input");
        let expected: Vec<i8> = values(&fixture(&format!("{name}_out.npy")));
        let difference = differences(&run(&network, &rows), &expected);
        if difference != (0, 0) {
            different.push((name, difference));
        }
    }
    assert_eq!(different, []);
}

#[test]
fn paddings_bounds_and_factors_are_folded() {
    let network = load(fixture("images_joined.tflite"));
    let kinds: Vec<_> = network
        .layers
        .iter()
        .map(|layer| layer.operation.name())
        .collect();
    assert!(!kinds.contains(&"pad"), "{kinds:?}");
    // Of the two products with constants, one has factors that fit int8.
    assert_eq!(kinds.iter().filter(|&&kind| kind == "multiply").count(), 1);
    assert_eq!(
        kinds
            .iter()
            .filter(|&&kind| kind == "depthwise convolution")
            .count(),
        1
    );
    let valid = network
        .layers
        .iter()
        .find(|layer| layer.name == "valid")
        .expect("it is there");
    let Operation::Convolution(convolution) = &valid.operation else {
        panic!("{}", valid.operation.name())
    };
    assert_eq!(
        (convolution.window.pad_top, convolution.window.pad_left),
        (1, 1)
    );
}

#[test]
fn tflite_conversions_at_the_ends_equal_the_reference_kernels() {
    let network = load(fixture("float_ports.tflite"));
    assert!(network.input.external_float && network.output.external_float);
    assert_eq!(network.tensor(network.input.tensor).shape, [4, 5]);
    let rows = Rows::read(fixture("float_ports_in.npy"), &network).expect("its input");
    let outputs = network.dequantize_output(&run(&network, &rows));
    assert_eq!(outputs, values::<f32>(&fixture("float_ports_out.npy")));

    let network = load(fixture("uint8_ports.tflite"));
    assert_eq!(
        (network.input.element, network.output.element),
        (Element::U8, Element::U8)
    );
    let rows = Rows::read(fixture("uint8_ports_in.npy"), &network).expect("its input");
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    let outputs = run(&network, &rows);
    write_outputs(file.path(), &network, rows.element, rows.count, &outputs).expect("writable");
    let expected: Vec<u8> = values(&fixture("uint8_ports_out.npy"));
    assert_eq!(values::<u8>(file.path()), expected);
}

/// ONNX Runtime's float output as the integers that it came from.
fn steps(network: &Network, floats: &[f32]) -> Vec<i8> {
    network.output.quantize(floats, network.source.ties())
}

#[test]
fn networks_quantized_by_onnx_runtime_are_within_one_step() {
    let names = [
        "gemm_u8_tensor",
        "gemm_u8_channel",
        "gemm_s8_tensor",
        "gemm_s8_channel",
        "clip_s8_channel",
        "flatten_u8_tensor",
        "fused_matmul_s8_tensor",
        "symmetric_s8_channel",
    ];
    for name in names {
        let network = load(fixture(&format!("{name}.onnx")));
        assert_eq!(
            (network.layers.len(), network.source),
            (3, Source::Onnx),
            "{name}"
        );
        assert!(
            network.input.external_float && network.output.external_float,
            "{name}"
        );
        let unsigned = name.contains("u8");
        let element = if unsigned { Element::U8 } else { Element::I8 };
        assert_eq!(network.input.element, element, "{name}");
        let rows = Rows::read(fixture(&format!("{name}_in.npy")), &network).expect("its input");
        assert_eq!((rows.count, rows.element), (32, Datatype::Fp32), "{name}");
        let expected = steps(
            &network,
            &values::<f32>(&fixture(&format!("{name}_out.npy"))),
        );
        let (count, most) = differences(&run(&network, &rows), &expected);
        println!(
            "{name}: {count} of {} outputs differ, by {most} at most",
            expected.len()
        );
        assert!(
            most <= 1 && count * 50 <= expected.len(),
            "{name}: {count}, by {most}"
        );
    }
}

#[test]
fn convolutional_networks_quantized_by_onnx_runtime_are_within_a_step_or_two() {
    for name in [
        "classifier_u8_channel",
        "classifier_s8_tensor",
        "features_s8_channel",
        "embedding_u8_channel",
    ] {
        let network = load(fixture(&format!("{name}.onnx")));
        assert_eq!(network.input.layout, Layout::ChannelsFirst, "{name}");
        assert_eq!(
            network.tensor(network.input.tensor).shape,
            [8, 6, 3],
            "{name}"
        );
        let rows = Rows::read(fixture(&format!("{name}_in.npy")), &network).expect("its input");
        let reference = values::<f32>(&fixture(&format!("{name}_out.npy")));
        let expected = steps(&network, &reference);
        let outputs = network.arrange_output(run(&network, &rows));
        let (count, most) = differences(&outputs, &expected);
        println!(
            "{name}: {count} of {} outputs differ, by {most} at most",
            expected.len()
        );
        assert!(
            most <= 2 && count * 20 <= expected.len(),
            "{name}: {count}, by {most}"
        );
    }
}

#[test]
fn integer_ports_and_folded_constants_are_within_one_step() {
    let network = load(fixture("mixed.onnx"));
    assert_eq!(
        (network.input.element, network.output.element),
        (Element::U8, Element::I8)
    );
    assert!(!network.input.external_float && !network.output.external_float);
    assert_eq!(network.input.quantization.zero_point, 131);
    assert_eq!(network.tensor(network.input.tensor).shape, [4, 5]);
    assert_eq!(network.tensor(network.output.tensor).shape, [1, 6]);
    let rows = Rows::read(fixture("mixed_in.npy"), &network).expect("its input");
    assert_eq!((rows.count, rows.element), (32, Datatype::Uint8));
    let expected: Vec<i8> = values(&fixture("mixed_out.npy"));
    let (count, most) = differences(&run(&network, &rows), &expected);
    println!(
        "mixed: {count} of {} outputs differ, by {most} at most",
        expected.len()
    );
    assert!(most <= 1 && count * 50 <= expected.len());
}

#[test]
fn a_bound_between_two_quantizations_is_within_one_step() {
    let network = load(fixture("bounded_twice.onnx"));
    assert_eq!((network.layers.len(), network.tensors.len()), (1, 2));
    let rows = Rows::read(fixture("bounded_twice_in.npy"), &network).expect("its input");
    let expected: Vec<i8> = values(&fixture("bounded_twice_out.npy"));
    let (count, most) = differences(&run(&network, &rows), &expected);
    println!(
        "{count} of {} outputs differ, by {most} at most",
        expected.len()
    );
    assert_eq!(
        most, 1,
        "the first quantization is left out, which must show and by no more"
    );
}

#[test]
fn the_demo_network_loads() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("demo/digits.onnx");
    let network = load(path);
    assert_eq!(
        (network.input_elements(), network.output_elements()),
        (64, 10)
    );
    assert!(CpuExecutor::new(&network).is_ok());
}
