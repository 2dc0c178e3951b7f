use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::*;
use crate::serving::request::{PendingAnswer, RequestError};

const AT_ONCE: Gathering = Gathering {
    rows: 4,
    wait: Duration::ZERO,
};

fn item(count: usize, priority: u8) -> (Item, PendingAnswer) {
    let (reply, pending) = PendingAnswer::new();
    let item = Item {
        rows: Bytes::new(),
        count,
        priority,
        deadline: None,
        arrived: Instant::now(),
        avoid: 0,
        reply,
    };
    (item, pending)
}

fn push(queue: &Queue, item: Item) {
    assert!(queue.push(item).is_ok(), "there is room");
}

fn stay(_: Leaver) {
    panic!("nothing leaves");
}

/// Counts of the rows of the next batch.
fn next(queue: &Arc<Queue>) -> Vec<usize> {
    let taken = queue.take(AT_ONCE, |_| Some(()), stay);
    let (items, ..) = taken.expect("there is a batch");
    items.iter().map(|item| item.count).collect()
}

#[test]
fn a_batch_is_as_many_rows_as_fit() {
    let queue = Arc::new(Queue::new(9));
    let mut pending = Vec::new();
    for count in [1, 2, 1, 3, 9, 1] {
        let (item, answer) = item(count, 5);
        push(&queue, item);
        pending.push(answer);
    }
    assert_eq!(queue.waiting(), (6, 17));
    assert_eq!(next(&queue), [1, 2, 1]);
    assert_eq!(next(&queue), [3]);
    assert_eq!(next(&queue), [9]);
    assert_eq!(next(&queue), [1]);
    assert_eq!(queue.waiting(), (0, 0));
}

#[test]
fn lower_numbers_go_first_and_what_comes_back_goes_before_its_equals() {
    let queue = Arc::new(Queue::new(9));
    let (low, _low) = item(4, 200);
    let (high, _high) = item(3, 1);
    let (back, _back) = item(2, 1);
    push(&queue, low);
    push(&queue, high);
    queue.put_back(vec![back]);
    assert_eq!(next(&queue), [2]);
    assert_eq!(next(&queue), [3]);
    assert_eq!(next(&queue), [4]);
}

#[test]
fn the_bound_refuses_and_a_stop_too() {
    let queue = Arc::new(Queue::new(1));
    let (first, _first) = item(1, 1);
    let (second, _second) = item(1, 1);
    push(&queue, first);
    let refused = queue.push(second).expect_err("it is full");
    assert_eq!(refused, Refusal::QueueFull { bound: 1 });
    queue.stop();
    assert_eq!(next(&queue), [1]);
    assert!(queue.take(AT_ONCE, |_| Some(()), stay).is_none());
    let (third, _third) = item(1, 1);
    let refused = queue.push(third).expect_err("it has stopped");
    assert_eq!(refused, Refusal::Stopped);
}

#[test]
fn a_stopped_queue_waits_for_batches_that_may_come_back() {
    let queue = Arc::new(Queue::new(2));
    let (only, _only) = item(1, 1);
    push(&queue, only);
    queue.stop();
    let taken = queue.take(AT_ONCE, |_| Some(()), stay);
    let (items, taken, ()) = taken.expect("there is a batch");
    let other = Arc::clone(&queue);
    let dispatcher = std::thread::spawn(move || {
        (
            next(&other),
            other.take(AT_ONCE, |_| Some(()), stay).is_none(),
        )
    });
    std::thread::sleep(Duration::from_millis(20));
    assert!(!dispatcher.is_finished(), "it may still come back");
    queue.put_back(items);
    drop(taken);
    let (counts, ended) = dispatcher.join().expect("it has not panicked");
    assert_eq!(counts, [1]);
    assert!(ended);
}

#[test]
fn withdrawn_and_late_requests_leave() {
    let queue = Arc::new(Queue::new(9));
    let (gone, answer) = item(1, 1);
    drop(answer);
    let (mut late, pending) = item(2, 1);
    late.deadline = Some(Instant::now());
    let (good, _good) = item(3, 1);
    push(&queue, gone);
    push(&queue, late);
    push(&queue, good);
    let mut left = Vec::new();
    let taken = queue.take(AT_ONCE, |_| Some(()), |leaver| left.push(leaver));
    let (items, ..) = taken.expect("one is left");
    assert_eq!(items[0].count, 3);
    assert_eq!(queue.waiting(), (0, 0));
    for leaver in left {
        match leaver {
            Leaver::Withdrawn(item) => assert_eq!(item.count, 1),
            Leaver::Late(item) => {
                let waited = item.arrived.elapsed();
                let error = RequestError::Deadline { waited };
                assert!(item.reply.send(Err(error)).is_ok(), "somebody waits");
            }
        }
    }
    assert!(matches!(pending.wait(), Err(RequestError::Deadline { .. })));
}

#[test]
fn a_deadline_ends_the_wait_for_a_place() {
    let queue = Arc::new(Queue::new(9));
    let (mut late, _pending) = item(2, 1);
    late.deadline = Some(Instant::now() + Duration::from_millis(30));
    push(&queue, late);
    queue.stop();
    let mut left = 0;
    let none = queue.take(AT_ONCE, |_| None::<()>, |_| left += 1);
    assert!(none.is_none());
    assert_eq!(left, 1);
}

#[test]
fn requests_wait_for_others_but_no_longer_than_they_may() {
    let wait = Duration::from_millis(40);
    let gathering = Gathering { rows: 4, wait };
    let queue = Arc::new(Queue::new(9));
    let (first, _first) = item(1, 1);
    let begin = first.arrived;
    push(&queue, first);
    let taken = queue.take(gathering, |_| Some(()), stay);
    assert_eq!(taken.expect("a batch").0.len(), 1);
    assert!(begin.elapsed() >= wait);

    let (first, _first) = item(1, 1);
    let (second, _second) = item(3, 1);
    push(&queue, first);
    push(&queue, second);
    let begin = Instant::now();
    let taken = queue.take(gathering, |_| Some(()), stay);
    assert_eq!(taken.expect("a batch").0.len(), 2);
    assert!(begin.elapsed() < wait, "it was full");
}

#[test]
fn what_avoids_a_unit_is_not_mixed_with_what_does_not() {
    let queue = Arc::new(Queue::new(9));
    let (fresh, _fresh) = item(1, 1);
    let (mut back, _back) = item(2, 1);
    back.avoid = 1;
    push(&queue, fresh);
    queue.put_back(vec![back]);
    let place = |avoid| (avoid == 1).then_some(avoid);
    let taken = queue.take(AT_ONCE, place, stay).expect("a batch");
    assert_eq!((taken.0.len(), taken.2), (1, 1));
    assert_eq!(next(&queue), [1]);
}
