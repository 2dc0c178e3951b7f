//! The driver on a kernel that has the functions' own files and iommufd, and no IOMMU groups for user
//! space: otherwise as `guest.rs`.

use std::sync::{LazyLock, Mutex, MutexGuard};

use systole_tests::guest::{Guest, Kernel, checks};

fn guest() -> MutexGuard<'static, Guest> {
    static GUEST: LazyLock<Mutex<Guest>> = LazyLock::new(|| {
        Mutex::new(checks::boot(
            Kernel::Iommufd,
            env!("CARGO_BIN_EXE_guest-probe"),
        ))
    });
    GUEST.lock().unwrap_or_else(|poisoned| {
        // A test has failed; the others are not to fail with it.
        let mut guest = poisoned.into_inner();
        GUEST.clear_poison();
        checks::restore(&mut guest);
        guest
    })
}

#[test]
fn the_function_is_listed_bound_and_identified() {
    checks::the_function_is_listed_bound_and_identified(&mut guest());
}

#[test]
fn networks_are_exact_with_polling() {
    checks::networks_are_exact_with_polling(&mut guest());
}

#[test]
fn networks_are_exact_with_msix() {
    checks::networks_are_exact_with_msix(&mut guest());
}

#[test]
fn interrupts_reach_a_runtime() {
    checks::interrupts_reach_a_runtime(&mut guest());
}

#[test]
fn large_buffers_are_on_large_pages() {
    checks::large_buffers_are_on_large_pages(&mut guest());
}

#[test]
fn a_second_process_is_told_that_the_function_is_taken() {
    checks::a_second_process_is_told_that_the_function_is_taken(&mut guest());
}

#[test]
fn dma_outside_mapped_memory_is_refused() {
    checks::dma_outside_mapped_memory_is_refused(&mut guest());
}

#[test]
fn an_idle_function_is_unbound_and_bound_again() {
    checks::an_idle_function_is_unbound_and_bound_again(&mut guest());
}

#[test]
fn a_function_in_use_is_given_back() {
    checks::a_function_in_use_is_given_back(&mut guest());
}

#[test]
fn a_process_killed_in_a_batch_leaves_a_device_for_the_next() {
    checks::a_process_killed_in_a_batch_leaves_a_device_for_the_next(&mut guest());
}

#[test]
fn the_function_is_opened_by_its_own_file_and_iommufd() {
    let mut guest = guest();
    // Neither a container's file nor a group's is there.
    let line = "ls -d /dev/iommu /dev/vfio/* /dev/vfio/devices/*";
    let files = guest.run(line, checks::SHORT).success();
    let files: Vec<_> = files.lines().collect();
    assert_eq!(
        files,
        ["/dev/iommu", "/dev/vfio/devices", "/dev/vfio/devices/vfio0"]
    );
    let line = "ls -l /proc/$first/fd; kill -9 $first; wait $first; echo status $?";
    let text = checks::beside_a_batch(&mut guest, checks::ENDLESS, "", line);
    for file in [" -> /dev/vfio/devices/vfio0\n", " -> /dev/iommu\n"] {
        assert!(text.contains(file), "{file:?}: {text}");
    }
    assert!(text.contains("status 137"), "{text}");
    checks::digits_are_exact(&mut guest, "");
}

#[test]
fn a_user_without_permission_is_told_for_which_file() {
    let mut guest = guest();
    let line = "mkdir -p /etc; echo user:x:7:7::/:/bin/sh > /etc/passwd";
    guest.run(line, checks::SHORT).success();
    let info = "su user -c \"systole info --device $D\"";
    for (allow, file) in [
        ("true", "/dev/vfio/devices/vfio0"),
        ("chown 7 /dev/vfio/devices/vfio0", "/dev/iommu"),
    ] {
        let output = guest.run(&format!("{allow}; {info}"), checks::SHORT);
        let message = format!("this user may not use {file};");
        assert!(output.text.contains(&message), "{}", output.text);
    }
    let line = format!("chown 7 /dev/iommu; {info}");
    let text = guest.run(&line, checks::SHORT).success();
    assert!(text.contains("100.0 MHz"), "{text}");
    let line = "chown 0 /dev/iommu /dev/vfio/devices/vfio0";
    guest.run(line, checks::SHORT).success();
}
