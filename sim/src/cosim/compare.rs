//! The first thing in which two traces of a case differ, in words.

use systole_regs::Status;
use systole_regs::entries::{RunEntry, opcode};

use super::case::{Case, Command};
use super::trace::{Reading, Trace};

/// The first difference between two traces.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("seed {seed}, {place}: {left} on the left, {right} on the right")]
pub struct Difference {
    /// Seed of the case.
    pub seed: u64,
    /// Where they differ.
    pub place: String,
    /// What the left trace has there.
    pub left: String,
    /// What the right trace has there.
    pub right: String,
}

/// Compares two traces of the same case.
///
/// # Errors
/// The first [`Difference`], completions first, then registers, then memory.
pub fn compare(case: &Case, left: &Trace, right: &Trace) -> Result<(), Difference> {
    let differ = |place: String, left: String, right: String| {
        Err(Difference {
            seed: case.seed,
            place,
            left,
            right,
        })
    };
    for (index, (a, b)) in left.episodes.iter().zip(&right.episodes).enumerate() {
        let commands = case.episodes[index].bursts.iter().flatten();
        for (number, ((a, b), command)) in a
            .completions
            .iter()
            .zip(&b.completions)
            .zip(commands)
            .enumerate()
        {
            let place = || format!("episode {index}, command {number}, {}", describe(command));
            if a.entry.status != b.entry.status {
                return differ(
                    place(),
                    status_name(a.entry.status),
                    status_name(b.entry.status),
                );
            }
            if a != b {
                return differ(place(), format!("{a:?}"), format!("{b:?}"));
            }
        }
        let lists = [
            ("at the end", &a.registers, &b.registers),
            ("after the reset", &a.reset, &b.reset),
        ];
        for (when, a, b) in lists {
            if let Some((a, b)) = first_reading(a, b) {
                let place = format!("episode {index}, {} ({:#x}) {when}", a.name, a.offset);
                return differ(place, format!("{:#x}", a.value), format!("{:#x}", b.value));
            }
        }
        if a != b {
            let place = format!("episode {index}, STATUS after enabling, completions, interrupts");
            let parts = |e: &super::trace::EpisodeTrace| {
                format!(
                    "{:#x}, {}, {:?}",
                    e.enabled,
                    e.completions.len(),
                    e.interrupts
                )
            };
            return differ(place, parts(a), parts(b));
        }
    }
    for (a, b) in left.memory.iter().zip(&right.memory) {
        if let Some(at) = a.bytes.iter().zip(&b.bytes).position(|(a, b)| a != b) {
            let address = a.base + at as u64;
            let show = |bytes: &[u8]| format!("{:02x?}", &bytes[at..bytes.len().min(at + 8)]);
            return differ(owner(case, address), show(&a.bytes), show(&b.bytes));
        }
    }
    if let Some((a, b)) = first_reading(&left.identification, &right.identification) {
        return differ(
            a.name.into(),
            format!("{:#x}", a.value),
            format!("{:#x}", b.value),
        );
    }
    if left != right {
        return differ("the traces".into(), "one shape".into(), "another".into());
    }
    Ok(())
}

fn first_reading<'a>(a: &'a [Reading], b: &'a [Reading]) -> Option<(&'a Reading, &'a Reading)> {
    a.iter().zip(b).find(|(a, b)| a != b)
}

fn status_name(code: u8) -> String {
    Status::from_code(code).map_or(format!("status {code}"), |status| status.name().into())
}

fn describe(command: &Command) -> String {
    let name = match command.entry.opcode {
        opcode::NOP => "NOP",
        opcode::LOAD => "LOAD",
        opcode::RUN => "RUN",
        opcode::UNLOAD => "UNLOAD",
        _ => "unknown command",
    };
    format!("{name} of slot {}, {}", command.entry.slot, command.intent)
}

/// Whose byte of host memory it is.
fn owner(case: &Case, address: u64) -> String {
    let inside = |start: u64, bytes: usize| {
        address
            .checked_sub(start)
            .is_some_and(|offset| offset < bytes as u64)
    };
    for (index, episode) in case.episodes.iter().enumerate() {
        for (number, command) in episode.bursts.iter().flatten().enumerate() {
            if let Some((start, bytes)) = command.workspace
                && inside(start, bytes)
            {
                return format!(
                    "episode {index}, command {number}, {}: byte {} of the workspace",
                    describe(command),
                    address - start
                );
            }
            if let Some((start, bytes)) = command.output
                && inside(start, bytes)
            {
                let RunEntry { output_stride, .. } = command.entry;
                let offset = address - start;
                let stride = u64::from(output_stride).max(1);
                return format!(
                    "episode {index}, command {number}, {}: row {}, byte {} of the output",
                    describe(command),
                    offset / stride,
                    offset % stride
                );
            }
        }
    }
    format!("host memory at {address:#x}, which no run's output owns")
}
