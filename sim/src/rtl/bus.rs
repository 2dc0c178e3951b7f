//! AXI4 bus models: the memory side of the accelerator's DMA, with latency and back-pressure.
//!
//! What a channel drives in a cycle depends only on what it has seen in earlier ones, so the
//! order in which models and RTL are evaluated doesn't matter.
//!
//! ```text
//!  AR --> bursts waiting for their latency --> R beats
//!  AW --> bursts without data;  W beats --> host memory, then B after the latency
//! ```

use std::collections::VecDeque;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::fault::{Burst, Direction, ErrorResponse, Ledger};
use crate::core::Host;
use crate::verilated::{Inputs, Outputs};

/// AXI's OKAY.
const OKAY: u8 = 0;

/// Latency and back-pressure of the bus.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BusTiming {
    /// Least cycles from an address to its data, or from the last beat to the response.
    pub latency: u32,
    /// Cycles added at random, up to this many.
    pub jitter: u32,
    /// Probability, in 1/256, that a channel is not ready or has no beat in a cycle.
    pub stall: u8,
}

impl BusTiming {
    /// A steady bus: 16 cycles of latency, a beat a cycle.
    pub const STEADY: BusTiming = BusTiming {
        latency: 16,
        jitter: 0,
        stall: 0,
    };

    /// A bus that does its worst: short and long latencies, channels busy a third of the time.
    pub const fn random() -> BusTiming {
        BusTiming {
            latency: 1,
            jitter: 60,
            stall: 85,
        }
    }
}

/// Randomness of one channel.
struct Weather {
    timing: BusTiming,
    random: ChaCha8Rng,
}

impl Weather {
    fn new(timing: BusTiming, seed: u64) -> Self {
        Self {
            timing,
            random: ChaCha8Rng::seed_from_u64(seed),
        }
    }

    fn latency(&mut self) -> u64 {
        let jitter = if self.timing.jitter == 0 {
            0
        } else {
            self.random.random_range(0..=self.timing.jitter)
        };
        u64::from(self.timing.latency + jitter)
    }

    fn open(&mut self) -> bool {
        self.timing.stall == 0 || self.random.random::<u8>() >= self.timing.stall
    }
}

/// A burst of read data.
struct ReadBurst {
    due: u64,
    /// Data and response of each.
    beats: VecDeque<(u64, u8)>,
    burst: Burst,
}

/// Read address and data channels.
pub struct ReadChannel {
    weather: Weather,
    pub(super) ledger: Ledger,
    bursts: VecDeque<ReadBurst>,
    now: u64,
    offering: bool,
}

impl ReadChannel {
    /// A channel with this timing.
    pub fn new(timing: BusTiming, seed: u64) -> Self {
        Self {
            weather: Weather::new(timing, seed),
            ledger: Ledger::new(Direction::Read),
            bursts: VecDeque::new(),
            now: 0,
            offering: false,
        }
    }

    /// Forgets all traffic.
    pub fn clear(&mut self) {
        self.bursts.clear();
        self.offering = false;
    }

    /// Bursts whose data has not all been taken.
    pub fn outstanding(&self) -> usize {
        self.bursts.len()
    }

    /// Sets this cycle's inputs.
    pub fn drive(&mut self, inputs: &mut Inputs, connected: bool) {
        inputs.m_ar_ready = u8::from(connected && self.weather.open());
        // A valid beat stays until it is taken.
        let ready = self
            .bursts
            .front()
            .is_some_and(|burst| burst.due <= self.now);
        self.offering = ready && (self.offering || self.weather.open());
        inputs.m_r_valid = u8::from(self.offering);
        if self.offering
            && let Some(burst) = self.bursts.front()
        {
            let (data, response) = burst.beats.front().copied().unwrap_or((0, OKAY));
            inputs.m_r_data = data;
            inputs.m_r_response = response;
            inputs.m_r_last = u8::from(burst.beats.len() == 1);
        }
    }

    /// Notes that a cycle has passed in which only data could move.
    pub fn tick(&mut self, inputs: &Inputs, outputs: &Outputs, now: u64) {
        self.now = now;
        if inputs.m_r_valid == 1 && outputs.m_r_ready == 1 {
            self.offering = false;
            if let Some(burst) = self.bursts.front_mut() {
                burst.beats.pop_front();
                if burst.beats.is_empty() {
                    self.ledger.end(burst.burst, now);
                    self.bursts.pop_front();
                }
            }
        }
    }

    /// Notes what moved in a cycle.
    pub fn observe(&mut self, inputs: &Inputs, outputs: &Outputs, now: u64, host: &mut dyn Host) {
        self.tick(inputs, outputs, now);
        if outputs.m_ar_valid == 1 && inputs.m_ar_ready == 1 {
            let beats = usize::from(outputs.m_ar_length) + 1;
            let (burst, fault) = self.ledger.begin(outputs.m_ar_address, beats, now);
            let mut data = vec![0; beats * 8];
            let response = match host.dma_read(outputs.m_ar_address, &mut data) {
                Ok(()) => OKAY,
                Err(error) => {
                    tracing::debug!(%error, "DMA read refused");
                    data.fill(0);
                    ErrorResponse::Slave.code()
                }
            };
            let beats = data
                .chunks_exact(8)
                .enumerate()
                .map(|(index, beat)| {
                    let word = beat
                        .iter()
                        .rev()
                        .fold(0, |word, byte| word << 8 | u64::from(*byte));
                    match fault {
                        // Whoever uses this data all the same will be noticed.
                        Some(fault) if fault.beats >> index & 1 == 1 => {
                            (!word, fault.response.code())
                        }
                        _ => (word, response),
                    }
                })
                .collect();
            let due = now + self.weather.latency();
            self.bursts.push_back(ReadBurst { due, beats, burst });
        }
    }
}

/// A burst whose data is being written.
struct WriteBurst {
    address: u64,
    failed: bool,
    /// The error that it is answered with in any case.
    error: Option<ErrorResponse>,
    burst: Burst,
}

/// A response that waits for its time.
struct WriteResponse {
    due: u64,
    response: u8,
    burst: Burst,
}

/// Write address, data and response channels.
pub struct WriteChannel {
    weather: Weather,
    pub(super) ledger: Ledger,
    bursts: VecDeque<WriteBurst>,
    data: Vec<(u64, u8)>,
    responses: VecDeque<WriteResponse>,
    now: u64,
}

impl WriteChannel {
    /// A channel with this timing.
    pub fn new(timing: BusTiming, seed: u64) -> Self {
        Self {
            weather: Weather::new(timing, seed),
            ledger: Ledger::new(Direction::Write),
            bursts: VecDeque::new(),
            data: Vec::new(),
            responses: VecDeque::new(),
            now: 0,
        }
    }

    /// Forgets all traffic.
    pub fn clear(&mut self) {
        self.clear_unwritten();
        self.responses.clear();
    }

    /// Forgets the bursts whose data has not all come; responses of others are still on their way.
    pub fn clear_unwritten(&mut self) {
        self.bursts.clear();
        self.data.clear();
    }

    /// Bursts that have not been answered.
    pub fn outstanding(&self) -> usize {
        self.bursts.len() + self.responses.len()
    }

    /// Sets this cycle's inputs.
    pub fn drive(&mut self, inputs: &mut Inputs, connected: bool) {
        inputs.m_aw_ready = u8::from(connected && self.weather.open());
        inputs.m_w_ready = u8::from(connected && !self.bursts.is_empty() && self.weather.open());
        inputs.m_b_valid = 0;
        if let Some(first) = self.responses.front()
            && first.due <= self.now
        {
            inputs.m_b_valid = 1;
            inputs.m_b_response = first.response;
        }
    }

    /// Notes that a cycle has passed in which only responses could move (they are always taken).
    pub fn tick(&mut self, inputs: &Inputs, now: u64) {
        self.now = now;
        if inputs.m_b_valid == 1
            && let Some(first) = self.responses.pop_front()
        {
            self.ledger.end(first.burst, now);
        }
    }

    /// Notes what moved in a cycle.
    pub fn observe(&mut self, inputs: &Inputs, outputs: &Outputs, now: u64, host: &mut dyn Host) {
        self.tick(inputs, now);
        if outputs.m_w_valid == 1 && inputs.m_w_ready == 1 {
            self.data.push((outputs.m_w_data, outputs.m_w_strobe));
            if outputs.m_w_last == 1
                && let Some(mut burst) = self.bursts.pop_front()
            {
                if burst.error != Some(ErrorResponse::Decode) {
                    write_burst(&mut burst, &self.data, host);
                }
                self.data.clear();
                let error = burst.error.or(burst.failed.then_some(ErrorResponse::Slave));
                let due = now + self.weather.latency();
                self.responses.push_back(WriteResponse {
                    due,
                    response: error.map_or(OKAY, ErrorResponse::code),
                    burst: burst.burst,
                });
            }
        }
        if outputs.m_aw_valid == 1 && inputs.m_aw_ready == 1 {
            let beats = usize::from(outputs.m_aw_length) + 1;
            let (burst, fault) = self.ledger.begin(outputs.m_aw_address, beats, now);
            self.bursts.push_back(WriteBurst {
                address: outputs.m_aw_address,
                failed: false,
                error: fault.map(|fault| fault.response),
                burst,
            });
        }
    }
}

/// Writes the strobed bytes of a burst, each contiguous piece at once.
fn write_burst(burst: &mut WriteBurst, beats: &[(u64, u8)], host: &mut dyn Host) {
    let mut piece: Vec<u8> = Vec::with_capacity(beats.len() * 8);
    let mut start = burst.address;
    let mut address = burst.address;
    let mut flush = |start: u64, piece: &mut Vec<u8>| {
        if piece.is_empty() {
            return false;
        }
        let result = host.dma_write(start, piece);
        piece.clear();
        if let Err(error) = &result {
            tracing::debug!(%error, "DMA write refused");
        }
        result.is_err()
    };
    for (data, strobe) in beats {
        for byte in 0..8 {
            if strobe >> byte & 1 == 1 {
                if piece.is_empty() {
                    start = address;
                }
                piece.push((data >> (8 * byte)) as u8);
            } else if flush(start, &mut piece) {
                burst.failed = true;
            }
            address = address.wrapping_add(1);
        }
    }
    if flush(start, &mut piece) {
        burst.failed = true;
    }
}
