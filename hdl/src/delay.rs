//! A shift register: what goes in comes out some cycles later. Skews vectors into the array
//! and carries flags alongside a pipeline.

use std::collections::VecDeque;

use rust_hdl::prelude::*;

/// Lets a value of a simulation half wait for some cycles; `nothing` is what was there at first.
pub(crate) fn delayed<T: Clone>(line: &mut VecDeque<T>, cycles: usize, nothing: T, entry: T) -> T {
    line.resize(cycles, nothing.clone());
    line.push_back(entry);
    line.pop_front().unwrap_or(nothing)
}

/// Delays `N` bits by a number of cycles that is fixed when the block is made.
#[derive(LogicBlock, Default)]
pub struct Delay<const N: usize> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// What goes in.
    pub entry: Signal<In, Bits<N>>,
    /// What went in `cycles` ago; zero at first.
    pub delayed: Signal<Out, Bits<N>>,
    _line: VecDeque<Bits<N>>,
}

impl<const N: usize> Delay<N> {
    /// A delay of this many cycles; with none it is wires.
    pub fn new(cycles: usize) -> Self {
        Self {
            _line: vec![Bits::default(); cycles].into(),
            ..Default::default()
        }
    }
}

impl<const N: usize> Logic for Delay<N> {
    fn update(&mut self) {
        if self._line.is_empty() {
            self.delayed.next = self.entry.val();
        } else if self.clock.pos_edge() {
            self._line.push_back(self.entry.val());
            self._line.pop_front();
        }
        if let Some(&oldest) = self._line.front() {
            self.delayed.next = oldest;
        }
    }

    fn connect(&mut self) {
        self.delayed.connect();
    }

    fn hdl(&self) -> Verilog {
        let Some(stages) = self._line.len().checked_sub(1) else {
            return Verilog::Custom("always @(*) delayed = entry;\n".into());
        };
        let range = format!("[{}:0]", N - 1);
        let mut declare = String::new();
        let mut clear = format!("   delayed = {N}'d0;\n");
        let mut shift = String::new();
        let mut previous = "entry".to_owned();
        for stage in 0..stages {
            declare += &format!("reg {range} stage{stage};\n");
            clear += &format!("   stage{stage} = {N}'d0;\n");
            shift += &format!("   stage{stage} <= {previous};\n");
            previous = format!("stage{stage}");
        }
        shift += &format!("   delayed <= {previous};\n");
        Verilog::Custom(format!(
            "{declare}\ninitial begin\n{clear}end\n\nalways @(posedge clock) begin\n{shift}end\n"
        ))
    }
}
