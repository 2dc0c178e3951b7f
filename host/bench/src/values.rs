//! Rows as other runtimes take and give them: in the element type and the order of the model's file.
//!
//! ```text
//!  int8 rows inside --> order of the file --> int8 | uint8 | float   (to the runtime)
//!  int8 rows inside <-- order of the file <-- int8 | uint8 | float   (from it)
//! ```

use std::path::Path;

use systole_host::Network;

/// Element types that models have at their ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ElementType {
    Int8,
    Uint8,
    Float32,
}

impl ElementType {
    /// Bytes of a value.
    pub(crate) fn bytes(self) -> usize {
        match self {
            ElementType::Int8 | ElementType::Uint8 => 1,
            ElementType::Float32 => 4,
        }
    }
}

/// Values of one type.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Values {
    I8(Vec<i8>),
    U8(Vec<u8>),
    F32(Vec<f32>),
}

/// The network as a runtime's own file has it, whose order of values and scales may be others than
/// those of the file that is compared with; `network` if the file can't be imported.
pub(crate) fn network_of(file: &Path, network: &Network) -> Network {
    match Network::load(file) {
        Ok(own) if own.input_elements() == network.input_elements() => own,
        _ => network.clone(),
    }
}

impl Values {
    /// int8 rows of a network's input, for a runtime.
    pub(crate) fn of_rows(network: &Network, element: ElementType, rows: &[i8]) -> Values {
        let port = &network.input;
        let rows = network
            .input
            .arrange_outwards(network.tensor(port.tensor), rows.to_vec());
        match element {
            ElementType::Int8 => Values::I8(rows),
            ElementType::Uint8 => {
                Values::U8(rows.iter().map(|&value| value as u8 ^ 0x80).collect())
            }
            ElementType::Float32 => Values::F32(port.dequantize(&rows)),
        }
    }

    /// What a runtime gave, as int8 rows of a network's output.
    pub(crate) fn into_rows(self, network: &Network) -> Vec<i8> {
        let port = &network.output;
        let values = match self {
            Values::I8(values) => values,
            Values::U8(values) => values.iter().map(|&value| (value ^ 0x80) as i8).collect(),
            Values::F32(values) => port.quantize(&values, network.source.ties()),
        };
        port.arrange_inwards(network.tensor(port.tensor), values)
    }

    /// In this machine's byte order.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        match self {
            Values::I8(values) => bytemuck::cast_slice(values).to_vec(),
            Values::U8(values) => values.clone(),
            Values::F32(values) => bytemuck::cast_slice(values).to_vec(),
        }
    }

    /// From this machine's byte order; what is no whole value is left out.
    pub(crate) fn from_bytes(element: ElementType, bytes: Vec<u8>) -> Values {
        match element {
            ElementType::Int8 => Values::I8(bytes.iter().map(|&byte| byte as i8).collect()),
            ElementType::Uint8 => Values::U8(bytes),
            ElementType::Float32 => Values::F32(
                bytes
                    .as_chunks::<4>()
                    .0
                    .iter()
                    .map(|&value| f32::from_ne_bytes(value))
                    .collect(),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_meaning_in_every_type() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../demo/digits.onnx");
        let network = Network::load(&path).expect("the demo's model is there");
        let rows: Vec<i8> = (0..network.input_elements())
            .map(|index| index as u8 as i8)
            .collect();
        let unsigned = Values::of_rows(&network, ElementType::Uint8, &rows);
        assert_eq!(unsigned.to_bytes()[1], 129);
        let outputs: Vec<i8> = (-5..5).collect();
        for element in [ElementType::Int8, ElementType::Uint8, ElementType::Float32] {
            let values = match element {
                ElementType::Int8 => Values::I8(outputs.clone()),
                ElementType::Uint8 => {
                    Values::U8(outputs.iter().map(|&value| value as u8 ^ 0x80).collect())
                }
                ElementType::Float32 => Values::F32(network.output.dequantize(&outputs)),
            };
            let bytes = values.to_bytes();
            assert_eq!(bytes.len(), outputs.len() * element.bytes());
            let back = Values::from_bytes(element, bytes);
            assert_eq!(back, values);
            assert_eq!(back.into_rows(&network), outputs, "{element:?}");
        }
    }
}
