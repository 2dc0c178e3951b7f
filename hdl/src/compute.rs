//! Matrix unit: issue, weight memory, array, accumulators, drain and requantization, wired up.
//!
//! ```text
//!  issue --address--> (scratchpad) --vector--> array --> accumulators --> requantize --> results
//!    |  \--tile--> weight memory --weights-----^             ^   ^            ^
//!    +--load, first, last, row (delayed)---------------------+   |            |
//!                                              drain --drain_row-+--select----+-- write_address
//! ```

use rust_hdl::prelude::*;
use systole_regs::Configuration;

use crate::array::systolic::{SystolicArray, sum_latency};
use crate::control::issue::MatrixIssue;
use crate::delay::Delay;
use crate::memory::accumulators::Accumulators;
use crate::memory::parameters::ParameterMemory;
use crate::memory::weights::WeightMemory;
use crate::requantize::drain::Drain;
use crate::requantize::unit::RequantizeUnit;

/// Cycles from an address to the scratchpad's vector.
const VECTOR_LATENCY: usize = 2;

/// Matrix unit for `R` x `C` = `RC` elements and `Q` lanes. `RW`, `CW`, `QW` are 8 times these,
/// `P` the bits of a partial sum, `AW` = C x 32, `QA` = Q x 32, `QP` = Q x 72.
#[derive(LogicBlock)]
pub struct MatrixUnit<
    const R: usize,
    const C: usize,
    const RC: usize,
    const Q: usize,
    const RW: usize,
    const CW: usize,
    const QW: usize,
    const P: usize,
    const AW: usize,
    const QA: usize,
    const QP: usize,
> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Stops everything; must last longer than the pipelines.
    pub reset: Signal<In, Bit>,
    /// Begins an instruction; the operands below stay constant until it has ended.
    pub start: Signal<In, Bit>,
    /// Rows of the group.
    pub rows: Signal<In, Bits<16>>,
    /// Rows that share a weight tile.
    pub block_rows: Signal<In, Bits<16>>,
    /// Column tiles.
    pub column_tiles: Signal<In, Bits<16>>,
    /// Input tiles.
    pub input_tiles: Signal<In, Bits<16>>,
    /// Scratchpad address of the first input row.
    pub input_address: Signal<In, Bits<32>>,
    /// Bytes from input row to input row.
    pub input_stride: Signal<In, Bits<32>>,
    /// Scratchpad address of the first output row.
    pub output_address: Signal<In, Bits<32>>,
    /// Bytes from output row to output row.
    pub output_stride: Signal<In, Bits<32>>,
    /// First weight tile.
    pub first_tile: Signal<In, Bits<16>>,
    /// First parameter entry.
    pub first_parameter: Signal<In, Bits<32>>,
    /// Two roundings instead of one.
    pub double_rounding: Signal<In, Bit>,
    /// Zero point of the output.
    pub zero_point: Signal<In, Bits<8>>,
    /// Least output.
    pub minimum: Signal<In, Bits<8>>,
    /// Greatest output.
    pub maximum: Signal<In, Bits<8>>,
    /// Address for the scratchpad to read.
    pub vector_address: Signal<Out, Bits<32>>,
    /// What was there two cycles ago.
    pub vector: Signal<In, Bits<RW>>,
    /// Results are to be written.
    pub result_valid: Signal<Out, Bit>,
    /// Where in the scratchpad.
    pub result_address: Signal<Out, Bits<32>>,
    /// The results.
    pub result: Signal<Out, Bits<QW>>,
    /// An instruction is under way.
    pub busy: Signal<Out, Bit>,
    /// All its vectors have been issued.
    pub issued: Signal<Out, Bit>,
    /// A vector is issued.
    pub vector_valid: Signal<Out, Bit>,
    /// A vector waits for accumulators.
    pub stalled: Signal<Out, Bit>,
    /// Writes a beat of weights.
    pub weight_valid: Signal<In, Bit>,
    /// Its tile.
    pub weight_tile: Signal<In, Bits<16>>,
    /// Its place in the tile.
    pub weight_beat: Signal<In, Bits<16>>,
    /// Writes a beat of parameters.
    pub parameter_valid: Signal<In, Bit>,
    /// Its number in the parameter memory.
    pub parameter_beat: Signal<In, Bits<32>>,
    /// The beat of weights or parameters.
    pub beat: Signal<In, Bits<64>>,
    issue: MatrixIssue,
    weights: WeightMemory<R, CW>,
    array: SystolicArray<R, C, RC, RW, CW, P>,
    accumulators: Accumulators<C, P, AW>,
    drain: Drain,
    parameters: ParameterMemory<Q, QP>,
    requantize: RequantizeUnit<Q, AW, QA, QP, QW>,
    load: Delay<1>,
    sum_valid: Delay<1>,
    sum_first: Delay<1>,
    sum_last: Delay<1>,
    sum_row: Delay<16>,
}

impl<
    const R: usize,
    const C: usize,
    const RC: usize,
    const Q: usize,
    const RW: usize,
    const CW: usize,
    const QW: usize,
    const P: usize,
    const AW: usize,
    const QA: usize,
    const QP: usize,
> MatrixUnit<R, C, RC, Q, RW, CW, QW, P, AW, QA, QP>
{
    /// For an accelerator of these dimensions, which the constants must repeat.
    pub fn new(configuration: &Configuration) -> Self {
        assert_eq!(
            (R, C, Q),
            (
                configuration.rows,
                configuration.columns,
                configuration.requantize_lanes
            )
        );
        assert_eq!(P, configuration.partial_sum_bits());
        Self {
            clock: Default::default(),
            reset: Default::default(),
            start: Default::default(),
            rows: Default::default(),
            block_rows: Default::default(),
            column_tiles: Default::default(),
            input_tiles: Default::default(),
            input_address: Default::default(),
            input_stride: Default::default(),
            output_address: Default::default(),
            output_stride: Default::default(),
            first_tile: Default::default(),
            first_parameter: Default::default(),
            double_rounding: Default::default(),
            zero_point: Default::default(),
            minimum: Default::default(),
            maximum: Default::default(),
            vector_address: Default::default(),
            vector: Default::default(),
            result_valid: Default::default(),
            result_address: Default::default(),
            result: Default::default(),
            busy: Default::default(),
            issued: Default::default(),
            vector_valid: Default::default(),
            stalled: Default::default(),
            weight_valid: Default::default(),
            weight_tile: Default::default(),
            weight_beat: Default::default(),
            parameter_valid: Default::default(),
            parameter_beat: Default::default(),
            beat: Default::default(),
            issue: MatrixIssue::new(R, configuration.accumulator_rows),
            weights: WeightMemory::new(configuration.weight_tiles),
            array: SystolicArray::new(),
            accumulators: Accumulators::new(configuration.accumulator_rows),
            drain: Drain::new(C, Q),
            parameters: ParameterMemory::new(configuration.parameter_entries),
            requantize: RequantizeUnit::default(),
            load: Delay::new(VECTOR_LATENCY),
            sum_valid: Delay::new(sum_latency(R) - 1),
            sum_first: Delay::new(sum_latency(R) - 1),
            sum_last: Delay::new(sum_latency(R) - 1),
            sum_row: Delay::new(sum_latency(R) - 1),
        }
    }
}

impl<
    const R: usize,
    const C: usize,
    const RC: usize,
    const Q: usize,
    const RW: usize,
    const CW: usize,
    const QW: usize,
    const P: usize,
    const AW: usize,
    const QA: usize,
    const QP: usize,
> Logic for MatrixUnit<R, C, RC, Q, RW, CW, QW, P, AW, QA, QP>
{
    #[hdl_gen]
    fn update(&mut self) {
        clock!(
            self,
            clock,
            issue,
            weights,
            array,
            accumulators,
            drain,
            parameters,
            requantize,
            load,
            sum_valid,
            sum_first,
            sum_last,
            sum_row
        );
        self.issue.reset.next = self.reset.val();
        self.issue.start.next = self.start.val();
        self.issue.rows.next = self.rows.val();
        self.issue.block_rows.next = self.block_rows.val();
        self.issue.column_tiles.next = self.column_tiles.val();
        self.issue.input_tiles.next = self.input_tiles.val();
        self.issue.input_address.next = self.input_address.val();
        self.issue.input_stride.next = self.input_stride.val();
        self.issue.first_tile.next = self.first_tile.val();
        self.issue.freed.next = self.drain.freed.val();

        self.vector_address.next = self.issue.address.val();
        self.vector_valid.next = self.issue.valid.val() == bits::<1>(1);
        self.stalled.next = self.issue.stalled.val();
        self.weights.read_tile.next = self.issue.tile.val();
        self.weights.write_valid.next = self.weight_valid.val();
        self.weights.write_tile.next = self.weight_tile.val();
        self.weights.write_beat.next = self.weight_beat.val();
        self.weights.write_data.next = self.beat.val();
        self.load.entry.next = self.issue.load.val();
        self.array.vector.next = self.vector.val();
        self.array.load.next = self.load.delayed.val();
        for i in 0..R {
            self.array.weights[i].next = self.weights.weights[i].val();
        }

        self.sum_valid.entry.next = self.issue.valid.val();
        self.sum_first.entry.next = self.issue.first.val();
        self.sum_last.entry.next = self.issue.last.val();
        self.sum_row.entry.next = self.issue.row.val();
        self.accumulators.valid.next = self.sum_valid.delayed.val() == bits::<1>(1);
        self.accumulators.first.next = self.sum_first.delayed.val() == bits::<1>(1);
        self.accumulators.last.next = self.sum_last.delayed.val() == bits::<1>(1);
        self.accumulators.row.next = self.sum_row.delayed.val();
        for j in 0..C {
            self.accumulators.partial_sums[j].next = self.array.partial_sums[j].val();
        }

        self.drain.reset.next = self.reset.val();
        self.drain.start.next = self.start.val();
        self.drain.rows.next = self.rows.val();
        self.drain.column_tiles.next = self.column_tiles.val();
        self.drain.output_address.next = self.output_address.val();
        self.drain.output_stride.next = self.output_stride.val();
        self.drain.first_parameter.next = self.first_parameter.val();
        self.drain.complete.next = self.accumulators.complete.val();
        self.accumulators.drain_row.next = self.drain.drain_row.val();
        self.parameters.write_valid.next = self.parameter_valid.val();
        self.parameters.write_beat.next = self.parameter_beat.val();
        self.parameters.write_data.next = self.beat.val();
        self.parameters.read_entry.next = self.drain.parameter_entry.val();
        self.requantize.sums.next = self.accumulators.sums.val();
        self.requantize.select.next = self.drain.select.val();
        self.requantize.parameters.next = self.parameters.entries.val();
        self.requantize.double_rounding.next = self.double_rounding.val();
        self.requantize.zero_point.next = self.zero_point.val();
        self.requantize.minimum.next = self.minimum.val();
        self.requantize.maximum.next = self.maximum.val();

        self.result_valid.next = self.drain.write_valid.val() == bits::<1>(1);
        self.result_address.next = self.drain.write_address.val();
        self.result.next = self.requantize.results.val();
        self.busy.next = self.drain.busy.val();
        self.issued.next = !self.issue.active.val();
    }
}
