//! Plans for graphs of the shapes of well-known networks, without their weights.

use std::borrow::Cow;

use systole_regs::configuration;
use systole_regs::image::Parameter;

use super::super::graph::{Graph, Image, ImageId, Kernel, Node, Residual, View, Window};
use super::super::order::tests::is_safe;
use super::super::{CompileOptions, Target, search};

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
        let (height, width) = (input.height, input.width);
        let view = self.node(
            Kernel::Sum,
            input,
            input.channels,
            (height, width),
            height.max(width),
            None,
        );
        view
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

#[test]
fn well_known_shapes_are_planned_without_hazards() {
    for (name, graph) in [
        ("resnet", resnet(16)),
        ("wide resnet", resnet(40)),
        ("mobilenet", mobilenet()),
        ("autoencoder", autoencoder()),
        ("keywords", keywords()),
    ] {
        for configuration in configuration::ALL {
            let mut target = Target::from(configuration);
            target.parameter_entries = target.parameter_entries.max(4096);
            for batch in [Some(1), Some(16), None] {
                let options = CompileOptions { batch };
                match search::choose(&graph, &target, &options) {
                    Ok(chosen) => {
                        let steps = &chosen.emitted.steps;
                        let cycles = super::super::estimate::command(
                            steps,
                            batch.unwrap_or(64) as u64,
                            chosen.settings.group_rows as u64,
                        ) / batch.unwrap_or(64) as u64;
                        println!(
                            "LIST {name} on {} {batch:?}: {} steps, {cycles} cycles, groups of {}, {:?}, scratchpad {} workspace {} tiles {}",
                            target.name,
                            steps.len(),
                            chosen.settings.group_rows,
                            chosen.settings,
                            chosen.memory.scratchpad_bytes,
                            chosen.memory.workspace_bytes,
                            chosen.weights.tiles,
                        );
                        for groups in 1..4 {
                            assert!(is_safe(steps, groups));
                        }
                    }
                    Err(error) => println!("{name} on {}: {error}", target.name),
                }
            }
        }
    }
}
