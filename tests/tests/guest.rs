//! The driver on Debian's kernel, by IOMMU groups and containers: the release binary in a Linux guest
//! with an IOMMU, the Verilated accelerator as its PCIe function. One guest for all tests, each of
//! which leaves the function bound.

use std::sync::{LazyLock, Mutex, MutexGuard};

use systole_tests::guest::{Guest, Kernel, checks};

fn guest() -> MutexGuard<'static, Guest> {
    static GUEST: LazyLock<Mutex<Guest>> = LazyLock::new(|| {
        Mutex::new(checks::boot(
            Kernel::Debian,
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
