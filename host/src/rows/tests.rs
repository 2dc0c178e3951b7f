//! Reading and writing of row files, good and bad ones.

use super::*;
use crate::model::{
    FullyConnected, Layer, Layout, Operation, Quantization, Rounding, Scale, Source, Tensor,
    TensorId,
};

/// Identity over rows of shape [2, 3].
fn network(element: Element) -> Network {
    let tensor = |name: &str, shape: Vec<usize>| Tensor {
        name: name.into(),
        shape,
        zero_point: -118,
        scale: 0.5,
    };
    let port = |id: usize| Port {
        name: format!("p{id}"),
        tensor: TensorId(id),
        element,
        quantization: Quantization {
            scale: 0.5,
            zero_point: -118 + element.offset(),
        },
        external_float: false,
        layout: Layout::Same,
    };
    let mut weights = vec![0; 36];
    weights.iter_mut().step_by(7).for_each(|weight| *weight = 1);
    let dense = FullyConnected {
        input_channels: 6,
        output_channels: 6,
        weights,
        bias: vec![0; 6],
        scales: vec![
            Scale {
                multiplier: 1 << 30,
                shift: 1
            };
            6
        ],
        rounding: Rounding::Single,
        clamp_minimum: i8::MIN,
        clamp_maximum: i8::MAX,
    };
    Network {
        name: "identity".into(),
        source: Source::Onnx,
        tensors: vec![tensor("x", vec![2, 3]), tensor("y", vec![6])],
        layers: vec![Layer {
            name: "dense".into(),
            inputs: vec![TensorId(0)],
            output: TensorId(1),
            operation: Operation::FullyConnected(dense),
        }],
        input: port(0),
        output: port(1),
    }
}

fn npy<T: WritableElement + Clone>(shape: &[usize], values: &[T]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let array = ArrayD::from_shape_vec(IxDyn(shape), values.to_vec()).expect("a test's own shape");
    array
        .write_npy(&mut bytes)
        .expect("memory takes everything");
    bytes
}

#[test]
fn integers_come_back_as_they_were() {
    let values: Vec<u8> = (0..12).map(|value| value * 20).collect();
    let network = network(Element::U8);
    let rows = Rows::from_npy(&npy(&[2, 2, 3], &values), &network).expect("a good file");
    assert_eq!((rows.count, rows.element), (2, Datatype::Uint8));
    assert_eq!(rows.values[..3], [-128, -108, -88]);
    let mut written = Vec::new();
    encode_outputs(&mut written, &network, rows.element, 2, &rows.values).expect("memory");
    let array = ArrayD::<u8>::read_npy(&written[..]).expect("its own file");
    assert_eq!(array.shape(), [2, 6]);
    assert_eq!(array.into_raw_vec_and_offset().0, values);
}

#[test]
fn floats_are_quantized_and_come_back_dequantized() {
    let values: Vec<f32> = (0..6).map(|value| value as f32 / 2.0).collect();
    let network = network(Element::I8);
    let rows = Rows::from_npy(&npy(&[1, 6], &values), &network).expect("a good file");
    assert_eq!(rows.values, [-118, -117, -116, -115, -114, -113]);
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    write_outputs(file.path(), &network, rows.element, 1, &rows.values).expect("a writable file");
    let bytes = std::fs::read(file.path()).expect("the file");
    let array = ArrayD::<f32>::read_npy(&bytes[..]).expect("its own file");
    assert_eq!(array.into_raw_vec_and_offset().0, values);
}

#[test]
fn column_major_files_are_read_in_row_order() {
    use ndarray::ShapeBuilder;
    let mut array = ArrayD::<i8>::zeros(IxDyn(&[4, 6]).f());
    for (index, value) in array.iter_mut().enumerate() {
        *value = index as i8;
    }
    let mut bytes = Vec::new();
    array.write_npy(&mut bytes).expect("memory");
    assert!(String::from_utf8_lossy(&bytes).contains("'fortran_order': True"));
    let rows = Rows::from_npy(&bytes, &network(Element::I8)).expect("a good file");
    assert_eq!(rows.values, (0..24).collect::<Vec<i8>>());
}

#[test]
fn no_rows_are_rows() {
    let rows = Rows::from_npy(&npy::<i8>(&[0, 6], &[]), &network(Element::I8)).expect("good");
    assert_eq!((rows.count, rows.values.len()), (0, 0));
}

#[test]
fn files_that_do_not_fit_say_why() {
    let network = network(Element::I8);
    let message = |bytes: &[u8]| {
        Rows::from_npy(bytes, &network)
            .expect_err("bad")
            .to_string()
    };
    assert_eq!(
        message(&npy(&[2, 5], &[0_i8; 10])),
        "expected rows of 6 (shape [N, 6] or [N, 2, 3]), found shape [2, 5]"
    );
    assert!(message(&npy(&[6], &[0_i8; 6])).ends_with("found shape [6]"));
    assert_eq!(
        message(&npy(&[1, 6], &[0_u8; 6])),
        "the network takes int8 or float32, the file holds uint8"
    );
    assert!(message(&npy(&[1, 6], &[0_f64; 6])).contains("astype(numpy.float32)"));
    assert!(message(&npy(&[1, 6], &[0_i32; 6])).contains("\"<i4\""));
    let mut floats = [0_f32; 12];
    floats[7] = f32::NAN;
    assert_eq!(
        message(&npy(&[2, 6], &floats)),
        "row 1 holds NaN, which can't be quantized"
    );
    assert!(message(b"").contains("not a complete .npy file"));
    assert!(message(b"PK\x03\x04 a zip").contains("not a complete .npy file"));
}

#[test]
fn damaged_files_are_errors() {
    let network = network(Element::I8);
    let good = npy(&[3, 6], &[1_f32; 18]);
    for length in 0..good.len() {
        assert!(
            Rows::from_npy(&good[..length], &network).is_err(),
            "{length} bytes accepted"
        );
    }
    assert!(Rows::from_npy(&[&good[..], &[0]].concat(), &network).is_err());
    // A header that promises far more than there is.
    let text = String::from_utf8_lossy(&good[10..128]).into_owned();
    for shape in [
        "(9223372036854775807, 6)",
        "(18446744073709551615, 6)",
        "(3, 9999999999999)",
    ] {
        let mut header = text.trim_end().replace("(3, 6)", shape);
        header.push('\n');
        let mut bytes = good[..8].to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(&good[128..]);
        assert!(
            Rows::from_npy(&bytes, &network).is_err(),
            "{shape} accepted"
        );
    }
    for position in 0..128 {
        for bit in 0..8 {
            let mut bytes = good.clone();
            bytes[position] ^= 1 << bit;
            // Some of these change nothing that matters; none may panic.
            let _ = Rows::from_npy(&bytes, &network);
        }
    }
}

#[test]
fn paths_that_are_not_files_are_errors() {
    let network = network(Element::I8);
    let folder = tempfile::tempdir().expect("a temporary folder");
    assert!(matches!(
        Rows::read(folder.path(), &network),
        Err(RowsError::NotAFile)
    ));
    let missing = folder.path().join("missing.npy");
    assert!(matches!(
        Rows::read(&missing, &network),
        Err(RowsError::Io(_))
    ));
    let nowhere = folder.path().join("missing/out.npy");
    let written = write_outputs(nowhere, &network, Datatype::Int8, 1, &[0; 6]);
    assert!(matches!(written, Err(RowsError::Io(_))));
}

#[test]
fn channels_first_rows_are_transposed_on_their_way_in_and_out() {
    // Identity over images of 1 x 2 pixels with 3 channels.
    let mut network = network(Element::I8);
    for tensor in &mut network.tensors {
        tensor.shape = vec![1, 2, 3];
    }
    network.input.layout = Layout::ChannelsFirst;
    network.output.layout = Layout::ChannelsFirst;
    let array = ArrayD::from_shape_vec(IxDyn(&[1, 3, 1, 2]), vec![0_i8, 1, 10, 11, 20, 21])
        .expect("six values");
    let mut bytes = Vec::new();
    array.write_npy(&mut bytes).expect("writing to memory");
    let rows = Rows::from_npy(&bytes, &network).expect("it fits");
    assert_eq!(rows.values, [0, 10, 20, 1, 11, 21]);
    let mut written = Vec::new();
    encode_outputs(&mut written, &network, rows.element, 1, &rows.values).expect("to memory");
    let back = ArrayD::<i8>::read_npy(&written[..]).expect("what was written");
    assert_eq!(back, array);
}
