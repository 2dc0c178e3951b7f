//! Random graphs on random devices: what a program computes against what its graph means.

use std::borrow::Cow;

use proptest::prelude::*;
use systole_regs::configuration;
use systole_regs::image::Parameter;

use super::super::build::average;
use super::super::graph::{Graph, Image, ImageId, Kernel, Node, Residual, View, Window};
use super::super::order::tests::is_safe;
use super::super::{CompileOptions, Program, Target, assemble, search};
use super::machine;

/// Numbers that follow from a seed (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to `end` - 1.
    fn below(&mut self, end: usize) -> usize {
        (self.bits() % end as u64) as usize
    }

    fn bytes(&mut self, count: usize) -> Vec<i8> {
        (0..count).map(|_| self.bits() as i8).collect()
    }

    fn parameter(&mut self) -> Parameter {
        Parameter {
            bias: self.bits() as i32 >> (8 + self.below(24)),
            multiplier: (1 << 30) + self.below(1 << 30) as i32,
            shift: -(self.below(12) as i8) + 1,
            reserved: [0; 7],
        }
    }

    /// A smaller and a larger byte.
    fn range(&mut self) -> (i8, i8) {
        let (left, right) = (self.bits() as i8, self.bits() as i8);
        (left.min(right), left.max(right))
    }
}

/// Makes a graph of `count` nodes.
fn graph(seed: u64, count: usize) -> Graph<'static> {
    let mut numbers = Numbers(seed);
    let shape = [
        1 + numbers.below(14),
        1 + numbers.below(14),
        1 + numbers.below(20),
    ];
    let mut graph = Graph {
        images: Vec::new(),
        nodes: Vec::new(),
        input: ImageId(0),
        output: ImageId(0),
    };
    let mut views = vec![image(&mut graph, shape)];
    for index in 0..count {
        let last = index + 1 == count;
        let input = match numbers.below(4) {
            0 => views[numbers.below(views.len())],
            _ => views[views.len() - 1],
        };
        let made = node(&mut graph, &mut numbers, input, &views, last);
        views.push(made);
    }
    let output = views[views.len() - 1];
    graph.output = output.image;
    let unread = graph.readers(output.image).next().is_none();
    graph.images[output.image.0].can_spill &= unread;
    graph
}

fn image(graph: &mut Graph, [height, width, channels]: [usize; 3]) -> View {
    let image = ImageId(graph.images.len());
    graph.images.push(Image {
        name: format!("image {}", image.0),
        height,
        width,
        pixel_bytes: channels,
        dense: false,
        can_spill: true,
    });
    View {
        image,
        offset: 0,
        height,
        width,
        channels,
    }
}

fn node(
    graph: &mut Graph<'static>,
    numbers: &mut Numbers,
    input: View,
    views: &[View],
    last: bool,
) -> View {
    let flat = numbers.below(8) == 0;
    let input = if flat && input.channels == graph.image(input.image).pixel_bytes {
        let image = &mut graph.images[input.image.0];
        image.dense |= input.height * input.width > 1;
        image.can_spill &= input.height * input.width == 1;
        View {
            channels: input.height * input.width * input.channels,
            height: 1,
            width: 1,
            ..input
        }
    } else {
        input
    };
    let kind = numbers.below(4);
    let size = if kind == 0 { 4 } else { 6 };
    let mut side = |input: usize, most: usize| {
        let kernel = 1 + numbers.below(most.min(input + 1));
        let pad = numbers.below(kernel);
        let pad_end = numbers.below(kernel);
        let (pad, pad_end) = if kernel > input {
            (pad.max(1), pad_end)
        } else {
            (pad, pad_end)
        };
        let stride = 1 + numbers.below(3);
        let padded = (input + pad + pad_end).max(kernel);
        let output = (padded - kernel) / stride + 1;
        (kernel, pad, stride, output)
    };
    let (height, pad_top, stride_y, oh) = side(input.height, size);
    let (width, pad_left, stride_x, ow) = side(input.width, size);
    let window = Window {
        height,
        width,
        stride_y,
        stride_x,
        pad_top,
        pad_left,
    };
    let shape = |channels| [oh, ow, channels];
    let (kernel, channels) = match kind {
        0 => {
            let channels = 1 + numbers.below(20);
            let weights = numbers.bytes(channels * height * width * input.channels);
            (Kernel::Matrix(Cow::Owned(weights)), channels)
        }
        1 => {
            let weights = numbers.bytes(height * width * input.channels);
            (Kernel::Depthwise(Cow::Owned(weights)), input.channels)
        }
        2 => (Kernel::Sum, input.channels),
        _ => (Kernel::Maximum, input.channels),
    };
    let second = views.iter().copied().find(|view| {
        [view.height, view.width, view.channels] == shape(channels)
            && view.channels == graph.image(view.image).pixel_bytes
            && !graph.image(view.image).dense
    });
    let second = second.filter(|_| numbers.below(2) == 0);
    let output = if second.is_none() && !last && numbers.below(4) == 0 {
        // Some channels of a larger image; the others are written by a copy.
        let whole = image(graph, shape(channels + 1 + numbers.below(9)));
        let image = &mut graph.images[whole.image.0];
        image.can_spill = false;
        View {
            offset: numbers.below(whole.channels - channels + 1),
            channels,
            ..whole
        }
    } else {
        image(graph, shape(channels))
    };
    let (minimum, maximum) = numbers.range();
    let residual = second.map(|view| {
        let (minimum, maximum) = numbers.range();
        Residual {
            view,
            parameters: [0; 3].map(|_| Parameter {
                bias: numbers.below(256) as i32 - 128,
                multiplier: (1 << 30) + numbers.below(1 << 30) as i32,
                shift: -(numbers.below(20) as i8),
                reserved: [0; 7],
            }),
            zero_point: numbers.bits() as i8,
            minimum,
            maximum,
        }
    });
    let parameters = match kernel {
        Kernel::Sum => vec![average::divide_by(height * width); channels],
        _ => (0..channels).map(|_| numbers.parameter()).collect(),
    };
    graph.nodes.push(Node {
        label: format!("layer {}", graph.nodes.len()),
        kernel,
        window,
        input,
        output,
        pad_value: numbers.bits() as i8,
        parameters,
        double_rounding: numbers.below(2) == 0,
        zero_point: numbers.bits() as i8,
        minimum,
        maximum,
        residual,
        macs: 1,
    });
    output
}

/// What the graph means, for one row.
fn evaluate(graph: &Graph, input: &[i8]) -> Vec<i8> {
    let mut images: Vec<Vec<i8>> = graph
        .images
        .iter()
        .map(|image| vec![0; image.height * image.row_bytes()])
        .collect();
    images[graph.input.0].copy_from_slice(input);
    for node in &graph.nodes {
        let (input, output) = (&node.input, &node.output);
        for position in 0..output.height * output.width * output.channels {
            let channel = position % output.channels;
            let ox = position / output.channels % output.width;
            let oy = position / output.channels / output.width;
            let sum = window(graph, node, &images[input.image.0], [oy, ox, channel]);
            let mut value = machine::requantize(
                sum,
                &node.parameters[channel],
                node.double_rounding,
                (node.zero_point, node.minimum, node.maximum),
            );
            if let Some(residual) = &node.residual {
                let second = images[residual.view.image.0][position];
                value = machine::add(
                    [value, second],
                    &residual.parameters,
                    (residual.zero_point, residual.minimum, residual.maximum),
                );
            }
            let pixel = graph.image(output.image).pixel_bytes;
            let target = (oy * output.width + ox) * pixel + output.offset + channel;
            images[output.image.0][target] = value;
        }
    }
    images.swap_remove(graph.output.0)
}

fn window(graph: &Graph, node: &Node, image: &[i8], [oy, ox, channel]: [usize; 3]) -> i64 {
    let (window, input) = (&node.window, &node.input);
    let stored = graph.image(input.image);
    let pixel = if (input.height, input.width) == (stored.height, stored.width) {
        stored.pixel_bytes
    } else {
        input.channels
    };
    let mut values = Vec::new();
    for tap in 0..window.height * window.width {
        let y = (oy * window.stride_y + tap / window.width).wrapping_sub(window.pad_top);
        let x = (ox * window.stride_x + tap % window.width).wrapping_sub(window.pad_left);
        let value = |channel: usize| -> i64 {
            if y < input.height && x < input.width {
                image[(y * input.width + x) * pixel + input.offset + channel].into()
            } else {
                node.pad_value.into()
            }
        };
        match &node.kernel {
            Kernel::Matrix(weights) => {
                let size = window.height * window.width;
                let weights = &weights[(channel * size + tap) * input.channels..];
                values.extend((0..input.channels).map(|c| value(c) * i64::from(weights[c])));
            }
            Kernel::Depthwise(weights) => {
                values.push(value(channel) * i64::from(weights[tap * input.channels + channel]))
            }
            Kernel::Sum | Kernel::Maximum => values.push(value(channel)),
        }
    }
    match node.kernel {
        Kernel::Maximum => values.into_iter().max().unwrap_or(0),
        _ => values.into_iter().sum(),
    }
}

/// Compiles a graph; `None` if it is refused.
fn compile(graph: &Graph, target: &Target, batch: Option<usize>) -> Option<Program> {
    let chosen = search::choose(graph, target, &CompileOptions { batch }).ok()?;
    for groups in 1..4 {
        assert!(is_safe(&chosen.emitted.steps, groups));
    }
    Some(assemble("random", graph, chosen, target))
}

fn targets() -> Vec<Target> {
    let mut targets: Vec<Target> = configuration::ALL.iter().map(Target::from).collect();
    for (scratchpad_bytes, weight_tiles) in [(900, 4096), (2000, 40), (16_384, 24)] {
        targets.push(Target {
            name: format!("{scratchpad_bytes} bytes, {weight_tiles} tiles"),
            scratchpad_bytes,
            weight_tiles,
            program_instructions: 1000,
            ..Target::from(&configuration::TINY)
        });
    }
    targets
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn programs_compute_what_their_graphs_mean(
        seed: u64, count in 1_usize..7, rows in 1_usize..4, batch in prop::option::of(1_usize..6)
    ) {
        let graph = graph(seed, count);
        let elements = graph.image(graph.input).height * graph.image(graph.input).row_bytes();
        let input = Numbers(seed ^ 1).bytes(elements * rows);
        let expected: Vec<i8> = input
            .chunks_exact(elements)
            .flat_map(|row| evaluate(&graph, row))
            .collect();
        for target in targets() {
            if let Some(program) = compile(&graph, &target, batch) {
                let found = machine::run(&program, &input);
                prop_assert!(found == expected, "{program}");
            }
        }
    }
}
