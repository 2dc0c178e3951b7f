//! Conv, the poolings and ReduceMean over an image.

use super::linear::weight_values;
use super::node::Node;
use super::pending::{Body, Pending, Unquantized};
use super::view::View;
use super::{Importer, Value};
use crate::import::ImportError;
use crate::model::{PoolKind, ROW_ELEMENTS_MAX, WINDOW_MAX, Window, row_elements};
use std::rc::Rc;

impl Importer {
    pub(super) fn convolution(&mut self, node: &Node) -> Result<Value, ImportError> {
        let activation = self.operand(node, 0)?;
        let (input, image) = self.image(node, &activation)?;
        let constant = Rc::clone(self.constant(node, 1)?);
        let (values, weight_scales) = weight_values(node, &constant, 0)?;
        let (outputs, group_inputs, kernel) = match constant.shape[..] {
            [outputs, inputs, width] => (outputs, inputs, [1, width]),
            [outputs, inputs, height, width] => (outputs, inputs, [height, width]),
            ref shape => {
                return Err(node.unsupported(format!("its weights have the shape {shape:?}")));
            }
        };
        let groups = usize::try_from(node.integer("group", 1)).unwrap_or(0);
        let [_, _, inputs] = image;
        if groups == 0
            || outputs == 0
            || groups.checked_mul(group_inputs) != Some(inputs)
            || !outputs.is_multiple_of(groups)
        {
            return Err(node.damaged(format!(
                "weights {:?} in {groups} groups don't fit {inputs} channels",
                constant.shape
            )));
        }
        let (window, [height, width]) = window(node, image, kernel)?;
        let area = kernel[0] * kernel[1];
        let body = if groups == inputs && outputs == inputs {
            // [channel][ky][kx] becomes [ky][kx][channel].
            let weights = (0..area)
                .flat_map(|position| (0..outputs).map(move |channel| channel * area + position))
                .map(|index| values[index])
                .collect();
            Body::Depthwise { window, weights }
        } else {
            let weights = grouped(&values, area, inputs, outputs, groups).ok_or_else(|| {
                node.unsupported(format!(
                    "it makes {outputs} channels of {inputs} in {groups} groups"
                ))
            })?;
            Body::Convolution {
                window,
                inputs,
                weights,
            }
        };
        let input_scale = self.tensors[input.0].scale;
        let scales = (0..outputs)
            .map(|channel| {
                let index = if weight_scales.len() == 1 { 0 } else { channel };
                input_scale * f64::from(weight_scales[index])
            })
            .collect();
        let layer = Unquantized {
            name: node.layer.clone(),
            inputs: vec![input],
            shape: vec![height, width, outputs],
            body,
        };
        let view = outer_view(activation.view.shape.len(), [height, width, outputs]);
        let mut pending = Pending::weighted(layer, view, scales);
        if node.optional_input(2).is_some() {
            pending = self.with_bias(node, pending, 2)?;
        }
        Ok(Value::Pending(Rc::new(pending)))
    }

    pub(super) fn pool(&mut self, node: &Node, kind: PoolKind) -> Result<Value, ImportError> {
        let activation = self.operand(node, 0)?;
        let (input, image) = self.image(node, &activation)?;
        let kernel: Vec<usize> = node
            .integers("kernel_shape")
            .unwrap_or(&[])
            .iter()
            .map(|&size| usize::try_from(size).unwrap_or(0))
            .collect();
        let kernel = match kernel[..] {
            [width] => [1, width],
            [height, width] => [height, width],
            _ => return Err(node.damaged("it has no kernel_shape")),
        };
        let (window, [height, width]) = window(node, image, kernel)?;
        let whole = kind == PoolKind::Average
            && node.integer("count_include_pad", 0) != 0
            && node
                .integers("pads")
                .unwrap_or(&[])
                .iter()
                .any(|&pad| pad != 0);
        if whole && node.integer("ceil_mode", 0) != 0 {
            return Err(node.unsupported("it counts padding, and its size is rounded up"));
        }
        let shape = [height, width, image[2]];
        let layer = Unquantized {
            name: node.layer.clone(),
            inputs: vec![input],
            shape: shape.to_vec(),
            body: Body::Pool {
                kind,
                window,
                whole,
            },
        };
        let view = outer_view(activation.view.shape.len(), shape);
        Ok(Value::Pending(Rc::new(Pending::new(layer, view))))
    }

    /// GlobalAveragePool and GlobalMaxPool.
    pub(super) fn global_pool(
        &mut self,
        node: &Node,
        kind: PoolKind,
    ) -> Result<Value, ImportError> {
        let activation = self.operand(node, 0)?;
        let (input, [height, width, channels]) = self.image(node, &activation)?;
        let shape = [1, 1, channels];
        let view = outer_view(activation.view.shape.len(), shape);
        let layer = Unquantized {
            name: node.layer.clone(),
            inputs: vec![input],
            shape: shape.to_vec(),
            body: Body::Pool {
                kind,
                window: strided(height, width),
                whole: false,
            },
        };
        Ok(Value::Pending(Rc::new(Pending::new(layer, view))))
    }

    /// ReduceMean over height and width, wherever the channels are.
    pub(super) fn reduce_mean(&mut self, node: &Node) -> Result<Value, ImportError> {
        let activation = self.operand(node, 0)?;
        let shape = activation.view.shape.clone();
        let rank = shape.len() as i64 + 1;
        let mut axes: Vec<i64> = self
            .axes(node)?
            .unwrap_or_default()
            .into_iter()
            .map(|axis| {
                if axis < 0 {
                    axis.saturating_add(rank)
                } else {
                    axis
                }
            })
            .collect();
        axes.sort_unstable();
        let keeps = node.integer("keepdims", 1) != 0;
        let (input, [height, width, channels], outer) = match (&axes[..], &shape[..]) {
            ([2, 3], [_, _, _]) | ([2], [_, _]) => {
                let (input, image) = self.image(node, &activation)?;
                let mut outer = vec![1; shape.len()];
                outer[0] = image[2];
                (input, image, outer)
            }
            ([1, 2], &[height, width, channels]) if activation.view.order().is_none() => {
                let image = [height, width, channels];
                (
                    self.shaped(activation.tensor, &image)?,
                    image,
                    vec![1, 1, channels],
                )
            }
            _ => {
                return Err(node.unsupported(format!(
                    "it is over the dimensions {axes:?} of {rank}, not over height and width"
                )));
            }
        };
        let outer = if keeps { outer } else { vec![channels] };
        let layer = Unquantized {
            name: node.layer.clone(),
            inputs: vec![input],
            shape: vec![1, 1, channels],
            body: Body::Pool {
                kind: PoolKind::Average,
                window: strided(height, width),
                whole: false,
            },
        };
        Ok(Value::Pending(Rc::new(Pending::new(
            layer,
            View::same(outer),
        ))))
    }
}

/// One window over a whole image.
fn strided(height: usize, width: usize) -> Window {
    Window {
        height,
        width,
        stride_y: height,
        stride_x: width,
        ..Window::POINT
    }
}

/// How the file sees an image, with or without its height.
fn outer_view(rank: usize, [height, width, channels]: [usize; 3]) -> View {
    View::channels_first(match rank {
        2 => vec![channels, width],
        _ => vec![channels, height, width],
    })
}

/// The window that a node's attributes describe, and height and width of its output.
fn window(
    node: &Node,
    [height, width, _]: [usize; 3],
    kernel: [usize; 2],
) -> Result<(Window, [usize; 2]), ImportError> {
    // Attributes have a value for each dimension, which may be the width alone.
    let pair = |name: &str, default: i64| match node.integers(name) {
        None | Some([]) => Ok([default; 2]),
        Some(&[horizontal]) => Ok([default, horizontal]),
        Some(&[vertical, horizontal]) => Ok([vertical, horizontal]),
        Some(other) => Err(node.damaged(format!("its {name} are {other:?}"))),
    };
    if pair("dilations", 1)? != [1, 1] {
        return Err(node.unsupported(format!(
            "its kernel is dilated by {:?}",
            node.integers("dilations").unwrap_or(&[])
        )));
    }
    let strides = pair("strides", 1)?;
    let pads = match node.integers("pads") {
        None | Some([]) => [0; 4],
        Some(&[left, right]) => [0, left, 0, right],
        Some(&[top, left, bottom, right]) => [top, left, bottom, right],
        Some(other) => return Err(node.damaged(format!("its pads are {other:?}"))),
    };
    let automatic = node.text("auto_pad");
    let ceil = node.integer("ceil_mode", 0) != 0;
    let side = |index: usize, input: usize| {
        let size = kernel[index];
        let in_range = |value: i64| {
            usize::try_from(value)
                .ok()
                .filter(|value| *value <= WINDOW_MAX)
        };
        let stride = in_range(strides[index]).filter(|&stride| stride > 0);
        let (Some(stride), Some(before), Some(after), 1..=WINDOW_MAX) = (
            stride,
            in_range(pads[index]),
            in_range(pads[index + 2]),
            size,
        ) else {
            return Err(node.damaged("its kernel, strides or pads are out of range"));
        };
        let (before, after) = match automatic.as_str() {
            "" | "NOTSET" => (before, after),
            "VALID" => (0, 0),
            "SAME_UPPER" | "SAME_LOWER" => {
                let total = ((input.div_ceil(stride) - 1) * stride + size).saturating_sub(input);
                let less = total / 2;
                if automatic == "SAME_UPPER" {
                    (less, total - less)
                } else {
                    (total - less, less)
                }
            }
            other => return Err(node.unsupported(format!("its auto_pad is {other}"))),
        };
        let Some(reach) = (input + before + after).checked_sub(size) else {
            return Err(node.damaged(format!(
                "a kernel of {size} is larger than its input, {input}"
            )));
        };
        let mut outputs = if ceil {
            reach.div_ceil(stride)
        } else {
            reach / stride
        } + 1;
        // A window that rounding up adds must not begin in the padding.
        if ceil && (outputs - 1) * stride >= input + before {
            outputs -= 1;
        }
        Ok((stride, before, outputs))
    };
    let (stride_y, pad_top, output_height) = side(0, height)?;
    let (stride_x, pad_left, output_width) = side(1, width)?;
    if row_elements(&[output_height, output_width]).is_none() {
        return Err(node.unsupported("its output is too large"));
    }
    let window = Window {
        height: kernel[0],
        width: kernel[1],
        stride_y,
        stride_x,
        pad_top,
        pad_left,
    };
    Ok((window, [output_height, output_width]))
}

/// Weights `[output][ky][kx][input]`, zero for the inputs of other groups, from
/// `[output][input of the group][ky][kx]`.
fn grouped(
    values: &[i8],
    area: usize,
    inputs: usize,
    outputs: usize,
    groups: usize,
) -> Option<Vec<i8>> {
    let length = area.checked_mul(inputs)?.checked_mul(outputs)?;
    let group_inputs = inputs / groups;
    if length > ROW_ELEMENTS_MAX || values.len() != area * group_inputs * outputs {
        return None;
    }
    let mut weights = vec![0; length];
    for (output, values) in values.chunks_exact(area * group_inputs).enumerate() {
        let first = output / (outputs / groups) * group_inputs;
        for (input, values) in values.chunks_exact(area).enumerate() {
            for (position, &value) in values.iter().enumerate() {
                weights[(output * area + position) * inputs + first + input] = value;
            }
        }
    }
    Some(weights)
}
