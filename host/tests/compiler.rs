//! Compiled programs, run instruction by instruction on the functional model, against the CPU
//! backend and against the reference outputs.
//!
//! ```text
//!  Network --+--> compile --> image, entries --> FunctionalModel --+
//!            |                                                     +--> equal, byte for byte
//!            +--> CpuExecutor -------------------------------------+
//! ```

mod support;

use bytemuck::Zeroable;
use proptest::prelude::*;
use systole_host::compiler::{
    CompileError, CompileOptions, Memory, Program, Residency, RunAddresses, Target, compile,
    compile_with,
};
use systole_host::cpu::CpuExecutor;
use systole_host::model::Network;
use systole_regs::configuration::{ECP5_85F, LARGE, SMALL, TINY};
use systole_regs::entries::{CompletionEntry, RunEntry, Statistics};
use systole_regs::{Configuration, Status, registers};
use systole_sim::model::FunctionalModel;
use systole_sim::{Activity, Core, cosim};

const SUBMISSION: u64 = 0x1_0000;
const COMPLETION: u64 = 0x2_0000;
const STATISTICS: u64 = 0x3_0000;
const IMAGE: u64 = 0x100_0000;
const INPUT: u64 = 0x1_0000_0000;
const OUTPUT: u64 = 0x2_0000_0000;
const STREAM: u64 = 0x3_0000_0000;
const WORKSPACE: u64 = 0x4_0000_0000;
const RING: u32 = 4;

/// Loads a program and runs it on rows; each byte that the program must not touch is 0x55.
fn run(program: &Program, configuration: Configuration, rows: &[i8]) -> (Vec<i8>, Statistics) {
    let count = rows.len() / program.input.elements();
    let region = |base, bytes| cosim::Region { base, bytes };
    let mut input = vec![0; count * program.input.stride];
    for (offset, span) in program.input.lines(count) {
        for (byte, &value) in input[offset..].iter_mut().zip(&rows[span]) {
            *byte = value as u8;
        }
    }
    let placement = Residency::new(&program.target)
        .place(program, None)
        .expect("it compiled");
    let count = u16::try_from(count).expect("few rows");
    let entries: [RunEntry; 2] = [
        bytemuck::cast(program.load_entry(
            &placement,
            IMAGE,
            if program.stream.is_empty() { 0 } else { STREAM },
            5,
        )),
        program.run_entry(
            placement.slot,
            count,
            &RunAddresses {
                input: INPUT,
                output: OUTPUT,
                workspace: if program.workspace_bytes == 0 {
                    0
                } else {
                    WORKSPACE
                },
                statistics: Some(STATISTICS),
                trace: None,
            },
        ),
    ];
    let mut host = cosim::Memory::new(vec![
        region(
            SUBMISSION,
            bytemuck::cast_slice(&[
                entries[0],
                entries[1],
                RunEntry::zeroed(),
                RunEntry::zeroed(),
            ])
            .to_vec(),
        ),
        region(
            COMPLETION,
            vec![0; RING as usize * size_of::<CompletionEntry>()],
        ),
        region(STATISTICS, vec![0; size_of::<Statistics>()]),
        region(IMAGE, program.image()),
        region(INPUT, input),
        region(
            OUTPUT,
            vec![0x55; usize::from(count) * program.output.stride],
        ),
        region(STREAM, program.stream_bytes()),
        region(WORKSPACE, vec![0x55; program.workspace_bytes]),
    ]);

    let mut device = FunctionalModel::new(configuration);
    for (register, value) in [
        (registers::SUBMISSION_BASE_LOW, SUBMISSION as u32),
        (registers::SUBMISSION_ENTRIES, RING),
        (registers::COMPLETION_BASE_LOW, COMPLETION as u32),
        (registers::COMPLETION_ENTRIES, RING),
        (registers::CONTROL, registers::control::ENABLE),
        (registers::SUBMISSION_TAIL_DOORBELL, 2),
    ] {
        device.write_register(register, value);
    }
    while device.advance(&mut host) == Activity::Busy {}

    let completions: &[CompletionEntry] =
        bytemuck::cast_slice(host.bytes(COMPLETION, 32).expect("mapped"));
    for completion in completions {
        assert_eq!(
            Status::from_code(completion.status),
            Some(Status::Success),
            "{program}"
        );
        assert_eq!(completion.version, 5);
    }
    let output = host
        .bytes(OUTPUT, usize::from(count) * program.output.stride)
        .expect("mapped");
    let mut outputs = vec![0; usize::from(count) * program.output.elements()];
    for bytes in output.chunks(program.output.stride) {
        let end = (program.output.height - 1) * program.output.pitch + program.output.row_bytes;
        assert!(
            bytes[end..].iter().all(|&byte| byte == 0x55),
            "bytes after an output row were written"
        );
    }
    for (offset, span) in program.output.lines(count.into()) {
        for (value, &byte) in outputs[span].iter_mut().zip(&output[offset..]) {
            *value = byte as i8;
        }
    }
    let statistics = *bytemuck::from_bytes(host.bytes(STATISTICS, 64).expect("mapped"));
    if !program.tail.is_empty() {
        outputs = program.tail.apply(&outputs, count.into());
    }
    (outputs, statistics)
}

fn expected(network: &Network, rows: &[i8]) -> Vec<i8> {
    let executor = CpuExecutor::new(network).expect("the network is consistent");
    executor.run(rows, rows.len() / network.input_elements())
}

#[test]
fn anomaly_detection_gives_the_reference_outputs() {
    if !support::references_are_there() {
        return;
    }
    let network = support::anomaly_detection();
    let target = Target::from(&SMALL);
    for (inputs, outputs) in [
        ("ad01_int8_in", "ad01_int8_out"),
        ("ad01_int8_real_in", "ad01_int8_real_out"),
    ] {
        let (rows, golden) = (support::golden(inputs), support::golden(outputs));
        for batch in [None, Some(1), Some(7)] {
            let program = compile_with(&network, &target, CompileOptions { batch }).expect("fits");
            let (outputs, _) = run(&program, SMALL, &rows);
            assert!(
                outputs == golden,
                "{inputs} in passes of {} rows",
                program.group_rows
            );
        }
    }
}

/// A configuration whose parameters hold every reference network.
fn with_parameters(configuration: Configuration) -> Configuration {
    Configuration {
        parameter_entries: configuration.parameter_entries.max(4096),
        ..configuration
    }
}

/// Compiles a network for every configuration and compares with what the CPU computes, or with
/// reference outputs; returns the configurations that refuse it.
fn refusals(
    network: &Network,
    rows: &[i8],
    expected: &[i8],
    configurations: &[Configuration],
) -> Vec<(&'static str, CompileError)> {
    let mut refusals = Vec::new();
    for &configuration in configurations {
        for (batch, count) in [(None, 16), (Some(1), 2)] {
            let target = Target::from(&configuration);
            match compile_with(network, &target, CompileOptions { batch }) {
                Ok(program) => {
                    let available = rows.len() / network.input_elements();
                    let rows = &rows[..count.min(available) * network.input_elements()];
                    let (outputs, _) = run(&program, configuration, rows);
                    assert!(
                        outputs == expected[..outputs.len()],
                        "differs on {}:\n{program}",
                        target.name
                    );
                }
                Err(error) => refusals.push((configuration.name, error)),
            }
        }
    }
    refusals.dedup();
    refusals
}

#[test]
fn reference_networks_give_the_reference_logits() {
    if !support::references_are_there() {
        return;
    }
    for (file, golden, too_large_for) in [
        ("pretrainedResnet_quant.tflite", "ic_resnet8_int8", &[][..]),
        ("kws_ref_model.tflite", "kws_dscnn_int8", &[]),
        ("vww_96_int8.tflite", "vww_96_int8", &["tiny"]),
    ] {
        let network = support::reference(file).without_softmax();
        let [rows, logits] =
            ["in", "logits_out"].map(|what| support::golden(&format!("{golden}_{what}")));
        let configurations = [TINY, SMALL, ECP5_85F, LARGE].map(with_parameters);
        let refusals = refusals(&network, &rows, &logits, &configurations);
        let names: Vec<&str> = refusals.iter().map(|refusal| refusal.0).collect();
        assert_eq!(names, too_large_for, "{file}: {refusals:?}");
    }
}

#[test]
fn reference_networks_from_onnx_compute_what_the_cpu_computes() {
    if !support::references_are_there() {
        return;
    }
    for file in [
        "ic_resnet8_int8.onnx",
        "kws_dscnn_int8.onnx",
        "vww_96_int8.onnx",
    ] {
        let network = support::reference(file);
        let rows = support::any_rows(&network, 3, 7);
        let expected = expected(&network, &rows);
        let configurations = [SMALL, ECP5_85F, LARGE].map(with_parameters);
        assert_eq!(refusals(&network, &rows, &expected, &configurations), []);
    }
}

#[test]
fn small_networks_of_both_formats_compute_what_the_cpu_computes() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut refused = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the fixtures are there") {
        let path = entry.expect("a readable folder").path();
        let kind = path.extension().and_then(|extension| extension.to_str());
        if !matches!(kind, Some("tflite" | "onnx")) {
            continue;
        }
        // Some are there to be refused.
        let Ok(network) = Network::load(&path) else {
            continue;
        };
        let rows = support::any_rows(&network, 3, 7);
        let expected = expected(&network, &rows);
        let configurations = [TINY, SMALL, ECP5_85F, LARGE].map(roomy);
        for (_, error) in refusals(&network, &rows, &expected, &configurations) {
            let CompileError::Layer { layer, reason } = error else {
                panic!("{}: {error}", path.display());
            };
            refused.push((layer, reason));
        }
    }
    refused.sort();
    refused.dedup();
    let refused: Vec<(&str, &str)> = refused.iter().map(|(l, r)| (&l[..], &r[..])).collect();
    assert_eq!(
        refused,
        [
            ("Mul_gated", "no instruction multiplies two tensors"),
            (
                "average",
                "it averages over fewer pixels at the border than elsewhere"
            ),
            ("scaled", "it multiplies by more than a signed byte holds"),
        ]
    );
}

#[test]
fn a_network_with_too_many_weights_and_too_large_images_is_streamed_in_bands() {
    let network = support::graphs::resnet(1, 40);
    assert!(network.macs() > 70_000_000);
    let rows = support::any_rows(&network, 2, 3);
    let expected = expected(&network, &rows);
    for batch in [Some(1), None] {
        let options = CompileOptions { batch };
        let program = compile_with(&network, &Target::from(&SMALL), options).expect("streams");
        assert!(program.workspace_bytes > 0 && !program.stream.is_empty());
        let (outputs, statistics) = run(&program, SMALL, &rows);
        assert!(outputs == expected, "{program}");
        // Little of the time goes to the streaming.
        assert!(program.estimated_utilization(1) > 0.9, "{program}");
        assert!(u64::from(statistics.dma_read_bytes) < 2 * 2_000_000);
    }
}

#[test]
fn counters_are_what_the_program_says() {
    if !support::references_are_there() {
        return;
    }
    let network = support::anomaly_detection();
    let program = compile(&network, &Target::from(&SMALL)).expect("fits");
    let rows = support::golden("ad01_int8_real_in");
    let (_, statistics) = run(&program, SMALL, &rows);
    let count = u32::try_from(rows.len() / 640).expect("few");
    assert_eq!(statistics.groups, count.div_ceil(program.group_rows.into()));
    assert_eq!(
        statistics.vectors as usize,
        count as usize * program.weight_tiles()
    );
    assert_eq!(statistics.dma_read_bytes, count * 640);
    assert_eq!(statistics.dma_write_bytes, count * 640);
    // Real dimensions, padded to 16 x 8 tiles; only the layer of 8 channels is padded.
    assert_eq!(program.macs(), 264_192);
    assert_eq!(program.weight_tiles() * 128, 264_192 + 8 * 128);
}

#[test]
fn anomaly_detection_does_not_fit_1024_parameters_and_says_why() {
    if !support::references_are_there() {
        return;
    }
    let target = Target {
        parameter_entries: 1024,
        ..Target::from(&TINY)
    };
    let error = compile(&support::anomaly_detection(), &target).expect_err("too large");
    let CompileError::DoesNotFit {
        memory,
        needed,
        available,
        layer_needed,
        ..
    } = &error
    else {
        panic!("{error}");
    };
    assert_eq!(
        (*memory, *needed, *available, *layer_needed),
        (Memory::Parameters, 1672, 1024, 640)
    );
}

/// Target dimensions of a configuration with memories so large that every random network fits.
fn roomy(configuration: Configuration) -> Configuration {
    Configuration {
        weight_tiles: 16_384,
        parameter_entries: 4096,
        ..configuration
    }
}

fn check(network: &Network, configuration: Configuration, batch: Option<usize>, rows: &[i8]) {
    let options = CompileOptions { batch };
    let program =
        compile_with(network, &Target::from(&configuration), options).expect("it has room");
    let (outputs, statistics) = run(&program, configuration, rows);
    assert!(
        outputs == expected(network, rows),
        "differs on {}:\n{program}",
        configuration.name
    );
    let count = rows.len() / network.input_elements();
    assert_eq!(statistics.vectors as usize, count * program.weight_tiles());
}

/// Devices with little of one memory, beside the real ones.
fn devices() -> Vec<Configuration> {
    let mut devices: Vec<Configuration> = [TINY, SMALL, ECP5_85F, LARGE].map(roomy).to_vec();
    for (scratchpad_bytes, weight_tiles) in [(1024, 4096), (4096, 60), (16_384, 200)] {
        devices.push(Configuration {
            name: "small memories",
            scratchpad_bytes,
            weight_tiles,
            program_instructions: 1000,
            parameter_entries: 4096,
            ..TINY
        });
    }
    devices
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn networks_of_every_layer_compute_what_the_cpu_computes(
        (seed, layers, size) in (any::<u64>(), 1..8_usize, 1..16_usize),
        (count, batch) in (1..4_usize, prop::option::of(1..6_usize)),
    ) {
        let network = support::graphs::network(seed, layers, size);
        let rows = support::any_rows(&network, count, seed);
        let expected = expected(&network, &rows);
        for configuration in devices() {
            let options = CompileOptions { batch };
            match compile_with(&network, &Target::from(&configuration), options) {
                Ok(program) => {
                    let (outputs, _) = run(&program, configuration, &rows);
                    prop_assert!(outputs == expected, "{network:?}\n{program}");
                }
                Err(CompileError::DoesNotFit { .. } | CompileError::Layer { .. }) => {}
                Err(error) => prop_assert!(false, "{error}"),
            }
        }
    }

    #[test]
    fn any_network_computes_what_the_cpu_computes(
        network in support::any_network(200),
        (count, seed) in (1..40_usize, any::<u64>()),
        batch in prop::option::of(1..50_usize),
    ) {
        let rows = support::any_rows(&network, count, seed);
        for configuration in [TINY, SMALL] {
            check(&network, roomy(configuration), batch, &rows);
        }
        let odd = Configuration {
            name: "odd",
            rows: 12,
            columns: 6,
            requantize_lanes: 1,
            scratchpad_bytes: 1000,
            accumulator_rows: 5,
            ..TINY
        };
        check(&network, roomy(odd), batch, &rows);
    }

    #[test]
    fn what_the_compiler_accepts_runs_and_what_it_refuses_is_too_large(
        network in support::any_network(100),
        scratchpad_bytes in 8..400_usize,
        weight_tiles in 1..800_usize,
        parameter_entries in 1..300_usize,
        program_instructions in 3..8_usize,
    ) {
        let small = Configuration {
            scratchpad_bytes,
            weight_tiles,
            parameter_entries,
            program_instructions,
            ..TINY
        };
        let rows = support::any_rows(&network, 3, 7);
        match compile(&network, &Target::from(&small)) {
            Ok(program) => {
                let (outputs, _) = run(&program, small, &rows);
                prop_assert!(outputs == expected(&network, &rows), "{program}");
            }
            Err(CompileError::DoesNotFit { needed, available, layer_needed, .. }) => {
                prop_assert!(needed > available && layer_needed <= needed);
            }
            Err(error) => prop_assert!(false, "{error}"),
        }
    }
}
