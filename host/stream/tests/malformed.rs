//! A malformed line is answered with an error in its place, and the stream goes on.

mod common;

use common::{Answer, Cpu, INPUTS};
use serde_json::{Value, json};
use systole_host::model::Element;
use systole_stream::{Service, Stop, StreamOptions};

/// Answers to lines, each followed by a good one.
fn answers_to(lines: &[&[u8]], element: Element) -> Vec<Answer> {
    let network = common::network(element);
    let mut input = Vec::new();
    for line in lines {
        input.extend_from_slice(line);
        input.push(b'\n');
        input.extend_from_slice(common::quantized_event(1000, &[1; INPUTS]).as_bytes());
    }
    let service = Service {
        network: &network,
        predictor: &Cpu::new(&network),
        array: None,
        options: StreamOptions {
            line_bytes: 2000,
            batch_rows: 3,
            ..StreamOptions::new(&network)
        },
    };
    let mut output = Vec::new();
    let stop = Stop::new().expect("there are file descriptors");
    let outcome = service.run(common::file(&input), &mut output, &stop, &|_| {});
    assert!(outcome.error.is_none());
    assert_eq!(outcome.summary.events, lines.len() as u64);
    assert_eq!(outcome.summary.errors, lines.len() as u64);
    common::answers(&output)
}

#[test]
fn each_kind_is_answered_in_its_place_with_what_is_wrong() {
    let row = |values: &str| format!("[{}{values}]", "0,".repeat(INPUTS - 1));
    let good = row("0");
    let event = |id: &str, rest: &str| format!("{{\"id\":{id}{rest}}}");
    let long_id = format!("\"{}\"", "x".repeat(1100));
    let long_row = format!("[{}0]", "0,".repeat(INPUTS));
    let wide = format!("{{\"id\":12,\"row\":[{}0]}}", "0.000000,".repeat(1000));
    let cases: Vec<(String, Value, &str)> = vec![
        ("".into(), Value::Null, "empty"),
        (" \t ".into(), Value::Null, "empty"),
        ("not json".into(), Value::Null, "not an event"),
        ("[1,2]".into(), Value::Null, "a JSON object"),
        ("17".into(), Value::Null, "a JSON object"),
        ("null".into(), Value::Null, "a JSON object"),
        ("{}".into(), Value::Null, "no \"id\""),
        (format!("{{\"row\":{good}}}"), Value::Null, "no \"id\""),
        (
            event("null", &format!(",\"row\":{good}")),
            Value::Null,
            "neither a string nor a number",
        ),
        (
            event("true", &format!(",\"row\":{good}")),
            Value::Null,
            "neither a string nor a number",
        ),
        (
            event("[1]", &format!(",\"row\":{good}")),
            Value::Null,
            "neither a string nor a number",
        ),
        (
            event("{\"a\":1}", &format!(",\"row\":{good}")),
            Value::Null,
            "neither a string nor a number",
        ),
        (
            event(&long_id, &format!(",\"row\":{good}")),
            Value::Null,
            "longer than 1024 bytes",
        ),
        (event("1", ",\"id\":2"), json!(1), "duplicate field"),
        (
            event("1", &format!(",\"row\":{good},\"row\":{good}")),
            json!(1),
            "duplicate field",
        ),
        (event("2", ""), json!(2), "no \"row\""),
        (
            event("3", ",\"row\":null"),
            json!(3),
            "a flat array of numbers",
        ),
        (
            event("4", ",\"row\":\"0,0\""),
            json!(4),
            "a flat array of numbers",
        ),
        (
            event("5", ",\"row\":[]"),
            json!(5),
            "0 values, the model takes 64",
        ),
        (
            event("6", ",\"row\":[1,2,3]"),
            json!(6),
            "3 values, the model takes 64",
        ),
        (
            event("7", &format!(",\"row\":{long_row}")),
            json!(7),
            "65 values, the model takes 64",
        ),
        (
            event("8", &format!(",\"row\":{}", row("\"1\""))),
            json!(8),
            "a number in the row",
        ),
        (
            event("9", &format!(",\"row\":{}", row("null"))),
            json!(9),
            "a number in the row",
        ),
        (
            event("10", &format!(",\"row\":{}", row("[0]"))),
            json!(10),
            "a number in the row",
        ),
        (
            event("11", &format!(",\"row\":{}", row("true"))),
            json!(11),
            "a number in the row",
        ),
        (wide, Value::Null, "longer than 2000 bytes"),
        (
            event("13", &format!(",\"row\":{}", row("NaN"))),
            json!(13),
            "not an event",
        ),
        (
            event("14", &format!(",\"row\":{}", row("Infinity"))),
            json!(14),
            "not an event",
        ),
        (
            event("15", &format!(",\"row\":{}", row("1e999"))),
            json!(15),
            "out of range",
        ),
        (
            event("16", &format!(",\"row\":{}", row("-1e39"))),
            json!(16),
            "value 63",
        ),
        (
            event("17", &format!(",\"quantized\":1,\"row\":{good}")),
            json!(17),
            "a boolean",
        ),
        (
            event("18", &format!(",\"quantized\":true,\"row\":{}", row("128"))),
            json!(18),
            "integer from -128 to 127",
        ),
        (
            event(
                "19",
                &format!(",\"quantized\":true,\"row\":{}", row("-129")),
            ),
            json!(19),
            "integer from -128 to 127",
        ),
        (
            event("20", &format!(",\"quantized\":true,\"row\":{}", row("0.5"))),
            json!(20),
            "integer from -128 to 127",
        ),
        (
            event("21", &format!(",\"row\":{good}}}")),
            json!(21),
            "trailing characters",
        ),
        (
            format!("{{\"id\":22,\"row\":{good}"),
            json!(22),
            "EOF while parsing",
        ),
        (
            r#"{"row":["x"],"id":23}"#.into(),
            json!(23),
            "a number in the row",
        ),
        (
            r#"{"row":["x"],"id":24"#.into(),
            Value::Null,
            "a number in the row",
        ),
        (
            format!("{{\"row\":{good},\"id\":\"\u{1}\"}}"),
            Value::Null,
            "control character",
        ),
        (event("\"a\u{0}b\"", ""), Value::Null, "control character"),
    ];
    let lines: Vec<&[u8]> = cases.iter().map(|(line, ..)| line.as_bytes()).collect();
    let answers = answers_to(&lines, Element::I8);
    assert_eq!(answers.len(), 2 * cases.len());
    for (index, ((line, id, what), pair)) in cases.iter().zip(answers.chunks(2)).enumerate() {
        let error = pair[0]
            .error
            .as_deref()
            .unwrap_or_else(|| panic!("no error for {line}"));
        assert!(error.contains(what), "{line}: {error}");
        assert!(!error.contains("line 1"), "{line}: {error}");
        assert_eq!(pair[0].id, *id, "{line}");
        assert_eq!(pair[0].line, Some(2 * index as u64 + 1));
        assert_eq!(pair[1].id, 1000);
        assert_eq!(pair[1].error, None);
    }
}

#[test]
fn bytes_that_are_not_utf8_are_pointed_at() {
    let lines: [&[u8]; 3] = [
        b"{\"id\":1,\"row\":[\xff]}",
        b"\xc3",
        b"{\"id\":\"\xed\xa0\x80\"}",
    ];
    let answers = answers_to(&lines, Element::I8);
    for (answer, position) in answers.iter().step_by(2).zip([16, 1, 8]) {
        let error = answer.error.as_deref().expect("an error");
        assert!(
            error.contains(&format!("not UTF-8: byte {position} ")),
            "{error}"
        );
        assert_eq!(answer.id, Value::Null);
    }
}

#[test]
fn unsigned_models_refuse_negative_integers() {
    let line = format!(
        "{{\"id\":1,\"quantized\":true,\"row\":[{}-1]}}",
        "0,".repeat(INPUTS - 1)
    );
    let answers = answers_to(&[line.as_bytes()], Element::U8);
    let error = answers[0].error.as_deref().expect("an error");
    assert!(error.contains("integer from 0 to 255"), "{error}");
}
