//! Answers: one line of JSON for each line of the input.
//!
//! An int8 output has only 256 values, so their texts are made once for each model and copied
//! from then on.

use std::io::Write;
use std::time::Instant;

use systole_host::Network;

use crate::batch::Entry;

/// Writes answers for one model.
pub(crate) struct Encoder {
    elements: usize,
    integers: Texts,
    reals: Texts,
}

/// The texts of all 256 int8 values.
type Texts = Vec<Box<str>>;

impl Encoder {
    /// For answers of this model.
    pub(crate) fn new(network: &Network) -> Encoder {
        let all: Vec<i8> = (i8::MIN..=i8::MAX).collect();
        let offset = network.output.element.offset();
        let integer = |&value: &i8| (i32::from(value) + offset).to_string().into();
        let real = |value| {
            serde_json::to_string(&value)
                .expect("a float always has a JSON form")
                .into()
        };
        Encoder {
            elements: network.output_elements(),
            integers: all.iter().map(integer).collect(),
            reals: network
                .dequantize_output(&all)
                .into_iter()
                .map(real)
                .collect(),
        }
    }

    /// Values of an output row.
    pub(crate) fn elements(&self) -> usize {
        self.elements
    }

    /// Appends the answer to a computed row. Returns its latency in microseconds.
    pub(crate) fn prediction(
        &self,
        text: &mut Vec<u8>,
        entry: &Entry,
        quantized: bool,
        output: &[i8],
        version: u32,
        now: Instant,
    ) -> u64 {
        let texts = if quantized {
            &self.integers
        } else {
            &self.reals
        };
        text.extend_from_slice(b"{\"id\":");
        push_id(text, entry);
        text.extend_from_slice(b",\"output\":[");
        for (index, &value) in output.iter().enumerate() {
            if index > 0 {
                text.push(b',');
            }
            let value = &texts[(i16::from(value) - i16::from(i8::MIN)) as usize];
            text.extend_from_slice(value.as_bytes());
        }
        let latency = now.saturating_duration_since(entry.arrival);
        let latency = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        push(
            text,
            format_args!(
                "],\"argmax\":{},\"latency_us\":{latency},\"model_version\":{version}}}\n",
                greatest(output)
            ),
        );
        latency
    }

    /// Appends the answer to a line that was not computed.
    pub(crate) fn error(&self, text: &mut Vec<u8>, entry: &Entry, error: &str) {
        push(text, format_args!("{{\"line\":{},\"id\":", entry.line));
        push_id(text, entry);
        text.extend_from_slice(b",\"error\":");
        serde_json::to_writer(&mut *text, error).expect("a string always has a JSON form");
        text.extend_from_slice(b"}\n");
    }
}

fn push(text: &mut Vec<u8>, arguments: std::fmt::Arguments<'_>) {
    text.write_fmt(arguments)
        .expect("writing to memory succeeds");
}

fn push_id(text: &mut Vec<u8>, entry: &Entry) {
    let id = entry.id.as_deref().unwrap_or("null");
    text.extend_from_slice(id.as_bytes());
}

/// Index of the greatest value, the first one of equals.
fn greatest(output: &[i8]) -> usize {
    let mut best = 0;
    for (index, value) in output.iter().enumerate() {
        if *value > output[best] {
            best = index;
        }
    }
    best
}
