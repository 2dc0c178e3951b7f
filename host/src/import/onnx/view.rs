//! How the file sees a row that is kept in another order inside.
//!
//! ```text
//!  file: [channels][pixels]    inside: [pixels][channels]
//!         [c, h, w], or [c * h * w] once it is flattened
//! ```
//!
//! ONNX has images with their channels first. Nothing is transposed for them at run time: only
//! ports and weights are, once.

use super::node::Node;
use super::{Activation, Importer};
use crate::import::ImportError;
use crate::model::{Layer, Operation, Tensor, TensorId};

/// Shape of a row in the file, and its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct View {
    /// Without the batch.
    pub shape: Vec<usize>,
    /// In the file's order a row is a matrix `[channels][rest]` of so many channels, inside it is
    /// `[rest][channels]`. `None` if both orders are the same.
    pub channels: Option<usize>,
}

impl View {
    /// A row whose order is the same in the file and inside.
    pub(super) fn same(shape: Vec<usize>) -> View {
        View {
            shape,
            channels: None,
        }
    }

    /// An image of the shape `[channels, height, width]` in the file.
    pub(super) fn channels_first(shape: Vec<usize>) -> View {
        let channels = shape.first().copied();
        View { shape, channels }
    }

    /// Another shape of as many values in the same order.
    pub(super) fn reshaped(&self, shape: Vec<usize>) -> View {
        View {
            shape,
            channels: self.channels,
        }
    }

    pub(super) fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// Number of channels that come first, if the two orders differ at all.
    pub(super) fn order(&self) -> Option<usize> {
        self.channels
            .filter(|&channels| channels > 1 && channels < self.elements())
    }

    /// Height, width and channels, if it is an image with its channels first.
    fn image(&self) -> Option<[usize; 3]> {
        let (channels, height, width) = match self.shape[..] {
            [channels, height, width] => (channels, height, width),
            [channels, width] => (channels, 1, width),
            _ => return None,
        };
        let first = View::channels_first(self.shape.clone());
        (self.order() == first.order()).then_some([height, width, channels])
    }

    /// The view after a permutation of the dimensions, if no value moves inside. `order` names
    /// the dimension of this shape that each new one is.
    pub(super) fn permuted(&self, order: &[usize]) -> Option<View> {
        let shape: Vec<usize> = order.iter().map(|&from| self.shape[from]).collect();
        // Dimensions of one value may be anywhere.
        let mut moved = order.iter().copied().filter(|&from| self.shape[from] > 1);
        let long: Vec<usize> = moved.clone().collect();
        if long.is_sorted() {
            return Some(self.reshaped(shape));
        }
        // Otherwise [A..., B...] must become [B..., A...].
        let split = moved.next()?;
        let rotated = long
            .iter()
            .copied()
            .filter(|&from| from >= split)
            .chain(long.iter().copied().filter(|&from| from < split));
        let sorted = |mut part: Vec<usize>| {
            let before = part.clone();
            part.sort_unstable();
            part == before
        };
        let (behind, front): (Vec<usize>, Vec<usize>) =
            long.iter().partition(|&&from| from >= split);
        if !rotated.eq(long.iter().copied()) || !sorted(behind) || !sorted(front) {
            return None;
        }
        let front: usize = self.shape[..split].iter().product();
        let behind = self.elements() / front;
        match self.order() {
            None => Some(View {
                shape,
                channels: Some(behind),
            }),
            Some(channels) if channels == front => Some(View::same(shape)),
            Some(_) => None,
        }
    }
}

impl Importer {
    /// A tensor in another shape of as many values, by a layer if it has to be.
    pub(super) fn shaped(
        &mut self,
        id: TensorId,
        shape: &[usize],
    ) -> Result<TensorId, ImportError> {
        let tensor = &self.tensors[id.0];
        if tensor.shape == shape {
            return Ok(id);
        }
        let name_bytes = 2 * tensor.name.len();
        self.spend(name_bytes)?;
        let tensor = &self.tensors[id.0];
        let reshaped = Tensor {
            shape: shape.to_vec(),
            ..tensor.clone()
        };
        self.layers.push(Layer {
            name: tensor.name.clone(),
            inputs: vec![id],
            output: TensorId(self.tensors.len()),
            operation: Operation::Reshape,
        });
        self.tensors.push(reshaped);
        Ok(TensorId(self.tensors.len() - 1))
    }

    /// An activation as the image `[height, width, channels]` that an operator with channels
    /// first takes.
    pub(super) fn image(
        &mut self,
        node: &Node,
        activation: &Activation,
    ) -> Result<(TensorId, [usize; 3]), ImportError> {
        let Some(image) = activation.view.image() else {
            return Err(node.unsupported(format!(
                "its input of shape {:?} is not an image with its channels in order",
                activation.view.shape
            )));
        };
        Ok((self.shaped(activation.tensor, &image)?, image))
    }

    /// Whether the input goes, unchanged but for its quantization, to an operator that takes
    /// images with their channels first.
    pub(super) fn starts_with_image(nodes: &[super::proto::NodeProto], input: &str) -> bool {
        const ELEMENTWISE: [&str; 9] = [
            "QuantizeLinear",
            "DequantizeLinear",
            "Identity",
            "Relu",
            "Clip",
            "Pad",
            "Mul",
            "Add",
            "BatchNormalization",
        ];
        const IMAGES: [&str; 4] = ["Conv", "MaxPool", "AveragePool", "GlobalAveragePool"];
        let mut same = std::collections::HashSet::from([input]);
        for node in nodes {
            let operator = node.op_type.as_deref().unwrap_or("");
            if !node
                .input
                .first()
                .is_some_and(|name| same.contains(name.as_str()))
            {
                continue;
            }
            let transposed = operator == "Transpose"
                && node
                    .attribute
                    .iter()
                    .any(|attribute| attribute.ints == [0, 2, 3, 1]);
            if IMAGES.contains(&operator) || transposed {
                return true;
            }
            if ELEMENTWISE.contains(&operator) {
                same.extend(node.output.first().map(String::as_str));
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permutations_that_move_nothing_inside_are_views() {
        let inside = View::same(vec![4, 5, 3]);
        let first = inside.permuted(&[2, 0, 1]).expect("channels to the front");
        assert_eq!(first, View::channels_first(vec![3, 4, 5]));
        assert_eq!(first.permuted(&[1, 2, 0]), Some(inside.clone()));
        assert_eq!(first.image(), Some([4, 5, 3]));
        assert_eq!(inside.permuted(&[1, 0, 2]), None);
        assert_eq!(first.permuted(&[1, 0, 2]), None);
        assert_eq!(inside.image(), None);
        let line = View::same(vec![1, 7, 1]);
        assert_eq!(line.permuted(&[2, 1, 0]), Some(View::same(vec![1, 7, 1])));
        assert_eq!(line.image(), Some([7, 1, 1]));
    }
}
