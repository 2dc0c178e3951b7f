//! Placing and routing with several seeds. nextpnr uses one thread; seeds run side by side.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::board::Board;
use crate::build::{NETLIST, Options};
use crate::constraints;
use crate::design::Design;
use crate::error::FlowError;
use crate::netlist::Module;
use crate::timing::Routed;
use crate::tool::{Call, Environment, Event, Progress, Step};

/// The result of one seed.
#[derive(Clone, Debug)]
pub struct Route {
    /// The seed.
    pub seed: u32,
    /// Name of the placed and routed design's file.
    pub file: String,
    /// nextpnr's report.
    pub routed: Routed,
    /// What it took.
    pub step: Step,
}

/// Places and routes with each seed, ordered by seed; `module` has the names of nets. A seed that
/// fails is left out as long as another succeeds.
///
/// # Errors
/// If every seed fails: the first one's error.
pub fn seeds(
    design: &Design,
    board: &Board,
    environment: &Environment,
    options: &Options,
    module: &Module,
    progress: Progress,
) -> Result<Vec<Route>, FlowError> {
    let next = AtomicU32::new(1);
    let results = Mutex::new(Vec::new());
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed > options.seeds.max(1) {
                return;
            }
            let result = one(seed, design, board, environment, options, module, progress);
            match &result {
                Ok(route) => {
                    for clock in route.routed.clocks() {
                        progress(Event::Note(&format!(
                            "seed {seed}: {} reaches {:.1} MHz of {:.1} MHz",
                            clock.name, clock.achieved_mhz, clock.wanted_mhz
                        )));
                    }
                }
                Err(error) => progress(Event::Note(&format!("seed {seed}: {error}"))),
            }
            if let Ok(mut results) = results.lock() {
                results.push((seed, result));
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..options.jobs.clamp(1, options.seeds.max(1) as usize) {
            scope.spawn(work);
        }
        work();
    });
    let mut results = results.into_inner().unwrap_or_default();
    results.sort_by_key(|(seed, _)| *seed);
    let (good, bad): (Vec<_>, Vec<_>) = results
        .into_iter()
        .map(|(_, result)| result)
        .partition(Result::is_ok);
    let good: Vec<Route> = good.into_iter().flatten().collect();
    match bad.into_iter().find_map(Result::err) {
        Some(error) if good.is_empty() => Err(error),
        _ => Ok(good),
    }
}

/// The one that leaves most room, or misses least.
///
/// # Panics
/// Without routes; [`seeds`] returns at least one.
pub fn best(routes: &[Route]) -> &Route {
    routes
        .iter()
        .max_by(|a, b| a.routed.margin().total_cmp(&b.routed.margin()))
        .expect("at least one seed succeeded")
}

fn one(
    seed: u32,
    design: &Design,
    board: &Board,
    environment: &Environment,
    options: &Options,
    module: &Module,
    progress: Progress,
) -> Result<Route, FlowError> {
    let family = board.part.family;
    let file = format!("seed-{seed}.{}", family.route.output);
    let timing = format!("seed-{seed}.timing.json");
    let constraints = constraints::file_name(family.constraints);
    let clock_mhz = format!("{:.4}", design.clock.khz / 1000.0);
    let placed = if module.has_places() {
        family.placed
    } else {
        &[]
    };
    let arguments = board
        .part
        .arguments
        .iter()
        .chain(family.route.arguments)
        .chain(placed)
        .map(|argument| {
            argument
                .replace("{netlist}", NETLIST)
                .replace("{constraints}", constraints)
                .replace("{seed}", &seed.to_string())
                .replace("{routed}", &file)
                .replace("{timing}", &timing)
                .replace("{clock_mhz}", &clock_mhz)
        })
        .collect();
    let step = environment.run(
        &Call {
            step: &format!("placing and routing, seed {seed}"),
            program: family.route.program,
            arguments,
            directory: &options.output,
            log: &format!("seed-{seed}.log"),
            makes: &timing,
        },
        progress,
    )?;
    let mut routed = Routed::read(&options.output.join(timing))?;
    routed.rename_clocks(module);
    Ok(Route {
        seed,
        file,
        routed,
        step,
    })
}
