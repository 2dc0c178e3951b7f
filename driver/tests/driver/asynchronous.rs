//! Queue pairs in a tokio runtime.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use systole_driver::{Command, CompletionMode, Error, QueueOptions, QueuePair};
use tokio::runtime::{Builder, Runtime};

use crate::device::{Rig, Script};

const LONG: Duration = Duration::from_secs(20);

fn queue(rig: &Rig, mode: CompletionMode) -> QueuePair {
    let options = QueueOptions { entries: 4, mode };
    rig.open().queue_pair(options).unwrap()
}

fn slow() -> Rig {
    Rig::scripted(Script {
        delay: Duration::from_millis(5),
        ..Script::default()
    })
}

/// A runtime of one thread: what blocks it blocks all tasks.
fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Carries out commands one by one.
async fn carry_out(queue: &mut QueuePair, commands: u32) {
    for _ in 0..commands {
        let id = queue.submit(Command::Nop).unwrap();
        queue.ring().unwrap();
        let completion = queue.wait_async(LONG).await.unwrap();
        assert_eq!(completion.command_id, id.0);
    }
}

#[test]
fn a_task_waits_and_its_thread_runs_others() {
    for mode in [CompletionMode::Interrupt, CompletionMode::Polling] {
        let rig = slow();
        let mut queue = queue(&rig, mode);
        let ticks = Arc::new(AtomicU32::new(0));
        let begin = Instant::now();
        runtime().block_on(async {
            let other = tokio::spawn({
                let ticks = Arc::clone(&ticks);
                async move {
                    loop {
                        tokio::time::sleep(Duration::from_millis(1)).await;
                        ticks.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
            carry_out(&mut queue, 40).await;
            other.abort();
        });
        // Without interrupts each would take until the next look, 100 ms.
        assert!(begin.elapsed() < Duration::from_secs(3), "{mode:?}");
        let ticks = ticks.load(Ordering::Relaxed);
        assert!(
            ticks > 40,
            "{mode:?}: {ticks} ticks in {:?}",
            begin.elapsed()
        );
    }
}

#[test]
fn a_queue_goes_from_runtime_to_runtime_and_back_to_a_thread() {
    let rig = slow();
    let mut queue = queue(&rig, CompletionMode::Interrupt);
    let first = runtime();
    first.block_on(carry_out(&mut queue, 3));
    let second = Builder::new_multi_thread().enable_all().build().unwrap();
    second.block_on(carry_out(&mut queue, 3));
    drop(second);
    queue.submit(Command::Nop).unwrap();
    queue.ring().unwrap();
    queue.wait(LONG).unwrap();
    first.block_on(carry_out(&mut queue, 3));
    drop(first);
    assert_eq!(rig.engine().interrupts_sent, 10);
}

#[test]
fn a_wait_that_is_dropped_loses_no_completion() {
    let rig = slow();
    let mut queue = queue(&rig, CompletionMode::Interrupt);
    runtime().block_on(async {
        for _ in 0..20 {
            let id = queue.submit(Command::Nop).unwrap();
            queue.ring().unwrap();
            // Sometimes it is dropped before, sometimes after the interrupt.
            for microseconds in [100, 2000, 5000] {
                let wait = queue.wait_async(LONG);
                let wait = tokio::time::timeout(Duration::from_micros(microseconds), wait);
                if let Ok(completion) = wait.await {
                    assert_eq!(completion.unwrap().command_id, id.0);
                    break;
                }
            }
            if queue.in_flight() > 0 {
                let completion = queue.wait_async(LONG).await.unwrap();
                assert_eq!(completion.command_id, id.0);
            }
        }
        let error = queue.wait_async(LONG).await.unwrap_err();
        assert!(matches!(error, Error::NothingInFlight), "{error}");
    });
}

#[test]
fn a_lost_interrupt_costs_a_task_a_tenth_of_a_second() {
    let rig = Rig::scripted(Script {
        lose_interrupts: true,
        delay: Duration::from_millis(5),
        ..Script::default()
    });
    let mut queue = queue(&rig, CompletionMode::Interrupt);
    let begin = Instant::now();
    runtime().block_on(carry_out(&mut queue, 5));
    assert!(begin.elapsed() < Duration::from_secs(3));
    assert_eq!(rig.engine().interrupts_sent, 0);
}

#[test]
fn a_device_that_does_not_answer_is_given_up_in_time() {
    for mode in [CompletionMode::Interrupt, CompletionMode::Polling] {
        let rig = Rig::scripted(Script {
            hang: true,
            ..Script::default()
        });
        let mut queue = queue(&rig, mode);
        queue.submit(Command::Nop).unwrap();
        queue.ring().unwrap();
        let begin = Instant::now();
        let timeout = Duration::from_millis(250);
        let error = runtime().block_on(queue.wait_async(timeout)).unwrap_err();
        assert!(matches!(error, Error::Timeout), "{error}");
        assert!(begin.elapsed() >= timeout);
        assert!(begin.elapsed() < Duration::from_secs(5));
    }
}

#[test]
fn outside_a_runtime_an_interrupt_cannot_be_waited_for() {
    let rig = Rig::scripted(Script {
        hang: true,
        ..Script::default()
    });
    let mut queue = queue(&rig, CompletionMode::Interrupt);
    queue.submit(Command::Nop).unwrap();
    queue.ring().unwrap();
    let mut context = Context::from_waker(Waker::noop());
    let answer = pin!(queue.wait_async(LONG)).poll(&mut context);
    let Poll::Ready(Err(error @ Error::System { .. })) = answer else {
        panic!("{answer:?}");
    };
    assert!(error.to_string().contains("runtime"), "{error}");
}
