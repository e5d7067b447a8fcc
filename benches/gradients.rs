//! Microseconds per gradient of array code, one workload a line: `cargo bench --bench gradients [NAME…]`.
//!
//! Each figure is the least mean of many batches, on one thread. `codegen ms` is the gradient in the course of which machine code is made, if any is.
//! A step is a leapfrog step of `nuts` with all that belongs to it, after warm-up: it should cost little more than its gradient.

use borel::driver::{Options, Session};
use borel::exec::kernel::native::RUNS_BEFORE;
use borel::infer::gradient::{self, Moves, Sampler};
use borel::infer::kit::warmup::Shape;
use borel::model::{Density, Production};
use borel::source::OsWorld;
use borel::value::{Fault, Generator};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

const WORKLOADS: &[(&str, &str, &str)] = &[
    ("eight_schools", "gradients/eight_schools", "gradients/eight_schools"),
    ("logreg_1k_25", "gradients/logreg", "gradients/logreg_1k_25"),
    ("logreg_loop", "gradients/logreg_loop", "gradients/logreg_1k_25"),
    ("gmm_k3", "gradients/gmm", "gradients/gmm_k3"),
    ("radon_syn", "gradients/radon_syn", "gradients/radon_syn"),
    ("hpois", "gradients/hpois", "gradients/hpois"),
    ("gp_100", "gradients/gp", "gradients/gp_100"),
    ("gp_200", "gradients/gp", "gradients/gp_200"),
    ("hmm_100", "gradients/hmm", "gradients/hmm_100"),
    ("hmm_1000", "gradients/hmm", "gradients/hmm_1000"),
    ("garch_200", "../tests/posteriordb/garch-garch11/model", "../tests/posteriordb/garch-garch11/data"),
    ("garch_1000", "../tests/posteriordb/garch-garch11/model", "gradients/garch_1000"),
];

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches");
    println!(
        "{:16} {:>6} {:>12} {:>12} {:>12} {:>12} {:>12}",
        "workload", "dim", "compile ms", "codegen ms", "gradient us", "density us", "step us"
    );
    for (name, model, data) in WORKLOADS {
        if !wanted.is_empty() && !wanted.iter().any(|w| w == name) {
            continue;
        }
        match measure(&folder.join(format!("{model}.borel")), &folder.join(format!("{data}.json"))) {
            Ok((dim, [compile, codegen, gradient, density, step])) => {
                println!(
                    "{name:16} {dim:>6} {compile:>12.2} {codegen:>12.2} {gradient:>12.3} {density:>12.3} {step:>12.3}"
                );
            }
            Err(message) => println!("{name:16} {message}"),
        }
    }
}

fn measure(model: &Path, data: &Path) -> Result<(usize, [f64; 5]), String> {
    let world = Arc::new(OsWorld::default());
    let mut session = Session::new(world.clone(), Options::default());
    let entries = borel::data::read(world.as_ref(), data).map_err(|error| error.render())?;
    let file = session.load(&model.to_string_lossy()).map_err(|f| session.render_failure(&f, false))?;
    session.bind_data(&entries).map_err(|f| session.render_failure(&f, false))?;
    let start = Instant::now();
    let view = session.density(&file, None).map_err(|f| session.render_failure(&f, false))?;
    let compile = start.elapsed().as_secs_f64() * 1e3;
    let mut evaluator = view.evaluator();
    let mut random = Production(Generator::new(1));
    let x = view.initial(&mut random).map_err(|fault| fault.to_string())?;
    let mut gradient = vec![0.0; x.len()];
    // Machine code is made in the course of one of the first gradients.
    let mut codegen = 0.0;
    for _ in 0..=RUNS_BEFORE.1 {
        let start = Instant::now();
        evaluator.gradient(&x, &mut gradient);
        if view.has_machine_code() {
            codegen = start.elapsed().as_secs_f64() * 1e3;
            break;
        }
    }
    let timed = |f: &mut dyn FnMut()| {
        let start = Instant::now();
        f();
        let each = start.elapsed().as_secs_f64();
        let batch = (2e-3 / each.max(1e-9)).ceil().clamp(1.0, 100_000.0) as usize;
        let mut best = f64::INFINITY;
        for _ in 0..100 {
            let start = Instant::now();
            for _ in 0..batch {
                f();
            }
            best = best.min(start.elapsed().as_secs_f64() / batch as f64);
        }
        best * 1e6
    };
    let gradient_us = timed(&mut || {
        std::hint::black_box(evaluator.gradient(&x, &mut gradient));
    });
    let density_us = timed(&mut || {
        std::hint::black_box(evaluator.log_density(&x));
    });
    let step_us = step(&view).map_err(|fault| fault.to_string())?;
    Ok((x.len(), [compile, codegen, gradient_us, density_us, step_us]))
}

/// Microseconds of a leapfrog step of a chain that is warm.
fn step<D: Density>(density: &D) -> Result<f64, Fault> {
    let mut random = Production(Generator::new(2));
    let moves = Moves::NoUTurn { depth: 10 };
    let shape = Shape::Diagonal;
    let options = gradient::Options {
        moves,
        draws: 0,
        warmup: 300,
        chains: 1,
        target: 0.9,
        shape,
        init: gradient::Init::Random,
        settle: true,
        all: false,
    };
    let mut sampler = Sampler::start(density, moves, None, &mut random)?;
    sampler.warm_up(&options, &mut random)?;
    let mut best = f64::INFINITY;
    for _ in 0..100 {
        let (start, before) = (Instant::now(), sampler.gradients);
        while start.elapsed().as_secs_f64() < 2e-3 {
            for _ in 0..10 {
                sampler.transition(&mut random)?;
            }
        }
        best = best.min(start.elapsed().as_secs_f64() / (sampler.gradients - before) as f64);
    }
    Ok(best * 1e6)
}
