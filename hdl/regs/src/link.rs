//! Frames of the serial link: how the ports of the accelerator travel over a UART (8 data bits, no
//! parity, one stop bit).
//!
//! ```text
//!  | FLAG | kind | numbers | payload ... | check (4) | FLAG |
//!             |       |                       '- CRC-32 of everything from kind to payload
//!             |       '- bits 3:0: number of this frame; 7:4: number of the last one received
//!             '- bits 3:0: kind; bit 7: REJECT
//! ```
//!
//! Between the flags, a FLAG or ESCAPE is sent as ESCAPE and the byte with [`ESCAPE_MASK`] flipped.
//! All numbers are little-endian.
//!
//! Sequenced frames are numbered from 0 on, modulo 16, in each direction. The receiver takes the
//! next number only, and acknowledges it in whatever it sends; the sender repeats what was not
//! acknowledged. So each message arrives once and in order, whatever happens to bytes.

/// Begins and ends a frame.
pub const FLAG: u8 = 0x7e;
/// The next byte is sent with [`ESCAPE_MASK`] flipped.
pub const ESCAPE: u8 = 0x7d;
/// Bits of an escaped byte that are flipped.
pub const ESCAPE_MASK: u8 = 0x20;

/// Version of the link, in STATE frames.
pub const VERSION: u8 = 1;

/// Bytes before the payload.
pub const HEADER_BYTES: usize = 2;
/// Bytes after the payload.
pub const CHECK_BYTES: usize = 4;
/// Beats of the longest burst that travels in one frame.
pub const BURST_BEATS: usize = 64;
/// Bytes of a beat in a WRITE frame: its strobes and its data.
pub const WRITE_BEAT_BYTES: usize = 9;
/// Payload of the longest frame to the device: the data of a burst.
pub const HOST_PAYLOAD_MAX: usize = BURST_BEATS * 8;
/// Payload of the longest frame from the device: an address and a burst with strobes.
pub const DEVICE_PAYLOAD_MAX: usize = 8 + BURST_BEATS * WRITE_BEAT_BYTES;

/// Polynomial of the check (IEEE 802.3), bit-reversed: lowest bits come first, as on the line.
pub const CHECK_POLYNOMIAL: u32 = 0xedb8_8320;
/// What the register of the check begins with; it is sent inverted.
pub const CHECK_INITIAL: u32 = 0xffff_ffff;
/// What the register holds after a frame and its check.
pub const CHECK_RESIDUE: u32 = 0xdebb_20e3;

/// Frame numbers count modulo this.
pub const SEQUENCE_COUNT: u8 = 16;
/// Frames that the host may have sent and not seen acknowledged. The device has one.
pub const HOST_WINDOW: u8 = 4;

/// Bit of the kind byte: the sender of this frame has lost one; all that is not acknowledged is to
/// be sent again at once.
pub const REJECT: u8 = 0x80;
/// Bits of the kind byte that hold the kind.
pub const KIND_MASK: u8 = 0x0f;

/// Who sends a kind of frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// The host.
    Host,
    /// The device.
    Device,
}

/// One kind of frame.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    /// Name of the constant in [`kind`].
    pub name: &'static str,
    /// Its code.
    pub code: u8,
    /// Who sends it.
    pub sender: Sender,
    /// Whether it is numbered, acknowledged and repeated.
    pub sequenced: bool,
    /// Its payload, in words.
    pub payload: &'static str,
    /// What it means.
    pub description: &'static str,
}

/// Declares kinds of frames as constants and as a table.
macro_rules! frames {
    ($( $name:ident $code:literal $sender:ident $sequenced:literal $payload:literal $text:literal; )+) => {
        /// Codes of the kinds of frames.
        pub mod kind {
            $( #[doc = $text] pub const $name: u8 = $code; )+
        }

        /// Every kind of frame.
        pub const FRAMES: &[Frame] = &[
            $( Frame {
                name: stringify!($name), code: $code, sender: Sender::$sender,
                sequenced: $sequenced, payload: $payload, description: $text,
            } ),+
        ];
    };
}

frames! {
    OPEN 0x1 Host false "session (4)" "Begins a session, unless it is the current one: outstanding DMA is answered with errors, both sides count from 0. Answered by STATE.";
    ACKNOWLEDGE 0x2 Host false "none" "Carries an acknowledgement, or a REJECT, alone.";
    READ_REGISTER 0x3 Host true "offset (2)" "Reads a register of BAR0. Answered by VALUE.";
    WRITE_REGISTER 0x4 Host true "offset (2), value (4)" "Writes a register of BAR0.";
    DATA 0x5 Host true "beats of 8 bytes" "The data of the oldest READ that was not answered.";
    DATA_ERROR 0x6 Host true "none" "The oldest READ that was not answered fails.";
    WRITTEN 0x7 Host true "none" "The oldest WRITE that was not answered has been carried out.";
    WRITE_ERROR 0x8 Host true "none" "The oldest WRITE that was not answered fails.";
    STATE 0x9 Device false "session (4), version (1)" "Carries an acknowledgement alone. The session is 0 before the first OPEN.";
    READ 0xa Device true "address (8), beats - 1 (1)" "DMA: reads host memory.";
    WRITE 0xb Device true "address (8), beats of strobes (1) and data (8)" "DMA: writes host memory, of each beat the bytes whose strobes are set.";
    VALUE 0xc Device true "value (4)" "What READ_REGISTER has read.";
    INTERRUPT 0xd Device true "vector (2)" "Signals an MSI-X vector.";
}
