//! What makes a report reproducible: the command, the machine, the versions, the method.

use std::borrow::Cow;
use std::ffi::OsString;
use std::time::SystemTime;

use systole_host::Network;

use crate::command::Arguments;
use crate::energy::{EnergyError, Meter};
use crate::link::Link;
use crate::load;
use crate::machine::Machine;
use crate::report::{EnergySource, Method, ModelSummary, Report, Versions};

/// A report without figures.
pub(crate) fn empty_report(
    arguments: &Arguments,
    network: &Network,
    meter: &Result<Meter, EnergyError>,
) -> Report {
    let rates = load::plan(arguments);
    Report {
        command: command_line(std::env::args_os()),
        begun: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        model: ModelSummary {
            name: network.name.clone(),
            file: arguments.model.display().to_string(),
            input_elements: network.input_elements(),
            output_elements: network.output_elements(),
            macs: network.macs(),
        },
        machine: Machine::detect(),
        versions: Versions {
            systole: env!("CARGO_PKG_VERSION"),
            onnxruntime: None,
            litert: None,
        },
        method: Method {
            measured: "one call with the batch in memory, in the model's own element type, until its output is in memory",
            litert: "LiteRT computes in a Python process, which reads the clock itself: the way to that process is in no figure; the copies into and out of the interpreter, which its interface needs, and about a microsecond of Python are",
            simulated: "clock cycles from doorbell to completion at the device's stated clock, and the link",
            rate_measured: "requests of one row that arrive at random (Poisson, from a fixed seed, the same for everybody), handed in by one thread; from a request's planned arrival to its answer. Systole's CPU backend serves them as services do, through a deployment that makes batches of what waits; the others compute one after the other, in the order of arrival",
            rate_simulated: "the same arrivals; a batch is what waits, up to the largest batch size, and takes its simulated time (between two sizes: on a line through both); one batch at a time",
            rate_held: "no request waited for longer than a turn or was refused, and answers were at least 95 % as frequent as arrivals",
            rounds: arguments.rounds.into(),
            turn_ms: arguments.turn.into(),
            rate_rounds: rates.rounds,
            rate_turn_ms: arguments.rate_turn.into(),
        },
        link: Link::GEN2_X1,
        measured: Vec::new(),
        overhead: Vec::new(),
        simulated: Vec::new(),
        rates: Vec::new(),
        energy: EnergySource {
            packages: meter.as_ref().map(Meter::names).unwrap_or_default(),
            reason: meter.as_ref().err().map(ToString::to_string),
            meaning: "of the whole processor package during a contender's turns, with whatever else it does",
            device: "not known: never measured on a board",
        },
        criterion: Vec::new(),
        agreement: Vec::new(),
        not_available: Vec::new(),
    }
}

/// A command line as a shell takes it.
fn command_line(arguments: impl Iterator<Item = OsString>) -> String {
    let words = arguments.map(|word| quoted(&word.to_string_lossy()).into_owned());
    words.collect::<Vec<_>>().join(" ")
}

fn quoted(word: &str) -> Cow<'_, str> {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:=,+@%".contains(letter);
    if !word.is_empty() && word.chars().all(plain) {
        word.into()
    } else {
        format!("'{}'", word.replace('\'', r"'\''")).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_a_shell_would_take_apart_are_quoted() {
        let words = [
            "systole", "bench", "--batch", "1,2", "a b", "it's", "", "$(x)",
        ];
        let line = command_line(words.iter().map(OsString::from));
        assert_eq!(line, r"systole bench --batch 1,2 'a b' 'it'\''s' '' '$(x)'");
    }
}
