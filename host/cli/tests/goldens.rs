//! The whole way, as a user goes it: a published network from its file through the command and
//! a device, every output byte equal to the reference kernels'.

mod common;

use std::path::Path;

use common::{Served, assert_succeeds, golden, model, systole};
use serde_json::Value;

/// Runs the anomaly detector over a reference input and returns the statistics.
fn check(model_name: &str, set: &str, device: &str, batch: usize, more: &[&str]) -> Value {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = folder.path().join("out.npy");
    let printed = assert_succeeds(
        systole()
            .args(["infer", "--stats", "--device", device])
            .args(["--batch", &batch.to_string()])
            .arg("--model")
            .arg(model(model_name))
            .arg("--input")
            .arg(golden(&format!("{set}_in.npy")))
            .arg("--output")
            .arg(&output)
            .args(more),
    );
    assert_same(&output, &golden(&format!("{set}_out.npy")));
    let stats: Value = serde_json::from_str(&printed).expect("one JSON object");
    assert_eq!(stats["batch"], batch);
    let named = stats["device"].as_str().expect("a name");
    assert!(named.starts_with(device), "{named}");
    let rows = stats["rows"].as_u64().expect("a number");
    let macs = macs(set);
    assert_eq!(stats["macs"], macs * rows);
    let commands = stats["commands"].as_array().expect("a list");
    let sum = |key: &str| {
        commands
            .iter()
            .filter_map(|command| command[key].as_u64())
            .sum::<u64>()
    };
    assert_eq!(sum("rows"), rows);
    assert_eq!(sum("macs"), macs * rows);
    if device == "cpu" {
        assert!(stats["cycles"].is_null() && stats["utilization"].is_null());
    } else {
        assert_eq!(commands.len() as u64, rows.div_ceil(batch as u64));
        if device.starts_with("model") {
            // The functional model has no clock.
            assert!(stats["cycles"].is_null() && stats["utilization"].is_null());
        } else {
            assert_eq!(stats["cycles"], sum("cycles"));
        }
    }
    stats
}

/// Multiplications of a row of the network whose rows these are.
fn macs(set: &str) -> u64 {
    match &set[..2] {
        "ad" => 264_192,
        "kw" => 2_656_768,
        "ic" => 12_501_632,
        _ => 7_489_664,
    }
}

/// Compares shape, type and every byte.
fn assert_same(output: &Path, reference: &Path) {
    let bytes = |path: &Path| {
        let bytes = std::fs::read(path).expect("the file is there");
        let header = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
        let text = String::from_utf8_lossy(&bytes[10..header]).replace(' ', "");
        let shape = text
            .find("'shape':")
            .map(|at| text[at..].trim_end_matches(['\n', ',', '}']).to_owned());
        (shape, bytes[header..].to_vec())
    };
    let (shape, data) = bytes(output);
    let (reference_shape, reference_data) = bytes(reference);
    assert_eq!(shape, reference_shape);
    let differences = data
        .iter()
        .zip(&reference_data)
        .filter(|(a, b)| a != b)
        .count();
    assert_eq!((data.len(), differences), (reference_data.len(), 0));
}

#[test]
fn the_cpu_equals_the_reference_kernels() {
    if !common::references_are_there() {
        return;
    }
    for name in ["ad01_int8.tflite", "ad01_int8.onnx"] {
        for batch in [1, 7, 16, 196] {
            check(name, "ad01_int8", "cpu", batch, &[]);
            check(name, "ad01_int8_real", "cpu", batch, &[]);
        }
    }
}

#[test]
fn the_functional_model_equals_the_reference_kernels() {
    if !common::references_are_there() {
        return;
    }
    for batch in [1, 7, 16, 196] {
        check("ad01_int8.tflite", "ad01_int8", "model", batch, &[]);
        check(
            "ad01_int8.tflite",
            "ad01_int8_real",
            "model:small",
            batch,
            &["--completion", "interrupt"],
        );
    }
    check("ad01_int8.onnx", "ad01_int8_real", "model", 16, &[]);
}

#[test]
fn the_hardware_equals_the_reference_kernels() {
    if !common::references_are_there() {
        return;
    }
    for batch in [1, 7, 16, 196] {
        let stats = check("ad01_int8.tflite", "ad01_int8", "sim", batch, &[]);
        let utilization = stats["utilization"].as_f64().expect("a number");
        assert!(utilization > 0.0 && utilization <= 1.0, "{utilization}");
        check("ad01_int8.tflite", "ad01_int8_real", "sim", batch, &[]);
    }
    check(
        "ad01_int8.onnx",
        "ad01_int8_real",
        "sim",
        16,
        &["--completion", "interrupt"],
    );
}

#[test]
fn convolutional_networks_equal_the_reference_kernels_on_the_hardware() {
    if !common::references_are_there() {
        return;
    }
    // Useful multiplications of one row's cycles, doorbell to completion.
    for (file, key, least) in [
        ("kws_ref_model.tflite", "kws_dscnn_int8", 0.65),
        ("pretrainedResnet_quant.tflite", "ic_resnet8_int8", 0.90),
        ("vww_96_int8.tflite", "vww_96_int8", 0.60),
    ] {
        let stats = check(file, key, "sim:small", 1, &[]);
        let utilization = stats["utilization"].as_f64().expect("a number");
        assert!(utilization >= least, "{file}: {utilization}");
        check(file, key, "sim:small", 16, &[]);
    }
}

/// Cycles of one row at batch 1, from doorbell to completion, on a larger array; every byte equal.
#[cfg(any(feature = "rtl-ecp5-85f", feature = "rtl-large"))]
fn a_larger_array(device: &str, most: [u64; 4]) {
    if !common::references_are_there() {
        return;
    }
    for ((file, key), most) in [
        ("ad01_int8.tflite", "ad01_int8"),
        ("kws_ref_model.tflite", "kws_dscnn_int8"),
        ("pretrainedResnet_quant.tflite", "ic_resnet8_int8"),
        ("vww_96_int8.tflite", "vww_96_int8"),
    ]
    .into_iter()
    .zip(most)
    {
        let stats = check(file, key, device, 1, &[]);
        let rows = stats["rows"].as_u64().expect("a number");
        let cycles = stats["cycles"].as_u64().expect("a number") / rows;
        println!("{device}, {file}: {cycles} cycles a row (simulated)");
        assert!(cycles <= most, "{file}: {cycles} cycles");
        check(file, key, device, 16, &[]);
    }
}

/// Two multiplications from each multiplier change no byte.
#[cfg(feature = "rtl-ecp5-85f")]
#[test]
fn the_array_of_inner_products_is_exact_and_fast() {
    a_larger_array("sim:ecp5-85f", [3_700, 21_400, 37_300, 69_500]);
}

#[cfg(feature = "rtl-large")]
#[test]
fn the_large_array_is_exact() {
    a_larger_array("sim:large", [14_800, 17_000, 29_800, 38_400]);
}

#[test]
fn a_device_serves_one_client_after_the_other() {
    if !common::references_are_there() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let served = Served::start(folder.path(), &["--seed", "7"]);
    for batch in [7, 16] {
        check(
            "ad01_int8.tflite",
            "ad01_int8",
            &served.device(),
            batch,
            &[],
        );
    }
}

#[test]
fn a_listing_names_every_layer() {
    if !common::references_are_there() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("ad.txt");
    assert_succeeds(
        systole()
            .arg("compile")
            .arg("--model")
            .arg(model("ad01_int8.tflite"))
            .arg("-o")
            .arg(&path),
    );
    let listing = std::fs::read_to_string(path).expect("the listing is there");
    assert_eq!(listing.matches("MATRIX").count(), 10, "{listing}");
    for word in ["LOAD_ROWS", "STORE_ROWS", "END"] {
        assert!(listing.contains(word), "{listing}");
    }
}

#[test]
fn devices_can_be_asked_what_they_are() {
    let listed = assert_succeeds(systole().arg("devices"));
    for name in [
        "cpu",
        "sim:tiny",
        "sim:small",
        "model:tiny",
        "vfio-user:SOCKET",
    ] {
        assert!(listed.contains(name), "{listed}");
    }
    for device in ["cpu", "model:tiny", "sim:tiny"] {
        assert_succeeds(systole().args(["info", "--device", device]));
    }
    let info = assert_succeeds(systole().args(["info", "--device", "model:small"]));
    assert!(info.contains("16 x 8"), "{info}");
}
