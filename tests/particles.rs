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
