use super::*;
use crate::model::Ties;

fn digits() -> Network {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/demo/digits.onnx");
    Network::load(path).expect("the demo's model is there")
}

/// The network with another type and order outside.
fn with(element: Element, external_float: bool) -> Network {
    let mut network = digits();
    for port in [&mut network.input, &mut network.output] {
        port.element = element;
        port.external_float = external_float;
    }
    network
}

#[test]
fn int8_values_stay_where_they_are() {
    let network = with(Element::I8, false);
    let bytes = Bytes::from(vec![7; 2 * network.input_elements()]);
    let rows = network.rows_from_bytes(bytes.clone()).expect("whole rows");
    assert_eq!(rows.as_ptr(), bytes.as_ptr());
    let outputs = vec![-3; network.output_elements()];
    let there = outputs.as_ptr();
    let Values::Int8(values) = Values::of(&network, outputs) else {
        panic!("it gives int8");
    };
    assert_eq!(values.as_ptr(), there);
}

#[test]
fn unsigned_values_move_by_half_the_range() {
    let network = with(Element::U8, false);
    let mut values = vec![128; network.input_elements()];
    values[0] = 0;
    values[1] = 255;
    let rows = network.rows_from_bytes(values.into()).expect("a row");
    let rows: &[i8] = bytemuck::cast_slice(&rows);
    assert_eq!(rows[..3], [-128, 127, 0]);
    let outputs = vec![-128; network.output_elements()];
    let expected = Values::Uint8(vec![0; network.output_elements()]);
    assert_eq!(Values::of(&network, outputs), expected);
}

#[test]
fn floats_are_quantized_wherever_they_lie() {
    let network = with(Element::I8, true);
    let floats: Vec<f32> = (0..network.input_elements())
        .map(|index| index as f32 * 0.37 - 5.0)
        .collect();
    let expected = network.input.quantize(&floats, Ties::Even);
    let bytes: Vec<u8> = bytemuck::cast_slice(&floats).to_vec();
    let shifted = Bytes::from([&[0], &bytes[..]].concat()).slice(1..);
    for bytes in [Bytes::from(bytes), shifted] {
        let rows = network.rows_from_bytes(bytes).expect("a row");
        assert_eq!(bytemuck::cast_slice::<u8, i8>(&rows), expected);
    }
}

#[test]
fn what_are_no_rows_is_refused() {
    let network = with(Element::I8, true);
    let row = network.input_elements();
    let error = network.rows_from_bytes(vec![0; 4 * row + 1].into());
    let expected = ValuesError::Length {
        bytes: 4 * row + 1,
        row: 4 * row,
    };
    assert_eq!(error, Err(expected.clone()));
    assert!(expected.to_string().contains("whole rows"));
    assert!(network.rows_from_floats(&vec![0.0; row - 1]).is_err());
    for wrong in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut floats = vec![0.0; row];
        floats[5] = wrong;
        let error = network
            .rows_from_floats(&floats)
            .expect_err("it is no number");
        assert!(error.to_string().contains("position 5"), "{error}");
    }
}
