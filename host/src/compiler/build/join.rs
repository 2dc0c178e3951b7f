//! Layers that compute nothing: other shapes of the same bytes, parts side by side.
//!
//! ```text
//!  along the channels: parts of each pixel      along the rows: parts one behind the other
//!   |a a b b b|a a b b b|a a b b b|              |a a a a a a|b b b b b b b b b|
//! ```

use super::super::CompileError;
use super::super::graph::View;
use super::kernels::parameter;
use super::{Builder, refuse};
use crate::model::{Concatenate, Layer, Rounding, TensorId};

impl<'a> Builder<'a> {
    /// Where a tensor that is about to be computed is to go.
    pub fn target(&mut self, id: TensorId) -> View {
        match self.roles.part[id.0] {
            Some((layer, position)) => self.part(layer, position),
            None => {
                let shape = self.shape(id);
                let name = self.network.tensor(id).name.clone();
                self.image(&name, shape)
            }
        }
    }

    /// The same bytes in another shape.
    pub fn reshape(&mut self, layer: &'a Layer) -> Result<(), CompileError> {
        let view = self.view(layer.inputs[0], layer)?;
        let (height, width, channels) = self.shape(layer.output);
        let image = self.graph.image(view.image);
        // A part of each pixel has to be taken out first. The input may have its shape already.
        let whole = view.channels == image.pixel_bytes || (image.height, image.width) == (1, 1);
        let source = if whole || self.is_other_shape(&view) {
            view
        } else {
            self.plain(view, &layer.name)
        };
        self.views[layer.output.0] = Some(View {
            height,
            width,
            channels,
            ..source
        });
        Ok(())
    }

    /// Writes what isn't there yet, and takes the whole as the result.
    pub fn concatenate(
        &mut self,
        index: usize,
        concatenate: &Concatenate,
    ) -> Result<(), CompileError> {
        let network = self.network;
        let layer = &network.layers[index];
        if !self.is_contiguous(layer, concatenate) {
            return Err(refuse(
                layer,
                "it joins along a dimension that is neither the first nor the last",
            ));
        }
        let output = self.whole(index);
        for (position, &id) in layer.inputs.iter().enumerate() {
            if self.roles.part[id.0] == Some((index, position)) {
                continue;
            }
            let part = self.part(index, position);
            let input = View {
                image: self.view(id, layer)?.image,
                offset: self.view(id, layer)?.offset,
                ..part
            };
            let node = match concatenate.requantizations.get(position) {
                Some(Some(requantization)) => {
                    let zero_point: i32 = network.tensor(id).zero_point.into();
                    let parameter = parameter(-zero_point, requantization.scale);
                    let mut node = self.point(&layer.name, input, part, parameter);
                    node.double_rounding = requantization.rounding == Rounding::Double;
                    node.zero_point = network.tensor(layer.output).zero_point;
                    node
                }
                _ => self.point(&layer.name, input, part, super::average::divide_by(1)),
            };
            self.graph.nodes.push(node);
        }
        self.views[layer.output.0] = Some(output);
        Ok(())
    }

    /// Whether the parts are channels of the pixels, or lie one behind the other.
    pub(super) fn is_contiguous(&self, layer: &Layer, concatenate: &Concatenate) -> bool {
        let shape = &self.network.tensor(layer.output).shape;
        concatenate.axis + 1 == shape.len()
            || shape[..concatenate.axis].iter().product::<usize>() == 1
    }

    /// The image that a concatenation fills.
    fn whole(&mut self, layer: usize) -> View {
        let output = self.network.layers[layer].output;
        if let Some(view) = self.views[output.0] {
            return view;
        }
        let shape = self.shape(output);
        let name = self.network.tensor(output).name.clone();
        let view = self.image(&name, shape);
        self.views[output.0] = Some(view);
        view
    }

    /// The part of a concatenation that one of its inputs fills.
    fn part(&mut self, layer: usize, position: usize) -> View {
        let whole = self.whole(layer);
        let network = self.network;
        let inputs = &network.layers[layer].inputs;
        let (height, width, channels) = self.shape(inputs[position]);
        let before = inputs[..position].iter().map(|&id| self.shape(id));
        let offset = if (height, width) == (whole.height, whole.width) {
            before.map(|(_, _, channels)| channels).sum()
        } else {
            before
                .map(|(height, width, channels)| height * width * channels)
                .sum()
        };
        View {
            offset,
            height,
            width,
            channels,
            ..whole
        }
    }
}
