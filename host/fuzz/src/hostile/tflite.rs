//! TFLite files that share and expand weights.

use super::{ANY_FILE, REFUSED, import, refusal};
use crate::tflite::file::{Field, File, Operator, Tensor};

const CONV_2D: i32 = 3;
const DEPTHWISE_CONV_2D: i32 = 4;
const FULLY_CONNECTED: i32 = 9;
const RELU: i32 = 19;

fn tensor(shape: &[i32], data: Option<Vec<u8>>) -> Tensor {
    Tensor {
        shape: shape.to_vec(),
        element: 9,
        scales: vec![0.5],
        zero_points: vec![0],
        axis: 0,
        data,
        name: String::new(),
    }
}

fn operator(code: i32, inputs: &[i32], output: i32, kind: u8, fields: &[(u16, Field)]) -> Operator {
    Operator {
        code,
        inputs: inputs.to_vec(),
        outputs: vec![output],
        options: Some((kind, fields.to_vec())),
    }
}

/// One operation of the same weights, behind the input, for each output.
fn file(tensors: Vec<Tensor>, operators: Vec<Operator>, output: i32) -> Vec<u8> {
    let file = File {
        version: 3,
        tensors,
        operators,
        inputs: vec![0],
        outputs: vec![output],
    };
    file.write()
}

/// So many operations with the weights at index 1, all of the input at index 0.
fn sharing(
    [input, weights, output]: [&[i32]; 3],
    stored: usize,
    count: usize,
    make: impl Fn(i32) -> Operator,
) -> Vec<u8> {
    let mut tensors = vec![tensor(input, None), tensor(weights, Some(vec![1; stored]))];
    let first = tensors.len() as i32;
    tensors.extend((0..count).map(|_| tensor(output, None)));
    let operators = (0..count).map(|index| make(first + index as i32));
    file(tensors, operators.collect(), first)
}

const STRIDES: [(u16, Field); 3] = [(0, Field::Byte(0)), (1, Field::Int(1)), (2, Field::Int(1))];

#[test]
fn channels_without_their_weights_are_refused_before_they_are_made() {
    const CHANNELS: i32 = 1 << 24;
    let convolution = |output| operator(CONV_2D, &[0, 1], output, 1, &STRIDES);
    let shapes: [&[i32]; 3] = [&[1, 1, 1, 1], &[CHANNELS, 1, 1, 1], &[1, 1, 1, CHANNELS]];
    let message = refusal(&sharing(shapes, 1, 20, convolution), REFUSED);
    assert!(message.contains("have 1 bytes"), "{message}");

    let depthwise = |output| operator(DEPTHWISE_CONV_2D, &[0, 1], output, 2, &STRIDES);
    let shapes: [&[i32]; 3] = [&[1, 1, 1, 1], &[1, 1, 1, CHANNELS], &[1, 1, 1, CHANNELS]];
    let message = refusal(&sharing(shapes, 1, 20, depthwise), REFUSED);
    assert!(message.contains("have 1 bytes"), "{message}");

    let dense = |output| operator(FULLY_CONNECTED, &[0, 1], output, 8, &[]);
    let shapes: [&[i32]; 3] = [&[1, 1], &[CHANNELS, 1], &[1, CHANNELS]];
    let message = refusal(&sharing(shapes, 1, 20, dense), REFUSED);
    assert!(message.contains("have 1 bytes"), "{message}");
}

#[test]
fn weights_that_many_layers_share_are_bounded() {
    let dense = |output| operator(FULLY_CONNECTED, &[0, 1], output, 8, &[]);
    let shapes: [&[i32]; 3] = [&[1, 1024], &[256, 1024], &[1, 256]];
    let file = sharing(shapes, 256 * 1024, 4000, dense);
    let message = refusal(&file, ANY_FILE);
    assert!(message.contains("too much memory"), "{message}");
    // Some layers may.
    import(&sharing(shapes, 256 * 1024, 50, dense), ANY_FILE).expect("shared weights");
}

#[test]
fn depthwise_weights_that_are_expanded_are_bounded() {
    let depthwise = |output| operator(DEPTHWISE_CONV_2D, &[0, 1], output, 2, &STRIDES);
    let shapes: [&[i32]; 3] = [&[1, 1, 1, 2048], &[1, 1, 1, 4096], &[1, 1, 1, 4096]];
    let file = sharing(shapes, 4096, 1000, depthwise);
    let message = refusal(&file, ANY_FILE);
    assert!(message.contains("too much memory"), "{message}");
}

/// The time of looking for a tensor's readers in all layers would be the square of their number.
#[test]
fn fifty_thousand_layers_take_no_minute() {
    const LAYERS: i32 = 50_000;
    let tensors = (0..=LAYERS).map(|_| tensor(&[1, 4], None)).collect();
    let operators = (0..LAYERS).map(|index| operator(RELU, &[index], index + 1, 0, &[]));
    let network = import(&file(tensors, operators.collect(), LAYERS), ANY_FILE);
    assert!(network.is_ok(), "{network:?}");
}

/// Of a kernel as high as a model may have, most is padding: of every column of the image.
#[test]
fn padding_without_end_is_refused() {
    let depthwise = |output| operator(DEPTHWISE_CONV_2D, &[0, 1], output, 2, &STRIDES);
    let shapes: [&[i32]; 3] = [
        &[1, 1, 1 << 20, 1],
        &[1, 1 << 16, 1, 1],
        &[1, 1, 1 << 20, 1],
    ];
    let message = refusal(&sharing(shapes, 1 << 16, 1, depthwise), REFUSED);
    assert!(message.contains("with its padding"), "{message}");
    let shapes: [&[i32]; 3] = [&[1, 1, 100, 1], &[1, 1 << 16, 1, 1], &[1, 1, 100, 1]];
    import(&sharing(shapes, 1 << 16, 1, depthwise), REFUSED).expect("a kernel as high");
}
