//! How far apart the rows of each image lie.
//!
//! ```text
//!  |row 0 of pixels|gap|row 1 of pixels|gap|...      window of 3 rows, read without a gap
//!  |<---- pitch ------>|                             |a a a|b b b|c c c|  pitch = 3 modulo a word
//! ```
//!
//! A convolution over several rows reads its window without a gap if the pitch equals the length
//! of a window row, modulo the scratchpad's word; else window rows are widened by weights of zero,
//! which costs tiles. Of all pitches the one is taken whose readers need the fewest cycles. Images that
//! are added to each other have the same pitch.

use super::Target;
use super::estimate::Estimator;
use super::graph::Graph;
use super::method::Method;

/// A pitch for each image. Those that are to lie in the workspace get multiples of a bus word.
pub(super) fn choose(
    graph: &Graph,
    in_workspace: &[bool],
    target: &Target,
    estimator: &Estimator,
) -> Vec<usize> {
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
            .min_by_key(|&pitch| (cost(graph, &members, pitch, target, estimator), pitch))
            .unwrap_or(least);
    }
    groups.into_iter().map(|group| pitches[group]).collect()
}

/// Cycles of the readers of these images.
fn cost(
    graph: &Graph,
    members: &[usize],
    pitch: usize,
    target: &Target,
    estimator: &Estimator,
) -> u64 {
    let readers = graph.nodes.iter();
    readers
        .filter(|node| members.contains(&node.input.image.0))
        .map(|node| {
            // The output's pitch makes no difference to the time.
            let [input, output] = [&node.input, &node.output].map(|v| graph.strides(v, pitch));
            match Method::choose(node, input, output, target, estimator) {
                Ok(method) => method
                    .duration(node, node.output.height, estimator)
                    .alone(1),
                Err(_) => u64::from(u32::MAX),
            }
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
