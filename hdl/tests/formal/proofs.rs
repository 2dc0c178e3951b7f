//! The proofs: blocks, their properties, and the mistakes that the properties must find.

use rust_hdl::prelude::*;
use systole_hdl::array::element::{Element, Multiply, PairElement};
use systole_hdl::bar::registers::Registers;
use systole_hdl::control::extent::Extent;
use systole_hdl::control::sequencer::Sequencer;
use systole_hdl::dma::fifo::BeatFifo;
use systole_hdl::dma::reader::DmaReader;
use systole_hdl::dma::writer::DmaWriter;
use systole_hdl::emit::{complete, tidy, verilog_of};
use systole_hdl::link::deframe::Deframer;
use systole_hdl::queue::engine::QueueEngine;
use systole_regs::configuration::TINY;

use crate::job::{Job, Mode};

/// A text of the emitted Verilog and what is put in its place.
type Change = (&'static str, &'static str);

/// The properties of a block.
pub struct Proof {
    name: &'static str,
    /// Verilog of the block.
    verilog: String,
    properties: &'static str,
    /// Texts for the blocks inside, by their names.
    inside: Vec<(&'static str, &'static str)>,
    /// What is cut out of the block for the proof.
    cuts: Vec<Change>,
    mode: Mode,
    depth: usize,
    /// Cycles that all cover statements are reached in.
    cover: Option<usize>,
    /// Mistakes, and the cycles in which each is found.
    mistakes: Vec<(Change, usize)>,
    /// Rough time that a proof takes, in seconds.
    weight: u32,
}

/// Text of files in `hdl/formal`.
macro_rules! text {
    ($($name:literal),+) => {
        concat!($(include_str!(concat!("../../formal/", $name))),+)
    };
}

impl Proof {
    fn new<B: Block>(name: &'static str, block: B, properties: &'static str) -> Self {
        Self {
            name,
            verilog: complete(&tidy(&verilog_of(Box::new(block)))),
            properties,
            inside: Vec::new(),
            cuts: Vec::new(),
            mode: Mode::Prove,
            depth: 3,
            cover: None,
            mistakes: Vec::new(),
            weight: 5,
        }
    }

    /// The proof, its covers, and its mistakes.
    pub fn jobs(&self) -> Vec<Job> {
        let job = |suffix: String, mode, depth, verilog| Job {
            name: format!("{}{suffix}", self.name),
            mode,
            depth,
            verilog,
            weight: self.weight,
        };
        let right = self.with_properties(&self.verilog);
        let mut jobs = vec![job(String::new(), self.mode, self.depth, right.clone())];
        if let Some(cycles) = self.cover {
            jobs.push(job("-cover".into(), Mode::Cover, cycles, right));
        }
        for (index, (change, cycles)) in self.mistakes.iter().enumerate() {
            let wrong = self.with_properties(&replaced(&self.verilog, *change));
            let wrong = format!("`define F_MISTAKEN\n{wrong}");
            let suffix = format!("-mistake-{}", index + 1);
            jobs.push(job(suffix, Mode::Refute, *cycles, wrong));
        }
        jobs
    }

    fn with_properties(&self, verilog: &str) -> String {
        let mut text = verilog.to_owned();
        for change in &self.cuts {
            text = replaced(&text, *change);
        }
        for (block, properties) in &self.inside {
            let end = format!("endmodule // top${block}\n");
            text = replaced(&text, (&end, &format!("{properties}{end}")));
        }
        let end = "endmodule // top\n";
        replaced(&text, (end, &format!("{}{end}", self.properties)))
    }
}

/// Replaces what is there exactly once.
fn replaced(verilog: &str, (before, after): (&str, &str)) -> String {
    assert_eq!(
        verilog.matches(before).count(),
        1,
        "`{before}` isn't there exactly once"
    );
    verilog.replace(before, after)
}

/// A module of no block, for properties about arithmetic alone.
const EMPTY: &str = "module top(clock);\n    input wire clock;\nendmodule // top\n";

/// All proofs.
pub fn all() -> Vec<Proof> {
    vec![
        fifo(),
        reader(),
        writer(),
        registers(),
        extent(),
        products(),
        element_of_products(),
        bounds_of_output(),
        bounds_of_residual(),
        bounds_of_input(),
        bounds_of_weights(),
        bounds_of_depthwise(),
        bounds_of_transfers(),
        starts(),
        sequencer(),
        queue(),
        deframer(),
    ]
}

fn fifo() -> Proof {
    Proof {
        depth: 4,
        cover: Some(20),
        mistakes: vec![
            (("beats[tail[3:0]] <=", "beats[tail[2:0]] <="), 12),
            (
                (
                    "if (pop) head <= head + 5'd1;",
                    "if (pop && !push) head <= head + 5'd1;",
                ),
                6,
            ),
        ],
        ..Proof::new("fifo", BeatFifo::default(), text!("fifo.sv"))
    }
}

fn reader() -> Proof {
    Proof {
        cover: Some(28),
        mistakes: vec![
            (
                (
                    "to_boundary$d = 7'(32'h40) -",
                    "to_boundary$d = 7'(32'h41) -",
                ),
                11,
            ),
            (("error$d = 1'b1;", "error$d = 1'b0;"), 11),
        ],
        weight: 15,
        ..Proof::new("reader", DmaReader::new(), text!("reader.sv"))
    }
}

fn writer() -> Proof {
    Proof {
        inside: vec![
            ("fifo", text!("writer_fifo.sv")),
            ("push", text!("writer_delay.sv")),
            ("push_strobe", text!("writer_delay.sv")),
            ("push_last", text!("writer_delay.sv")),
        ],
        cover: Some(33),
        mistakes: vec![
            (
                (
                    "push_last$entry = 1'(32'h1);",
                    "push_last$entry = 1'(32'h0);",
                ),
                21,
            ),
            (
                (
                    "to_boundary$d = 7'(32'h40) -",
                    "to_boundary$d = 7'(32'h41) -",
                ),
                11,
            ),
        ],
        weight: 60,
        ..Proof::new("writer", DmaWriter::new(), text!("writer.sv"))
    }
}

fn registers() -> Proof {
    Proof {
        depth: 5,
        cover: Some(14),
        mistakes: vec![
            (("if (b_ready) begin", "if (1'b1) begin"), 8),
            (("if (r_ready) begin", "if (1'b1) begin"), 10),
        ],
        ..Proof::new("registers", Registers::new(&TINY, 0), text!("registers.sv"))
    }
}

fn extent() -> Proof {
    Proof {
        depth: 8,
        cover: Some(11),
        mistakes: vec![(("count1 <= count - 16'd1;", "count1 <= count;"), 9)],
        ..Proof::new("extent", Extent::default(), text!("extent.sv"))
    }
}

fn products() -> Proof {
    Proof {
        verilog: EMPTY.into(),
        depth: 1,
        ..Proof::new("products", Extent::default(), text!("products.sv"))
    }
}

fn element_of_products() -> Proof {
    let kind = Element::InnerProduct(Multiply::SharedDsp);
    Proof {
        cuts: vec![
            ("left_even * left_odd", "{left_even, left_odd}"),
            ("right_even * right_odd", "{right_even, right_odd}"),
        ],
        depth: 4,
        cover: Some(6),
        mistakes: vec![
            (
                (
                    "{x0[7], x0} + {left_w1[7], left_w1}",
                    "{x0[7], x0} + {left_w0[7], left_w0}",
                ),
                6,
            ),
            ((".right_w0(right_w0)", ".right_w0(left_w0)"), 6),
        ],
        ..Proof::new(
            "element-product",
            PairElement::<20>::new(kind),
            text!("element_product.sv"),
        )
    }
}

/// The proof of one kind of region.
fn bounds(name: &'static str, properties: &'static str) -> Proof {
    Proof {
        inside: vec![
            ("extent", text!("bounds_extent.sv")),
            ("decoder", text!("bounds_decoder.sv")),
            ("unit", text!("bounds_unit.sv")),
        ],
        cuts: vec![
            ("{16'd0, before_low2} + {before_high2, 16'd0}", "f_before2"),
            ("{16'd0, length_low2} + {length_high2, 16'd0}", "f_length2"),
        ],
        depth: 2,
        weight: 10,
        ..Proof::new(name, Sequencer::new(&TINY), properties)
    }
}

fn bounds_of_output() -> Proof {
    let width = "Region$OutputPixels:
                begin
                    extent$chain = 1'b1;
                    extent$count = operands$output_width";
    let less = "Region$OutputPixels:
                begin
                    extent$chain = 1'b1;
                    extent$count = operands$output_width - 16'd1";
    Proof {
        mistakes: vec![((width, less), 33)],
        ..bounds("bounds-output", text!("bounds.sv", "bounds_output.sv"))
    }
}

fn bounds_of_residual() -> Proof {
    let base = "extent$base = operands$second_address;";
    Proof {
        mistakes: vec![((base, ""), 35)],
        ..bounds("bounds-residual", text!("bounds.sv", "bounds_residual.sv"))
    }
}

fn bounds_of_input() -> Proof {
    let bytes = "extent$tiles = 32'(operands$input_row_bytes);";
    Proof {
        mistakes: vec![(
            (
                bytes,
                "extent$tiles = 32'(operands$input_row_bytes - 16'd1);",
            ),
            37,
        )],
        ..bounds("bounds-input", text!("bounds.sv", "bounds_input.sv"))
    }
}

fn bounds_of_weights() -> Proof {
    let tiles = "tiles$d = columns$q;";
    Proof {
        mistakes: vec![
            ((tiles, "tiles$d = columns$q - 16'd1;"), 38),
            (
                (
                    "all_entries$d = channel_entries$q + residual_entries;",
                    "all_entries$d = channel_entries$q;",
                ),
                39,
            ),
        ],
        ..bounds("bounds-weights", text!("bounds.sv", "bounds_weights.sv"))
    }
}

fn bounds_of_depthwise() -> Proof {
    let blocks = "tiles$d = blocks$q;";
    Proof {
        mistakes: vec![((blocks, "tiles$d = blocks$q - 16'd1;"), 38)],
        ..bounds(
            "bounds-depthwise",
            text!("bounds.sv", "bounds_depthwise.sv"),
        )
    }
}

fn bounds_of_transfers() -> Proof {
    Proof {
        mistakes: vec![
            (
                (
                    "extent$count = unit$pieces;",
                    "extent$count = unit$pieces - 16'd1;",
                ),
                30,
            ),
            (("beats_then = beats_then + 32'(32'h1);", ""), 30),
        ],
        ..bounds("bounds-transfer", text!("bounds.sv", "bounds_transfer.sv"))
    }
}

fn starts() -> Proof {
    Proof {
        cover: Some(41),
        mistakes: vec![(
            (
                "compute_start = decoder$is_compute;",
                "compute_start = 1'b1;",
            ),
            30,
        )],
        ..bounds("bounds-starts", text!("bounds.sv", "bounds_starts.sv"))
    }
}

fn sequencer() -> Proof {
    Proof {
        depth: 14,
        // The first is the mistake that this proof has found: a store was lost in the trace.
        mistakes: vec![
            (
                (
                    "stores = may_store && announced$q && ~write_busy;",
                    "stores = may_store && announced$q;",
                ),
                32,
            ),
            (("rows_left$d = following_rows$q;", ""), 25),
        ],
        cover: Some(36),
        weight: 50,
        ..Proof::new("sequencer", Sequencer::new(&TINY), text!("sequencer.sv"))
    }
}

fn queue() -> Proof {
    Proof {
        cover: Some(30),
        mistakes: vec![
            (
                (
                    "write_row_bytes = 32'(32'h10);",
                    "write_row_bytes = 32'(32'h8);",
                ),
                30,
            ),
            (
                (
                    "free_place$d = next_completion$q != completion_head$q;",
                    "free_place$d = 1'b1;",
                ),
                36,
            ),
        ],
        weight: 20,
        ..Proof::new("queue", QueueEngine::new(&TINY), text!("queue.sv"))
    }
}

fn deframer() -> Proof {
    Proof {
        // The receiver gives anything: its bytes take too many cycles to wait for them.
        cuts: vec![
            ("wire  receiver$valid;", "(* anyseq *) wire receiver$valid;"),
            (
                "wire  [7:0] receiver$data;",
                "(* anyseq *) wire [7:0] receiver$data;",
            ),
            (
                "wire  receiver$broken;",
                "(* anyseq *) wire receiver$broken;",
            ),
            (
                ",\n        .valid(receiver$valid),\n        .data(receiver$data),\n        .broken(receiver$broken)",
                "",
            ),
        ],
        // A check that is right takes 32 bits, and as many cycles.
        cover: Some(44),
        mistakes: vec![
            (("check$clear = 1'b1;", ""), 8),
            (("if (receiver$broken) begin", "if (1'b0) begin"), 12),
        ],
        ..Proof::new("deframer", Deframer::new(8), text!("deframer.sv"))
    }
}
