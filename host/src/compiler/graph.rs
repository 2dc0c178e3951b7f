//! The network as the accelerator sees it: images in the scratchpad, and nodes that each become
//! one instruction, or one for each band of rows and block of channels.
//!
//! ```text
//!  layers:  conv a --+                         nodes:  conv a ------> image 1
//!                    +-- add -- concat --             conv b + 1 ---> image 2 |=====|     |
//!  layers:  conv b --+         /                      pool ---------> image 2 |     |=====|
//!           pool -------------+                        (views: channels of one image)
//! ```
//!
//! Additions have become part of the node whose result they add to, concatenations have become
//! views of the same image, and reshapes have become other views of the same bytes.

use std::borrow::Cow;

use systole_regs::image::Parameter;

/// Index of an image in [`Graph::images`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ImageId(pub usize);

/// Bytes that hold one or more tensors: rows of pixels, channels innermost.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Image {
    /// Name of the tensor, or of the first.
    pub name: String,
    /// Rows.
    pub height: usize,
    /// Pixels of a row.
    pub width: usize,
    /// Bytes from pixel to pixel: the channels of all tensors in it.
    pub pixel_bytes: usize,
    /// Whether rows must follow each other without a gap, because somebody reads them as one.
    pub dense: bool,
    /// Whether it can lie in host memory and be there band by band: every view is the whole image.
    pub can_spill: bool,
}

impl Image {
    /// Bytes of a row, without the gap to the next.
    pub fn row_bytes(&self) -> usize {
        self.width * self.pixel_bytes
    }

    /// Bytes from the first to the last, with rows `pitch` apart.
    pub fn bytes(&self, pitch: usize) -> usize {
        (self.height - 1) * pitch + self.row_bytes()
    }
}

/// A tensor: some channels of an image, or all its bytes in another shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct View {
    pub image: ImageId,
    /// First channel.
    pub offset: usize,
    pub height: usize,
    pub width: usize,
    pub channels: usize,
}

/// Distances within a view, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Strides {
    pub row: usize,
    pub pixel: usize,
}

/// Kernel size and the way it moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub height: usize,
    pub width: usize,
    pub stride_y: usize,
    pub stride_x: usize,
    pub pad_top: usize,
    pub pad_left: usize,
}

impl Window {
    /// One pixel.
    pub const POINT: Window = Window {
        height: 1,
        width: 1,
        stride_y: 1,
        stride_x: 1,
        pad_top: 0,
        pad_left: 0,
    };
}

/// What is computed of a window.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kernel<'a> {
    /// Weighted sums over all channels; weights `[output][row][column][input]`.
    Matrix(Cow<'a, [i8]>),
    /// Weighted sums in each channel; weights `[row][column][channel]`.
    Depthwise(Cow<'a, [i8]>),
    /// Sums in each channel.
    Sum,
    /// Greatest value of each channel.
    Maximum,
}

/// Addition of a second tensor to the result.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Residual {
    pub view: View,
    /// Of the result, of the second tensor, of the sum.
    pub parameters: [Parameter; 3],
    pub zero_point: i8,
    pub minimum: i8,
    pub maximum: i8,
}

/// One step of the computation.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node<'a> {
    /// Names of its layers.
    pub label: String,
    pub kernel: Kernel<'a>,
    pub window: Window,
    pub input: View,
    pub output: View,
    /// Value outside the image.
    pub pad_value: i8,
    /// One for each output channel, with input zero points folded in.
    pub parameters: Vec<Parameter>,
    pub double_rounding: bool,
    pub zero_point: i8,
    pub minimum: i8,
    pub maximum: i8,
    pub residual: Option<Residual>,
    /// Multiplications of one row, without padding.
    pub macs: u64,
}

/// Images and nodes, in execution order.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Graph<'a> {
    pub images: Vec<Image>,
    pub nodes: Vec<Node<'a>>,
    /// Filled by the host.
    pub input: ImageId,
    /// Read by the host.
    pub output: ImageId,
}

impl Graph<'_> {
    pub fn image(&self, id: ImageId) -> &Image {
        &self.images[id.0]
    }

    /// Distances within a view when the rows of its image are `pitch` apart.
    pub fn strides(&self, view: &View, pitch: usize) -> Strides {
        let image = self.image(view.image);
        if (view.height, view.width) == (image.height, image.width) {
            Strides {
                row: pitch,
                pixel: image.pixel_bytes,
            }
        } else {
            Strides {
                row: view.width * view.channels,
                pixel: view.channels,
            }
        }
    }

    /// Nodes that read an image.
    pub fn readers(&self, id: ImageId) -> impl DoubleEndedIterator<Item = usize> + '_ {
        let reads = move |node: &Node| {
            let second = node.residual.as_ref().map(|residual| residual.view.image);
            node.input.image == id || second == Some(id)
        };
        let nodes = self.nodes.iter().enumerate();
        nodes
            .filter(move |(_, node)| reads(node))
            .map(|(index, _)| index)
    }

    /// Nodes that write an image.
    pub fn writers(&self, id: ImageId) -> impl DoubleEndedIterator<Item = usize> + '_ {
        let nodes = self.nodes.iter().enumerate();
        nodes
            .filter(move |(_, node)| node.output.image == id)
            .map(|(index, _)| index)
    }
}
