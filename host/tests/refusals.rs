//! What isn't supported, isn't a model or is damaged: an error that says what to do, never a panic.

mod common;

use common::{fixture, model};
use proptest::prelude::*;
use std::path::PathBuf;
use systole_host::cpu::CpuExecutor;
use systole_host::{ImportError, Network};

fn read(path: PathBuf) -> Vec<u8> {
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Name, operator and message of the layer that is refused.
fn refused(path: PathBuf) -> (String, String, String) {
    let error = Network::load(&path).expect_err("it is not supported");
    let message = error.to_string();
    match error {
        ImportError::Unsupported {
            layer, operator, ..
        } => (layer, operator, message),
        other => panic!("{}: {other}", path.display()),
    }
}

#[test]
fn a_bias_with_a_quantization_in_front_says_how_to_fuse_it() {
    let (layer, operator, message) = refused(fixture("separate_add_u8_tensor.onnx"));
    assert_eq!((layer.as_str(), operator.as_str()), ("Add_sum0", "Add"));
    assert!(message.contains("quant_pre_process"), "{message}");
}

#[test]
fn a_coarse_quantization_before_a_bound_is_refused() {
    let (layer, operator, message) = refused(fixture("bounded_coarsely.onnx"));
    assert_eq!(
        (layer.as_str(), operator.as_str()),
        ("QuantizeLinear_y", "QuantizeLinear")
    );
    assert!(message.contains("asymmetric"), "{message}");
}

#[test]
fn paths_that_are_not_models_say_what_they_are() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).expect("a writable file");
        path
    };
    let error = |path: PathBuf| Network::load(path).expect_err("not a model");
    assert!(matches!(
        error(folder.path().join("none.tflite")),
        ImportError::Read { .. }
    ));
    assert!(matches!(
        error(folder.path().to_owned()),
        ImportError::NotAFile { .. }
    ));
    assert!(matches!(
        error("/dev/zero".into()),
        ImportError::NotAFile { .. }
    ));
    assert!(matches!(error(file("a.tflite", b"")), ImportError::Empty));
    for (name, bytes) in [
        ("a.txt", &b"hello, this is not a model at all"[..]),
        ("a.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"),
        ("a.npy", b"\x93NUMPY\x01\x00v\x00{'descr': '|i1'"),
        ("a.gz", b"\x1f\x8b\x08\x00\x00\x00\x00\x00"),
        ("zeros", &[0; 64]),
        ("a.tflite", b"TFL3"),
    ] {
        let error = error(file(name, bytes));
        assert!(
            matches!(error, ImportError::Unrecognized),
            "{name}: {error}"
        );
    }
    let huge = folder.path().join("huge.onnx");
    std::fs::File::create(&huge)
        .and_then(|file| file.set_len(systole_host::import::FILE_BYTES_MAX + 1))
        .expect("a sparse file");
    assert!(matches!(error(huge), ImportError::TooLarge { .. }));
}

#[test]
fn the_content_decides_not_the_name() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("really_onnx.tflite");
    std::fs::copy(fixture("gemm_s8_tensor.onnx"), &path).expect("a writable folder");
    let network = Network::load(&path).expect("a model");
    assert_eq!(network.name, "really_onnx");
}

/// A damaged model that still loads must also run.
fn load_and_run(bytes: &[u8]) -> Result<(), ImportError> {
    let network = Network::from_bytes("damaged", bytes)?;
    let executor = CpuExecutor::new(&network).expect("loading checks consistency");
    let outputs = executor.run(&vec![-128; network.input_elements()], 1);
    assert_eq!(outputs.len(), network.output_elements());
    Ok(())
}

#[test]
fn truncated_models_are_errors() {
    if !common::references_are_there() {
        return;
    }
    for (name, step) in [
        ("ad01_int8.tflite", 97),
        ("ad01_int8.onnx", 97),
        ("kws_ref_model.tflite", 97),
    ] {
        let bytes = read(model(name));
        for length in (0..bytes.len()).step_by(step) {
            // A few last bytes may be none that the network is made of.
            let Ok(network) = Network::from_bytes(name, &bytes[..length]) else {
                continue;
            };
            let whole = Network::from_bytes(name, &bytes).expect("a good model");
            assert!(
                length + 16 > bytes.len() && network == whole,
                "{name}: {length} bytes accepted"
            );
        }
    }
    let bytes = read(fixture("mixed.onnx"));
    for length in 0..bytes.len() {
        assert!(
            load_and_run(&bytes[..length]).is_err(),
            "{length} bytes accepted"
        );
    }
}

/// Flips one bit at each of the first and last bytes, where the structure is.
fn flip_structure(bytes: &[u8], reach: usize) -> usize {
    let mut bytes = bytes.to_vec();
    let length = bytes.len();
    let positions = (0..reach.min(length)).chain(length.saturating_sub(reach)..length);
    let mut refused = 0;
    for position in positions {
        let bit = 1 << (position % 8);
        bytes[position] ^= bit;
        refused += usize::from(load_and_run(&bytes).is_err());
        bytes[position] ^= bit;
    }
    refused
}

#[test]
fn models_with_flipped_bits_never_panic() {
    if !common::references_are_there() {
        return;
    }
    for name in ["mixed.onnx", "gemm_u8_channel.onnx", "clip_s8_channel.onnx"] {
        let refused = flip_structure(&read(fixture(name)), usize::MAX);
        assert!(refused > 100, "{name}: only {refused} refused");
    }
    for name in ["float_ports.tflite", "activations_channel.tflite"] {
        let refused = flip_structure(&read(fixture(name)), usize::MAX);
        assert!(refused > 100, "{name}: only {refused} refused");
    }
    for name in ["ad01_int8.tflite", "kws_ref_model.tflite"] {
        let refused = flip_structure(&read(model(name)), 300);
        assert!(refused > 100, "{name}: only {refused} refused");
    }
}

/// Convolutional fixtures, which don't need the reference models.
const CONVOLUTIONAL: [&str; 6] = [
    "images_joined.tflite",
    "images_gated.tflite",
    "wake_word.tflite",
    "classifier_u8_channel.onnx",
    "features_s8_channel.onnx",
    "embedding_u8_channel.onnx",
];

#[test]
fn convolutional_models_with_flipped_bits_never_panic() {
    for name in CONVOLUTIONAL {
        let refused = flip_structure(&read(fixture(name)), 5_000);
        assert!(refused > 100, "{name}: only {refused} refused");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..Default::default() })]

    #[test]
    fn random_damage_never_panics(
        tflite in any::<bool>(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..24),
        cut in proptest::option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        // The dense TFLite model's tables are in its last fifteenth, and in its first bytes.
        let mut bytes =
            if tflite { read(model("ad01_int8.tflite")) } else { read(fixture("mixed.onnx")) };
        let span = if tflite { 9_000 } else { bytes.len() };
        for (index, value) in changes {
            let offset = index.index(span);
            let position = if offset < 200 { offset } else { bytes.len() - span + offset };
            bytes[position] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let _ = load_and_run(&bytes);
    }

    #[test]
    fn random_damage_of_convolutions_never_panics(
        which in 0..CONVOLUTIONAL.len(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = read(fixture(CONVOLUTIONAL[which]));
        for (index, value) in changes {
            let position = index.index(bytes.len());
            bytes[position] = value;
        }
        let _ = load_and_run(&bytes);
    }

    #[test]
    fn random_bytes_never_panic(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..400),
        kind in 0..3,
    ) {
        match kind {
            0 if bytes.len() >= 8 => bytes[4..8].copy_from_slice(b"TFL3"),
            1 if bytes.len() >= 2 => bytes[..2].copy_from_slice(&[8, 7]),
            _ => {}
        }
        prop_assert!(load_and_run(&bytes).is_err());
    }
}
