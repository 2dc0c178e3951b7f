//! The served device, end to end, with the client of the `vfio_user` crate.
//!
//! ```text
//!  test: Client --socket--> serve(FunctionalModel) in a thread
//!    |                            |
//!    +---- memfd, eventfd --------+
//! ```

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::{Signal, raise};
use systole_regs::configuration::TINY;
use systole_regs::entries::{CompletionEntry, LoadEntry, RunEntry, opcode};
use systole_regs::registers::{self, INTERRUPT_ENABLE, control, status};
use systole_regs::{MAGIC, Status};
use systole_sim::model::FunctionalModel;
use systole_sim::{Activity, Core, Host, ServeError, ServeOptions, Stop, serve};
use vfio_bindings::bindings::vfio::{
    VFIO_IRQ_SET_ACTION_TRIGGER, VFIO_IRQ_SET_DATA_EVENTFD, VFIO_IRQ_SET_DATA_NONE,
    VFIO_PCI_BAR0_REGION_INDEX, VFIO_PCI_BAR4_REGION_INDEX, VFIO_PCI_CONFIG_REGION_INDEX,
    VFIO_PCI_MSIX_IRQ_INDEX,
};
use vfio_user::Client;

const RING: u64 = 0x12_0000_0000;
const COMPLETIONS: u64 = RING + 0x1000;
const MEMORY_BYTES: u64 = 0x4000;

struct Running {
    socket: PathBuf,
    thread: JoinHandle<Result<(), ServeError>>,
    stop: Stop,
    _directory: tempfile::TempDir,
}

fn options(socket: &Path) -> ServeOptions {
    ServeOptions {
        signals: false,
        ..ServeOptions::new(socket)
    }
}

/// Serves a core until the test stops it.
fn start(core: impl Core + 'static, change: impl FnOnce(&mut ServeOptions)) -> Running {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("device.sock");
    let stop = Stop::new();
    let (sender, ready) = channel();
    let mut options = options(&socket);
    options.stop = Some(stop.clone());
    options.ready = Some(Box::new(move |path| {
        sender.send(path.to_path_buf()).unwrap()
    }));
    change(&mut options);
    let socket = options.socket.clone();
    let thread = thread::spawn(move || serve(options, Box::new(core)));
    assert_eq!(ready.recv_timeout(Duration::from_secs(5)).unwrap(), socket);
    Running {
        socket,
        thread,
        stop,
        _directory: directory,
    }
}

impl Running {
    fn finish(self) -> Result<(), ServeError> {
        let start = Instant::now();
        let result = self.thread.join().unwrap();
        assert!(start.elapsed() < Duration::from_secs(5));
        assert!(!self.socket.exists(), "the socket is removed");
        result
    }
}

/// A client with one page-aligned piece of memory, mapped at RING.
struct Driver {
    client: Client,
    memory: File,
    tail: u32,
}

impl Driver {
    fn connect(socket: &Path) -> Self {
        let mut client = Client::new(socket).unwrap();
        client
            .region_write(VFIO_PCI_CONFIG_REGION_INDEX, 4, &6_u16.to_le_bytes())
            .unwrap();
        let memory = File::from(memfd_create(c"serve-test", MFdFlags::MFD_CLOEXEC).unwrap());
        memory.set_len(MEMORY_BYTES).unwrap();
        Driver {
            client,
            memory,
            tail: 0,
        }
    }

    fn map(&mut self) {
        self.client
            .dma_map(0, RING, MEMORY_BYTES, self.memory.as_raw_fd())
            .unwrap();
    }

    fn read(&mut self, offset: u32) -> u32 {
        let mut data = [0; 4];
        self.client
            .region_read(VFIO_PCI_BAR0_REGION_INDEX, offset.into(), &mut data)
            .unwrap();
        u32::from_le_bytes(data)
    }

    fn write(&mut self, offset: u32, value: u32) {
        let data = value.to_le_bytes();
        self.client
            .region_write(VFIO_PCI_BAR0_REGION_INDEX, offset.into(), &data)
            .unwrap();
    }

    fn enable(&mut self, interrupt: u32) {
        self.write(registers::SUBMISSION_BASE_LOW, RING as u32);
        self.write(registers::SUBMISSION_BASE_HIGH, (RING >> 32) as u32);
        self.write(registers::SUBMISSION_ENTRIES, 16);
        self.write(registers::COMPLETION_BASE_LOW, COMPLETIONS as u32);
        self.write(registers::COMPLETION_BASE_HIGH, (COMPLETIONS >> 32) as u32);
        self.write(registers::COMPLETION_ENTRIES, 16);
        self.write(registers::INTERRUPT, interrupt);
        self.write(registers::CONTROL, control::ENABLE);
    }

    /// Submits an entry and polls memory for its completion (fewer than 16 in a test).
    fn command(&mut self, entry: &RunEntry) -> CompletionEntry {
        let index = u64::from(self.tail);
        self.memory
            .write_all_at(bytemuck::bytes_of(entry), index * 64)
            .unwrap();
        self.tail += 1;
        self.write(registers::SUBMISSION_TAIL_DOORBELL, self.tail);
        let start = Instant::now();
        loop {
            let mut bytes = [0; 16];
            self.memory
                .read_exact_at(&mut bytes, COMPLETIONS - RING + index * 16)
                .unwrap();
            let completion: CompletionEntry = bytemuck::pod_read_unaligned(&bytes);
            if completion.phase == 1 {
                return completion;
            }
            assert!(start.elapsed() < Duration::from_secs(5), "no completion");
        }
    }
}

fn nop(command_id: u16) -> RunEntry {
    RunEntry {
        opcode: opcode::NOP,
        command_id,
        ..Default::default()
    }
}

/// An event file descriptor and a file to wait on it (non-blocking, polled).
fn event() -> File {
    File::from(OwnedFd::from(
        EventFd::from_flags(EfdFlags::EFD_NONBLOCK).unwrap(),
    ))
}

fn wait_event(file: &File) -> u64 {
    let start = Instant::now();
    loop {
        let mut bytes = [0; 8];
        if std::io::Read::read(&mut &*file, &mut bytes).is_ok() {
            return u64::from_ne_bytes(bytes);
        }
        assert!(start.elapsed() < Duration::from_secs(5), "no event");
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn registers_commands_interrupts_and_dma_errors() {
    let running = start(FunctionalModel::new(TINY), |_| {});
    let mut driver = Driver::connect(&running.socket);
    assert_eq!(driver.read(registers::MAGIC), MAGIC);
    let region = |index| driver.client.region(index).unwrap().size;
    assert_eq!(region(VFIO_PCI_BAR0_REGION_INDEX), 0x1_0000);
    assert_eq!(region(VFIO_PCI_BAR4_REGION_INDEX), 0x1000);
    assert_eq!(region(VFIO_PCI_CONFIG_REGION_INDEX), 0x1000);
    assert_eq!(
        driver
            .client
            .get_irq_info(VFIO_PCI_MSIX_IRQ_INDEX)
            .unwrap()
            .count,
        8
    );

    driver.map();
    let events = event();
    let flags = VFIO_IRQ_SET_ACTION_TRIGGER | VFIO_IRQ_SET_DATA_EVENTFD;
    let fds = [events.as_raw_fd()];
    driver
        .client
        .set_irqs(VFIO_PCI_MSIX_IRQ_INDEX, flags, 3, 1, &fds)
        .unwrap();
    driver.enable(INTERRUPT_ENABLE | 3);
    let completion = driver.command(&nop(77));
    assert_eq!((completion.command_id, completion.status), (77, 0));
    assert_eq!(wait_event(&events), 1);

    // Masked in the table of BAR4: pending, until unmasked.
    let control = 3 * 16 + 12;
    driver
        .client
        .region_write(VFIO_PCI_BAR4_REGION_INDEX, control, &[1, 0, 0, 0])
        .unwrap();
    driver.command(&nop(78));
    let mut pending = [0];
    while pending != [8] {
        driver
            .client
            .region_read(VFIO_PCI_BAR4_REGION_INDEX, 0x800, &mut pending)
            .unwrap();
    }
    assert!(std::io::Read::read(&mut &events, &mut [0; 8]).is_err());
    driver
        .client
        .region_write(VFIO_PCI_BAR4_REGION_INDEX, control, &[0; 4])
        .unwrap();
    assert_eq!(wait_event(&events), 1);

    // An image that is not mapped: a status, and the next command runs.
    let load = LoadEntry {
        opcode: opcode::LOAD,
        image_address: RING + MEMORY_BYTES,
        program_count: 1,
        group_rows: 1,
        ..Default::default()
    };
    let completion = driver.command(bytemuck::cast_ref(&load));
    assert_eq!(completion.status, Status::DmaReadError as u8);
    assert_eq!(driver.command(&nop(79)).status, 0);
    assert_eq!(driver.read(registers::ERRORS), 1);

    // Interrupts switched off again.
    wait_event(&events);
    let flags = VFIO_IRQ_SET_ACTION_TRIGGER | VFIO_IRQ_SET_DATA_NONE;
    driver
        .client
        .set_irqs(VFIO_PCI_MSIX_IRQ_INDEX, flags, 0, 0, &[])
        .unwrap();
    driver.command(&nop(80));
    assert_eq!(driver.read(registers::COMMANDS), 5);
    assert!(std::io::Read::read(&mut &events, &mut [0; 8]).is_err());

    // A reset by the client: the core forgets, configuration space doesn't.
    driver.client.reset().unwrap();
    assert_eq!(driver.read(registers::MAGIC), MAGIC);
    assert_eq!(driver.read(registers::COMMANDS), 0);

    // Nonsense reads as all ones and changes nothing.
    let mut data = [0; 4];
    driver
        .client
        .region_read(VFIO_PCI_BAR0_REGION_INDEX, 0x1_0000, &mut data)
        .unwrap();
    assert_eq!(data, [0xff; 4]);
    driver.client.region_read(2, 0, &mut data).unwrap();
    assert_eq!(data, [0xff; 4]);
    driver.client.region_write(2, 0, &data).unwrap();
    let mut long = vec![0; 2 << 20];
    driver
        .client
        .region_read(VFIO_PCI_BAR0_REGION_INDEX, 0, &mut long)
        .unwrap();
    assert!(long.iter().all(|&byte| byte == 0xff));

    drop(driver);
    running.stop.stop();
    running.finish().unwrap();
}

#[test]
fn unmapped_rings_are_a_fatal_status_and_unmapping_takes_effect() {
    let running = start(FunctionalModel::new(TINY), |_| {});
    let mut driver = Driver::connect(&running.socket);
    // Mapped in two pieces, unmapped in one.
    let fd = driver.memory.as_raw_fd();
    driver.client.dma_map(0, RING, 0x1000, fd).unwrap();
    driver
        .client
        .dma_map(0x1000, RING + 0x1000, 0x3000, fd)
        .unwrap();
    driver.enable(0);
    assert_eq!(driver.command(&nop(1)).status, 0);
    driver.client.dma_unmap(RING, MEMORY_BYTES).unwrap();
    driver.write(registers::SUBMISSION_TAIL_DOORBELL, 2);
    let start = Instant::now();
    loop {
        let value = driver.read(registers::STATUS);
        if value & status::FATAL != 0 {
            assert_eq!(
                value >> status::FATAL_CODE_SHIFT,
                Status::DmaReadError as u32
            );
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(5));
    }
    running.stop.stop();
    running.finish().unwrap();
}

#[test]
fn each_client_finds_a_fresh_device() {
    let running = start(FunctionalModel::new(TINY), |_| {});
    for _ in 0..3 {
        let mut driver = Driver::connect(&running.socket);
        assert_eq!(driver.read(registers::CONTROL), 0);
        assert_eq!(driver.read(registers::COMMANDS), 0);
        driver.map();
        driver.enable(0);
        assert_eq!(driver.command(&nop(1)).status, 0);
        drop(driver);
        // Mappings are gone too; and the client before them had set the command register.
        let mut client = Client::new(&running.socket).unwrap();
        let mut command = [0; 2];
        client
            .region_read(VFIO_PCI_CONFIG_REGION_INDEX, 4, &mut command)
            .unwrap();
        assert_eq!(command, [0; 2]);
        drop(client);
        let mut driver = Driver::connect(&running.socket);
        driver.enable(0);
        driver.write(registers::SUBMISSION_TAIL_DOORBELL, 1);
        while driver.read(registers::STATUS) & status::FATAL == 0 {}
    }
    running.stop.stop();
    running.finish().unwrap();
}

#[test]
fn once_ends_after_the_first_client_that_used_the_device() {
    let running = start(FunctionalModel::new(TINY), |options| options.once = true);
    // Somebody who only looks whether a server is there.
    drop(std::os::unix::net::UnixStream::connect(&running.socket).unwrap());
    drop(Client::new(&running.socket).unwrap());
    let mut driver = Driver::connect(&running.socket);
    assert_eq!(driver.read(registers::MAGIC), MAGIC);
    drop(driver);
    running.finish().unwrap();
}

#[test]
fn malformed_messages_end_the_connection_only() {
    use std::io::{Read, Write};
    let running = start(FunctionalModel::new(TINY), |_| {});
    // A version message whose size is smaller than its header.
    let mut stream = std::os::unix::net::UnixStream::connect(&running.socket).unwrap();
    stream
        .write_all(&[0, 0, 1, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
        .unwrap();
    assert_eq!(stream.read(&mut [0; 16]).unwrap_or(0), 0, "closed");
    let mut driver = Driver::connect(&running.socket);
    assert_eq!(driver.read(registers::MAGIC), MAGIC);
    drop(driver);
    running.stop.stop();
    running.finish().unwrap();
}

#[test]
fn stale_sockets_are_replaced_live_ones_and_files_are_not() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("device.sock");
    // A listener that went without removing its socket.
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let running = start(FunctionalModel::new(TINY), |options| {
        options.socket.clone_from(&path)
    });
    let second = serve(options(&path), Box::new(FunctionalModel::new(TINY)));
    assert!(matches!(second, Err(ServeError::InUse { .. })));
    // The first still serves.
    assert_eq!(Driver::connect(&path).read(registers::MAGIC), MAGIC);
    running.stop.stop();
    running.finish().unwrap();

    std::fs::write(&path, "precious").unwrap();
    let result = serve(options(&path), Box::new(FunctionalModel::new(TINY)));
    assert!(matches!(result, Err(ServeError::NotASocket { .. })));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    let nowhere = directory.path().join("missing/device.sock");
    let result = serve(options(&nowhere), Box::new(FunctionalModel::new(TINY)));
    assert!(matches!(result, Err(ServeError::Listen { .. })));
}

#[test]
fn signals_end_the_server_and_remove_the_socket() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let running = start(FunctionalModel::new(TINY), |options| options.signals = true);
        raise(signal).unwrap();
        running.finish().unwrap();
    }
}

#[test]
fn stopping_under_a_client_closes_its_connection() {
    let running = start(FunctionalModel::new(TINY), |_| {});
    let mut driver = Driver::connect(&running.socket);
    assert_eq!(driver.read(registers::MAGIC), MAGIC);
    running.stop.stop();
    running.finish().unwrap();
    let mut data = [0; 4];
    assert!(
        driver
            .client
            .region_read(VFIO_PCI_BAR0_REGION_INDEX, 0, &mut data)
            .is_err()
    );
}

/// A core that always has more to do, in steps of two milliseconds.
struct Endless;

impl Core for Endless {
    fn read_register(&mut self, offset: u32) -> u32 {
        offset
    }
    fn write_register(&mut self, _: u32, _: u32) {}
    fn reset(&mut self) {}
    fn advance(&mut self, _: &mut dyn Host) -> Activity {
        thread::sleep(Duration::from_millis(2));
        Activity::Busy
    }
}

#[test]
fn registers_are_read_promptly_while_the_core_is_busy() {
    let running = start(Endless, |_| {});
    let mut driver = Driver::connect(&running.socket);
    driver.write(0, 0);
    let start = Instant::now();
    for offset in (0..400).step_by(4) {
        assert_eq!(driver.read(offset), offset);
    }
    assert!(
        start.elapsed() < Duration::from_secs(2),
        "{:?} for 100 reads",
        start.elapsed()
    );
    drop(driver);
    running.stop.stop();
    running.finish().unwrap();
}

/// A core with a defect.
struct Broken;

impl Core for Broken {
    fn read_register(&mut self, _: u32) -> u32 {
        panic!("a defect of the core, on purpose")
    }
    fn write_register(&mut self, _: u32, _: u32) {}
    fn reset(&mut self) {}
    fn advance(&mut self, _: &mut dyn Host) -> Activity {
        Activity::Idle
    }
}

#[test]
fn a_core_that_panics_ends_server_and_connection() {
    let running = start(Broken, |_| {});
    let mut driver = Driver::connect(&running.socket);
    let mut data = [0; 4];
    assert!(
        driver
            .client
            .region_read(VFIO_PCI_BAR0_REGION_INDEX, 0, &mut data)
            .is_err()
    );
    assert!(matches!(running.finish(), Err(ServeError::CoreFailed)));
}
