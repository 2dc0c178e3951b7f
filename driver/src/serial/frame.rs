//! Frames of the serial link as bytes: what is sent consists of, and how what comes is taken
//! apart. Nothing here does input or output, and no bytes make it panic.
//!
//! ```text
//!  | FLAG | kind | numbers | payload ... | CRC-32 | FLAG |      layout: systole_regs::link
//! ```

use systole_regs::link::{
    CHECK_BYTES, CHECK_INITIAL, CHECK_POLYNOMIAL, CHECK_RESIDUE, DEVICE_PAYLOAD_MAX, ESCAPE,
    ESCAPE_MASK, FLAG, HEADER_BYTES, KIND_MASK, REJECT, SEQUENCE_COUNT,
};

/// Longest frame that a device sends, without flags and escapes.
const FRAME_MAX: usize = HEADER_BYTES + DEVICE_PAYLOAD_MAX + CHECK_BYTES;

/// The check's table: the remainder of each byte.
const TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < table.len() {
        let mut value = index as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 {
                value >> 1 ^ CHECK_POLYNOMIAL
            } else {
                value >> 1
            };
            bit += 1;
        }
        table[index] = value;
        index += 1;
    }
    table
}

/// The check's register after some bytes.
fn remainder(bytes: &[u8]) -> u32 {
    bytes.iter().fold(CHECK_INITIAL, |value, &byte| {
        value >> 8 ^ TABLE[usize::from(value as u8 ^ byte)]
    })
}

/// What stands before a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Kind of the frame.
    pub kind: u8,
    /// The sender has lost a frame.
    pub reject: bool,
    /// Number of this frame.
    pub number: u8,
    /// Number of the last frame that the sender has taken.
    pub acknowledged: u8,
}

/// Appends a frame to what is sent.
pub(super) fn encode(header: Header, payload: &[u8], line: &mut Vec<u8>) {
    let mut frame = Vec::with_capacity(HEADER_BYTES + payload.len() + CHECK_BYTES);
    frame.push(header.kind | if header.reject { REJECT } else { 0 });
    frame.push(header.acknowledged << 4 | header.number);
    frame.extend(payload);
    let check = !remainder(&frame);
    frame.extend(check.to_le_bytes());
    line.push(FLAG);
    for byte in frame {
        if byte == FLAG || byte == ESCAPE {
            line.extend([ESCAPE, byte ^ ESCAPE_MASK]);
        } else {
            line.push(byte);
        }
    }
    line.push(FLAG);
}

/// What the decoder has found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found<'a> {
    /// A frame whose check is right.
    Frame(Header, &'a [u8]),
    /// Bytes between two flags that are none.
    Damaged,
}

/// Finds frames in what comes.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    frame: Vec<u8>,
    escaped: bool,
    /// More bytes have come than any frame has.
    overlong: bool,
}

impl Decoder {
    /// Takes a byte; tells `found` if it ends something.
    pub fn take(&mut self, byte: u8, found: &mut dyn FnMut(Found<'_>)) {
        match byte {
            FLAG => {
                if !self.frame.is_empty() || self.overlong {
                    found(self.judge());
                }
                self.frame.clear();
                self.escaped = false;
                self.overlong = false;
            }
            // Two in a row are in no frame; the check would not see it.
            ESCAPE if self.escaped => self.overlong = true,
            ESCAPE => self.escaped = true,
            _ if self.frame.len() == FRAME_MAX => self.overlong = true,
            _ => {
                let mask = if self.escaped { ESCAPE_MASK } else { 0 };
                self.frame.push(byte ^ mask);
                self.escaped = false;
            }
        }
    }

    fn judge(&self) -> Found<'_> {
        let complete = self.frame.len() >= HEADER_BYTES + CHECK_BYTES;
        if !complete || self.escaped || self.overlong || remainder(&self.frame) != CHECK_RESIDUE {
            return Found::Damaged;
        }
        let header = Header {
            kind: self.frame[0] & KIND_MASK,
            reject: self.frame[0] & REJECT != 0,
            number: self.frame[1] % SEQUENCE_COUNT,
            acknowledged: self.frame[1] / SEQUENCE_COUNT,
        };
        Found::Frame(
            header,
            &self.frame[HEADER_BYTES..self.frame.len() - CHECK_BYTES],
        )
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use systole_regs::link::kind;

    use super::*;

    fn decode(bytes: &[u8]) -> Vec<Option<(Header, Vec<u8>)>> {
        let mut decoder = Decoder::default();
        let mut all = Vec::new();
        for &byte in bytes {
            decoder.take(byte, &mut |found| {
                all.push(match found {
                    Found::Frame(header, payload) => Some((header, payload.to_vec())),
                    Found::Damaged => None,
                });
            });
        }
        all
    }

    #[test]
    fn the_check_is_that_of_the_standard() {
        // The check value that catalogues of CRCs list for CRC-32/ISO-HDLC.
        assert_eq!(!remainder(b"123456789"), 0xcbf4_3926);
    }

    fn headers() -> impl Strategy<Value = Header> {
        (0..16u8, any::<bool>(), 0..16u8, 0..16u8).prop_map(
            |(kind, reject, number, acknowledged)| Header {
                kind,
                reject,
                number,
                acknowledged,
            },
        )
    }

    fn payloads() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![Just(FLAG), Just(ESCAPE), any::<u8>()];
        prop::collection::vec(byte, 0..=DEVICE_PAYLOAD_MAX)
    }

    proptest! {
        #[test]
        fn frames_survive_the_line(header in headers(), payload in payloads()) {
            let mut line = Vec::new();
            encode(header, &payload, &mut line);
            prop_assert_eq!(decode(&line), [Some((header, payload))]);
        }

        #[test]
        fn a_damaged_frame_is_noticed_and_the_next_one_found(
            header in headers(),
            payload in payloads(),
            at in any::<prop::sample::Index>(),
            damage in 0..4u8,
            byte in any::<u8>(),
        ) {
            let mut line = Vec::new();
            encode(header, &payload, &mut line);
            let at = at.index(line.len());
            let before = line.clone();
            match damage {
                0 => { line.remove(at); }
                1 => line[at] = byte,
                2 => line.insert(at, before[at]),
                _ => line.insert(at, byte),
            }
            // A flag more changes nothing; neither does a byte outside.
            let intact = decode(&line).contains(&Some((header, payload.clone())));
            let mut found = decode(&line);
            found.retain(Option::is_some);
            prop_assert!(found.is_empty() || intact || line == before, "{found:?}");
            encode(header, &payload, &mut line);
            prop_assert_eq!(decode(&line).pop().flatten(), Some((header, payload)));
        }

        #[test]
        fn no_bytes_make_the_decoder_panic(bytes in prop::collection::vec(
            prop_oneof![Just(FLAG), Just(ESCAPE), any::<u8>()], 0..3000)) {
            decode(&bytes);
        }
    }

    #[test]
    fn a_line_without_flags_takes_no_memory() {
        let mut decoder = Decoder::default();
        for _ in 0..100_000 {
            decoder.take(kind::DATA, &mut |_| panic!("nothing ends"));
        }
        assert!(decoder.frame.len() <= FRAME_MAX);
    }
}
