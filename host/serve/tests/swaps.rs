//! Versions that come and go under load: no request fails, and each is answered by the version that it is
//! stamped with.

mod folder;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use folder::{Folder, Running, floats, golden, network, request, rows};
use systole_host::Network;
use systole_serve::Control;
use systole_serve::protocol::model_repository_parameter::ParameterChoice;
use systole_serve::protocol::{ModelRepositoryParameter, RepositoryModelLoadRequest};

/// Connections that send one request after the other.
const CONNECTIONS: usize = 16;

/// Rows that requests choose from.
const SEEDS: usize = 8;

/// Latencies of a phase.
struct Phase {
    times: Vec<Duration>,
}

impl Phase {
    fn percentile(&mut self, part: f64) -> Duration {
        self.times.sort_unstable();
        self.times[((self.times.len() - 1) as f64 * part) as usize]
    }
}

/// Sends requests on all connections until `done`, and checks each answer.
async fn load(
    server: &Running,
    goldens: &Arc<Vec<[Vec<f32>; 2]>>,
    done: &Arc<AtomicBool>,
) -> Phase {
    let mut tasks = tokio::task::JoinSet::new();
    for connection in 0..CONNECTIONS {
        let mut client = server.client().await;
        let (goldens, done) = (Arc::clone(goldens), Arc::clone(done));
        tasks.spawn(async move {
            let mut times = Vec::new();
            for turn in connection.. {
                let seed = turn % SEEDS;
                let request = request("digits", &rows(seed, 1));
                let begin = Instant::now();
                let answer = client.model_infer(request).await.expect("no request fails");
                times.push(begin.elapsed());
                let answer = answer.into_inner();
                let version: usize = answer.model_version.parse().expect("a number");
                assert!(
                    floats(&answer) == goldens[seed][version - 1],
                    "version {version}"
                );
                if done.load(Ordering::Relaxed) {
                    break;
                }
            }
            times
        });
    }
    let mut times = Vec::new();
    while let Some(of_one) = tasks.join_next().await {
        times.extend(of_one.expect("no task panics"));
    }
    Phase { times }
}

#[tokio::test]
async fn a_thousand_swaps_under_load_fail_no_request() {
    let folder = Folder::new();
    let first = std::fs::read(folder::digits()).expect("the demo's model is there");
    let second = folder::other_digits();
    folder.write("digits", "1", "model.onnx", &first);
    folder.write("digits", "2", "model.onnx", &second);
    let networks = [
        network(),
        Network::from_bytes("digits", &second).expect("it is supported"),
    ];
    let goldens = (0..SEEDS).map(|seed| {
        networks
            .each_ref()
            .map(|network| golden(network, &rows(seed, 1)))
    });
    let goldens: Arc<Vec<[Vec<f32>; 2]>> = Arc::new(goldens.collect());
    assert!(
        goldens.iter().any(|[first, second]| first != second),
        "they can be told apart"
    );
    let server = Running::start(&folder, Control::None);

    // The machine has other things to do as well: one of three measurements has to be undisturbed.
    let mut ratios = Vec::new();
    for _ in 0..3 {
        ratios.push(p99_during_swaps(&server, &goldens).await);
        if ratios.iter().any(|&ratio| ratio <= 2.0) {
            return;
        }
    }
    panic!("p99 during swaps is {ratios:?} times the p99 without");
}

/// Swaps a thousand times under load; the p99 meanwhile, as a multiple of the p99 without swaps.
async fn p99_during_swaps(server: &Running, goldens: &Arc<Vec<[Vec<f32>; 2]>>) -> f64 {
    let done = Arc::new(AtomicBool::new(false));
    let timer = {
        let done = Arc::clone(&done);
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(2)).await;
            done.store(true, Ordering::Relaxed);
        })
    };
    let mut without = load(server, goldens, &done).await;
    timer.await.expect("it ends");

    done.store(false, Ordering::Relaxed);
    let mut control = server.client().await;
    let swapper = {
        let done = Arc::clone(&done);
        tokio::spawn(async move {
            let begin = Instant::now();
            for swap in 0..1000_i64 {
                let version = ModelRepositoryParameter {
                    parameter_choice: Some(ParameterChoice::Int64Param(1 + swap % 2)),
                };
                let load = RepositoryModelLoadRequest {
                    model_name: "digits".to_owned(),
                    parameters: [("version".to_owned(), version)].into(),
                    ..RepositoryModelLoadRequest::default()
                };
                let swapped = control.repository_model_load(load).await;
                swapped.expect("each version loads");
            }
            done.store(true, Ordering::Relaxed);
            begin.elapsed()
        })
    };
    let mut during = load(server, goldens, &done).await;
    let time = swapper.await.expect("it does not panic");
    let (before, after) = (without.percentile(0.99), during.percentile(0.99));
    let ratio = after.as_secs_f64() / before.as_secs_f64();
    println!(
        "1000 swaps in {time:?}: {} requests without, p99 {before:?}; {} during swaps, p99 {after:?}, {ratio:.2} times",
        without.times.len(),
        during.times.len(),
    );
    ratio
}
