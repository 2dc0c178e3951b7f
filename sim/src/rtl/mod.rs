//! The Verilated RTL as a [`Core`]: bus models around the accelerator's ports.
//!
//! ```text
//!  registers --> [AXI4-Lite] --> +-------------+ --> [read channel]  --> host memory
//!                                | accelerator | --> [write channel] --> host memory
//!                                |  (RTL)      | --> interrupts
//!                                +-------------+
//! ```
//!
//! The clock runs only while the accelerator has something to do (its `active` port) or a
//! register is accessed; in between, simulated time stands still.

mod bus;
mod fault;
#[cfg(feature = "netlist")]
mod lockstep;

use std::path::PathBuf;

use systole_regs::Configuration;

use crate::core::{Activity, Core, Host};
use crate::verilated::{Inputs, Outputs, Verilated, VerilatedError};
pub use bus::BusTiming;
use bus::{ReadChannel, WriteChannel};
pub use fault::{Burst, BusFault, Direction, ErrorResponse};
#[cfg(feature = "netlist")]
pub use lockstep::{Comparison, Difference, Lockstep};

/// Cycles of one [`Core::advance`].
const ADVANCE_CYCLES: usize = 4096;

/// Cycles after which a register access is given up: the RTL answers within ten.
const ACCESS_LIMIT: usize = 10_000;

/// Cycles for which a function-level reset is asserted.
const RESET_CYCLES: usize = 4;

/// How the RTL is run.
#[derive(Clone, Debug, Default)]
pub struct RtlOptions {
    /// Randomizes what the design leaves open (registers without initial value, memories) and,
    /// unless `timing` is given, bus latency and back-pressure. `None`: all zeros and a steady bus.
    pub seed: Option<u64>,
    /// Randomizes what the design leaves open, whatever `seed` is; zero stands for all zeros.
    pub state_seed: Option<u64>,
    /// Waveform file (FST).
    pub trace: Option<PathBuf>,
    /// Latency and back-pressure of the bus; by default steady, or random with a seed.
    pub timing: Option<BusTiming>,
}

/// The Verilated accelerator with its bus models.
pub struct RtlCore {
    model: Verilated,
    #[cfg(feature = "netlist")]
    netlist: Option<Lockstep>,
    inputs: Inputs,
    outputs: Outputs,
    read: ReadChannel,
    write: WriteChannel,
    cycles: u64,
    traced: bool,
}

impl RtlCore {
    /// An accelerator of a named configuration, after power-on.
    ///
    /// # Errors
    /// If the configuration isn't linked in, or the waveform can't be written.
    pub fn new(configuration: Configuration, options: RtlOptions) -> Result<Self, VerilatedError> {
        let mut core = Self::powered_on(configuration, options)?;
        core.reset();
        Ok(core)
    }

    /// An accelerator that has not seen a cycle.
    fn powered_on(
        configuration: Configuration,
        options: RtlOptions,
    ) -> Result<Self, VerilatedError> {
        let seed = options.seed.unwrap_or(0);
        let timing = options.timing.unwrap_or(if options.seed.is_some() {
            BusTiming::random()
        } else {
            BusTiming::STEADY
        });
        // A seed of zero means zeros to the shim.
        let state_seed = match options.state_seed {
            Some(0) => 0,
            other => other
                .or(options.seed)
                .map_or(0, |seed| (seed as u32 & 0x7fff_fffe) + 1),
        };
        let model = Verilated::new(&configuration, state_seed, options.trace.as_deref())?;
        Ok(Self {
            model,
            #[cfg(feature = "netlist")]
            netlist: None,
            inputs: Inputs {
                s_b_ready: 1,
                s_r_ready: 1,
                ..Inputs::default()
            },
            outputs: Outputs::default(),
            read: ReadChannel::new(timing, seed),
            write: WriteChannel::new(timing, seed ^ 0x9e37_79b9_7f4a_7c15),
            cycles: 0,
            traced: options.trace.is_some(),
        })
    }

    /// An accelerator with its netlist beside it, which does the same in every cycle, or else the
    /// [`Comparison`] tells. State that the design leaves open is zero.
    ///
    /// # Errors
    /// As [`RtlCore::new`], or if the netlist isn't linked in.
    #[cfg(feature = "netlist")]
    pub fn with_netlist(
        configuration: Configuration,
        options: RtlOptions,
    ) -> Result<(Self, Comparison), VerilatedError> {
        let netlist = Lockstep::new(Verilated::netlist(&configuration)?);
        let comparison = netlist.comparison();
        let options = RtlOptions {
            state_seed: Some(0),
            ..options
        };
        let mut core = Self::powered_on(configuration, options)?;
        core.netlist = Some(netlist);
        core.reset();
        Ok((core, comparison))
    }

    /// Clock cycles simulated so far.
    pub fn cycles(&self) -> u64 {
        self.cycles
    }

    /// Has the bus answer a burst with an error.
    pub fn inject(&mut self, fault: BusFault) {
        match fault.direction {
            Direction::Read => self.read.ledger.inject(fault),
            Direction::Write => self.write.ledger.inject(fault),
        }
    }

    /// Takes the faults back that have not struck; their number.
    pub fn forgive(&mut self) -> usize {
        self.read.ledger.forgive() + self.write.ledger.forgive()
    }

    /// Logs the bursts from now on.
    pub fn record_bursts(&mut self) {
        self.read.ledger.record();
        self.write.ledger.record();
    }

    /// The bursts logged since the last call, in the order in which they began.
    pub fn take_bursts(&mut self) -> Vec<Burst> {
        let mut bursts = self.read.ledger.take();
        bursts.extend(self.write.ledger.take());
        bursts.sort_by_key(|burst| burst.begin);
        bursts
    }

    /// Bursts that the device has begun and not seen the end of.
    pub fn outstanding(&self) -> usize {
        self.read.outstanding() + self.write.outstanding()
    }

    /// Runs until that cycle, or until there is nothing to do before it.
    pub fn advance_to(&mut self, host: &mut dyn Host, cycle: u64) -> Activity {
        while self.cycles < cycle {
            self.cycle(Some(host));
            if self.outputs.active == 0 {
                return Activity::Idle;
            }
        }
        Activity::Busy
    }

    /// A function-level reset that the bus takes no part in: responses to what the device had
    /// begun arrive while it is held in reset, which must not matter to it.
    pub fn reset_with_late_responses(&mut self) {
        self.write.clear_unwritten();
        self.hold_reset();
        self.read.clear();
        self.write.clear();
    }

    /// Asserts the reset pin and waits for the end of the reset.
    fn hold_reset(&mut self) {
        self.inputs.s_aw_valid = 0;
        self.inputs.s_w_valid = 0;
        self.inputs.s_ar_valid = 0;
        self.inputs.reset = 1;
        for _ in 0..RESET_CYCLES {
            self.cycle(None);
        }
        self.inputs.reset = 0;
        // The accelerator holds itself in reset until its pipelines have run empty.
        for _ in 0..ACCESS_LIMIT {
            self.cycle(None);
            if self.outputs.active == 0 {
                break;
            }
        }
    }

    /// One clock cycle. Without a host, DMA and interrupts are held off by back-pressure.
    fn cycle(&mut self, host: Option<&mut dyn Host>) {
        let connected = host.is_some();
        self.read.drive(&mut self.inputs, connected);
        self.write.drive(&mut self.inputs, connected);
        self.inputs.interrupt_ready = u8::from(connected);
        self.model.cycle(&self.inputs, &mut self.outputs);
        #[cfg(feature = "netlist")]
        if let Some(netlist) = &mut self.netlist {
            netlist.cycle(&self.inputs, &self.outputs);
        }
        self.cycles += 1;
        if let Some(host) = host {
            self.read
                .observe(&self.inputs, &self.outputs, self.cycles, host);
            self.write
                .observe(&self.inputs, &self.outputs, self.cycles, host);
            if self.outputs.interrupt_valid == 1 {
                host.interrupt(self.outputs.interrupt_vector);
            }
        } else {
            self.read.tick(&self.inputs, &self.outputs, self.cycles);
            self.write.tick(&self.inputs, self.cycles);
        }
    }
}

impl Core for RtlCore {
    fn read_register(&mut self, offset: u32) -> u32 {
        self.inputs.s_ar_valid = 1;
        self.inputs.s_ar_address = offset as u16;
        for _ in 0..ACCESS_LIMIT {
            self.cycle(None);
            if self.outputs.s_ar_ready == 1 {
                self.inputs.s_ar_valid = 0;
            }
            if self.outputs.s_r_valid == 1 {
                return self.outputs.s_r_data;
            }
        }
        self.inputs.s_ar_valid = 0;
        u32::MAX
    }

    fn write_register(&mut self, offset: u32, value: u32) {
        self.inputs.s_aw_valid = 1;
        self.inputs.s_aw_address = offset as u16;
        self.inputs.s_w_valid = 1;
        self.inputs.s_w_data = value;
        for _ in 0..ACCESS_LIMIT {
            self.cycle(None);
            if self.outputs.s_aw_ready == 1 {
                self.inputs.s_aw_valid = 0;
                self.inputs.s_w_valid = 0;
            }
            if self.outputs.s_b_valid == 1 {
                return;
            }
        }
        self.inputs.s_aw_valid = 0;
        self.inputs.s_w_valid = 0;
    }

    fn reset(&mut self) {
        self.read.clear();
        self.write.clear();
        self.hold_reset();
    }

    fn advance(&mut self, host: &mut dyn Host) -> Activity {
        for _ in 0..ADVANCE_CYCLES {
            self.cycle(Some(host));
            if self.outputs.active == 0 {
                if self.traced {
                    self.model.flush();
                }
                return Activity::Idle;
            }
        }
        Activity::Busy
    }
}
