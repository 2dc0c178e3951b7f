//! The end of a network that stays on the host: softmax, and reshapes around it.
//!
//! ```text
//!  input --> convolutions, ... --> logits --> softmax, reshape --> output
//!            \___ device: Network ___/         \___ host: Tail ___/
//! ```

use super::{Element, Layer, Layout, Network, Operation, Port, Quantization, Tensor, TensorId};

/// Layers that come after a device's.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tail {
    /// Values of a row that it takes.
    input_elements: usize,
    /// Each layer with its input and output tensor.
    steps: Vec<(Operation, Tensor, Tensor)>,
}

impl Tail {
    /// Whether nothing is left to do.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Computes the tail of `count` rows, which lie one after the other in `rows`.
    ///
    /// # Panics
    /// If `rows` is not `count` rows of the network in front of it.
    pub fn apply(&self, rows: &[i8], count: usize) -> Vec<i8> {
        assert_eq!(
            Some(rows.len()),
            count.checked_mul(self.input_elements),
            "rows must hold {count} rows of {}",
            self.input_elements
        );
        let mut values = rows.to_vec();
        for (operation, input, output) in &self.steps {
            if let Operation::Softmax(softmax) = operation {
                values = softmax.apply(&values, input, output);
            }
        }
        values
    }
}

/// Whether the host does it after the device.
fn belongs_to_tail(operation: &Operation) -> bool {
    matches!(operation, Operation::Softmax(_) | Operation::Reshape)
}

impl Network {
    /// Splits the network into what a device computes and the softmax and reshapes at its end. The
    /// rows that the first part gives are int8 and in the inside's order; those that the tail gives
    /// are this network's, as its output port describes them. A network that is all tail stays
    /// whole.
    pub fn split_tail(&self) -> (Network, Tail) {
        let mut head = self.clone();
        let mut steps = Vec::new();
        while let Some(layer) = head.pop_last(belongs_to_tail) {
            steps.push((
                layer.operation,
                self.tensor(layer.inputs[0]).clone(),
                self.tensor(layer.output).clone(),
            ));
        }
        steps.reverse();
        if !steps.is_empty() {
            let (tensor, name) = (
                head.output.tensor,
                head.tensor(head.output.tensor).name.clone(),
            );
            head.output = self.port(name, tensor, Element::I8, false);
        }
        let input_elements = head.output_elements();
        (
            head,
            Tail {
                input_elements,
                steps,
            },
        )
    }

    /// The same network without the softmax at its end, giving the logits in the element type of
    /// its output. A network without one stays as it is.
    pub fn without_softmax(&self) -> Network {
        let mut network = self.clone();
        let softmax = |operation: &Operation| matches!(operation, Operation::Softmax(_));
        let has_one = |network: &Network| {
            let end = network.layers.iter().rev();
            let mut tail = end.take_while(|layer| belongs_to_tail(&layer.operation));
            tail.any(|layer| softmax(&layer.operation))
        };
        let mut removed = false;
        while has_one(&network) && network.pop_last(belongs_to_tail).is_some() {
            removed = true;
        }
        if removed {
            let Port {
                element,
                external_float,
                ..
            } = self.output;
            let tensor = network.output.tensor;
            let name = network.tensor(tensor).name.clone();
            network.output = self.port(name, tensor, element, external_float);
        }
        network
    }

    /// Takes the last layer off if it is of a kind and computes the output of something that is
    /// computed itself, and makes its input the output.
    fn pop_last(&mut self, kind: fn(&Operation) -> bool) -> Option<Layer> {
        let layer = self.layers.last()?;
        let &[input] = &layer.inputs[..] else {
            return None;
        };
        let usable = kind(&layer.operation)
            && layer.output == self.output.tensor
            && self.layers.len() > 1
            && input != self.input.tensor;
        if !usable {
            return None;
        }
        self.output.tensor = input;
        self.layers.pop()
    }

    fn port(&self, name: String, id: TensorId, element: Element, external_float: bool) -> Port {
        let tensor = self.tensor(id);
        Port {
            name,
            tensor: id,
            element,
            quantization: Quantization {
                scale: tensor.scale,
                zero_point: i32::from(tensor.zero_point) + element.offset(),
            },
            external_float,
            layout: Layout::Same,
        }
    }
}
