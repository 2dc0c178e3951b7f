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

use crate::core::Host;
use crate::verilated::{Inputs, Outputs};

/// AXI's OKAY and SLVERR.
const OKAY: u8 = 0;
const SLAVE_ERROR: u8 = 2;

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
    beats: VecDeque<u64>,
    response: u8,
}

/// Read address and data channels.
pub struct ReadChannel {
    weather: Weather,
    bursts: VecDeque<ReadBurst>,
    now: u64,
    offering: bool,
}

impl ReadChannel {
    /// A channel with this timing.
    pub fn new(timing: BusTiming, seed: u64) -> Self {
        Self {
            weather: Weather::new(timing, seed),
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
            inputs.m_r_data = burst.beats.front().copied().unwrap_or(0);
            inputs.m_r_response = burst.response;
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
            let mut data = vec![0; beats * 8];
            let response = match host.dma_read(outputs.m_ar_address, &mut data) {
                Ok(()) => OKAY,
                Err(error) => {
                    tracing::debug!(%error, "DMA read refused");
                    data.fill(0);
                    SLAVE_ERROR
                }
            };
            let beats = data
                .chunks_exact(8)
                .map(|beat| {
                    beat.iter()
                        .rev()
                        .fold(0, |word, byte| word << 8 | u64::from(*byte))
                })
                .collect();
            let due = now + self.weather.latency();
            self.bursts.push_back(ReadBurst {
                due,
                beats,
                response,
            });
        }
    }
}

/// A burst whose data is being written.
struct WriteBurst {
    address: u64,
    failed: bool,
}

/// Write address, data and response channels.
pub struct WriteChannel {
    weather: Weather,
    bursts: VecDeque<WriteBurst>,
    data: Vec<(u64, u8)>,
    responses: VecDeque<(u64, u8)>,
    now: u64,
}

impl WriteChannel {
    /// A channel with this timing.
    pub fn new(timing: BusTiming, seed: u64) -> Self {
        Self {
            weather: Weather::new(timing, seed),
            bursts: VecDeque::new(),
            data: Vec::new(),
            responses: VecDeque::new(),
            now: 0,
        }
    }

    /// Forgets all traffic.
    pub fn clear(&mut self) {
        self.bursts.clear();
        self.data.clear();
        self.responses.clear();
    }

    /// Sets this cycle's inputs.
    pub fn drive(&mut self, inputs: &mut Inputs, connected: bool) {
        inputs.m_aw_ready = u8::from(connected && self.weather.open());
        inputs.m_w_ready = u8::from(connected && !self.bursts.is_empty() && self.weather.open());
        inputs.m_b_valid = 0;
        if let Some((due, response)) = self.responses.front()
            && *due <= self.now
        {
            inputs.m_b_valid = 1;
            inputs.m_b_response = *response;
        }
    }

    /// Notes that a cycle has passed in which only responses could move (they are always taken).
    pub fn tick(&mut self, inputs: &Inputs, now: u64) {
        self.now = now;
        if inputs.m_b_valid == 1 {
            self.responses.pop_front();
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
                write_burst(&mut burst, &self.data, host);
                self.data.clear();
                let response = if burst.failed { SLAVE_ERROR } else { OKAY };
                let due = now + self.weather.latency();
                self.responses.push_back((due, response));
            }
        }
        if outputs.m_aw_valid == 1 && inputs.m_aw_ready == 1 {
            self.bursts.push_back(WriteBurst {
                address: outputs.m_aw_address,
                failed: false,
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
