//! Rows as other runtimes take and give them: in the element type and the order of the model's file.
//!
//! ```text
//!  int8 rows inside --> order of the file --> int8 | uint8 | float   (to the runtime)
//!  int8 rows inside <-- order of the file <-- int8 | uint8 | float   (from it)
//! ```

use std::path::Path;

use systole_host::Network;
use systole_host::model::{from_unsigned, to_unsigned};
use systole_host::signature::{Datatype, Values};

/// The network as a runtime's own file has it, whose order of values and scales may be others than
/// those of the file that is compared with; `network` if the file can't be imported.
pub(crate) fn network_of(file: &Path, network: &Network) -> Network {
    match Network::load(file) {
        Ok(own) if own.input_elements() == network.input_elements() => own,
        _ => network.clone(),
    }
}

/// int8 rows of a network's input, for a runtime.
pub(crate) fn for_runtime(network: &Network, datatype: Datatype, rows: &[i8]) -> Values {
    let port = &network.input;
    let rows = port.arrange_outwards(network.tensor(port.tensor), rows.to_vec());
    match datatype {
        Datatype::Int8 => Values::Int8(rows),
        Datatype::Uint8 => Values::Uint8(to_unsigned(&rows)),
        Datatype::Fp32 => Values::Fp32(port.dequantize(&rows)),
    }
}

/// What a runtime gave, as int8 rows of a network's output.
pub(crate) fn from_runtime(network: &Network, values: Values) -> Vec<i8> {
    let port = &network.output;
    let values = match values {
        Values::Int8(values) => values,
        Values::Uint8(values) => from_unsigned(&values),
        Values::Fp32(values) => port.quantize(&values, network.source.ties()),
    };
    port.arrange_inwards(network.tensor(port.tensor), values)
}

/// Values in this machine's byte order; what is no whole value is left out.
pub(crate) fn from_bytes(datatype: Datatype, bytes: Vec<u8>) -> Values {
    match datatype {
        Datatype::Int8 => Values::Int8(bytemuck::allocation::cast_vec(bytes)),
        Datatype::Uint8 => Values::Uint8(bytes),
        Datatype::Fp32 => {
            let (floats, _) = bytes.as_chunks::<4>();
            Values::Fp32(
                floats
                    .iter()
                    .map(|&value| f32::from_ne_bytes(value))
                    .collect(),
            )
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
        let unsigned = for_runtime(&network, Datatype::Uint8, &rows);
        assert_eq!(unsigned.as_ref()[1], 129);
        let outputs: Vec<i8> = (-5..5).collect();
        for element in [Datatype::Int8, Datatype::Uint8, Datatype::Fp32] {
            let values = match element {
                Datatype::Int8 => Values::Int8(outputs.clone()),
                Datatype::Uint8 => {
                    Values::Uint8(outputs.iter().map(|&value| value as u8 ^ 0x80).collect())
                }
                Datatype::Fp32 => Values::Fp32(network.output.dequantize(&outputs)),
            };
            let bytes = values.as_ref().to_vec();
            assert_eq!(bytes.len(), outputs.len() * element.bytes());
            let back = from_bytes(element, bytes);
            assert_eq!(back, values);
            assert_eq!(from_runtime(&network, back), outputs, "{element:?}");
        }
    }
}
