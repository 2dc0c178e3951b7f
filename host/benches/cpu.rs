//! The exact CPU backend: single layers, whole networks, and the engine around them.

mod networks;

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use systole_host::Network;
use systole_host::cpu::CpuExecutor;
use systole_host::engine::{Backend, Engine, EngineOptions};

/// Rows of a batch.
const BATCHES: [usize; 3] = [1, 16, 64];

/// One layer at a time: what the dot-product kernel makes of its shapes. 1 row and 2 rows take
/// different paths; 37 inputs and 10 outputs fill neither a vector nor a block.
fn layers(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("cpu layer");
    for (inputs, outputs) in [(640, 128), (128, 128), (128, 8), (8, 128), (37, 10)] {
        let network = networks::dense("layer", &[inputs, outputs]);
        let executor = CpuExecutor::new(&network).expect("the network is consistent");
        for rows in [1, 2] {
            let input = networks::values(rows * inputs);
            group.throughput(Throughput::Elements(network.macs() * rows as u64));
            group.bench_function(
                BenchmarkId::new(format!("{inputs}x{outputs}"), rows),
                |bencher| bencher.iter(|| executor.run(black_box(&input), rows)),
            );
        }
    }
    group.finish();
}

fn whole() -> [Network; 2] {
    let widths = networks::ANOMALY_DETECTION;
    [networks::dense("ad", widths), networks::digits()]
}

/// Whole networks on one thread.
fn network(criterion: &mut Criterion) {
    for network in whole() {
        let mut group = criterion.benchmark_group(format!("cpu network {}", network.name));
        let executor = CpuExecutor::new(&network).expect("the network is consistent");
        for rows in BATCHES {
            let input = networks::values(rows * network.input_elements());
            group.throughput(Throughput::Elements(rows as u64));
            group.bench_function(BenchmarkId::from_parameter(rows), |bencher| {
                bencher.iter(|| executor.run(black_box(&input), rows));
            });
        }
        group.finish();
    }
}

/// The same through the engine: its threads, channels and futures.
fn engine(criterion: &mut Criterion) {
    for network in whole() {
        let mut group = criterion.benchmark_group(format!("cpu engine {}", network.name));
        let elements = network.input_elements();
        let engine = Engine::new(Arc::new(network), Backend::Cpu, EngineOptions::default())
            .expect("the network is consistent");
        for rows in BATCHES {
            let input = networks::values(rows * elements);
            group.throughput(Throughput::Elements(rows as u64));
            group.bench_function(BenchmarkId::from_parameter(rows), |bencher| {
                bencher.iter(|| engine.infer_batch(black_box(&input)));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, layers, network, engine);
criterion_main!(benches);
