//! Numbers of a JSON tensor, however its arrays are nested.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::error::ServeError;
use crate::tensor::{Datatype, TensorError};

/// The floats of a tensor; there have to be `count`.
pub(super) fn floats(name: &str, data: &RawValue, count: usize) -> Result<Vec<f32>, ServeError> {
    collect(name, data, count, |number| match number {
        Number::Integer(value) => Some(value as f32),
        Number::Float(value) => Some(value as f32),
    })
}

/// The bytes of an integer tensor; there have to be `count`.
pub(super) fn bytes(
    name: &str,
    data: &RawValue,
    count: usize,
    datatype: Datatype,
) -> Result<Vec<u8>, ServeError> {
    collect(name, data, count, |number| match (number, datatype) {
        (Number::Integer(value), Datatype::Int8) => {
            i8::try_from(value).ok().map(|value| value as u8)
        }
        (Number::Integer(value), _) => u8::try_from(value).ok(),
        (Number::Float(_), _) => None,
    })
}

fn collect<T>(
    name: &str,
    data: &RawValue,
    count: usize,
    convert: impl Fn(Number) -> Option<T>,
) -> Result<Vec<T>, ServeError> {
    // A number takes two characters at least: no request makes room for more than it can fill.
    let room = count.min(data.get().len() / 2 + 1);
    let mut sink = Sink {
        values: Vec::with_capacity(room),
        count,
        convert,
    };
    let mut deserializer = serde_json::Deserializer::from_str(data.get());
    Flat(&mut sink)
        .deserialize(&mut deserializer)
        .map_err(|error| ServeError::Invalid(format!("the data of input \"{name}\": {error}")))?;
    if sink.values.len() != count {
        return Err(TensorError::Length {
            name: name.to_owned(),
            found: sink.values.len(),
            expected: count,
            unit: "values",
        }
        .into());
    }
    Ok(sink.values)
}

/// A number as JSON has it.
#[derive(Clone, Copy, Debug)]
enum Number {
    Integer(i64),
    Float(f64),
}

struct Sink<T, F> {
    values: Vec<T>,
    count: usize,
    convert: F,
}

impl<T, F: Fn(Number) -> Option<T>> Sink<T, F> {
    fn take<E: Error>(&mut self, number: Number) -> Result<(), E> {
        if self.values.len() == self.count {
            let count = self.count;
            return Err(E::custom(format!(
                "more than the {count} values that its shape has"
            )));
        }
        match (self.convert)(number) {
            Some(value) => {
                self.values.push(value);
                Ok(())
            }
            None => Err(E::custom(format!(
                "{} at position {} is no value of its datatype",
                match number {
                    Number::Integer(value) => value.to_string(),
                    Number::Float(value) => value.to_string(),
                },
                self.values.len()
            ))),
        }
    }
}

/// A number or an array of such, appended to a sink.
struct Flat<'s, T, F>(&'s mut Sink<T, F>);

impl<'de, T, F: Fn(Number) -> Option<T>> DeserializeSeed<'de> for Flat<'_, T, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T, F: Fn(Number) -> Option<T>> Visitor<'de> for Flat<'_, T, F> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("numbers, or arrays of them")
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.0.take(Number::Integer(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        match i64::try_from(value) {
            Ok(value) => self.0.take(Number::Integer(value)),
            Err(_) => self.0.take(Number::Float(value as f64)),
        }
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.0.take(Number::Float(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        while elements.next_element_seed(Flat(&mut *self.0))?.is_some() {}
        Ok(())
    }
}
