//! What the tests of this crate share: the RTL, served as a PCIe function by a thread of the test.
//!
//! ```text
//!  test --driver--> socket --> serve --> RTL (Verilated)
//! ```

pub mod board;
pub mod faults;
pub mod guest;

use std::path::PathBuf;

use systole_driver::{Address, Device, OpenOptions};
use systole_regs::Configuration;
use systole_sim::rtl::{RtlCore, RtlOptions};
use systole_sim::{Background, Core};

/// A served accelerator; it ends when this is dropped.
pub struct Served {
    address: Address,
    _device: Background,
    _directory: tempfile::TempDir,
}

impl Served {
    /// Serves the RTL of a configuration.
    ///
    /// # Panics
    /// If it can't be served: the test is over then.
    pub fn rtl(configuration: Configuration, options: RtlOptions) -> Served {
        let core = RtlCore::new(configuration, options).expect("the RTL is linked in");
        Served::core(core)
    }

    /// Serves what computes behind BAR0.
    ///
    /// # Panics
    /// If it can't be served.
    pub fn core(core: impl Core + 'static) -> Served {
        let directory = tempfile::tempdir().expect("there is room for temporary files");
        let socket = directory.path().join("device.sock");
        let device = Background::start(core, &socket).expect("the device is served");
        Served {
            address: Address::VfioUser(socket),
            _device: device,
            _directory: directory,
        }
    }

    /// Where it is served.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Opens it with the driver.
    ///
    /// # Panics
    /// If it doesn't open.
    pub fn open(&self) -> Device {
        self.open_with(OpenOptions::default())
    }

    /// Opens it with other options: a device that takes longer for a cycle needs more time.
    ///
    /// # Panics
    /// If it doesn't open.
    pub fn open_with(&self, options: OpenOptions) -> Device {
        Device::open(&self.address, options).expect("the device opens")
    }
}

/// The folder of reference models: `mlperf-tiny` in the folder that the environment variable
/// SYSTOLE_SHARED names, or in `shared` beside the workspace. `None`, with a note, if it isn't there.
pub fn references() -> Option<PathBuf> {
    let folder = std::env::var_os("SYSTOLE_SHARED")
        .map_or_else(
            || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared"),
            PathBuf::from,
        )
        .join("mlperf-tiny");
    if !folder.is_dir() {
        eprintln!(
            "skipped: the reference models are not in {}",
            folder.display()
        );
        return None;
    }
    Some(folder)
}
