//! Runs the bodies of the fuzz targets without a fuzzer: on the committed corpora, on these with bytes
//! changed, and on bytes at random.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use proptest::collection::vec;
use proptest::prelude::*;
use systole_driver_fuzz::{TARGETS, completions, config_space};

/// Longest input at random.
const BYTES_MAX: usize = 400;

/// Cases of each test at random: a few seconds without optimization.
const CASES: u32 = 3000;

/// The files of a target's corpus, in order.
fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("the folder can be read").path())
        .map(|path| {
            let data = fs::read(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
            (path, data)
        })
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{folder:?} is empty");
    files
}

/// An input of a corpus with a few bytes changed, and perhaps cut short.
fn changed(files: &'static [(PathBuf, Vec<u8>)]) -> impl Strategy<Value = Vec<u8>> {
    let changes = vec((any::<prop::sample::Index>(), any::<u8>()), 0..6);
    let cut = prop::option::weighted(0.2, any::<prop::sample::Index>());
    (prop::sample::select(files), changes, cut).prop_map(|((_, mut data), changes, cut)| {
        if !data.is_empty() {
            for (at, byte) in changes {
                let at = at.index(data.len());
                data[at] = byte;
            }
            if let Some(cut) = cut {
                data.truncate(cut.index(data.len()));
            }
        }
        data
    })
}

static FUNCTIONS: LazyLock<Vec<(PathBuf, Vec<u8>)>> = LazyLock::new(|| corpus("config_space"));
static STEPS: LazyLock<Vec<(PathBuf, Vec<u8>)>> = LazyLock::new(|| corpus("completions"));

#[test]
fn every_input_of_the_corpora_passes() {
    for (target, body) in TARGETS {
        for (path, data) in corpus(target) {
            // Shown only if it fails, and then the last one is to blame.
            println!("{}", path.display());
            body(&data);
        }
    }
}

#[test]
fn a_device_without_faults_passes() {
    for (_, body) in TARGETS {
        body(&[]);
        body(&[0; 64]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    #[test]
    fn functions_at_random_pass(data in vec(any::<u8>(), 0..BYTES_MAX)) {
        config_space(&data);
    }

    #[test]
    fn functions_of_the_corpus_pass_with_other_bytes(data in changed(&FUNCTIONS)) {
        config_space(&data);
    }

    #[test]
    fn completions_at_random_pass(data in vec(any::<u8>(), 0..BYTES_MAX)) {
        completions(&data);
    }

    #[test]
    fn completions_of_the_corpus_pass_with_other_bytes(data in changed(&STEPS)) {
        completions(&data);
    }
}
