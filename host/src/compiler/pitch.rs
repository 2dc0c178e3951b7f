//! How far apart the rows of each image lie.
//!
//! ```text
//!  |row 0 of pixels|gap|row 1 of pixels|gap|...      window of 3 rows, read without a gap
//!  |<---- pitch ------>|                             |a a a|b b b|c c c|  pitch = 3 modulo a word
//! ```
//!
//! A convolution over several rows reads its window without a gap if the pitch equals the length
//! of a window row, modulo the scratchpad's word; else window rows are widened by weights of zero,
//! which costs tiles. Of all pitches the one is taken whose readers need fewest tiles. Images that
//! are added to each other have the same pitch.

use super::Target;
use super::graph::{Graph, Kernel};
use super::method::window_bytes;

/// A pitch for each image. Those that are to lie in the workspace get multiples of a bus word.
pub(super) fn choose(graph: &Graph, in_workspace: &[bool], target: &Target) -> Vec<usize> {
    let groups = tied(graph);
    let mut pitches = vec![0; graph.images.len()];
    for &group in &groups {
        let members: Vec<usize> = (0..groups.len())
            .filter(|&id| groups[id] == group)
            .collect();
        let row_bytes = graph.images[group].row_bytes();
        if members.iter().any(|&id| graph.images[id].dense) {
            pitches[group] = row_bytes;
            continue;
        }
        let step = if members.iter().any(|&id| in_workspace[id]) {
            systole_regs::DATA_BYTES as usize
        } else {
            1
        };
        let word = target.word_bytes();
        let least = row_bytes.next_multiple_of(step);
        pitches[group] = (least..least + word)
            .step_by(step)
            .min_by_key(|&pitch| (cost(graph, &members, pitch, target), pitch))
            .unwrap_or(least);
    }
    groups.into_iter().map(|group| pitches[group]).collect()
}

/// Tiles that readers of these images need, times how often they need them.
fn cost(graph: &Graph, members: &[usize], pitch: usize, target: &Target) -> usize {
    let matrices = graph.nodes.iter().filter(|node| {
        matches!(node.kernel, Kernel::Matrix(_))
            && node.window.height > 1
            && members.contains(&node.input.image.0)
    });
    matrices
        .map(|node| {
            let bytes = (node.window.width - 1) * graph.image(node.input.image).pixel_bytes
                + node.input.channels;
            let window = node.window.height * window_bytes(bytes, pitch, target);
            let pixels = node.output.height * node.output.width;
            window.div_ceil(target.rows) * pixels * node.output.channels.div_ceil(target.columns)
        })
        .sum()
}

/// For each image the least of those that it shares its pitch with.
fn tied(graph: &Graph) -> Vec<usize> {
    let mut groups: Vec<usize> = (0..graph.images.len()).collect();
    for node in &graph.nodes {
        if let Some(residual) = &node.residual {
            let [one, other] = [residual.view.image, node.output.image].map(|id| groups[id.0]);
            let (low, high) = (one.min(other), one.max(other));
            for group in &mut groups {
                if *group == high {
                    *group = low;
                }
            }
        }
    }
    groups
}
