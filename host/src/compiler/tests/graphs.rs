//! Plans for graphs of the shapes of well-known networks, without their weights.

use std::borrow::Cow;

use systole_regs::configuration::{self, Configuration};
use systole_regs::image::Parameter;
use systole_regs::instructions::NO_LIMIT;

use super::super::graph::{Graph, Image, ImageId, Kernel, Node, Residual, View, Window};
use super::super::order::tests::is_safe;
use super::super::search::{self, Candidate};
use super::super::{CompileOptions, Target, estimate};

/// Builds graphs layer by layer.
pub(super) struct Builder {
    graph: Graph<'static>,
}

impl Builder {
    pub fn new(height: usize, width: usize, channels: usize) -> (Self, View) {
        let mut builder = Builder {
            graph: Graph {
                images: Vec::new(),
                nodes: Vec::new(),
                input: ImageId(0),
                output: ImageId(0),
            },
        };
        let view = builder.image(height, width, channels);
        (builder, view)
    }

    fn image(&mut self, height: usize, width: usize, channels: usize) -> View {
        let image = ImageId(self.graph.images.len());
        self.graph.images.push(Image {
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
        &mut self,
        kernel: Kernel<'static>,
        input: View,
        channels: usize,
        (height, width): (usize, usize),
        stride: usize,
        second: Option<View>,
    ) -> View {
        let size = |input: usize| input.div_ceil(stride);
        let (oh, ow) = (size(input.height), size(input.width));
        let pad = |out: usize, kernel: usize, input: usize| {
            ((out - 1) * stride + kernel).saturating_sub(input) / 2
        };
        let output = self.image(oh, ow, channels);
        self.graph.nodes.push(Node {
            label: format!("layer {}", self.graph.nodes.len()),
            kernel,
            window: Window {
                height,
                width,
                stride_y: stride,
                stride_x: stride,
                pad_top: pad(oh, height, input.height),
                pad_left: pad(ow, width, input.width),
            },
            input,
            output,
            pad_value: 0,
            parameters: vec![Parameter::default(); channels],
            double_rounding: true,
            zero_point: 0,
            minimum: -128,
            maximum: 127,
            residual: second.map(|view| Residual {
                view,
                parameters: [Parameter::default(); 3],
                zero_point: 0,
                minimum: -128,
                maximum: 127,
            }),
            macs: 0,
        });
        output
    }

    pub fn conv(&mut self, input: View, channels: usize, size: usize, stride: usize) -> View {
        let weights = vec![1; channels * size * size * input.channels];
        let kernel = Kernel::Matrix(Cow::Owned(weights));
        self.node(kernel, input, channels, (size, size), stride, None)
    }

    pub fn conv_rect(
        &mut self,
        input: View,
        channels: usize,
        size: (usize, usize),
        stride: usize,
    ) -> View {
        let weights = vec![1; channels * size.0 * size.1 * input.channels];
        let kernel = Kernel::Matrix(Cow::Owned(weights));
        self.node(kernel, input, channels, size, stride, None)
    }

    pub fn conv_add(&mut self, input: View, size: usize, second: View) -> View {
        let channels = second.channels;
        let weights = vec![1; channels * size * size * input.channels];
        let kernel = Kernel::Matrix(Cow::Owned(weights));
        self.node(kernel, input, channels, (size, size), 1, Some(second))
    }

    pub fn depthwise(&mut self, input: View, size: usize, stride: usize) -> View {
        let weights = vec![1; size * size * input.channels];
        let kernel = Kernel::Depthwise(Cow::Owned(weights));
        self.node(kernel, input, input.channels, (size, size), stride, None)
    }

    pub fn global_pool(&mut self, input: View) -> View {
        let size = (input.height, input.width);
        let stride = input.height.max(input.width);
        self.node(Kernel::Sum, input, input.channels, size, stride, None)
    }

    pub fn finish(mut self, output: View) -> Graph<'static> {
        self.graph.output = output.image;
        self.graph
    }
}

pub(super) fn resnet(width: usize) -> Graph<'static> {
    let (mut b, input) = Builder::new(32, 32, 3);
    let x = b.conv(input, width, 3, 1);
    let y = b.conv(x, width, 3, 1);
    let x = b.conv_add(y, 3, x);
    let y = b.conv(x, 2 * width, 3, 2);
    let s = b.conv(x, 2 * width, 1, 2);
    let x = b.conv_add(y, 3, s);
    let y = b.conv(x, 4 * width, 3, 2);
    let s = b.conv(x, 4 * width, 1, 2);
    let x = b.conv_add(y, 3, s);
    let x = b.global_pool(x);
    let x = b.conv(x, 10, 1, 1);
    b.finish(x)
}

pub(super) fn mobilenet() -> Graph<'static> {
    let (mut b, input) = Builder::new(96, 96, 3);
    let mut x = b.conv(input, 8, 3, 2);
    for (stride, channels) in [
        (1, 16),
        (2, 32),
        (1, 32),
        (2, 64),
        (1, 64),
        (2, 128),
        (1, 128),
        (1, 128),
        (1, 128),
        (1, 128),
        (1, 128),
        (2, 256),
        (1, 256),
    ] {
        x = b.depthwise(x, 3, stride);
        x = b.conv(x, channels, 1, 1);
    }
    let x = b.global_pool(x);
    let x = b.conv(x, 2, 1, 1);
    b.finish(x)
}

pub(super) fn autoencoder() -> Graph<'static> {
    let (mut b, mut x) = Builder::new(1, 1, 640);
    for channels in [128, 128, 128, 128, 8, 128, 128, 128, 128, 640] {
        x = b.conv(x, channels, 1, 1);
    }
    b.finish(x)
}

pub(super) fn keywords() -> Graph<'static> {
    let (mut b, input) = Builder::new(49, 10, 1);
    let mut x = b.conv_rect(input, 64, (10, 4), 2);
    for _ in 0..4 {
        x = b.depthwise(x, 3, 1);
        x = b.conv(x, 64, 1, 1);
    }
    let x = b.global_pool(x);
    let x = b.conv(x, 12, 1, 1);
    b.finish(x)
}

/// The plan for a graph on a device with room for its parameters.
fn plan(graph: &Graph, configuration: &Configuration, batch: Option<usize>) -> Candidate {
    let target = Target {
        parameter_entries: 4096,
        ..Target::from(configuration)
    };
    search::choose(graph, &target, &CompileOptions { batch })
        .unwrap_or_else(|error| panic!("on {}: {error}", target.name))
}

/// Estimated cycles of each of many rows.
fn cycles(candidate: &Candidate) -> u64 {
    let rows = candidate.settings.group_rows as u64;
    estimate::steady(&candidate.emitted.steps, rows) / rows
}

#[test]
fn well_known_shapes_are_planned_without_hazards() {
    for graph in [resnet(16), mobilenet(), autoencoder(), keywords()] {
        for configuration in &configuration::ALL[1..] {
            for batch in [Some(1), Some(16), None] {
                let candidate = plan(&graph, configuration, batch);
                let steps = &candidate.emitted.steps;
                assert!((1..4).all(|groups| is_safe(steps, groups)));
                // Without limits nothing is safe.
                let mut loose = steps.clone();
                for step in &mut loose {
                    let none = NO_LIMIT;
                    (step.limits.compute, step.limits.load, step.limits.store) = (none, none, none);
                }
                assert!(!is_safe(&loose, 1));
            }
        }
    }
}

#[test]
fn images_that_do_not_fit_come_in_bands() {
    for (graph, configuration) in [
        (resnet(16), &configuration::TINY),
        (resnet(40), &configuration::SMALL),
    ] {
        let candidate = plan(&graph, configuration, Some(1));
        assert!(candidate.memory.workspace_bytes > 0 && !candidate.weights.stream.is_empty());
        let steps = &candidate.emitted.steps;
        assert!((1..4).all(|groups| is_safe(steps, groups)));
    }
}

#[test]
fn most_of_the_time_is_useful() {
    // Array elements times cycles, by the multiplications that are needed. The one in the middle,
    // `ecp5-85f`, has four lanes for sixteen columns and a multiplication in a lane, and loses more
    // where sums are short and channel by channel.
    let macs = |graph: &Graph| -> usize {
        let nodes = graph.nodes.iter();
        let macs = nodes.map(|node| match &node.kernel {
            Kernel::Matrix(weights) | Kernel::Depthwise(weights) => {
                weights.len() * node.output.height * node.output.width
            }
            Kernel::Sum | Kernel::Maximum => 0,
        });
        macs.sum()
    };
    for (name, graph, small, middle, large) in [
        ("resnet", resnet(16), 1.05, 1.5, 1.3),
        ("mobilenet", mobilenet(), 1.65, 4.5, 3.6),
        ("autoencoder", autoencoder(), 1.1, 1.5, 1.8),
        ("keywords", keywords(), 1.4, 3.85, 2.6),
    ] {
        for (configuration, most) in configuration::ALL[1..].iter().zip([small, middle, large]) {
            let capacity =
                cycles(&plan(&graph, configuration, None)) as f64 * configuration.elements() as f64;
            let share = capacity / macs(&graph) as f64;
            assert!(share < most, "{name} on {}: {share}", configuration.name);
        }
    }
}

#[test]
fn the_first_input_comes_in_pieces_where_that_saves_time() {
    let candidate = plan(&mobilenet(), &configuration::ECP5_85F, Some(1));
    assert!(candidate.settings.pieces > 1);
    let candidate = plan(&mobilenet(), &configuration::ECP5_85F, Some(64));
    assert_eq!(candidate.settings.pieces, 1);
    assert!(candidate.settings.ahead.is_some());
}
