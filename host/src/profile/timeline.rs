//! The timeline as an event list for trace viewers.
//!
//! Format: "Trace Event Format", the JSON that Chrome's `about:tracing` and Perfetto open: complete
//! events (`ph: X`) with a start and a duration in microseconds, and metadata (`ph: M`) that names
//! the tracks.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;
use systole_regs::entries::TraceRecord;
use systole_regs::instructions::OPCODES;

use super::attribute::{Gap, Track};
use super::{Profile, RESULTS};

/// The only process of the timeline.
const PROCESS: usize = 1;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Timeline<'a> {
    display_time_unit: &'static str,
    trace_events: Vec<Event<'a>>,
}

#[derive(Serialize)]
struct Event<'a> {
    name: &'a str,
    cat: &'static str,
    ph: &'static str,
    ts: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    dur: Option<f64>,
    pid: usize,
    tid: usize,
    args: BTreeMap<&'static str, serde_json::Value>,
}

impl Profile {
    /// Writes the timeline: a track for computations, DMA reads and DMA writes each, and one for
    /// the gaps in which nothing was computed. Times are cycles at the device's stated clock.
    ///
    /// # Errors
    /// If writing fails.
    pub fn write_timeline(&self, mut writer: impl Write) -> io::Result<()> {
        let title = format!(
            "{} on {}: cycles at the stated {} kHz",
            self.model, self.target, self.clock_khz
        );
        let mut events = vec![metadata("process_name", 0, &title)];
        let names = Track::ALL.map(Track::name);
        for (index, name) in names.into_iter().chain(["nothing computed"]).enumerate() {
            events.push(metadata("thread_name", index + 1, name));
        }
        events.extend(self.records.iter().map(|record| self.instruction(record)));
        events.extend(self.gaps.iter().map(|gap| self.gap(gap)));
        let timeline = Timeline {
            display_time_unit: "ns",
            trace_events: events,
        };
        serde_json::to_writer(&mut writer, &timeline)?;
        writer.write_all(b"\n")
    }

    fn instruction(&self, record: &TraceRecord) -> Event<'_> {
        let (label, layer) = &self.steps[usize::from(record.instruction)];
        let track = Track::of(record);
        let opcode = OPCODES.iter().find(|entry| entry.0 == record.opcode);
        let mut arguments = BTreeMap::from([
            ("group", record.group.into()),
            ("instruction", record.instruction.into()),
            ("opcode", opcode.map_or("?", |entry| entry.1).into()),
        ]);
        if track == Track::Compute {
            arguments.extend([
                ("vectors", record.vectors.into()),
                ("requantize", record.stall_requantize.into()),
                ("prepare", record.stall_prepare.into()),
                ("drain", record.stall_drain.into()),
            ]);
        }
        let name = layer.map_or(&label[..], |layer| self.layer_name(layer));
        let position = Track::ALL.iter().position(|&other| other == track);
        self.slice(
            name,
            "instruction",
            position.map_or(0, |position| position + 1),
            (record.start.into(), record.finish.into()),
            arguments,
        )
    }

    fn gap(&self, gap: &Gap) -> Event<'_> {
        let arguments = BTreeMap::from([("before", self.layer_name(gap.layer).into())]);
        let track = Track::ALL.len() + 1;
        self.slice(
            gap.cause.name(),
            "lost",
            track,
            (gap.start, gap.finish),
            arguments,
        )
    }

    fn slice<'a>(
        &self,
        name: &'a str,
        category: &'static str,
        track: usize,
        (start, finish): (u64, u64),
        mut arguments: BTreeMap<&'static str, serde_json::Value>,
    ) -> Event<'a> {
        let microseconds = |cycles: u64| cycles as f64 * 1e3 / f64::from(self.clock_khz);
        arguments.insert("first cycle", start.into());
        arguments.insert("cycles", (finish - start).into());
        Event {
            name,
            cat: category,
            ph: "X",
            ts: microseconds(start),
            dur: Some(microseconds(finish - start)),
            pid: PROCESS,
            tid: track,
            args: arguments,
        }
    }

    fn layer_name(&self, layer: usize) -> &str {
        self.layers.get(layer).map_or(RESULTS, |layer| &layer.name)
    }
}

/// Names the process, or a track of it.
fn metadata<'a>(what: &'a str, track: usize, name: &str) -> Event<'a> {
    Event {
        name: what,
        cat: "__metadata",
        ph: "M",
        ts: 0.0,
        dur: None,
        pid: PROCESS,
        tid: track,
        args: BTreeMap::from([("name", name.into())]),
    }
}
