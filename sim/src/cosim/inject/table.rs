//! Which faults to inject, and how many of each phase and kind have been.

use std::collections::BTreeMap;
use std::fmt;

use systole_regs::Configuration;

use super::{Kind, Malformation, Phase, Struck};

/// A fault without its seed.
#[derive(Clone, Copy, Debug)]
pub struct Injection {
    /// When it strikes.
    pub phase: Phase,
    /// What it is.
    pub kind: Kind,
    /// Of a malformed entry or instruction: what is wrong.
    pub malformation: Option<Malformation>,
}

/// Every phase with every kind that is possible in it; malformed entries and instructions one for
/// each thing that can be wrong with them.
pub fn injections(configuration: &Configuration) -> Vec<Injection> {
    let mut all = Vec::new();
    for phase in Phase::ALL {
        for kind in Kind::ALL {
            if kind != Kind::Malformed && kind.is_possible_in(phase, configuration) {
                all.push(Injection {
                    phase,
                    kind,
                    malformation: None,
                });
            }
        }
    }
    all.extend(Malformation::all().into_iter().map(|malformation| {
        let phase = match malformation {
            Malformation::Entry(_) => Phase::Entry,
            _ => Phase::Instruction,
        };
        Injection {
            phase,
            kind: Kind::Malformed,
            malformation: Some(malformation),
        }
    }));
    all
}

/// Counts of faults by phase and kind.
#[derive(Clone, Debug)]
pub struct Table {
    configuration: Configuration,
    counts: BTreeMap<(Phase, Kind), u32>,
    outstanding: u32,
}

impl Table {
    /// No faults yet.
    pub fn new(configuration: Configuration) -> Self {
        Table {
            configuration,
            counts: BTreeMap::new(),
            outstanding: 0,
        }
    }

    /// Counts a fault.
    pub fn count(&mut self, injection: &Injection, struck: &Struck) {
        *self
            .counts
            .entry((injection.phase, injection.kind))
            .or_default() += 1;
        self.outstanding += u32::from(struck.outstanding > 0);
    }

    /// Faults in all.
    pub fn total(&self) -> u32 {
        self.counts.values().sum()
    }

    /// Resets that came while bursts were outstanding.
    pub fn outstanding(&self) -> u32 {
        self.outstanding
    }

    /// Phases and kinds that are possible together but have come less often than that.
    pub fn missing(&self, least: u32) -> Vec<(Phase, Kind)> {
        let cells = Phase::ALL
            .into_iter()
            .flat_map(|phase| Kind::ALL.map(|kind| (phase, kind)));
        cells
            .filter(|(phase, kind)| kind.is_possible_in(*phase, &self.configuration))
            .filter(|cell| self.counts.get(cell).copied().unwrap_or(0) < least)
            .collect()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:15}", "")?;
        for kind in Kind::ALL {
            write!(f, "{:>15}", format!("{kind:?}"))?;
        }
        writeln!(f)?;
        for phase in Phase::ALL {
            write!(f, "{:15}", format!("{phase:?}"))?;
            for kind in Kind::ALL {
                let count = match self.counts.get(&(phase, kind)) {
                    Some(count) => count.to_string(),
                    None if kind.is_possible_in(phase, &self.configuration) => "0".into(),
                    None => "-".into(),
                };
                write!(f, "{count:>15}")?;
            }
            writeln!(f)?;
        }
        write!(
            f,
            "{} faults, {} resets with bursts outstanding",
            self.total(),
            self.outstanding
        )
    }
}
