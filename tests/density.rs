//! Log densities and gradients of the `Density` view against Stan's.
//!
//! `tests/density/` holds what Stan 2.35 gives at fixed points of the unconstrained space, made by its `log_prob` with all constants and
//! the Jacobian, and what stanli gives for the models of `stan_values.py`. Our transforms are the same, so vectors are compared as they are; log densities may differ by a constant, where a
//! prior is normalised here and not there.

#![allow(clippy::unwrap_used)]

#[path = "support/programs.rs"]
#[allow(dead_code, reason = "each test file uses a part")]
mod programs;

use borel::exec::view::density::DensityView;
use borel::model::Density;
use std::path::PathBuf;

/// Models of the examples and oracles that have no array code, and a part of the reason.
const REFUSED: &[(&str, &str)] = &[
    ("branching:", "number of steps depends on a choice"),
    ("branching:", "infinitely many values"),
    ("burglar_alarm:", "stops the run"),
    ("coal_mining:", "a slice whose ends differ"),
    ("dirichlet_process_mixture:", "still growing"),
    ("dpmix:", "still growing"),
    ("evidence1:", "whether `sample` is chosen"),
    ("evidence2:", "whether `sample` is chosen"),
    ("geometric:", "whether `sample` is chosen"),
    ("grass:", "whether `sample` is chosen"),
    ("monty:", "not numbers"),
    ("monty_hall:", "not numbers"),
    ("pcfg:", ""),
    ("random_function:", "whether `sample` is chosen"),
    ("reversible_jump:", "whether `first` is chosen"),
    ("rsa:", "not numbers"),
    ("scalar:", "an inference within the model"),
    ("transdim:", "whether `sample` is chosen"),
];

/// Models whose equation is solved to few digits: as the parameters move, the steps of the solver change, and the density jumps a little.
const FEW_DIGITS: &[(&str, f64)] = &[("logistic_growth:", 1e-2), ("lynx_and_hare:", 1e-3), ("equations:stiff", 1e-4)];

/// Models whose solution of an equation Stan steers by its sensitivities as well.
const NOT_ALIKE: &[&str] = &["hudson_lynx_hare-lotka_volterra"];

fn view(model: &str, data: &str) -> Result<DensityView, String> {
    let data = programs::root(data);
    let (mut session, file) = programs::load(&programs::root(model), 1, Some(&data))?;
    session.density(&file, None).map_err(|failure| session.render_failure(&failure, false))
}

/// The name without indices, and the indices.
fn split(name: &str) -> (String, Vec<u32>) {
    let mut parts = name.split(['[', ']', ',', '.']).filter(|p| !p.is_empty());
    let base = parts.next().unwrap_or("").to_string();
    (base, parts.filter_map(|p| p.parse().ok()).collect())
}

/// Where each coordinate of Stan's vector lies in ours: names alike, elements in their order.
fn places(ours: &[String], stan: &[String]) -> Vec<usize> {
    let mut sorted: Vec<(String, Vec<u32>, usize)> = ours
        .iter()
        .enumerate()
        .map(|(k, name)| {
            let (base, index) = split(name);
            (base, index, k)
        })
        .collect();
    sorted.sort();
    let mut seen: std::collections::HashMap<String, usize> = std::collections::HashMap::new();
    stan.iter()
        .map(|name| {
            let base = split(name).0;
            let k = seen.entry(base.clone()).or_insert(0);
            let place =
                sorted.iter().filter(|(b, ..)| *b == base).nth(*k).unwrap_or_else(|| panic!("{name}: {ours:?}")).2;
            *k += 1;
            place
        })
        .collect()
}

fn compare(model: &str, data: &str, reference: &str, digits: f64) -> Result<(), String> {
    let view = view(model, data)?;
    let text = std::fs::read_to_string(programs::root("tests/density").join(reference)).unwrap();
    let stan: serde_json::Value = serde_json::from_str(&text).unwrap();
    let numbers =
        |v: &serde_json::Value| -> Vec<f64> { v.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect() };
    let names: Vec<String> =
        stan["unc_names"].as_array().unwrap().iter().map(|n| n.as_str().unwrap().to_string()).collect();
    if view.dim() != names.len() {
        return Err(format!("{model}: {} coordinates, not {}", view.dim(), names.len()));
    }
    let places = places(view.coordinates(), &names);
    let mut evaluator = view.evaluator();
    let mut offset = None;
    for point in stan["points"].as_array().unwrap() {
        let (x, grad) = (numbers(&point["x"]), numbers(&point["grad"]));
        let lp = point["lp"].as_f64().unwrap();
        let mut ours = vec![0.0; x.len()];
        for (place, x) in places.iter().zip(&x) {
            ours[*place] = *x;
        }
        let mut gradient = vec![f64::NAN; x.len()];
        let value = evaluator.gradient(&ours, &mut gradient);
        let alone = evaluator.log_density(&ours);
        if (value - alone).abs() > 1e-12 * value.abs() {
            return Err(format!("{model}: the density is {alone} alone and {value} with its gradient"));
        }
        let constant = *offset.get_or_insert(lp - value);
        if (lp - value - constant).abs() > digits * (1.0 + lp.abs()) || value.is_nan() {
            return Err(format!("{model}: log density {value}, Stan's {lp}, constant {constant}"));
        }
        let scale = grad.iter().fold(1.0f64, |m, g| m.max(g.abs()));
        for ((place, g), name) in places.iter().zip(&grad).zip(&names) {
            let ours = gradient[*place];
            if (ours - g).abs() > digits * (g.abs() + 1e-3 * scale) || ours.is_nan() {
                return Err(format!("{model}: derivative by {name} {ours}, Stan's {g}"));
            }
        }
    }
    Ok(())
}

#[test]
fn gradients_agree_with_stan() {
    let mut wrong = Vec::new();
    for (model, data) in [
        ("eight_schools", "eight_schools"),
        ("gmm", "gmm_k3"),
        ("gp", "gp_100"),
        ("gp", "gp_200"),
        ("hmm", "hmm_100"),
        ("hmm", "hmm_1000"),
        ("hpois", "hpois"),
        ("logreg", "logreg_1k_25"),
        ("logreg_loop", "logreg_1k_25"),
        ("radon_syn", "radon_syn"),
    ] {
        let reference = format!("{}__{data}.json", model.trim_end_matches("_loop"));
        // Stan's primitive for such a regression is a program of its own.
        let primitive = (model == "logreg").then(|| format!("logreg_glm__{data}.json"));
        let (model, data) = (format!("benches/gradients/{model}.borel"), format!("benches/gradients/{data}.json"));
        for reference in std::iter::once(reference).chain(primitive) {
            wrong.extend(compare(&model, &data, &reference, 1e-9).err());
        }
    }
    let mut folders: Vec<PathBuf> =
        std::fs::read_dir(programs::root("tests/posteriordb")).unwrap().map(|e| e.unwrap().path()).collect();
    folders.retain(|path| path.is_dir());
    folders.sort();
    let mut compared = 0;
    for folder in folders {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        if NOT_ALIKE.contains(&name.as_str()) {
            continue;
        }
        let (model, data) =
            (format!("tests/posteriordb/{name}/model.borel"), format!("tests/posteriordb/{name}/data.json"));
        compared += 1;
        wrong.extend(compare(&model, &data, &format!("posteriordb__{name}.json"), 1e-9).err());
    }
    // With that whose equation is solved to more digits below, every model.
    assert_eq!(compared + NOT_ALIKE.len(), 22);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Every model of a folder of programs: its view, or why it has none.
fn every_view(folder: &str, f: &mut dyn FnMut(&str, Result<DensityView, String>)) {
    programs::every_model(folder, &mut |name, session, file, model| {
        let view = session.density(file, Some(model));
        f(name, view.map_err(|failure| session.render_failure(&failure, false)));
    });
}

/// The derivative by differences, extrapolated.
fn differences(at: &mut dyn FnMut(f64) -> f64) -> f64 {
    let mut d = |h: f64| (at(h) - at(-h)) / (2.0 * h);
    let h = 1e-3;
    (64.0 * d(h / 4.0) - 20.0 * d(h / 2.0) + d(h)) / 45.0
}

#[test]
fn array_code_agrees_with_the_machine() {
    let (mut wrong, mut compared, mut refused) = (Vec::new(), 0, Vec::new());
    for folder in ["examples", "tests/oracles", "tests/density/programs"] {
        every_view(folder, &mut |name, view| {
            let view = match view {
                Ok(view) => view,
                Err(reason) => {
                    refused.push(format!("{name}: {reason}"));
                    return;
                }
            };
            compared += 1;
            let mut evaluator = view.evaluator();
            let mut random = borel::model::Production(borel::value::Generator::new(5));
            for _ in 0..3 {
                let x: Vec<f64> = view.initial(&mut random).unwrap().iter().map(|x| 0.5 * x).collect();
                let machine = match view.density_by_machine(&x) {
                    Ok(density) => density,
                    Err(fault) if fault.kind == borel::value::fault::FaultKind::Domain => f64::NEG_INFINITY,
                    Err(fault) if fault.message.contains("combinations") => continue,
                    Err(fault) => {
                        wrong.push(format!("{name}: {fault}"));
                        return;
                    }
                };
                let ours = evaluator.log_density(&x);
                // The implicit solver's corrections end at another digit where their matrix is another.
                let digits = if name == "equations:stiff" { 1e-9 } else { 1e-11 };
                if !(ours == machine || (ours - machine).abs() <= digits * (1.0 + machine.abs())) {
                    wrong.push(format!("{name}: density {ours}, the machine's {machine}"));
                    return;
                }
                if !machine.is_finite() {
                    continue;
                }
                let mut gradient = vec![0.0; x.len()];
                assert_eq!(evaluator.gradient(&x, &mut gradient).to_bits(), {
                    // The same point again gives the same bits.
                    let mut again = vec![0.0; x.len()];
                    let value = evaluator.gradient(&x, &mut again);
                    assert!(gradient.iter().zip(&again).all(|(a, b)| a.to_bits() == b.to_bits()), "{name}");
                    value.to_bits()
                });
                let scale = gradient.iter().fold(1.0f64, |m, g| m.max(g.abs())) + machine.abs();
                for k in 0..x.len().min(40) {
                    let numeric = differences(&mut |h| {
                        let mut moved = x.clone();
                        moved[k] += h;
                        evaluator.log_density(&moved)
                    });
                    let digits = FEW_DIGITS.iter().find(|(model, _)| name.starts_with(model)).map_or(1e-7, |(_, d)| *d);
                    if (numeric - gradient[k]).abs() > digits * scale || gradient[k].is_nan() {
                        let place = &view.coordinates()[k];
                        wrong.push(format!("{name}: derivative by {place} {}, by differences {numeric}", gradient[k]));
                        return;
                    }
                }
            }
        });
    }
    let unexpected: Vec<&String> =
        refused.iter().filter(|r| !REFUSED.iter().any(|(name, why)| r.starts_with(name) && r.contains(why))).collect();
    wrong.extend(unexpected.into_iter().cloned());
    assert!(compared >= 35, "{compared}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The posteriordb model with an equation, solved to twelve digits, against steps so small that their error is rounding.
#[test]
fn equations_have_the_derivatives_of_their_solutions() {
    let folder = programs::root("tests/posteriordb/hudson_lynx_hare-lotka_volterra");
    let text = std::fs::read_to_string(folder.join("model.borel")).unwrap();
    for (solver, digits, agreed) in [("ode(", "1e-12", 1e-9), ("ode_stiff(", "1e-10", 1e-6)] {
        let tight = text
            .replace("ode(", solver)
            .replace("rtol = 1e-5", &format!("rtol = {digits}"))
            .replace("atol = 1e-3", &format!("atol = {digits}"));
        assert!(tight != text);
        let path = std::env::temp_dir().join(format!("lotka_volterra_{}_{digits}.borel", std::process::id()));
        std::fs::write(&path, tight).unwrap();
        let data = folder.join("data.json");
        let found = compare(path.to_str().unwrap(), data.to_str().unwrap(), "tight__lotka_volterra.json", agreed);
        std::fs::remove_file(&path).unwrap();
        found.unwrap();
    }
}

/// The choices of a draw, as text.
fn named(run: &borel::model::Weighted) -> Vec<(String, String)> {
    run.named.iter().map(|(name, value)| (name.clone(), value.to_string())).collect()
}

/// Finite choices are drawn back with their posterior probabilities: over all outcomes of the draws, exactly those that the machine's
/// densities of each combination give.
#[test]
fn finite_choices_are_drawn_back_exactly() {
    let mut compared = 0;
    for folder in ["mixture_choices", "chains_of_choices"] {
        let path = programs::root(&format!("tests/density/programs/{folder}.borel"));
        let (mut session, file) = programs::load(&path, 1, None).unwrap();
        session.prepare(&file).unwrap();
        for model in session.models(&file) {
            let view = session.density(&file, Some(model.name.as_str())).unwrap();
            let x: Vec<f64> = (0..view.dim()).map(|k| ((k * 7 + 3) as f64).sin()).collect();
            let outcomes = borel::model::every_outcome(|random| {
                let run = view.constrain(&x, random)?;
                let (whole, joint) = view.weighed(&x, &run)?;
                assert_eq!(named(&run), named(&whole), "{}", model.name);
                Ok((named(&run), joint))
            })
            .unwrap();
            let total = view.density_by_machine(&x).unwrap();
            let mut mass = 0.0;
            for (probability, (choices, joint)) in &outcomes {
                let right = (joint - total).exp();
                assert!(
                    (probability - right).abs() < 1e-12,
                    "{}: {choices:?} is drawn with probability {probability}, not {right}",
                    model.name
                );
                mass += right;
            }
            assert!((mass - 1.0).abs() < 1e-10, "{}: {mass}", model.name);
            compared += outcomes.len();
        }
    }
    assert!(compared > 200, "{compared}");
}

/// Draws are made without going through what is observed, and are those of the whole program.
#[test]
fn draws_are_those_of_the_whole_program() {
    let mut compared = 0;
    for folder in ["examples", "tests/oracles", "tests/density/programs"] {
        programs::every_model(folder, &mut |name, session, file, model| {
            let predicts = session.explain(file, Some(model)).is_ok_and(|text| text.contains("(prediction)"));
            let Ok(view) = session.density(file, Some(model)) else { return };
            let mut random = borel::model::Production(borel::value::Generator::new(9));
            let x: Vec<f64> = view.initial(&mut random).unwrap().iter().map(|x| 0.3 * x).collect();
            let run = view.constrain(&x, &mut random).unwrap();
            // What is predicted is drawn anew; a vector may have no run of the whole program.
            if predicts {
                return;
            }
            if let Ok((whole, _)) = view.weighed(&x, &run) {
                assert_eq!(named(&run), named(&whole), "{name}");
                assert_eq!(run.value.to_string(), whole.value.to_string(), "{name}");
                compared += 1;
            }
        });
    }
    assert!(compared >= 40, "{compared}");
}

/// However many data there are, neither the names of coordinates nor a draw goes through them.
#[test]
fn draws_take_no_longer_with_more_data() {
    let text = "
let y = [0.1 * (i % 7) for i in 0..5000]
let group = [i % 3 for i in 0..5000]
fn trend(a, i) = a * y[i - 1]
model m {
  level ~ iid(Normal(0, 1), 3)
  a ~ Normal(0, 1)
  var carried = 0.0
  for i in 1..len(y) {
    var sum = 0.0
    for k in 0..3 { sum = sum + level[k] }
    carried = 0.5 * carried + level[group[i]]
    if i % 2 == 0 { observe y[i] ~ Normal(trend(a, i) + sum, 1) } else { factor(-carried ^ 2) }
  }
  return level[0] + a
}";
    let world = std::sync::Arc::new(borel::source::OsWorld::default());
    let mut options = borel::driver::Options::default();
    let mut bound = |steps: u64| -> Result<f64, String> {
        let mut session = borel::driver::Session::new(world.clone(), borel::driver::Options::default());
        let file = session.load_text("draws.borel", text).map_err(|f| session.render_failure(&f, false))?;
        session.prepare(&file).map_err(|f| session.render_failure(&f, false))?;
        options.limits.steps = steps;
        session.options.limits = options.limits;
        let view = session.density(&file, None).map_err(|f| session.render_failure(&f, false))?;
        let x = [0.3, -0.2, 0.1, 0.5];
        let mut random = borel::model::Production(borel::value::Generator::new(1));
        let run = view.constrain(&x, &mut random).map_err(|fault| fault.to_string())?;
        // The whole program does go through them.
        assert_eq!(view.weighed(&x, &run).is_err(), steps < 5000);
        run.value.as_real().ok_or_else(|| "no number".into())
    };
    assert_eq!(bound(100), Ok(0.3 + 0.5));
    assert_eq!(bound(1_000_000), Ok(0.3 + 0.5));
}

/// Loops that are forward recursions are found, whoever wrote them; that they are right is tested with all other programs.
#[test]
fn forward_recursions_are_found() {
    for (model, data, found) in [
        ("benches/gradients/hmm", "benches/gradients/hmm_100", vec![(99, 3)]),
        (
            "tests/posteriordb/bball_drive_event_0-hmm_drive_0/model",
            "tests/posteriordb/bball_drive_event_0-hmm_drive_0/data",
            vec![(415, 2)],
        ),
    ] {
        let view = view(&format!("{model}.borel"), &format!("{data}.json")).unwrap();
        assert_eq!(view.recursions(), found, "{model}");
    }
    let mut seen = Vec::new();
    every_view("tests/density/programs", &mut |name, view| {
        if name.starts_with("recursions:") {
            seen.push((name.to_string(), view.unwrap().recursions()));
        }
    });
    seen.sort();
    let right = [("changing", (5, 2)), ("sequences", (5, 3)), ("written", (5, 3))];
    assert_eq!(seen, right.map(|(name, found)| (format!("recursions:{name}"), vec![found])));
}
