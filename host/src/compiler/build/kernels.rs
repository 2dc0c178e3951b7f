//! Layers that compute: what each operation is as a node.

use std::borrow::Cow;

use systole_regs::image::Parameter;

use super::super::CompileError;
use super::super::graph::{Kernel, Node, Residual, View, Window};
use super::fuse::Sum;
use super::{Builder, average, refuse, short};
use crate::model::{
    Add, Factor, FullyConnected, Layer, Multiply, Operation, Pad, Pool, PoolKind, Rounding, Scale,
    TensorId,
};

/// Bits that the device adds to the operands of an addition.
const ADD_SHIFT: u8 = 20;

impl<'a> Builder<'a> {
    /// Adds the nodes whose place is that of a layer.
    pub fn layer(&mut self, index: usize) -> Result<(), CompileError> {
        let network = self.network;
        let layer = &network.layers[index];
        match &layer.operation {
            Operation::Add(add) => match self.roles.folded_into(index) {
                Some((computed, sum)) if sum.place == index => self.kernel(computed),
                Some(_) => Ok(()),
                None => self.addition(layer, add),
            },
            Operation::Reshape => self.reshape(layer),
            Operation::Concatenate(concatenate) => self.concatenate(index, concatenate),
            Operation::Softmax(_) => Err(refuse(
                layer,
                "the device has no exponentials; only as the last layer the host computes it",
            )),
            // A layer whose sum comes later comes with it.
            _ if self.roles.sum[index].is_some_and(|sum| sum.place != index) => Ok(()),
            _ => self.kernel(index),
        }
    }

    /// Adds the node of a layer, and of the addition that is folded into it.
    fn kernel(&mut self, index: usize) -> Result<(), CompileError> {
        let network = self.network;
        let layer = &network.layers[index];
        let sum = self.roles.sum[index];
        let input = self.view(layer.inputs[0], layer)?;
        let result = match sum {
            Some(sum) => network.layers[sum.layer].output,
            None => layer.output,
        };
        let output = self.target(result);
        let mut node = self.kernel_node(layer, input, output)?;
        if let Some(sum) = sum {
            self.fold(&mut node, sum)?;
        }
        self.views[result.0] = Some(self.own_shape(result, node.output));
        self.graph.nodes.push(node);
        Ok(())
    }

    fn kernel_node(
        &self,
        layer: &'a Layer,
        input: View,
        output: View,
    ) -> Result<Node<'a>, CompileError> {
        let (from, to) = (
            self.network.tensor(layer.inputs[0]),
            self.network.tensor(layer.output),
        );
        let zero_point = from.zero_point;
        let weighted = |kernel, weights: Weights<'a>| Node {
            kernel,
            window: Window::POINT,
            pad_value: zero_point,
            parameters: weights.parameters(zero_point),
            double_rounding: weights.rounding == Rounding::Double,
            zero_point: to.zero_point,
            minimum: weights.minimum,
            maximum: weights.maximum,
            ..self.point(&layer.name, input, output, average::divide_by(1))
        };
        let mut node = match &layer.operation {
            Operation::FullyConnected(dense) => {
                let weights = Weights::dense(dense);
                let kernel = Kernel::Matrix(Cow::Borrowed(&dense.weights));
                let mut node = weighted(kernel, weights);
                (node.input, node.output) = (flat(input), flat(output));
                node
            }
            Operation::Convolution(convolution) => {
                let weights = Weights {
                    weights: &convolution.weights,
                    is_depthwise: false,
                    bias: &convolution.bias,
                    scales: &convolution.scales,
                    rounding: convolution.rounding,
                    minimum: convolution.clamp_minimum,
                    maximum: convolution.clamp_maximum,
                };
                let kernel = Kernel::Matrix(Cow::Borrowed(&convolution.weights));
                Node {
                    window: convolution.window.into(),
                    ..weighted(kernel, weights)
                }
            }
            Operation::Depthwise(depthwise) => {
                let weights = Weights {
                    weights: &depthwise.weights,
                    is_depthwise: true,
                    bias: &depthwise.bias,
                    scales: &depthwise.scales,
                    rounding: depthwise.rounding,
                    minimum: depthwise.clamp_minimum,
                    maximum: depthwise.clamp_maximum,
                };
                let kernel = Kernel::Depthwise(Cow::Borrowed(&depthwise.weights));
                Node {
                    window: depthwise.window.into(),
                    ..weighted(kernel, weights)
                }
            }
            Operation::Pool(pool) => self.pool(layer, pool, input, output)?,
            Operation::Multiply(multiply) => self.multiply(layer, multiply, input, output)?,
            Operation::Pad(pad) => self.pad(layer, pad, input, output)?,
            other => {
                return Err(refuse(
                    layer,
                    format!("{} has no instruction", other.name()),
                ));
            }
        };
        let elements = self.network.tensor(layer.output).elements() as u64;
        node.macs = elements.saturating_mul(layer.operation.products());
        self.check_window(layer, &node)?;
        Ok(node)
    }

    /// Every window must touch the image, so that every band of the output has rows to read.
    fn check_window(&self, layer: &Layer, node: &Node) -> Result<(), CompileError> {
        let (window, input, output) = (&node.window, &node.input, &node.output);
        let outside = (output.height - 1) * window.stride_y >= input.height + window.pad_top;
        if outside && !matches!(layer.operation, Operation::Pad(_)) {
            return Err(refuse(layer, "its last windows lie outside the image"));
        }
        Ok(())
    }

    fn pool(
        &self,
        layer: &'a Layer,
        pool: &Pool,
        input: View,
        output: View,
    ) -> Result<Node<'a>, CompileError> {
        let from = self.network.tensor(layer.inputs[0]);
        let to = self.network.tensor(layer.output);
        let area = pool.window.area();
        if area > average::COUNT_MAX {
            return Err(refuse(
                layer,
                format!("its window of {area} pixels is too large"),
            ));
        }
        let is_average = pool.kind == PoolKind::Average;
        // A sum has as many zero points as there are pixels; what is padded is one, too.
        let count = if is_average { area as i32 } else { 1 };
        let zero_point = i32::from(from.zero_point);
        let (parameter, rounding) = match &pool.requantization {
            Some(requantization) => (
                parameter(-count * zero_point, requantization.scale),
                requantization.rounding,
            ),
            None if is_average => {
                self.check_counts(layer, pool, &input, &output)?;
                (average::divide_by(area), Rounding::Single)
            }
            None => (average::divide_by(1), Rounding::Single),
        };
        Ok(Node {
            kernel: if is_average {
                Kernel::Sum
            } else {
                Kernel::Maximum
            },
            window: pool.window.into(),
            pad_value: if is_average { from.zero_point } else { i8::MIN },
            double_rounding: rounding == Rounding::Double,
            zero_point: match pool.requantization {
                Some(_) => to.zero_point,
                None => 0,
            },
            minimum: pool.clamp_minimum,
            maximum: pool.clamp_maximum,
            ..self.point(&layer.name, input, output, parameter)
        })
    }

    /// An average without a zero point has to be over as many pixels everywhere.
    fn check_counts(
        &self,
        layer: &Layer,
        pool: &Pool,
        input: &View,
        output: &View,
    ) -> Result<(), CompileError> {
        let window = &pool.window;
        let whole = (0..output.height).all(|y| window.rows(y, input.height).len() == window.height)
            && (0..output.width).all(|x| window.columns(x, input.width).len() == window.width);
        if whole {
            Ok(())
        } else {
            Err(refuse(
                layer,
                "it averages over fewer pixels at the border than elsewhere",
            ))
        }
    }

    fn multiply(
        &self,
        layer: &'a Layer,
        multiply: &Multiply,
        input: View,
        output: View,
    ) -> Result<Node<'a>, CompileError> {
        let Factor::Constant(factors) = &multiply.factor else {
            return Err(refuse(layer, "no instruction multiplies two tensors"));
        };
        let from = self.network.tensor(layer.inputs[0]);
        let to = self.network.tensor(layer.output);
        let (input, output) = if [1, input.channels].contains(&factors.len()) {
            (input, output)
        } else {
            (flat(input), flat(output))
        };
        let weights: Vec<i8> = (0..input.channels)
            .map(|channel| i8::try_from(factors[channel % factors.len()]))
            .collect::<Result<_, _>>()
            .map_err(|_| refuse(layer, "it multiplies by more than a signed byte holds"))?;
        let parameters = weights
            .iter()
            .map(|&weight| {
                let bias = -i32::from(weight) * i32::from(from.zero_point);
                parameter(bias, multiply.scale)
            })
            .collect();
        Ok(Node {
            kernel: Kernel::Depthwise(Cow::Owned(weights)),
            parameters,
            double_rounding: multiply.rounding == Rounding::Double,
            zero_point: to.zero_point,
            minimum: multiply.clamp_minimum,
            maximum: multiply.clamp_maximum,
            ..self.point(&layer.name, input, output, average::divide_by(1))
        })
    }

    fn pad(
        &self,
        layer: &'a Layer,
        pad: &Pad,
        input: View,
        output: View,
    ) -> Result<Node<'a>, CompileError> {
        let zero_point = self.network.tensor(layer.inputs[0]).zero_point;
        let (top, left, front) = match pad.before[..] {
            [] => (0, 0, 0),
            [front] => (0, 0, front),
            [left, front] => (0, left, front),
            [top, left, front] => (top, left, front),
            _ => return Err(refuse(layer, "it pads more than three dimensions")),
        };
        let (input, output, top, left) = if input.channels == output.channels {
            (input, output, top, left)
        } else if [input, output].iter().all(|v| v.height * v.width == 1) {
            // A vector: its values are taken for pixels.
            let pixels = |view: View| View {
                width: view.channels,
                channels: 1,
                ..view
            };
            (pixels(input), pixels(output), 0, front)
        } else {
            return Err(refuse(layer, "it pads the channels of an image"));
        };
        Ok(Node {
            window: Window {
                pad_top: top,
                pad_left: left,
                ..Window::POINT
            },
            pad_value: zero_point,
            ..self.point(&layer.name, input, output, average::divide_by(1))
        })
    }

    /// An addition by itself: a copy of the first operand, with the second added.
    fn addition(&mut self, layer: &'a Layer, add: &Add) -> Result<(), CompileError> {
        let output = self.target(layer.output);
        let input = self.view(layer.inputs[0], layer)?;
        let mut node = self.point(&layer.name, input, output, average::divide_by(1));
        let second = self.view(layer.inputs[1], layer)?;
        self.add(&mut node, layer, add, second, 0)?;
        self.views[layer.output.0] = Some(node.output);
        self.graph.nodes.push(node);
        Ok(())
    }

    /// Folds an addition into the node that computes one of its operands.
    fn fold(&mut self, node: &mut Node<'a>, sum: Sum) -> Result<(), CompileError> {
        let network = self.network;
        let layer = &network.layers[sum.layer];
        let Operation::Add(add) = &layer.operation else {
            return Ok(());
        };
        node.label = format!("{}, {}", node.label, short(&layer.name));
        let second = self.view(layer.inputs[1 - sum.operand], layer)?;
        self.add(node, layer, add, second, sum.operand)
    }

    /// Adds `second` to the result of a node, which is the addition's operand 0 or 1.
    fn add(
        &mut self,
        node: &mut Node<'a>,
        layer: &'a Layer,
        add: &Add,
        second: View,
        operand: usize,
    ) -> Result<(), CompileError> {
        if add.left_shift != ADD_SHIFT
            || [add.left, add.right, add.output]
                .iter()
                .any(|s| s.shift > 0)
        {
            return Err(refuse(layer, "its fixed-point format is not the device's"));
        }
        // Both must lie in memory in the same way: each alone in its image.
        let second = self.plain(second, &layer.name);
        if !self.is_plain(&node.output) {
            let name = self.graph.image(node.output.image).name.clone();
            return Err(refuse(
                layer,
                format!("its sum is only a part of \"{name}\""),
            ));
        }
        let other = View {
            image: second.image,
            ..node.output
        };
        let second = if second == other {
            second
        } else {
            self.reshaped_like(second, &node.output, layer)?
        };
        let zero_point =
            |input: usize| -> i32 { self.network.tensor(layer.inputs[input]).zero_point.into() };
        let scales = [add.left, add.right];
        node.residual = Some(Residual {
            view: second,
            parameters: [
                parameter(-zero_point(operand), scales[operand]),
                parameter(-zero_point(1 - operand), scales[1 - operand]),
                parameter(0, add.output),
            ],
            zero_point: self.network.tensor(layer.output).zero_point,
            minimum: add.clamp_minimum,
            maximum: add.clamp_maximum,
        });
        Ok(())
    }

    /// A copy of a tensor in the shape of another.
    fn reshaped_like(
        &mut self,
        view: View,
        model: &View,
        layer: &'a Layer,
    ) -> Result<View, CompileError> {
        let size = |view: &View| view.height * view.width * view.channels;
        if size(&view) != size(model) {
            return Err(refuse(layer, "its operands have different sizes"));
        }
        let shape = (model.height, model.width, model.channels);
        let copy = self.image(&layer.name, shape);
        let source = View {
            image: view.image,
            offset: 0,
            ..*model
        };
        self.copy(&layer.name, source, copy);
        Ok(copy)
    }
}

/// All values of a tensor as the channels of one pixel.
pub(super) fn flat(view: View) -> View {
    View {
        height: 1,
        width: 1,
        channels: view.height * view.width * view.channels,
        ..view
    }
}

/// A parameter without anything folded in.
pub(super) fn parameter(bias: i32, scale: Scale) -> Parameter {
    Parameter {
        bias,
        multiplier: scale.multiplier,
        shift: scale.shift,
        reserved: [0; 7],
    }
}

/// What the layers with weights have in common.
struct Weights<'a> {
    weights: &'a [i8],
    /// Channels innermost instead of outermost.
    is_depthwise: bool,
    bias: &'a [i32],
    scales: &'a [Scale],
    rounding: Rounding,
    minimum: i8,
    maximum: i8,
}

impl<'a> Weights<'a> {
    fn dense(dense: &'a FullyConnected) -> Self {
        Weights {
            weights: &dense.weights,
            is_depthwise: false,
            bias: &dense.bias,
            scales: &dense.scales,
            rounding: dense.rounding,
            minimum: dense.clamp_minimum,
            maximum: dense.clamp_maximum,
        }
    }

    /// One for each channel, with the input's zero point folded into the bias.
    fn parameters(&self, zero_point: i8) -> Vec<Parameter> {
        let channels = self.bias.len().max(1);
        let size = self.weights.len() / channels;
        let sum = |channel: usize| -> i32 {
            let weights = (0..size).map(|n| {
                if self.is_depthwise {
                    self.weights[n * channels + channel]
                } else {
                    self.weights[channel * size + n]
                }
            });
            weights.fold(0, |sum: i32, weight| sum.wrapping_add(weight.into()))
        };
        let entries = self.bias.iter().zip(self.scales).enumerate();
        entries
            .map(|(channel, (bias, &scale))| {
                let folded = sum(channel).wrapping_mul(zero_point.into());
                parameter(bias.wrapping_sub(folded), scale)
            })
            .collect()
    }
}

impl From<crate::model::Window> for Window {
    fn from(window: crate::model::Window) -> Self {
        Window {
            height: window.height,
            width: window.width,
            stride_y: window.stride_y,
            stride_x: window.stride_x,
            pad_top: window.pad_top,
            pad_left: window.pad_left,
        }
    }
}

impl Builder<'_> {
    /// A tensor's view in its own shape, given the one through which it was written.
    fn own_shape(&self, id: TensorId, written: View) -> View {
        let (height, width, channels) = self.shape(id);
        View {
            height,
            width,
            channels,
            ..written
        }
    }
}
