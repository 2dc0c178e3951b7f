//! What criterion has measured: the inner parts, by `cargo bench`. Its estimates are read from the
//! files that it leaves.
//!
//! ```text
//!  target/criterion/<group>/<function>/.../new/benchmark.json    what was measured
//!                                              estimates.json    how long it takes, in nanoseconds
//! ```

use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::report::Kind;

/// Folders within each other, at most.
const DEPTH_MAX: usize = 8;

/// Folder of the newest results of a benchmark.
const NEWEST: &str = "new";

/// Why there are no estimates.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CriterionError {
    /// The folder is missing, or nothing is in it.
    #[error(
        "there are no results of criterion in {}: run `cargo bench -p systole-host` first, which leaves \
         them in target/criterion",
        folder.display()
    )]
    Nothing {
        /// The folder.
        folder: PathBuf,
    },
    /// A file is no result.
    #[error("cannot read {}: {reason}; remove it, and run `cargo bench` again", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        reason: String,
    },
}

/// How long one inner part takes.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Estimate {
    /// Group, function and parameter.
    pub name: String,
    /// Always [`Kind::Measured`].
    pub kind: Kind,
    /// Time of an iteration: the slope over samples, or their mean; in nanoseconds.
    pub estimate_ns: f64,
    /// Ends of the interval in which the true value lies with `confidence`; in nanoseconds.
    pub interval_ns: [f64; 2],
    /// Probability.
    pub confidence: f64,
    /// Elements or bytes in a second, if the benchmark counts them.
    pub per_second: Option<f64>,
    /// What is counted.
    pub unit: Option<&'static str>,
}

#[derive(Deserialize)]
struct Benchmark {
    full_id: String,
    throughput: Option<Throughput>,
}

#[derive(Deserialize)]
enum Throughput {
    Bytes(u64),
    BytesDecimal(u64),
    Elements(u64),
    #[serde(untagged)]
    Other {},
}

#[derive(Deserialize)]
struct Estimates {
    mean: Value,
    /// Only where iterations of different numbers were timed.
    slope: Option<Value>,
}

#[derive(Deserialize)]
struct Value {
    point_estimate: f64,
    confidence_interval: Interval,
}

#[derive(Deserialize)]
struct Interval {
    confidence_level: f64,
    lower_bound: f64,
    upper_bound: f64,
}

/// All results in a folder, by name.
///
/// # Errors
/// If there are none, or a file can't be read.
pub(crate) fn estimates(folder: &Path) -> Result<Vec<Estimate>, CriterionError> {
    let mut results = Vec::new();
    find(folder, DEPTH_MAX, &mut results);
    let mut estimates = results
        .iter()
        .map(|result| estimate(result))
        .collect::<Result<Vec<_>, _>>()?;
    if estimates.is_empty() {
        return Err(CriterionError::Nothing {
            folder: folder.to_owned(),
        });
    }
    estimates.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(estimates)
}

/// Folders of newest results below `folder`.
fn find(folder: &Path, depth: usize, results: &mut Vec<PathBuf>) {
    let Some(depth) = depth.checked_sub(1) else {
        return;
    };
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        // Not through links, which may lead back.
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let path = entry.path();
        if entry.file_name() == NEWEST && path.join("estimates.json").exists() {
            results.push(path);
        } else {
            find(&path, depth, results);
        }
    }
}

fn estimate(result: &Path) -> Result<Estimate, CriterionError> {
    let Benchmark {
        full_id,
        throughput,
    } = parse(&result.join("benchmark.json"))?;
    let Estimates { mean, slope } = parse(&result.join("estimates.json"))?;
    let value = slope.unwrap_or(mean);
    let counted = match throughput {
        Some(Throughput::Bytes(count) | Throughput::BytesDecimal(count)) => Some((count, "bytes")),
        Some(Throughput::Elements(count)) => Some((count, "elements")),
        Some(Throughput::Other {}) | None => None,
    };
    let seconds = value.point_estimate / 1e9;
    Ok(Estimate {
        name: full_id,
        kind: Kind::Measured,
        estimate_ns: value.point_estimate,
        interval_ns: [
            value.confidence_interval.lower_bound,
            value.confidence_interval.upper_bound,
        ],
        confidence: value.confidence_interval.confidence_level,
        per_second: counted.map(|(count, _)| count as f64 / seconds),
        unit: counted.map(|(_, unit)| unit),
    })
}

fn parse<T: DeserializeOwned>(path: &Path) -> Result<T, CriterionError> {
    let error = |reason: String| CriterionError::File {
        path: path.to_owned(),
        reason,
    };
    let text = fs::read_to_string(path).map_err(|cause| error(cause.to_string()))?;
    serde_json::from_str(&text).map_err(|cause| error(cause.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUE: &str = r#"{"confidence_interval":{"confidence_level":0.95,"lower_bound":90.0,
        "upper_bound":110.0},"point_estimate":100.0,"standard_error":1.0}"#;

    fn write(folder: &Path, name: &str, benchmark: &str, estimates: &str) {
        let folder = folder.join(name).join(NEWEST);
        fs::create_dir_all(&folder).expect("temporary folders can be made");
        fs::write(folder.join("benchmark.json"), benchmark).expect("files can be written");
        fs::write(folder.join("estimates.json"), estimates).expect("files can be written");
    }

    #[test]
    fn results_are_found_wherever_they_are() {
        let folder = tempfile::tempdir().expect("temporary folders can be made");
        let mean = format!(r#"{{"mean":{VALUE},"median":{VALUE},"slope":null}}"#);
        write(
            folder.path(),
            "layers/128x8/1",
            r#"{"full_id":"layers/128x8/1","throughput":{"Elements":1000}}"#,
            &mean,
        );
        let slope = VALUE.replace("100.0", "50.0");
        write(
            folder.path(),
            "load",
            r#"{"full_id":"load","throughput":null}"#,
            &format!(r#"{{"mean":{VALUE},"slope":{slope}}}"#),
        );
        write(
            folder.path(),
            "a",
            r#"{"full_id":"a","throughput":{"Bits":8}}"#,
            &mean,
        );
        // An older result.
        fs::create_dir_all(folder.path().join("load/base")).expect("folders can be made");
        let estimates = estimates(folder.path()).expect("they can be read");
        let names: Vec<_> = estimates.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["a", "layers/128x8/1", "load"]);
        let [unknown, layer, load] = &estimates[..] else {
            panic!("{estimates:?}");
        };
        assert_eq!(unknown.unit, None);
        assert_eq!(
            (layer.estimate_ns, layer.interval_ns),
            (100.0, [90.0, 110.0])
        );
        assert_eq!(layer.unit, Some("elements"));
        assert!((layer.per_second.expect("it is counted") / 1e10 - 1.0).abs() < 1e-9);
        assert_eq!((load.estimate_ns, load.per_second), (50.0, None));
    }

    #[test]
    fn where_there_is_nothing_the_error_says_what_to_run() {
        let folder = tempfile::tempdir().expect("temporary folders can be made");
        for folder in [folder.path().to_owned(), folder.path().join("none")] {
            let error = estimates(&folder).expect_err("there is nothing");
            assert!(error.to_string().contains("cargo bench"), "{error}");
        }
        write(folder.path(), "load", r#"{"full_id":"load"}"#, "nonsense");
        let error = estimates(folder.path()).expect_err("it is no result");
        assert!(error.to_string().contains("estimates.json"), "{error}");
    }
}
