//! AVERAGE_POOL_2D, MAX_POOL_2D and MEAN.

use super::convolution::Geometry;
use super::parameters::fused_clamp;
use super::{Importer, Operation, Value};
use crate::import::ImportError;
use crate::model::{
    Layer, Operation as Computation, Pool, PoolKind, Requantization, Rounding, Scale, Window,
};

impl Importer<'_> {
    pub(super) fn pool(
        &mut self,
        operation: &Operation,
        kind: PoolKind,
    ) -> Result<(), ImportError> {
        let input = self.read_shaped(operation, 0)?;
        self.check_int8(operation)?;
        let options = operation
            .raw
            .pool_options()
            .ok_or_else(|| operation.damaged("it has no options"))?;
        let size = |size: Option<i32>| usize::try_from(size.unwrap_or(0)).unwrap_or(0);
        let geometry = Geometry {
            padding: options.padding(),
            kernel: [size(options.height()), size(options.width())],
            strides: [options.stride_y(), options.stride_x()],
        };
        let window = self.window(operation, &geometry)?;
        let (scale, zero_point) = self.quantization(operation.output)?;
        if self.quantization(operation.input(0)?)? != (scale, zero_point) {
            return Err(operation.unsupported("its output is quantized differently from its input"));
        }
        let (clamp_minimum, clamp_maximum) =
            fused_clamp(operation, options.activation(), scale, zero_point)?;
        let pool = Pool {
            kind,
            window,
            requantization: None,
            clamp_minimum,
            clamp_maximum,
        };
        self.layer(operation, vec![input], Computation::Pool(pool))
    }

    /// MEAN over height, width or both.
    pub(super) fn mean(&mut self, operation: &Operation) -> Result<(), ImportError> {
        let input = self.read_shaped(operation, 0)?;
        self.check_int8(operation)?;
        // Rows with fewer dimensions are images of one line.
        let image = match self.tensors[input.0].shape[..] {
            [width, channels] => [1, width, channels],
            [height, width, channels] => [height, width, channels],
            ref shape => {
                return Err(operation.unsupported(format!("its input has the shape {shape:?}")));
            }
        };
        let rank = self.tensors[input.0].shape.len() as i64 + 1;
        let [mut height, mut width] = [1, 1];
        for axis in self.integers(operation, operation.input(1)?)? {
            let axis = if axis < 0 {
                axis.saturating_add(rank)
            } else {
                axis
            };
            match rank.saturating_sub(axis) {
                3 if rank == 4 => height = image[0],
                2 => width = image[1],
                _ => {
                    return Err(
                        operation.unsupported(format!("it is over dimension {axis} of {rank}"))
                    );
                }
            }
        }
        let (input_scale, _) = self.quantization(operation.input(0)?)?;
        let (output_scale, _) = self.quantization(operation.output)?;
        let real = f64::from(input_scale) / f64::from(output_scale);
        let scale = Scale::from_real(real)
            .and_then(|scale| scale.divided(height * width))
            .ok_or_else(|| operation.unsupported("its scale is out of range"))?;
        let input = self.shaped(operation, input, image.to_vec())?;
        // The file's output may have lost the dimensions that are now 1.
        let output = self.activation(operation.output)?;
        let shape = vec![image[0] / height, image[1] / width, image[2]];
        if self.tensors[output.0].elements() != shape.iter().product::<usize>() {
            return Err(operation.damaged(format!(
                "it makes {shape:?}, its output is {:?}",
                self.tensors[output.0].shape
            )));
        }
        self.tensors[output.0].shape = shape;
        let pool = Pool {
            kind: PoolKind::Average,
            window: Window {
                height,
                width,
                stride_y: height,
                stride_x: width,
                pad_top: 0,
                pad_left: 0,
            },
            requantization: Some(Requantization {
                scale,
                rounding: Rounding::Double,
            }),
            clamp_minimum: i8::MIN,
            clamp_maximum: i8::MAX,
        };
        self.layers.push(Layer {
            name: operation.layer.clone(),
            inputs: vec![input],
            output,
            operation: Computation::Pool(pool),
        });
        self.write(operation, Value::Activation(output))
    }
}
