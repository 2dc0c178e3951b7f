//! From a model file to the device's program: what starting a service, or swapping its model, costs.

mod networks;

use std::hint::black_box;
use std::path::Path;

use criterion::{Criterion, criterion_group, criterion_main};
use systole_host::Network;
use systole_host::compiler::{self, Target};
use systole_regs::configuration;

fn load(criterion: &mut Criterion) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("demo/digits.onnx");
    let bytes = std::fs::read(path).expect("the demo's model is in the repository");
    criterion.bench_function("load digits.onnx", |bencher| {
        bencher.iter(|| Network::from_bytes("digits", black_box(&bytes)));
    });
}

fn compile(criterion: &mut Criterion) {
    let ad = networks::dense("ad", networks::ANOMALY_DETECTION);
    for network in [ad, networks::digits()] {
        let mut group = criterion.benchmark_group(format!("compile {}", network.name));
        for configuration in configuration::ALL {
            let target = Target::from(configuration);
            // A network that a configuration can't hold is no time to measure.
            if compiler::compile(&network, &target).is_err() {
                continue;
            }
            group.bench_function(configuration.name, |bencher| {
                bencher.iter(|| compiler::compile(black_box(&network), &target));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, load, compile);
criterion_main!(benches);
