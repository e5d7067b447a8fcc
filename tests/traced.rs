//! The view of traces: proposals are undone to the bit, and sets, redraws and questions agree with the densities in closed form.
#![allow(clippy::unwrap_used)]

#[path = "support/programs.rs"]
#[allow(dead_code)]
mod programs;

use borel::driver::{Options, Session};
use borel::exec::view::Model;
use borel::exec::view::traced::TracedView;
use borel::model::{Production, Random, Trace, Traced};
use borel::source::OsWorld;
use borel::value::{Generator, Value};
use std::sync::Arc;

/// The only model of a text.
fn model(text: &str) -> Model {
    let mut session = Session::new(Arc::new(OsWorld::default()), Options::default());
    let file = session.load_text("text.borel", text).map_err(|f| session.render_failure(&f, false)).unwrap();
    session.prepare(&file).map_err(|f| session.render_failure(&f, false)).unwrap();
    session.model(&file, None).map_err(|f| session.render_failure(&f, false)).unwrap()
}

/// A trace as bits.
fn bits(trace: &Trace) -> Vec<(u64, String, u64)> {
    let choices = trace.choices.iter().map(|c| (c.address, format!("{:?}", c.value), c.logp.to_bits()));
    choices
        .chain([(0, String::new(), trace.log_prior.to_bits()), (1, String::new(), trace.log_weight.to_bits())])
        .collect()
}

const SWITCHING: &str = "model m {
    x ~ Normal(0, 1)
    k ~ Flip(0.5)
    var y = 0.0
    if k {
        a ~ Normal(x, 2)
        y = a
    } else {
        b ~ Exponential(1)
        c ~ Normal(b, 1)
        y = b + c
    }
    observe 1.5 ~ Normal(y, 1)
    return y
}";

fn normal(x: f64, mean: f64, sd: f64) -> f64 {
    let z = (x - mean) / sd;
    -0.5 * z * z - sd.ln() - 0.5 * (2.0 * std::f64::consts::PI).ln()
}

#[test]
fn a_rejected_proposal_leaves_no_mark() {
    let model = model(SWITCHING);
    let view = TracedView::new(model);
    let mut random = Production(Generator::new(5));
    let mut state = view.generate(&mut random).unwrap().unwrap();
    let mut changed = 0;
    for round in 0..200 {
        let before = bits(view.trace(&state));
        let value = view.value(&state);
        let place = random.choose(&vec![1.0; view.trace(&state).choices.len()]);
        if view.propose(&mut state, &[], &[place], &mut random).unwrap().is_ok() {
            changed += usize::from(bits(view.trace(&state)) != before);
            view.reject(&mut state);
        }
        assert_eq!(bits(view.trace(&state)), before);
        assert_eq!(view.value(&state), value);
        if round % 3 == 0 && view.propose(&mut state, &[], &[place], &mut random).unwrap().is_ok() {
            let after = bits(view.trace(&state));
            view.accept(&mut state);
            view.reject(&mut state);
            assert_eq!(bits(view.trace(&state)), after);
        }
    }
    assert!(changed > 100);
}

#[test]
fn given_choices_weigh_by_their_density() {
    let model = model(SWITCHING);
    let view = TracedView::new(model);
    let mut random = Production(Generator::new(7));
    let state = view.generate(&mut random).unwrap().unwrap();
    let address = |name: &str| view.infos(&state).all().iter().find(|i| i.name == name).map(|i| i.address);
    let x = (address("x").unwrap(), Value::Real(0.7));
    let k = (address("k").unwrap(), Value::Bool(true));
    let (given, weight) = view.generate_with(&[x, k], &mut random).unwrap().unwrap();
    let trace = view.trace(&given);
    assert!((weight - (normal(0.7, 0.0, 1.0) + 0.5f64.ln())).abs() < 1e-12);
    let a = trace.choices[2].value.as_real().unwrap();
    assert!((trace.log_prior - (weight + normal(a, 0.7, 2.0))).abs() < 1e-12);
    assert!((trace.log_weight - normal(1.5, a, 1.0)).abs() < 1e-12);
    assert_eq!(trace.find(view.infos(&given), address("k").unwrap()), Some(1));
}

#[test]
fn an_update_tells_what_the_way_back_needs() {
    let model = model(SWITCHING);
    let view = TracedView::new(model);
    let mut random = Production(Generator::new(11));
    let mut state = view.generate(&mut random).unwrap().unwrap();
    for _ in 0..50 {
        let before = view.trace(&state).clone();
        let Value::Bool(k) = before.choices[1].value else { panic!("a boolean was drawn") };
        let update = view.propose(&mut state, &[(1, Value::Bool(!k))], &[], &mut random).unwrap().unwrap();
        let after = view.trace(&state).clone();
        assert_eq!((update.before, update.after), (before.choices.len(), after.choices.len()));
        assert_eq!(update.born, (2..after.choices.len()).collect::<Vec<_>>());
        assert_eq!(update.gone.len(), before.choices.len() - 2);
        let sum = |trace: &Trace| trace.choices[2..].iter().map(|c| c.logp).sum::<f64>();
        assert!((update.fresh - sum(&after)).abs() < 1e-12);
        assert!((update.stale - sum(&before)).abs() < 1e-12);
        let change = after.log_joint() - before.log_joint();
        assert!((update.log_ratio() - (change + update.stale - update.fresh)).abs() < 1e-12);
        view.accept(&mut state);
    }
}

#[test]
fn a_choice_tells_its_distribution_outcomes_and_densities() {
    let model =
        model("model m { n ~ Categorical([0.2, 0.3, 0.5]); x ~ Normal(n, 3); observe 1.0 ~ Normal(x, 1); return x }");
    let view = TracedView::new(model);
    let mut random = Production(Generator::new(3));
    let state = view.generate(&mut random).unwrap().unwrap();
    let outcomes = view.outcomes(&state, 0).unwrap().unwrap();
    let chances: Vec<f64> = outcomes.values.iter().map(|(_, logp)| logp.exp()).collect();
    assert!(chances.iter().zip([0.2, 0.3, 0.5]).all(|(a, b)| (a - b).abs() < 1e-12));
    assert!(view.outcomes(&state, 1).unwrap().is_none());
    let n = view.trace(&state).choices[0].value.as_real().unwrap();
    let found = view.choice_logps(&state, 1, &[Value::Real(0.5), Value::Real(4.0)]).unwrap();
    assert!((found[0] - normal(0.5, n, 3.0)).abs() < 1e-12 && (found[1] - normal(4.0, n, 3.0)).abs() < 1e-12);
    let Value::Dist(dist) = view.distribution(&state, 1).unwrap() else { panic!("a distribution was expected") };
    assert_eq!((dist.name.as_str(), &dist.args[..]), ("Normal", &[Value::Real(n), Value::Real(3.0)][..]));
    let (value, logp) = view.draw_choice(&state, 1, &mut random).unwrap().unwrap();
    assert!((logp - normal(value.as_real().unwrap(), n, 3.0)).abs() < 1e-12);
}

#[test]
fn a_state_can_be_cloned_and_sent() {
    let model = model(SWITCHING);
    let view = TracedView::new(model);
    let mut random = Production(Generator::new(9));
    let state = view.generate(&mut random).unwrap().unwrap();
    let before = bits(view.trace(&state));
    let mut fork = state.clone();
    std::thread::scope(|scope| {
        let view = &view;
        scope.spawn(move || {
            view.propose(&mut fork, &[], &[0], &mut Production(Generator::new(1))).unwrap().unwrap();
            view.accept(&mut fork);
        });
    });
    assert_eq!(bits(view.trace(&state)), before);
}
