//! The driver on a real kernel: the release binary in a Linux guest with an IOMMU, the Verilated
//! accelerator as its PCIe function. One guest for all tests, each of which leaves the function bound.

use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use systole_tests::guest::{Files, Guest};
use systole_tests::references;

/// Longest time of a line without a simulated network in it, on a busy machine.
const SHORT: Duration = Duration::from_secs(60);

/// Longest time of a line with one.
const LONG: Duration = Duration::from_secs(240);

/// Rows of a short batch, and of one that takes many seconds.
const ROWS: [(&str, usize); 2] = [("digits.npy", 40), ("many.npy", 3000)];

fn guest() -> MutexGuard<'static, Guest> {
    static GUEST: LazyLock<Mutex<Guest>> = LazyLock::new(|| {
        let path = |variable: &str| -> PathBuf {
            let path = std::env::var_os(variable)
                .unwrap_or_else(|| panic!("{variable} is not set; run `make test-guest`"));
            std::fs::canonicalize(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"))
        };
        let mut data = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/demo/digits.onnx")];
        if let Some(folder) = references() {
            data.push(folder.join("ad01_int8.tflite"));
            data.push(folder.join("golden/ad01_int8_real_in.npy"));
            data.push(folder.join("golden/ad01_int8_real_out.npy"));
        }
        let rows = tempfile::tempdir().expect("there is room for temporary files");
        for (name, count) in ROWS {
            let digits = rows.path().join(name);
            ndarray_npy::write_npy(&digits, &digit_rows(count)).expect("it is written");
            data.push(digits);
        }
        let files = Files {
            commands: vec![env!("CARGO_BIN_EXE_guest-probe").into()],
            data,
        };
        let fetched = path("SYSTOLE_GUEST");
        let systole = path("SYSTOLE_BINARY");
        let mut guest = Guest::boot(&fetched, &systole, &["--config", "tiny"], files);
        let line = "cd /sys/bus/pci/devices; grep -l 0x5357 */device";
        let found = guest.run(line, SHORT).success();
        let address = found.trim().trim_end_matches("/device");
        guest.set("D", &format!("vfio:{address}"));
        guest.run("systole bind $D", SHORT).success();
        Mutex::new(guest)
    });
    // A test that failed leaves a guest that others can use, or they fail too.
    GUEST.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Rows for the demo's network: what matters is that they differ.
fn digit_rows(count: usize) -> ndarray::Array2<i8> {
    ndarray::Array2::from_shape_fn((count, 64), |(row, column)| {
        (row * 37 + column * 11) as u8 as i8
    })
}

/// Runs the demo's network on the device with more arguments; its answers are those of the CPU.
fn digits_are_exact(guest: &mut Guest, arguments: &str) {
    let infer = "systole infer --model /files/digits.onnx --input /files/digits.npy";
    let line = format!(
        "{infer} --output /tmp/cpu.npy && {infer} --device $D {arguments} --output /tmp/device.npy && \
         cmp /tmp/cpu.npy /tmp/device.npy"
    );
    guest.run(&line, LONG).success();
}

/// Runs anomaly detection on recorded sounds; its answers are those of the framework.
fn sounds_are_exact(guest: &mut Guest, arguments: &str) {
    if references().is_none() {
        return;
    }
    // Files of NumPy begin with 128 bytes of description; the shapes in it are spelt differently.
    let line = format!(
        "systole infer --model /files/ad01_int8.tflite --input /files/ad01_int8_real_in.npy \
         --device $D {arguments} --output /tmp/sounds.npy && \
         tail -c +129 /tmp/sounds.npy > /tmp/a && tail -c +129 /files/ad01_int8_real_out.npy > /tmp/b && \
         cmp /tmp/a /tmp/b && echo compared $(wc -c < /tmp/a)"
    );
    let text = guest.run(&line, LONG).success();
    let compared = text.lines().find_map(|line| line.strip_prefix("compared "));
    let bytes: usize = compared.and_then(|bytes| bytes.parse().ok()).unwrap_or(0);
    assert!(bytes > 0 && bytes.is_multiple_of(640), "{text}");
}

#[test]
fn the_function_is_listed_bound_and_identified() {
    let mut guest = guest();
    let devices = guest.run("systole devices", SHORT).success();
    let line = devices.lines().find(|line| line.starts_with("vfio:0000:"));
    let line = line.unwrap_or_else(|| panic!("it is not listed:\n{devices}"));
    assert!(line.contains("driver vfio-pci, IOMMU group "), "{line}");
    let again = guest.run("systole bind $D", SHORT).success();
    assert!(again.contains("bound to vfio-pci already"), "{again}");
    let info = guest.run("systole info --device $D", SHORT).success();
    for text in ["4 x 4", "100.0 MHz", "slot 0        empty"] {
        assert!(info.contains(text), "{text}:\n{info}");
    }
}

#[test]
fn networks_are_exact_with_polling() {
    let mut guest = guest();
    digits_are_exact(&mut guest, "--completion polling");
    sounds_are_exact(&mut guest, "--completion polling");
}

#[test]
fn networks_are_exact_with_msix() {
    let mut guest = guest();
    digits_are_exact(&mut guest, "--completion interrupt --batch 1");
    sounds_are_exact(&mut guest, "--completion interrupt");
    // The kernel counts them while they are connected.
    let line = "systole infer --model /files/digits.onnx --input /files/many.npy --device $D \
                --completion interrupt --batch 1 --output /tmp/y.npy & while kill -0 $!; do \
                awk '/vfio-msix/ { print \"counted\", $2 }' /proc/interrupts; sleep 0.1; done; wait $!";
    let text = guest.run(line, LONG).success();
    let counted = text
        .lines()
        .filter_map(|line| line.strip_prefix("counted "));
    let most = counted.filter_map(|count| count.parse().ok()).max();
    assert!(most.is_some_and(|most: u64| most >= 3), "{text}");
}

#[test]
fn a_second_process_is_told_that_the_function_is_taken() {
    let mut guest = guest();
    // The first one computes for as long as the second one tries.
    let line = "systole infer --model /files/digits.onnx --input /files/many.npy --device $D \
                --output /tmp/first.npy & first=$!; \
                until ls -l /proc/$first/fd | grep -q anon_inode:.vfio-device; do sleep 0.05; done; \
                systole info --device $D; echo status $?; wait $first; echo first $?";
    let text = guest.run(line, LONG).success();
    assert!(text.contains("another process uses"), "{text}");
    assert!(
        text.contains("status 1") && text.contains("first 0"),
        "{text}"
    );
    digits_are_exact(&mut guest, "");
}

#[test]
fn dma_outside_mapped_memory_is_refused() {
    let mut guest = guest();
    let text = guest.run("guest-probe $D", LONG).success();
    let lines: Vec<_> = text.lines().collect();
    let (last, outside) = lines.split_last().expect("it prints lines");
    assert_eq!(outside.len(), 10, "{text}");
    for line in outside {
        let status = match line.split(' ').next() {
            Some("read") => "Known(DmaReadError)",
            _ => "Known(DmaWriteError)",
        };
        assert!(line.ends_with(status), "{text}");
    }
    assert_eq!(*last, "read what is mapped: done", "{text}");
    digits_are_exact(&mut guest, "");
}

#[test]
fn an_idle_function_is_unbound_and_bound_again() {
    let mut guest = guest();
    let planned = guest.run("systole unbind --dry-run $D", SHORT).success();
    let done = guest.run("systole unbind $D", SHORT).success();
    assert_eq!(planned, done);
    assert!(done.contains("driver/unbind"), "{done}");
    let devices = guest.run("systole devices", SHORT).success();
    assert!(devices.contains("(no driver, IOMMU group "), "{devices}");
    let refused = guest.run("systole info --device $D", SHORT);
    assert_eq!(refused.status, 1, "{}", refused.text);
    assert!(
        refused.text.contains("run `systole bind "),
        "{}",
        refused.text
    );
    let nothing = guest.run("systole unbind $D", SHORT).success();
    assert!(nothing.contains("is not bound to vfio-pci"), "{nothing}");
    guest.run("systole bind $D", SHORT).success();
    digits_are_exact(&mut guest, "");
}

#[test]
fn a_process_killed_in_a_batch_leaves_a_device_for_the_next() {
    let mut guest = guest();
    for pause in ["0.3", "0.6", "1.1"] {
        // Interrupts are on, so that they must be switched off for it too.
        let line = format!(
            "systole infer --model /files/digits.onnx --input /files/many.npy --device $D \
             --completion interrupt --output /tmp/killed.npy & killed=$!; \
             until ls -l /proc/$killed/fd | grep -q anon_inode:.vfio-device; do sleep 0.05; done; \
             sleep {pause}; kill -9 $killed; wait $killed; echo status $?"
        );
        let text = guest.run(&line, LONG).success();
        assert!(
            text.contains("status 137"),
            "it was not killed in time: {text}"
        );
        digits_are_exact(&mut guest, "--completion interrupt");
    }
}
