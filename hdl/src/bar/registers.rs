//! The registers of BAR0 behind an AXI4-Lite slave. One access at a time; what they mean is in
//! `systole_regs::registers`, where every offset comes from.
//!
//! ```text
//!  AW, W -> Write -> Acknowledge (B)          AR -> Address -> Match -> Select -> Respond (R)
//! ```
//!
//! An access is rare; addresses are compared into flags before the flags choose.

use rust_hdl::prelude::*;

use crate::fixed::Fixed;
use systole_regs::Configuration;
use systole_regs::registers as map;

/// Slots with a register block.
const S: usize = systole_regs::SLOT_COUNT as usize;

/// Registers of the identification block.
const I: usize = map::IDENTIFICATION.len();

/// What the write side is doing.
#[derive(Copy, Clone, PartialEq, Debug, LogicState)]
pub enum WriteState {
    /// No write.
    Idle,
    /// Takes address and data, and acts.
    Write,
    /// Waits until the response is taken.
    Acknowledge,
}

/// What the read side is doing.
#[derive(Copy, Clone, PartialEq, Debug, LogicState)]
pub enum ReadState {
    /// No read.
    Idle,
    /// Takes the address and compares it.
    Address,
    /// Chooses among the registers of each block.
    Match,
    /// Chooses the block.
    Select,
    /// Waits until the data is taken.
    Respond,
}

/// The registers.
#[derive(LogicBlock, Default)]
pub struct Registers {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Resets the bus side. Only with the bus itself.
    pub bus_reset: Signal<In, Bit>,
    /// Clears what software has set.
    pub reset: Signal<In, Bit>,
    /// A reset is wanted or under way.
    pub resetting: Signal<In, Bit>,
    /// AXI4-Lite write address.
    pub aw_valid: Signal<In, Bit>,
    /// Its byte offset in BAR0.
    pub aw_address: Signal<In, Bits<16>>,
    /// Taken.
    pub aw_ready: Signal<Out, Bit>,
    /// AXI4-Lite write data.
    pub w_valid: Signal<In, Bit>,
    /// The value.
    pub w_data: Signal<In, Bits<32>>,
    /// Its byte strobes: only whole words are written.
    pub w_strobe: Signal<In, Bits<4>>,
    /// Taken.
    pub w_ready: Signal<Out, Bit>,
    /// AXI4-Lite write response, always good.
    pub b_valid: Signal<Out, Bit>,
    /// Taken.
    pub b_ready: Signal<In, Bit>,
    /// AXI4-Lite read address.
    pub ar_valid: Signal<In, Bit>,
    /// Its byte offset in BAR0.
    pub ar_address: Signal<In, Bits<16>>,
    /// Taken.
    pub ar_ready: Signal<Out, Bit>,
    /// AXI4-Lite read data.
    pub r_valid: Signal<Out, Bit>,
    /// The value.
    pub r_data: Signal<Out, Bits<32>>,
    /// Taken.
    pub r_ready: Signal<In, Bit>,
    /// CONTROL.ENABLE.
    pub enable: Signal<Out, Bit>,
    /// CONTROL.RESET is written.
    pub reset_request: Signal<Out, Bit>,
    /// Submission ring.
    pub submission_base: Signal<Out, Bits<64>>,
    /// Its entries.
    pub submission_entries: Signal<Out, Bits<32>>,
    /// Completion ring.
    pub completion_base: Signal<Out, Bits<64>>,
    /// Its entries.
    pub completion_entries: Signal<Out, Bits<32>>,
    /// INTERRUPT: enabled.
    pub interrupt_enable: Signal<Out, Bit>,
    /// INTERRUPT: vector.
    pub interrupt_vector: Signal<Out, Bits<11>>,
    /// The submission tail doorbell is rung.
    pub ring_submission: Signal<Out, Bit>,
    /// The completion head doorbell is rung.
    pub ring_completion: Signal<Out, Bit>,
    /// With this value.
    pub doorbell: Signal<Out, Bits<32>>,
    /// To show.
    pub submission_head: Signal<In, Bits<16>>,
    /// To show.
    pub completion_tail: Signal<In, Bits<16>>,
    /// To show.
    pub fatal: Signal<In, Bit>,
    /// To show.
    pub fatal_code: Signal<In, Bits<8>>,
    /// To show.
    pub processing: Signal<In, Bit>,
    /// To show.
    pub cycles: Signal<In, Bits<64>>,
    /// To show.
    pub busy_cycles: Signal<In, Bits<64>>,
    /// To show.
    pub commands: Signal<In, Bits<32>>,
    /// To show.
    pub errors: Signal<In, Bits<32>>,
    /// To show: whether slots hold models.
    pub slot_valid: [Signal<In, Bit>; S],
    /// To show: versions.
    pub slot_versions: [Signal<In, Bits<32>>; S],
    /// To show: program regions.
    pub slot_programs: [Signal<In, Bits<32>>; S],
    /// To show: parameter regions.
    pub slot_parameters: [Signal<In, Bits<32>>; S],
    /// To show: weight regions.
    pub slot_weights: [Signal<In, Bits<32>>; S],
    /// To show: rows of a pass.
    pub slot_group_rows: [Signal<In, Bits<32>>; S],
    identification: [Fixed<Bits<32>>; I],
    identification_at: [Fixed<Bits<16>>; I],
    slot_state_at: [Fixed<Bits<16>>; S],
    slot_version_at: [Fixed<Bits<16>>; S],
    slot_program_at: [Fixed<Bits<16>>; S],
    slot_parameters_at: [Fixed<Bits<16>>; S],
    slot_weights_at: [Fixed<Bits<16>>; S],
    slot_group_rows_at: [Fixed<Bits<16>>; S],
    control_at: Fixed<Bits<16>>,
    status_at: Fixed<Bits<16>>,
    submission_base_low_at: Fixed<Bits<16>>,
    submission_base_high_at: Fixed<Bits<16>>,
    submission_entries_at: Fixed<Bits<16>>,
    completion_base_low_at: Fixed<Bits<16>>,
    completion_base_high_at: Fixed<Bits<16>>,
    completion_entries_at: Fixed<Bits<16>>,
    interrupt_at: Fixed<Bits<16>>,
    submission_head_at: Fixed<Bits<16>>,
    completion_tail_at: Fixed<Bits<16>>,
    cycles_low_at: Fixed<Bits<16>>,
    cycles_high_at: Fixed<Bits<16>>,
    busy_low_at: Fixed<Bits<16>>,
    busy_high_at: Fixed<Bits<16>>,
    commands_at: Fixed<Bits<16>>,
    errors_at: Fixed<Bits<16>>,
    submission_doorbell_at: Fixed<Bits<16>>,
    completion_doorbell_at: Fixed<Bits<16>>,
    interrupt_bits: Fixed<Bits<32>>,
    read_identification: [DFF<Bit>; I],
    read_slot_state: [DFF<Bit>; S],
    read_slot_version: [DFF<Bit>; S],
    read_slot_program: [DFF<Bit>; S],
    read_slot_parameters: [DFF<Bit>; S],
    read_slot_weights: [DFF<Bit>; S],
    read_slot_group_rows: [DFF<Bit>; S],
    read_control: DFF<Bit>,
    read_status: DFF<Bit>,
    read_submission_base_low: DFF<Bit>,
    read_submission_base_high: DFF<Bit>,
    read_submission_entries: DFF<Bit>,
    read_completion_base_low: DFF<Bit>,
    read_completion_base_high: DFF<Bit>,
    read_completion_entries: DFF<Bit>,
    read_interrupt: DFF<Bit>,
    read_submission_head: DFF<Bit>,
    read_completion_tail: DFF<Bit>,
    read_cycles_low: DFF<Bit>,
    read_cycles_high: DFF<Bit>,
    read_busy_low: DFF<Bit>,
    read_busy_high: DFF<Bit>,
    read_commands: DFF<Bit>,
    read_errors: DFF<Bit>,
    write_control: DFF<Bit>,
    write_submission_base_low: DFF<Bit>,
    write_submission_base_high: DFF<Bit>,
    write_submission_entries: DFF<Bit>,
    write_completion_base_low: DFF<Bit>,
    write_completion_base_high: DFF<Bit>,
    write_completion_entries: DFF<Bit>,
    write_interrupt: DFF<Bit>,
    write_submission_doorbell: DFF<Bit>,
    write_completion_doorbell: DFF<Bit>,
    whole_word: DFF<Bit>,
    write_value: DFF<Bits<32>>,
    identification_value: DFF<Bits<32>>,
    slot_value: DFF<Bits<32>>,
    queue_value: DFF<Bits<32>>,
    counter_value: DFF<Bits<32>>,
    write_state: DFF<WriteState>,
    read_state: DFF<ReadState>,
    read_address: DFF<Bits<16>>,
    read_value: DFF<Bits<32>>,
    enabled: DFF<Bit>,
    submission_base_low: DFF<Bits<32>>,
    submission_base_high: DFF<Bits<32>>,
    submission_size: DFF<Bits<32>>,
    completion_base_low: DFF<Bits<32>>,
    completion_base_high: DFF<Bits<32>>,
    completion_size: DFF<Bits<32>>,
    interrupt: DFF<Bits<32>>,
    cycles_high: DFF<Bits<32>>,
    busy_high: DFF<Bits<32>>,
    from_identification: Signal<Local, Bits<32>>,
    from_slots: Signal<Local, Bits<32>>,
    from_queue: Signal<Local, Bits<32>>,
    from_counters: Signal<Local, Bits<32>>,
    writable: Signal<Local, Bit>,
    write: Signal<Local, Bit>,
    ready_bit: Signal<Local, Bits<32>>,
    fatal_bit: Signal<Local, Bits<32>>,
    busy_bit: Signal<Local, Bits<32>>,
}

fn at(offset: u32) -> Fixed<Bits<16>> {
    Fixed::new(u64::from(offset).into())
}

fn per_slot(offset: u32) -> [Fixed<Bits<16>>; S] {
    std::array::from_fn(|slot| at(offset + slot as u32 * map::SLOT_BLOCK_BYTES))
}

/// Values of the identification block, in the order of its table.
fn identification(configuration: &Configuration, build_hash: u64) -> [Fixed<Bits<32>>; I] {
    std::array::from_fn(|index| {
        let value = match map::IDENTIFICATION[index].offset {
            map::MAGIC => systole_regs::MAGIC,
            map::ABI_VERSION => systole_regs::ABI_VERSION,
            map::ARRAY_ROWS => configuration.rows as u32,
            map::ARRAY_COLUMNS => configuration.columns as u32,
            map::REQUANTIZE_LANES => configuration.requantize_lanes as u32,
            map::SCRATCHPAD_BYTES => configuration.scratchpad_bytes as u32,
            map::WEIGHT_TILES => configuration.weight_tiles as u32,
            map::PARAMETER_ENTRIES => configuration.parameter_entries as u32,
            map::PROGRAM_INSTRUCTIONS => configuration.program_instructions as u32,
            map::ACCUMULATOR_ROWS => configuration.accumulator_rows as u32,
            map::SLOT_COUNT => systole_regs::SLOT_COUNT,
            map::QUEUE_COUNT => systole_regs::QUEUE_COUNT,
            map::QUEUE_ENTRIES_MAX => systole_regs::QUEUE_ENTRIES_MAX,
            map::CLOCK_KHZ => configuration.clock_khz,
            map::FEATURES => configuration.features(),
            map::BUILD_HASH_LOW => build_hash as u32,
            map::BUILD_HASH_HIGH => (build_hash >> 32) as u32,
            offset => panic!("identification register {offset:#x} has no value"),
        };
        Fixed::new(u64::from(value).into())
    })
}

impl Registers {
    /// For an accelerator of these dimensions, whose Verilog has this hash.
    pub fn new(configuration: &Configuration, build_hash: u64) -> Self {
        Self {
            identification: identification(configuration, build_hash),
            identification_at: std::array::from_fn(|index| at(map::IDENTIFICATION[index].offset)),
            slot_state_at: per_slot(map::SLOT_STATE),
            slot_version_at: per_slot(map::SLOT_VERSION),
            slot_program_at: per_slot(map::SLOT_PROGRAM),
            slot_parameters_at: per_slot(map::SLOT_PARAMETERS),
            slot_weights_at: per_slot(map::SLOT_WEIGHTS),
            slot_group_rows_at: per_slot(map::SLOT_GROUP_ROWS),
            control_at: at(map::CONTROL),
            status_at: at(map::STATUS),
            submission_base_low_at: at(map::SUBMISSION_BASE_LOW),
            submission_base_high_at: at(map::SUBMISSION_BASE_HIGH),
            submission_entries_at: at(map::SUBMISSION_ENTRIES),
            completion_base_low_at: at(map::COMPLETION_BASE_LOW),
            completion_base_high_at: at(map::COMPLETION_BASE_HIGH),
            completion_entries_at: at(map::COMPLETION_ENTRIES),
            interrupt_at: at(map::INTERRUPT),
            submission_head_at: at(map::SUBMISSION_HEAD),
            completion_tail_at: at(map::COMPLETION_TAIL),
            cycles_low_at: at(map::CYCLES_LOW),
            cycles_high_at: at(map::CYCLES_HIGH),
            busy_low_at: at(map::BUSY_CYCLES_LOW),
            busy_high_at: at(map::BUSY_CYCLES_HIGH),
            commands_at: at(map::COMMANDS),
            errors_at: at(map::ERRORS),
            submission_doorbell_at: at(map::SUBMISSION_TAIL_DOORBELL),
            completion_doorbell_at: at(map::COMPLETION_HEAD_DOORBELL),
            interrupt_bits: Fixed::new(u64::from(map::INTERRUPT_ENABLE | 0x7ff).into()),
            ..Default::default()
        }
    }
}

impl Logic for Registers {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            read_control,
            read_status,
            read_submission_base_low,
            read_submission_base_high,
            read_submission_entries,
            read_completion_base_low,
            read_completion_base_high,
            read_completion_entries,
            read_interrupt,
            read_submission_head,
            read_completion_tail,
            read_cycles_low,
            read_cycles_high,
            read_busy_low,
            read_busy_high,
            read_commands,
            read_errors,
            write_control,
            write_submission_base_low,
            write_submission_base_high,
            write_submission_entries,
            write_completion_base_low,
            write_completion_base_high,
            write_completion_entries,
            write_interrupt,
            write_submission_doorbell,
            write_completion_doorbell,
            whole_word,
            write_value,
            identification_value,
            slot_value,
            queue_value,
            counter_value,
            write_state,
            read_state,
            read_address,
            read_value,
            enabled,
            submission_base_low,
            submission_base_high,
            submission_size,
            completion_base_low,
            completion_base_high,
            completion_size,
            interrupt,
            cycles_high,
            busy_high
        );
        self.enable.next = self.enabled.q.val();
        self.reset_request.next = false;
        self.submission_base.next = (bit_cast::<64, 32>(self.submission_base_high.q.val())
            << bits::<6>(32))
            | bit_cast::<64, 32>(self.submission_base_low.q.val());
        self.submission_entries.next = self.submission_size.q.val();
        self.completion_base.next = (bit_cast::<64, 32>(self.completion_base_high.q.val())
            << bits::<6>(32))
            | bit_cast::<64, 32>(self.completion_base_low.q.val());
        self.completion_entries.next = self.completion_size.q.val();
        self.interrupt_enable.next = self.interrupt.q.val().get_bit(31);
        self.interrupt_vector.next = self.interrupt.q.val().get_bits::<11>(0);
        self.ring_submission.next = false;
        self.ring_completion.next = false;
        self.doorbell.next = self.write_value.q.val();

        // Writes.
        self.aw_ready.next = self.write_state.q.val() == WriteState::Write;
        self.w_ready.next = self.write_state.q.val() == WriteState::Write;
        self.b_valid.next = self.write_state.q.val() == WriteState::Acknowledge;
        match self.write_state.q.val() {
            WriteState::Idle => {
                if self.aw_valid.val() && self.w_valid.val() {
                    self.write_state.d.next = WriteState::Write;
                }
            }
            WriteState::Write => {
                self.write_state.d.next = WriteState::Acknowledge;
            }
            WriteState::Acknowledge => {
                if self.b_ready.val() {
                    self.write_state.d.next = WriteState::Idle;
                }
            }
            _ => {
                self.write_state.d.next = WriteState::Idle;
            }
        }
        // An address stays from the cycle before `Write` on, in which it is compared.
        self.write_control.d.next = self.aw_address.val() == self.control_at.val();
        self.write_submission_base_low.d.next =
            self.aw_address.val() == self.submission_base_low_at.val();
        self.write_submission_base_high.d.next =
            self.aw_address.val() == self.submission_base_high_at.val();
        self.write_submission_entries.d.next =
            self.aw_address.val() == self.submission_entries_at.val();
        self.write_completion_base_low.d.next =
            self.aw_address.val() == self.completion_base_low_at.val();
        self.write_completion_base_high.d.next =
            self.aw_address.val() == self.completion_base_high_at.val();
        self.write_completion_entries.d.next =
            self.aw_address.val() == self.completion_entries_at.val();
        self.write_interrupt.d.next = self.aw_address.val() == self.interrupt_at.val();
        self.write_submission_doorbell.d.next =
            self.aw_address.val() == self.submission_doorbell_at.val();
        self.write_completion_doorbell.d.next =
            self.aw_address.val() == self.completion_doorbell_at.val();
        self.whole_word.d.next = self.w_strobe.val() == bits::<4>(15);
        self.write_value.d.next = self.w_data.val();
        self.write.next =
            (self.write_state.q.val() == WriteState::Write) && self.whole_word.q.val();
        // A command under way is finished with the rings that it began with.
        self.writable.next = self.write.val() && !self.enabled.q.val() && !self.processing.val();
        if self.write.val() && self.write_control.q.val() {
            self.enabled.d.next = self.write_value.q.val().get_bit(0);
            if self.write_value.q.val().get_bit(1) {
                self.reset_request.next = true;
                self.enabled.d.next = false;
            }
        }
        if self.writable.val() && self.write_submission_base_low.q.val() {
            self.submission_base_low.d.next = self.write_value.q.val();
        }
        if self.writable.val() && self.write_submission_base_high.q.val() {
            self.submission_base_high.d.next = self.write_value.q.val();
        }
        if self.writable.val() && self.write_submission_entries.q.val() {
            self.submission_size.d.next = self.write_value.q.val();
        }
        if self.writable.val() && self.write_completion_base_low.q.val() {
            self.completion_base_low.d.next = self.write_value.q.val();
        }
        if self.writable.val() && self.write_completion_base_high.q.val() {
            self.completion_base_high.d.next = self.write_value.q.val();
        }
        if self.writable.val() && self.write_completion_entries.q.val() {
            self.completion_size.d.next = self.write_value.q.val();
        }
        if self.writable.val() && self.write_interrupt.q.val() {
            self.interrupt.d.next = self.write_value.q.val() & self.interrupt_bits.val();
        }
        self.ring_submission.next = self.write.val() && self.write_submission_doorbell.q.val();
        self.ring_completion.next = self.write.val() && self.write_completion_doorbell.q.val();

        // Reads.
        self.ar_ready.next = self.read_state.q.val() == ReadState::Address;
        self.r_valid.next = self.read_state.q.val() == ReadState::Respond;
        self.r_data.next = self.read_value.q.val();
        for i in 0..I {
            self.read_identification[i].clock.next = self.clock.val();
            self.read_identification[i].d.next =
                self.read_address.q.val() == self.identification_at[i].val();
        }
        for i in 0..S {
            self.read_slot_state[i].clock.next = self.clock.val();
            self.read_slot_state[i].d.next =
                self.read_address.q.val() == self.slot_state_at[i].val();
            self.read_slot_version[i].clock.next = self.clock.val();
            self.read_slot_version[i].d.next =
                self.read_address.q.val() == self.slot_version_at[i].val();
            self.read_slot_program[i].clock.next = self.clock.val();
            self.read_slot_program[i].d.next =
                self.read_address.q.val() == self.slot_program_at[i].val();
            self.read_slot_parameters[i].clock.next = self.clock.val();
            self.read_slot_parameters[i].d.next =
                self.read_address.q.val() == self.slot_parameters_at[i].val();
            self.read_slot_weights[i].clock.next = self.clock.val();
            self.read_slot_weights[i].d.next =
                self.read_address.q.val() == self.slot_weights_at[i].val();
            self.read_slot_group_rows[i].clock.next = self.clock.val();
            self.read_slot_group_rows[i].d.next =
                self.read_address.q.val() == self.slot_group_rows_at[i].val();
        }
        self.read_control.d.next = self.read_address.q.val() == self.control_at.val();
        self.read_status.d.next = self.read_address.q.val() == self.status_at.val();
        self.read_submission_base_low.d.next =
            self.read_address.q.val() == self.submission_base_low_at.val();
        self.read_submission_base_high.d.next =
            self.read_address.q.val() == self.submission_base_high_at.val();
        self.read_submission_entries.d.next =
            self.read_address.q.val() == self.submission_entries_at.val();
        self.read_completion_base_low.d.next =
            self.read_address.q.val() == self.completion_base_low_at.val();
        self.read_completion_base_high.d.next =
            self.read_address.q.val() == self.completion_base_high_at.val();
        self.read_completion_entries.d.next =
            self.read_address.q.val() == self.completion_entries_at.val();
        self.read_interrupt.d.next = self.read_address.q.val() == self.interrupt_at.val();
        self.read_submission_head.d.next =
            self.read_address.q.val() == self.submission_head_at.val();
        self.read_completion_tail.d.next =
            self.read_address.q.val() == self.completion_tail_at.val();
        self.read_cycles_low.d.next = self.read_address.q.val() == self.cycles_low_at.val();
        self.read_cycles_high.d.next = self.read_address.q.val() == self.cycles_high_at.val();
        self.read_busy_low.d.next = self.read_address.q.val() == self.busy_low_at.val();
        self.read_busy_high.d.next = self.read_address.q.val() == self.busy_high_at.val();
        self.read_commands.d.next = self.read_address.q.val() == self.commands_at.val();
        self.read_errors.d.next = self.read_address.q.val() == self.errors_at.val();
        // One flag at most is set, so values are joined by OR.
        self.from_identification.next = bits::<32>(0);
        for i in 0..I {
            if self.read_identification[i].q.val() {
                self.from_identification.next =
                    self.from_identification.val() | self.identification[i].val();
            }
        }
        self.from_slots.next = bits::<32>(0);
        for i in 0..S {
            if self.read_slot_state[i].q.val() && self.slot_valid[i].val() {
                self.from_slots.next = self.from_slots.val() | bits::<32>(1);
            }
            if self.read_slot_version[i].q.val() {
                self.from_slots.next = self.from_slots.val() | self.slot_versions[i].val();
            }
            if self.read_slot_program[i].q.val() {
                self.from_slots.next = self.from_slots.val() | self.slot_programs[i].val();
            }
            if self.read_slot_parameters[i].q.val() {
                self.from_slots.next = self.from_slots.val() | self.slot_parameters[i].val();
            }
            if self.read_slot_weights[i].q.val() {
                self.from_slots.next = self.from_slots.val() | self.slot_weights[i].val();
            }
            if self.read_slot_group_rows[i].q.val() {
                self.from_slots.next = self.from_slots.val() | self.slot_group_rows[i].val();
            }
        }
        self.ready_bit.next = bits::<32>(0);
        if self.enabled.q.val() && !self.fatal.val() {
            self.ready_bit.next = bits::<32>(1);
        }
        self.fatal_bit.next = bits::<32>(0);
        if self.fatal.val() {
            self.fatal_bit.next =
                bits::<32>(2) | (bit_cast::<32, 8>(self.fatal_code.val()) << bits::<4>(8));
        }
        self.busy_bit.next = bits::<32>(0);
        if self.processing.val() {
            self.busy_bit.next = bits::<32>(4);
        }
        self.from_queue.next = bits::<32>(0);
        if self.read_control.q.val() && self.enabled.q.val() {
            self.from_queue.next = bits::<32>(1);
        }
        if self.read_control.q.val() && self.resetting.val() {
            self.from_queue.next = self.from_queue.val() | bits::<32>(2);
        }
        if self.read_status.q.val() {
            self.from_queue.next = self.from_queue.val()
                | self.ready_bit.val()
                | self.fatal_bit.val()
                | self.busy_bit.val();
        }
        if self.read_submission_base_low.q.val() {
            self.from_queue.next = self.from_queue.val() | self.submission_base_low.q.val();
        }
        if self.read_submission_base_high.q.val() {
            self.from_queue.next = self.from_queue.val() | self.submission_base_high.q.val();
        }
        if self.read_submission_entries.q.val() {
            self.from_queue.next = self.from_queue.val() | self.submission_size.q.val();
        }
        if self.read_completion_base_low.q.val() {
            self.from_queue.next = self.from_queue.val() | self.completion_base_low.q.val();
        }
        if self.read_completion_base_high.q.val() {
            self.from_queue.next = self.from_queue.val() | self.completion_base_high.q.val();
        }
        if self.read_completion_entries.q.val() {
            self.from_queue.next = self.from_queue.val() | self.completion_size.q.val();
        }
        if self.read_interrupt.q.val() {
            self.from_queue.next = self.from_queue.val() | self.interrupt.q.val();
        }
        if self.read_submission_head.q.val() {
            self.from_queue.next =
                self.from_queue.val() | bit_cast::<32, 16>(self.submission_head.val());
        }
        if self.read_completion_tail.q.val() {
            self.from_queue.next =
                self.from_queue.val() | bit_cast::<32, 16>(self.completion_tail.val());
        }
        self.from_counters.next = bits::<32>(0);
        if self.read_cycles_low.q.val() {
            self.from_counters.next =
                self.from_counters.val() | self.cycles.val().get_bits::<32>(0);
        }
        if self.read_cycles_high.q.val() {
            self.from_counters.next = self.from_counters.val() | self.cycles_high.q.val();
        }
        if self.read_busy_low.q.val() {
            self.from_counters.next =
                self.from_counters.val() | self.busy_cycles.val().get_bits::<32>(0);
        }
        if self.read_busy_high.q.val() {
            self.from_counters.next = self.from_counters.val() | self.busy_high.q.val();
        }
        if self.read_commands.q.val() {
            self.from_counters.next = self.from_counters.val() | self.commands.val();
        }
        if self.read_errors.q.val() {
            self.from_counters.next = self.from_counters.val() | self.errors.val();
        }
        self.identification_value.d.next = self.from_identification.val();
        self.slot_value.d.next = self.from_slots.val();
        self.queue_value.d.next = self.from_queue.val();
        self.counter_value.d.next = self.from_counters.val();
        match self.read_state.q.val() {
            ReadState::Idle => {
                if self.ar_valid.val() {
                    self.read_address.d.next = self.ar_address.val();
                    self.read_state.d.next = ReadState::Address;
                }
            }
            ReadState::Address => {
                self.read_state.d.next = ReadState::Match;
            }
            ReadState::Match => {
                // The low half takes a picture of the high one.
                if self.read_cycles_low.q.val() {
                    self.cycles_high.d.next = self.cycles.val().get_bits::<32>(32);
                }
                if self.read_busy_low.q.val() {
                    self.busy_high.d.next = self.busy_cycles.val().get_bits::<32>(32);
                }
                self.read_state.d.next = ReadState::Select;
            }
            ReadState::Select => {
                self.read_value.d.next = self.identification_value.q.val()
                    | self.slot_value.q.val()
                    | self.queue_value.q.val()
                    | self.counter_value.q.val();
                self.read_state.d.next = ReadState::Respond;
            }
            ReadState::Respond => {
                if self.r_ready.val() {
                    self.read_state.d.next = ReadState::Idle;
                }
            }
            _ => {
                self.read_state.d.next = ReadState::Idle;
            }
        }

        if self.reset.val() {
            self.enabled.d.next = false;
            self.submission_base_low.d.next = bits::<32>(0);
            self.submission_base_high.d.next = bits::<32>(0);
            self.submission_size.d.next = bits::<32>(0);
            self.completion_base_low.d.next = bits::<32>(0);
            self.completion_base_high.d.next = bits::<32>(0);
            self.completion_size.d.next = bits::<32>(0);
            self.interrupt.d.next = bits::<32>(0);
            self.cycles_high.d.next = bits::<32>(0);
            self.busy_high.d.next = bits::<32>(0);
        }
        if self.bus_reset.val() {
            self.write_state.d.next = WriteState::Idle;
            self.read_state.d.next = ReadState::Idle;
        }
    }
}
