//! The flag TRACE changes nothing but the trace: every run computes, stores and counts what it does
//! without, and its records tell of each instruction.
#![cfg(feature = "rtl")]

use systole_regs::entries::{TraceRecord, flag, opcode};
use systole_regs::instructions;
use systole_regs::{Configuration, Status, configuration};
use systole_sim::cosim::{Case, Intent, Memory, Region, compare, run};
use systole_sim::model::FunctionalModel;
use systole_sim::rtl::{RtlCore, RtlOptions};

/// Where the traces go: apart from all of a case's memory.
const TRACES: u64 = 0x0500_0000_0000;
/// Records that a run has room for.
const ENTRIES: u32 = 64;
const RECORD: usize = size_of::<TraceRecord>();

/// Asks for a trace of each run that succeeds; the number of these runs.
fn ask(case: &mut Case) -> usize {
    let runs = case
        .episodes
        .iter_mut()
        .flat_map(|episode| episode.bursts.iter_mut().flatten())
        .filter(|command| command.entry.opcode == opcode::RUN && command.intent == Intent::Valid);
    let mut count = 0;
    for command in runs {
        command.entry.flags |= flag::TRACE;
        command.entry.trace_address = TRACES + (count * ENTRIES as usize * RECORD) as u64;
        command.entry.trace_entries = ENTRIES;
        count += 1;
    }
    let mut regions = case.memory.regions().to_vec();
    regions.push(Region {
        base: TRACES,
        bytes: vec![0; (count * ENTRIES as usize * RECORD).max(1)],
    });
    case.memory = Memory::new(regions);
    count
}

/// Checks the records of one run against its program; their number.
fn check(case: &Case, command: &systole_sim::cosim::Command, records: &[TraceRecord]) -> usize {
    let model = &case.models[command.model.expect("a run has a model")];
    let written = records
        .iter()
        .take_while(|record| record.finish > 0)
        .count();
    let groups = command.entry.rows.div_ceil(u32::from(model.group_rows));
    let mut seen = std::collections::BTreeSet::new();
    for record in &records[..written] {
        let instruction = &model.program[usize::from(record.instruction)];
        assert_eq!(record.opcode, instruction.opcode);
        assert!(
            record.group < groups && record.start < record.finish,
            "{record:?}"
        );
        assert!(
            seen.insert((record.group, record.instruction)),
            "{record:?} comes twice"
        );
    }
    let skipped = |i: &instructions::Transfer, group: u32| {
        i.opcode == instructions::opcode::LOAD_ROWS
            && (i.flags == instructions::flag::FIRST_GROUP && group > 0
                || i.flags == instructions::flag::NEXT_GROUP && group + 1 == groups)
    };
    let executed: usize = (0..groups)
        .map(|group| {
            let reachable = model.reachable().iter();
            reachable
                .filter(|i| i.opcode != instructions::opcode::END && !skipped(i, group))
                .count()
        })
        .sum();
    assert_eq!(written, executed.min(ENTRIES as usize));
    written
}

fn traced(configuration: Configuration) {
    let (mut runs, mut records) = (0, 0);
    for seed in 0..120 {
        let mut case = Case::generate(seed, configuration);
        if ask(&mut case) == 0 {
            continue;
        }
        let mut model = FunctionalModel::new(configuration);
        let mut expected = run(&mut model, &case).unwrap_or_else(|stall| panic!("{stall}"));
        let options = RtlOptions {
            seed: (!seed.is_multiple_of(4)).then_some(seed),
            ..RtlOptions::default()
        };
        let mut rtl = RtlCore::new(configuration, options).expect("the RTL is linked in");
        let mut got = run(&mut rtl, &case).unwrap_or_else(|stall| panic!("{stall}"));
        // A model without a clock writes no trace.
        expected.memory.pop();
        let traces = got
            .memory
            .pop()
            .expect("the traces' region is the last")
            .bytes;
        compare(&case, &expected, &got).unwrap_or_else(|difference| panic!("{difference}"));
        for (episode, seen) in case.episodes.iter().zip(&got.episodes) {
            let commands = episode.bursts.iter().flatten();
            for (command, completion) in commands.zip(&seen.completions) {
                if command.entry.flags & flag::TRACE != 0
                    && completion.entry.status == Status::Success as u8
                {
                    let start = (command.entry.trace_address - TRACES) as usize;
                    let bytes = &traces[start..start + ENTRIES as usize * RECORD];
                    let all: Vec<TraceRecord> = bytes
                        .chunks_exact(RECORD)
                        .map(bytemuck::pod_read_unaligned)
                        .collect();
                    records += check(&case, command, &all);
                    runs += 1;
                }
            }
        }
    }
    println!(
        "{}: {runs} traced runs, {records} records",
        configuration.name
    );
    assert!(runs > 50 && records > 500, "{runs} runs, {records} records");
}

#[test]
fn a_trace_of_tiny_changes_nothing_and_tells_of_each_instruction() {
    traced(configuration::TINY);
}

#[test]
fn a_trace_of_small_changes_nothing_and_tells_of_each_instruction() {
    traced(configuration::SMALL);
}
