//! Machine code gives the bits of the executor: on every model that has a density, and on random loops.
#![allow(clippy::unwrap_used)]

#[path = "support/programs.rs"]
#[allow(dead_code, reason = "each test file uses a part")]
mod programs;

use borel::driver::{Options, Session};
use borel::exec::kernel::native::RUNS_BEFORE;
use borel::exec::view::density::DensityView;
use borel::model::{Density, Production};
use borel::source::MemoryWorld;
use borel::value::Generator;
use proptest::prelude::*;
use std::sync::Arc;

/// The bits of a number; those that are none are alike.
fn bits(x: f64) -> u64 {
    if x.is_nan() { f64::NAN.to_bits() } else { x.to_bits() }
}

/// Densities and gradients at several points, moderate and extreme, before there is machine code and after; whether there is any.
fn compare(name: &str, view: &DensityView) -> Result<bool, String> {
    let mut random = Production(Generator::new(11));
    let mut points: Vec<Vec<f64>> = Vec::new();
    for scale in [0.5, 1.0, 1.0, 4.0, 300.0] {
        let x = view.initial(&mut random).map_err(|fault| fault.to_string())?;
        points.push(x.iter().map(|x| scale * x).collect());
    }
    points.push(vec![0.0; view.dim()]);
    points.push(vec![f64::NAN; view.dim()]);
    assert!(points.len() < RUNS_BEFORE.0 as usize);
    let mut evaluator = view.evaluator();
    let all = |evaluator: &mut borel::exec::kernel::density::Evaluator| -> Vec<Vec<u64>> {
        let at = |x: &Vec<f64>| {
            let mut gradient = vec![0.0; x.len()];
            let value = evaluator.gradient(x, &mut gradient);
            let alone = evaluator.log_density(x);
            gradient.extend([value, alone]);
            gradient.into_iter().map(bits).collect()
        };
        points.iter().map(at).collect()
    };
    let before = all(&mut evaluator);
    let mut gradient = vec![0.0; view.dim()];
    for _ in 0..=RUNS_BEFORE.1 {
        evaluator.gradient(&points[0], &mut gradient);
        evaluator.log_density(&points[0]);
    }
    let after = all(&mut evaluator);
    for (point, (before, after)) in before.iter().zip(&after).enumerate() {
        for (k, (before, after)) in before.iter().zip(after).enumerate() {
            if before != after {
                let (before, after) = (f64::from_bits(*before), f64::from_bits(*after));
                let coordinate = view.coordinates().get(k).map_or("the density", String::as_str);
                return Err(format!("{name}: {coordinate} at point {point}: {before:e}, by machine code {after:e}"));
            }
        }
    }
    Ok(view.has_machine_code())
}

/// Whether there is machine code on this machine, in this build.
const MADE: bool = cfg!(all(feature = "codegen", any(target_arch = "x86_64", target_arch = "aarch64")));

#[test]
fn models_have_the_same_bits() {
    let (mut wrong, mut made, mut asked) = (Vec::new(), 0, 0);
    let mut ask = |name: &str, session: &mut Session, file: &borel::driver::File, model: Option<&str>| {
        let Ok(view) = session.density(file, model) else { return };
        asked += 1;
        match compare(name, &view) {
            Ok(has) => made += usize::from(has),
            Err(message) => wrong.push(message),
        }
    };
    for folder in ["examples", "tests/oracles", "tests/density/programs"] {
        programs::every_model(folder, &mut |name, session, file, model| ask(name, session, file, Some(model)));
    }
    let mut pairs: Vec<(String, String)> = Vec::new();
    for (model, data) in [
        ("eight_schools", "eight_schools"),
        ("gmm", "gmm_k3"),
        ("gp", "gp_100"),
        ("hmm", "hmm_100"),
        ("hpois", "hpois"),
        ("logreg", "logreg_1k_25"),
        ("radon_syn", "radon_syn"),
    ] {
        pairs.push((format!("benches/gradients/{model}.borel"), format!("benches/gradients/{data}.json")));
    }
    pairs.push(("tests/posteriordb/garch-garch11/model.borel".into(), "benches/gradients/garch_1000.json".into()));
    for entry in std::fs::read_dir(programs::root("tests/posteriordb")).unwrap() {
        let path = entry.unwrap().path();
        let file = |name: &str| path.join(name).to_string_lossy().into_owned();
        if path.is_dir() {
            pairs.push((file("model.borel"), file("data.json")));
        }
    }
    for (model, data) in pairs {
        let (mut session, file) = programs::load(&programs::root(&model), 1, Some(&programs::root(&data))).unwrap();
        ask(&model, &mut session, &file, None);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(asked >= 50, "{asked}");
    // Where nothing is small and nothing is carried there is nothing to gain.
    assert!(made >= asked / 2 || !MADE, "{made} of {asked}");
}

/// The view of a program given as text.
fn view(text: &str) -> Result<DensityView, String> {
    let mut session = Session::new(Arc::new(MemoryWorld::default()), Options::default());
    let result = session.load_text("program.borel", text).and_then(|file| {
        session.prepare(&file)?;
        session.density(&file, None)
    });
    result.map_err(|failure| session.render_failure(&failure, false))
}

/// Loops of no step, of one and of few, over numbers and over small arrays, with operations of every kind.
#[test]
fn loops_of_any_length_have_the_same_bits() {
    let mut made = 0;
    for steps in [0, 1, 2, 3, 7, 40] {
        for width in [1, 2, 3, 5] {
            let text = format!(
                "model m {{\n\
                   a ~ iid(Normal(0, 1), {width})\n\
                   b ~ Normal(0, 1)\n\
                   var s = [a[k] for k in 0..{width}]\n\
                   var r = b\n\
                   for t in 0..{steps} {{\n\
                     let before = s\n\
                     s = [logsumexp([before[j] + a[k] * j for j in 0..{width}]) - tanh(before[k]) for k in 0..{width}]\n\
                     r = sqrt(1 + r ^ 2 + exp(-abs(s[0]))) + (if s[0] < r {{ max(s[0], b) }} else {{ log1p(r ^ 2) }})\n\
                     observe sin(1.0 * t) ~ Normal(0.01 * r, 1 + s[0] ^ 2)\n\
                   }}\n\
                   factor(lgamma(1 + s[0] ^ 2) + min(r, b))\n\
                 }}\n"
            );
            let view = view(&text).unwrap();
            made += usize::from(compare(&format!("{steps} × {width}"), &view).unwrap());
        }
    }
    assert!(made > 0 || !MADE);
}

/// Arrays of each small length, with sums and the like of all kinds: empty ones, ones with a rest and with whole parts.
#[test]
fn small_arrays_have_the_same_bits() {
    for n in (0..20).chain([31, 32, 33, 64]) {
        let text = format!(
            "model m {{\n\
               c ~ Normal(0, 1)\n\
               x ~ iid(Normal(c, exp(c)), {n})\n\
               let w = [sin(1.0 * k) for k in 0..{n}]\n\
               let m = [[cos(1.0 * j + 2.0 * k) for k in 0..{n}] for j in 0..3]\n\
               let z = [sum([m[j][k] * x[k] for k in 0..{n}]) for j in 0..3]\n\
               for k in 0..{n} {{ observe w[k] ~ Normal(x[k] * c, 1 + x[k] ^ 2) }}\n\
               factor(-sum([x[k] * w[k] for k in 0..{n}]) ^ 2 - sum([z[j] ^ 2 for j in 0..3]))\n\
             }}\n"
        );
        compare(&format!("{n}"), &view(&text).unwrap()).unwrap();
    }
}

/// A random expression of the state `s`, the choices `a` and `b`, and the step `t`.
fn expression() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        4 => Just("s".to_string()),
        2 => Just("a".to_string()),
        2 => Just("b".to_string()),
        1 => Just("sin(1.0 * t)".to_string()),
        1 => (-3.0..3.0f64).prop_map(|x| format!("({x:.3})")),
    ];
    leaf.prop_recursive(4, 24, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(x, y)| format!("({x} + {y})")),
            (inner.clone(), inner.clone()).prop_map(|(x, y)| format!("({x} - {y})")),
            (inner.clone(), inner.clone()).prop_map(|(x, y)| format!("({x} * {y})")),
            (inner.clone(), inner.clone()).prop_map(|(x, y)| format!("({x} / (1 + {y} ^ 2))")),
            (inner.clone(), inner.clone()).prop_map(|(x, y)| format!("max({x}, {y})")),
            (inner.clone(), inner.clone()).prop_map(|(x, y)| format!("min({x}, {y})")),
            (inner.clone(), inner.clone()).prop_map(|(x, y)| format!("log_add_exp({x}, {y})")),
            (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(x, y, z)| format!("(if {x} < {y} {{ {z} }} else {{ -{x} }})")),
            inner.clone().prop_map(|x| format!("exp(-abs({x}))")),
            inner.clone().prop_map(|x| format!("log(1 + {x} ^ 2)")),
            inner.clone().prop_map(|x| format!("log1p(abs({x}))")),
            inner.clone().prop_map(|x| format!("sqrt(1 + {x} ^ 2)")),
            inner.clone().prop_map(|x| format!("tanh({x})")),
            inner.clone().prop_map(|x| format!("expm1(-abs({x}))")),
            inner.clone().prop_map(|x| format!("inv_logit({x})")),
            inner.clone().prop_map(|x| format!("cos({x})")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, rng_seed: proptest::test_runner::RngSeed::Fixed(3), ..ProptestConfig::default() })]

    #[test]
    fn random_loops_have_the_same_bits(next in expression(), weight in expression(), steps in 0..6usize) {
        let text = format!(
            "model m {{\n a ~ Normal(0, 1)\n b ~ Normal(0, 1)\n var s = a\n for t in 0..{steps} {{\n  s = {next}\n  \
             factor({weight})\n }}\n factor(-s ^ 2)\n}}\n"
        );
        let view = view(&text).map_err(|message| TestCaseError::fail(format!("{text}\n{message}")))?;
        let same = compare(&text, &view);
        prop_assert!(same.is_ok(), "{}", same.unwrap_err());
    }
}
