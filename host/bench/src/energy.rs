//! Energy that the machine says it has used: counters of the processor's packages, which the kernel
//! shows as files (RAPL; AMD's processors have it, too).
//!
//! ```text
//!  /sys/class/powercap/intel-rapl:0/name                  package-0
//!                                   energy_uj             counts up ----+
//!                                   max_energy_range_uj   ... to this,  |  and begins at 0 again
//!                                                                       v
//!  read -- a contender's turn -- read       the difference is what the whole package used meanwhile
//! ```

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::report::Energy;

/// Where the kernel has the counters.
pub(crate) const POWERCAP: &str = "/sys/class/powercap";

/// Beginning of the folders of RAPL's domains. Parts of a package have a second colon.
const PREFIX: &str = "intel-rapl:";

/// Why there are no figures of energy.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EnergyError {
    #[error(
        "the machine reports no energy: there are no counters of a processor package (intel-rapl:*) in {}",
        folder.display()
    )]
    Absent { folder: PathBuf },
    #[error("cannot read {}: only root may; run as root, or let a group read it", path.display())]
    Forbidden { path: PathBuf },
    #[error("cannot read {}: {reason}", path.display())]
    Unreadable { path: PathBuf, reason: String },
}

/// The counter of one package.
#[derive(Debug)]
struct Package {
    name: String,
    counter: PathBuf,
    /// The greatest value, in microjoules.
    range: u64,
}

/// The counters of all packages.
#[derive(Debug)]
pub(crate) struct Meter {
    packages: Vec<Package>,
}

impl Meter {
    /// The packages below a folder like [`POWERCAP`], each of which can be read.
    pub(crate) fn open(folder: &Path) -> Result<Meter, EnergyError> {
        let mut packages = Vec::new();
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let file_name = entry.file_name();
            let Some(number) = file_name
                .to_str()
                .and_then(|name| name.strip_prefix(PREFIX))
            else {
                continue;
            };
            if number.contains(':') {
                continue;
            }
            let name = text(&entry.path().join("name"))?;
            // Others are the whole board, which contains the packages.
            if name.starts_with("package") {
                packages.push(Package {
                    name,
                    counter: entry.path().join("energy_uj"),
                    range: number_in(&entry.path().join("max_energy_range_uj"))?,
                });
            }
        }
        if packages.is_empty() {
            return Err(EnergyError::Absent {
                folder: folder.to_owned(),
            });
        }
        packages.sort_by(|one, other| one.name.cmp(&other.name));
        let meter = Meter { packages };
        meter.read()?;
        Ok(meter)
    }

    /// Names of the packages.
    pub(crate) fn names(&self) -> Vec<String> {
        let packages = self.packages.iter();
        packages.map(|package| package.name.clone()).collect()
    }

    /// The counters, in microjoules.
    fn read(&self) -> Result<Vec<u64>, EnergyError> {
        let packages = self.packages.iter();
        packages
            .map(|package| number_in(&package.counter))
            .collect()
    }

    /// Joules between two readings, of which each counter may have begun anew once in between.
    fn joules(&self, before: &[u64], after: &[u64]) -> f64 {
        let packages = self.packages.iter().zip(before.iter().zip(after));
        let microjoules: u64 = packages
            .map(
                |(package, (&before, &after))| match after.checked_sub(before) {
                    Some(difference) => difference,
                    None => after + package.range.saturating_sub(before),
                },
            )
            .sum();
        microjoules as f64 / 1e6
    }
}

fn text(path: &Path) -> Result<String, EnergyError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(text.trim().to_owned()),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Err(EnergyError::Forbidden {
            path: path.to_owned(),
        }),
        Err(error) => Err(EnergyError::Unreadable {
            path: path.to_owned(),
            reason: error.to_string(),
        }),
    }
}

fn number_in(path: &Path) -> Result<u64, EnergyError> {
    let text = text(path)?;
    text.parse().map_err(|_| EnergyError::Unreadable {
        path: path.to_owned(),
        reason: format!("{text:?} is no number"),
    })
}

/// What the turns of one contender have used. A reading that fails makes it unknown.
#[derive(Debug)]
pub(crate) struct Account<'m> {
    meter: Option<&'m Meter>,
    joules: f64,
    time: Duration,
}

impl<'m> Account<'m> {
    pub(crate) fn new(meter: Option<&'m Meter>) -> Account<'m> {
        Account {
            meter,
            joules: 0.0,
            time: Duration::ZERO,
        }
    }

    /// Does some work, and adds what it uses.
    pub(crate) fn around<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let Some(meter) = self.meter else {
            return work();
        };
        let before = meter.read();
        let begin = Instant::now();
        let result = work();
        self.time += begin.elapsed();
        match (before, meter.read()) {
            (Ok(before), Ok(after)) => self.joules += meter.joules(&before, &after),
            _ => self.meter = None,
        }
        result
    }

    /// The sum, if it is known, for this many rows.
    pub(crate) fn energy(&self, rows: usize) -> Option<Energy> {
        self.meter?;
        let seconds = self.time.as_secs_f64();
        (rows > 0 && seconds > 0.0).then(|| Energy {
            joules: self.joules,
            seconds,
            joules_per_1000_rows: self.joules * 1e3 / rows as f64,
            watts: self.joules / seconds,
        })
    }
}

#[cfg(test)]
mod tests;
