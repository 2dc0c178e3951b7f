//! Malformed, oversized and slow requests: refused in time, and the next request is answered.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use crate::server::{Models, Server, pytest, read_all};

const LIMITS: [&str; 6] = [
    "--max-body",
    "100000",
    "--head-timeout",
    "500ms",
    "--request-timeout",
    "1500ms",
];

/// Much longer than any limit above, on a machine with other things to do.
const SOON: Duration = Duration::from_secs(12);

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

fn infer_body() -> String {
    let row = vec!["1"; 64].join(",");
    format!(r#"{{"inputs":[{{"name":"pixels","shape":[1,64],"datatype":"FP32","data":[{row}]}}]}}"#)
}

fn post(headers: &str, body: &[u8]) -> Vec<u8> {
    let head = "POST /v2/models/digits/infer HTTP/1.1\r\nHost: systole\r\nConnection: close\r\n";
    [format!("{head}{headers}\r\n").as_bytes(), body].concat()
}

/// The server does what it is for.
fn assert_serves(server: &Server) {
    let body = infer_body();
    let headers = format!("Content-Length: {}\r\n", body.len());
    let answer = server.exchange(&post(&headers, body.as_bytes()));
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("\"outputs\""), "{answer}");
    assert!(!server.said().contains("panicked"), "{}", server.said());
}

/// A refusal, as JSON.
fn assert_refuses(answer: &str, status: u16, word: &str) {
    assert!(
        answer.starts_with(&format!("HTTP/1.1 {status}")),
        "{answer}"
    );
    assert!(answer.contains("application/json"), "{answer}");
    assert!(
        answer.contains("{\"error\":\"") && answer.contains(word),
        "{answer}"
    );
}

#[test]
fn garbage_on_the_socket_is_no_harm() {
    let models = Models::new();
    let server = Server::start(&models, &LIMITS);
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    let garbage: Vec<Vec<u8>> = vec![
        vec![],
        b"P".to_vec(),
        b"PRI * HT".to_vec(),
        PREFACE.to_vec(),
        [PREFACE, &settings, &[0xff; 4000]].concat(),
        [PREFACE, &settings, &[0, 0, 0, 1, 5, 0, 0, 0, 1]].concat(),
        // Frames that claim 16 MiB, and a window that overflows.
        [PREFACE, &[0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1]].concat(),
        [
            PREFACE,
            &settings,
            &[0, 0, 4, 8, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff],
        ]
        .concat(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        b"\r\n\r\n\r\n\r\n".to_vec(),
        b"GET\r\n\r\n".to_vec(),
        b"GET / HTTP/9.9\r\n\r\n".to_vec(),
        b"GET /\xff\xfe HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
        b"GET http://[::1 HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1\r\n: no name\r\n\r\n".to_vec(),
        vec![0; 100_000],
        vec![b'A'; 1_000_000],
        (0..100_000_u32)
            .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect(),
    ];
    for bytes in garbage {
        let begin = Instant::now();
        let mut stream = server.connect();
        if bytes.starts_with(PREFACE) {
            // A connection of HTTP/2 may stay without requests.
            let limit = Some(Duration::from_secs(1));
            stream.set_read_timeout(limit).expect("a timeout");
        }
        let _ = stream.write_all(&bytes);
        let answer = read_all(&mut stream);
        let start = &bytes[..bytes.len().min(40)];
        if answer.starts_with("HTTP") {
            assert!(answer.starts_with("HTTP/1.1 4"), "{start:?}: {answer}");
        }
        assert!(begin.elapsed() < SOON, "{start:?} kept its connection");
        assert_serves(&server);
    }
}

#[test]
fn heads_have_their_limits() {
    let models = Models::new();
    let server = Server::start(&models, &LIMITS);
    let long = format!(
        "GET /v2 HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n",
        "x".repeat(2_000_000)
    );
    let many = format!(
        "GET /v2 HTTP/1.1\r\nHost: a\r\n{}\r\n",
        "X: x\r\n".repeat(5000)
    );
    for head in [long, many] {
        let answer = server.exchange(head.as_bytes());
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 431"),
            "{answer}"
        );
        assert_serves(&server);
    }
}

#[test]
fn a_head_that_trickles_is_cut_off() {
    let models = Models::new();
    let server = Server::start(&models, &LIMITS);
    let mut stream = server.connect();
    let begin = Instant::now();
    for byte in b"GET /v2 HTTP/1.1\r\nHost: systole\r\nX: "
        .iter()
        .chain([b'x'].iter().cycle())
    {
        if stream.write_all(&[*byte]).is_err() {
            break;
        }
        assert!(begin.elapsed() < SOON, "the head may trickle for ever");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_serves(&server);
}

#[test]
fn a_body_that_trickles_is_answered_by_408() {
    let models = Models::new();
    let server = Server::start(&models, &LIMITS);
    for framing in ["Content-Length: 5000\r\n", "Transfer-Encoding: chunked\r\n"] {
        let mut stream = server.connect();
        stream
            .write_all(&post(framing, b""))
            .expect("the server reads");
        let begin = Instant::now();
        let piece: &[u8] = match framing.starts_with('C') {
            true => b" ",
            false => b"1\r\n \r\n",
        };
        while begin.elapsed() < Duration::from_millis(2500) {
            if stream.write_all(piece).is_err() {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let answer = read_all(&mut stream);
        // The answer may be lost if bytes come after the end.
        if !answer.is_empty() {
            assert_refuses(&answer, 408, "1.5s");
        }
        assert!(begin.elapsed() < SOON);
        assert_serves(&server);
    }
    // One that just stops gets to see its answer.
    let answer = server.exchange(&post("Content-Length: 5000\r\n", b"{"));
    assert_refuses(&answer, 408, "1.5s");
}

#[test]
fn bodies_have_their_limit() {
    let models = Models::new();
    let server = Server::start(&models, &LIMITS);
    for length in ["100001", "1000000000000", "18446744073709551613"] {
        let begin = Instant::now();
        let mut stream = server.connect();
        let request = post(&format!("Content-Length: {length}\r\n"), b"");
        stream.write_all(&request).expect("the server reads");
        // It doesn't wait for them, but for a client that may be sending.
        let mut start = [0; 12];
        stream.read_exact(&mut start).expect("an answer");
        assert_eq!(&start, b"HTTP/1.1 413");
        assert!(
            begin.elapsed() < Duration::from_secs(1),
            "it waits for {length} bytes"
        );
        assert!(read_all(&mut stream).contains("100000 bytes"));
        assert_serves(&server);
    }
    // All of it is sent before the answer is looked for.
    let large = vec![b' '; 3_000_000];
    let headers = format!("Content-Length: {}\r\n", large.len());
    let answer = server.exchange(&post(&headers, &large));
    assert_refuses(&answer, 413, "100000 bytes");
    let chunk = format!("1000\r\n{}\r\n", " ".repeat(0x1000));
    let chunks = chunk.repeat(30) + "0\r\n\r\n";
    let answer = server.exchange(&post("Transfer-Encoding: chunked\r\n", chunks.as_bytes()));
    assert_refuses(&answer, 413, "100000 bytes");
    assert_serves(&server);
    for wrong in [
        "Content-Length: 18446744073709551615\r\n",
        "Content-Length: 18446744073709551616\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Transfer-Encoding: gzip\r\n",
    ] {
        let answer = server.exchange(&post(wrong, b"{}"));
        assert!(answer.starts_with("HTTP/1.1 4"), "{wrong}: {answer}");
        assert_serves(&server);
    }
}

#[test]
fn clients_meet_limits_as_errors_that_name_them() {
    let models = Models::new();
    let server = Server::start(&models, &LIMITS);
    pytest(&server, &models, "test_limits.py", &[]);
    assert_serves(&server);
}
