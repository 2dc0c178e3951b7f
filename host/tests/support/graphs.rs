//! Random networks of every kind of layer.
//!
//! ```text
//!  [h, w, c] --> one of: convolution, depthwise, pooling, padding, product, sum with or next to
//!                another tensor of the same size --> ... --> sometimes a dense layer
//! ```

use systole_host::model::{
    Add, Concatenate, Convolution, Depthwise, Element, Factor, FullyConnected, Layer, Layout,
    Multiply, Network, Operation, Pad, Pool, PoolKind, Port, Quantization, Requantization,
    Rounding, Scale, Source, Tensor, TensorId, Window,
};

use super::Numbers;

/// A network of about so many layers, of images of at most `size` rows and columns.
pub fn network(seed: u64, layers: usize, size: usize) -> Network {
    let mut maker = Maker {
        numbers: Numbers(seed),
        tensors: Vec::new(),
        layers: Vec::new(),
    };
    let shape = [
        1 + maker.below(size),
        1 + maker.below(size),
        1 + maker.below(20),
    ];
    maker.tensor(shape.to_vec(), None);
    for _ in 0..layers {
        let input = match maker.below(4) {
            0 => maker.below(maker.tensors.len()),
            _ => maker.tensors.len() - 1,
        };
        maker.layer(TensorId(input));
    }
    maker.finish()
}

/// The shape of ResNet8 (MLPerf Tiny's image classification) with `width` channels in its first
/// stage instead of 16, and any weights.
pub fn resnet(seed: u64, width: usize) -> Network {
    let mut maker = Maker {
        numbers: Numbers(seed),
        tensors: Vec::new(),
        layers: Vec::new(),
    };
    let input = maker.tensor(vec![32, 32, 3], None);
    let mut x = maker.square(input, width, 3, 1);
    for (channels, stride) in [(width, 1), (2 * width, 2), (4 * width, 2)] {
        let inner = maker.square(x, channels, 3, stride);
        let inner = maker.square(inner, channels, 3, 1);
        let shortcut = match stride {
            1 => x,
            _ => maker.square(x, channels, 1, stride),
        };
        let shape = maker.tensors[inner.0].shape.clone();
        x = maker.sum_of(shortcut, inner, &shape);
    }
    let output = maker.tensor(vec![1, 1, 4 * width], Some(x));
    let window = Window {
        height: 8,
        width: 8,
        stride_y: 8,
        stride_x: 8,
        pad_top: 0,
        pad_left: 0,
    };
    maker.add(
        &[x],
        output,
        Operation::Pool(Pool {
            kind: PoolKind::Average,
            window,
            requantization: None,
            clamp_minimum: i8::MIN,
            clamp_maximum: i8::MAX,
        }),
    );
    maker.dense_of(output, 10);
    maker.finish()
}

struct Maker {
    numbers: Numbers,
    tensors: Vec<Tensor>,
    layers: Vec<Layer>,
}

impl Maker {
    /// The network of everything made so far.
    fn finish(self) -> Network {
        let output = self.tensors.len() - 1;
        let port = |id: usize| {
            let tensor = &self.tensors[id];
            Port {
                name: format!("port {id}"),
                tensor: TensorId(id),
                element: Element::I8,
                quantization: Quantization {
                    scale: tensor.scale,
                    zero_point: tensor.zero_point.into(),
                },
                external_float: false,
                layout: Layout::Same,
            }
        };
        let network = Network {
            name: "random".into(),
            source: Source::Tflite,
            input: port(0),
            output: port(output),
            layers: self.layers,
            tensors: self.tensors,
        };
        network.validate().expect("random networks are consistent");
        network
    }

    /// A convolution with a square kernel over an image as large as its output, times the stride.
    fn square(
        &mut self,
        input: TensorId,
        channels: usize,
        kernel: usize,
        stride: usize,
    ) -> TensorId {
        let shape = self.tensors[input.0].shape.clone();
        let (height, width) = (shape[0] / stride, shape[1] / stride);
        let pad = if stride == 1 { kernel / 2 } else { 0 };
        let window = Window {
            height: kernel,
            width: kernel,
            stride_y: stride,
            stride_x: stride,
            pad_top: pad,
            pad_left: pad,
        };
        let operation = Operation::Convolution(Convolution {
            window,
            input_channels: shape[2],
            output_channels: channels,
            weights: self.numbers.bytes(channels * window.area() * shape[2]),
            bias: self.bias(channels),
            scales: self.scales(channels),
            rounding: Rounding::Double,
            clamp_minimum: i8::MIN,
            clamp_maximum: i8::MAX,
        });
        let output = self.tensor(vec![height, width, channels], None);
        self.add(&[input], output, operation);
        output
    }

    fn below(&mut self, end: usize) -> usize {
        self.numbers.bits() as usize % end
    }

    fn tensor(&mut self, shape: Vec<usize>, like: Option<TensorId>) -> TensorId {
        let zero_point = match like {
            Some(id) => self.tensors[id.0].zero_point,
            None => self.numbers.bits() as i8,
        };
        self.tensors.push(Tensor {
            name: format!("tensor {}", self.tensors.len()),
            shape,
            zero_point,
            scale: 0.25,
        });
        TensorId(self.tensors.len() - 1)
    }

    fn add(&mut self, inputs: &[TensorId], output: TensorId, operation: Operation) {
        self.layers.push(Layer {
            name: format!("layer {}", self.layers.len()),
            inputs: inputs.to_vec(),
            output,
            operation,
        });
    }

    fn scale(&mut self) -> Scale {
        Scale {
            multiplier: (self.numbers.bits() >> 1 | 1 << 30) as i32,
            shift: -(self.below(12) as i8),
        }
    }

    fn scales(&mut self, count: usize) -> Vec<Scale> {
        (0..count).map(|_| self.scale()).collect()
    }

    fn bias(&mut self, count: usize) -> Vec<i32> {
        (0..count)
            .map(|_| self.numbers.bits() as i32 >> (8 + self.numbers.bits() % 20))
            .collect()
    }

    fn rounding(&mut self) -> Rounding {
        if self.below(2) == 0 {
            Rounding::Single
        } else {
            Rounding::Double
        }
    }

    /// Mostly the whole range.
    fn clamp(&mut self) -> (i8, i8) {
        if self.below(3) > 0 {
            return (i8::MIN, i8::MAX);
        }
        let (left, right) = (self.numbers.bits() as i8, self.numbers.bits() as i8);
        (left.min(right), left.max(right))
    }

    fn requantization(&mut self) -> Option<Requantization> {
        (self.below(2) == 0).then(|| Requantization {
            scale: self.scale(),
            rounding: self.rounding(),
        })
    }

    /// One side of a window, and the size of the output.
    fn side(&mut self, size: usize, most: usize, padded: bool) -> (usize, usize, usize, usize) {
        let kernel = 1 + self.below(most.min(size));
        let pad = if padded { self.below(kernel) } else { 0 };
        let end = if padded { self.below(kernel) } else { 0 };
        let stride = 1 + self.below(3);
        (
            kernel,
            stride,
            pad,
            (size + pad + end - kernel) / stride + 1,
        )
    }

    fn window(&mut self, shape: &[usize], most: usize, padded: bool) -> (Window, [usize; 2]) {
        let (height, stride_y, pad_top, oh) = self.side(shape[0], most, padded);
        let (width, stride_x, pad_left, ow) = self.side(shape[1], most, padded);
        let window = Window {
            height,
            width,
            stride_y,
            stride_x,
            pad_top,
            pad_left,
        };
        (window, [oh, ow])
    }

    fn layer(&mut self, input: TensorId) {
        let shape = self.tensors[input.0].shape.clone();
        if shape.len() != 3 {
            return self.dense(input);
        }
        match self.below(16) {
            0..=4 => self.convolution(input, &shape),
            5..=6 => self.depthwise(input, &shape),
            7..=8 => self.pool(input, &shape),
            9..=11 => self.sum(input, &shape),
            12 => self.join(input, &shape),
            13 => self.pad(input, &shape),
            14 => self.multiply(input, &shape),
            _ => self.dense(input),
        }
    }

    fn convolution(&mut self, input: TensorId, shape: &[usize]) {
        let (window, [oh, ow]) = self.window(shape, 4, true);
        let channels = 1 + self.below(20);
        let (clamp_minimum, clamp_maximum) = self.clamp();
        let operation = Operation::Convolution(Convolution {
            window,
            input_channels: shape[2],
            output_channels: channels,
            weights: self.numbers.bytes(channels * window.area() * shape[2]),
            bias: self.bias(channels),
            scales: self.scales(channels),
            rounding: self.rounding(),
            clamp_minimum,
            clamp_maximum,
        });
        let output = self.tensor(vec![oh, ow, channels], None);
        self.add(&[input], output, operation);
    }

    fn depthwise(&mut self, input: TensorId, shape: &[usize]) {
        let (window, [oh, ow]) = self.window(shape, 5, true);
        let (clamp_minimum, clamp_maximum) = self.clamp();
        let operation = Operation::Depthwise(Depthwise {
            window,
            channels: shape[2],
            weights: self.numbers.bytes(window.area() * shape[2]),
            bias: self.bias(shape[2]),
            scales: self.scales(shape[2]),
            rounding: self.rounding(),
            clamp_minimum,
            clamp_maximum,
        });
        let output = self.tensor(vec![oh, ow, shape[2]], None);
        self.add(&[input], output, operation);
    }

    fn pool(&mut self, input: TensorId, shape: &[usize]) {
        let kind = if self.below(2) == 0 {
            PoolKind::Average
        } else {
            PoolKind::Maximum
        };
        let requantization = self.requantization();
        let padded = kind == PoolKind::Maximum || requantization.is_some();
        let (window, [oh, ow]) = self.window(shape, 6, padded);
        let (clamp_minimum, clamp_maximum) = self.clamp();
        let like = requantization.is_none().then_some(input);
        let output = self.tensor(vec![oh, ow, shape[2]], like);
        let operation = Operation::Pool(Pool {
            kind,
            window,
            requantization,
            clamp_minimum,
            clamp_maximum,
        });
        self.add(&[input], output, operation);
    }

    /// Another tensor of the same shape, or a convolution that makes one.
    fn partner(&mut self, input: TensorId, shape: &[usize]) -> TensorId {
        let same = (0..self.tensors.len()).find(|&id| self.tensors[id].shape == shape);
        match same {
            Some(id) if self.below(2) == 0 => TensorId(id),
            _ => {
                let channels = shape[2];
                let operation = Operation::Convolution(Convolution {
                    window: Window {
                        height: 1,
                        width: 1,
                        stride_y: 1,
                        stride_x: 1,
                        pad_top: 0,
                        pad_left: 0,
                    },
                    input_channels: channels,
                    output_channels: channels,
                    weights: self.numbers.bytes(channels * channels),
                    bias: self.bias(channels),
                    scales: self.scales(channels),
                    rounding: Rounding::Double,
                    clamp_minimum: i8::MIN,
                    clamp_maximum: i8::MAX,
                });
                let output = self.tensor(shape.to_vec(), None);
                self.add(&[input], output, operation);
                output
            }
        }
    }

    fn sum(&mut self, input: TensorId, shape: &[usize]) {
        let partner = self.partner(input, shape);
        let [left, right] = if self.below(2) == 0 {
            [input, partner]
        } else {
            [partner, input]
        };
        self.sum_of(left, right, shape);
    }

    fn sum_of(&mut self, left: TensorId, right: TensorId, shape: &[usize]) -> TensorId {
        let (clamp_minimum, clamp_maximum) = self.clamp();
        let operation = Operation::Add(Add {
            left_shift: 20,
            left: self.scale(),
            right: self.scale(),
            output: Scale {
                multiplier: (self.numbers.bits() >> 1 | 1 << 30) as i32,
                shift: -(14 + self.below(8) as i8),
            },
            clamp_minimum,
            clamp_maximum,
        });
        let output = self.tensor(shape.to_vec(), None);
        self.add(&[left, right], output, operation);
        output
    }

    fn join(&mut self, input: TensorId, shape: &[usize]) {
        let partner = self.partner(input, shape);
        let axis = if self.below(2) == 0 { 2 } else { 0 };
        let axis = if shape[0] == 1 && self.below(2) == 0 {
            1
        } else {
            axis
        };
        let mut joined = shape.to_vec();
        joined[axis] *= 2;
        let output = self.tensor(joined, Some(input));
        let requantizations = [input, partner]
            .iter()
            .map(|id| {
                let same = self.tensors[id.0].zero_point == self.tensors[output.0].zero_point;
                let requantization = Requantization {
                    scale: self.scale(),
                    rounding: self.rounding(),
                };
                (!same).then_some(requantization)
            })
            .collect();
        self.add(
            &[input, partner],
            output,
            Operation::Concatenate(Concatenate {
                axis,
                requantizations,
            }),
        );
    }

    fn pad(&mut self, input: TensorId, shape: &[usize]) {
        let before = vec![self.below(3), self.below(3), 0];
        let padded = vec![
            shape[0] + before[0] + self.below(3),
            shape[1] + before[1] + self.below(3),
            shape[2],
        ];
        let output = self.tensor(padded, Some(input));
        self.add(&[input], output, Operation::Pad(Pad { before }));
    }

    fn multiply(&mut self, input: TensorId, shape: &[usize]) {
        let count = if self.below(2) == 0 { 1 } else { shape[2] };
        let factors = self.numbers.bytes(count).into_iter().map(i16::from);
        let factor = Factor::Constant(factors.collect());
        let (clamp_minimum, clamp_maximum) = self.clamp();
        let operation = Operation::Multiply(Multiply {
            factor,
            scale: self.scale(),
            rounding: self.rounding(),
            clamp_minimum,
            clamp_maximum,
        });
        let output = self.tensor(shape.to_vec(), None);
        self.add(&[input], output, operation);
    }

    /// A dense layer, perhaps behind a reshape.
    fn dense(&mut self, input: TensorId) {
        let count: usize = self.tensors[input.0].shape.iter().product();
        let input = if self.below(2) == 0 {
            let flat = self.tensor(vec![count], Some(input));
            self.add(&[input], flat, Operation::Reshape);
            flat
        } else {
            input
        };
        let channels = 1 + self.below(30);
        self.dense_of(input, channels);
    }

    fn dense_of(&mut self, input: TensorId, channels: usize) {
        let count: usize = self.tensors[input.0].shape.iter().product();
        let (clamp_minimum, clamp_maximum) = self.clamp();
        let operation = Operation::FullyConnected(FullyConnected {
            input_channels: count,
            output_channels: channels,
            weights: self.numbers.bytes(count * channels),
            bias: self.bias(channels),
            scales: self.scales(channels),
            rounding: self.rounding(),
            clamp_minimum,
            clamp_maximum,
        });
        let output = self.tensor(vec![channels], None);
        self.add(&[input], output, operation);
    }
}
