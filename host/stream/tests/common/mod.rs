//! What the tests of the service share: a network, predictors with habits, and readers of answers.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::error::Error;
use std::io::{Read, Seek, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::Deserialize;
use serde_json::Value;
use systole_host::Network;
use systole_host::cpu::CpuExecutor;
use systole_host::model::{
    Element, FullyConnected, Layer, Layout, Operation, Port, Quantization, Rounding, Scale, Source,
    Tensor, TensorId,
};
use systole_stream::{Prediction, Predictor};

/// Values of an input row.
pub const INPUTS: usize = 64;
/// Values of an output row.
pub const OUTPUTS: usize = 10;
/// Version that the predictors state.
pub const VERSION: u32 = 7;

/// Numbers that look random and are the same each time.
pub struct Numbers(u64);

impl Numbers {
    pub fn new(seed: u64) -> Numbers {
        Numbers(seed)
    }

    pub fn byte(&mut self) -> i8 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 56) as i8
    }

    pub fn row(&mut self) -> Vec<i8> {
        (0..INPUTS).map(|_| self.byte()).collect()
    }
}

/// 64 -> 32 -> 10, with weights that make every output depend on the row.
pub fn network(element: Element) -> Network {
    let sizes = [INPUTS, 32, OUTPUTS];
    let mut numbers = Numbers::new(1);
    let tensors: Vec<_> = sizes
        .iter()
        .zip([-3_i8, 5, 20])
        .map(|(&size, zero_point)| Tensor {
            name: format!("t{size}"),
            shape: vec![size],
            zero_point,
            scale: 0.125,
        })
        .collect();
    let mut layer = |index: usize, clamp_minimum: i8| {
        let (inputs, outputs) = (sizes[index], sizes[index + 1]);
        let operation = Operation::FullyConnected(FullyConnected {
            input_channels: inputs,
            output_channels: outputs,
            weights: (0..inputs * outputs).map(|_| numbers.byte()).collect(),
            bias: (0..outputs)
                .map(|_| i32::from(numbers.byte()) * 50)
                .collect(),
            scales: vec![Scale::from_real(0.001).expect("a valid scale"); outputs],
            rounding: Rounding::Single,
            clamp_minimum,
            clamp_maximum: i8::MAX,
        });
        Layer {
            name: format!("dense{index}"),
            inputs: vec![TensorId(index)],
            output: TensorId(index + 1),
            operation,
        }
    };
    let layers = vec![layer(0, 5), layer(1, i8::MIN)];
    let port = |index: usize| Port {
        name: tensors[index].name.clone(),
        tensor: TensorId(index),
        element,
        quantization: Quantization {
            scale: tensors[index].scale,
            zero_point: i32::from(tensors[index].zero_point) + element.offset(),
        },
        external_float: true,
        layout: Layout::Same,
    };
    let network = Network {
        name: "test".into(),
        source: Source::Tflite,
        input: port(0),
        output: port(2),
        layers,
        tensors,
    };
    network.validate().expect("the network is consistent");
    network
}

/// Computes on the calling thread.
pub struct Cpu(CpuExecutor);

impl Cpu {
    pub fn new(network: &Network) -> Cpu {
        Cpu(CpuExecutor::new(network).expect("the network is consistent"))
    }

    pub fn compute(&self, rows: &[i8]) -> Vec<i8> {
        self.0.run(rows, rows.len() / INPUTS)
    }
}

impl Predictor for Cpu {
    type Pending = Vec<i8>;

    fn submit(&self, rows: Vec<i8>) -> Vec<i8> {
        rows
    }

    fn wait(&self, rows: Vec<i8>) -> Result<Prediction, Box<dyn Error + Send + Sync>> {
        Ok(Prediction {
            outputs: self.compute(&rows),
            version: VERSION,
            cycles: None,
        })
    }
}

/// Computes a number of batches, then fails like a device that has gone.
pub struct Failing {
    pub cpu: Cpu,
    pub good: usize,
    pub waited: AtomicUsize,
}

#[derive(Debug, thiserror::Error)]
#[error("the device is gone")]
pub struct Gone;

impl Predictor for Failing {
    type Pending = Vec<i8>;

    fn submit(&self, rows: Vec<i8>) -> Vec<i8> {
        rows
    }

    fn wait(&self, rows: Vec<i8>) -> Result<Prediction, Box<dyn Error + Send + Sync>> {
        if self.waited.fetch_add(1, Ordering::SeqCst) < self.good {
            self.cpu.wait(rows)
        } else {
            Err(Box::new(Gone))
        }
    }
}

/// Remembers how many rows each batch had, and how many rows were submitted so far.
pub struct Recording {
    pub cpu: Cpu,
    pub batches: Mutex<Vec<usize>>,
    pub rows: AtomicUsize,
}

impl Recording {
    pub fn new(network: &Network) -> Recording {
        Recording {
            cpu: Cpu::new(network),
            batches: Mutex::default(),
            rows: AtomicUsize::new(0),
        }
    }
}

impl Predictor for Recording {
    type Pending = Vec<i8>;

    fn submit(&self, rows: Vec<i8>) -> Vec<i8> {
        let count = rows.len() / INPUTS;
        self.batches
            .lock()
            .expect("no test panics in here")
            .push(count);
        self.rows.fetch_add(count, Ordering::SeqCst);
        rows
    }

    fn wait(&self, rows: Vec<i8>) -> Result<Prediction, Box<dyn Error + Send + Sync>> {
        self.cpu.wait(rows)
    }
}

/// One line of the output.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    #[serde(default)]
    pub line: Option<u64>,
    pub id: Value,
    pub output: Option<Vec<f64>>,
    pub argmax: Option<usize>,
    pub latency_us: Option<u64>,
    pub model_version: Option<u32>,
    pub error: Option<String>,
}

pub fn answers(output: &[u8]) -> Vec<Answer> {
    std::str::from_utf8(output)
        .expect("answers are UTF-8")
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}")))
        .collect()
}

/// An event with a row of integers.
pub fn quantized_event(id: usize, row: &[i8]) -> String {
    format!("{{\"id\":{id},\"quantized\":true,\"row\":{row:?}}}\n")
}

/// An event with a row of real numbers that quantize to this row.
pub fn real_event(network: &Network, id: usize, row: &[i8]) -> String {
    let values = network.input.dequantize(row);
    format!("{{\"id\":{id},\"row\":{values:?}}}\n")
}

/// A file with this content, at its start.
pub fn file(content: &[u8]) -> std::fs::File {
    let mut file = tempfile::tempfile().expect("temporary files can be made");
    file.write_all(content)
        .expect("temporary files can be written");
    file.rewind().expect("files can be rewound");
    file
}

/// Index of the greatest value, the first one of equals.
pub fn greatest(values: &[i8]) -> usize {
    let greatest = values.iter().max().expect("there are values");
    values
        .iter()
        .position(|value| value == greatest)
        .expect("it is one of them")
}

/// Waits until something holds, for at most ten seconds.
pub fn eventually(what: &str, condition: impl Fn() -> bool) {
    let begin = std::time::Instant::now();
    while !condition() {
        assert!(
            begin.elapsed().as_secs() < 10,
            "not within ten seconds: {what}"
        );
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
}

/// Reads a whole stream.
pub fn read_all(mut input: impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    input.read_to_end(&mut bytes).expect("reading succeeds");
    bytes
}
