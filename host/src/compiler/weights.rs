//! Which weights stay on the device, and when the others are streamed.
//!
//! ```text
//!  weight memory  | resident: nodes 0, 2, 5 | A: node 1 | B: node 3 |
//!                                           | A: node 4, first half |...
//!  LOAD_WEIGHTS of what comes next is issued as soon as the instruction before it has begun
//! ```
//!
//! Streaming takes a cycle for 8 weights, and each weight is used once for each pixel: layers with
//! many pixels hide it, so they are the first to be streamed. Where little is missing, the least layer
//! that makes room is a choice, too. A layer that is too large for its
//! part of the memory is cut into blocks of output channels.

use std::ops::Range;

use super::Target;
use super::allocate::{Request, allocate};
use super::graph::Graph;
use super::memory::MemoryPlan;

/// Parts of the usable weight memory that one streamed piece may take.
const PARTS: [usize; 6] = [1, 2, 3, 4, 6, 8];

/// One computation: a node, or a band and block of channels of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Job {
    pub node: usize,
    pub band: usize,
    /// Index of the block of channels.
    pub block: usize,
    /// First weight tile.
    pub weights: usize,
}

/// A LOAD_WEIGHTS instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Load {
    /// Job after whose instruction it comes; `None` at the beginning.
    pub after: Option<usize>,
    pub node: usize,
    pub block: usize,
    /// First tile to write.
    pub address: usize,
    /// First tile in the stream.
    pub source: usize,
    pub tiles: usize,
}

/// The plan for one program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct WeightPlan {
    /// For each node its blocks of output channels.
    pub blocks: Vec<Vec<Range<usize>>>,
    pub jobs: Vec<Job>,
    pub loads: Vec<Load>,
    /// Nodes and where their tiles are from the beginning.
    pub resident: Vec<(usize, usize)>,
    /// Nodes and blocks in the order of the stream.
    pub stream: Vec<(usize, usize)>,
    /// Tiles of the weight memory.
    pub tiles: usize,
}

/// Plans to choose from, none if the weights can't be streamed either.
pub(super) fn plans(
    graph: &Graph,
    memory: &MemoryPlan,
    group_rows: usize,
    target: &Target,
) -> Vec<WeightPlan> {
    let usable = target.usable_tiles();
    let needs: Vec<usize> = graph
        .nodes
        .iter()
        .zip(&memory.layout.methods)
        .map(|(node, method)| method.tiles(node, node.output.channels, target))
        .collect();
    let total: usize = needs.iter().sum();
    if total <= usable {
        let streamed = vec![false; needs.len()];
        return plan(graph, memory, &needs, &streamed, usable, target)
            .into_iter()
            .collect();
    }
    let mut order: Vec<usize> = (0..needs.len()).filter(|&node| needs[node] > 0).collect();
    order.sort_by_key(|&node| {
        let output = &graph.nodes[node].output;
        std::cmp::Reverse(output.height * output.width * group_rows)
    });
    let least = (0..needs.len())
        .filter(|&node| needs[node] > total - usable)
        .min_by_key(|&node| needs[node]);
    // Its pieces share what the others leave.
    let room = least.map_or(0, |node| usable + needs[node] - total);
    let choices = [(order, usable), (least.into_iter().collect(), room)];
    choices
        .iter()
        .flat_map(|(order, room)| PARTS.iter().map(move |part| (order, room / part)))
        .filter_map(|(order, most)| {
            let mut streamed = vec![false; needs.len()];
            order.iter().find_map(|&node| {
                streamed[node] = true;
                plan(graph, memory, &needs, &streamed, most, target)
            })
        })
        .collect()
}

/// The plan that streams certain nodes in pieces of at most `most` tiles.
fn plan(
    graph: &Graph,
    memory: &MemoryPlan,
    needs: &[usize],
    streamed: &[bool],
    most: usize,
    target: &Target,
) -> Option<WeightPlan> {
    let mut plan = WeightPlan::default();
    let mut resident_at = vec![0; needs.len()];
    for (node, &tiles) in needs.iter().enumerate() {
        if !streamed[node] && tiles > 0 {
            resident_at[node] = plan.tiles;
            plan.resident.push((node, plan.tiles));
            plan.tiles += tiles;
        }
    }
    let room = target.usable_tiles().checked_sub(plan.tiles)?;
    for (index, node) in graph.nodes.iter().enumerate() {
        let (method, channels) = (&memory.layout.methods[index], node.output.channels);
        let mut size = channels;
        if streamed[index] {
            let blocks = most / method.block_tiles(node, target);
            size = size.min(blocks.checked_mul(method.block(target))?);
        }
        if size == 0 {
            return None;
        }
        let blocks: Vec<_> = (0..channels)
            .step_by(size)
            .map(|first| first..(first + size).min(channels))
            .collect();
        for band in 0..memory.bandings[index].bands.len() {
            plan.jobs.extend((0..blocks.len()).map(|block| Job {
                node: index,
                band,
                block,
                weights: resident_at[index],
            }));
        }
        plan.blocks.push(blocks);
    }
    plan.add_loads(graph, memory, streamed, target);
    plan.place_loads(room)?;
    Some(plan)
}

impl WeightPlan {
    /// One load for each run of jobs with the same streamed weights.
    fn add_loads(
        &mut self,
        graph: &Graph,
        memory: &MemoryPlan,
        streamed: &[bool],
        target: &Target,
    ) {
        // First job of the run before, and the weights of the job before.
        let (mut before, mut current) = (None, None);
        let mut source = 0;
        let mut sources = Vec::new();
        for (index, job) in self.jobs.iter().enumerate() {
            let key = (job.node, job.block);
            if current == Some(key) {
                continue;
            }
            if streamed[job.node] {
                let channels = self.blocks[job.node][job.block].len();
                let method = &memory.layout.methods[job.node];
                let tiles = method.tiles(&graph.nodes[job.node], channels, target);
                let known = self.stream.iter().position(|&piece| piece == key);
                let source = match known {
                    Some(position) => sources[position],
                    None => {
                        self.stream.push(key);
                        sources.push(source);
                        source += tiles;
                        source - tiles
                    }
                };
                self.loads.push(Load {
                    after: before,
                    node: job.node,
                    block: job.block,
                    address: 0,
                    source,
                    tiles,
                });
            }
            (before, current) = (Some(index), Some(key));
        }
    }

    /// Gives every load its tiles above the resident ones, where there are `room`.
    fn place_loads(&mut self, room: usize) -> Option<()> {
        let uses = |load: &Load| {
            let first = self.jobs.iter().enumerate().position(|(index, job)| {
                load.after.is_none_or(|after| index > after)
                    && (job.node, job.block) == (load.node, load.block)
            });
            let first = first.unwrap_or(0);
            let run = self.jobs[first..]
                .iter()
                .take_while(|job| (job.node, job.block) == (load.node, load.block));
            first..first + run.count()
        };
        let uses: Vec<Range<usize>> = self.loads.iter().map(uses).collect();
        let requests: Vec<Request> = self
            .loads
            .iter()
            .zip(&uses)
            .map(|(load, uses)| Request::new(load.tiles, load.after.unwrap_or(0), uses.end - 1))
            .collect();
        let allocation = allocate(&requests);
        if allocation.peak > room {
            return None;
        }
        for ((load, uses), offset) in self.loads.iter_mut().zip(uses).zip(allocation.offsets) {
            load.address = self.tiles + offset;
            for job in &mut self.jobs[uses] {
                job.weights = load.address;
            }
        }
        self.tiles += allocation.peak;
        Some(())
    }
}
