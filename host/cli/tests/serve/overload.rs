//! More than a server can do, by its devices or by what it was told to take.

use std::io::{Read, Write};
use std::time::Duration;

use crate::server::{Models, Server, pytest, read_all};

#[test]
fn three_times_what_it_can_do_is_refused_in_time_and_within_bounds() {
    let models = Models::new();
    // One that takes its time for a row.
    let server = Server::start(&models, &["--device", "sim:tiny"]);
    pytest(&server, &models, "test_overload.py", &[]);
}

#[test]
fn connections_above_the_limit_wait_for_their_turn() {
    let models = Models::new();
    let server = Server::start(&models, &["--max-connections", "3"]);
    let ask = b"GET /v2/health/live HTTP/1.1\r\nHost: systole\r\n\r\n";
    let mut there: Vec<_> = (0..3).map(|_| server.connect()).collect();
    for stream in &mut there {
        stream.write_all(ask).expect("it reads");
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).expect("it answers");
        assert_eq!(&answer, b"HTTP/1.1 200");
    }
    let mut next = server.connect();
    next.set_read_timeout(Some(Duration::from_millis(300)))
        .expect("a timeout");
    next.write_all(ask).expect("it is in the socket");
    let mut answer = [0; 12];
    assert!(next.read_exact(&mut answer).is_err(), "it has to wait");
    drop(there.pop());
    next.set_read_timeout(Some(Duration::from_secs(20)))
        .expect("a timeout");
    next.read_exact(&mut answer).expect("it is its turn");
    assert_eq!(&answer, b"HTTP/1.1 200");
}

#[test]
fn requests_above_the_limit_are_refused() {
    let models = Models::new();
    let server = Server::start(&models, &["--max-requests", "2"]);
    let head = "POST /v2/models/digits/infer HTTP/1.1\r\nHost: systole\r\nConnection: close\r\nContent-Length: 9\r\n\r\n{";
    let mut slow: Vec<_> = (0..2).map(|_| server.connect()).collect();
    for stream in &mut slow {
        stream.write_all(head.as_bytes()).expect("it reads");
    }
    // They have begun when the server says that it is full.
    let mut answer = String::new();
    for _ in 0..200 {
        answer = server.get("/v2/models/digits");
        if !answer.starts_with("HTTP/1.1 200") {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(answer.contains("2 requests"), "{answer}");
    for mut stream in slow {
        stream.write_all(b"        ").expect("it reads");
        let answer = read_all(&mut stream);
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    }
    assert!(server.get("/v2/models/digits").starts_with("HTTP/1.1 200"));
}

#[test]
fn nothing_is_loaded_that_nobody_asked_for() {
    let models = Models::new();
    let server = Server::start(&models, &["--model-control", "explicit"]);
    pytest(&server, &models, "test_explicit.py", &[]);
}
