//! Tries the settings that are worth it, and takes those with the fewest estimated cycles.
//!
//! ```text
//!  everything in the scratchpad?  yes: rows of a group x next input ahead x pieces of the first
//!                                 no:  move the largest images to host memory until it fits,
//!                                      then buffers x bands
//!        --> memory plan --> weight plans --> instructions --> limits --> estimated cycles
//! ```

use super::emit::{Emitted, emit};
use super::estimate::{self, Estimator};
use super::graph::{Graph, ImageId};
use super::memory::{self, Layout, MemoryPlan, Settings, Shortage};
use super::weights::{self, WeightPlan};
use super::{CompileError, CompileOptions, Memory, Target, order};

/// Pieces of the first input that are tried.
const PIECES: [usize; 3] = [2, 4, 8];
/// Buffers for each band, and least numbers of bands, that are tried.
const BANDS: [(usize, usize); 4] = [(1, 1), (2, 2), (2, 4), (2, 8)];
/// Sizes of groups that are all tried.
const SMALL_GROUPS: usize = 16;
/// Most groups that a batch is divided into.
const GROUPS_MAX: usize = 64;

/// A program, and the plans that it came from.
pub(super) struct Candidate {
    pub memory: MemoryPlan,
    pub weights: WeightPlan,
    pub settings: Settings,
    pub emitted: Emitted,
    cost: u64,
}

/// The best program for a graph.
pub(super) fn choose(
    graph: &Graph,
    target: &Target,
    options: &CompileOptions,
) -> Result<Candidate, CompileError> {
    let search = Search {
        graph,
        target,
        options,
        estimator: Estimator::new(target),
        nowhere: vec![false; graph.images.len()],
    };
    let layout = search.layout(&search.nowhere)?;
    let mut best = Best::default();
    for group_rows in search.group_sizes(&layout) {
        search.resident(&layout, group_rows, &mut best);
    }
    if best.candidate.is_none() {
        for (sets, least_bands) in BANDS {
            search.banded(sets, least_bands, &mut best);
        }
    }
    best.candidate.ok_or_else(|| {
        best.error.unwrap_or_else(|| CompileError::Layer {
            layer: graph.image(graph.input).name.clone(),
            reason: "no plan was found".into(),
        })
    })
}

/// The best candidate so far, and the first failure.
#[derive(Default)]
struct Best {
    candidate: Option<Candidate>,
    error: Option<CompileError>,
}

impl Best {
    /// Returns whether a candidate became the best.
    fn offer(&mut self, candidate: Result<Candidate, CompileError>) -> bool {
        match candidate {
            Ok(candidate) => {
                let better = self
                    .candidate
                    .as_ref()
                    .is_none_or(|best| candidate.cost < best.cost);
                if better {
                    self.candidate = Some(candidate);
                }
                better
            }
            Err(error) => {
                self.error.get_or_insert(error);
                false
            }
        }
    }
}

struct Search<'a> {
    graph: &'a Graph<'a>,
    target: &'a Target,
    options: &'a CompileOptions,
    estimator: Estimator,
    /// No image in host memory.
    nowhere: Vec<bool>,
}

impl Search<'_> {
    fn layout(&self, in_host_memory: &[bool]) -> Result<Layout, CompileError> {
        Layout::new(self.graph, in_host_memory, self.target, &self.estimator)
    }

    fn settings(&self, group_rows: usize) -> Settings {
        Settings {
            group_rows,
            ahead: None,
            pieces: 1,
            keep_result: false,
            sets: 1,
            least_bands: 1,
        }
    }

    fn plan(
        &self,
        layout: &Layout,
        in_host_memory: &[bool],
        settings: &Settings,
    ) -> Result<MemoryPlan, Shortage> {
        memory::plan(self.graph, layout, in_host_memory, settings, self.target)
    }

    /// Sizes of groups that are worth trying and fit the scratchpad.
    fn group_sizes(&self, layout: &Layout) -> Vec<usize> {
        let fits = |&rows: &usize| {
            let settings = self.settings(rows);
            self.plan(layout, &self.nowhere, &settings).is_ok()
        };
        let mut sizes: Vec<usize> = match self.options.batch {
            Some(batch) => {
                let batch = batch.clamp(1, u16::MAX.into());
                let most = batch.min(GROUPS_MAX);
                (1..=most).map(|groups| batch.div_ceil(groups)).collect()
            }
            None => {
                let peak = self
                    .plan(layout, &self.nowhere, &self.settings(1))
                    .map_or(1, |plan| plan.scratchpad_bytes.max(1));
                let most = (self.target.scratchpad_bytes / peak).clamp(1, u16::MAX.into());
                (1..=SMALL_GROUPS)
                    .chain((0..u16::BITS).map(|power| most >> power))
                    .collect()
            }
        };
        sizes.retain(|&rows| rows > 0);
        sizes.push(1);
        sizes.sort_unstable();
        sizes.dedup();
        sizes.retain(fits);
        sizes
    }

    /// Programs with everything in the scratchpad.
    fn resident(&self, layout: &Layout, group_rows: usize, best: &mut Best) {
        let plain = self.settings(group_rows);
        for keep_result in [false, true] {
            let settings = Settings {
                keep_result,
                ..plain
            };
            self.try_settings(layout, &self.nowhere, &settings, best);
            let ahead = self.earliest(layout, &self.nowhere, &settings);
            if ahead.is_some() {
                let settings = Settings { ahead, ..settings };
                self.try_settings(layout, &self.nowhere, &settings, best);
            }
        }
        for pieces in PIECES {
            let settings = Settings { pieces, ..plain };
            self.try_settings(layout, &self.nowhere, &settings, best);
        }
    }

    /// Programs with as many images in host memory as necessary.
    fn banded(&self, sets: usize, least_bands: usize, best: &mut Best) {
        let settings = Settings {
            sets,
            least_bands,
            ..self.settings(1)
        };
        match self.move_out(&settings) {
            Ok((layout, away)) => {
                self.try_settings(&layout, &away, &settings, best);
                let ahead = self.earliest(&layout, &away, &settings);
                if ahead.is_some() && !away[self.graph.input.0] {
                    let settings = Settings { ahead, ..settings };
                    self.try_settings(&layout, &away, &settings, best);
                }
            }
            Err(error) => drop(best.offer(Err(error))),
        }
    }

    /// The earliest node beside which the next group's input can be loaded.
    fn earliest(&self, layout: &Layout, away: &[bool], settings: &Settings) -> Option<usize> {
        let last = self.graph.readers(self.graph.input).next_back()?;
        (last + 1..self.graph.nodes.len()).find(|&node| {
            let settings = Settings {
                ahead: Some(node),
                ..*settings
            };
            self.plan(layout, away, &settings).is_ok()
        })
    }

    /// Moves images to host memory until the rest fits: where it is tightest, the largest.
    fn move_out(&self, settings: &Settings) -> Result<(Layout, Vec<bool>), CompileError> {
        let mut away = self.nowhere.clone();
        loop {
            let layout = self.layout(&away)?;
            let shortage = match self.plan(&layout, &away, settings) {
                Ok(_) => return Ok((layout, away)),
                Err(shortage) => shortage,
            };
            let spans = memory::lifetimes(self.graph, settings);
            let largest = (0..away.len())
                .filter(|&id| self.can_move_out(id, &away))
                .filter(|&id| {
                    let mut spans = spans[id].iter();
                    spans.any(|span| (span.0..=span.1).contains(&shortage.node))
                })
                .max_by_key(|&id| layout.bytes(self.graph, ImageId(id)));
            match largest {
                Some(id) => away[id] = true,
                None => return Err(self.too_small(&shortage)),
            }
        }
    }

    /// Whether an image can lie in host memory beside those that do: rows that are stored have to
    /// begin with a word, which a dense image that it is added to may not allow.
    fn can_move_out(&self, id: usize, away: &[bool]) -> bool {
        if away[id] || !self.graph.images[id].can_spill {
            return false;
        }
        let mut away = away.to_vec();
        away[id] = true;
        self.layout(&away).is_ok_and(|layout| {
            (0..away.len()).all(|id| {
                let word = systole_regs::DATA_BYTES as usize;
                let aligned = layout.pitches[id].is_multiple_of(word);
                !away[id] || aligned || ImageId(id) == self.graph.input
            })
        })
    }

    fn too_small(&self, shortage: &Shortage) -> CompileError {
        let node = &self.graph.nodes[shortage.node];
        CompileError::DoesNotFit {
            memory: Memory::Scratchpad,
            needed: shortage.needed,
            available: self.target.scratchpad_bytes,
            layer: node.label.clone(),
            layer_needed: shortage.needed,
            target: self.target.name.clone(),
        }
    }

    fn try_settings(&self, layout: &Layout, away: &[bool], settings: &Settings, best: &mut Best) {
        let memory = match self.plan(layout, away, settings) {
            Ok(memory) => memory,
            Err(shortage) => {
                best.offer(Err(self.too_small(&shortage)));
                return;
            }
        };
        let plans = weights::plans(self.graph, &memory, settings.group_rows, self.target);
        if plans.is_empty() {
            best.offer(Err(self.too_heavy(layout)));
        }
        for weights in plans {
            best.offer(self.candidate(memory.clone(), weights, settings));
        }
    }

    fn candidate(
        &self,
        memory: MemoryPlan,
        weights: WeightPlan,
        settings: &Settings,
    ) -> Result<Candidate, CompileError> {
        let (graph, target) = (self.graph, self.target);
        let mut emitted = emit(graph, &memory, &weights, settings, target, &self.estimator)?;
        let (steps, parameters) = (emitted.steps.len(), emitted.parameters.len());
        if parameters > target.usable_parameters() {
            return Err(self.too_many(Memory::Parameters, parameters, |node| {
                let parameters = graph.nodes[node].parameters.len();
                parameters * memory.layout.methods[node].pixels
            }));
        }
        if steps > target.usable_instructions() {
            return Err(self.too_many(Memory::Program, steps, |node| {
                let jobs = weights.jobs.iter();
                jobs.filter(|job| job.node == node).count()
            }));
        }
        order::set_limits(&mut emitted.steps);
        let rows = settings.group_rows as u64;
        let cost = match self.options.batch {
            Some(batch) => estimate::command(&emitted.steps, batch.max(1) as u64, rows) << 10,
            None => (estimate::steady(&emitted.steps, rows) << 10) / rows,
        };
        Ok(Candidate {
            memory,
            weights,
            settings: *settings,
            emitted,
            cost,
        })
    }

    fn too_heavy(&self, layout: &Layout) -> CompileError {
        let tiles = |node: usize| {
            let channels = self.graph.nodes[node].output.channels;
            layout.methods[node].tiles(&self.graph.nodes[node], channels, self.target)
        };
        let needed = (0..self.graph.nodes.len()).map(tiles).sum();
        self.too_many(Memory::Weights, needed, tiles)
    }

    fn too_many(
        &self,
        memory: Memory,
        needed: usize,
        layer_needs: impl Fn(usize) -> usize,
    ) -> CompileError {
        let target = self.target;
        let most = (0..self.graph.nodes.len()).max_by_key(|&node| layer_needs(node));
        let most = most.unwrap_or(0);
        CompileError::DoesNotFit {
            memory,
            needed,
            available: match memory {
                Memory::Program => target.usable_instructions(),
                Memory::Parameters => target.usable_parameters(),
                Memory::Weights => target.usable_tiles(),
                Memory::Scratchpad => target.scratchpad_bytes,
            },
            layer: self.graph.nodes[most].label.clone(),
            layer_needed: layer_needs(most),
            target: target.name.clone(),
        }
    }
}
