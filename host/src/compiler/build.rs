//! From layers to nodes: what is added is folded into what is computed before, what is joined is
//! written side by side, what is reshaped is read differently.
//!
//! ```text
//!  layers    conv -> add -> reshape -> dense       nodes   conv + add -> dense
//!            pool -> concatenate <- conv                   pool -> |    | <- conv
//! ```

pub(super) mod average;
mod fuse;
mod join;
mod kernels;

use systole_regs::image::Parameter;

use super::CompileError;
use super::graph::{Graph, Image, ImageId, Kernel, Node, View, Window};
use crate::model::{Layer, Network, TensorId};
use fuse::Roles;

/// The graph of a consistent network.
pub(super) fn build(network: &Network) -> Result<Graph<'_>, CompileError> {
    let roles = Roles::new(network);
    let mut builder = Builder {
        network,
        views: vec![None; network.tensors.len()],
        graph: Graph {
            images: Vec::new(),
            nodes: Vec::new(),
            input: ImageId(0),
            output: ImageId(0),
        },
        roles,
    };
    builder.input();
    for index in 0..network.layers.len() {
        builder.layer(index)?;
    }
    builder.output();
    builder.add_in_place();
    builder.mark_dense();
    Ok(builder.graph)
}

/// A tensor's shape as rows, columns and channels.
pub(super) fn shape(shape: &[usize]) -> (usize, usize, usize) {
    match *shape {
        [] => (1, 1, 1),
        [channels] => (1, 1, channels),
        [width, channels] => (1, width, channels),
        [ref rows @ .., width, channels] => (rows.iter().product(), width, channels),
    }
}

/// The first of the names that TFLite gives to what it has merged, separated by semicolons.
fn short(name: &str) -> &str {
    name.split(';').next().unwrap_or(name)
}

/// The error that a layer can't be compiled.
fn refuse(layer: &Layer, reason: impl Into<String>) -> CompileError {
    CompileError::Layer {
        layer: layer.name.clone(),
        reason: reason.into(),
    }
}

struct Builder<'a> {
    network: &'a Network,
    roles: Roles,
    /// Where each tensor is, once it is computed.
    views: Vec<Option<View>>,
    graph: Graph<'a>,
}

impl<'a> Builder<'a> {
    fn shape(&self, id: TensorId) -> (usize, usize, usize) {
        shape(&self.network.tensor(id).shape)
    }

    /// A new image of a tensor's shape, and the view of the whole.
    fn image(&mut self, name: &str, (height, width, channels): (usize, usize, usize)) -> View {
        let image = ImageId(self.graph.images.len());
        self.graph.images.push(Image {
            name: short(name).into(),
            height,
            width,
            pixel_bytes: channels,
            dense: false,
            can_spill: true,
        });
        View {
            image,
            offset: 0,
            height,
            width,
            channels,
        }
    }

    /// Where a tensor that has been computed is.
    fn view(&self, id: TensorId, layer: &Layer) -> Result<View, CompileError> {
        self.views[id.0].ok_or_else(|| CompileError::Layer {
            layer: layer.name.clone(),
            reason: format!(
                "\"{}\" is not computed before",
                self.network.tensor(id).name
            ),
        })
    }

    /// The network's input: laid out by the host, so in the shape that its reader wants.
    fn input(&mut self) {
        let id = self.network.input.tensor;
        let wanted = self.roles.only_reshape(self.network, id).unwrap_or(id);
        let shape = self.shape(wanted);
        let name = self.network.tensor(id).name.clone();
        let view = self.image(&name, shape);
        self.graph.input = view.image;
        self.views[id.0] = Some(view);
    }

    /// The network's output: an image of its own, that nothing else is in.
    fn output(&mut self) {
        let id = self.network.output.tensor;
        // A consistent network computes its output.
        let Some(view) = self.views[id.0] else {
            return;
        };
        let whole =
            view.channels == self.graph.image(view.image).pixel_bytes || self.is_other_shape(&view);
        self.graph.output = view.image;
        if !whole || view.image == self.graph.input {
            let name = self.network.tensor(id).name.clone();
            let copy = self.image(&name, (view.height, view.width, view.channels));
            self.copy(&name, view, copy);
            self.graph.output = copy.image;
        }
        // Rows of the result can leave one by one only if nobody else reads them.
        if self.graph.readers(self.graph.output).next().is_some() {
            self.graph.images[self.graph.output.0].can_spill = false;
        }
    }

    /// Whether a view takes all bytes of its image in another shape.
    fn is_other_shape(&self, view: &View) -> bool {
        let image = self.graph.image(view.image);
        (view.height, view.width) != (image.height, image.width)
    }

    /// Whether a view is the whole of its image.
    fn is_plain(&self, view: &View) -> bool {
        !self.is_other_shape(view) && view.channels == self.graph.image(view.image).pixel_bytes
    }

    /// A view in whose image nothing else is, copied if need be.
    fn plain(&mut self, view: View, name: &str) -> View {
        if self.is_plain(&view) {
            return view;
        }
        let copy = self.image(name, (view.height, view.width, view.channels));
        self.copy(name, view, copy);
        copy
    }

    /// Adds a node that copies bytes as they are.
    fn copy(&mut self, label: &str, input: View, output: View) {
        let node = self.point(label, input, output, average::divide_by(1));
        self.graph.nodes.push(node);
    }

    /// A node that scales each value by itself.
    fn point(&self, label: &str, input: View, output: View, parameter: Parameter) -> Node<'a> {
        Node {
            label: short(label).into(),
            kernel: Kernel::Sum,
            window: Window::POINT,
            input,
            output,
            pad_value: 0,
            parameters: vec![parameter; output.channels],
            double_rounding: false,
            zero_point: 0,
            minimum: i8::MIN,
            maximum: i8::MAX,
            residual: None,
            macs: 0,
        }
    }

    /// Lets sums take the place of the tensor that is added, where nobody reads it afterwards.
    fn add_in_place(&mut self) {
        for index in 0..self.graph.nodes.len() {
            let node = &self.graph.nodes[index];
            let Some(residual) = &node.residual else {
                continue;
            };
            let (old, new) = (residual.view.image, node.output.image);
            let dead = self.graph.readers(old).next_back() == Some(index)
                && self.graph.writers(old).all(|writer| writer < index)
                && ![self.graph.input, self.graph.output, new, node.input.image].contains(&old)
                && self.graph.writers(new).next() == Some(index);
            if !dead || !self.is_plain(&residual.view) || !self.is_plain(&node.output) {
                continue;
            }
            let name = self.graph.image(new).name.clone();
            let can_spill = self.graph.image(new).can_spill;
            let image = &mut self.graph.images[old.0];
            image.name = format!("{}, {name}", image.name);
            image.can_spill &= can_spill;
            for node in &mut self.graph.nodes[index..] {
                let second = node.residual.as_mut().map(|residual| &mut residual.view);
                for view in [&mut node.input, &mut node.output]
                    .into_iter()
                    .chain(second)
                {
                    if view.image == new {
                        view.image = old;
                    }
                }
            }
            if self.graph.output == new {
                self.graph.output = old;
                // It would have to be written to the host's rows and read from the workspace.
                self.graph.images[old.0].can_spill = false;
            }
        }
    }

    /// Marks the images that some node sees in another shape, or in part.
    fn mark_dense(&mut self) {
        let nodes = self.graph.nodes.iter();
        let views: Vec<View> = nodes
            .flat_map(|node| {
                let second = node.residual.as_ref().map(|residual| residual.view);
                [node.input, node.output].into_iter().chain(second)
            })
            .collect();
        for view in views {
            let (other, plain) = (self.is_other_shape(&view), self.is_plain(&view));
            let image = &mut self.graph.images[view.image.0];
            image.dense |= other;
            image.can_spill &= plain;
        }
    }
}
