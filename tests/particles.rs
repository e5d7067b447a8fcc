//! Particle methods, checked exactly: their own decisions are enumerated with those of the model, by the code that ships.
#![allow(clippy::unwrap_used)]

use borel::driver::{Options, Session};
use borel::source::MemoryWorld;
use borel::source::world::Stream;
use std::sync::Arc;

/// What a script prints.
fn printed(text: &str) -> String {
    let world = Arc::new(MemoryWorld::default());
    let mut session = Session::new(world.clone(), Options::default());
    let file = session.load_text("script.borel", text).map_err(|f| session.render_failure(&f, false)).unwrap();
    session.bind_data(&[]).map_err(|f| session.render_failure(&f, false)).unwrap();
    session.run(&file).map_err(|f| session.render_failure(&f, false)).unwrap();
    world.written(Stream::Out)
}

/// Fails where a script prints anything but `true`.
fn all_true(text: &str) {
    let out = printed(text);
    let wrong: Vec<&str> = out.lines().filter(|line| line.split(' ').next_back() != Some("true")).collect();
    assert!(wrong.is_empty() && !out.is_empty(), "{}", wrong.join("\n"));
}

/// Models of finite choices: one of a fixed number of observations, ones in which some runs meet fewer, one whose loop has a random
/// length, one that refuses runs, one with a last weight.
const MODELS: &str = "
model chain {
  a ~ Bernoulli(0.3)
  factor(log(if a == 1 { 0.5 } else { 2.0 }))
  b ~ Bernoulli(if a == 1 { 0.6 } else { 0.2 })
  factor(log(if a == b { 0.3 } else { 1.0 }))
  return (a, b)
}
fn later() ~> Int {
  b ~ Bernoulli(0.5)
  condition(b == 1)
  c ~ Bernoulli(0.25)
  factor(log(1.0 + c))
  return 1 + c
}
model uneven {
  a ~ Bernoulli(0.3)
  factor(log(if a == 1 { 0.5 } else { 2.0 }))
  return if a == 1 { 0 } else { later() }
}
model evidence1 {
  e ~ Flip(0.5)
  if e { condition(flip(0.5)) }
  return {e}
}
model evidence2 {
  e ~ Flip(0.5)
  if e {} else { condition(flip(0.5)) }
  return {e}
}
model turns {
  n ~ Choice([1, 2], [0.4, 0.6])
  var s = 0
  for i in 0..n {
    x ~ Bernoulli(0.3)
    factor(log(0.5 + 0.7 * x))
    s = s + x
  }
  factor(log(1.0 + s))
  return {n, s}
}
fn start(m: () ~> a) ~> Run<a> = pick(push_evidence(advance_to_end(spawn(m, 1))))
fn invariant(m: () ~> a, n: Int, scheme: String, threshold: Real, ancestors: Bool) =
  measure_eq(enumerate(m), enumerate(() => value_of(conditional_smc(m, start(m), n, scheme, threshold, ancestors))))
let schemes = [systematic, stratified, multinomial, residual]
";

#[test]
fn conditional_filters_leave_the_posterior_as_it_is() {
    let body = "
for scheme in schemes {
  for threshold in [0.9, 1.0] {
    for ancestors in [false, true] {
      print(scheme, threshold, ancestors, \"chain\", invariant(chain, 2, scheme, threshold, ancestors))
      print(scheme, threshold, ancestors, \"uneven\", invariant(uneven, 2, scheme, threshold, ancestors))
      print(scheme, threshold, ancestors, \"evidence1\", invariant(evidence1, 2, scheme, threshold, ancestors))
    }
  }
  print(scheme, \"evidence2\", invariant(evidence2, 3, scheme, 1.0, true))
}
print(\"turns alone\", invariant(turns, 2, multinomial, 1.0, false))
print(\"turns\", invariant(turns, 2, multinomial, 1.0, true))";
    all_true(&format!("{MODELS}{body}"));
}

#[test]
fn conditional_filters_of_three_particles_leave_the_posterior_as_it_is() {
    // With two particles a child that copies what is retained cannot be told from one that does not.
    let body = "
for scheme in schemes {
  print(scheme, invariant(chain, 3, scheme, 1.0, false))
  print(scheme, invariant(chain, 3, scheme, 1.0, true))
}";
    all_true(&format!("{MODELS}{body}"));
}

#[test]
fn particle_independent_proposals_leave_the_posterior_as_it_is() {
    let body = "
fn step(m: () ~> a, n: Int) ~> a {
  let c = smc(m, n)
  factor(log_evidence(c))
  sample(pimh_step(c, m, n))
}
print(\"chain\", measure_eq(enumerate(chain), enumerate(() => step(chain, 2))))
print(\"uneven\", measure_eq(enumerate(uneven), enumerate(() => step(uneven, 2))))
print(\"evidence2\", measure_eq(enumerate(evidence2), enumerate(() => step(evidence2, 2))))";
    all_true(&format!("{MODELS}{body}"));
}

#[test]
fn filters_keep_the_measure() {
    let body = "
fn keeps(m: () ~> a, name: String) {
  for scheme in schemes {
    for threshold in [0.0, 0.7, 1.0] {
      print(name, scheme, threshold, measure_eq(enumerate(m), enumerate(() => collapse(smc(m, 2, scheme, threshold)))))
    }
    print(name, scheme, \"apf\", measure_eq(enumerate(m), enumerate(() => collapse(apf(m, 2, 1, scheme)))))
  }
}
keeps(chain, \"chain\")
keeps(evidence1, \"evidence1\")
keeps(evidence2, \"evidence2\")
keeps(uneven, \"uneven\")
print(\"turns\", measure_eq(enumerate(turns), enumerate(() => collapse(smc(turns, 3)))))
print(\"turns\", measure_eq(enumerate(turns), enumerate(() => collapse(apf(turns, 2)))))
print(\"alive\", measure_eq(enumerate(chain), enumerate(() => collapse(alive(chain, 2)))))
print(\"alive\", measure_eq(enumerate(turns), enumerate(() => collapse(alive(turns, 1)))))";
    all_true(&format!("{MODELS}{body}"));
}

#[test]
fn filters_within_a_chain_are_choices_of_it() {
    // A step of the chain may keep, redraw or refuse a filter, and never estimates anew what it keeps.
    let body = "
fn prior() ~> Real {
  p ~ Choice([0.2, 0.6], [0.5, 0.5])
  return p
}
fn steps(p: Real) ~> Int {
  var s = 0
  for t in 0..2 {
    x ~ Bernoulli(p)
    factor(log(0.3 + 0.6 * x))
    s = s + x
  }
  return s
}
fn estimated() ~> {theta: Real, state: Int} {
  let theta = prior()
  let filtered = smc(() => steps(theta), 2)
  factor(log_evidence(filtered))
  return {theta, state: sample(filtered)}
}
let exact = enumerate(() => {
  let theta = prior()
  return {theta, state: steps(theta)}
})
fn moved(times: Int) ~> {theta: Real, state: Int} {
  var t = trace(estimated)
  factor(log_likelihood(t))
  for i in 0..times {
    t = step(single_site(), t)
  }
  value_of(t)
}
print(\"started\", measure_eq(exact, enumerate(() => moved(0))))
print(\"moved\", measure_eq(exact, enumerate(() => moved(1))))
let found = pmmh(prior, steps, particles = 5, draws = 1000)
print(\"pmmh\", abs(prob(found, r => r.theta == 0.6) - prob(exact, r => r.theta == 0.6)) < 0.05)
let outer = smc2(prior, steps, outer = 500, particles = 10)
print(\"smc2\", abs(prob(outer, r => r.theta == 0.6) - prob(exact, r => r.theta == 0.6)) < 0.05)
print(\"smc2\", abs(log_evidence(outer) - log_evidence(exact)) < 0.2)
print(\"smc2\", measure_eq(exact, enumerate(() => collapse(smc2(prior, steps, outer = 1, particles = 1, moves = 1, threshold = 2.0)))))";
    all_true(&format!("{MODELS}{body}"));
}

#[test]
fn moves_and_temperatures_keep_the_measure() {
    let body = "
model pair {
  a ~ Bernoulli(0.3)
  b ~ Bernoulli(0.2 + 0.4 * a)
  factor(log(1.0 + a + 2.0 * b))
  return (a, b)
}
fn keeps(name: String, m: () ~> a, by: () ~> a) {
  print(name, measure_eq(enumerate(m), enumerate(by)))
}
keeps(\"tempered\", evidence1, () => collapse(tempered(evidence1, 2, steps = 2, moves = 1)))
keeps(\"tempered\", pair, () => collapse(tempered(pair, 1, steps = 2, moves = 1)))
keeps(\"ais\", evidence2, () => collapse(ais(evidence2, 2, steps = 2, moves = 1)))
keeps(\"rmsmc\", evidence1, () => collapse(rmsmc(evidence1, 2)))
keeps(\"rmsmc\", pair, () => collapse(rmsmc(pair, 2)))
keeps(\"rmsmc\", chain, () => collapse(rmsmc(chain, 1)))
keeps(\"rmsmc\", uneven, () => collapse(rmsmc(uneven, 1)))
keeps(\"rmsmc\", turns, () => collapse(rmsmc(turns, 1)))
keeps(\"ibis\", uneven, () => collapse(ibis(uneven, 1, moves = 1, threshold = 2.0)))
fn with_an_eighth() ~> (Int, Int) {
  factor(0.125 * log_likelihood(trace(pair)))
  pair()
}
fn exchanged() ~> (Int, Int) {
  let (a, b, c) = (trace(pair), trace(pair), trace(pair))
  factor(0.125 * log_likelihood(b) + log_likelihood(c))
  let (next, share) = exchange([at_temperature(a, 0.0), at_temperature(b, 0.125), c], single_site(), 1)
  value_of(next[2])
}
keeps(\"exchange\", with_an_eighth, exchanged)";
    all_true(&format!("{MODELS}{body}"));
}

/// What is said of a script that fails.
fn refused(text: &str) -> String {
    let mut session = Session::new(Arc::new(MemoryWorld::default()), Options::default());
    let loaded = session.load_text("script.borel", text);
    let ran = loaded.and_then(|file| session.bind_data(&[]).and_then(|_| session.run(&file)));
    session.render_failure(&ran.unwrap_err(), false)
}

#[test]
fn guides_keep_the_measure() {
    let body = "
fn both() ~> () {
  a ~ Bernoulli(0.5)
  b ~ Bernoulli(if a == 1 { 0.5 } else { 0.9 })
}
fn first() ~> () {
  let bold = flip(0.3)
  a ~ Bernoulli(if bold { 0.9 } else { 0.2 })
}
fn branching() ~> () {
  a ~ Bernoulli(0.6)
  if a == 0 {
    b ~ Bernoulli(0.9)
  }
}
fn turning() ~> () {
  for i in 0..2 {
    x ~ Bernoulli(0.5)
  }
  n ~ Dirac(2)
}
fn keeps(name: String, m: () ~> a, g: () ~> b) {
  print(name, \"alone\", measure_eq(enumerate(m), enumerate(() => guided(m, g))))
  print(name, \"importance\", measure_eq(enumerate(m), enumerate(() => collapse(importance(m, g, draws = 2)))))
  print(name, \"within a filter\", measure_eq(enumerate(m), enumerate(() => collapse(smc(() => guided(m, g), 2)))))
}
keeps(\"both\", chain, both)
keeps(\"an auxiliary choice\", chain, first)
keeps(\"the names of functions left out\", uneven, branching)
keeps(\"loops\", () => {
  var s = 0
  for i in 0..2 {
    x ~ Bernoulli(0.3)
    factor(log(0.5 + 0.7 * x))
    s = s + x
  }
  s
}, () => { for i in 0..2 { x ~ Bernoulli(0.1 + 0.5 * i) } })
// A guide that is the posterior leaves nothing to chance: every run has the weight of the evidence.
let found = importance(() => {
  mu ~ Normal(0, 2)
  observe [5.5, 6.5] ~ Normal(mu, 1)
  mu
}, () => { mu ~ Normal(16.0 / 3.0, 2.0 / 3.0) }, draws = 50)
print(abs(log_evidence(found) + 7.1864893551) < 1e-9)";
    all_true(&format!("{MODELS}{body}"));
}

#[test]
fn guides_that_leave_something_out_are_refused() {
    let with = |guide: &str| {
        let text = "
model m {
  x ~ Normal(0, 1)
  n ~ Categorical([0.5, 0.25, 0.25])
  observe 1.0 ~ Normal(x + n, 1)
  return x
}
print(importance(m, () => { GUIDE }, draws = 100))";
        refused(&text.replace("GUIDE", guide))
    };
    let said = [
        with("x ~ Uniform(-3, 3)"),
        with("n ~ Categorical([0.5, 0.0, 0.5])"),
        with("n ~ Bernoulli(0.5)"),
        with("y ~ Normal(0, 1)"),
        with("x ~ Normal(0, 1); factor(x)"),
        with("x ~ Flip(0.5)"),
        with("x ~ Normal(0, -1)"),
    ];
    insta::assert_snapshot!("guides_refused", said.join("\n"));
    for (said, part) in
        said.iter().zip(["does not cover", "can draw 1", "does not cover", "`y`", "weighs", "type", "sigma"])
    {
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn what_is_frozen_stays_and_keeps_the_measure() {
    let body = "
fn frozen(m: () ~> a, n: Int) ~> a {
  var p = spawn(m, n)
  while running(p) {
    p = p |> advance |> resample(systematic) |> move(single_site(), 1) |> freeze
  }
  collapse(finish(p))
}
fn between(m: () ~> a) ~> a {
  var p = freeze(advance(spawn(m, 1)))
  while running(p) {
    p = p |> advance |> resample |> move(cycle([single_site(), gibbs()]), 1)
  }
  collapse(finish(p))
}
print(\"chain\", measure_eq(enumerate(chain), enumerate(() => frozen(chain, 1))))
print(\"uneven\", measure_eq(enumerate(uneven), enumerate(() => frozen(uneven, 1))))
print(\"evidence1\", measure_eq(enumerate(evidence1), enumerate(() => frozen(evidence1, 2))))
print(\"between\", measure_eq(enumerate(chain), enumerate(() => between(chain))))
print(\"between turns\", measure_eq(enumerate(turns), enumerate(() => between(turns))))
fn stays() ~> Bool {
  let p = freeze(advance_to_end(spawn(chain, 1)))
  value_of(pick(p)) == value_of(pick(move(p, cycle([single_site(), prior()]), 2)))
}
fn moves() ~> Bool {
  let p = advance_to_end(spawn(chain, 1))
  value_of(pick(p)) == value_of(pick(move(p, cycle([single_site(), prior()]), 2)))
}
print(\"stays\", prob(enumerate(stays), same => same) == 1.0)
print(\"moves\", prob(enumerate(moves), same => same) < 1.0)";
    all_true(&format!("{MODELS}{body}"));
    let said = refused(&format!("{MODELS}print(update(freeze(trace(chain)), {{a: 1}}))"));
    assert!(said.contains("`freeze` holds"), "{said}");
}

#[test]
fn estimates_stand_for_what_they_integrate_out() {
    let body = "
fn prior() ~> Real {
  p ~ Choice([0.2, 0.6], [0.5, 0.5])
  return p
}
fn steps(p: Real) ~> Int {
  var s = 0
  for t in 0..2 {
    x ~ Bernoulli(p)
    factor(log(0.3 + 0.6 * x))
    s = s + x
  }
  return s
}
let exact = enumerate(() => {
  let p = prior()
  let s = steps(p)
  p
})
fn estimated(method: (() ~> Int) ~> Posterior<Int>) ~> Real {
  let p = prior()
  let gone = marginal(() => steps(p), method)
  p
}
print(\"smc\", measure_eq(exact, enumerate(() => estimated(m => smc(m, 2)))))
print(\"importance\", measure_eq(exact, enumerate(() => estimated(m => importance(m, draws = 3)))))
print(\"exact\", measure_eq(exact, enumerate(() => estimated(m => enumerate(m)))))
print(\"measure\", measure(() => prior()) == [(0.2, 0.5), (0.6, 0.5)])
print(\"measure\", all(zip_with(measure(evidence1), [0.5, 0.25], (p, q) => { let (value, mass) = p; abs(mass - q) < 1e-15 }), x => x))";
    all_true(&format!("{MODELS}{body}"));
}

#[test]
fn chains_of_filters_try_to_start_where_particles_are_left() {
    let body = "
model rare {
  x ~ Flip(0.05)
  condition(x)
  return x
}
print(prob(pimh(rare, particles = 5, draws = 20, warmup = 5), x => x) > 0.999999)
print(prob(pgibbs(rare, particles = 5, draws = 20, warmup = 5), x => x) > 0.999999)
print(prob(pgas(rare, particles = 5, draws = 20, warmup = 5), x => x) > 0.999999)";
    all_true(body);
}

#[test]
fn filters_of_runs_that_meet_fewer_weights_keep_the_measure() {
    // Recursion and loops of random length, in which a run that ends early waits for the others at the weight that all meet.
    let body = "
fn deeper(n: Int) ~> Int {
  go ~ Bernoulli(0.4)
  if go == 1 && n < 2 {
    factor(log(0.5 + n))
    1 + deeper(n + 1)
  } else {
    0
  }
}
model recursive {
  let k = deeper(0)
  factor(log(1.0 + k))
  return k
}
model whiling {
  var n = 0
  var on = true
  while on && n < 2 {
    go ~ Bernoulli(0.4)
    if go == 1 { factor(log(0.5 + n)) }
    on = go == 1
    n = n + 1
  }
  factor(log(1.0 + n))
  return n
}
model refusing {
  var n = 0
  while n < 2 && flip(0.5) {
    condition(flip(0.6))
    n = n + 1
  }
  return n
}
fn keeps(name: String, m: () ~> a) {
  for scheme in schemes {
    for threshold in [0.7, 1.0] {
      print(name, scheme, threshold, measure_eq(enumerate(m), enumerate(() => collapse(smc(m, 2, scheme, threshold)))))
    }
  }
  print(name, \"apf\", measure_eq(enumerate(m), enumerate(() => collapse(apf(m, 2)))))
  print(name, \"pgas\", invariant(m, 2, systematic, 1.0, true))
}
keeps(\"recursive\", recursive)
keeps(\"whiling\", whiling)
keeps(\"refusing\", refusing)
keeps(\"evidence1\", evidence1)
keeps(\"evidence2\", evidence2)
print(\"alive\", measure_eq(enumerate(recursive), enumerate(() => collapse(alive(recursive, 1)))))
print(\"alive\", measure_eq(enumerate(whiling), enumerate(() => collapse(alive(whiling, 1)))))";
    all_true(&format!("{MODELS}{body}"));
}

#[test]
fn particles_that_are_ahead_wait() {
    // Two kinds of run: one meets the weight 7 in a branch, then both meet the last one, at which they are compared.
    let body = "
model m {
  long ~ Flip(0.5)
  if long { factor(7.0) }
  factor(1.0)
  return long
}
let first = advance(spawn(m, 40))
let second = advance(first)
print(\"after one\", all(log_weights(first), w => w == 0.0 || w == 7.0) && any(log_weights(first), w => w == 0.0))
print(\"after two\", all(log_weights(second), w => w == 1.0 || w == 8.0))
print(\"running\", running(first) && !running(advance(second)))
print(\"the same\", log_evidence(advance(second)) == log_evidence(second))";
    all_true(body);
}

#[test]
fn the_second_estimate_of_the_hidden_markov_model_is_exact() {
    // By hand: with multinomial resampling at every step, for every number of particles, the estimate of the evidence has the expectation
    // 121941/1600000, together with the last state 17973/320000·[x₃ = 1]; and the mean of its logarithm grows with the particles.
    let model = "
model hmm2 {
  let y = [0, 1, 1]
  let transition = [[0.9, 0.1], [0.3, 0.7]]
  let heads = [0.2, 0.75]
  var state = 0
  for t in 0..3 {
    x ~ Categorical(if t == 0 { [0.5, 0.5] } else { transition[state] })
    observe y[t] ~ Bernoulli(heads[x])
    state = x
  }
  return state == 1
}
fn check(n: Int, mean_log: Real) {
  let estimates = enumerate(() => smc(hmm2, n, multinomial, 1.0))
  print(n, abs(expect(estimates, p => exp(log_evidence(p))) - 121941.0 / 1600000.0) < 1e-14)
  print(n, abs(expect(estimates, p => exp(log_evidence(p)) * prob(p, last => last)) - 17973.0 / 320000.0) < 1e-14)
  print(n, abs(expect(estimates, p => log_evidence(p)) - mean_log) < 1e-9)
}
check(1, -3.0454954595)
check(2, -2.9213014861)
check(3, -2.8428486041)";
    all_true(model);
}

#[test]
fn chains_of_particle_filters_draw_from_the_posterior() {
    // Means of 20,000 dependent draws: some five standard errors.
    let body = "
let p = prob(enumerate(turns), r => r.s == 1)
print(\"pgibbs\", abs(prob(pgibbs(turns, particles = 5, draws = 5000), r => r.s == 1) - p) < 0.02)
print(\"pgas\", abs(prob(pgas(turns, particles = 3, draws = 5000), r => r.s == 1) - p) < 0.02)
print(\"pimh\", abs(prob(pimh(turns, particles = 3, draws = 5000), r => r.s == 1) - p) < 0.02)";
    all_true(&format!("{MODELS}{body}"));
}

#[test]
fn what_is_left_of_dead_particles_is_explained() {
    let script = |body: &str| {
        let text = format!("model m {{\n  x ~ Flip(0.5)\n  condition(x && !x)\n  return x\n}}\n{body}");
        let world = Arc::new(MemoryWorld::default());
        let mut session = Session::new(world.clone(), Options::default());
        let file = session.load_text("script.borel", &text).map_err(|f| session.render_failure(&f, false)).unwrap();
        session.bind_data(&[]).unwrap();
        session.run(&file).map_err(|f| session.render_failure(&f, false)).unwrap_err()
    };
    let told = script("print(alive(m, particles = 2, tries = 100))");
    assert!(told.contains("of 100 particles survived") && told.contains("tries"), "{told}");
    let told = script("print(pgibbs(m, particles = 2))");
    assert!(told.contains("every particle has weight zero"), "{told}");
}
