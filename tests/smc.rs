//! The particle filter: its decisions enumerated, and runs held together against runs by themselves.
#![allow(clippy::unwrap_used)]

use borel::driver::{Options, Session};
use borel::exec::view::Model;
use borel::exec::view::stepped::SteppedView;
use borel::infer::population::spawn;
use borel::infer::resample::Resampler;
use borel::model::{Production, Random, Stand, Stepped, every_outcome};
use borel::posterior::Posterior;
use borel::source::OsWorld;
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
        population.resample(scheme, threshold, random);
    }
    population.finish()
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
