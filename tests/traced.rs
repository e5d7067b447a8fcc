//! The view of traces: proposals are undone to the bit, and sets, redraws and questions agree with the densities in closed form.
#![allow(clippy::unwrap_used)]

#[path = "support/programs.rs"]
#[allow(dead_code)]
mod programs;

use borel::driver::{Options, Session};
use borel::exec::view::Model;
use borel::exec::view::traced::{State, TracedView};
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

/// Random proposals, some accepted, on two views of a model from the same random numbers.
struct Pair {
    graph: TracedView,
    plain: TracedView,
    name: String,
}

impl Pair {
    fn new(name: &str, model: Model) -> Pair {
        let plain = TracedView::without_graphs(model.clone());
        Pair { graph: TracedView::new(model), plain, name: name.to_string() }
    }

    /// Walks `steps` proposals and compares the states all along; how many proposals changed something.
    fn walk(&self, steps: usize, seed: u64) -> usize {
        let mut random = Production(Generator::new(seed));
        let mut first = None;
        for _ in 0..500 {
            if let Ok(state) = self.graph.generate(&mut random).unwrap_or_else(|f| panic!("{}: {f:?}", self.name)) {
                first = Some(state);
                break;
            }
        }
        let Some(mut a) = first else { return 0 };
        let mut b = a.clone();
        let mut changed = 0;
        for step in 0..steps {
            let trace = self.graph.trace(&a);
            if trace.movable.is_empty() {
                break;
            }
            let place = trace.movable[random.choose(&vec![1.0; trace.movable.len()])] as usize;
            let other = trace.movable[random.choose(&vec![1.0; trace.movable.len()])] as usize;
            let redraw = if random.flip(0.2) && other != place { vec![place, other] } else { vec![place] };
            let can_draw = |k: &usize| self.graph.infos(&a).get(trace.choices[*k].info).can_draw;
            let shifted = match &trace.choices[place].value {
                Value::Real(x) => Some(Value::Real(x + 0.3 * (random.uniform(&[]) - 0.5))),
                Value::Reals(xs) if !xs.is_empty() => {
                    let mut xs = xs.to_vec();
                    let k = random.choose(&vec![1.0; xs.len()]);
                    xs[k] += 0.2 * (random.uniform(&[]) - 0.5);
                    Some(Value::reals(xs))
                }
                _ => None,
            };
            let set = shifted.filter(|_| random.flip(0.6)).map(|value| (place, value));
            if set.is_none() && !redraw.iter().all(can_draw) {
                continue;
            }
            let (set, redraw): (Vec<_>, Vec<_>) = set.map_or((Vec::new(), redraw), |set| (vec![set], Vec::new()));
            let mut copy = random;
            let before = bits(self.graph.trace(&a));
            let found = self.graph.propose(&mut a, &set, &redraw, &mut random);
            let expected = self.plain.propose(&mut b, &set, &redraw, &mut copy);
            match (found, expected) {
                (Ok(Ok(found)), Ok(Ok(expected))) => {
                    let near = |x: f64, y: f64, what: &str| {
                        let scale = 1.0 + self.plain.trace(&b).log_joint().abs();
                        assert!(
                            (x - y).abs() <= 1e-9 * scale || x == y,
                            "{}, step {step}: {what} {x} and {y}",
                            self.name
                        );
                    };
                    near(found.log_ratio(), expected.log_ratio(), "log ratio");
                    near(found.fresh, expected.fresh, "fresh");
                    near(found.stale, expected.stale, "stale");
                    near(found.log_weight, expected.log_weight, "weight");
                    assert_eq!(
                        (found.before, found.after, &found.born),
                        (expected.before, expected.after, &expected.born)
                    );
                    self.compare(&a, &b, step);
                    changed += 1;
                    let good = found.log_ratio() > -5.0 && random.flip(0.6);
                    copy = random;
                    if good {
                        self.graph.accept(&mut a);
                        self.plain.accept(&mut b);
                    } else {
                        self.graph.reject(&mut a);
                        self.plain.reject(&mut b);
                        assert_eq!(bits(self.graph.trace(&a)), before, "{}, step {step}", self.name);
                    }
                }
                (Ok(Err(_)), Ok(Err(_))) => {
                    assert_eq!(bits(self.graph.trace(&a)), before, "{}, step {step}", self.name)
                }
                (Err(_), Err(_)) => {}
                (found, expected) => panic!("{}, step {step}: {found:?} and {expected:?}", self.name),
            }
            // What a dead run drew before it died is not part of the chain.
            random = copy;
            if step % 10 == 9 {
                let mut copy = random;
                let found = self.graph.predict(&mut a, &mut random).unwrap();
                let expected = self.plain.predict(&mut b, &mut copy).unwrap();
                assert_eq!(found.is_ok(), expected.is_ok());
                self.compare(&a, &b, step);
            }
        }
        changed
    }

    fn compare(&self, a: &State, b: &State, step: usize) {
        let (found, expected) = (self.graph.trace(a), self.plain.trace(b));
        let near = |x: f64, y: f64| (x - y).abs() <= 1e-9 * (1.0 + y.abs()) || x == y;
        assert_eq!(found.choices.len(), expected.choices.len(), "{}, step {step}", self.name);
        for (x, y) in found.choices.iter().zip(&expected.choices) {
            assert_eq!(x.address, y.address, "{}, step {step}", self.name);
            assert!(
                borel::value::same(&x.value, &y.value),
                "{}, step {step}: {:?} and {:?}",
                self.name,
                x.value,
                y.value
            );
            assert!(near(x.logp, y.logp), "{}, step {step}: logp {} and {}", self.name, x.logp, y.logp);
        }
        assert!(near(found.log_prior, expected.log_prior), "{}, step {step}", self.name);
        let (w, v) = (found.log_weight, expected.log_weight);
        assert!(near(w, v), "{}, step {step}: weight {w} and {v}", self.name);
        let (x, y) = (self.graph.value(a), self.plain.value(b));
        assert_eq!(format!("{x}"), format!("{y}"), "{}, step {step}", self.name);
    }
}

#[test]
fn the_graph_and_the_machine_agree_on_every_oracle() {
    for path in programs::programs("tests/oracles") {
        let (mut session, file) = programs::load(&path, 1, None).unwrap();
        session.prepare(&file).map_err(|f| session.render_failure(&f, false)).unwrap();
        let model = session.model(&file, None).map_err(|f| session.render_failure(&f, false)).unwrap();
        Pair::new(&programs::stem(&path), model).walk(300, 3);
    }
}

#[test]
fn the_graph_and_the_machine_agree_on_every_example() {
    for path in programs::programs("examples") {
        let Ok((mut session, file)) = programs::load(&path, 1, None) else { continue };
        session.prepare(&file).map_err(|f| session.render_failure(&f, false)).unwrap();
        for info in session.models(&file).into_iter().filter(|info| info.arguments == 0) {
            let model = session.model(&file, Some(&info.name)).map_err(|f| session.render_failure(&f, false)).unwrap();
            Pair::new(&format!("{} of {}", info.name, programs::stem(&path)), model).walk(100, 5);
        }
    }
}

#[test]
fn the_graph_and_the_machine_agree_on_posteriordb() {
    let folders = std::fs::read_dir(programs::root("tests/posteriordb")).unwrap();
    for folder in folders.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
        // Each of its runs solves a differential equation.
        let steps = if folder.ends_with("hudson_lynx_hare-lotka_volterra") { 10 } else { 40 };
        let (mut session, file) =
            programs::load(&folder.join("model.borel"), 1, Some(&folder.join("data.json"))).unwrap();
        session.prepare(&file).map_err(|f| session.render_failure(&f, false)).unwrap();
        let model = session.model(&file, None).map_err(|f| session.render_failure(&f, false)).unwrap();
        Pair::new(&folder.display().to_string(), model).walk(steps, 9);
    }
}

/// A model of random statements: draws whose parameters follow from earlier ones, branches, loops, arrays, functions, weights.
fn random_model(generator: &mut Generator) -> String {
    let mut pick = |n: usize| ((generator.uniform() * n as f64) as usize).min(n - 1);
    let mut text = String::from(
        "fn soft(x: Real, s: Real) -> Real = if x > 0 { x * s } else { x / (1 + s) }\nmodel m {\n var a = array(4, 0.5)\n var k = [1, 2]\n r0 ~ Normal(0, 1)\n f0 ~ Flip(0.4)\n n0 ~ Categorical([0.2, 0.5, 0.3])\n",
    );
    let (mut reals, mut flips, mut counts) = (1, 1, 1);
    for line in 0..3 + pick(8) {
        let real = |pick: &mut dyn FnMut(usize) -> usize| match pick(5) {
            0 => format!("a[{}]", pick(4)),
            1 => format!("soft(r{}, 0.7)", pick(reals)),
            2 => format!("(r{} + a[n{}])", pick(reals), pick(counts)),
            3 => format!("exp(0.1 * r{})", pick(reals)),
            _ => format!("r{}", pick(reals)),
        };
        let (x, y) = (real(&mut pick), real(&mut pick));
        text.push_str(&match pick(11) {
            0 | 1 => {
                reals += 1;
                format!(" r{} ~ Normal({x}, 1 + abs({y}))\n", reals - 1)
            }
            2 => {
                reals += 1;
                format!(" r{} ~ Exponential(exp(0.3 * {x}))\n", reals - 1)
            }
            3 => {
                flips += 1;
                format!(" f{} ~ Flip(1 / (1 + exp({x})))\n", flips - 1)
            }
            4 => {
                counts += 1;
                format!(
                    " n{} ~ Categorical(if f{} {{ [0.1, 0.2, 0.7] }} else {{ [0.3, 0.3, 0.4] }})\n",
                    counts - 1,
                    pick(flips)
                )
            }
            5 => format!(" a[{}] = {x} - {y}\n", pick(4)),
            6 => format!(
                " if f{} {{ w{line} ~ Normal({x}, 2); a[{}] = w{line} }} else {{ observe {y} ~ Normal(0, 3) }}\n",
                pick(flips),
                pick(4)
            ),
            7 => {
                format!(" for i in 0..n{} {{ z{line} ~ Normal({x}, 1); a[i] = a[i] + z{line} }}\n", pick(counts))
            }
            8 => format!(" observe {x} ~ Normal({y}, 2)\n"),
            9 => format!(" factor(-0.1 * sum([v * v for v in a]) - abs({x}))\n"),
            _ => format!(
                " k[if f{} {{ 1 }} else {{ 0 }}] = n{}\n observe sum(a) ~ Normal(k[0], 5)\n",
                pick(flips),
                pick(counts)
            ),
        });
    }
    text.push_str(" return {a, k, r0}\n}\n");
    text
}

#[test]
fn the_graph_and_the_machine_agree_on_random_models() {
    let mut generator = Generator::new(2024);
    let mut changed = 0;
    let mut refused = 0;
    for number in 0..150 {
        let text = random_model(&mut generator);
        let mut session = Session::new(Arc::new(OsWorld::default()), Options::default());
        let Ok(file) = session.load_text("random.borel", &text) else {
            refused += 1;
            continue;
        };
        session.prepare(&file).map_err(|f| session.render_failure(&f, false)).unwrap();
        let model = session.model(&file, None).map_err(|f| session.render_failure(&f, false)).unwrap();
        changed += Pair::new(&format!("{number}:\n{text}"), model).walk(80, number);
    }
    assert!(refused < 60, "{refused} of 150 random models are wrong");
    assert!(changed > 2_000, "{changed}");
}

#[test]
fn sums_do_not_drift_in_a_million_steps() {
    let text = "model m { var x = array(30, 0.0); x[0] ~ Normal(0, 1); for t in 1..30 { x[t] ~ Normal(x[t - 1], 1); observe 0.3 ~ Normal(x[t], 0.5) }; return x[0] }";
    let model = model(text);
    let (view, plain) = (TracedView::new(model.clone()), TracedView::without_graphs(model));
    let mut random = Production(Generator::new(4));
    let mut state = view.generate(&mut random).unwrap().unwrap();
    for step in 0..1_000_000 {
        let place = random.choose(&[1.0; 30]);
        let x = view.trace(&state).choices[place].value.as_real().unwrap();
        let moved = Value::Real(if step % 1000 == 0 { 1e6 } else { x + random.uniform(&[]) - 0.5 });
        let update = view.propose(&mut state, &[(place, moved)], &[], &mut random).unwrap().unwrap();
        if step % 1000 != 0 && update.log_ratio() > random.uniform(&[]).ln() {
            view.accept(&mut state);
        } else {
            view.reject(&mut state);
        }
    }
    assert!(view.has_graph(&state));
    let trace = view.trace(&state);
    let given: Vec<(u64, Value)> = trace.choices.iter().map(|c| (c.address, c.value.clone())).collect();
    let (fresh, _) = plain.generate_with(&given, &mut random).unwrap().unwrap();
    let fresh = plain.trace(&fresh);
    assert!((trace.log_prior - fresh.log_prior).abs() < 1e-11 * fresh.log_prior.abs());
    assert!((trace.log_weight - fresh.log_weight).abs() < 1e-11 * fresh.log_weight.abs());
}
