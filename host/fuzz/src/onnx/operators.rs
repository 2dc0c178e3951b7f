//! One layer of a made-up model: an operator with attributes and weights that mostly fit, what may
//! follow it in float, and the quantization behind it.

use super::graph::{Attribute, Graph, Value};
use Attribute::{Float, Int, Ints, Text};

impl Graph<'_, '_> {
    pub(super) fn any_operator(&mut self) {
        let input = self.value();
        let is_image = matches!(input.shape.len(), 3 | 4);
        match self.choices.below(24) {
            0..=2 if is_image => self.convolution(&input),
            3 if is_image => self.pool(&input, "AveragePool"),
            4 if is_image => self.pool(&input, "MaxPool"),
            5 if is_image => self.global(&input),
            6 if is_image => self.reduce_mean(&input),
            7..=8 => self.sum(&input),
            9..=10 => self.product(&input),
            11 => self.softmax(&input),
            12 => self.concat(&input),
            13 => self.pad(&input),
            14 => self.bound(&input),
            15 => self.flatten(&input),
            16 => self.reshape(&input),
            17 => self.transpose(&input),
            18 => self.unsqueeze(&input),
            19 => self.dense_of_many(&input),
            _ => self.dense(&input),
        }
    }

    /// What may follow a float: bounds, another shape; then its quantization.
    fn follow(&mut self, mut float: String, shape: Vec<i64>, like: Option<f32>) {
        match self.choices.below(8) {
            5 => float = self.node("Relu", &[&float], &[]),
            6 => {
                let low = self.floats(&[], &[0.0]);
                let high = self.choices.scale();
                let high = self.floats(&[], &[high]);
                float = self.node("Clip", &[&float, &low, &high], &[]);
            }
            7 => float = self.node("Identity", &[&float], &[]),
            _ => {}
        }
        if self.choices.rarely() {
            // A maximum or a padding needs no quantization of its own.
            let scale = like.unwrap_or(1.0);
            self.values.push(Value {
                name: float,
                shape,
                scale,
            });
            return;
        }
        self.quantize(&float, shape, like);
    }

    /// Kernel, strides and pads of so many dimensions, and the sizes that they make.
    fn window(&mut self, sizes: &[i64]) -> (Vec<i64>, Vec<i64>, Vec<i64>, Vec<i64>) {
        let rank = sizes.len();
        let kernel: Vec<i64> = (0..rank)
            .map(|_| 1 + self.choices.below(4) as i64)
            .collect();
        let strides: Vec<i64> = (0..rank)
            .map(|_| 1 + self.choices.below(3) as i64)
            .collect();
        let pads: Vec<i64> = (0..2 * rank)
            .map(|_| self.choices.pick(&[0, 0, 1, 2]))
            .collect();
        let outside = (0..rank).map(|index| {
            let padded =
                (sizes[index].saturating_add(pads[index])).saturating_add(pads[rank + index]);
            (padded.saturating_sub(kernel[index]) / strides[index] + 1).max(1)
        });
        let outside = outside.collect();
        (kernel, strides, pads, outside)
    }

    fn convolution(&mut self, input: &Value) {
        let channels = input.shape[1];
        let (kernel, strides, pads, sizes) = self.window(&input.shape[2..]);
        let groups = match self.choices.below(4) {
            2 => channels,
            3 if channels % 2 == 0 => 2,
            _ => 1,
        };
        let outputs = match groups {
            1 => 1 + self.choices.below(9) as i64,
            groups => groups.saturating_mul(self.choices.pick(&[1, 1, 2])),
        };
        let mut shape = vec![outputs, channels.checked_div(groups).unwrap_or(1)];
        shape.extend(&kernel);
        let (weights, scales) = self.weights(&shape, 0);
        let mut inputs = vec![input.name.clone(), weights];
        if self.choices.coin() {
            inputs.push(self.bias(outputs, input.scale, &scales));
        }
        let group = self.choices.mostly(groups);
        let mut attributes = vec![
            Ints("kernel_shape", &kernel),
            Ints("strides", &strides),
            Int("group", group),
        ];
        attributes.push(match self.choices.below(8) {
            6 => Text("auto_pad", "SAME_UPPER"),
            7 => Text("auto_pad", "SAME_LOWER"),
            _ => Ints("pads", &pads),
        });
        if self.choices.rarely() {
            attributes.push(Ints("dilations", &kernel));
        }
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let mut float = self.node("Conv", &inputs, &attributes);
        match self.choices.below(8) {
            6 => {
                let factor = self.choices.scale();
                let factor = self.floats(&[], &[factor]);
                float = self.node("Mul", &[&float, &factor], &[]);
            }
            7 => float = self.normalization(&float, outputs),
            _ => {}
        }
        let mut shape = vec![input.shape[0], outputs];
        shape.extend(sizes);
        self.follow(float, shape, None);
    }

    fn normalization(&mut self, float: &str, channels: i64) -> String {
        let count = channels.clamp(0, 1 << 10) as usize;
        let names = [0; 4].map(|_| {
            let value = self.choices.scale();
            self.floats(&[count as i64], &vec![value; count])
        });
        let mut inputs = vec![float];
        inputs.extend(names.iter().map(String::as_str));
        self.node("BatchNormalization", &inputs, &[Float("epsilon", 1e-5)])
    }

    fn pool(&mut self, input: &Value, operator: &str) {
        let (kernel, strides, pads, sizes) = self.window(&input.shape[2..]);
        let ceil = self.choices.pick(&[0, 0, 0, 1]);
        let include = self.choices.pick(&[0, 0, 0, 1]);
        let attributes = [
            Ints("kernel_shape", &kernel),
            Ints("strides", &strides),
            Ints("pads", &pads),
            Int("ceil_mode", ceil),
            Int("count_include_pad", include),
        ];
        let float = self.node(operator, &[&input.name], &attributes);
        let mut shape = input.shape[..2].to_vec();
        shape.extend(sizes);
        let like = self.choices.coin().then_some(input.scale);
        self.follow(float, shape, like);
    }

    fn global(&mut self, input: &Value) {
        let operator = self.choices.pick(&["GlobalAveragePool", "GlobalMaxPool"]);
        let float = self.node(operator, &[&input.name], &[]);
        let mut shape = vec![1; input.shape.len()];
        shape[..2].copy_from_slice(&input.shape[..2]);
        self.follow(float, shape, None);
    }

    fn reduce_mean(&mut self, input: &Value) {
        let rank = input.shape.len();
        let axes: &[i64] = match (rank, self.choices.below(3)) {
            (3, _) => &[2],
            (_, 0) => &[2, 3],
            (_, 1) => &[-1, -2],
            _ => &[1, 2],
        };
        let keep = self.choices.below(2) as i64;
        let reduced = |index: &usize| {
            axes.contains(&(*index as i64)) || axes.contains(&(*index as i64 - rank as i64))
        };
        let shape = match keep {
            0 => (0..rank)
                .filter(|index| !reduced(index))
                .map(|index| input.shape[index])
                .collect(),
            _ => (0..rank)
                .map(|index| {
                    if reduced(&index) {
                        1
                    } else {
                        input.shape[index]
                    }
                })
                .collect(),
        };
        let attributes = [Ints("axes", axes), Int("keepdims", keep)];
        let float = self.node("ReduceMean", &[&input.name], &attributes);
        self.follow(float, shape, None);
    }

    fn elements(shape: &[i64]) -> i64 {
        let row = shape.iter().skip(1);
        row.fold(1_i64, |product, &size| product.saturating_mul(size))
    }

    fn dense(&mut self, input: &Value) {
        let flat = match input.shape.len() {
            2 => input.name.clone(),
            _ => self.node("Flatten", &[&input.name], &[]),
        };
        let inputs = Self::elements(&input.shape);
        let outputs = 1 + self.choices.below(20) as i64;
        let turned = self.choices.coin();
        let (shape, axis) = if turned {
            ([outputs, inputs], 0)
        } else {
            ([inputs, outputs], 1)
        };
        let (weights, scales) = self.weights(&shape, axis);
        let bias = self.bias(outputs, input.scale, &scales);
        let shape = vec![input.shape[0], outputs];
        if !turned && self.choices.coin() {
            let mut float = self.node("MatMul", &[&flat, &weights], &[]);
            if self.choices.coin() {
                float = self.node("Add", &[&float, &bias], &[]);
            }
            return self.follow(float, shape, None);
        }
        let attributes = [Int("transB", turned.into())];
        let float = self.node("Gemm", &[&flat, &weights, &bias], &attributes);
        self.follow(float, shape, None);
    }

    /// MatMul over the last of more dimensions.
    fn dense_of_many(&mut self, input: &Value) {
        let inputs = input.shape.last().copied().unwrap_or(1);
        let outputs = 1 + self.choices.below(20) as i64;
        let (weights, _) = self.weights(&[inputs, outputs], 1);
        let float = self.node("MatMul", &[&input.name, &weights], &[]);
        let mut shape = input.shape.clone();
        if let Some(last) = shape.last_mut() {
            *last = outputs;
        }
        self.follow(float, shape, None);
    }

    /// Mostly a value of this shape.
    fn partner(&mut self, shape: &[i64]) -> Value {
        let any = self.value();
        if self.choices.rarely() || any.shape == shape {
            return any;
        }
        let same = self.values.iter().find(|value| value.shape == shape);
        same.cloned().unwrap_or(any)
    }

    fn sum(&mut self, input: &Value) {
        let other = self.partner(&input.shape);
        let float = self.node("Add", &[&input.name, &other.name], &[]);
        self.follow(float, input.shape.clone(), None);
    }

    fn product(&mut self, input: &Value) {
        let channels = input.shape.get(1).copied().unwrap_or(1);
        let behind = vec![1; input.shape.len().saturating_sub(2)];
        let factor = match self.choices.below(4) {
            0 => self.partner(&input.shape).name,
            1 => self.value().name,
            2 => self.weights(&[], 0).0,
            _ => {
                let mut shape = vec![channels];
                shape.extend(behind);
                self.weights(&shape, 0).0
            }
        };
        let inputs: [&str; 2] = match self.choices.coin() {
            true => [&factor, &input.name],
            false => [&input.name, &factor],
        };
        let float = self.node("Mul", &inputs, &[]);
        self.follow(float, input.shape.clone(), None);
    }

    fn softmax(&mut self, input: &Value) {
        let axis = self.choices.mostly(-1);
        let float = self.node("Softmax", &[&input.name], &[Int("axis", axis)]);
        self.follow(float, input.shape.clone(), None);
    }

    fn concat(&mut self, input: &Value) {
        let mut parts = vec![input.clone()];
        for _ in 0..self.choices.below(3) {
            parts.push(match self.choices.coin() {
                true => self.partner(&input.shape),
                false => input.clone(),
            });
        }
        let axis = 1 + self.choices.below(input.shape.len().saturating_sub(1));
        let length = parts.iter().map(|part| part.shape.get(axis).copied());
        let length = length.fold(0_i64, |sum, size| sum.saturating_add(size.unwrap_or(1)));
        let mut shape = input.shape.clone();
        if let Some(place) = shape.get_mut(axis) {
            *place = length;
        }
        let names: Vec<&str> = parts.iter().map(|part| part.name.as_str()).collect();
        let axis = self.choices.mostly(axis as i64);
        let float = self.node("Concat", &names, &[Int("axis", axis)]);
        self.follow(float, shape, None);
    }

    fn pad(&mut self, input: &Value) {
        let rank = input.shape.len();
        let mut pads = vec![0; 2 * rank];
        let mut shape = input.shape.clone();
        for (index, size) in shape.iter_mut().enumerate().skip(1) {
            for side in [index, rank + index] {
                pads[side] = self.choices.pick(&[0, 0, 1, 2, 3]);
                *size = size.saturating_add(pads[side]);
            }
        }
        let pads = self.integers(&pads);
        let float = self.node("Pad", &[&input.name, &pads], &[]);
        self.follow(float, shape, Some(input.scale));
    }

    fn bound(&mut self, input: &Value) {
        let float = self.node("Relu", &[&input.name], &[]);
        self.follow(float, input.shape.clone(), None);
    }

    /// A value in another shape, which needs no quantization.
    fn reshaped(&mut self, name: String, shape: Vec<i64>, scale: f32) {
        self.values.push(Value { name, shape, scale });
    }

    fn flatten(&mut self, input: &Value) {
        let axis = self.choices.mostly(1);
        let name = self.node("Flatten", &[&input.name], &[Int("axis", axis)]);
        let shape = vec![input.shape[0], Self::elements(&input.shape)];
        self.reshaped(name, shape, input.scale);
    }

    fn reshape(&mut self, input: &Value) {
        let elements = Self::elements(&input.shape);
        let shape = match self.choices.below(4) {
            0 => vec![0, -1],
            1 => vec![-1, 1, 1, elements],
            2 => vec![0, 2, elements / 2, 1],
            _ => vec![0, elements, 1],
        };
        let target = self.integers(&shape);
        let name = self.node("Reshape", &[&input.name, &target], &[]);
        let mut shape = shape;
        shape[0] = input.shape[0];
        if shape[1] == -1 {
            shape[1] = elements;
        }
        self.reshaped(name, shape, input.scale);
    }

    fn transpose(&mut self, input: &Value) {
        let rank = input.shape.len();
        let mut order: Vec<usize> = (0..rank).collect();
        let by = self.choices.below(rank.saturating_sub(1));
        if let Some(row) = order.get_mut(1..) {
            row.rotate_left(by);
        }
        let shape = order.iter().map(|&from| input.shape[from]).collect();
        let order: Vec<i64> = order.iter().map(|&from| from as i64).collect();
        let name = self.node("Transpose", &[&input.name], &[Ints("perm", &order)]);
        self.reshaped(name, shape, input.scale);
    }

    fn unsqueeze(&mut self, input: &Value) {
        let mut shape = input.shape.clone();
        if let Some(axis) = shape.iter().skip(1).position(|&size| size == 1)
            && self.choices.coin()
        {
            let axes = self.integers(&[axis as i64 + 1]);
            let name = self.node("Squeeze", &[&input.name, &axes], &[]);
            shape.remove(axis + 1);
            return self.reshaped(name, shape, input.scale);
        }
        let axis = 1 + self.choices.below(shape.len());
        let axes = self.integers(&[axis as i64]);
        let name = self.node("Unsqueeze", &[&input.name, &axes], &[]);
        shape.insert(axis, 1);
        self.reshaped(name, shape, input.scale);
    }
}
