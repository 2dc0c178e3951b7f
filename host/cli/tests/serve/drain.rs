//! SIGTERM: what is being asked is answered, nothing new is taken, and the end is a success.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::server::{Models, Server, pytest, read_all};

const SLOW: &str = "POST /v2/models/digits/infer HTTP/1.1\r\nHost: systole\r\n";

fn row() -> String {
    let row = vec!["1"; 64].join(",");
    format!(r#"{{"inputs":[{{"name":"pixels","shape":[1,64],"datatype":"FP32","data":[{row}]}}]}}"#)
}

/// Waits until the server takes no more connections.
fn wait_until_closed(server: &Server) {
    let begin = Instant::now();
    while TcpStream::connect(server.http).is_ok() || TcpStream::connect(server.grpc).is_ok() {
        assert!(begin.elapsed() < Duration::from_secs(5), "it still listens");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_request_in_flight_is_finished() {
    let models = Models::new();
    let mut server = Server::start(&models, &[]);
    let body = row();
    let (first, rest) = body.split_at(body.len() / 2);
    let mut slow = server.connect();
    let head = format!("{SLOW}Content-Length: {}\r\n\r\n{first}", body.len());
    slow.write_all(head.as_bytes()).expect("the server reads");
    // Connections without a request: one that has had one, and one that has said nothing yet.
    let mut idle = server.connect();
    idle.write_all(b"GET /v2/health/live HTTP/1.1\r\nHost: systole\r\n\r\n")
        .expect("the server reads");
    let mut silent = server.connect();
    std::thread::sleep(Duration::from_millis(300));

    server.terminate();
    wait_until_closed(&server);
    assert!(read_all(&mut idle).starts_with("HTTP/1.1 200"));
    assert_eq!(read_all(&mut silent), "");
    assert!(
        server.child.try_wait().expect("a child").is_none(),
        "it waits"
    );
    slow.write_all(rest.as_bytes()).expect("it still reads");
    let answer = read_all(&mut slow);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("\"outputs\""), "{answer}");
    let status = server.wait(Duration::from_secs(5));
    assert_eq!(status.code(), Some(0), "{}", server.said());
}

#[test]
fn a_stream_is_served_to_its_end() {
    let models = Models::new();
    let mut server = Server::start(&models, &[]);
    let id = server.child.id().to_string();
    pytest(
        &server,
        &models,
        "test_drain.py",
        &[("SYSTOLE_PROCESS", &id)],
    );
    let status = server.wait(Duration::from_secs(5));
    assert_eq!(status.code(), Some(0), "{}", server.said());
}

#[test]
fn requests_that_do_not_finish_are_not_waited_for_longer_than_said() {
    let models = Models::new();
    let mut server = Server::start(&models, &["--drain", "400ms"]);
    let mut slow = server.connect();
    let head = format!("{SLOW}Content-Length: 1000\r\n\r\n{{");
    slow.write_all(head.as_bytes()).expect("the server reads");
    std::thread::sleep(Duration::from_millis(200));
    let begin = Instant::now();
    server.terminate();
    let status = server.wait(Duration::from_secs(8));
    assert!(
        begin.elapsed() >= Duration::from_millis(350),
        "it waits as said"
    );
    assert_eq!(status.code(), Some(0), "{}", server.said());
}
