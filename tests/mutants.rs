//! Faults planted in inference, one at a time: validation must see each of them, and must pass what ships.
#![allow(clippy::unwrap_used)]

use borel::driver::library::Standard;
use borel::driver::{Options, Session};
use borel::mutant;
use borel::source::OsWorld;
use borel::types::Library;
use borel::validate::calibration::Effort;
use borel::validate::measure::Budget;
use borel::validate::{self, Report, Request};
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const PROGRAMS: &str = include_str!("mutants/programs.borel");

/// A fault, and where validation is to see it.
struct Fault {
    /// Its name in `mutant!`, or in words.
    name: &'static str,
    model: &'static str,
    with: &'static str,
    /// A text of the library that is replaced by another, for faults in what is written in the language.
    edit: Option<(&'static str, &'static str)>,
}

/// A fault in Rust.
const fn rust(name: &'static str, model: &'static str, with: &'static str) -> Fault {
    Fault { name, model, with, edit: None }
}

/// A fault in the library.
const fn text(
    name: &'static str,
    (model, with): (&'static str, &'static str),
    from: &'static str,
    to: &'static str,
) -> Fault {
    Fault { name, model, with, edit: Some((from, to)) }
}

const FAULTS: &[Fault] = &[
    // Particle filters.
    rust("systematic resampling with a fixed offset", "states", "smc(threshold = 1.0)"),
    rust("stratified resampling at the middle of strata", "states", "smc(resampler = stratified, threshold = 1.0)"),
    rust(
        "residual resampling draws the rest by the whole weights",
        "states",
        "smc(resampler = residual, threshold = 1.0)",
    ),
    rust("multinomial resampling ignores the weights", "states", "smc(resampler = multinomial, threshold = 1.0)"),
    rust("multinomial points not spaced to the end", "states", "smc(resampler = multinomial, threshold = 1.0)"),
    rust("evidence without the number of particles", "states", "smc(threshold = 1.0)"),
    rust("evidence of the last step only", "states", "smc(threshold = 1.0)"),
    rust("weights kept after resampling", "states", "smc(threshold = 1.0)"),
    rust("resampling from the first particle", "states", "smc(threshold = 1.0)"),
    rust("promise not divided out", "states", "apf"),
    rust("waiting weights stay behind", "uneven", "smc(threshold = 1.0)"),
    rust("waiting weights are lost", "uneven", "smc"),
    rust("a factor of zero is kept as none", "uneven", "smc"),
    rust("lanes gain the weight of the first", "equality", "smc"),
    rust("what is drawn again lost its parameters", "states", "smc"),
    rust("alive filter counts its last try", "uneven", "alive(particles = 1)"),
    rust("moved runs take the first place", "pair", "rmsmc(particles = 2)"),
    text(
        "the filter forgets its evidence",
        ("states", "smc(threshold = 1.0)"),
        "p |> advance |> resample(resampler, below = threshold)",
        "p |> advance |> resample(resampler, below = threshold) |> without_evidence",
    ),
    text("collapse without the evidence", ("states", "smc"), "  factor(log_evidence(p))\n  sample(p)", "  sample(p)"),
    text("evidence pushed and kept", ("states", "pushing"), "  without_evidence(p)\n", "  p\n"),
    text(
        "inner filters that weigh nothing",
        ("both", "nested(particles = 1)"),
        "p = push_evidence(p |> advance",
        "p = without_evidence(p |> advance",
    ),
    text(
        "runs are moved only where their weights are uneven",
        ("toss", "ibis(particles = 2, moves = 1, threshold = 1.0, kernel = prior())"),
        "p = p |> advance |> resample(resampler, below = threshold)\n    steps = steps + 1\n    if steps == due || !running(p) {",
        "p = advance(p)\n    let few = effective_size(p) < threshold * particles\n    p = resample(p, resampler)\n    steps = steps + 1\n    if few {",
    ),
    // Independent runs and enumeration.
    rust("importance counts only runs with weight", "uneven", "importance"),
    rust("merged states keep one weight", "length", "enumerate"),
    rust("enumeration ignores the prior", "states", "enumerate"),
    rust("a trailing factor is dropped", "uneven", "enumerate"),
    // Temperatures.
    rust("every temperature counts from zero", "pair", "tempered(particles = 1, steps = 2, moves = 1)"),
    rust("particles are moved too cold", "pair", "ais(particles = 1, steps = 2, moves = 1)"),
    text(
        "chains exchanged the wrong way",
        ("pair", "parallel_tempering(rungs = 2, moves = 1)"),
        "(colder - hotter) * (log_likelihood",
        "(hotter - colder) * (log_likelihood",
    ),
    // Kernels.
    rust("the first outcome takes half of the next", "equality", "mh"),
    rust("missing ratio of trace lengths", "length", "single_site()"),
    rust("state not restored after a rejected move", "support", "single_site()"),
    rust("acceptance ratio forgotten", "equality", "single_site()"),
    rust("the weight counts twice", "equality", "prior()"),
    rust("new choices count as kept", "length", "prior()"),
    rust("stale choices reused when the support changes", "support", "single_site()"),
    rust("vanished choices not counted", "length", "prior()"),
    rust("densities of dependent choices kept", "support", "single_site()"),
    rust("densities on the graph kept", "support", "gibbs()"),
    rust("a branch of the graph that goes the other way", "states", "gibbs()"),
    rust("sums of the graph not put back", "equality", "gibbs()"),
    rust("gibbs ignores what follows", "equality", "gibbs()"),
    rust("gibbs proposal without its way back", "length", "gibbs()"),
    rust(
        "independence without the way back",
        "equality",
        "cycle([gibbs(), independence(\"a\", Categorical([0.6, 0.3, 0.1]))])",
    ),
    rust("custom proposal without its reverse density", "equality", "cycle([gibbs(), skewed])"),
    rust("slice at a fixed level", "peaks", "slice()"),
    rust("slice interval begins at the state", "peaks", "slice()"),
    rust("slice does not shrink back to the start", "peaks", "slice()"),
    rust("uniform index on a trace without choices", "settled", "single_site()"),
    rust("adaptation never stops", "equality", "mh"),
    rust("dropped Jacobian", "scale", "random_walk()"),
    rust("dropped Jacobian of an involution", "scale", "stretch"),
    rust("elliptical around zero", "place", "elliptical()"),
    rust("elliptical counts the prior", "place", "elliptical()"),
    rust("trajectories are not rejected", "place", "mala"),
    text(
        "single-site chain on another kernel",
        ("equality", "mh"),
        "chain(model, single_site(), draws",
        "chain(model, on([\"a\", \"b\"], single_site()), draws",
    ),
    // Chains over filters.
    rust("children copy the retained run", "states", "pgibbs"),
    rust("children of the retained run follow it too", "states", "pgibbs"),
    rust("a run is picked whatever its weight", "states", "rare_gibbs"),
    rust("ancestors drawn without their future", "states", "pgas"),
    rust("the current estimate is refreshed", "both", "marginal_chain"),
    text(
        "conditional filter that loses its reference",
        ("states", "pgibbs"),
        "retain(model, run, particles, ancestors)",
        "spawn(model, particles)",
    ),
    text(
        "independent filters that refresh the current estimate",
        ("states", "pimh"),
        "log_evidence(proposed) - log_evidence(current)",
        "log_evidence(proposed) - log_evidence(smc(model, particles, resampler, threshold))",
    ),
    text(
        "acceptance upside down",
        ("states", "pimh"),
        "log_evidence(proposed) - log_evidence(current)",
        "log_evidence(current) - log_evidence(proposed)",
    ),
    text("every proposal accepted", ("states", "pimh"), "if flip(min(1.0, accept))", "if accept >= 0.0"),
    text(
        "only moves are kept as draws",
        ("states", "pimh"),
        "    kept = push(kept, sample(current))\n",
        "    kept = if log_evidence(next) > -0.8 { push(kept, sample(current)) } else { kept }\n",
    ),
    text(
        "a chain over parameters without the evidence",
        ("both", "marginal_chain"),
        "  let p = method(model)\n  factor(log_evidence(p))\n",
        "  let p = method(model)\n",
    ),
];

/// The library with a text of it replaced.
struct Edited(Option<(&'static str, &'static str)>);

impl Library for Edited {
    fn defining(&self, name: &str) -> Vec<(&'static str, &'static str)> {
        let edited = |text: &'static str| match self.0 {
            Some((from, to)) if text.contains(from) => &*Box::leak(text.replacen(from, to, 1).into_boxed_str()),
            _ => text,
        };
        Standard.defining(name).into_iter().map(|(path, text)| (path, edited(text))).collect()
    }

    fn names(&self) -> Vec<&'static str> {
        Standard.names()
    }

    fn primitives(&self, name: &str) -> Vec<(u32, &'static str, bool)> {
        Standard.primitives(name)
    }

    fn module(&self, name: &str) -> bool {
        Standard.module(name)
    }
}

/// What validation finds.
fn validated(model: &str, with: &str, edit: Option<(&'static str, &'static str)>) -> Result<Report, String> {
    let mut session = Session::with_library(Arc::new(OsWorld::default()), Options::default(), Box::new(Edited(edit)));
    let request = Request {
        model: Some(model.into()),
        with: Some(with.into()),
        effort: Effort { runs: 60, seed: 1 },
        budget: Budget { results: 1_500, ..Budget::default() },
    };
    let found = session.load_text("programs.borel", PROGRAMS).and_then(|file| {
        session.bind_data(&[])?;
        session.prepare(&file)?;
        validate::validate(&mut session, &file, &request)
    });
    found.map_err(|failure| session.render_failure(&failure, false))
}

/// Does all of some work on two threads, each of which is a pool of its own, so that what one plants the other does not see.
fn each<T: Sync>(work: &[T], act: impl Fn(&T) -> Result<(), String> + Sync) -> Vec<String> {
    let next = AtomicUsize::new(0);
    let wrong = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(1).stack_size(64 << 20).build().unwrap();
                pool.install(|| {
                    while let Some(one) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
                        if let Err(text) = act(one) {
                            wrong.lock().unwrap().push(text);
                        }
                    }
                });
            });
        }
    });
    wrong.into_inner().unwrap()
}

#[test]
fn every_planted_fault_is_seen() {
    let library = |from: &str| borel::driver::library::FILES.iter().any(|(_, text)| text.contains(from));
    let lost: Vec<_> = FAULTS.iter().filter_map(|f| f.edit).filter(|(from, _)| !library(from)).collect();
    assert!(lost.is_empty(), "the library has no such text any more: {lost:?}");
    let survivors = each(FAULTS, |fault| {
        mutant::plant(Some(fault.name));
        let report = catch_unwind(AssertUnwindSafe(|| validated(fault.model, fault.with, fault.edit)));
        mutant::plant(None);
        match report {
            Ok(Ok(report)) if report.failure().is_some() => Ok(()),
            Ok(Ok(report)) => Err(format!("{} survives:\n{}", fault.name, report.text())),
            Ok(Err(error)) => Err(format!("{} makes validation fail:\n{error}", fault.name)),
            // A fault that stops the program is seen, too.
            Err(_) => Ok(()),
        }
    });
    assert!(survivors.is_empty(), "{}", survivors.join("\n"));
}

/// The names of the faults planted in the Rust files of a folder.
fn planted(folder: &std::path::Path, names: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        // Validation records named choices, which are then not delayed: `tests/delayed.rs` plants these.
        if path.ends_with("passes/delay") {
            continue;
        }
        if path.is_dir() {
            planted(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("mutant.rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let after = text.split("mutant!(").skip(1);
            names.extend(after.filter_map(|rest| rest.split('"').nth(1).map(str::to_string)));
        }
    }
}

#[test]
fn every_planted_fault_is_tried() {
    let mut names = BTreeSet::new();
    planted(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut names);
    let tried: BTreeSet<String> = FAULTS.iter().filter(|f| f.edit.is_none()).map(|f| f.name.to_string()).collect();
    assert_eq!(names, tried);
    assert!(FAULTS.len() >= 40);
}

#[test]
fn what_ships_passes_where_faults_would_be_seen() {
    // Each method of the table once on each model of it.
    let cases: BTreeMap<(&str, &str), ()> = FAULTS.iter().map(|fault| ((fault.model, fault.with), ())).collect();
    let cases: Vec<(&str, &str)> = cases.into_keys().collect();
    let wrong = each(&cases, |(model, with)| {
        let found = validated(model, with, None);
        match found {
            Ok(report) if report.passed() => Ok(()),
            Ok(report) => Err(report.text()),
            Err(error) => Err(format!("{model}, {with}: {error}")),
        }
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
