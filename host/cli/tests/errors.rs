//! Whatever is wrong, the command says so clearly and at once: no hang, no panic, and an exit
//! code that a script can act on.

mod common;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{Served, assert_fails, golden, model, systole, write_int8, write_npy};
use tempfile::TempDir;

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// `systole infer` with these files; the output goes into `folder`.
fn infer(folder: &Path, model: PathBuf, input: PathBuf) -> Command {
    let mut command = systole();
    command
        .arg("infer")
        .arg("--model")
        .arg(model)
        .arg("--input")
        .arg(input)
        .arg("--output")
        .arg(folder.join("out.npy"));
    command
}

fn ad() -> PathBuf {
    model("ad01_int8.tflite")
}

fn rows() -> PathBuf {
    golden("ad01_int8_in.npy")
}

#[test]
fn a_command_line_that_makes_no_sense_ends_with_2() {
    if !common::references_are_there() {
        return;
    }
    assert_fails(&mut systole(), 2, &["Usage"]);
    assert_fails(systole().arg("dance"), 2, &["dance"]);
    assert_fails(systole().args(["infer", "--model", "x"]), 2, &["--input"]);
    assert_fails(
        systole().args(["info", "--device", "gpu"]),
        2,
        &["vfio-user:SOCKET"],
    );
    assert_fails(
        systole().args(["info", "--device", "sim:huge"]),
        2,
        &["tiny, small"],
    );
    let zero = folder();
    assert_fails(
        infer(zero.path(), ad(), rows()).args(["--batch", "0"]),
        2,
        &["--batch"],
    );
}

#[test]
fn missing_files_are_named() {
    if !common::references_are_there() {
        return;
    }
    let folder = folder();
    let absent = folder.path().join("absent");
    assert_fails(
        &mut infer(folder.path(), absent.clone(), rows()),
        1,
        &["absent"],
    );
    assert_fails(
        &mut infer(folder.path(), ad(), absent.clone()),
        1,
        &["absent", "No such file"],
    );
    assert_fails(
        &mut infer(&absent, ad(), rows()),
        1,
        &["there is no folder", "absent"],
    );
    assert_fails(
        &mut infer(folder.path(), folder.path().to_owned(), rows()),
        1,
        &[],
    );
    assert_fails(
        &mut infer(folder.path(), ad(), folder.path().to_owned()),
        1,
        &[],
    );
}

#[test]
fn files_of_another_kind_are_refused() {
    if !common::references_are_there() {
        return;
    }
    let folder = folder();
    let other = folder.path().join("other");
    let tflite = std::fs::read(ad()).expect("the model is there");
    let onnx = std::fs::read(model("ad01_int8.onnx")).expect("the model is there");
    for content in [
        &b""[..],
        b"hello",
        &[0xff; 4096],
        &tflite[..tflite.len() / 2],
        &tflite[..100],
        &onnx[..onnx.len() / 2],
        &onnx[..100],
    ] {
        std::fs::write(&other, content).expect("the folder can be written");
        assert_fails(
            &mut infer(folder.path(), other.clone(), rows()),
            1,
            &["other"],
        );
        assert_fails(
            &mut infer(folder.path(), ad(), other.clone()),
            1,
            &["other", ".npy"],
        );
    }
}

#[test]
fn rows_that_the_model_does_not_take_are_refused() {
    if !common::references_are_there() {
        return;
    }
    let folder = folder();
    let input = folder.path().join("in.npy");
    for (shape, elements, found) in [
        ("(4, 639)", 4 * 639, "[4, 639]"),
        ("(640,)", 640, "[640]"),
        ("(2, 2, 640)", 2 * 2 * 640, "[2, 2, 640]"),
        ("()", 1, "[]"),
    ] {
        write_int8(&input, shape, elements);
        let hints = ["in.npy", found, "[N, 640]"];
        assert_fails(&mut infer(folder.path(), ad(), input.clone()), 1, &hints);
    }
    for (kind, bytes, name) in [("|u1", 1, "uint8"), ("<f8", 8, "float64"), ("<i4", 4, "i4")] {
        write_npy(&input, kind, "(1, 640)", &vec![0; 640 * bytes]);
        let hints = ["in.npy", name, "int8 or float32"];
        assert_fails(&mut infer(folder.path(), ad(), input.clone()), 1, &hints);
    }
    write_npy(
        &input,
        "<f4",
        "(1, 640)",
        &f32::NAN.to_le_bytes().repeat(640),
    );
    assert_fails(
        &mut infer(folder.path(), ad(), input.clone()),
        1,
        &["in.npy", "NaN"],
    );
}

#[test]
fn headers_that_lie_are_refused_before_memory_is_reserved() {
    if !common::references_are_there() {
        return;
    }
    let folder = folder();
    let input = folder.path().join("in.npy");
    for shape in [
        "(2, 640)",
        "(1000000000000, 640)",
        "(18446744073709551615, 640)",
        "(9223372036854775808, 9223372036854775808)",
        "(-1, 640)",
    ] {
        write_int8(&input, shape, 640);
        assert_fails(
            &mut infer(folder.path(), ad(), input.clone()),
            1,
            &["in.npy"],
        );
    }
    let rest = std::fs::read(golden("ad01_int8_in.npy")).expect("the rows are there");
    let header = rest.len() - 16 * 640;
    std::fs::write(&input, &rest[..header + 1000]).expect("the folder can be written");
    assert_fails(
        &mut infer(folder.path(), ad(), input.clone()),
        1,
        &["in.npy", "1000 bytes"],
    );
}

#[test]
fn layers_that_are_not_supported_are_named() {
    if !common::references_are_there() {
        return;
    }
    let folder = folder();
    // A network whose softmax has become an operator that nobody knows.
    let mut file = std::fs::read(model("kws_dscnn_int8.onnx")).expect("the model is there");
    let at: Vec<usize> = (0..file.len() - 7)
        .filter(|&at| &file[at..at + 7] == b"Softmax")
        .collect();
    assert!(!at.is_empty(), "the network has a softmax");
    for at in at {
        file[at..at + 7].copy_from_slice(b"Softmix");
    }
    let unknown = folder.path().join("unknown.onnx");
    std::fs::write(&unknown, file).expect("the folder is writable");
    let said = assert_fails(
        systole().arg("compile").arg("--model").arg(&unknown),
        1,
        &["unknown.onnx", "Softmix"],
    );
    assert!(said.to_lowercase().contains("support"), "{said}");
    assert_fails(
        &mut infer(folder.path(), unknown, rows()),
        1,
        &["unknown.onnx", "Softmix"],
    );
}

#[test]
fn a_model_that_is_too_large_says_for_what() {
    if !common::references_are_there() {
        return;
    }
    // 2,994 parameters are more than `tiny` holds.
    assert_fails(
        systole()
            .arg("compile")
            .args(["--config", "tiny", "--model"])
            .arg(model("vww_96_int8.tflite")),
        1,
        &["vww_96_int8.tflite", "parameter memory"],
    );
}

#[test]
fn a_socket_with_nobody_behind_it_is_an_error() {
    if !common::references_are_there() {
        return;
    }
    let folder = folder();
    let absent = format!("vfio-user:{}", folder.path().join("absent").display());
    assert_fails(
        systole().args(["info", "--device", &absent]),
        1,
        &["absent"],
    );
    assert_fails(
        infer(folder.path(), ad(), rows()).args(["--device", &absent]),
        1,
        &["absent"],
    );

    // A socket file whose process has gone.
    let stale = folder.path().join("stale");
    drop(std::os::unix::net::UnixListener::bind(&stale).expect("a socket"));
    let stale = format!("vfio-user:{}", stale.display());
    assert_fails(systole().args(["info", "--device", &stale]), 1, &["stale"]);

    // A file that is no socket.
    let file = folder.path().join("file");
    std::fs::write(&file, "hello").expect("the folder can be written");
    let file = format!("vfio-user:{}", file.display());
    assert_fails(systole().args(["info", "--device", &file]), 1, &["file"]);
}

#[test]
fn a_socket_that_never_answers_is_an_error() {
    let folder = folder();
    let path = folder.path().join("silent");
    let listener = std::os::unix::net::UnixListener::bind(&path).expect("a socket");
    let name = format!("vfio-user:{}", path.display());
    assert_fails(systole().args(["info", "--device", &name]), 1, &["silent"]);
    drop(listener);
}

#[test]
fn a_socket_that_speaks_something_else_is_an_error() {
    use std::io::Write;

    let folder = folder();
    let path = folder.path().join("web");
    let listener = std::os::unix::net::UnixListener::bind(&path).expect("a socket");
    let server = std::thread::spawn(move || {
        let (mut client, _) = listener.accept().expect("a client");
        client
            .write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
            .expect("the client reads");
    });
    let name = format!("vfio-user:{}", path.display());
    assert_fails(systole().args(["info", "--device", &name]), 1, &["web"]);
    server.join().expect("the server ends");
}

#[test]
fn a_device_that_dies_in_the_middle_of_a_batch_is_an_error() {
    if !common::references_are_there() {
        return;
    }
    let folder = folder();
    // Enough work for a minute, so that the device is killed amid it.
    let input = folder.path().join("in.npy");
    write_int8(&input, "(20000, 640)", 20_000 * 640);
    for arguments in [
        &["--completion", "polling"][..],
        &["--completion", "interrupt"],
    ] {
        let device_folder = self::folder();
        let mut served = Served::start(device_folder.path(), &[]);
        let mut client = infer(folder.path(), ad(), input.clone())
            .args(["--batch", "16", "--device", &served.device()])
            .args(arguments)
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command starts");
        std::thread::sleep(Duration::from_millis(1500));
        assert!(
            client.try_wait().expect("a child").is_none(),
            "the run should be under way when the device dies"
        );
        served.child.kill().expect("the device runs");
        let begin = Instant::now();
        let output = client.wait_with_output().expect("the command ends");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            begin.elapsed() < common::ERROR_LIMIT,
            "{:?}: {said}",
            begin.elapsed()
        );
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("device"), "{said}");
        assert!(!said.contains("panicked"), "{said}");
        assert!(!folder.path().join("out.npy").exists(), "no half answers");
    }
}

#[test]
fn a_device_of_our_own_that_dies_is_named() {
    if !common::references_are_there() {
        return;
    }
    let folder = folder();
    let input = folder.path().join("in.npy");
    write_int8(&input, "(20000, 640)", 20_000 * 640);
    let client = infer(folder.path(), ad(), input)
        .args(["--device", "sim"])
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let device = wait_for_child_of(client.id());
    std::thread::sleep(Duration::from_millis(1500));
    nix::sys::signal::kill(device, nix::sys::signal::Signal::SIGKILL).expect("the device runs");
    let begin = Instant::now();
    let output = client.wait_with_output().expect("the command ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        begin.elapsed() < common::ERROR_LIMIT,
        "{:?}: {said}",
        begin.elapsed()
    );
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("signal: 9"), "{said}");
}

#[test]
fn a_device_ends_with_the_command_that_started_it() {
    if !common::references_are_there() {
        return;
    }
    let folder = folder();
    let input = folder.path().join("in.npy");
    write_int8(&input, "(20000, 640)", 20_000 * 640);
    let mut client = infer(folder.path(), ad(), input)
        .args(["--device", "sim"])
        .spawn()
        .expect("the command starts");
    let device = wait_for_child_of(client.id());
    std::thread::sleep(Duration::from_millis(500));
    client.kill().expect("the command runs");
    client.wait().expect("the command ends");
    let begin = Instant::now();
    let status = PathBuf::from(format!("/proc/{device}/cmdline"));
    // An ended process that nobody has waited for has an empty command line.
    while std::fs::read(&status).is_ok_and(|line| !line.is_empty()) {
        assert!(
            begin.elapsed() < Duration::from_secs(5),
            "the device should have ended"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The first child process of a process, as soon as there is one.
fn wait_for_child_of(parent: u32) -> nix::unistd::Pid {
    let children = format!("/proc/{parent}/task/{parent}/children");
    let begin = Instant::now();
    loop {
        let text = std::fs::read_to_string(&children).unwrap_or_default();
        if let Some(child) = text.split_whitespace().next() {
            return nix::unistd::Pid::from_raw(child.parse().expect("a process id"));
        }
        assert!(
            begin.elapsed() < Duration::from_secs(20),
            "a device should be started"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_socket_that_is_taken_is_not_taken_over() {
    let folder = folder();
    let served = Served::start(folder.path(), &["--functional"]);
    assert_fails(
        systole()
            .args(["sim", "serve", "--functional", "--socket"])
            .arg(&served.socket),
        1,
        &["device"],
    );
    assert!(served.socket.exists(), "the first device keeps its socket");
    assert_fails(
        systole()
            .args(["sim", "serve", "--functional", "--socket"])
            .arg(folder.path().join("no/where")),
        1,
        &["no/where"],
    );
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    if !common::references_are_there() {
        return;
    }
    let mut child = systole()
        .arg("compile")
        .arg("--model")
        .arg(ad())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("the command ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.is_empty(), "{said}");
}
