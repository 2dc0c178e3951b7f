//! A device that is reached as hardware is, and can fail: the functional model, served over vfio-user
//! by a thread of this process.

use std::thread;
use std::time::Duration;

use systole_driver::{Address, Device, OpenOptions};
use systole_regs::configuration::TINY;
use systole_regs::entries::{CompletionEntry, RunEntry};
use systole_sim::model::FunctionalModel;
use systole_sim::{Activity, Background, Core, Host};

/// A served device; it ends when this is dropped.
pub struct Served {
    device: Background,
    _directory: tempfile::TempDir,
}

impl Served {
    /// Serves a device.
    pub fn new(core: impl Core + 'static) -> Served {
        let directory = tempfile::tempdir().expect("there is room for temporary files");
        let socket = directory.path().join("device.sock");
        Served {
            device: Background::start(core, &socket).expect("the device is served"),
            _directory: directory,
        }
    }

    /// Takes it away.
    pub fn stop(&self) {
        self.device.stop();
    }

    /// Opens it.
    pub fn open(&self) -> Device {
        let address = Address::VfioUser(self.device.socket().to_owned());
        Device::open(&address, OpenOptions::default()).expect("the device opens")
    }
}

/// What a faulty device does wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    /// It carries out nothing more, registers excepted.
    Stuck,
    /// As `Stuck`, until it is reset.
    Hung,
    /// Its next command can't write its rows.
    Output,
    /// Its next command can't read a model's image.
    Image,
    /// It takes this long for each command.
    Slow(Duration),
}

/// Counts the completions that a device writes, and may refuse it some of its memory.
struct Watched<'a> {
    host: &'a mut dyn Host,
    completions: &'a mut usize,
    fault: Option<Fault>,
}

impl Host for Watched<'_> {
    fn dma_read(&mut self, address: u64, data: &mut [u8]) -> Result<(), systole_sim::DmaError> {
        // The parts of these tests' images are longer than a submission entry.
        if self.fault == Some(Fault::Image) && data.len() > size_of::<RunEntry>() {
            return Err(systole_sim::DmaError::Unmapped { address });
        }
        self.host.dma_read(address, data)
    }
    fn dma_write(&mut self, address: u64, data: &[u8]) -> Result<(), systole_sim::DmaError> {
        // Rows of these tests are longer than a completion entry.
        let is_completion = data.len() == size_of::<CompletionEntry>();
        if self.fault == Some(Fault::Output) && !is_completion {
            return Err(systole_sim::DmaError::Unmapped { address });
        }
        *self.completions += usize::from(is_completion);
        self.host.dma_write(address, data)
    }
    fn interrupt(&mut self, vector: u16) {
        self.host.interrupt(vector);
    }
}

/// A device with a fault after some commands.
pub struct Faulty {
    inner: FunctionalModel,
    completions: usize,
    after: usize,
    fault: Fault,
}

impl Faulty {
    /// A device that fails when it has completed `after` commands.
    pub fn new(fault: Fault, after: usize) -> Self {
        Faulty {
            inner: FunctionalModel::new(TINY),
            completions: 0,
            after,
            fault,
        }
    }
}

impl Core for Faulty {
    fn read_register(&mut self, offset: u32) -> u32 {
        self.inner.read_register(offset)
    }
    fn write_register(&mut self, offset: u32, value: u32) {
        self.inner.write_register(offset, value);
    }
    fn reset(&mut self) {
        if self.fault == Fault::Hung && self.completions == self.after {
            self.after = usize::MAX;
        }
        self.inner.reset();
    }
    fn advance(&mut self, host: &mut dyn Host) -> Activity {
        let fault = Some(self.fault).filter(|fault| match fault {
            Fault::Slow(_) => self.completions >= self.after,
            _ => self.completions == self.after,
        });
        let before = self.completions;
        if matches!(fault, Some(Fault::Stuck | Fault::Hung)) {
            return Activity::Idle;
        }
        let activity = self.inner.advance(&mut Watched {
            host,
            completions: &mut self.completions,
            fault,
        });
        if let Some(Fault::Slow(pause)) = fault
            && self.completions > before
        {
            thread::sleep(pause);
        }
        activity
    }
}
