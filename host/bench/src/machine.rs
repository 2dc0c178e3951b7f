//! What measured figures were measured on.

use serde::Serialize;
use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

/// The machine that measured.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Machine {
    /// Name of the processor.
    pub processor: Option<String>,
    /// Architecture.
    pub architecture: &'static str,
    /// Logical processors that this process may use.
    pub processors: usize,
    /// Memory in bytes.
    pub memory_bytes: Option<u64>,
    /// Operating system with its version.
    pub system: Option<String>,
    /// Version of the kernel.
    pub kernel: Option<String>,
    /// Processes that were running or ready before the measurement began, on average over a minute.
    pub load_average: Option<f64>,
}

/// Load average above which others take time from what is measured.
const BUSY: f64 = 0.5;

impl Machine {
    /// Whether others used the machine before the measurement.
    pub fn is_busy(&self) -> bool {
        self.load_average.is_some_and(|load| load > BUSY)
    }

    /// The machine that this runs on.
    pub fn detect() -> Machine {
        let wanted = RefreshKind::nothing()
            .with_cpu(CpuRefreshKind::nothing())
            .with_memory(MemoryRefreshKind::nothing().with_ram());
        // What the system doesn't tell is no reason not to measure.
        let system = System::new_with_specifics(wanted).ok();
        let processor = system.as_ref().and_then(|system| system.cpus().first());
        Machine {
            processor: processor.map(|processor| processor.brand().trim().to_owned()),
            architecture: std::env::consts::ARCH,
            processors: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            memory_bytes: system.as_ref().map(System::total_memory),
            system: System::long_os_version().ok(),
            kernel: System::kernel_version().ok(),
            load_average: System::load_average().ok().map(|load| load.one),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_is_described() {
        let machine = Machine::detect();
        assert!(machine.processors > 0);
        assert!(machine.memory_bytes > Some(1 << 20));
        assert!(machine.processor.is_some_and(|name| !name.is_empty()));
    }
}
