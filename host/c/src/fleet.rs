//! Devices and the CPU.

use std::ffi::c_char;
use std::sync::Arc;

use systole_bindings::{Code, Failure, open};
use systole_host::serving;

use crate::pointer::{place, reference, slice, text};
use crate::status::{call, nanoseconds};

/// Bytes for a name or a reason, the zero at its end included; longer ones are cut.
pub const SYSTOLE_TEXT_BYTES: usize = 256;

/// Devices, and the CPU of this machine, which computes the same bytes.
pub struct Fleet(pub(crate) Arc<serving::Fleet>);

/// What a device or the CPU does.
#[repr(C)]
pub struct Unit {
    /// Its address, or "cpu".
    pub name: [c_char; SYSTOLE_TEXT_BYTES],
    /// Whether it is a device.
    pub is_device: bool,
    /// Whether it has failed for good. Others compute what it would have.
    pub is_lost: bool,
    /// Why it is lost; empty if it isn't.
    pub reason: [c_char; SYSTOLE_TEXT_BYTES],
    /// Batches that it has now.
    pub batches: usize,
    /// Nanoseconds in which it had at least one batch.
    pub busy_ns: u64,
    /// How often it has failed and was brought back.
    pub recoveries: u64,
}

/// Opens devices by their addresses: "cpu", "vfio:DDDD:BB:DD.F", "vfio-user:SOCKET" or "serial:PORT".
/// With `count` 0 it is the CPU alone.
///
/// # Safety
/// `addresses` points to `count` strings; `fleet` to memory for a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn systole_fleet_open(
    addresses: *const *const c_char,
    count: usize,
    fleet: *mut *mut Fleet,
) -> Code {
    call(|| {
        // SAFETY: as this function's callers promise.
        let (fleet, addresses) = unsafe {
            (
                place(fleet, "fleet")?,
                slice(addresses, count, "addresses")?,
            )
        };
        let mut names = Vec::with_capacity(count);
        for &address in addresses {
            // SAFETY: each is a string.
            names.push(unsafe { text(address, "an address") }?);
        }
        fleet.put(Box::into_raw(Box::new(Fleet(open(&names)?))));
        Ok(())
    })
}

/// Gives a handle back; its devices close with the last model on them. `NULL` is fine.
///
/// # Safety
/// `fleet` is a handle that is not used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn systole_fleet_free(fleet: *mut Fleet) {
    if !fleet.is_null() {
        // SAFETY: it came out of a box, and is given back once.
        let fleet = unsafe { Box::from_raw(fleet) };
        call(|| {
            drop(fleet);
            Ok(())
        });
    }
}

/// The number of devices, and one for the CPU; 0 if `fleet` is `NULL`.
///
/// # Safety
/// `fleet` is a handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn systole_fleet_units(fleet: *const Fleet) -> usize {
    // SAFETY: as this function's callers promise.
    unsafe { fleet.as_ref() }.map_or(0, |fleet| fleet.0.states().len())
}

/// What one of them does: devices in the order of their addresses, then the CPU.
///
/// # Safety
/// `fleet` is a handle; `unit` points to memory for one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn systole_fleet_unit(
    fleet: *const Fleet,
    index: usize,
    unit: *mut Unit,
) -> Code {
    call(|| {
        // SAFETY: as this function's callers promise.
        let (fleet, unit) = unsafe { (reference(fleet, "fleet")?, place(unit, "unit")?) };
        let states = fleet.0.states();
        let state = states.get(index).ok_or_else(|| {
            Failure::invalid(format!(
                "there is no unit {index}: {} are there",
                states.len()
            ))
        })?;
        unit.put(Unit {
            name: cut(&state.name),
            is_device: state.is_device,
            is_lost: state.lost.is_some(),
            reason: cut(state.lost.as_deref().unwrap_or_default()),
            batches: state.batches,
            busy_ns: nanoseconds(state.busy),
            recoveries: state.recoveries,
        });
        Ok(())
    })
}

/// Text in an array, cut between two characters where it is too long.
fn cut(text: &str) -> [c_char; SYSTOLE_TEXT_BYTES] {
    let mut array = [0; SYSTOLE_TEXT_BYTES];
    let end = text.floor_char_boundary(SYSTOLE_TEXT_BYTES - 1);
    for (place, byte) in array.iter_mut().zip(text[..end].bytes()) {
        *place = byte as c_char;
    }
    array
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_cut_between_characters() {
        let text = "é".repeat(SYSTOLE_TEXT_BYTES);
        let array = cut(&text);
        let bytes: Vec<u8> = array.iter().map(|&byte| byte as u8).collect();
        let end = bytes.iter().position(|&byte| byte == 0);
        assert_eq!(end, Some(SYSTOLE_TEXT_BYTES - 2));
        assert!(std::str::from_utf8(&bytes[..SYSTOLE_TEXT_BYTES - 2]).is_ok());
    }
}
