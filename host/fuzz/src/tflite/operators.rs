//! One operation of a made-up model, with options, weights and an output that mostly fit.

use super::{Field, Maker};
use Field::{Byte, Float, Int};

pub(super) const QUANTIZE: i32 = 114;
pub(super) const DEQUANTIZE: i32 = 6;

const ADD: i32 = 0;
const AVERAGE_POOL_2D: i32 = 1;
const CONCATENATION: i32 = 2;
const CONV_2D: i32 = 3;
const DEPTHWISE_CONV_2D: i32 = 4;
const FULLY_CONNECTED: i32 = 9;
const MAX_POOL_2D: i32 = 17;
const MUL: i32 = 18;
const RELU: i32 = 19;
const RELU_N1_TO_1: i32 = 20;
const RELU6: i32 = 21;
const RESHAPE: i32 = 22;
const SOFTMAX: i32 = 25;
const PAD: i32 = 34;
const MEAN: i32 = 40;
const SQUEEZE: i32 = 43;
const EXPAND_DIMS: i32 = 70;

/// Geometry of a window, and the shape that it makes of an image.
struct Geometry {
    padding: i8,
    kernel: [i64; 2],
    strides: [i32; 2],
    outside: [i32; 2],
}

impl Maker<'_, '_> {
    pub(super) fn any_operator(&mut self) {
        let input = self.value();
        let shape = self.shape(input);
        let is_image = shape.len() == 4;
        match self.choices.below(20) {
            0..=1 if is_image => self.convolution(input, &shape),
            2..=3 if is_image => self.depthwise(input, &shape),
            4 if is_image => self.pool(input, &shape, AVERAGE_POOL_2D),
            5 if is_image => self.pool(input, &shape, MAX_POOL_2D),
            6..=7 => self.add(input, &shape),
            8..=9 => self.multiply(input, &shape),
            10 if shape.len() > 2 => self.mean(input, &shape),
            11 => self.softmax(input, shape),
            12 => self.concatenate(input, &shape),
            13 => self.pad(input, &shape),
            14 => self.reshape(input, &shape),
            15 => self.bound(input, shape, RELU),
            16 => self.bound(input, shape, RELU6),
            17 => self.bound(input, shape, RELU_N1_TO_1),
            _ => self.dense(input, &shape),
        }
    }

    fn fused(&mut self) -> i8 {
        let fused = self.choices.pick(&[0, 0, 1, 2, 3]);
        self.choices.mostly(fused) as i8
    }

    fn geometry(&mut self, shape: &[i32]) -> Geometry {
        let kernel = [0; 2].map(|_| {
            let size = 1 + self.choices.below(5) as i64;
            self.choices.mostly(size)
        });
        let strides = [0; 2].map(|_| {
            let stride = 1 + self.choices.below(3) as i64;
            self.choices.mostly(stride) as i32
        });
        let padding = self.choices.below(2) as i8;
        let side = |index: usize| {
            let (input, stride) = (i64::from(shape[1 + index]), i64::from(strides[index]));
            let reach = match padding {
                0 => input.saturating_add(stride - 1),
                _ => input.saturating_add(stride).saturating_sub(kernel[index]),
            };
            reach.checked_div(stride).unwrap_or(1).max(1) as i32
        };
        Geometry {
            padding,
            kernel,
            strides,
            outside: [side(0), side(1)],
        }
    }

    fn convolution(&mut self, input: i32, shape: &[i32]) {
        let geometry = self.geometry(shape);
        let channels = 1 + self.choices.below(9) as i64;
        let [height, width] = geometry.kernel;
        let weights = self.weights(&[channels, height, width, shape[3].into()], 0);
        let bias = self.bias(channels, input, weights);
        let [oh, ow] = geometry.outside;
        let output = self.activation(vec![shape[0], oh, ow, channels as i32], None);
        let dilation = self.choices.mostly(1) as i32;
        let fields = vec![
            (0, Byte(geometry.padding)),
            (1, Int(geometry.strides[1])),
            (2, Int(geometry.strides[0])),
            (3, Byte(self.fused())),
            (4, Int(dilation)),
        ];
        self.operator(CONV_2D, &[input, weights, bias], output, Some((1, fields)));
    }

    fn depthwise(&mut self, input: i32, shape: &[i32]) {
        let geometry = self.geometry(shape);
        let multiplier = self.choices.pick(&[1, 1, 1, 2, 3]);
        let channels = i64::from(shape[3]).saturating_mul(multiplier);
        let [height, width] = geometry.kernel;
        let weights = self.weights(&[1, height, width, channels], 3);
        let bias = self.bias(channels, input, weights);
        let [oh, ow] = geometry.outside;
        let output = self.activation(vec![shape[0], oh, ow, channels as i32], None);
        let fields = vec![
            (0, Byte(geometry.padding)),
            (1, Int(geometry.strides[1])),
            (2, Int(geometry.strides[0])),
            (4, Byte(self.fused())),
        ];
        let inputs = [input, weights, bias];
        self.operator(DEPTHWISE_CONV_2D, &inputs, output, Some((2, fields)));
    }

    fn pool(&mut self, input: i32, shape: &[i32], code: i32) {
        let geometry = self.geometry(shape);
        let [oh, ow] = geometry.outside;
        let output = self.activation(vec![shape[0], oh, ow, shape[3]], Some(input));
        let fields = vec![
            (0, Byte(geometry.padding)),
            (1, Int(geometry.strides[1])),
            (2, Int(geometry.strides[0])),
            (3, Int(geometry.kernel[1] as i32)),
            (4, Int(geometry.kernel[0] as i32)),
            (5, Byte(self.fused())),
        ];
        self.operator(code, &[input], output, Some((5, fields)));
    }

    fn dense(&mut self, input: i32, shape: &[i32]) {
        let row = shape.iter().skip(1);
        let inputs = row.fold(1_i64, |product, &size| product.saturating_mul(size.into()));
        let channels = 1 + self.choices.below(20) as i64;
        let weights = self.weights(&[channels, inputs], 0);
        let bias = self.bias(channels, input, weights);
        let output = self.activation(vec![shape[0], channels as i32], None);
        let fields = vec![
            (0, Byte(self.fused())),
            (1, Byte(self.choices.mostly(0) as i8)),
        ];
        let inputs = [input, weights, bias];
        self.operator(FULLY_CONNECTED, &inputs, output, Some((8, fields)));
    }

    fn add(&mut self, input: i32, shape: &[i32]) {
        let other = self.partner(shape);
        let output = self.activation(shape.to_vec(), None);
        let fields = vec![(0, Byte(self.fused()))];
        self.operator(ADD, &[input, other], output, Some((11, fields)));
    }

    /// Mostly an activation of this shape.
    fn partner(&mut self, shape: &[i32]) -> i32 {
        let any = self.value();
        if self.choices.rarely() || self.tensors[any as usize].shape == shape {
            return any;
        }
        let mut same = self.activations.iter().copied();
        same.find(|&id| self.tensors[id as usize].shape == shape)
            .unwrap_or(any)
    }

    fn multiply(&mut self, input: i32, shape: &[i32]) {
        let last = i64::from(shape.last().copied().unwrap_or(1));
        let factor = match self.choices.below(4) {
            0 => self.partner(shape),
            1 => self.value(),
            2 => self.weights(&[last], 0),
            _ => self.weights(&[1], 0),
        };
        let output = self.activation(shape.to_vec(), None);
        let fields = vec![(0, Byte(self.fused()))];
        let inputs = match self.choices.coin() {
            true => [factor, input],
            false => [input, factor],
        };
        self.operator(MUL, &inputs, output, Some((21, fields)));
    }

    fn mean(&mut self, input: i32, shape: &[i32]) {
        let mut outside = shape.to_vec();
        let axes: &[i64] = match (shape.len(), self.choices.below(4)) {
            (4, 0) => &[1, 2],
            (4, 1) => &[-3, -2],
            (4, 2) => &[2],
            _ => &[1],
        };
        for &axis in axes {
            let axis = axis.rem_euclid(shape.len() as i64) as usize;
            outside[axis] = 1;
        }
        if self.choices.coin() {
            outside = vec![shape[0]];
            let kept = (1..shape.len()).filter(|&axis| {
                !axes.contains(&(axis as i64))
                    && !axes.contains(&(axis as i64 - shape.len() as i64))
            });
            outside.extend(kept.map(|axis| shape[axis]));
        }
        let axes = self.integers(vec![axes.len() as i32], axes);
        let output = self.activation(outside, None);
        self.operator(MEAN, &[input, axes], output, None);
    }

    fn softmax(&mut self, input: i32, shape: Vec<i32>) {
        let output = self.activation(shape, None);
        if !self.choices.rarely() {
            let tensor = &mut self.tensors[output as usize];
            tensor.scales = vec![1.0 / 256.0];
            tensor.zero_points = vec![-128];
        }
        let beta = match self.choices.rarely() {
            true => self.choices.scale(),
            false => 1.0,
        };
        self.operator(SOFTMAX, &[input], output, Some((9, vec![(0, Float(beta))])));
    }

    fn concatenate(&mut self, input: i32, shape: &[i32]) {
        let mut inputs = vec![input];
        for _ in 0..self.choices.below(3) {
            let other = match self.choices.coin() {
                true => self.partner(shape),
                false => input,
            };
            inputs.push(other);
        }
        let axis = self.choices.below(shape.len());
        let length = inputs.iter().map(|&id| {
            let shape = &self.tensors[id as usize].shape;
            i64::from(shape.get(axis).copied().unwrap_or(1))
        });
        let mut outside = shape.to_vec();
        let length = length.sum::<i64>() as i32;
        if let Some(place) = outside.get_mut(axis) {
            *place = length;
        }
        let output = self.activation(outside, Some(input));
        let axis = match self.choices.coin() {
            true => axis as i64,
            false => axis as i64 - shape.len() as i64,
        };
        let fields = vec![
            (0, Int(self.choices.mostly(axis) as i32)),
            (1, Byte(self.choices.mostly(0) as i8)),
        ];
        self.operator(CONCATENATION, &inputs, output, Some((10, fields)));
    }

    fn pad(&mut self, input: i32, shape: &[i32]) {
        let mut pads = vec![0; 2 * shape.len()];
        let mut outside = shape.to_vec();
        for dimension in 1..shape.len() {
            for side in 0..2 {
                let pad = self.choices.pick(&[0, 0, 1, 2, 3]);
                pads[2 * dimension + side] = pad;
                outside[dimension] = outside[dimension].wrapping_add(pad as i32);
            }
        }
        let pads = self.integers(vec![shape.len() as i32, 2], &pads);
        let output = self.activation(outside, Some(input));
        self.operator(PAD, &[input, pads], output, None);
    }

    fn reshape(&mut self, input: i32, shape: &[i32]) {
        let row = shape.iter().skip(1);
        let elements = row.fold(1_i32, |product, &size| product.wrapping_mul(size));
        let (code, outside) = match self.choices.below(5) {
            0 => (RESHAPE, vec![shape[0], elements]),
            1 => (RESHAPE, vec![shape[0], 1, 1, elements]),
            2 => (RESHAPE, vec![shape[0], elements / 2, 2, 1]),
            3 => (EXPAND_DIMS, {
                let mut outside = shape.to_vec();
                outside.insert(1 + self.choices.below(shape.len()), 1);
                outside
            }),
            _ => {
                let kept = shape.iter().skip(1).copied().filter(|&size| size != 1);
                (SQUEEZE, std::iter::once(shape[0]).chain(kept).collect())
            }
        };
        let output = self.activation(outside, Some(input));
        self.operator(code, &[input], output, None);
    }

    fn bound(&mut self, input: i32, shape: Vec<i32>, code: i32) {
        let like = self.choices.coin().then_some(input);
        let output = self.activation(shape, like);
        self.operator(code, &[input], output, None);
    }
}
