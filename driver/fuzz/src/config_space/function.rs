//! The function of a plan, as a transport that answers from it and lets nothing pass unwatched.

use std::os::fd::BorrowedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

use systole_driver::{BarOffset, DmaMemory, Error, Iova, Transport};
use systole_regs::registers::{self as register, control, status};

use super::plan::{Fault, Plan, Writes};
use super::watch::Watch;
use crate::healthy::{COMMAND, CONFIG_BYTES};

/// A function that a fuzzer has made up.
pub(crate) struct Function(Mutex<State>);

struct State {
    plan: Plan,
    watch: Watch,
    /// Accesses since the function came to be.
    accesses: u32,
    /// No access succeeds any more.
    gone: bool,
    /// Everything reads as ones.
    ones: bool,
    /// Reads that will still see a reset, or a command, in progress.
    reset_reads: u8,
    busy_reads: u8,
    next_address: u64,
}

impl Function {
    /// The function of a plan.
    pub fn new(plan: Plan) -> Self {
        Self(Mutex::new(State {
            plan,
            watch: Watch::new(),
            accesses: 0,
            gone: false,
            ones: false,
            reset_reads: 0,
            busy_reads: 0,
            next_address: 1 << 32,
        }))
    }

    /// What the driver has seen and done.
    pub fn watched<T>(&self, look: impl FnOnce(&mut Watch) -> T) -> T {
        look(&mut self.lock().watch)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Lets happen what the plan has for this access.
    fn access(&mut self) -> Result<(), Error> {
        if !self.watch.count() {
            return Err(Error::DeviceGone);
        }
        let now = self.accesses;
        self.accesses += 1;
        let mut result = Ok(());
        for &(at, fault) in &self.plan.faults {
            if u32::from(at) != now {
                continue;
            }
            match fault {
                Fault::Error => result = Err(Error::BusError),
                Fault::Gone => self.gone = true,
                Fault::Ones => self.ones = true,
                Fault::Register(offset, value) => {
                    self.plan.registers.insert(offset, value);
                }
                Fault::Config(offset, value) => self.plan.config[usize::from(offset)] = value,
            }
        }
        if self.gone {
            return Err(Error::DeviceGone);
        }
        result
    }

    fn register(&self, offset: u32) -> u32 {
        let value = self.plan.registers.get(&offset).copied();
        value.unwrap_or(self.plan.elsewhere)
    }
}

/// Uses up one of a number of reads; false if there are none left.
fn take(left: &mut u8) -> bool {
    let some = *left > 0;
    if some && *left < u8::MAX {
        *left -= 1;
    }
    some
}

impl Transport for Function {
    fn read_register(&self, offset: BarOffset) -> Result<u32, Error> {
        let mut state = self.lock();
        state.access()?;
        let BarOffset(offset) = offset;
        if !state.watch.fits_bar(offset, false) {
            return Err(Error::DeviceGone);
        }
        let mut value = state.register(offset);
        match offset {
            register::CONTROL if take(&mut state.reset_reads) => value |= control::RESET,
            register::STATUS if take(&mut state.busy_reads) => value |= status::BUSY,
            _ => {}
        }
        if state.ones {
            value = u32::MAX;
        }
        state.watch.register_read(offset, value);
        Ok(value)
    }

    fn write_register(&self, offset: BarOffset, value: u32) -> Result<(), Error> {
        let mut state = self.lock();
        let BarOffset(offset) = offset;
        let fits = state.watch.fits_bar(offset, true);
        state.watch.register_write(offset, value);
        state.access()?;
        if !fits {
            return Err(Error::DeviceGone);
        }
        state.watch.register_written(offset, value);
        if state.ones {
            return Ok(());
        }
        let mut kept = value;
        if offset == register::CONTROL {
            state.busy_reads = state.plan.busy_reads;
            if value & control::RESET != 0 {
                state.reset_reads = state.plan.reset_reads;
                kept &= !control::RESET;
            }
        }
        let old = state.register(offset);
        let kept = state.plan.register_writes.apply(old, kept);
        state.plan.registers.insert(offset, kept);
        Ok(())
    }

    fn read_config(&self, offset: u16, data: &mut [u8]) -> Result<(), Error> {
        let mut state = self.lock();
        state.access()?;
        if !state.watch.fits_config(offset, data.len()) {
            return Err(Error::DeviceGone);
        }
        if state.ones {
            data.fill(0xff);
        } else {
            data.copy_from_slice(&state.plan.config[usize::from(offset)..][..data.len()]);
        }
        state.watch.config_read(offset, data);
        Ok(())
    }

    fn write_config(&self, offset: u16, data: &[u8]) -> Result<(), Error> {
        let mut state = self.lock();
        if !state.watch.fits_config(offset, data.len()) {
            return Err(Error::DeviceGone);
        }
        state.watch.config_write(offset, data);
        state.access()?;
        if state.ones {
            return Ok(());
        }
        let offset = usize::from(offset);
        let writes = match offset {
            COMMAND => state.plan.command_writes,
            _ => state.plan.config_writes,
        };
        // Bits may also flip in the bytes behind those that were written.
        let length = match writes {
            Writes::Flip(_) => (CONFIG_BYTES - offset).min(size_of::<u32>()),
            _ => data.len(),
        };
        let place = &mut state.plan.config[offset..offset + length];
        let mut old = [0; size_of::<u32>()];
        old[..length].copy_from_slice(place);
        let mut new = old;
        new[..data.len()].copy_from_slice(data);
        let kept = writes.apply(u32::from_le_bytes(old), u32::from_le_bytes(new));
        place.copy_from_slice(&kept.to_le_bytes()[..length]);
        Ok(())
    }

    fn map_dma(&self, bytes: usize) -> Result<DmaMemory, Error> {
        let mut state = self.lock();
        state.access()?;
        let mut memory = DmaMemory::allocate(bytes)?;
        let address = state.next_address;
        memory.place(Iova(address));
        state.next_address += memory.mapped_bytes() as u64;
        state.watch.map(address, memory.mapped_bytes());
        Ok(memory)
    }

    fn unmap_dma(&self, memory: &DmaMemory) -> Result<(), Error> {
        let mut state = self.lock();
        let Iova(address) = memory.iova();
        state.watch.unmap(address);
        state.access()
    }

    fn set_interrupt(&self, _: u16, _: BorrowedFd<'_>) -> Result<(), Error> {
        let mut state = self.lock();
        state.watch.must_be_identified("an interrupt was connected");
        state.access()
    }

    fn reset(&self) -> Result<(), Error> {
        let mut state = self.lock();
        state.watch.must_be_identified("the function was reset");
        state.access()?;
        if state.plan.reset_clears_command {
            state.plan.config[COMMAND..COMMAND + 2].fill(0);
        }
        Ok(())
    }

    fn probe(&self) -> Result<(), Error> {
        self.lock().access()
    }
}
