//! What holds in a guest of either kernel: each suite checks it in a guest of its own, in which the
//! function is bound to vfio-pci before and after each check.
//!
//! A check panics where something does not hold: the test is over then.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Files, Guest, Kernel};
use crate::references;

/// Longest time of a line without a simulated network in it, on a busy machine.
pub const SHORT: Duration = Duration::from_secs(60);

/// Longest time of a line with one.
pub const LONG: Duration = Duration::from_secs(240);

/// The files of rows. A simulated row takes a third of a millisecond on a fast machine, and several on
/// a busy one.
const ROWS: [(&str, usize); 3] = [(SHORT_BATCH, 40), (LONG_BATCH, 5000), (ENDLESS, 40_000)];

/// A batch that ends soon.
const SHORT_BATCH: &str = "digits.npy";

/// A batch that takes seconds, and less than [`LONG`].
const LONG_BATCH: &str = "many.npy";

/// A batch that no machine ends before it is stopped.
pub const ENDLESS: &str = "endless.npy";

/// Boots a guest whose function is bound; `$D` is its address. `probe` is the command `guest-probe`.
/// The environment says where the rest is: `make test-guest` sets it.
pub fn boot(kernel: Kernel, probe: &str) -> Guest {
    let path = |variable: &str| -> PathBuf {
        let path = std::env::var_os(variable)
            .unwrap_or_else(|| panic!("{variable} is not set; run `make test-guest`"));
        fs::canonicalize(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"))
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
        fs::write(&digits, digit_rows(count)).expect("it is written");
        data.push(digits);
    }
    let files = Files {
        commands: vec![probe.into()],
        data,
    };
    let fetched = path("SYSTOLE_GUEST");
    let systole = path("SYSTOLE_BINARY");
    let serve = ["--config", "tiny"];
    let mut guest = Guest::boot(&fetched, &systole, &serve, kernel, &files);
    let line = "cd /sys/bus/pci/devices; grep -l 0x5357 */device";
    let found = guest.run(line, SHORT).success();
    let address = found.trim().trim_end_matches("/device");
    guest.set("D", &format!("vfio:{address}"));
    guest.run("systole bind $D", SHORT).success();
    guest
}

/// After a check that failed: the guest as the next one expects it.
pub fn restore(guest: &mut Guest) {
    let line = "killall -9 systole 2> /dev/null; wait; systole bind $D";
    guest.run(line, SHORT).success();
}

/// A file of NumPy with rows for the demo's network: what matters is that they differ.
fn digit_rows(count: usize) -> Vec<u8> {
    let description =
        format!("{{'descr': '|i1', 'fortran_order': False, 'shape': ({count}, 64), }}");
    // Version 1.0, and 118 bytes of description.
    let mut file = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
    file.extend(format!("{description:<117}\n").bytes());
    file.extend(
        (0..count).flat_map(|row| (0..64).map(move |column| (row * 37 + column * 11) as u8)),
    );
    file
}

/// The demo's network on the device with more arguments answers what the CPU does.
pub fn digits_are_exact(guest: &mut Guest, arguments: &str) {
    let infer = format!("systole infer --model /files/digits.onnx --input /files/{SHORT_BATCH}");
    let line = format!(
        "{infer} --output /tmp/cpu.npy && {infer} --device $D {arguments} --output /tmp/device.npy && \
         cmp /tmp/cpu.npy /tmp/device.npy"
    );
    guest.run(&line, LONG).success();
}

/// Anomaly detection on recorded sounds answers what the framework does.
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

/// Runs `line` while a process, `$first`, has the function and computes a batch; it has more
/// arguments. What both print.
pub fn beside_a_batch(guest: &mut Guest, batch: &str, arguments: &str, line: &str) -> String {
    // BAR0 is mapped once the function is the process's, whatever it was opened by.
    let line = format!(
        "systole infer --model /files/digits.onnx --input /files/{batch} --device $D {arguments} \
         --output /tmp/first.npy & first=$!; \
         until grep -q vfio /proc/$first/maps || ! kill -0 $first; do sleep 0.05; done; {line}"
    );
    guest.run(&line, LONG).success()
}

/// It is listed, bound, and says what it is.
pub fn the_function_is_listed_bound_and_identified(guest: &mut Guest) {
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

/// Every byte of two networks is right when the driver polls.
pub fn networks_are_exact_with_polling(guest: &mut Guest) {
    digits_are_exact(guest, "--completion polling");
    sounds_are_exact(guest, "--completion polling");
}

/// Every byte of two networks is right when the device interrupts, and it does.
pub fn networks_are_exact_with_msix(guest: &mut Guest) {
    digits_are_exact(guest, "--completion interrupt --batch 1");
    sounds_are_exact(guest, "--completion interrupt");
    // The kernel counts them while they are connected.
    let line = "until awk '/vfio-msix/ && $2 >= 3 { print \"counted\"; found = 1 } END { exit !found }' \
                /proc/interrupts || ! kill -0 $first; do sleep 0.1; done; \
                kill -9 $first; wait $first; echo status $?";
    let text = beside_a_batch(guest, ENDLESS, "--completion interrupt --batch 1", line);
    assert!(
        text.contains("counted") && text.contains("status 137"),
        "{text}"
    );
}

/// They wake a task of a tokio runtime too.
pub fn interrupts_reach_a_runtime(guest: &mut Guest) {
    let text = guest.run("guest-probe runtime $D", LONG).success();
    assert_eq!(text, "answered 50, woken: true\n");
}

/// A buffer of several MiB is on large pages where the machine keeps some, and on others where not.
pub fn large_buffers_are_on_large_pages(guest: &mut Guest) {
    for (kept, taken) in [("8", "3"), ("2", "0"), ("0", "0")] {
        let line = format!("echo {kept} > /proc/sys/vm/nr_hugepages; guest-probe large $D");
        let text = guest.run(&line, LONG).success();
        assert_eq!(
            text,
            format!("{taken} pages, Ok(()), written: true\n"),
            "{kept} kept"
        );
    }
}

/// One process has it at a time, and the other is told so.
pub fn a_second_process_is_told_that_the_function_is_taken(guest: &mut Guest) {
    let line = "systole info --device $D; echo status $?; wait $first; echo first $?";
    let text = beside_a_batch(guest, LONG_BATCH, "", line);
    assert!(text.contains("another process uses"), "{text}");
    assert!(
        text.contains("status 1") && text.contains("first 0"),
        "{text}"
    );
    digits_are_exact(guest, "");
}

/// The IOMMU keeps it from memory that is not mapped for it.
pub fn dma_outside_mapped_memory_is_refused(guest: &mut Guest) {
    let text = guest.run("guest-probe outside $D", LONG).success();
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
    digits_are_exact(guest, "");
}

/// It can be given back and taken again.
pub fn an_idle_function_is_unbound_and_bound_again(guest: &mut Guest) {
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
    digits_are_exact(guest, "");
}

/// A process that uses it lets it go when it is unbound.
pub fn a_function_in_use_is_given_back(guest: &mut Guest) {
    // At once, while it is being reset, and in the midst of a batch.
    for pause in ["0", "1.5"] {
        let line = format!("sleep {pause}; systole unbind $D && wait $first; echo first $?");
        let text = beside_a_batch(guest, ENDLESS, "", &line);
        assert!(text.contains("the kernel wants the device back"), "{text}");
        assert!(text.contains("first 1"), "{text}");
        guest.run("systole bind $D", SHORT).success();
        digits_are_exact(guest, "");
    }
}

/// However a process ends, the next one finds a device that works.
pub fn a_process_killed_in_a_batch_leaves_a_device_for_the_next(guest: &mut Guest) {
    for pause in ["0.3", "0.6", "1.1"] {
        // Interrupts are on, so that they must be switched off for it too.
        let line = format!("sleep {pause}; kill -9 $first; wait $first; echo status $?");
        let text = beside_a_batch(guest, ENDLESS, "--completion interrupt", &line);
        assert!(
            text.contains("status 137"),
            "it was not killed in time: {text}"
        );
        digits_are_exact(guest, "--completion interrupt");
    }
}
