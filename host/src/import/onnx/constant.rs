//! Constants of an ONNX graph: weights, biases, scales, zero points and shapes, with the few
//! operations that exporters leave in front of them.
//!
//! ```text
//!  initializer --QuantizeLinear, Transpose, Reshape, ...--> --DequantizeLinear--> weights or bias
//!  (f32 or integers)                                        (Affine is kept)
//! ```

use super::proto::{TensorProto, data_type};
use crate::model::{RANK_MAX, ROW_ELEMENTS_MAX};

/// Values of a constant.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Data {
    F32(Vec<f32>),
    I8(Vec<i8>),
    U8(Vec<u8>),
    I32(Vec<i32>),
    I64(Vec<i64>),
}

/// How a dequantized constant's integers stand for real numbers.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Affine {
    /// One, or one per index of the axis.
    pub scales: Vec<f32>,
    /// As many.
    pub zero_points: Vec<i32>,
    /// Which dimension they are for, if there is more than one.
    pub axis: usize,
}

/// A constant.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Constant {
    pub shape: Vec<usize>,
    pub data: Data,
    /// Present after DequantizeLinear: the integers stand for floats.
    pub affine: Option<Affine>,
}

impl Data {
    pub(super) fn len(&self) -> usize {
        match self {
            Data::F32(values) => values.len(),
            Data::I8(values) => values.len(),
            Data::U8(values) => values.len(),
            Data::I32(values) => values.len(),
            Data::I64(values) => values.len(),
        }
    }

    /// The values as 32-bit integers, if they are integers of at most that size.
    pub(super) fn integers(&self) -> Option<Vec<i32>> {
        match self {
            Data::I8(values) => Some(values.iter().map(|&value| value.into()).collect()),
            Data::U8(values) => Some(values.iter().map(|&value| value.into()).collect()),
            Data::I32(values) => Some(values.clone()),
            Data::F32(_) | Data::I64(_) => None,
        }
    }
}

impl Constant {
    /// Bytes of its values and scales.
    pub(super) fn bytes(&self) -> usize {
        let values = match &self.data {
            Data::I8(values) => size_of_val(&values[..]),
            Data::U8(values) => size_of_val(&values[..]),
            Data::F32(values) => size_of_val(&values[..]),
            Data::I32(values) => size_of_val(&values[..]),
            Data::I64(values) => size_of_val(&values[..]),
        };
        let scales = self.affine.as_ref().map_or(0, |affine| affine.scales.len());
        values + scales * (size_of::<f32>() + size_of::<i32>())
    }

    /// Reads an initializer; the error says what is wrong with it.
    pub(super) fn read(tensor: TensorProto) -> Result<Constant, String> {
        if tensor.data_location.unwrap_or(0) != 0 {
            return Err("its data is in another file; save the model with its data inside".into());
        }
        let shape: Vec<usize> = tensor
            .dims
            .iter()
            .map(|&dimension| usize::try_from(dimension).ok())
            .collect::<Option<_>>()
            .ok_or("it has a negative dimension")?;
        if shape.len() > RANK_MAX {
            return Err(format!("it has {} dimensions", shape.len()));
        }
        let elements = shape
            .iter()
            .try_fold(1_usize, |product, &dimension| {
                product.checked_mul(dimension)
            })
            .filter(|&elements| elements <= ROW_ELEMENTS_MAX)
            .ok_or_else(|| format!("it has more than {ROW_ELEMENTS_MAX} values"))?;
        let kind = tensor.data_type.unwrap_or(0);
        let data = match (kind, tensor.raw_data) {
            (data_type::FLOAT, Some(raw)) => Data::F32(words(&raw, f32::from_le_bytes)?),
            (data_type::FLOAT, None) => Data::F32(tensor.float_data),
            (data_type::INT32, Some(raw)) => Data::I32(words(&raw, i32::from_le_bytes)?),
            (data_type::INT32, None) => Data::I32(tensor.int32_data),
            (data_type::INT64, Some(raw)) => Data::I64(words(&raw, i64::from_le_bytes)?),
            (data_type::INT64, None) => Data::I64(tensor.int64_data),
            (data_type::INT8, Some(raw)) => Data::I8(words(&raw, i8::from_le_bytes)?),
            (data_type::INT8, None) => Data::I8(narrow(&tensor.int32_data)?),
            (data_type::UINT8, Some(raw)) => Data::U8(raw),
            (data_type::UINT8, None) => Data::U8(narrow(&tensor.int32_data)?),
            (other, _) => return Err(format!("its type is {}", data_type::name(other))),
        };
        if data.len() != elements {
            return Err(format!(
                "shape {shape:?} needs {elements} values, it has {}",
                data.len()
            ));
        }
        Ok(Constant {
            shape,
            data,
            affine: None,
        })
    }

    /// Reinterprets the shape; `None` if that would move or lose values.
    pub(super) fn reshape(self, shape: Vec<usize>) -> Option<Constant> {
        let elements = shape
            .iter()
            .try_fold(1_usize, |product, &size| product.checked_mul(size))?;
        let per_axis = self
            .affine
            .as_ref()
            .is_some_and(|affine| affine.scales.len() > 1);
        if elements != self.data.len() || (per_axis && shape != self.shape) {
            return None;
        }
        Some(Constant { shape, ..self })
    }

    /// Swaps rows and columns of a matrix.
    pub(super) fn transpose(self) -> Option<Constant> {
        let [rows, columns] = self.shape[..] else {
            return None;
        };
        let data = match self.data {
            Data::F32(values) => Data::F32(transposed(&values, rows, columns)),
            Data::I8(values) => Data::I8(transposed(&values, rows, columns)),
            Data::U8(values) => Data::U8(transposed(&values, rows, columns)),
            Data::I32(values) => Data::I32(transposed(&values, rows, columns)),
            Data::I64(values) => Data::I64(transposed(&values, rows, columns)),
        };
        let affine = self.affine.map(|affine| Affine {
            axis: 1 - affine.axis.min(1),
            ..affine
        });
        Some(Constant {
            shape: vec![columns, rows],
            data,
            affine,
        })
    }

    /// QuantizeLinear on floats.
    pub(super) fn quantize(self, affine: &Affine, unsigned: bool) -> Option<Constant> {
        let Data::F32(values) = &self.data else {
            return None;
        };
        if self.affine.is_some() {
            return None;
        }
        let quantize = |(index, value): (usize, &f32)| {
            let channel = affine.channel(&self.shape, index);
            let steps = (value / affine.scales[channel]).round_ties_even();
            steps + affine.zero_points[channel] as f32
        };
        let values = values.iter().enumerate().map(quantize);
        // The conversions saturate.
        let data = match unsigned {
            true => Data::U8(values.map(|value| value as u8).collect()),
            false => Data::I8(values.map(|value| value as i8).collect()),
        };
        Some(Constant {
            shape: self.shape,
            data,
            affine: None,
        })
    }

    /// DequantizeLinear on integers: keeps the integers and what they stand for.
    pub(super) fn dequantize(self, affine: Affine) -> Option<Constant> {
        if self.affine.is_some() || self.data.integers().is_none() {
            return None;
        }
        Some(Constant {
            affine: Some(affine),
            ..self
        })
    }

    /// The real number at each index, if the constant stands for floats.
    pub(super) fn reals(&self) -> Option<Vec<f64>> {
        match (&self.data, &self.affine) {
            (Data::F32(values), None) => Some(values.iter().map(|&value| value.into()).collect()),
            (data, Some(affine)) => {
                let real = |(index, value): (usize, i32)| {
                    let channel = affine.channel(&self.shape, index);
                    let steps = f64::from(value) - f64::from(affine.zero_points[channel]);
                    steps * f64::from(affine.scales[channel])
                };
                Some(data.integers()?.into_iter().enumerate().map(real).collect())
            }
            _ => None,
        }
    }
}

impl Affine {
    /// Which scale belongs to the value at a flat index.
    pub(super) fn channel(&self, shape: &[usize], index: usize) -> usize {
        if self.scales.len() == 1 {
            return 0;
        }
        let inner: usize = shape[self.axis + 1..].iter().product();
        index / inner % shape[self.axis]
    }
}

fn words<T, const N: usize>(raw: &[u8], convert: fn([u8; N]) -> T) -> Result<Vec<T>, String> {
    match raw.as_chunks::<N>() {
        (words, []) => Ok(words.iter().map(|&word| convert(word)).collect()),
        _ => Err("its data ends inside a value".into()),
    }
}

fn narrow<T: TryFrom<i32>>(values: &[i32]) -> Result<Vec<T>, String> {
    let values = values.iter().map(|&value| T::try_from(value).ok());
    values
        .collect::<Option<_>>()
        .ok_or_else(|| "a value doesn't fit its type".into())
}

fn transposed<T: Copy>(values: &[T], rows: usize, columns: usize) -> Vec<T> {
    (0..columns)
        .flat_map(|column| (0..rows).map(move |row| values[row * columns + column]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transposing_keeps_each_channel_with_its_scale() {
        let affine = Affine {
            scales: vec![1.0, 2.0, 4.0],
            zero_points: vec![0; 3],
            axis: 1,
        };
        let data = Data::I8(vec![1, 2, 3, 4, 5, 6]);
        let constant = Constant {
            shape: vec![2, 3],
            data,
            affine: Some(affine),
        };
        assert_eq!(
            constant.reals(),
            Some(vec![1.0, 4.0, 12.0, 4.0, 10.0, 24.0])
        );
        let turned = constant.transpose().expect("a matrix");
        assert_eq!(turned.shape, [3, 2]);
        assert_eq!(turned.reals(), Some(vec![1.0, 4.0, 4.0, 10.0, 12.0, 24.0]));
    }

    #[test]
    fn quantizing_rounds_to_even_and_saturates() {
        let data = Data::F32(vec![0.5, 1.5, -0.5, 1000.0, -1000.0, 3.0]);
        let constant = Constant {
            shape: vec![6],
            data,
            affine: None,
        };
        let affine = Affine {
            scales: vec![1.0],
            zero_points: vec![0],
            axis: 0,
        };
        let signed = constant.clone().quantize(&affine, false).expect("floats");
        assert_eq!(signed.data, Data::I8(vec![0, 2, 0, 127, -128, 3]));
        let shifted = Affine {
            zero_points: vec![128],
            ..affine
        };
        let unsigned = constant.quantize(&shifted, true).expect("floats");
        assert_eq!(unsigned.data, Data::U8(vec![128, 130, 128, 255, 0, 131]));
    }

    #[test]
    fn an_initializer_must_have_the_values_that_its_shape_says() {
        let good = TensorProto {
            dims: vec![2, 2],
            data_type: Some(data_type::INT32),
            raw_data: Some(vec![0; 16]),
            ..Default::default()
        };
        assert!(Constant::read(good.clone()).is_ok());
        let changes: [fn(&mut TensorProto); 7] = [
            |t| t.dims[0] = -1,
            |t| t.dims = vec![i64::MAX, i64::MAX],
            |t| t.dims = vec![1 << 40],
            |t| t.raw_data = Some(vec![0; 15]),
            |t| t.raw_data = None,
            |t| t.data_type = Some(data_type::INT64),
            |t| t.data_location = Some(1),
        ];
        for (index, change) in changes.iter().enumerate() {
            let mut tensor = good.clone();
            change(&mut tensor);
            assert!(
                Constant::read(tensor).is_err(),
                "change {index} was accepted"
            );
        }
    }
}
