//! What a caller may cost.

use std::time::Duration;

/// Limits of the server. All of them refuse with a sentence that names the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request's body, after decompression too.
    pub body_bytes: usize,
    /// Rows of one request.
    pub rows: usize,
    /// Connections at once; others wait to be accepted.
    pub connections: usize,
    /// Requests that are being read, computed or answered at once.
    pub requests: usize,
    /// Time in which a request's head has to arrive.
    pub head_time: Duration,
    /// Time in which a request has to be read and answered.
    pub request_time: Duration,
}

impl Default for Limits {
    /// 64 MiB, 4,096 rows, 4,096 connections, 8,192 requests, 10 and 60 seconds.
    fn default() -> Self {
        Self {
            body_bytes: 64 << 20,
            rows: 4096,
            connections: 4096,
            requests: 8192,
            head_time: Duration::from_secs(10),
            request_time: Duration::from_secs(60),
        }
    }
}
