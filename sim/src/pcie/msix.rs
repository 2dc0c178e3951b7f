//! MSI-X: the table and the pending bits of BAR4, and the event file descriptors that stand for
//! the messages.
//!
//! ```text
//!  interrupt(v) --> enabled? --> masked (function, entry)? --no--> eventfd of v
//!                     | no            | yes                          ^
//!                     v               v                              |
//!                    lost        pending bit v ---- unmasked --------+
//! ```
//!
//! A vfio-user client sets interrupts up with SET_IRQS and need not touch the table, as the
//! kernel's VFIO does that on its behalf. So an event file descriptor that arrives for a vector
//! unmasks its entry; after that, the table is the client's (a guest's driver may mask there).

use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Vectors of the function.
pub const VECTORS: usize = 8;
/// Offset of the table in BAR4.
pub const TABLE_OFFSET: usize = 0x000;
/// Offset of the pending bits in BAR4.
pub const PENDING_OFFSET: usize = 0x800;

const ENTRY_BYTES: usize = 16;
const TABLE_BYTES: usize = VECTORS * ENTRY_BYTES;
/// Byte of an entry that holds its mask bit, the lowest.
const ENTRY_CONTROL: usize = 12;
/// Bits of an entry that software may change: address (a multiple of 4), data, mask bit.
const ENTRY_WRITABLE: [u8; ENTRY_BYTES] = [
    0xfc, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0,
];

/// The MSI-X state of the function, without the two bits in configuration space.
pub struct Msix {
    table: [u8; TABLE_BYTES],
    pending: u8,
    triggers: [Option<File>; VECTORS],
}

/// The two bits of message control in configuration space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageControl {
    /// MSI-X is on.
    pub enabled: bool,
    /// All vectors are masked.
    pub masked: bool,
}

impl Default for Msix {
    fn default() -> Self {
        Self::new()
    }
}

impl Msix {
    /// As after a reset: every entry masked, nothing pending, no event file descriptors.
    pub fn new() -> Self {
        let mut msix = Msix {
            table: [0; TABLE_BYTES],
            pending: 0,
            triggers: Default::default(),
        };
        msix.mask_all();
        msix
    }

    /// Resets table and pending bits, as a function-level reset does. Event file descriptors
    /// belong to the client's set-up and stay, and so do the entries they unmasked.
    pub fn reset(&mut self) {
        self.table = [0; TABLE_BYTES];
        self.pending = 0;
        self.mask_all();
        for vector in 0..VECTORS {
            if self.triggers[vector].is_some() {
                self.set_mask(vector, false);
            }
        }
    }

    fn mask_all(&mut self) {
        for vector in 0..VECTORS {
            self.set_mask(vector, true);
        }
    }

    fn set_mask(&mut self, vector: usize, masked: bool) {
        self.table[vector * ENTRY_BYTES + ENTRY_CONTROL] = u8::from(masked);
    }

    fn is_masked(&self, vector: usize) -> bool {
        self.table[vector * ENTRY_BYTES + ENTRY_CONTROL] & 1 != 0
    }

    /// Reads bytes of BAR4 from `offset` on; outside table and pending bits they are zero.
    pub fn read(&self, offset: u64, data: &mut [u8]) {
        for (address, byte) in (offset..).zip(data) {
            *byte = match usize::try_from(address) {
                Ok(address) if address < TABLE_BYTES => self.table[address],
                Ok(PENDING_OFFSET) => self.pending,
                _ => 0,
            };
        }
    }

    /// Writes bytes of BAR4 from `offset` on, and sends what that unmasks.
    pub fn write(&mut self, offset: u64, data: &[u8], control: MessageControl) {
        for (address, &value) in (offset..).zip(data) {
            let Some(address) = usize::try_from(address).ok().filter(|&a| a < TABLE_BYTES) else {
                break;
            };
            let mask = ENTRY_WRITABLE[address % ENTRY_BYTES];
            self.table[address] = self.table[address] & !mask | value & mask;
        }
        self.send_pending(control);
    }

    /// Sets the event file descriptor of a vector below [`VECTORS`], and unmasks or masks its
    /// entry.
    pub fn assign(&mut self, vector: usize, trigger: Option<File>, control: MessageControl) {
        self.set_mask(vector, trigger.is_none());
        self.triggers[vector] = trigger;
        self.send_pending(control);
    }

    /// Requests the message of a vector. Vectors that don't exist are ignored.
    pub fn request(&mut self, vector: u16, control: MessageControl) {
        let vector = usize::from(vector);
        if vector >= VECTORS || !control.enabled {
            tracing::debug!(vector, "interrupt without MSI-X");
            return;
        }
        self.pending |= 1 << vector;
        self.send_pending(control);
    }

    /// Sends every pending message whose vector is not masked.
    pub fn send_pending(&mut self, control: MessageControl) {
        if !control.enabled || control.masked {
            return;
        }
        for vector in 0..VECTORS {
            let bit = 1 << vector;
            if self.pending & bit != 0 && !self.is_masked(vector) {
                self.pending &= !bit;
                if let Some(trigger) = &self.triggers[vector] {
                    signal(trigger, vector);
                }
            }
        }
    }
}

/// Adds one to an event counter, unless that would block: then the counter is full, or the
/// client passed something that is no event file descriptor, and the device must not wait for it.
fn signal(trigger: &File, vector: usize) {
    let mut descriptors = [PollFd::new(trigger.as_fd(), PollFlags::POLLOUT)];
    let writable = poll(&mut descriptors, PollTimeout::ZERO).is_ok_and(|ready| ready == 1)
        && descriptors[0]
            .revents()
            .is_some_and(|events| events.contains(PollFlags::POLLOUT));
    if !writable {
        tracing::warn!(
            vector,
            "the event file descriptor of the vector takes no events"
        );
        return;
    }
    let mut trigger = trigger;
    if let Err(error) = trigger.write_all(&1_u64.to_ne_bytes()) {
        tracing::warn!(vector, %error, "cannot signal the event file descriptor of the vector");
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::fd::OwnedFd;

    use nix::sys::eventfd::{EfdFlags, EventFd};

    use super::*;

    const ON: MessageControl = MessageControl {
        enabled: true,
        masked: false,
    };

    /// An event file descriptor that doesn't block, and a copy for the device.
    fn event() -> (File, File) {
        let event = EventFd::from_flags(EfdFlags::EFD_NONBLOCK).unwrap();
        let file = File::from(OwnedFd::from(event));
        (file.try_clone().unwrap(), file)
    }

    /// Events since the last call.
    fn count(mut file: &File) -> u64 {
        let mut bytes = [0; 8];
        file.read_exact(&mut bytes)
            .map_or(0, |()| u64::from_ne_bytes(bytes))
    }

    fn pending(msix: &Msix) -> u64 {
        let mut bytes = [0; 8];
        msix.read(PENDING_OFFSET as u64, &mut bytes);
        u64::from_le_bytes(bytes)
    }

    #[test]
    fn entries_are_masked_until_an_event_is_assigned() {
        let mut msix = Msix::new();
        let mut control = [0; 4];
        msix.read(3 * 16 + 12, &mut control);
        assert_eq!(control, [1, 0, 0, 0]);
        msix.request(3, ON);
        assert_eq!(pending(&msix), 8);
        let (seen, given) = event();
        msix.assign(3, Some(given), ON);
        assert_eq!((count(&seen), pending(&msix)), (1, 0));
        msix.request(3, ON);
        msix.request(3, ON);
        assert_eq!(count(&seen), 2);
        msix.assign(3, None, ON);
        msix.request(3, ON);
        assert_eq!((count(&seen), pending(&msix)), (0, 8));
    }

    #[test]
    fn masked_vectors_wait_in_the_pending_bits() {
        let mut msix = Msix::new();
        let (seen, given) = event();
        msix.assign(0, Some(given), ON);
        msix.write(12, &[1, 0, 0, 0], ON);
        msix.request(0, ON);
        msix.request(0, ON);
        assert_eq!((count(&seen), pending(&msix)), (0, 1));
        msix.write(12, &[0, 0, 0, 0], ON);
        assert_eq!((count(&seen), pending(&msix)), (1, 0));

        let masked = MessageControl {
            enabled: true,
            masked: true,
        };
        msix.request(0, masked);
        assert_eq!((count(&seen), pending(&msix)), (0, 1));
        msix.send_pending(ON);
        assert_eq!((count(&seen), pending(&msix)), (1, 0));

        msix.request(
            0,
            MessageControl {
                enabled: false,
                masked: false,
            },
        );
        assert_eq!((count(&seen), pending(&msix)), (0, 0));
    }

    #[test]
    fn vectors_that_do_not_exist_are_ignored() {
        let mut msix = Msix::new();
        msix.request(8, ON);
        msix.request(u16::MAX, ON);
        assert_eq!(pending(&msix), 0);
    }

    #[test]
    fn the_table_holds_addresses_and_data_and_pending_bits_are_read_only() {
        let mut msix = Msix::new();
        msix.write(16, &[0xff; 16], ON);
        let mut entry = [0; 16];
        msix.read(16, &mut entry);
        assert_eq!(entry, ENTRY_WRITABLE);
        msix.write(PENDING_OFFSET as u64, &[0xff; 8], ON);
        assert_eq!(pending(&msix), 0);
    }

    #[test]
    fn a_descriptor_that_would_block_is_not_waited_for() {
        let (_read, write) = nix::unistd::pipe().unwrap();
        let mut msix = Msix::new();
        msix.assign(1, Some(File::from(write)), ON);
        // A pipe holds 64 KiB: more events than fit must not stop the device.
        for _ in 0..20_000 {
            msix.request(1, ON);
        }
    }

    #[test]
    fn a_reset_keeps_what_the_client_set_up() {
        let mut msix = Msix::new();
        let (seen, given) = event();
        msix.assign(2, Some(given), ON);
        msix.request(5, ON);
        msix.reset();
        assert_eq!(pending(&msix), 0);
        msix.request(2, ON);
        assert_eq!(count(&seen), 1);
    }
}
