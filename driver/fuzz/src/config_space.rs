//! A function that says anything about itself: configuration space and registers are the fuzzer's.
//!
//! What must hold is checked at every access ([`watch`]) and after every action here: what is accepted
//! is within the documented limits, what is refused is refused by an error, all in a bounded number of
//! accesses, and a function without faults works.

mod function;
mod plan;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use arbitrary::Unstructured;
use systole_driver::{
    Command, Device, Error, Identity, OpenOptions, QueueOptions, QueuePair, Transport,
};
use systole_regs::ABI_VERSION;

use function::Function;
use plan::{Action, Plan};

/// Most accesses of opening: 3 for identifiers, 17 for the identity, 99 for capabilities, and the rest
/// for the command register and a reset, in which a read of all ones is followed by another.
const OPEN_ACCESSES: u32 = 160;

/// Most accesses of any other action on the device, but for reading slots.
const ACTION_ACCESSES: u32 = 96;

/// Most accesses of reading one slot: six registers, each of which may be all ones.
const SLOT_ACCESSES: u32 = 12;

/// Opens a function made of `data` and uses it.
///
/// # Panics
/// If the driver does what it must not do.
pub fn config_space(data: &[u8]) {
    let Ok(mut plan) = Plan::decode(&mut Unstructured::new(data)) else {
        return;
    };
    let options = OpenOptions {
        timeout: plan.timeout,
    };
    let actions = std::mem::take(&mut plan.actions);
    let faultless = plan.faultless;
    let function = Arc::new(Function::new(plan));
    function.watched(|watch| watch.begin(OPEN_ACCESSES));
    match Device::over(Arc::clone(&function) as Arc<dyn Transport>, options) {
        Ok(device) => {
            check_identity(device.identity());
            let said = function.watched(|watch| {
                watch.open(device.identity());
                watch.identity()
            });
            assert_eq!(*device.identity(), said, "the device said something else");
            let mut user = User {
                function: &function,
                device,
                queue: None,
                faultless,
            };
            for action in actions {
                user.act(action);
            }
            function.watched(|watch| watch.close());
        }
        Err(error) => {
            assert!(!faultless, "a function without faults was refused: {error}");
            assert!(!error.to_string().is_empty());
        }
    }
    function.watched(|watch| {
        let violation = watch.violation();
        assert!(violation.is_none(), "{violation:?}");
        assert_eq!(watch.mapping_count(), 0, "mappings were forgotten");
    });
}

/// What the driver promises of an identity that it accepts.
fn check_identity(identity: &Identity) {
    let Identity {
        abi_major,
        array_rows,
        array_columns,
        requantize_lanes,
        slot_count,
        queue_count,
        queue_entries_max,
        clock_khz,
        features,
        ..
    } = *identity;
    assert_eq!(u32::from(abi_major), ABI_VERSION >> 16);
    assert!((1..=4096).contains(&array_rows));
    assert!((1..=4096).contains(&array_columns));
    assert!(requantize_lanes != 0 && array_columns.is_multiple_of(requantize_lanes));
    for memory in [
        identity.scratchpad_bytes,
        identity.weight_tiles,
        identity.parameter_entries,
        identity.program_instructions,
        identity.accumulator_rows,
    ] {
        assert!((1..=1 << 30).contains(&memory));
    }
    assert!((1..=64).contains(&slot_count));
    assert!((1..=12).contains(&queue_count));
    assert!((2..=65_536).contains(&queue_entries_max));
    assert!((1..=10_000_000).contains(&clock_khz));
    assert!(features & 1 != 0 && features != u32::MAX);
}

/// Who has opened the device.
struct User<'a> {
    function: &'a Function,
    device: Device,
    queue: Option<QueuePair>,
    faultless: bool,
}

impl User<'_> {
    fn act(&mut self, action: Action) {
        let slots = self.device.identity().slot_count;
        self.function.watched(|watch| {
            watch.begin(match action {
                Action::Slots => slots as u32 * SLOT_ACCESSES,
                _ => ACTION_ACCESSES,
            });
        });
        match action {
            Action::Slots => {
                let found = self.device.slots();
                if let Some(found) = self.expect(found) {
                    assert_eq!(found.len(), slots);
                }
            }
            Action::Counters => {
                let counters = self.device.counters();
                self.expect(counters);
            }
            Action::MakeQueue(mode, entries) => {
                let made = self.device.queue_pair(QueueOptions { entries, mode });
                let most = self.device.identity().queue_entries_max;
                if !(2..=most).contains(&entries) {
                    assert!(matches!(made, Err(Error::QueueSize { .. })));
                    self.expect_no_access();
                } else if self.queue.is_some() {
                    assert!(matches!(made, Err(Error::QueueInUse)));
                    self.expect_no_access();
                } else {
                    self.queue = self.expect(made);
                }
            }
            Action::UseQueue => self.use_queue(),
            Action::DropQueue => self.queue = None,
            Action::Recover | Action::Reset => {
                let result = match action {
                    Action::Recover => self.device.recover(),
                    _ => self.device.reset(),
                };
                if self.queue.is_some() {
                    assert!(matches!(result, Err(Error::QueueInUse)));
                    self.expect_no_access();
                } else if self.expect(result).is_some() && matches!(action, Action::Recover) {
                    let said = self.function.watched(|watch| watch.identity());
                    assert_eq!(*self.device.identity(), said, "it is not the same device");
                }
            }
            Action::Allocate(bytes) => match self.device.allocate(bytes) {
                Ok(buffer) => assert!(bytes > 0 && buffer.len() == bytes),
                Err(Error::BufferSize { .. }) => assert_eq!(bytes, 0),
                Err(error) => assert!(!self.faultless, "{error}"),
            },
        }
    }

    /// Gives a command to the queue pair, if there is one, and waits for no time at all.
    fn use_queue(&mut self) {
        let Some(queue) = &mut self.queue else {
            return;
        };
        // This device answers nothing, and so its queue fills up.
        match queue.submit(Command::Nop) {
            Ok(_) | Err(Error::QueueFull) => {}
            Err(error) => panic!("{error}"),
        }
        let rung = queue.ring();
        assert!(matches!(queue.poll(), Ok(None)), "nothing was completed");
        let waited = queue.wait(Duration::ZERO);
        let in_flight = queue.in_flight();
        match waited {
            Ok(completion) => panic!("nothing was completed: {completion:?}"),
            Err(Error::NothingInFlight) => assert_eq!(in_flight, 0),
            Err(error) => assert!(
                !self.faultless || matches!(error, Error::Timeout),
                "{error}"
            ),
        }
        self.expect(rung);
    }

    /// A result, which a function without faults must not fail to give.
    fn expect<T>(&self, result: Result<T, Error>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                assert!(!self.faultless, "a function without faults: {error}");
                None
            }
        }
    }

    /// What is refused at once does not reach the device.
    fn expect_no_access(&self) {
        let accesses = self.function.watched(|watch| watch.accesses());
        assert_eq!(accesses, 0);
    }
}
