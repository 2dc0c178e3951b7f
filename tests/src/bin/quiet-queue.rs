//! Carries out commands on a device in memory under a filter that ends the process at its first system
//! call but `exit_group`. Ends with status 0 if there was none.

use std::collections::BTreeMap;

use nix::libc;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};
use systole_bench::RoundTrip;
use systole_driver::CompletionMode;

/// Commands under the filter.
const COMMANDS: u32 = 100_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mode = match std::env::args().nth(1).as_deref() {
        Some("polling") => CompletionMode::Polling,
        Some("interrupt") => CompletionMode::Interrupt,
        _ => return Err("usage: quiet-queue polling|interrupt".into()),
    };
    let mut trip = RoundTrip::new(mode)?;
    // What happens once only: lazy binding, thread-local state, the clock's page.
    trip.carry_out()?;
    let filter: BpfProgram = SeccompFilter::new(
        BTreeMap::from([(libc::SYS_exit_group, Vec::new())]),
        SeccompAction::KillProcess,
        SeccompAction::Allow,
        std::env::consts::ARCH.try_into()?,
    )?
    .try_into()?;
    apply_filter(&filter)?;
    let failed = (0..COMMANDS).any(|_| trip.carry_out().is_err());
    // SAFETY: ends the process without running anything, which the filter would not let it.
    unsafe { libc::_exit(i32::from(failed)) }
}
