//! Commands of the fuzzer's choice, with addresses inside, beside and far from the buffers that there
//! are, and the bytes that each must have in the ring.

use arbitrary::{Result, Unstructured};
use bytemuck::{Zeroable, bytes_of, bytes_of_mut};
use systole_driver::{Command, DmaBuffer};
use systole_regs::entries::{LoadEntry, RunEntry, opcode};

use super::accelerator::ENTRY_BYTES;

/// Some command.
pub(crate) fn command(u: &mut Unstructured<'_>, buffers: &[DmaBuffer]) -> Result<Command> {
    Ok(match u.int_in_range(0..=9)? {
        0..=3 => Command::Nop,
        4 => Command::Unload {
            slot: u.int_in_range(0..=3)?,
        },
        5 => Command::Load(LoadEntry {
            slot: u.int_in_range(0..=3)?,
            image_address: address(u, buffers)?,
            stream_address: address(u, buffers)?,
            statistics_address: address(u, buffers)?,
            ..LoadEntry::zeroed()
        }),
        6 => Command::Run(RunEntry {
            input_address: address(u, buffers)?,
            output_address: address(u, buffers)?,
            statistics_address: address(u, buffers)?,
            workspace_address: address(u, buffers)?,
            trace_address: address(u, buffers)?,
            ..RunEntry::zeroed()
        }),
        7 => {
            let mut entry = LoadEntry::zeroed();
            u.fill_buffer(bytes_of_mut(&mut entry))?;
            Command::Load(entry)
        }
        8 => {
            let mut entry = RunEntry::zeroed();
            u.fill_buffer(bytes_of_mut(&mut entry))?;
            Command::Run(entry)
        }
        _ => {
            let mut bytes = [0; ENTRY_BYTES];
            u.fill_buffer(&mut bytes)?;
            Command::Raw(bytes)
        }
    })
}

/// No address, one in a buffer, or one next to it.
fn address(u: &mut Unstructured<'_>, buffers: &[DmaBuffer]) -> Result<u64> {
    let choice = u.int_in_range(0..=7)?;
    if choice == 0 || buffers.is_empty() {
        return Ok(0);
    }
    let buffer = &buffers[u.choose_index(buffers.len())?];
    let start = buffer.iova().0;
    let bytes = buffer.len() as u64;
    Ok(match choice {
        1..=3 => start,
        4..=5 => start + bytes - 1,
        6 => start + bytes,
        _ => start - 1,
    })
}

/// Addresses that a command names.
pub(crate) fn addresses(command: &Command) -> Vec<u64> {
    let named = match command {
        Command::Load(load) => vec![
            load.image_address,
            load.stream_address,
            load.statistics_address,
        ],
        Command::Run(run) => vec![
            run.input_address,
            run.output_address,
            run.statistics_address,
            run.workspace_address,
            run.trace_address,
        ],
        Command::Nop | Command::Unload { .. } | Command::Raw(_) => Vec::new(),
    };
    named.into_iter().filter(|&address| address != 0).collect()
}

/// The bytes that a command must have in the ring: the opcode first, the id in bytes 2 and 3, a slot in
/// byte 4.
pub(crate) fn entry(command: &Command, id: u16) -> [u8; ENTRY_BYTES] {
    let mut bytes = [0; ENTRY_BYTES];
    match command {
        Command::Nop => bytes[0] = opcode::NOP,
        Command::Unload { slot } => {
            bytes[0] = opcode::UNLOAD;
            bytes[4] = *slot;
        }
        Command::Load(load) => {
            bytes.copy_from_slice(bytes_of(load));
            bytes[0] = opcode::LOAD;
        }
        Command::Run(run) => {
            bytes.copy_from_slice(bytes_of(run));
            bytes[0] = opcode::RUN;
        }
        Command::Raw(raw) => bytes = *raw,
    }
    bytes[2..4].copy_from_slice(&id.to_le_bytes());
    bytes
}
