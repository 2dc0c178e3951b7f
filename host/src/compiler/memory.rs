//! Where images live: in the scratchpad if they fit, else in host memory, band by band.
//!
//! ```text
//!  scratchpad  |image 1|image 3       |      one of them too large:  host memory |image 2     |
//!              |image 2      |image 4 |                                           | band |
//!                                            scratchpad |image 1|  <--LOAD, STORE--+
//! ```
//!
//! Time is counted in nodes: node i computes at time i, the result is stored at time n. Images in
//! the scratchpad are placed first; bands take what is left in their node's time, as large as
//! possible, so that few rows are loaded twice.

use std::ops::Range;

use super::allocate::{Allocation, Request, alive_bytes, allocate};
use super::graph::{Graph, ImageId, Node};
use super::method::Method;
use super::{CompileError, estimate::Estimator};
use super::{Target, pitch};

/// Alignment of everything in the scratchpad: that of the bus, so that what transfers write beyond
/// their ends stays within the buffer.
const ALIGNMENT: usize = systole_regs::DATA_BYTES as usize;

/// What can be chosen freely: the compiler tries several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    /// Rows of a group.
    pub group_rows: usize,
    /// Node during which the next group's input is loaded; `None` to load each group's input at
    /// its beginning.
    pub ahead: Option<usize>,
    /// Parts in which the first input is loaded and the first layer computed.
    pub pieces: usize,
    /// Whether the result keeps its place while the next group begins.
    pub keep_result: bool,
    /// Buffers for each band: with two, one is loaded while the other is computed.
    pub sets: usize,
    /// Least number of bands of images in host memory.
    pub least_bands: usize,
}

/// Pitches of images and methods of nodes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Layout {
    pub pitches: Vec<usize>,
    pub methods: Vec<Method>,
}

impl Layout {
    pub fn new(
        graph: &Graph,
        in_host_memory: &[bool],
        target: &Target,
        estimator: &Estimator,
    ) -> Result<Layout, CompileError> {
        let pitches = pitch::choose(graph, in_host_memory, target, estimator);
        let methods = graph
            .nodes
            .iter()
            .map(|node| {
                let [input, output] = [&node.input, &node.output]
                    .map(|view| graph.strides(view, pitches[view.image.0]));
                Method::choose(node, input, output, target, estimator)
            })
            .collect::<Result<_, _>>()?;
        Ok(Layout { pitches, methods })
    }

    /// Bytes of an image, in whole words.
    pub fn bytes(&self, graph: &Graph, id: ImageId) -> usize {
        graph
            .image(id)
            .bytes(self.pitches[id.0])
            .next_multiple_of(ALIGNMENT)
    }
}

/// Where an image is when no node works on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Home {
    /// In the scratchpad; row b of the group `b` times its size further on.
    Scratchpad(usize),
    /// In the run's workspace.
    Workspace(usize),
    /// In the host's input or output rows.
    Host,
}

/// Rows of the output that are computed together, and the rows of the input that it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Band {
    pub outputs: Range<usize>,
    pub inputs: Range<usize>,
}

/// How a node's work is cut into bands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Banding {
    pub bands: Vec<Band>,
    /// Buffers used in turn for bands of the input; none if it is in the scratchpad.
    pub inputs: Vec<usize>,
    /// The same for the output.
    pub outputs: Vec<usize>,
}

/// The plan for one program.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct MemoryPlan {
    pub layout: Layout,
    pub homes: Vec<Home>,
    pub bandings: Vec<Banding>,
    /// For each image the spans of time in which it is in the scratchpad.
    pub spans: Vec<Vec<(usize, usize)>>,
    /// Bytes of the scratchpad that are used.
    pub scratchpad_bytes: usize,
    /// Bytes of the workspace.
    pub workspace_bytes: usize,
}

/// Not enough room: at which node, and how much it wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shortage {
    pub node: usize,
    pub needed: usize,
}

/// Plans with everything in the scratchpad but the images that are marked.
pub(super) fn plan(
    graph: &Graph,
    layout: &Layout,
    in_host_memory: &[bool],
    settings: &Settings,
    target: &Target,
) -> Result<MemoryPlan, Shortage> {
    let spans = lifetimes(graph, settings);
    let resident: Vec<usize> = (0..graph.images.len())
        .filter(|&id| !in_host_memory[id] && !spans[id].is_empty())
        .collect();
    let requests: Vec<Request> = resident
        .iter()
        .map(|&id| Request {
            bytes: layout.bytes(graph, ImageId(id)) * settings.group_rows,
            spans: spans[id].clone(),
        })
        .collect();
    let allocation = allocate(&requests);
    let capacity = target.scratchpad_bytes;
    if allocation.peak > capacity {
        let alive = |&node: &usize| alive_bytes(&requests, node);
        let node = (0..graph.nodes.len()).max_by_key(alive).unwrap_or(0);
        return Err(Shortage {
            node,
            needed: allocation.peak,
        });
    }
    let mut homes = vec![Home::Host; graph.images.len()];
    for (&id, &offset) in resident.iter().zip(&allocation.offsets) {
        homes[id] = Home::Scratchpad(offset);
    }
    let mut workspace_bytes = 0;
    for (id, home) in homes.iter_mut().enumerate() {
        let id = ImageId(id);
        if in_host_memory[id.0] && id != graph.input && id != graph.output {
            *home = Home::Workspace(workspace_bytes);
            workspace_bytes += layout.bytes(graph, id);
        }
    }
    let mut scratchpad_bytes = allocation.peak;
    let bandings = graph
        .nodes
        .iter()
        .enumerate()
        .map(|(index, node)| {
            let gaps = gaps(&requests, &allocation, index, capacity);
            let banding = band(graph, layout, node, &homes, settings, &gaps, index == 0)
                .ok_or_else(|| Shortage {
                    node: index,
                    needed: alive_bytes(&requests, index)
                        + band_bytes(layout, node, &homes, 1).iter().sum::<usize>(),
                })?;
            let bytes = banding_bytes(layout, node, &homes, &banding.bands);
            for (buffers, bytes) in [(&banding.inputs, bytes[0]), (&banding.outputs, bytes[1])] {
                for &buffer in buffers {
                    scratchpad_bytes = scratchpad_bytes.max(buffer + bytes);
                }
            }
            Ok(banding)
        })
        .collect::<Result<_, Shortage>>()?;
    Ok(MemoryPlan {
        layout: layout.clone(),
        homes,
        bandings,
        spans,
        scratchpad_bytes,
        workspace_bytes,
    })
}

/// When each image is in the scratchpad, if it is.
pub(super) fn lifetimes(graph: &Graph, settings: &Settings) -> Vec<Vec<(usize, usize)>> {
    let store = graph.nodes.len();
    (0..graph.images.len())
        .map(|id| {
            let id = ImageId(id);
            let first = match graph.writers(id).next() {
                _ if id == graph.input => Some(0),
                first => first,
            };
            let Some(first) = first else {
                return Vec::new();
            };
            let mut last = graph.readers(id).next_back().unwrap_or(first).max(first);
            last = graph.writers(id).next_back().unwrap_or(last).max(last);
            let mut spans = vec![(first, last)];
            if id == graph.output {
                spans[0].1 = store;
                if settings.keep_result && first > 0 {
                    spans.push((0, 0));
                }
            }
            if id == graph.input
                && let Some(ahead) = settings.ahead
            {
                spans.push((ahead, store));
            }
            spans
        })
        .collect()
}

/// Free parts of the scratchpad at a time.
fn gaps(
    requests: &[Request],
    allocation: &Allocation,
    time: usize,
    capacity: usize,
) -> Vec<Range<usize>> {
    let mut taken: Vec<(usize, usize)> = requests
        .iter()
        .zip(&allocation.offsets)
        .filter(|(request, _)| request.is_alive(time))
        .map(|(request, &offset)| (offset, offset + request.bytes))
        .collect();
    taken.sort_unstable();
    let mut gaps = Vec::new();
    let mut end = 0;
    for (start, stop) in taken {
        if start > end {
            gaps.push(end..start);
        }
        end = end.max(stop);
    }
    if end < capacity {
        gaps.push(end..capacity);
    }
    gaps
}

/// Cuts a node's work so that its bands fit the gaps.
fn band(
    graph: &Graph,
    layout: &Layout,
    node: &Node,
    homes: &[Home],
    settings: &Settings,
    gaps: &[Range<usize>],
    is_first: bool,
) -> Option<Banding> {
    let height = node.output.height;
    let away =
        [&node.input, &node.output].map(|view| !matches!(homes[view.image.0], Home::Scratchpad(_)));
    let second_away = node
        .residual
        .as_ref()
        .is_some_and(|residual| !matches!(homes[residual.view.image.0], Home::Scratchpad(_)));
    if !away[0] && !away[1] && !second_away {
        let pieces = if is_first && node.input.image == graph.input {
            settings.pieces.min(height)
        } else {
            1
        };
        return Some(Banding {
            bands: bands(node, height.div_ceil(pieces)),
            inputs: Vec::new(),
            outputs: Vec::new(),
        });
    }
    let mut tried = 0;
    (settings.least_bands.min(height)..=height).find_map(|count| {
        let rows = height.div_ceil(count);
        if std::mem::replace(&mut tried, rows) == rows {
            return None;
        }
        let bands = bands(node, rows);
        let sets = settings.sets.min(bands.len());
        let bytes = banding_bytes(layout, node, homes, &bands);
        let mut sizes: Vec<(usize, usize)> = (0..2)
            .filter(|&side| away[side])
            .flat_map(|side| vec![(bytes[side], side); sets])
            .collect();
        sizes.sort_unstable_by(|left, right| right.cmp(left));
        let mut gaps = gaps.to_vec();
        let mut buffers = [Vec::new(), Vec::new()];
        for (bytes, side) in sizes {
            let gap = gaps
                .iter_mut()
                .filter(|gap| gap.len() >= bytes)
                .min_by_key(|gap| gap.len())?;
            buffers[side].push(gap.start);
            gap.start += bytes;
        }
        let [inputs, outputs] = buffers;
        Some(Banding {
            bands,
            inputs,
            outputs,
        })
    })
}

/// Bands of so many rows of the output. Windows of a band's first row begin above the image's end,
/// because there is no negative padding: what lies below belongs to the last band.
fn bands(node: &Node, rows: usize) -> Vec<Band> {
    let (height, window) = (node.output.height, &node.window);
    let begins_inside = |row: &usize| row * window.stride_y < node.input.height + window.pad_top;
    let firsts: Vec<usize> = (0..height)
        .step_by(rows)
        .take_while(begins_inside)
        .collect();
    let ends = firsts.iter().skip(1).copied().chain([height]);
    firsts
        .iter()
        .zip(ends)
        .map(|(&first, end)| Band {
            inputs: input_rows(node, &(first..end)),
            outputs: first..end,
        })
        .collect()
}

/// Rows of the input that rows of the output depend on; at least one, if only of padding.
fn input_rows(node: &Node, outputs: &Range<usize>) -> Range<usize> {
    let window = &node.window;
    let height = node.input.height;
    let first = (outputs.start * window.stride_y).saturating_sub(window.pad_top);
    let end = (outputs.end - 1) * window.stride_y + window.height;
    let first = first.min(height - 1);
    first..end.saturating_sub(window.pad_top).clamp(first + 1, height)
}

/// Bytes of a buffer for the input and for the output of bands of so many rows.
fn band_bytes(layout: &Layout, node: &Node, homes: &[Home], rows: usize) -> [usize; 2] {
    banding_bytes(layout, node, homes, &bands(node, rows))
}

/// Bytes of the buffers that suffice for each of these bands; none for what has a home in the
/// scratchpad.
fn banding_bytes(layout: &Layout, node: &Node, homes: &[Home], bands: &[Band]) -> [usize; 2] {
    let most = |rows: fn(&Band) -> usize| bands.iter().map(rows).max().unwrap_or(0);
    let sides = [
        (node.input.image, most(|band| band.inputs.len())),
        (node.output.image, most(|band| band.outputs.len())),
    ];
    sides.map(|(id, rows)| match homes[id.0] {
        Home::Scratchpad(_) => 0,
        // Where rows aren't whole words, the first may begin within one.
        _ => (rows * layout.pitches[id.0] + ALIGNMENT).next_multiple_of(ALIGNMENT),
    })
}
