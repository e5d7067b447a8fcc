//! Kernels leave the posterior as it is: exactly on finite programs, by the code that ships, and by statistics on continuous ones.
#![allow(clippy::unwrap_used)]

use borel::driver::{Failure, Options, Session};
use borel::exec::view::functions::ModelFunctions;
use borel::exec::view::traced::TracedView;
use borel::infer::kernel::exact::Transitions;
use borel::infer::kernel::{Kernel, Names};
use borel::source::OsWorld;
use borel::value::Value;
use std::sync::Arc;

fn session() -> Session {
    Session::new(Arc::new(OsWorld::default()), Options { seed: 1, ..Options::default() })
}

/// The value of an expression after a program.
fn value(program: &str, expression: &str) -> Result<Value, String> {
    let mut session = session();
    let shown = |session: &Session, failure: Failure| session.render_failure(&failure, false);
    let file = session.load_text("kernels.borel", program).map_err(|failure| shown(&session, failure))?;
    session.bind_data(&[]).map_err(|failure| shown(&session, failure))?;
    session.prepare(&file).map_err(|failure| shown(&session, failure))?;
    session.expression_value(expression).map_err(|failure| shown(&session, failure))
}

/// Finite programs: two choices, changing number of choices, a support that moves, hard conditions, arrays, loops.
const FINITE: &[(&str, &str)] = &[
    (
        "two",
        "model m {
  x ~ Flip(0.3)
  n ~ Categorical([0.2, 0.5, 0.3])
  factor(if x { 0.7 * n } else { -0.4 * n })
  return (x, n)
}",
    ),
    (
        "length",
        "model m {
  n ~ Categorical([0.3, 0.4, 0.3])
  var total = 0
  for i in 0..n {
    b ~ Flip(0.4)
    total = total + if b { 2 } else { 1 }
  }
  c ~ Flip(0.5)
  factor(if c { 0.3 * total } else { -0.2 * total })
  return (n, total, c)
}",
    ),
    (
        "branch",
        "model m {
  k ~ Flip(0.4)
  var s = 0
  if k {
    a ~ Categorical([0.1, 0.6, 0.3])
    s = a
  } else {
    b ~ Flip(0.7)
    c ~ Flip(0.2)
    s = (if b { 2 } else { 0 }) + (if c { 1 } else { 0 })
  }
  factor(-0.5 * (s - 1.5) ^ 2)
  return (k, s)
}",
    ),
    (
        "support",
        "model m {
  n ~ DiscreteUniform(1, 3)
  x ~ DiscreteUniform(0, n)
  y ~ DiscreteUniform(x, x + 1)
  factor(0.4 * x - 0.3 * y * n)
  return (n, x, y)
}",
    ),
    (
        "equality",
        "model m {
  a ~ DiscreteUniform(0, 2)
  b ~ DiscreteUniform(0, 2)
  c ~ Flip(0.5)
  condition(a + b == 2 || c)
  factor(0.3 * a)
  return (a, b, c)
}",
    ),
    (
        "arrays",
        "model m {
  z ~ iid(Flip(0.4), 3)
  v ~ Choice([1.5, 2.5, 4.0], [0.2, 0.5, 0.3])
  factor(if z[0] && z[2] { v } else { 0.1 * v })
  return (z, v)
}",
    ),
];

/// A kernel and whether it reaches, from every trace of every program above, every other.
fn kernels() -> Vec<(Kernel, bool)> {
    let names = |names: &[&str]| Names::new(names.iter().map(|name| Arc::from(*name)));
    let all = ["x", "n", "y", "k", "a", "b", "c", "z", "v"];
    let some = names(&["n", "k", "a", "z"]);
    vec![
        (Kernel::single_site(), false),
        (Kernel::random_walk(None), false),
        (Kernel::random_walk(Some(0.7)), false),
        (Kernel::prior(None), false),
        (Kernel::prior(Some(names(&all))), true),
        (Kernel::prior(Some(some.clone())), false),
        (Kernel::gibbs(), false),
        (Kernel::gibbs().on(some.clone()).unwrap(), false),
        (Kernel::slice(), false),
        (Kernel::single_site().on(some.clone()).unwrap(), false),
        (Kernel::slice().on(names(&["b", "x", "z"])).unwrap(), false),
        (Kernel::elliptical(None), false),
        (Kernel::cycle(vec![Kernel::gibbs(), Kernel::prior(None).on(some.clone()).unwrap()]).unwrap(), false),
        (Kernel::choose(vec![(0.3, Kernel::prior(None)), (0.7, Kernel::gibbs())]).unwrap(), false),
        (Kernel::gibbs().on(some).unwrap().repeat(2).unwrap(), false),
        // No choice is continuous: nothing moves but by the other kernel.
        (Kernel::cycle(vec![Kernel::hamiltonian(None, None), Kernel::gibbs()]).unwrap(), false),
    ]
}

#[test]
fn every_kernel_keeps_every_finite_posterior() {
    for (name, program) in FINITE {
        let mut session = session();
        let file = session.load_text("finite.borel", program).unwrap();
        let model = session.model(&file, None).map_err(|f| session.render_failure(&f, false)).unwrap();
        let view = Arc::new(TracedView::new(model.clone()));
        let functions = ModelFunctions::new(model);
        for (k, (kernel, reaches)) in kernels().into_iter().enumerate() {
            let temperature = if (k + name.len()) % 2 == 0 { 1.0 } else { 0.35 };
            let table = Transitions::new(&view, &Value::Unit, temperature, &kernel, &functions).unwrap();
            let (defect, trace) = table.defect();
            assert!(defect < 1e-12, "{name}: {kernel} changes the posterior at {trace} by {defect}");
            let rows = table.moves.iter().map(|row| row.iter().map(|(_, p)| p).sum::<f64>());
            assert!(rows.into_iter().all(|total| (total - 1.0).abs() < 1e-12), "{name}: {kernel}");
            if reaches {
                assert!(table.reachable(0).into_iter().all(|seen| seen), "{name}: {kernel}");
            }
            // Where a kernel may move something it does.
            assert!((0..table.traces.len()).any(|k| table.moves[k].len() > 1), "{name}: {kernel}");
        }
    }
}

#[test]
fn single_sites_reach_all_that_one_choice_at_a_time_can() {
    for (name, program) in FINITE.iter().filter(|(name, _)| *name != "equality") {
        let mut session = session();
        let file = session.load_text("finite.borel", program).unwrap();
        let model = session.model(&file, None).unwrap();
        let view = Arc::new(TracedView::new(model.clone()));
        let functions = ModelFunctions::new(model);
        let table = Transitions::new(&view, &Value::Unit, 1.0, &Kernel::single_site(), &functions).unwrap();
        for from in 0..table.traces.len() {
            let reached = table.reachable(from);
            assert!(reached.into_iter().all(|seen| seen), "{name}: from {from}");
        }
    }
}

/// Whether a kernel, written in the language, keeps the posterior of the model `m` of a program, trace by trace.
fn keeps(program: &str, kernel: &str) -> Result<bool, String> {
    let before = "() => { let t = trace(m); factor(log_likelihood(t)); t }";
    let after = format!("() => {{ let t = trace(m); factor(log_likelihood(t)); step({kernel}, t) }}");
    let found = value(program, &format!("measure_eq(enumerate({before}), enumerate({after}))"))?;
    Ok(matches!(found, Value::Bool(true)))
}

#[test]
fn kernels_of_programs_keep_the_posterior() {
    let two = format!(
        "{}\n{}",
        FINITE[0].1,
        "
fn own(t) = {
  let (next, weight) = regenerate(t, [\"n\"])
  if flip(min(1, exp(weight))) { next } else { t }
}
fn flipped(t: Trace<(Bool, Int)>) = {
  let (x, n) = value_of(t)
  let (next, weight) = update(t, {x: !x})
  if flip(min(1, exp(weight))) { next } else { t }
}
fn near(s: (Bool, Int)) = {
  let (old, count) = s
  x ~ Flip(if count == 0 { 0.9 } else { 0.2 })
  n ~ Categorical(if x { [0.5, 0.25, 0.25] } else { [0.1, 0.1, 0.8] })
  return ()
}
fn one(s: (Bool, Int)) = {
  let (x, count) = s
  n ~ Categorical(if x { [0.5, 0.25, 0.25] } else { [0.1, 0.1, 0.8] })
  return ()
}
fn coin(s: (Bool, Int)) = {
  let (x, count) = s
  up ~ Flip(if x { 0.3 } else { 0.8 })
  return up
}
fn turn(s: (Bool, Int), up: Bool) = {
  let (x, count) = s
  n ~ Dirac((count + (if up { 1 } else { 2 })) % 3)
  up ~ Dirac(!up)
  return ()
}"
    );
    for kernel in [
        "kernel(own)",
        "kernel(flipped)",
        "proposal(near)",
        "proposal(one)",
        "independence(\"n\", Categorical([0.5, 0.25, 0.25]))",
        "involution(coin, turn)",
        "cycle([involution(coin, turn), proposal(near), choose([(0.25, kernel(own)), (0.75, gibbs([\"x\"]))])])",
        "on([\"x\"], choose([(0.5, single_site()), (0.5, slice())]))",
    ] {
        assert_eq!(keeps(&two, kernel), Ok(true), "{kernel}");
    }
}

#[test]
fn kernels_of_programs_change_which_choices_there_are() {
    let branch = format!(
        "{}\n{}",
        FINITE[2].1,
        "
fn near(s: (Bool, Int)) = {
  let (before, sum) = s
  k ~ Flip(if sum == 1 { 0.8 } else { 0.3 })
  if k {
    a ~ Categorical([0.2, 0.3, 0.5])
  } else {
    b ~ Flip(0.5)
  }
  return ()
}
fn own(t) = {
  let (next, weight) = regenerate(t, [\"k\", \"b\"])
  if flip(min(1, exp(weight))) { next } else { t }
}"
    );
    for kernel in ["proposal(near)", "kernel(own)", "cycle([proposal(near), single_site()])"] {
        assert_eq!(keeps(&branch, kernel), Ok(true), "{kernel}");
    }
    let length = format!(
        "{}\n{}",
        FINITE[1].1,
        "
fn draw(s: (Int, Int, Bool)) = {
  let (count, total, c) = s
  up ~ Flip(if count == 0 { 1.0 } else { if count == 2 { 0.0 } else { 0.5 } })
  return up
}
fn grow(s: (Int, Int, Bool), up: Bool) = {
  let (count, total, c) = s
  n ~ Dirac(if up { count + 1 } else { count - 1 })
  up ~ Dirac(!up)
  return ()
}"
    );
    assert_eq!(keeps(&length, "involution(draw, grow)"), Ok(true));
}

#[test]
fn wrong_kernels_are_seen() {
    let two = format!(
        "{}\n{}",
        FINITE[0].1,
        "
fn always(t) = {
  let (next, weight) = regenerate(t, [\"n\"])
  next
}
fn lopsided(t: Trace<(Bool, Int)>) = {
  let (x, n) = value_of(t)
  let (next, weight) = update(t, {n: (n + 1) % 3})
  if flip(min(1, exp(weight))) { next } else { t }
}"
    );
    for kernel in ["kernel(always)", "kernel(lopsided)"] {
        assert_eq!(keeps(&two, kernel), Ok(false), "{kernel}");
    }
}

#[test]
fn kernels_that_do_not_fit_are_refused_in_words() {
    let program = "
model m { x ~ Normal(0, 1); observe 1.0 ~ Normal(x, 1); return x }
model other { n ~ Poisson(3); observe 1.0 ~ Normal(n, 1); return {n} }
model stick { a ~ Uniform(0, 1); b ~ Flat(Interval(0, 1 - a)); observe 0.5 ~ Normal(a + b, 0.5); return (a, b) }
model names { x ~ Normal(0, 1); y ~ Normal(x, 1); observe 1.0 ~ Normal(y, 1); return (x, y) }
fn of_other(s: {n: Int}) = { n ~ Poisson(2 + s.n); return () }
fn unnamed(s: Real) = { let u = sample(Normal(0, 1)); x ~ Dirac(u); return () }
fn stranger(s: Real) = { y ~ Normal(s, 1); return () }
fn mistyped(s: Real) = { x ~ Flip(0.5); return () }
fn weighing(s: Real) = { x ~ Normal(s, 1); factor(x); return () }
fn none(s: Real) = 0
fn away(s: Real, u: Int) = { x ~ Dirac(s + 1); return () }
fn folded(s: Real, u: Int) = { x ~ Dirac(1.0); return () }
fn more(s: Real, u: Int) = { x ~ Dirac(-s); z ~ Dirac(s); return () }
fn elsewhere(t: Trace<Real>) = trace(m)
fn else_other(t: Trace<Real>) = trace(() => 1.5)
";
    let cases = [
        ("chain(m, proposal(of_other), 10)", "written for another model"),
        ("chain(m, kernel((t: Trace<{n: Int}>) => t), 10)", "written for another model"),
        ("step(proposal(of_other), trace(m))", "written for another model"),
        ("chain(m, proposal(unnamed), 10)", "no name"),
        ("chain(m, proposal(stranger), 10)", "does not have"),
        ("chain(m, proposal(mistyped), 10)", "of another type"),
        ("chain(m, proposal(weighing), 10)", "observes or weighs"),
        ("chain(m, involution(none, away), 10)", "not its own inverse"),
        ("chain(m, involution(none, folded), 10)", "not its own inverse"),
        ("chain(m, involution(none, more), 10)", "writes `z`"),
        ("chain(m, kernel(else_other), 10)", "another model"),
        ("chain(names, elliptical([\"x\", \"y\"]), 10)", "depend on each other"),
        ("chain(other, elliptical([\"n\"]), 10)", "is from Poisson"),
        ("on([\"x\"], proposal(stranger))", "cannot restrict"),
        ("random_walk(-1)", "standard deviation"),
        ("cycle([])", "at least one"),
        ("choose([(0.0, gibbs())])", "not all zero"),
        ("chain(() => { x ~ Normal(0, 1); condition(x > 1000); x }, gibbs(), 10)", "no start of positive probability"),
        ("update(trace(m), {y: 1.0})", "does not have"),
        ("update(trace(m), {x: true})", "of another type"),
        ("update(trace(m), 3)", "takes a record"),
        ("chain(other, on([\"n\"], nuts_kernel()), 10)", "`n` takes values in"),
        ("chain(stick, nuts_kernel(), 100)", "that of `b` changed"),
        ("hmc_kernel(-1)", "the size of a step"),
        ("hmc_kernel(0.1, 0)", "between 1 and"),
    ];
    for (expression, wanted) in cases {
        let message = value(program, expression).expect_err(expression);
        assert!(message.contains(wanted), "{expression}: {message}");
        assert!(!message.contains("internal"), "{expression}: {message}");
    }
    // A trace of the same model from anywhere will do.
    assert!(value(program, "chain(m, cycle([kernel(elsewhere), gibbs()]), 10, chains = 1)").is_ok());
}

#[test]
fn kernels_print_and_compare_as_they_are_written() {
    let text = "on([\"x\"], cycle([gibbs(), choose([(0.5, slice()), (0.5, random_walk(0.3))]), repeat(prior(), 3)]))";
    let found = value("", text).unwrap();
    assert_eq!(found.to_string(), text);
    let same = format!("draws(enumerate(() => if flip(0.5) {{ {text} }} else {{ {text} }}))");
    assert_eq!(value("", &same).unwrap().array_len(), Some(1));
    let other = format!("draws(enumerate(() => if flip(0.5) {{ {text} }} else {{ gibbs() }}))");
    assert_eq!(value("", &other).unwrap().array_len(), Some(2));
}

/// Mean and deviation of a function of the draws, with the standard error of the mean.
fn moments(program: &str, kernel: &str, of: &str, draws: usize) -> (f64, f64) {
    let text = format!("{{ let p = chain(m, {kernel}, draws = {draws}, chains = 4); (mean(p, {of}), sd(p, {of})) }}");
    match value(program, &text).unwrap() {
        Value::Tuple(parts) => (parts.0[0].as_real().unwrap(), parts.0[1].as_real().unwrap()),
        other => panic!("{other}"),
    }
}

/// A conjugate model: the posterior of `mu` is Normal, and `tau` and the `theta` follow.
const NORMALS: &str = "
model m {
  mu ~ Normal(1, 2)
  z ~ iid(Normal(0, 1), 2)
  observe [2.0, 0.5] ~ Normal(mu + z, 0.5)
  return {mu, z}
}
fn walk(s: {mu: Real, z: [Real]}) = { mu ~ Normal(s.mu + 0.3, 0.8); return () }
fn both(s: {mu: Real, z: [Real]}) = {
  mu ~ Normal(1.2, 1)
  z ~ iid(Normal(0.5 * mu, 1), 2)
  return ()
}
fn shift(s: {mu: Real, z: [Real]}) = { by ~ Normal(0, 1); return by }
fn along(s: {mu: Real, z: [Real]}, by: Real) = {
  mu ~ Dirac(s.mu + by)
  z ~ Dirac(s.z - by)
  by ~ Dirac(-by)
  return ()
}
fn scale(s: {mu: Real, z: [Real]}) = { by ~ Normal(0, 0.7); return by }
fn stretch(s: {mu: Real, z: [Real]}, by: Real) = {
  mu ~ Dirac(s.mu * exp(by))
  by ~ Dirac(-by)
  return ()
}
fn own(t) = {
  let (next, weight) = regenerate(t, [\"z\"])
  if flip(min(1, exp(weight))) { next } else { t }
}
";

#[test]
fn continuous_kernels_find_a_normal_posterior() {
    // y = mu + z + e with variances 4, 1 and 0.25: mu has precision 1/4 + 2/1.25.
    let precision = 0.25 + 2.0 / 1.25;
    let mean = (0.25 * 1.0 + 2.5 / 1.25) / precision;
    let sd = 1.0 / f64::sqrt(precision);
    for (kernel, draws) in [
        ("slice()", 3000),
        ("elliptical()", 3000),
        ("elliptical([\"mu\", \"z\"])", 3000),
        ("random_walk()", 3000),
        ("random_walk(0.8)", 3000),
        ("cycle([independence(\"mu\", StudentT(4, 1, 2)), slice()])", 3000),
        ("cycle([proposal(walk), on([\"z\"], slice())])", 3000),
        ("repeat(proposal(both), 8)", 3000),
        ("cycle([involution(shift, along), slice()])", 3000),
        ("cycle([involution(scale, stretch), on([\"z\"], slice()), involution(shift, along)])", 3000),
        ("cycle([kernel(own), on([\"mu\"], slice())])", 3000),
        ("choose([(0.5, prior([\"z\"])), (0.5, on([\"mu\"], random_walk(1)))])", 8000),
        ("nuts_kernel()", 1000),
        ("nuts_kernel(0.3)", 1000),
        ("hmc_kernel(0, 6)", 2000),
        ("hmc_kernel(0.25, 8)", 2000),
        ("cycle([on([\"mu\"], hmc_kernel(0.4, 4)), on([\"z\"], nuts_kernel())])", 2000),
    ] {
        let (found, spread) = moments(NORMALS, kernel, "r => r.mu", draws);
        // Some hundreds of effective draws at least: four standard errors of 300.
        assert!((found - mean).abs() < 4.0 * sd / 300f64.sqrt(), "{kernel}: mean {found}, not {mean}");
        assert!((spread / sd - 1.0).abs() < 0.16, "{kernel}: deviation {spread}, not {sd}");
    }
}

#[test]
fn reversible_jump_finds_the_odds_of_two_dimensions() {
    // One mean for both data, or a mean and a difference: the evidences are known in closed form.
    let program = "
model m {
  k ~ Flip(0.4)
  if k {
    u ~ Normal(0, 1)
    v ~ Normal(0, 1)
    observe [0.3, 1.4] ~ Normal([u, v], 0.7)
    return {k, u, v}
  } else {
    w ~ Normal(0, 1.5)
    observe [0.3, 1.4] ~ Normal([w, w], 0.7)
    return {k, u: w, v: w}
  }
}
fn draw(s: {k: Bool, u: Real, v: Real}) = {
  if !s.k { e ~ Normal(0, 0.8) ; e } else { 0.0 }
}
fn jump(s: {k: Bool, u: Real, v: Real}, e: Real) = {
  if s.k {
    k ~ Dirac(false)
    w ~ Dirac((s.u + s.v) / 2)
    e ~ Dirac((s.v - s.u) / 2)
  } else {
    k ~ Dirac(true)
    u ~ Dirac(s.u - e)
    v ~ Dirac(s.u + e)
  }
  return ()
}";
    let normal = |x: f64, v: f64| (-0.5 * x * x / v).exp() / (2.0 * std::f64::consts::PI * v).sqrt();
    let two = normal(0.3, 1.49) * normal(1.4, 1.49);
    // Jointly Normal with variance 2.25 + 0.49 and covariance 2.25.
    let (variance, covariance) = (2.74f64, 2.25f64);
    let determinant = variance * variance - covariance * covariance;
    let square = (variance * (0.09 + 1.96) - 2.0 * covariance * 0.42) / determinant;
    let one = (-0.5 * square).exp() / (2.0 * std::f64::consts::PI * determinant.sqrt());
    let expected = 0.4 * two / (0.4 * two + 0.6 * one);
    let kernel = "cycle([involution(draw, jump), on([\"u\", \"v\", \"w\"], random_walk(0.7))])";
    let (found, _) = moments(program, kernel, "r => if r.k { 1.0 } else { 0.0 }", 8000);
    // Autocorrelated: some 1,500 effective draws, two standard errors.
    assert!((found - expected).abs() < 0.025, "{found}, not {expected}");
}

#[test]
fn hamiltonian_moves_mix_with_moves_of_discrete_choices() {
    // Given z the data are Normal(m_z, √1.25), so odds and mean are known.
    let mixed = "
model m {
  z ~ Flip(0.3)
  mu ~ Normal(if z { 2 } else { -1 }, 0.5)
  observe 0.8 ~ Normal(mu, 1)
  return {z: if z { 1.0 } else { 0.0 }, mu}
}";
    let normal = |x: f64, v: f64| (-0.5 * x * x / v).exp() / (2.0 * std::f64::consts::PI * v).sqrt();
    let (yes, no) = (0.3 * normal(0.8 - 2.0, 1.25), 0.7 * normal(0.8 + 1.0, 1.25));
    let p = yes / (yes + no);
    let expected = p * (2.0 + 0.2 * (0.8 - 2.0)) + (1.0 - p) * (-1.0 + 0.2 * 1.8);
    for kernel in ["cycle([nuts_kernel(), gibbs([\"z\"])])", "cycle([on([\"mu\"], hmc_kernel(0.4, 3)), single_site()])"]
    {
        let kernel = format!("repeat({kernel}, 5)");
        let (found, _) = moments(mixed, &kernel, "r => r.z", 4000);
        assert!((found - p).abs() < 0.06, "{kernel}: {found}, not {p}");
        let (found, spread) = moments(mixed, &kernel, "r => r.mu", 4000);
        assert!((found - expected).abs() < 0.12 * spread, "{kernel}: {found}, not {expected}");
    }
}

#[test]
fn hamiltonian_moves_follow_models_whose_structure_varies() {
    // The sum of n + 1 standard normals is observed as 2 with error 1: the posterior of n is known.
    let program = "
model m {
  n ~ Categorical([0.5, 0.3, 0.2])
  var total = 0.0
  for i in 0..=n {
    x ~ Normal(0, 1)
    total = total + x
  }
  observe 2.0 ~ Normal(total, 1)
  return {n: real(n), total}
}";
    let normal = |x: f64, v: f64| (-0.5 * x * x / v).exp() / (2.0 * std::f64::consts::PI * v).sqrt();
    let weights: Vec<f64> = [0.5, 0.3, 0.2].iter().enumerate().map(|(n, p)| p * normal(2.0, n as f64 + 2.0)).collect();
    let sum: f64 = weights.iter().sum();
    let mean = (weights[1] + 2.0 * weights[2]) / sum;
    // Given n the total has mean 2 (n + 1) / (n + 2).
    let total: f64 =
        weights.iter().enumerate().map(|(n, w)| w * 2.0 * (n as f64 + 1.0) / (n as f64 + 2.0)).sum::<f64>() / sum;
    let kernel = "repeat(cycle([nuts_kernel(), on([\"n\"], single_site())]), 3)";
    let (found, _) = moments(program, kernel, "r => r.n", 3000);
    assert!((found - mean).abs() < 0.06, "{found}, not {mean}");
    let (found, spread) = moments(program, kernel, "r => r.total", 3000);
    assert!((found - total).abs() < 0.08 * spread, "{found}, not {total}");
}

#[test]
fn hamiltonian_moves_know_the_supports_of_choices() {
    // Gamma(3, 2) has mean 1.5 and variance 0.75; Dirichlet(2, 3, 5) has means 0.2, 0.3, 0.5; a product of uniforms a conditional one.
    let program = "
model m {
  s ~ Gamma(3, 2)
  p ~ Dirichlet([2, 3, 5])
  a ~ Uniform(0, 1)
  b ~ Uniform(0, a)
  factor(0.0 * s)
  return {s, p: p[0], b}
}";
    let kernel =
        "cycle([on([\"s\", \"p\"], nuts_kernel()), on([\"a\"], hmc_kernel(0, 5)), on([\"b\"], hmc_kernel(0, 5))])";
    for (of, mean, sd) in [
        ("r => r.s", 1.5, 0.75f64.sqrt()),
        ("r => r.p", 0.2, (0.2f64 * 0.8 / 11.0).sqrt()),
        // The mean of a / 2, and the variance of b: 1/9 − 1/16.
        ("r => r.b", 0.25, (7.0f64 / 144.0).sqrt()),
    ] {
        let program = program.replace("factor(0.0 * s)", "observe 0.0 ~ Normal(0 * (s + p[0] + b), 1)");
        let (found, spread) = moments(&program, kernel, of, 2500);
        assert!((found - mean).abs() < 0.2 * sd, "{of}: {found}, not {mean}");
        assert!((spread / sd - 1.0).abs() < 0.12, "{of}: {spread}, not {sd}");
    }
}

/// Successive draws of parameters and data by a kernel and the model keep both as the prior has them (Geweke 2004).
#[test]
fn kernels_pass_the_joint_distribution_test() {
    for kernel in [
        "slice()",
        "random_walk()",
        "elliptical()",
        "single_site()",
        "proposal(walk)",
        "involution(shift, turn)",
        "nuts_kernel(0.4)",
        "hmc_kernel(0.5, 3)",
    ] {
        let program = format!(
            "
fn walk(mu: Real) = {{ mu ~ Normal(0.9 * mu, 0.6); return () }}
fn shift(mu: Real) = {{ by ~ Normal(0, 0.8); return by }}
fn turn(mu: Real, by: Real) = {{ mu ~ Dirac(-mu + by); by ~ Dirac(by); return () }}
fn round(mu: Real) ~> Real {{
  let y = sample(Normal(mu, 1))
  let (t, weight) = update(trace(() => {{ mu ~ Normal(0, 1); observe y ~ Normal(mu, 1); mu }}), {{mu: mu}})
  value_of(step({kernel}, t))
}}
fn all(rounds: Int) ~> [Real] {{
  var mu = sample(Normal(0, 1))
  var out = zeros(rounds)
  for k in 0..rounds {{
    mu = round(mu)
    out[k] = mu
  }}
  out
}}"
        );
        let draws = value(&program, "all(4000)").unwrap();
        let Value::Reals(draws) = draws else { panic!("numbers were expected") };
        let n = draws.len() as f64;
        let mean = draws.iter().sum::<f64>() / n;
        let square = draws.iter().map(|x| x * x).sum::<f64>() / n;
        let fourth = draws.iter().map(|x| x.powi(4)).sum::<f64>() / n;
        // 250 effective draws at least, four standard errors: of x, x² and x⁴ these are 1, √2 and √96 times that.
        let error = 4.0 / 250f64.sqrt();
        assert!(mean.abs() < error, "{kernel}: {mean}");
        assert!((square - 1.0).abs() < 2f64.sqrt() * error, "{kernel}: {square}");
        assert!((fourth - 3.0).abs() < 96f64.sqrt() * error, "{kernel}: {fourth}");
    }
}

#[test]
fn adaptation_stops_with_the_warm_up() {
    use borel::infer::chain::{Options as ChainOptions, chain};
    use borel::model::Production;
    use borel::posterior::Info;
    use borel::value::Generator;
    // With a narrow posterior, steps of size 1 are hardly ever accepted; adapted ones are about 44 times in 100.
    let text = "model m { x ~ Normal(0, 1); observe 0.3 ~ Normal(x, 0.001); return x }";
    let mut session = session();
    let file = session.load_text("narrow.borel", text).unwrap();
    let model = session.model(&file, None).unwrap();
    let view = Arc::new(TracedView::new(model.clone()));
    let functions = ModelFunctions::new(model);
    let rate = |warmup: usize| {
        let options =
            ChainOptions { draws: 2000, warmup, chains: 1, steps: None, all: false, tries: 100_000, temperature: 1.0 };
        let mut random = Production(Generator::new(9));
        let kernel = Kernel::random_walk(None);
        let posterior = chain(&view, &Value::Unit, &kernel, options, (&functions, &|| 0.0), &mut random).unwrap();
        let Some((_, Info::Table(table))) = posterior.info.iter().find(|(name, _)| name == "acceptance") else {
            panic!("rates were expected")
        };
        table[0].1
    };
    assert!(rate(0) < 0.02);
    let adapted = rate(1000);
    assert!((0.3..0.6).contains(&adapted), "{adapted}");
}

#[test]
fn rates_are_told_by_kernel_and_choice() {
    let program = "model m { mu ~ Normal(0, 1); k ~ Flip(0.5); observe 1.0 ~ Normal(if k { mu } else { 0.0 }, 1); return (mu, k) }";
    let mut session = session();
    let file = session.load_text("rates.borel", program).unwrap();
    session.bind_data(&[]).unwrap();
    let rates = |session: &mut Session, text: &str| {
        let Value::Host(object) = session.expression_value(text).unwrap() else { panic!("a posterior was expected") };
        let posterior = object.as_any().downcast_ref::<borel::posterior::Posterior>().unwrap().clone();
        let table = posterior.info.iter().find_map(|(name, info)| match info {
            borel::posterior::Info::Table(table) if name == "acceptance" => Some(table.clone()),
            _ => None,
        });
        table.unwrap().into_iter().map(|(name, _)| name).collect::<Vec<_>>()
    };
    let _ = file;
    assert_eq!(rates(&mut session, "chain(m, single_site(), 50)"), ["k", "mu"]);
    let found = rates(&mut session, "chain(m, cycle([on([\"mu\"], slice()), gibbs([\"k\"]), prior([\"mu\"])]), 50)");
    assert_eq!(found, ["gibbs(): k", "prior([\"mu\"])", "slice(): mu"]);
    assert_eq!(rates(&mut session, "mh(m, 50)"), ["k", "mu"]);
}
