//! What must hold of whatever an importer says: an error is one that can be shown, and a network is
//! within the limits, runs, and compiles or says why not.

use systole_host::Network;
use systole_host::compiler::{Target, compile};
use systole_host::cpu::CpuExecutor;
use systole_host::model::{NETWORK_ELEMENTS_MAX, Operation, ROW_ELEMENTS_MAX};
use systole_regs::configuration::TINY;

/// Most values of all tensors for which a network is run: more take more time and show nothing new.
const RUN_VALUES_MAX: usize = 1 << 14;

/// The same for compiling it, which tries many programs.
const COMPILE_VALUES_MAX: usize = 1 << 12;

/// Most steps of the inner loops for which a network is run.
const WORK_MAX: usize = 1 << 20;

/// One of so many networks is compiled: the search for the fastest program takes most of the time, and
/// files are what is to be tested.
const COMPILED: usize = 8;

/// Longest message of an error, in bytes: names in it are those of the file, which may be long.
const MESSAGE_SPARE: usize = 4096;

/// Imports a file, and uses the network if there is one; whether there is.
///
/// # Panics
/// If the importer, the CPU backend or the compiler does what it must not do.
pub(crate) fn check(file: &[u8]) -> bool {
    let network = match Network::from_bytes("made up", file) {
        Ok(network) => network,
        Err(error) => {
            let message = error.to_string();
            assert!(!message.is_empty());
            // Numbers of the file are longer in decimal, and bytes of names may be escaped.
            assert!(message.len() <= 32 * file.len() + MESSAGE_SPARE);
            return false;
        }
    };
    network.validate().expect("what is imported is consistent");
    let mut values = 0;
    for tensor in &network.tensors {
        assert!((1..=ROW_ELEMENTS_MAX).contains(&tensor.elements()));
        values += tensor.elements();
    }
    assert!(values <= NETWORK_ELEMENTS_MAX);
    if values <= RUN_VALUES_MAX && work(&network) <= WORK_MAX {
        run(&network);
    }
    let sum: usize = file.iter().map(|&byte| usize::from(byte)).sum();
    if values > COMPILE_VALUES_MAX || !sum.is_multiple_of(COMPILED) {
        return true;
    }
    match compile(&network, &Target::from(&TINY)) {
        Ok(program) => assert!(program.output_elements == network.output_elements()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    true
}

/// Runs one row of values of all sizes.
fn run(network: &Network) {
    let executor = CpuExecutor::new(network).expect("the network is consistent");
    let row: Vec<i8> = (0..network.input_elements())
        .map(|index| (index as u8).wrapping_mul(37).wrapping_sub(128) as i8)
        .collect();
    let output = executor.run(&row, 1);
    assert_eq!(output.len(), network.output_elements());
}

/// Steps of the inner loops for one row: values of each output times what goes into each.
fn work(network: &Network) -> usize {
    let mut work = 0_usize;
    for layer in &network.layers {
        let outputs = network.tensor(layer.output).elements();
        let each = match &layer.operation {
            Operation::FullyConnected(dense) => dense.input_channels,
            Operation::Convolution(layer) => layer.window.area() * layer.input_channels,
            Operation::Depthwise(layer) => layer.window.area(),
            Operation::Pool(pool) => pool.window.area(),
            _ => 1,
        };
        work = work.saturating_add(outputs.saturating_mul(each));
    }
    work
}
