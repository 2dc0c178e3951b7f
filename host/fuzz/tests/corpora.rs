//! Runs the bodies of the fuzz targets without a fuzzer: on the committed corpora, on these with bytes
//! changed, and on bytes at random.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use systole_host_fuzz::{Body, TARGETS, onnx, tflite};

/// Longest input at random.
const BYTES_MAX: usize = 600;

/// Cases of each test at random: a few seconds without optimization.
const CASES: u32 = 1000;

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

/// Bytes that both targets take as choices.
fn choices() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 1..BYTES_MAX).prop_map(|mut data| {
        data[0] = 0xff;
        data
    })
}

static TFLITE: LazyLock<Vec<(PathBuf, Vec<u8>)>> = LazyLock::new(|| corpus("tflite"));
static ONNX: LazyLock<Vec<(PathBuf, Vec<u8>)>> = LazyLock::new(|| corpus("onnx"));

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

/// A fuzzer whose models are all refused would test nothing behind the parser.
#[test]
fn models_that_are_made_up_are_often_networks() {
    const MODELS: usize = 500;
    let often = |body: Body| {
        let mut runner = TestRunner::deterministic();
        let data = (0..MODELS).map(|_| choices().new_tree(&mut runner).expect("bytes").current());
        data.filter(|data| body(data)).count()
    };
    for (target, body) in TARGETS {
        let networks = often(body);
        println!("{target}: {networks} of {MODELS}");
        assert!(networks > MODELS / 20, "{target}: {networks} of {MODELS}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    #[test]
    fn tflite_at_random_passes(data in choices()) {
        tflite(&data);
    }

    #[test]
    fn tflite_of_the_corpus_passes_with_other_bytes(data in changed(&TFLITE)) {
        tflite(&data);
    }

    #[test]
    fn onnx_at_random_passes(data in choices()) {
        onnx(&data);
    }

    #[test]
    fn onnx_of_the_corpus_passes_with_other_bytes(data in changed(&ONNX)) {
        onnx(&data);
    }
}
