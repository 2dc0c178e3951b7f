//! A Linux guest with an IOMMU, into which QEMU puts a served accelerator as a PCIe function; the
//! guest's own kernel and VFIO are between the driver and the device.
//!
//! ```text
//!  test -- lines --> serial port --> init --> sh --> systole --> /dev/vfio --> guest's IOMMU
//!       <-- output, status ---                                                      |
//!  device process (Verilated) <-- vfio-user -- QEMU: vfio-user-pci <----------------+
//! ```
//!
//! QEMU and a kernel come from Debian's packages (`tests/guest/fetch`), another kernel is built
//! (`tests/guest/build-kernel`); the processor is emulated.

pub mod checks;
mod image;

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

pub use image::{Files, Kernel};

/// Longest time from the start of QEMU to the guest's first word.
const BOOT: Duration = Duration::from_secs(120);

/// What a line printed, and how it ended.
#[derive(Debug)]
pub struct Output {
    /// Standard output and standard error.
    pub text: String,
    /// The exit status of the shell.
    pub status: i32,
}

impl Output {
    /// The text of a line that succeeded.
    ///
    /// # Panics
    /// If it did not.
    pub fn success(self) -> String {
        assert_eq!(self.status, 0, "{}", self.text);
        self.text
    }
}

/// A running guest; it and its device end when this is dropped.
pub struct Guest {
    device: Child,
    qemu: Child,
    input: ChildStdin,
    lines: Receiver<String>,
    /// Assignments before each line.
    variables: String,
    folder: tempfile::TempDir,
}

impl Guest {
    /// Boots a guest with a device that `systole sim serve` serves with these arguments.
    ///
    /// `fetched` is the folder of `tests/guest/fetch`, `systole` the command to run inside and out.
    ///
    /// # Panics
    /// If it does not boot: the test is over then.
    pub fn boot(
        fetched: &Path,
        systole: &Path,
        serve: &[&str],
        kernel: Kernel,
        files: &Files,
    ) -> Guest {
        let folder = tempfile::tempdir().expect("there is room for temporary files");
        let socket = folder.path().join("device.sock");
        let device_log = File::create(folder.path().join("device.log")).expect("a file");
        let mut device = Command::new(systole);
        device.args(["sim", "serve", "--socket"]).arg(&socket);
        device.args(serve).stdout(Stdio::null()).stderr(device_log);
        let device = start(device);
        let begin = Instant::now();
        while !socket.exists() {
            assert!(begin.elapsed() < Duration::from_secs(20), "no device");
            thread::sleep(Duration::from_millis(10));
        }
        let initrd = folder.path().join("initrd.gz");
        image::write(&initrd, fetched, systole, kernel, files);

        let mut qemu = qemu(fetched, &socket, &folder.path().join("kernel.log"));
        qemu.arg("-kernel").arg(kernel.image(fetched));
        qemu.arg("-initrd").arg(&initrd);
        let qemu_log = File::create(folder.path().join("qemu.log")).expect("a file");
        qemu.stdin(Stdio::piped()).stdout(Stdio::piped());
        qemu.stderr(qemu_log);
        let mut qemu = start(qemu);
        let input = qemu.stdin.take().expect("it is piped");
        let output = qemu.stdout.take().expect("it is piped");
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).trim_end().to_owned();
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let guest = Guest {
            device,
            qemu,
            input,
            lines,
            variables: String::new(),
            folder,
        };
        guest.read_until("guest: ready", BOOT);
        guest
    }

    /// Sets a variable for the lines to come.
    pub fn set(&mut self, name: &str, value: &str) {
        self.variables += &format!("{name}={value}; ");
    }

    /// Runs a line of shell.
    ///
    /// # Panics
    /// If it has not ended after `timeout`, or the guest is gone.
    pub fn run(&mut self, line: &str, timeout: Duration) -> Output {
        // Seen when the test fails.
        println!("guest> {line}");
        let sent = format!("{}{line}\n", self.variables);
        let sent = self.input.write_all(sent.as_bytes());
        sent.expect("the guest reads");
        let (text, status) = self.read_until("guest: status ", timeout);
        let status = status.parse().expect("a status is a number");
        Output { text, status }
    }

    /// Lines before the one that begins with `mark`, and the rest of that one.
    fn read_until(&self, mark: &str, timeout: Duration) -> (String, String) {
        let begin = Instant::now();
        let mut text = String::new();
        loop {
            let left = timeout.saturating_sub(begin.elapsed());
            match self.lines.recv_timeout(left) {
                Ok(line) => match line.strip_prefix(mark) {
                    Some(rest) => return (text, rest.to_owned()),
                    None => text = text + &line + "\n",
                },
                Err(error) => panic!(
                    "{} waiting for {mark:?} for {timeout:?}; so far:\n{text}\n{}",
                    match error {
                        RecvTimeoutError::Timeout => "no answer,",
                        RecvTimeoutError::Disconnected => "QEMU has ended,",
                    },
                    self.logs()
                ),
            }
        }
    }

    /// What kernel, QEMU and device have said.
    fn logs(&self) -> String {
        let read = |name| {
            let text = std::fs::read(self.folder.path().join(name)).unwrap_or_default();
            format!("--- {name}\n{}\n", String::from_utf8_lossy(&text))
        };
        ["kernel.log", "qemu.log", "device.log"].map(read).concat()
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        for child in [&mut self.qemu, &mut self.device] {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Starts a process that ends with this one, however this one ends.
fn start(mut command: Command) -> Child {
    use nix::sys::prctl::set_pdeathsig;
    use nix::sys::signal::Signal;

    // The signal comes when the thread ends that started the process, so that one stays.
    let (sender, started) = channel();
    thread::spawn(move || {
        // SAFETY: prctl is a plain system call, which a forked child may make.
        unsafe {
            command.pre_exec(|| Ok(set_pdeathsig(Signal::SIGKILL)?));
        }
        let child = command.spawn();
        let _ = sender.send(child.map_err(|error| format!("{:?}: {error}", command.get_program())));
        loop {
            thread::park();
        }
    });
    let child = started.recv().expect("the thread answers");
    child.unwrap_or_else(|error| panic!("{error}"))
}

/// The machine: memory that the device process can map, an IOMMU that tells QEMU of each mapping,
/// and time for a device that computes more slowly than any hardware.
fn qemu(fetched: &Path, socket: &Path, kernel_log: &Path) -> Command {
    let root = fetched.join("qemu/usr");
    let libraries = root.join("lib/x86_64-linux-gnu");
    let device = format!(
        r#"{{"driver":"vfio-user-pci","socket":{{"type":"unix","path":"{}"}},"x-msg-timeout":60000}}"#,
        socket.display()
    );
    let log = format!("file:{}", kernel_log.display());
    let mut command = Command::new(root.join("lib64/ld-linux-x86-64.so.2"));
    command.arg("--library-path").arg(libraries);
    command.arg(root.join("bin/qemu-system-x86_64"));
    for data in ["share/qemu", "share/seabios"] {
        command.arg("-L").arg(root.join(data));
    }
    command
        .args(["-M", "q35,kernel-irqchip=split,memory-backend=memory"])
        .args([
            "-object",
            "memory-backend-memfd,id=memory,size=512M,share=on",
        ])
        .args(["-accel", "tcg", "-cpu", "Nehalem", "-m", "512M"])
        .args(["-nodefaults", "-no-user-config", "-no-reboot"])
        .args(["-device", "intel-iommu,intremap=on,caching-mode=on"])
        .args(["-device", &device])
        .args(["-display", "none", "-serial", &log, "-serial", "stdio"])
        .args([
            "-append",
            "console=ttyS0 intel_iommu=on iommu.strict=1 panic=-1",
        ]);
    command
}

/// The only entry of a folder whose name begins so.
fn only(folder: PathBuf, prefix: &str) -> PathBuf {
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| {
        panic!("{}: {error}; run tests/guest/fetch", folder.display());
    });
    let mut paths = entries
        .map(|entry| entry.expect("it can be read"))
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix));
    let path = paths.next().expect("it was unpacked").path();
    assert!(paths.next().is_none(), "two of {prefix} in {folder:?}");
    path
}
