//! What the driver costs from submission to completion: neither memory nor system calls, and less than
//! a microsecond.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::libc;
use systole_bench::RoundTrip;
use systole_driver::CompletionMode;

/// Counts what a thread allocates.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    // A thread that ends may allocate when its counter is gone.
    let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: the system's allocator, with the same arguments.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are the system's demands.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations() -> u64 {
    ALLOCATIONS.with(Cell::get)
}

fn trip(mode: CompletionMode) -> RoundTrip {
    RoundTrip::new(mode).expect("the device in memory opens")
}

#[test]
fn a_batch_allocates_nothing() {
    let before = allocations();
    drop(std::hint::black_box(vec![0u8; 1]));
    assert_eq!(allocations(), before + 1, "allocations are counted");
    for mode in [CompletionMode::Polling, CompletionMode::Interrupt] {
        let mut trip = trip(mode);
        let before = allocations();
        for _ in 0..100_000 {
            trip.carry_out().expect("the device answers");
        }
        assert_eq!(allocations(), before, "{mode:?}");
    }
}

/// Runs `quiet-queue`; the number of the signal that ended it, or its status.
fn quiet_queue(mode: &str) -> (Option<i32>, Option<i32>) {
    let status = Command::new(env!("CARGO_BIN_EXE_quiet-queue"))
        .arg(mode)
        .status()
        .expect("it starts");
    (status.signal(), status.code())
}

#[test]
fn a_polled_batch_makes_no_system_call() {
    assert_eq!(quiet_queue("polling"), (None, Some(0)));
    // The filter works: an interrupt is a write to an eventfd.
    assert_eq!(quiet_queue("interrupt"), (Some(libc::SIGSYS), None));
}

#[test]
fn a_polled_batch_takes_less_than_a_microsecond() {
    let mut trip = trip(CompletionMode::Polling);
    let mut medians: Vec<Duration> = (0..15)
        .map(|_| {
            let mut times: Vec<Duration> = (0..10_000)
                .map(|_| {
                    let begin = Instant::now();
                    trip.carry_out().expect("the device answers");
                    begin.elapsed()
                })
                .collect();
            times.sort_unstable();
            times[times.len() / 2]
        })
        .collect();
    medians.sort_unstable();
    let median = medians[medians.len() / 2];
    println!("measured: {median:?}, median of 15 rounds of 10,000 commands");
    assert!(median < Duration::from_micros(1), "{median:?}");
}
