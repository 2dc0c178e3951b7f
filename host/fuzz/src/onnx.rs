//! ONNX models: protobufs as they are, or made of choices.
//!
//! ```text
//!  input --> QuantizeLinear --> DequantizeLinear --> one of 20 operators --> QuantizeLinear --> ...
//! ```

pub(crate) mod graph;
mod operators;
pub(crate) mod wire;

use crate::check;
use crate::choices::Choices;
use graph::{FLOAT, Graph, INT8, UINT8, Value};

/// First byte of choices: no protobuf begins with it.
const CHOICES: u8 = 0xff;

/// Operators of a made-up model at most.
const OPERATORS: usize = 12;

/// Reads an ONNX file that is `data` or made of it; whether it is a network.
///
/// # Panics
/// If the importer, or what uses its networks, does what it must not do.
pub fn onnx(data: &[u8]) -> bool {
    let [CHOICES, data @ ..] = data else {
        return check(data);
    };
    let mut choices = Choices::new(data);
    let file = model(&mut choices);
    check(&choices.damage(file))
}

fn model(choices: &mut Choices) -> Vec<u8> {
    let rank = choices.pick(&[4, 2, 3, 4, 4, 4, 1, 5]);
    let batch = choices.pick(&[0, 1]);
    let mut shape = vec![choices.mostly(batch)];
    for _ in 1..rank {
        let size = 1 + choices.below(12) as i64;
        shape.push(choices.mostly(size));
    }
    let element = choices.pick(&[FLOAT, FLOAT, FLOAT, INT8, UINT8]);
    let mut graph = Graph::new(choices);
    let input = Value {
        name: "x".into(),
        shape: shape.clone(),
        scale: 1.0,
    };
    if element == FLOAT {
        graph.quantize("x", shape, None);
    } else {
        let scale = graph.choices.scale();
        let scale_name = graph.floats(&[], &[scale]);
        let zero = graph.choices.byte();
        let zero = graph.constant(element, &[], &[zero]);
        let name = graph.node("DequantizeLinear", &["x", &scale_name, &zero], &[]);
        graph.values.push(Value { name, shape, scale });
    }
    for _ in 0..OPERATORS {
        graph.any_operator();
        if graph.choices.is_over() {
            break;
        }
    }
    let output = graph.value().name;
    let element = graph.choices.mostly(element);
    graph.finish(&input, element, &output)
}
