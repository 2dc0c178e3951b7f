//! The profile as a table for people.

use std::fmt::{Display, Formatter, Result};

use super::{Cause, Cost, LayerProfile, Profile};

/// Characters of a layer's name.
const NAME: usize = 34;

impl Display for Profile {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let rows = if self.rows == 1 { "row" } else { "rows" };
        writeln!(
            f,
            "{} on {}: {} {rows} in {} cycles, {:.1} us at the stated {:.1} MHz",
            self.model,
            self.target,
            self.rows,
            self.cycles,
            self.cycles as f64 * 1e3 / f64::from(self.clock_khz),
            f64::from(self.clock_khz) / 1e3
        )?;
        write!(
            f,
            "\n{:NAME$} {:>8} {:>6} {:>11} {:>6}",
            "layer", "cycles", "share", "MACs", "util"
        )?;
        for cause in Cause::ALL {
            write!(f, " {:>10}", cause.name())?;
        }
        writeln!(f)?;
        for layer in &self.layers {
            self.line(f, layer)?;
        }
        self.line(
            f,
            &LayerProfile {
                name: "all".to_owned(),
                macs: self.macs(),
                cost: self.total(),
            },
        )?;
        self.counters(f)?;
        writeln!(
            f,
            "\nCycles are the device's own. util: MACs / (cycles x {} multipliers). vectors: a vector was \
             read;\nthe other columns are lost cycles by cause, those before a computation counted with it.",
            self.elements
        )
    }
}

impl Profile {
    fn line(&self, f: &mut Formatter<'_>, layer: &LayerProfile) -> Result {
        let cycles = layer.cost.cycles();
        write!(
            f,
            "{:NAME$} {cycles:8} {:5.1}% {:11} {:6.3}",
            Name(&layer.name).to_string(),
            100.0 * cycles as f64 / self.cycles.max(1) as f64,
            layer.macs,
            self.utilization(layer.macs, cycles)
        )?;
        for cause in Cause::ALL {
            write!(f, " {:10}", layer.cost[cause])?;
        }
        writeln!(f)
    }

    /// The same sums as the device counted them, to compare.
    fn counters(&self, f: &mut Formatter<'_>) -> Result {
        let counted = self.counted();
        write!(
            f,
            "{:NAME$} {:8} {:33}",
            "device's counters",
            counted.cycles(),
            ""
        )?;
        for cause in Cause::ALL {
            write!(f, " {:10}", counted[cause])?;
        }
        writeln!(f)
    }

    /// Cycles by cause as the device's counters have them, until the statistics were written.
    pub fn counted(&self) -> Cost {
        let statistics = &self.statistics;
        let mut cost = Cost::default();
        for (cause, cycles) in [
            (Cause::Vector, statistics.vectors),
            (Cause::Vector, statistics.depthwise_vectors),
            (Cause::Requantize, statistics.stall_requantize),
            (Cause::Prepare, statistics.stall_prepare),
            (Cause::Drain, statistics.stall_drain),
            (Cause::DmaRead, statistics.stall_dma_read),
            (Cause::DmaWrite, statistics.stall_dma_write),
            (Cause::Control, statistics.stall_control),
        ] {
            cost[cause] += u64::from(cycles);
        }
        cost
    }
}

/// A name that is cut at its front if it is too long: importers put the specific part last.
struct Name<'a>(&'a str);

impl Display for Name<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let count = self.0.chars().count();
        if count <= NAME {
            return f.write_str(self.0);
        }
        let end: String = self.0.chars().skip(count - (NAME - 2)).collect();
        write!(f, "..{end}")
    }
}
