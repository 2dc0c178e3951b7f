//! Messages of vfio-user 0.1 as bytes: what requests consist of, and how replies are taken
//! apart. Nothing here does input or output, and no bytes make it panic.
//!
//! ```text
//!  0         2         4              8          12         16
//!  | id      | command | size (all)   | flags    | error    | payload ...
//! ```
//!
//! All numbers are in the machine's own order, which is little-endian here. The specification is
//! `docs/interop/vfio-user.rst` of QEMU; section names below are its own.

use bytemuck::{Pod, Zeroable};
use serde_json::{Value, json};

use crate::vfio::region::parse;

/// Version of the protocol that this client speaks.
pub(super) const PROTOCOL: (u16, u16) = (0, 1);

/// Bytes of a header.
pub(super) const HEADER_BYTES: usize = size_of::<Header>();

/// Most payload bytes that a reply may have: a page more than the most talkative reply, the
/// list of a region's mappable areas, can need.
pub(super) const PAYLOAD_MAX: usize = 64 * 1024;

/// Commands that this client sends (section "Commands").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(super) enum Command {
    Version = 1,
    DmaMap = 2,
    DmaUnmap = 3,
    DeviceGetInfo = 4,
    DeviceGetRegionInfo = 5,
    DeviceGetIrqInfo = 7,
    DeviceSetIrqs = 8,
    RegionRead = 9,
    RegionWrite = 10,
    DeviceReset = 13,
}

impl Command {
    /// What it does, for error messages: "the device refused ...".
    pub fn describe(self) -> &'static str {
        match self {
            Command::Version => "the request to agree on a version",
            Command::DmaMap => "a DMA mapping",
            Command::DmaUnmap => "the end of a DMA mapping",
            Command::DeviceGetInfo => "the request for device information",
            Command::DeviceGetRegionInfo => "the request for region information",
            Command::DeviceGetIrqInfo => "the request for interrupt information",
            Command::DeviceSetIrqs => "an interrupt's eventfd",
            Command::RegionRead => "a read of a register",
            Command::RegionWrite => "a write of a register",
            Command::DeviceReset => "a reset",
        }
    }
}

/// Message header (section "Header").
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub(super) struct Header {
    pub id: u16,
    pub command: u16,
    pub size: u32,
    pub flags: u32,
    pub error: u32,
}

/// Bits of a header's flags that say what the message is.
const FLAGS_TYPE: u32 = 0xf;
/// The message is a reply.
const FLAG_REPLY: u32 = 1;
/// The reply reports an error.
const FLAG_ERROR: u32 = 1 << 5;

/// What a reply's header says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reply {
    /// Bytes that follow the header.
    pub payload: usize,
    /// The error code of a refusal (an `errno`; some servers leave it zero).
    pub refused: Option<i32>,
}

impl Header {
    /// Header of a request with `payload` bytes after it.
    pub fn request(id: u16, command: Command, payload: usize) -> Self {
        Self {
            id,
            command: command as u16,
            // Payloads are a few words: far below 4 GiB.
            size: (HEADER_BYTES + payload) as u32,
            flags: 0,
            error: 0,
        }
    }

    /// Checks that this is the header of the reply to request `id`.
    ///
    /// # Errors
    /// How it differs from one.
    pub fn reply(&self, id: u16, command: Command) -> Result<Reply, String> {
        if self.flags & FLAGS_TYPE != FLAG_REPLY {
            return Err(format!("flags {:#x} are not those of a reply", self.flags));
        }
        if self.id != id {
            return Err(format!("it answers message {}, not {id}", self.id));
        }
        if self.command != command as u16 {
            let expected = command as u16;
            return Err(format!(
                "it answers command {}, not {expected}",
                self.command
            ));
        }
        let payload = (self.size as usize)
            .checked_sub(HEADER_BYTES)
            .filter(|&payload| payload <= PAYLOAD_MAX)
            .ok_or_else(|| format!("a size of {} bytes is impossible", self.size))?;
        let refused =
            (self.flags & FLAG_ERROR != 0).then(|| i32::try_from(self.error).unwrap_or_default());
        Ok(Reply { payload, refused })
    }
}

/// Payload of DMA_MAP.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub(super) struct DmaMap {
    pub argsz: u32,
    pub flags: u32,
    pub file_offset: u64,
    pub address: u64,
    pub size: u64,
}

/// Payload of DMA_UNMAP.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub(super) struct DmaUnmap {
    pub argsz: u32,
    pub flags: u32,
    pub address: u64,
    pub size: u64,
}

/// Payload of DEVICE_GET_INFO. The kernel's `vfio_device_info` has grown since; this has not.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub(super) struct DeviceInfo {
    pub argsz: u32,
    pub flags: u32,
    pub regions: u32,
    pub interrupts: u32,
}

/// Payload of DEVICE_SET_IRQS, without the array that some flags ask for.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub(super) struct SetIrqs {
    pub argsz: u32,
    pub flags: u32,
    pub index: u32,
    pub start: u32,
    pub count: u32,
}

/// Start of the payload of REGION_READ and REGION_WRITE; the data follow it.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub(super) struct RegionAccess {
    pub offset: u64,
    pub region: u32,
    pub count: u32,
}

impl RegionAccess {
    /// Takes the reply to this access apart: the echoed access, then `data` bytes.
    ///
    /// # Errors
    /// How the reply differs from that.
    pub fn answer<'a>(&self, payload: &'a [u8], data: usize) -> Result<&'a [u8], String> {
        let echo: RegionAccess = parse(payload)?;
        if echo != *self {
            return Err(format!("it answers {echo:?}, not {self:?}"));
        }
        let rest = &payload[size_of::<RegionAccess>()..];
        if rest.len() != data {
            return Err(format!(
                "it carries {} bytes of data, not {data}",
                rest.len()
            ));
        }
        Ok(rest)
    }
}

/// Payload of our VERSION request: the version, and capabilities as JSON text that ends in a
/// zero byte (section "VERSION").
pub(super) fn version_request() -> Vec<u8> {
    // What this side can receive; a reply about a region brings at most one descriptor.
    let capabilities = json!({
        "capabilities": { "max_msg_fds": 1, "max_data_xfer_size": PAYLOAD_MAX }
    });
    let mut payload = Vec::new();
    payload.extend_from_slice(&PROTOCOL.0.to_ne_bytes());
    payload.extend_from_slice(&PROTOCOL.1.to_ne_bytes());
    payload.extend_from_slice(capabilities.to_string().as_bytes());
    payload.push(0);
    payload
}

/// What the reply to VERSION says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ServerVersion {
    pub major: u16,
    pub minor: u16,
    /// File descriptors that the server accepts with one message.
    pub descriptors: u64,
}

/// Takes the reply to VERSION apart. Its JSON text is optional, as is everything in it.
///
/// # Errors
/// How the reply differs from the specification.
pub(super) fn parse_version(payload: &[u8]) -> Result<ServerVersion, String> {
    let [major, minor]: [u16; 2] = parse(payload)?;
    let text = &payload[size_of::<[u16; 2]>()..];
    let text = text.strip_suffix(&[0]).unwrap_or(text);
    let capabilities: Value = if text.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(text).map_err(|error| format!("its capabilities: {error}"))?
    };
    let descriptors = match &capabilities["capabilities"]["max_msg_fds"] {
        Value::Null => 1,
        value => value
            .as_u64()
            .ok_or_else(|| format!("max_msg_fds is {value}, not a number"))?,
    };
    Ok(ServerVersion {
        major,
        minor,
        descriptors,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: u16 = 7;

    fn good() -> Header {
        Header {
            flags: FLAG_REPLY,
            ..Header::request(ID, Command::RegionRead, 20)
        }
    }

    #[test]
    fn the_reply_to_a_request_is_recognized() {
        let reply = good().reply(ID, Command::RegionRead).unwrap();
        assert_eq!(
            reply,
            Reply {
                payload: 20,
                refused: None
            }
        );
        let refusal = Header {
            flags: FLAG_REPLY | FLAG_ERROR,
            error: 22,
            ..good()
        };
        let reply = refusal.reply(ID, Command::RegionRead).unwrap();
        assert_eq!(reply.refused, Some(22));
    }

    #[test]
    fn anything_else_is_not_taken_for_the_reply() {
        let wrong = [
            Header { flags: 0, ..good() },
            Header { flags: 2, ..good() },
            Header {
                id: ID + 1,
                ..good()
            },
            Header {
                command: Command::RegionWrite as u16,
                ..good()
            },
            Header { size: 0, ..good() },
            Header { size: 15, ..good() },
            Header {
                size: u32::MAX,
                ..good()
            },
        ];
        for header in wrong {
            header.reply(ID, Command::RegionRead).unwrap_err();
        }
    }

    #[test]
    fn a_version_may_come_without_capabilities() {
        let version = parse_version(&[0, 0, 1, 0]).unwrap();
        assert_eq!(
            version,
            ServerVersion {
                major: 0,
                minor: 1,
                descriptors: 1
            }
        );
        let own = parse_version(&version_request()).unwrap();
        assert_eq!((own.major, own.minor), PROTOCOL);
        parse_version(&[0, 0, 1]).unwrap_err();
        parse_version(b"\0\0\x01\0{\"capabilities\"").unwrap_err();
        parse_version(b"\0\0\x01\0{\"capabilities\":{\"max_msg_fds\":\"many\"}}\0").unwrap_err();
    }

    #[test]
    fn data_of_another_length_are_refused() {
        let access = RegionAccess {
            offset: 4,
            region: 0,
            count: 4,
        };
        let mut payload = bytemuck::bytes_of(&access).to_vec();
        access.answer(&payload, 4).unwrap_err();
        payload.extend_from_slice(&[1, 2, 3, 4]);
        assert_eq!(access.answer(&payload, 4).unwrap(), [1, 2, 3, 4]);
        payload.push(5);
        access.answer(&payload, 4).unwrap_err();
    }

    proptest! {
        #[test]
        fn no_header_panics(bytes in any::<[u8; HEADER_BYTES]>(), id in any::<u16>()) {
            let header: Header = bytemuck::cast(bytes);
            if let Ok(reply) = header.reply(id, Command::DmaMap) {
                prop_assert_eq!(header.id, id);
                prop_assert_eq!(header.command, Command::DmaMap as u16);
                prop_assert!(reply.payload <= PAYLOAD_MAX);
            }
        }

        #[test]
        fn no_version_panics(payload in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse_version(&payload);
        }

        #[test]
        fn no_capabilities_panic(text in "[{}\\[\\]\":,a-z_0-9 ]{0,80}") {
            let _ = parse_version(&[b"\0\0\x01\0", text.as_bytes()].concat());
        }

        #[test]
        fn only_the_echo_of_an_access_is_its_answer(
            payload in prop::collection::vec(any::<u8>(), 0..64),
            data in 0usize..16,
        ) {
            let access = RegionAccess { offset: 8, region: 7, count: 4 };
            if let Ok(answer) = access.answer(&payload, data) {
                prop_assert_eq!(&payload[..16], bytemuck::bytes_of(&access));
                prop_assert_eq!(answer.len(), data);
            }
        }
    }
}
