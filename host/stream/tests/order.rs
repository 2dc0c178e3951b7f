//! Every event is answered once, in order, with what direct inference gives.

mod common;

use std::fmt::Write;
use std::sync::Arc;

use common::{Answer, Cpu, INPUTS, Numbers, OUTPUTS, VERSION};
use systole_host::Network;
use systole_host::engine::{Backend, Engine, EngineOptions};
use systole_host::model::Element;
use systole_stream::{End, Outcome, Predictor, Service, Stop, StreamOptions};

fn run(network: &Network, predictor: &impl Predictor, input: &str) -> (Vec<Answer>, Outcome) {
    let service = Service {
        network,
        predictor,
        array: None,
        options: StreamOptions::new(network),
    };
    let mut output = Vec::new();
    let outcome = service.run(
        common::file(input.as_bytes()),
        &mut output,
        &Stop::new().expect("there are file descriptors"),
        &|_| {},
    );
    (common::answers(&output), outcome)
}

#[test]
fn a_hundred_thousand_events_are_answered_once_and_in_order() {
    const EVENTS: usize = 100_000;
    let network = common::network(Element::I8);
    let mut numbers = Numbers::new(2);
    let mut rows = Vec::with_capacity(EVENTS * INPUTS);
    let mut input = String::new();
    for id in 0..EVENTS {
        let row = numbers.row();
        if id % 2 == 0 {
            input.push_str(&common::real_event(&network, id, &row));
        } else {
            input.push_str(&common::quantized_event(id, &row));
        }
        rows.extend(row);
    }
    let engine = Engine::new(
        Arc::new(network.clone()),
        Backend::Cpu,
        EngineOptions {
            version: VERSION,
            ..EngineOptions::default()
        },
    )
    .expect("the CPU takes every network");
    let (answers, outcome) = run(&network, &engine, &input);
    println!("{}", outcome.summary);

    let expected = Cpu::new(&network).compute(&rows);
    assert_eq!(answers.len(), EVENTS);
    for ((id, answer), expected) in answers.iter().enumerate().zip(expected.chunks(OUTPUTS)) {
        assert_eq!(answer.id, id, "in order");
        assert_eq!(answer.error, None);
        assert_eq!(answer.model_version, Some(VERSION));
        assert_eq!(answer.argmax, Some(common::greatest(expected)));
        let values: Vec<f64> = if id % 2 == 0 {
            let reals = network.dequantize_output(expected);
            reals.into_iter().map(f64::from).collect()
        } else {
            expected.iter().map(|&value| f64::from(value)).collect()
        };
        assert_eq!(answer.output, Some(values), "event {id}");
        assert!(answer.latency_us.is_some());
    }
    assert!(outcome.error.is_none());
    let summary = outcome.summary;
    assert_eq!(summary.end, End::Input);
    assert_eq!((summary.events, summary.errors), (EVENTS as u64, 0));
    assert_eq!(summary.macs, network.macs() * EVENTS as u64);
    assert_eq!(summary.model_version, Some(VERSION));
    assert!(summary.latency_us.p50 <= summary.latency_us.p99);
    assert!(summary.latency_us.p99 <= summary.latency_us.max);
    assert!(summary.batches >= (EVENTS / 64) as u64);
}

#[test]
fn unsigned_models_take_and_give_unsigned_integers() {
    let network = common::network(Element::U8);
    let cpu = Cpu::new(&network);
    let row: Vec<i8> = (0..INPUTS as i32)
        .map(|value| (value * 4 - 128) as i8)
        .collect();
    let outside: Vec<u8> = row.iter().map(|&value| value as u8 ^ 0x80).collect();
    let mut input = String::new();
    writeln!(
        input,
        "{{\"id\":\"u\",\"quantized\":true,\"row\":{outside:?}}}"
    )
    .expect("writing to a string succeeds");
    input.push_str(&common::real_event(&network, 1, &row));
    let (answers, _) = run(&network, &cpu, &input);

    let expected = cpu.compute(&row);
    let integers: Vec<f64> = expected
        .iter()
        .map(|&value| f64::from(value) + 128.0)
        .collect();
    assert_eq!(answers[0].output, Some(integers));
    let reals = network.dequantize_output(&expected);
    let reals: Vec<f64> = reals.into_iter().map(f64::from).collect();
    assert_eq!(answers[1].output, Some(reals));
}

#[test]
fn ids_come_back_as_they_were_written() {
    let network = common::network(Element::I8);
    let ids = [
        "0",
        "-1.50",
        "123456789012345678901234567890",
        "1E+3",
        "\"\"",
        "\"a \\\"quoted\\\" \\u00e9 id\"",
        "\"größer\"",
    ];
    let row = vec![0; INPUTS];
    let mut input = String::new();
    for id in ids {
        writeln!(
            input,
            " {{ \"row\" : {row:?}, \"other\":[{{}}], \"id\" : {id} }} \r"
        )
        .expect("writing to a string succeeds");
    }
    let service = Service {
        network: &network,
        predictor: &Cpu::new(&network),
        array: None,
        options: StreamOptions::new(&network),
    };
    let mut output = Vec::new();
    let stop = Stop::new().expect("there are file descriptors");
    service.run(common::file(input.as_bytes()), &mut output, &stop, &|_| {});
    let output = String::from_utf8(output).expect("answers are UTF-8");
    assert_eq!(output.lines().count(), ids.len());
    for (line, id) in output.lines().zip(ids) {
        assert!(
            line.starts_with(&format!("{{\"id\":{id},\"output\":[")),
            "{line}"
        );
    }
}

#[test]
fn a_last_line_needs_no_line_feed() {
    let network = common::network(Element::I8);
    let row = vec![1; INPUTS];
    let input = common::quantized_event(1, &row);
    let (answers, _) = run(&network, &Cpu::new(&network), input.trim_end());
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0].error, None);
}

#[test]
fn nothing_is_answered_with_nothing() {
    let network = common::network(Element::I8);
    let (answers, outcome) = run(&network, &Cpu::new(&network), "");
    assert!(answers.is_empty());
    assert!(outcome.error.is_none());
    assert_eq!(outcome.summary.events + outcome.summary.errors, 0);
    assert_eq!(outcome.summary.end, End::Input);
}
