//! What is shown while a bitstream is built: on a terminal a line for each running step, with the
//! last line of its log; elsewhere one line when a step begins and one when it ends.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::sync::Mutex;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use systole_bitstreams::Event;

/// Characters of a log's line that are shown.
const LINE: usize = 60;

/// Progress on standard error.
pub struct Shown {
    /// Lines of running steps, if there is a terminal.
    bars: Option<(MultiProgress, Mutex<BTreeMap<String, ProgressBar>>)>,
}

impl Shown {
    /// Progress for standard error as it is.
    pub fn new() -> Shown {
        let bars = io::stderr()
            .is_terminal()
            .then(|| (MultiProgress::new(), Mutex::default()));
        Shown { bars }
    }

    /// Shows what happened.
    pub fn show(&self, event: Event) {
        match &self.bars {
            Some((all, bars)) => {
                let mut bars = bars.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                on_terminal(event, all, &mut bars);
            }
            None => in_file(event),
        }
    }
}

fn on_terminal(event: Event, all: &MultiProgress, bars: &mut BTreeMap<String, ProgressBar>) {
    match event {
        Event::Begin(step) => {
            let style =
                ProgressStyle::with_template("{spinner} {prefix} {elapsed}  {wide_msg:.dim}")
                    .expect("the template is well-formed");
            let bar = all.add(ProgressBar::new_spinner().with_style(style));
            bar.set_prefix(step.to_owned());
            bar.enable_steady_tick(std::time::Duration::from_millis(200));
            if let Some(before) = bars.insert(step.to_owned(), bar) {
                before.finish_and_clear();
            }
        }
        Event::Working { step, line, .. } => {
            if let Some(bar) = bars.get(step) {
                bar.set_message(line.chars().take(LINE).collect::<String>());
            }
        }
        Event::End(step) => {
            if let Some(bar) = bars.remove(&step.name) {
                bar.finish_and_clear();
            }
            let _ = all.println(ended(step));
        }
        Event::Note(text) => {
            let _ = all.println(text);
        }
    }
}

fn in_file(event: Event) {
    // A closed standard error leaves nobody to tell.
    let mut stderr = io::stderr().lock();
    let _ = match event {
        Event::Begin(step) => writeln!(stderr, "{step} ..."),
        Event::Working { .. } => Ok(()),
        Event::End(step) => writeln!(stderr, "{}", ended(step)),
        Event::Note(text) => writeln!(stderr, "{text}"),
    };
}

fn ended(step: &systole_bitstreams::tool::Step) -> String {
    let memory = step
        .peak_memory_mib
        .map_or_else(String::new, |mib| format!(", {mib} MiB"));
    format!("{}: {:.1} s{memory}", step.name, step.seconds)
}
