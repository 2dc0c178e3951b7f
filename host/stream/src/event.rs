//! Events: what one line of the input says.
//!
//! ```text
//!  line --UTF-8, JSON--> id, numbers --quantize or check--> int8 row, appended to the batch
//! ```
//!
//! The common case is one pass over the line, without an intermediate tree, into buffers that
//! stay. Only after an error is the line read again, to find the id for the answer.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess};
use serde::de::{Unexpected, Visitor};
use serde_json::value::RawValue;
use systole_host::Network;

/// Longest id of an event, in bytes of JSON text, quotation marks included.
pub const ID_BYTES_MAX: usize = 1024;

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// The line has more bytes than the limit.
    #[error("the line is longer than {limit} bytes; allow more, or send one row a line")]
    TooLong {
        /// The limit in bytes.
        limit: usize,
    },
    /// The line is not UTF-8.
    #[error("the line is not UTF-8: byte {position} is invalid")]
    Encoding {
        /// Position of the first invalid byte, from 1.
        position: usize,
    },
    /// There is nothing on the line.
    #[error("the line is empty; an event is a JSON object")]
    Empty,
    /// The line is not a JSON object with fields of the right types.
    #[error("not an event: {reason}")]
    Json {
        /// What the parser met, and where.
        reason: String,
    },
    /// There is no id.
    #[error("the event has no \"id\"; give it a string or a number")]
    MissingId,
    /// The id is of another type.
    #[error("the event's \"id\" is neither a string nor a number")]
    InvalidId,
    /// The id is too long.
    #[error("the event's \"id\" is longer than {ID_BYTES_MAX} bytes")]
    LongId,
    /// There is no row.
    #[error("the event has no \"row\"; give it an array of {expected} numbers")]
    MissingRow {
        /// Values of a row.
        expected: usize,
    },
    /// The row has too few or too many values.
    #[error("the row has {found} values, the model takes {expected}")]
    Length {
        /// Values that the row has.
        found: usize,
        /// Values of a row.
        expected: usize,
    },
    /// A value is beyond the range of 32-bit floats.
    #[error("value {index} of the row is too large for a 32-bit float")]
    NotFinite {
        /// Position in the row, from 0.
        index: usize,
    },
    /// A quantized value is not an integer in the model's range.
    #[error("value {index} of the quantized row is not an integer from {minimum} to {maximum}")]
    OutOfRange {
        /// Position in the row, from 0.
        index: usize,
        /// Least value that the model takes.
        minimum: i32,
        /// Greatest value that the model takes.
        maximum: i32,
    },
}

/// The id of an event: JSON text, as it was written.
pub(crate) type Id = Box<str>;

/// An event whose row has been taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) id: Id,
    /// Whether its row was given, and its answer is wanted, in integers.
    pub(crate) quantized: bool,
}

/// An event that can't be computed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed {
    /// If it could be read.
    pub(crate) id: Option<Id>,
    pub(crate) error: EventError,
}

/// Reads events for one model.
pub(crate) struct Decoder<'n> {
    network: &'n Network,
    elements: usize,
    quantized: bool,
    /// The row of the current line.
    values: Vec<f64>,
    floats: Vec<f32>,
}

impl<'n> Decoder<'n> {
    /// For events of this model, quantized ones or not where they don't say it themselves.
    pub(crate) fn new(network: &'n Network, quantized: bool) -> Decoder<'n> {
        Decoder {
            network,
            elements: network.input_elements(),
            quantized,
            values: Vec::new(),
            floats: Vec::new(),
        }
    }

    /// Reads one line, and appends its int8 row to `rows` if it is an event.
    pub(crate) fn decode(&mut self, line: &[u8], rows: &mut Vec<i8>) -> Result<Event, Malformed> {
        let text = std::str::from_utf8(line).map_err(|error| Malformed {
            id: None,
            error: EventError::Encoding {
                position: error.valid_up_to() + 1,
            },
        })?;
        let mut fields = Fields::default();
        self.decode_text(text, &mut fields, rows)
            .map_err(|error| Malformed {
                id: find_id(text, &fields),
                error,
            })
    }

    fn decode_text<'a>(
        &mut self,
        text: &'a str,
        fields: &mut Fields<'a>,
        rows: &mut Vec<i8>,
    ) -> Result<Event, EventError> {
        if text.trim_ascii().is_empty() {
            return Err(EventError::Empty);
        }
        self.values.clear();
        let mut json = serde_json::Deserializer::from_str(text);
        let event = EventSeed {
            fields,
            values: &mut self.values,
        };
        event
            .deserialize(&mut json)
            .and_then(|()| json.end())
            .map_err(|error| EventError::Json {
                reason: explain(&error),
            })?;
        let id = check_id(fields.id.ok_or(EventError::MissingId)?)?;
        if !fields.row {
            return Err(EventError::MissingRow {
                expected: self.elements,
            });
        }
        if self.values.len() != self.elements {
            return Err(EventError::Length {
                found: self.values.len(),
                expected: self.elements,
            });
        }
        let quantized = fields.quantized.unwrap_or(self.quantized);
        if quantized {
            self.take_integers(rows)?;
        } else {
            self.quantize(rows)?;
        }
        Ok(Event {
            id: id.into(),
            quantized,
        })
    }

    fn quantize(&mut self, rows: &mut Vec<i8>) -> Result<(), EventError> {
        self.floats.clear();
        self.floats
            .extend(self.values.iter().map(|&value| value as f32));
        match self.floats.iter().position(|value| !value.is_finite()) {
            Some(index) => Err(EventError::NotFinite { index }),
            None => {
                let row = self.network.quantize_input(&self.floats);
                rows.extend(self.network.arrange_input(row));
                Ok(())
            }
        }
    }

    fn take_integers(&self, rows: &mut Vec<i8>) -> Result<(), EventError> {
        let offset = self.network.input.element.offset();
        let minimum = i32::from(i8::MIN) + offset;
        let maximum = i32::from(i8::MAX) + offset;
        let range = f64::from(minimum)..=f64::from(maximum);
        let valid = |value: &f64| range.contains(value) && value.fract() == 0.0;
        match self.values.iter().position(|value| !valid(value)) {
            Some(index) => Err(EventError::OutOfRange {
                index,
                minimum,
                maximum,
            }),
            None => {
                let inner = |&value: &f64| (value as i32 - offset) as i8;
                let row = self.values.iter().map(inner).collect();
                rows.extend(self.network.arrange_input(row));
                Ok(())
            }
        }
    }
}

fn check_id(id: &RawValue) -> Result<&str, EventError> {
    let text = id.get();
    match text.as_bytes() {
        _ if text.len() > ID_BYTES_MAX => Err(EventError::LongId),
        [b'"' | b'-' | b'0'..=b'9', ..] => Ok(text),
        _ => Err(EventError::InvalidId),
    }
}

/// The id of a line that is no event, if there is a valid one. It may stand behind what is wrong.
fn find_id<'a>(text: &'a str, fields: &Fields<'a>) -> Option<Id> {
    #[derive(Deserialize)]
    struct Identified<'a> {
        #[serde(borrow)]
        id: &'a RawValue,
    }
    let id = match fields.id {
        Some(id) => id,
        None => serde_json::from_str::<Identified>(text).ok()?.id,
    };
    check_id(id).ok().map(Id::from)
}

/// The parser's message. Each line is a document of its own, so its line number says nothing.
fn explain(error: &serde_json::Error) -> String {
    let message = error.to_string();
    match message.split_once(" at line ") {
        Some((reason, _)) => format!("{reason} at column {}", error.column()),
        None => message,
    }
}

/// The fields of an event that have been met so far; the row's values are kept apart.
#[derive(Default)]
struct Fields<'a> {
    id: Option<&'a RawValue>,
    row: bool,
    quantized: Option<bool>,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Name {
    Id,
    Row,
    Quantized,
    #[serde(other)]
    Other,
}

/// Reads an object into [`Fields`] and the values of its row.
struct EventSeed<'s, 'a> {
    fields: &'s mut Fields<'a>,
    values: &'s mut Vec<f64>,
}

impl<'de> DeserializeSeed<'de> for EventSeed<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for EventSeed<'_, 'de> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON object with \"id\" and \"row\"")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let EventSeed { fields, values } = self;
        while let Some(name) = map.next_key()? {
            match name {
                Name::Id if fields.id.is_some() => return Err(A::Error::duplicate_field("id")),
                Name::Id => fields.id = Some(map.next_value()?),
                Name::Row if fields.row => return Err(A::Error::duplicate_field("row")),
                Name::Row => {
                    fields.row = true;
                    map.next_value_seed(Row(values))?;
                }
                Name::Quantized if fields.quantized.is_some() => {
                    return Err(A::Error::duplicate_field("quantized"));
                }
                Name::Quantized => fields.quantized = Some(map.next_value()?),
                Name::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// Appends an array of numbers.
struct Row<'s>(&'s mut Vec<f64>);

impl<'de> DeserializeSeed<'de> for Row<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Row<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a flat array of numbers as \"row\"")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<(), A::Error> {
        while let Some(Number(value)) = sequence.next_element()? {
            self.0.push(value);
        }
        Ok(())
    }
}

/// A JSON number. As `f64` itself, but for the words of the error.
struct Number(f64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Number, D::Error> {
        deserializer.deserialize_f64(NumberVisitor)
    }
}

struct NumberVisitor;

impl Visitor<'_> for NumberVisitor {
    type Value = Number;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a number in the row")
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Number, E> {
        if value.is_finite() {
            Ok(Number(value))
        } else {
            Err(E::invalid_value(Unexpected::Float(value), &self))
        }
    }

    fn visit_i64<E>(self, value: i64) -> Result<Number, E> {
        Ok(Number(value as f64))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Number, E> {
        Ok(Number(value as f64))
    }
}
