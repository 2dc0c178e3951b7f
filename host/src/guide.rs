//! What a service does with this crate, an example for each thing. All of them are run as tests.
//!
//! # A model computes
//!
//! Models are quantized TFLite files, or ONNX files in QDQ form. [`Signature`] says what one takes and
//! gives; values become int8 rows and back.
//!
//! ```
//! use systole_host::Network;
//! use systole_host::cpu::CpuExecutor;
//! use systole_host::signature::{Signature, Values};
//!
//! let network = Network::load("demo/digits.onnx")?;
//! println!("{}", Signature::of(&network)); // input "image" float32[64] and output ...
//!
//! let pixels = vec![0.0; 3 * network.input_elements()]; // three images
//! let rows = network.rows_from_floats(&pixels)?;
//! let rows: Vec<i8> = rows.iter().map(|&byte| byte as i8).collect();
//! let outputs = CpuExecutor::new(&network)?.run(&rows, 3);
//! let Values::Fp32(scores) = Values::of(&network, outputs) else {
//!     panic!("this model gives floats");
//! };
//! assert_eq!(scores.len(), 3 * network.output_elements());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Devices and the CPU become a fleet
//!
//! A [`Fleet`] is shared by all models of a process. The CPU is always part of it; it computes the same
//! bytes as a device, and takes over what no device can compute.
//!
//! ```no_run
//! use systole_driver::{Device, OpenOptions};
//! use systole_host::engine::{Backend, EngineOptions};
//! use systole_host::serving::Fleet;
//!
//! let address = "vfio:0000:01:00.0";
//! let device = Device::open(&address.parse()?, OpenOptions::default())?;
//! println!("{:?}", device.identity());
//! let backends = vec![(address.to_owned(), Backend::Device(device))];
//! let fleet = Fleet::new(backends, EngineOptions::default())?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Many callers ask one model
//!
//! Requests are whole rows. Batches form by themselves from what callers ask for meanwhile;
//! [`BatchingOptions`] bound them. Answers come to threads, tasks or functions.
//!
//! ```
//! use std::sync::Arc;
//! use systole_host::Network;
//! use systole_host::engine::EngineOptions;
//! use systole_host::serving::{BatchingOptions, Fleet, Model, Request};
//!
//! let fleet = Fleet::new(Vec::new(), EngineOptions::default())?; // the CPU alone
//! let network = Arc::new(Network::load("demo/digits.onnx")?);
//! let model = Model::new(&fleet, Arc::clone(&network), 1, BatchingOptions::default())?;
//! let rows = network.rows_from_floats(&vec![1.0; network.input_elements()])?;
//!
//! // A thread waits.
//! let answer = model.submit(Request::new(rows.clone())).wait()?;
//! println!("version {}, {:?}", answer.version, answer.timing);
//!
//! // A task awaits, on any executor: `model.submit(request).await`.
//! let pending = model.submit(Request::new(rows.clone()));
//! # let pending = async move { pending.await };
//! # let answer = tokio::runtime::Builder::new_current_thread().build()?.block_on(pending)?;
//!
//! // A function is called, on the thread that has the answer.
//! let (sender, receiver) = std::sync::mpsc::channel();
//! model.submit(Request::new(rows)).then(move |answer| {
//!     let _ = sender.send(answer);
//! });
//! assert_eq!(receiver.recv()??.outputs, answer.outputs);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Some requests are more urgent than others
//!
//! A lower priority goes first. A request whose deadline can't be met is refused at once, rather than
//! answered too late; so is one for which the queue has no room.
//!
//! ```
//! # use std::sync::Arc;
//! # use systole_host::Network;
//! # use systole_host::engine::EngineOptions;
//! use std::time::{Duration, Instant};
//! use systole_host::serving::{BatchingOptions, Fleet, Model, Refusal, Request, RequestError};
//!
//! # let fleet = Fleet::new(Vec::new(), EngineOptions::default())?;
//! # let network = Arc::new(Network::load("demo/digits.onnx")?);
//! # let rows = network.rows_from_floats(&vec![1.0; network.input_elements()])?;
//! let options = BatchingOptions {
//!     rows: 32,                             // of a batch, at most
//!     wait: Duration::from_micros(100),     // for others, while a processor is free
//!     queue: 500,                           // requests
//! };
//! let model = Model::new(&fleet, network, 1, options)?;
//! let request = Request {
//!     priority: 10,
//!     deadline: Some(Instant::now() + Duration::from_millis(50)),
//!     ..Request::new(rows)
//! };
//! match model.submit(request).wait() {
//!     Ok(answer) => println!("{:?}", answer.outputs),
//!     Err(RequestError::Refused(Refusal::QueueFull { .. })) => println!("try again later"),
//!     Err(RequestError::Refused(Refusal::TooLate { .. }) | RequestError::Deadline { .. }) => {
//!         println!("it would have been too late");
//!     }
//!     Err(error) => return Err(error.into()),
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # A caller goes away
//!
//! Dropping a [`PendingAnswer`] withdraws its request; what has not begun is not computed. With
//! [`PendingAnswer::then`], [`Withdrawal::withdraw`](crate::serving::Withdrawal::withdraw) does.
//!
//! ```
//! # use std::sync::Arc;
//! # use systole_host::Network;
//! # use systole_host::engine::EngineOptions;
//! # use systole_host::serving::{BatchingOptions, Fleet, Model, Request};
//! # let fleet = Fleet::new(Vec::new(), EngineOptions::default())?;
//! # let network = Arc::new(Network::load("demo/digits.onnx")?);
//! # let rows = network.rows_from_floats(&vec![1.0; network.input_elements()])?;
//! # let model = Model::new(&fleet, network, 1, BatchingOptions::default())?;
//! let pending = model.submit(Request::new(rows));
//! drop(pending); // as a future does whose task is cancelled
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # A new version replaces the old one, and goes back
//!
//! A version is loaded and warmed beside the one that serves, judged by rows whose answers are known, and
//! swapped in; no request notices. What was submitted before is answered by the old one.
//!
//! ```
//! # use std::sync::Arc;
//! # use systole_host::Network;
//! # use systole_host::engine::EngineOptions;
//! # use systole_host::cpu::CpuExecutor;
//! use systole_host::serving::{BatchingOptions, Fleet, Golden, Model};
//!
//! # let fleet = Fleet::new(Vec::new(), EngineOptions::default())?;
//! # let network = Arc::new(Network::load("demo/digits.onnx")?);
//! # let inputs = vec![3; network.input_elements()];
//! # let outputs = CpuExecutor::new(&network)?.run(&inputs, 1);
//! let model = Model::new(&fleet, network, 1, BatchingOptions::default())?;
//! let newer = Arc::new(Network::load("demo/digits.onnx")?);
//! let golden = Golden::new(&newer, inputs, outputs, 0)?; // or `Golden::read` two .npy files
//! model.replace(newer, 2, |deployment| {
//!     golden.check(deployment).map_err(|error| error.to_string())
//! })?;
//! assert_eq!(model.current().version(), 2);
//! assert_eq!(model.roll_back()?, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Somebody wants to know how it goes
//!
//! A device that fails is reset and its models are loaded again; one that doesn't come back is left out.
//! Its requests go to other devices or the CPU, and the reason is counted.
//!
//! ```
//! # use std::sync::Arc;
//! # use systole_host::Network;
//! # use systole_host::engine::EngineOptions;
//! # use systole_host::serving::{BatchingOptions, Fleet, Model, Request};
//! # let fleet = Fleet::new(Vec::new(), EngineOptions::default())?;
//! # let network = Arc::new(Network::load("demo/digits.onnx")?);
//! # let rows = network.rows_from_floats(&vec![1.0; network.input_elements()])?;
//! # let model = Model::new(&fleet, network, 1, BatchingOptions::default())?;
//! # model.submit(Request::new(rows)).wait()?;
//! for unit in fleet.states() {
//!     println!("{}: busy for {:?}, lost: {:?}", unit.name, unit.busy, unit.lost);
//! }
//! let deployment = model.current();
//! let times = deployment.times();
//! println!("{} answered, in {} batches", times.answered.count, times.batches);
//! println!("refused: {:?}, failed over: {:?}", times.refused, times.failovers);
//! println!("waiting: {:?}, loaded on {:?}", deployment.waiting(), deployment.units());
//! assert_eq!(times.answered.count, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Many rows are computed offline
//!
//! An [`Engine`](crate::engine::Engine) holds one network on one backend, and takes batches of any size.
//!
//! ```
//! use std::sync::Arc;
//! use systole_host::Network;
//! use systole_host::engine::{Backend, Engine, EngineOptions};
//! use systole_host::rows::Rows;
//!
//! let network = Arc::new(Network::load("tests/fixtures/images_gated.tflite")?);
//! let rows = Rows::read("tests/fixtures/images_gated_in.npy", &network)?;
//! let golden = Rows::read_outputs("tests/fixtures/images_gated_out.npy", &network)?;
//! let engine = Engine::new(network, Backend::Cpu, EngineOptions::default())?;
//! assert_eq!(engine.infer_batch(&rows.values)?.outputs, golden.values);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Models are served over the network
//!
//! `systole serve`, or the crate `systole-serve` in another program: the Open Inference Protocol over
//! HTTP and gRPC, on a fleet as above.
//!
//! [`BatchingOptions`]: crate::serving::BatchingOptions
//! [`Fleet`]: crate::serving::Fleet
//! [`PendingAnswer`]: crate::serving::PendingAnswer
//! [`PendingAnswer::then`]: crate::serving::PendingAnswer::then
//! [`Signature`]: crate::signature::Signature
