//! Counts the parts of a file before it is decoded: in memory an empty message takes a hundred times
//! the two bytes that it takes in the file.

/// Most strings and messages of a file; networks have some for each layer and constant.
const PARTS_MAX: usize = 1 << 20;

/// A kind of message, as far as it holds others.
#[derive(Clone, Copy)]
enum Kind {
    Model,
    Graph,
    Node,
    Attribute,
    ValueInfo,
    Type,
    TensorType,
    Shape,
    /// Holds no other, or none that is read.
    Leaf,
}

impl Kind {
    /// What a field holds, if it is a string or a message.
    fn field(self, number: u64) -> Kind {
        match (self, number) {
            (Kind::Model, 7) => Kind::Graph,
            (Kind::Graph, 1) => Kind::Node,
            (Kind::Graph, 11 | 12) => Kind::ValueInfo,
            (Kind::Node, 5) => Kind::Attribute,
            (Kind::ValueInfo, 2) => Kind::Type,
            (Kind::Type, 1) => Kind::TensorType,
            (Kind::TensorType, 2) => Kind::Shape,
            _ => Kind::Leaf,
        }
    }
}

/// Whether a file has more parts than any network. Of one that is no protobuf, as far as it is.
pub(super) fn has_too_many_parts(file: &[u8]) -> bool {
    let mut parts = 0;
    count(Kind::Model, file, &mut parts);
    parts > PARTS_MAX
}

/// Adds the parts of a message; `None` where it ends too early.
fn count(kind: Kind, mut message: &[u8], parts: &mut usize) -> Option<()> {
    while !message.is_empty() && *parts <= PARTS_MAX {
        let tag = varint(&mut message)?;
        match tag & 7 {
            0 => {
                varint(&mut message)?;
            }
            1 => message = message.get(8..)?,
            2 => {
                let length = usize::try_from(varint(&mut message)?).ok()?;
                let (part, rest) = message.split_at_checked(length)?;
                message = rest;
                *parts += 1;
                match kind.field(tag >> 3) {
                    Kind::Leaf => {}
                    inner => count(inner, part, parts)?,
                }
            }
            5 => message = message.get(4..)?,
            _ => return None,
        }
    }
    Some(())
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = message.split_first()?;
        *message = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::proto::{GraphProto, ModelProto, NodeProto};
    use super::*;
    use prost::Message;

    fn model(nodes: usize, inputs: usize) -> Vec<u8> {
        let node = NodeProto {
            input: vec![String::new(); inputs],
            ..Default::default()
        };
        let graph = GraphProto {
            node: vec![node; nodes],
            ..Default::default()
        };
        let model = ModelProto {
            ir_version: Some(8),
            graph: Some(graph),
            ..Default::default()
        };
        model.encode_to_vec()
    }

    #[test]
    fn all_parts_are_counted() {
        let mut parts = 0;
        assert_eq!(count(Kind::Model, &model(7, 5), &mut parts), Some(()));
        assert_eq!(parts, 1 + 7 * (1 + 5));
        assert!(!has_too_many_parts(&model(1000, 1000)));
        assert!(has_too_many_parts(&model(1000, 1048)));
        assert!(has_too_many_parts(&model(PARTS_MAX, 0)));
    }

    #[test]
    fn what_is_no_protobuf_has_few() {
        for bytes in [
            &b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"[..],
            &[0xff; 40],
            &[0x3a],
            &[0x0b],
        ] {
            assert!(!has_too_many_parts(bytes));
        }
    }
}
