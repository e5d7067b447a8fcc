//! The particle filter: its decisions enumerated, and runs held together against runs by themselves.
#![allow(clippy::unwrap_used)]

#[path = "support/core_programs.rs"]
mod core_programs;
#[allow(dead_code)]
#[path = "support/programs.rs"]
mod programs;

use borel::driver::{Options, Session};
use borel::exec::machine::compile::compile;
use borel::exec::machine::lanes::{Context, Exit, Lanes, Loss, Source};
use borel::exec::machine::{Code, Limits, Machine};
use borel::exec::view::Model;
use borel::exec::view::stepped::SteppedView;
use borel::infer::population::spawn;
use borel::infer::resample::Resampler;
use borel::model::{Production, Random, Stand, Step, Stepped, every_outcome};
use borel::posterior::Posterior;
use borel::source::OsWorld;
use borel::value::fault::FaultKind;
use borel::value::{Fault, Generator, Value, print};
use std::sync::Arc;

/// The model of a program without data.
fn model(text: &str) -> Model {
    let mut session = Session::new(Arc::new(OsWorld::default()), Options::default());
    let loaded = session.load_text("model.borel", text).and_then(|file| {
        session.prepare(&file)?;
        session.model(&file, None)
    });
    loaded.unwrap_or_else(|failure| panic!("{}", session.render_failure(&failure, false)))
}

/// The composition that `smc` of the library is.
fn smc(
    view: &Arc<SteppedView>,
    particles: usize,
    scheme: Resampler,
    threshold: f64,
    random: &mut dyn Random,
) -> Result<Posterior, Fault> {
    let mut population = spawn(Arc::clone(view), particles)?;
    while population.running() {
        population.advance(random)?;
        population.resample(scheme, threshold, random)?;
    }
    population.finish("smc")
}

const SCHEMES: [Resampler; 4] =
    [Resampler::Systematic, Resampler::Stratified, Resampler::Multinomial, Resampler::Residual];

#[test]
fn the_evidence_is_unbiased_exactly() {
    // One run ends a step earlier than the others, one weight is zero.
    let model = model(
        "fn later() ~> Int {\n  b ~ Bernoulli(0.5)\n  condition(b == 1)\n  return 1\n}\nmodel m {\n  a ~ Bernoulli(0.3)\n  \
         factor(log(if a == 1 { 0.5 } else { 2.0 }))\n  return if a == 1 { 0 } else { later() }\n}\n",
    );
    let view = Arc::new(SteppedView::new(model));
    let evidence = 0.3 * 0.5 + 0.7 * 2.0 * 0.5;
    for resampler in SCHEMES {
        for threshold in [0.0, 0.9, 1.0] {
            let runs = every_outcome(|random| {
                let posterior = smc(&view, 2, resampler, threshold, random)?;
                let estimate = posterior.log_evidence.unwrap().exp();
                let weights = posterior.chains[0].log_weights.clone().unwrap();
                let total: f64 = weights.iter().map(|w| w.exp()).sum();
                let zeros = posterior.chains[0].draws.iter().zip(&weights);
                let share = zeros.map(|(draw, w)| if *draw == Value::Int(0) { w.exp() } else { 0.0 }).sum::<f64>();
                Ok((estimate, if total > 0.0 { estimate * share / total } else { 0.0 }))
            })
            .unwrap();
            let mean: f64 = runs.iter().map(|(p, (z, _))| p * z).sum();
            assert!((mean - evidence).abs() < 1e-12, "{resampler:?} {threshold}: {mean}");
            let zero: f64 = runs.iter().map(|(p, (_, z))| p * z).sum();
            assert!((zero - 0.15).abs() < 1e-12, "{resampler:?} {threshold}: {zero}");
        }
    }
}

#[test]
fn a_population_without_weight_says_where_it_died() {
    let view =
        Arc::new(SteppedView::new(model("model m {\n  x ~ Normal(0, 1)\n  condition(x > 1000.0)\n  return x\n}\n")));
    let mut random = Production(Generator::new(1));
    let posterior = smc(&view, 20, Resampler::Systematic, 0.5, &mut random).unwrap();
    assert_eq!(posterior.log_evidence, Some(f64::NEG_INFINITY));
    assert_eq!(posterior.len(), 0);
}

#[test]
fn two_filters_of_one_generator_differ() {
    let view = Arc::new(SteppedView::new(model(
        "model m {\n  x ~ Normal(0, 1)\n  observe 1.0 ~ Normal(x, 1)\n  return x\n}\n",
    )));
    let mut random = Production(Generator::new(1));
    let mut run = || smc(&view, 20, Resampler::Systematic, 0.5, &mut random).unwrap().log_evidence;
    assert_ne!(run(), run());
}

/// What the program of a run shows of it: where it stands, and its value when it ended.
fn shown(view: &SteppedView, runs: &<SteppedView as Stepped>::Runs, k: usize) -> String {
    let stand = view.stands(runs)[k];
    let value =
        if stand == Stand::Done { print::to_json(&view.finish_one(runs, k).0).to_string() } else { String::new() };
    format!("{stand:?} {value}")
}

#[test]
fn runs_are_taken_out_gathered_and_put_in() {
    let view = SteppedView::new(model(
        "model m {\n  var s = 0.0\n  for t in 0..4 {\n    x ~ Normal(s, 1)\n    s = x\n    factor(x)\n  }\n  return s\n}\n",
    ));
    let mut generator = Generator::new(3);
    let mut runs = view.start_all(5).unwrap();
    let first = view.advance_all(&mut runs, &[], generator.streams()).unwrap();
    assert!(view.stands(&runs).iter().all(|stand| matches!(stand, Stand::Paused { .. })));
    // Copies of one run that draw from different streams part; the run by itself and in the collection stay the same.
    view.gather(&mut runs, &[4, 4, 1]);
    assert_eq!(view.stands(&runs).len(), 3);
    let streams = generator.streams();
    let mut alone = view.take_out(&runs, 1);
    let step = view.advance_all(&mut runs, &[], streams).unwrap();
    assert_ne!(step.gained[0].to_bits(), step.gained[1].to_bits());
    let alone_step = view.advance(&mut alone, streams.number(1)).unwrap();
    assert_eq!(
        format!("{alone_step:?}"),
        match view.stands(&runs)[1] {
            Stand::Paused { address, site } =>
                format!("{:?}", borel::model::Step::Paused { weight: step.gained[1], address, site }),
            stand => format!("{stand:?}"),
        }
    );
    view.put_in(&mut runs, 0, alone);
    for _ in 0..3 {
        view.advance_all(&mut runs, &[], generator.streams()).unwrap();
    }
    assert!((0..3).all(|k| shown(&view, &runs, k).starts_with("Done")));
    let ended = view.advance_all(&mut runs, &[], generator.streams()).unwrap();
    assert_eq!(ended.gained, [0.0; 3]);
    assert_eq!(first.gained.len(), 5);
}

/// Models that part, end, fault, recurse and keep state of every kind.
const SHAPES: &[(&str, &str)] = &[
    (
        "some end earlier",
        "fn walk(s: Real, n: Int) ~> Int {\n  x ~ Normal(s, 1)\n  factor(-0.1 * x * x)\n  return if x > 0.5 { n } else { walk(x, n + 1) }\n}\n\
         model m { return walk(0.0, 0) }\n",
    ),
    (
        "lanes part at jumps",
        "model m {\n  var s = 0.0\n  var ups = 0\n  for t in 0..6 {\n    x ~ Normal(s, 1)\n    if x > 0.0 {\n      ups = ups + 1\n      y ~ \
         Exponential(1.0 + x)\n      s = s + y\n      factor(-y)\n    } else {\n      s = s - 1.0\n    }\n    factor(-0.2 * abs(s))\n  }\n  \
         return (s, ups)\n}\n",
    ),
    (
        "parameters leave their domain",
        "model m {\n  var s = 0.5\n  for t in 0..5 {\n    x ~ Normal(0, 1)\n    s = s + 0.5 * x\n    y ~ Normal(0, s)\n    observe y ~ \
         Normal(x, s + 0.1)\n  }\n  return s\n}\n",
    ),
    (
        "weights of zero",
        "model m {\n  var n = 0\n  for t in 0..5 {\n    k ~ Categorical([0.5, 0.3, 0.2])\n    condition(k + n < 5)\n    n = n + k\n  }\n  \
         return n\n}\n",
    ),
    (
        "an array for each run, changed in place",
        "model m {\n  var s = [0.0 for k in 0..4]\n  for t in 0..6 {\n    j ~ Categorical([0.25, 0.25, 0.25, 0.25])\n    x ~ Normal(s[j], 1)\n    \
         s[j] = x\n    s[t % 4] = s[t % 4] + 0.5\n    factor(-0.1 * sum([v * v for v in s]))\n  }\n  return s\n}\n",
    ),
    (
        "records, tuples and growing lists",
        "model m {\n  var s = {at: 0.0, seen: 0}\n  var path: [Int] = []\n  for t in 0..5 {\n    x ~ Normal(s.at, 1)\n    k ~ Poisson(1.5)\n    \
         s = {at: x, seen: s.seen + k}\n    path = push(path, k)\n    observe 0.3 ~ Normal(x, 1)\n  }\n  return (s, path)\n}\n",
    ),
    (
        "matrix rows and mixtures",
        "let rows = [[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4]]\nmodel m {\n  mu ~ iid(Normal(0, 2), 3)\n  var z = 0\n  for t in 0..5 {\n    k ~ \
         Categorical(rows[z])\n    observe 0.5 * t ~ Normal(mu[k], 1)\n    z = k\n  }\n  return (z, mu)\n}\n",
    ),
    (
        "recursion that branches",
        "type Tree = Leaf(Real) | Node(Tree, Tree)\nfn grow(d: Int) ~> Tree {\n  stop ~ Bernoulli(0.6)\n  x ~ Normal(0, 1)\n  factor(-0.05 * \
         x * x)\n  return if stop == 1 || d > 4 { Leaf(x) } else { Node(grow(d + 1), grow(d + 1)) }\n}\nfn total(t: Tree) -> Real = match t \
         {\n  Leaf(x) => x\n  Node(a, b) => total(a) + total(b)\n}\nmodel m { return total(grow(0)) }\n",
    ),
    (
        "distributions and functions as values",
        "fn pick(k: Int) -> Dist<Real> = if k == 0 { Normal(0, 1) } else { Exponential(2.0) }\nmodel m {\n  var s = 0.0\n  for t in 0..4 {\n    k ~ \
         Bernoulli(0.5)\n    let d = pick(k)\n    x ~ d\n    s = s + x\n    observe s ~ d\n  }\n  return s\n}\n",
    ),
    (
        "integers at their limits",
        "model m {\n  var n = 4611686018427387904\n  for t in 0..3 {\n    k ~ Poisson(0.5)\n    factor(-0.5 * k)\n    n = n + t * k\n  }\n  return n % \
         7\n}\n",
    ),
    (
        "samplers that branch, on parameters that are read no more",
        "model m {\n  var s = [0, 0, 0]\n  var x = 0\n  for t in 0..3 {\n    s[t] ~ Bernoulli(if x == 1 { 0.8 } else { 0.3 })\n    x = s[t]\n    \
         let w = [0.3 + 0.2 * x, 0.7 - 0.2 * x]\n    y ~ Mixture(w, [Normal(real(x), 1), Normal(2.0, 1.0 + x)])\n    observe 1.0 ~ Normal(y, 2)\n  }\n  return s\n}\n",
    ),
    (
        "choices without a weight, then one",
        "model m {\n  n ~ Poisson(3.0)\n  var s = 0.0\n  for k in 0..n {\n    x ~ Normal(0, 1)\n    s = s + x\n  }\n  observe 1.0 ~ Normal(s, 1)\n}\n",
    ),
];

/// A number by its bits, every NaN alike: which of two NaNs a sum keeps is nobody's promise.
fn bits(x: f64) -> u64 {
    if x.is_nan() { f64::NAN.to_bits() } else { x.to_bits() }
}

/// Runs held together against runs by themselves, from the same streams, with resampling in between.
fn compare(name: &str, model: Model, count: usize, seed: u64) {
    let view = SteppedView::new(model);
    let mut generator = Generator::new(seed);
    let mut together = view.start_all(count).unwrap();
    let mut alone = vec![view.start().unwrap(); count];
    let mut stands = vec![Stand::Begun; count];
    for step in 0..40 {
        let streams = generator.streams();
        // Now and then some runs wait.
        let waits: Vec<bool> = if step % 3 == 2 {
            (0..count).map(|_| generator.next_u64().is_multiple_of(3)).collect()
        } else {
            Vec::new()
        };
        let advance = view.advance_all(&mut together, &waits, streams);
        let advance = advance.unwrap_or_else(|fault| panic!("{name}: {fault}"));
        let mut died = Vec::new();
        for k in 0..count {
            let gained = match stands[k] {
                Stand::Done => 0.0,
                Stand::Dead => f64::NEG_INFINITY,
                _ if waits.get(k) == Some(&true) => 0.0,
                Stand::Begun | Stand::Paused { .. } => {
                    match view.advance(&mut alone[k], streams.number(k as u64)).unwrap() {
                        Step::Paused { weight, address, site } => {
                            stands[k] = Stand::Paused { address, site };
                            weight
                        }
                        Step::Done => {
                            stands[k] = Stand::Done;
                            0.0
                        }
                        Step::Dead(dead) => {
                            stands[k] = Stand::Dead;
                            died.push((k, dead));
                            f64::NEG_INFINITY
                        }
                    }
                }
            };
            assert_eq!(bits(advance.gained[k]), bits(gained), "{name}: run {k} of step {step}");
        }
        assert_eq!(view.stands(&together), stands, "{name}: step {step}");
        assert_eq!(format!("{:?}", advance.died), format!("{died:?}"), "{name}: step {step}");
        if !stands.iter().any(|stand| stand.is_running()) {
            break;
        }
        if step % 2 == 1 {
            let mut ancestors: Vec<usize> = (0..count).map(|_| generator.next_u64() as usize % count).collect();
            if step % 4 == 1 {
                ancestors.sort_unstable();
            }
            view.gather(&mut together, &ancestors);
            alone = ancestors.iter().map(|k| alone[*k].clone()).collect();
            stands = ancestors.iter().map(|k| stands[*k]).collect();
        }
        if step == 2 {
            let run = view.take_out(&together, 3);
            view.put_in(&mut together, 5, run);
            alone[5] = alone[3].clone();
            stands[5] = stands[3];
        }
    }
    for k in (0..count).filter(|k| stands[*k] == Stand::Done) {
        let ((a, b), (c, d)) = (view.finish_one(&together, k), view.finish(&alone[k]));
        assert_eq!(format!("{a:?} {b:?}"), format!("{c:?} {d:?}"), "{name}: run {k}");
    }
}

#[test]
fn runs_together_are_runs_alone() {
    for (name, text) in SHAPES {
        for record in [false, true] {
            for (count, seed) in [(7, 1), (90, 2), (600, 3)] {
                compare(name, Model { record, ..model(text) }, count, seed);
            }
        }
    }
}

#[test]
fn runs_of_the_oracles_together_are_runs_alone() {
    for path in programs::programs("tests/oracles").into_iter().chain(programs::programs("examples")) {
        let (mut session, file) = programs::load(&path, 1, None).unwrap();
        session.prepare(&file).map_err(|failure| session.render_failure(&failure, false)).unwrap();
        for name in session.models(&file).iter().filter(|model| model.arguments == 0) {
            let model = session.model(&file, Some(&name.name));
            let model = model.map_err(|failure| session.render_failure(&failure, false)).unwrap();
            // Models whose choices cannot be drawn are not for particles.
            let view = SteppedView::new(model.clone());
            if view.advance(&mut view.start().unwrap(), Generator::new(1)).is_ok() {
                compare(&format!("{} {}", programs::stem(&path), name.name), Model { record: true, ..model }, 40, 5);
            }
        }
    }
}

#[test]
fn threads_change_no_bit() {
    for (name, text) in SHAPES {
        let view = Arc::new(SteppedView::new(model(text)));
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let mut random = Production(Generator::new(11));
                let posterior = smc(&view, 700, Resampler::Stratified, 0.7, &mut random).unwrap();
                format!("{:?} {:?}", posterior.log_evidence, posterior.chains)
            })
        };
        assert_eq!(run(1), run(3), "{name}");
    }
}

#[test]
fn the_first_fault_is_the_one_reported() {
    let view = SteppedView::new(model(
        "model m {\n  x ~ Normal(0, 1)\n  let xs = [1.0, 2.0]\n  let k = if x > 1.0 { 7 } else { 0 }\n  observe xs[k] ~ Normal(x, 1)\n  \
         return x\n}\n",
    ));
    let streams = Generator::new(4).streams();
    let together = view.advance_all(&mut view.start_all(500).unwrap(), &[], streams).unwrap_err();
    let alone = (0..500).find_map(|k| view.advance(&mut view.start().unwrap(), streams.number(k)).err()).unwrap();
    assert_eq!(together, alone);
    assert!(together.message.contains("index 7 is out of range"), "{}", together.message);
}

/// What a run of a random program gave, by its bits.
fn result(machine: &mut Machine, code: &Code) -> Result<Vec<u64>, Fault> {
    machine.run(code).map(|_| reals(&machine.returned))
}

fn reals(value: &Value) -> Vec<u64> {
    match value {
        Value::Reals(xs) => xs.iter().map(|x| bits(*x)).collect(),
        other => panic!("the programs give arrays, not {other:?}"),
    }
}

#[test]
fn random_programs_compute_in_lanes_what_they_compute_alone() {
    let limits = Limits { depth: 200, steps: 30_000 };
    let mut generator = Generator::new(6);
    let (mut in_step, mut left) = (0, 0);
    for round in 0..300 {
        let length = generator.next_u64() as usize % 400;
        let tape: Vec<u32> = (0..length).map(|_| generator.next_u64() as u32).collect();
        let text = core_programs::program(&tape);
        let program = borel::core::parse::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let code = compile(&program, &|row| panic!("primitive {row}")).unwrap();
        let machines: Vec<Machine> = (0..20)
            .map(|k| {
                let mut machine = Machine::default();
                machine.limits = limits;
                let args = [Value::Real(4.0 * generator.uniform() - 2.0), Value::Int(k / 4)];
                machine.start(&code, code.entry, &args).unwrap();
                machine
            })
            .collect();
        let streams = generator.streams();
        let context = Context { code: &code, limits, streams, first: 0, record: false };
        let sources: Vec<Source<'_>> = machines.iter().map(Source::Machine).collect();
        let picks: Vec<(u32, u32)> = (0..20).map(|k| (k, 0)).collect();
        let mut work = vec![Lanes::collect(&code, &sources, &picks, (0..20).collect(), true)];
        let mut found: Vec<Option<Result<Vec<u64>, Fault>>> = vec![None; 20];
        let mut losses = Vec::new();
        while let Some(mut lanes) = work.pop() {
            match lanes.run(&context, &mut losses) {
                Exit::Done(values) => {
                    in_step += lanes.len();
                    for (lane, member) in lanes.members.iter().enumerate() {
                        found[*member as usize] = Some(Ok(reals(values.at(lane))));
                    }
                }
                Exit::Part(places) => work.extend(lanes.parted(&code, &places)),
                Exit::Leave => {
                    left += lanes.len();
                    for lane in 0..lanes.len() {
                        let mut machine = lanes.machine(&context, lane);
                        found[lanes.members[lane] as usize] = Some(result(&mut machine, &code));
                    }
                }
                Exit::Empty => {}
                Exit::Paused { .. } | Exit::Drawn { .. } => panic!("the programs neither draw nor weigh"),
            }
        }
        for (member, loss) in losses {
            let Loss::Fault(fault) = loss else { panic!("no weight of zero") };
            found[member as usize] = Some(Err(*fault));
        }
        for (mut machine, found) in machines.into_iter().zip(found) {
            let wanted = result(&mut machine, &code);
            // Which of the limits is met first may differ.
            let limited = |r: &Result<_, Fault>| matches!(r, Err(fault) if fault.kind == FaultKind::Limit);
            let found = found.expect("every lane came to an end");
            if !limited(&wanted) && !limited(&found) {
                assert_eq!(found, wanted, "round {round}\n{text}");
            }
        }
    }
    // Hardly anything in these programs is strange to lanes.
    assert!(in_step > 5 * left, "{in_step} runs in step, {left} alone");
}
