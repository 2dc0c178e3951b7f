//! Outlet of a column: takes the correction from its sum, and makes up for the cycles that groups of
//! columns are apart, so that all sums of a vector leave the array together.

use std::collections::VecDeque;

use rust_hdl::prelude::*;

use crate::bits::{from_signed, to_signed};

/// The outlet for sums of `P` bits.
#[derive(LogicBlock, Default)]
pub struct Outlet<const P: usize> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Sum of the column.
    pub sum: Signal<In, Bits<P>>,
    /// Sum of the correction column for the same vector.
    pub correction: Signal<In, Bits<P>>,
    /// What the column's weights made of the vector.
    pub partial_sum: Signal<Out, Bits<P>>,
    _corrects: bool,
    _line: VecDeque<Bits<P>>,
}

impl<const P: usize> Outlet<P> {
    /// Subtracts the correction, which takes a cycle, or doesn't; then waits so many cycles.
    pub fn new(corrects: bool, waits: usize) -> Self {
        Self {
            _corrects: corrects,
            _line: vec![Bits::default(); waits + usize::from(corrects)].into(),
            ..Default::default()
        }
    }
}

impl<const P: usize> Logic for Outlet<P> {
    fn update(&mut self) {
        let mut sum = self.sum.val();
        if self._corrects {
            sum = from_signed(to_signed(sum) - to_signed(self.correction.val()));
        }
        if self.clock.pos_edge() {
            self._line.push_front(sum);
            self._line.pop_back();
        }
        self.partial_sum.next = self._line.back().copied().unwrap_or(sum);
    }

    fn connect(&mut self) {
        self.partial_sum.connect();
    }

    fn hdl(&self) -> Verilog {
        let entering = if self._corrects {
            "sum - correction"
        } else {
            "sum"
        };
        let stages = self._line.len();
        if stages == 0 {
            return Verilog::Custom(format!("always @(*) partial_sum = {entering};\n"));
        }
        let name = |stage: usize| {
            if stage + 1 == stages {
                "partial_sum".to_owned()
            } else {
                format!("stage{stage}")
            }
        };
        let mut declare = String::new();
        let mut shift = String::new();
        for stage in 0..stages {
            if stage + 1 < stages {
                declare += &format!("reg [{}:0] {};\n", P - 1, name(stage));
            }
            let from = match stage {
                0 => entering.to_owned(),
                _ => name(stage - 1),
            };
            shift += &format!("   {} <= {from};\n", name(stage));
        }
        Verilog::Custom(format!(
            "{declare}\nalways @(posedge clock) begin\n{shift}end\n"
        ))
    }
}
