//! ONNX files that use a constant or a name over and over, and files of nothing but parts.

use super::{ANY_FILE, REFUSED, refusal};
use crate::choices::Choices;
use crate::onnx::graph::{Attribute, FLOAT, Graph, INT8, Value};
use crate::onnx::wire::Message;

/// A file whose graph is made here, with an input of this shape.
fn file(shape: &[i64], name: &str, make: impl FnOnce(&mut Graph) -> String) -> Vec<u8> {
    let mut choices = Choices::new(&[]);
    let mut graph = Graph::new(&mut choices);
    let input = Value {
        name: name.into(),
        shape: shape.to_vec(),
        scale: 1.0,
    };
    let output = make(&mut graph);
    graph.finish(&input, FLOAT, &output)
}

#[test]
fn parts_without_content_are_refused_before_they_are_decoded() {
    const PARTS: usize = 1 << 21;
    for graph in [
        // Nodes, and constants.
        [0x0a, 0].repeat(PARTS),
        [0x2a, 0].repeat(PARTS),
    ] {
        let model = Message::default().int(1, 8).bytes(7, &graph);
        let message = refusal(&model.into_bytes(), REFUSED);
        assert!(message.contains("more nodes"), "{message}");
    }
}

#[test]
fn a_constant_that_is_dequantized_over_and_over_is_bounded() {
    let file = file(&[1, 4], "x", |graph| {
        let weights = graph.constant(INT8, &[1 << 20], &vec![1; 1 << 20]);
        let scale = graph.floats(&[], &[0.5]);
        for _ in 0..1000 {
            graph.node("DequantizeLinear", &[&weights, &scale], &[]);
        }
        "x".into()
    });
    let message = refusal(&file, ANY_FILE);
    assert!(message.contains("too much memory"), "{message}");
}

#[test]
fn grouped_weights_that_are_filled_up_are_bounded() {
    const CHANNELS: i64 = 2048;
    let file = file(&[1, CHANNELS, 1, 1], "x", |graph| {
        let input = graph.quantize("x", vec![1, CHANNELS, 1, 1], Some(0.5));
        let weights = graph.constant(INT8, &[2 * CHANNELS, 1, 1, 1], &[1; 2 * CHANNELS as usize]);
        let scale = graph.floats(&[], &[0.5]);
        let weights = graph.node("DequantizeLinear", &[&weights, &scale], &[]);
        for _ in 0..1000 {
            let group = [Attribute::Int("group", CHANNELS)];
            graph.node("Conv", &[&input.name, &weights], &group);
        }
        input.name
    });
    let message = refusal(&file, ANY_FILE);
    assert!(message.contains("too much memory"), "{message}");
}

#[test]
fn a_long_name_that_many_tensors_get_is_bounded() {
    let name = "x".repeat(1 << 20);
    let file = file(&[1, 4], &name, |graph| {
        let input = graph.quantize(&name, vec![1, 4], Some(0.5));
        let shape = graph.integers(&[1, 2, 2]);
        let image = graph.node("Reshape", &[&input.name, &shape], &[]);
        let images = vec![image.as_str(); 1000];
        let joined = graph.node("Concat", &images, &[]);
        graph.quantize(&joined, vec![1, 2000, 2], Some(0.5)).name
    });
    let message = refusal(&file, ANY_FILE);
    assert!(message.contains("too much memory"), "{message}");
}
