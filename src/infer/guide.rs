//! Variational inference with a guide that the user writes: a program whose choices bear the names of the model's, with numbers to be fitted.
//!
//! The gradient of the evidence bound by the numbers goes through the values of the choices that are a smooth function of them and of noise
//! (normal and others of location and scale), with the density of the guide held where it is (Roeder, Wu and Duvenaud 2017). For all
//! others, discrete ones above all, it is that of their log density times the bound of the draw, less the mean of the other draws
//! (Williams 1992; Kool, van Hoof and Welling 2019). Derivatives along the numbers are central differences with common noise, so
//! any guide and any model will do, of whatever structure.

use super::importance::names_of;
use super::normal_fit::generator;
use super::trace::{TRIES, start};
use super::variational::{Adam, Divergence, Windows};
use super::{Contract, Row};
use crate::model::{Answer, Functions, Production, Ran, Random, Traced};
use crate::posterior::smoothing::smooth;
use crate::posterior::{Chain, Info, Posterior, Warning, log_sum_exp};
use crate::value::hash::same_domain;
use crate::value::interrupt::stop_if_interrupted;
use crate::value::{Domain, Fault, Generator, Value};
use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Arc;

pub(super) const ROWS: &[Row] = &[Row {
    signature: "fn vi_guide(model: () ~> a, guide: ([Real]) ~> b, start: [Real], draws: Int = 1000, steps: Int = 3000, batch: Int = 10, \
                divergence: String = \"reverse_kl\") ~> Posterior<a>",
    doc: "Variational inference with a guide that is a program: its choices bear the names of those of the model, whose supports theirs must \
          cover, and depend on numbers, which are fitted from `start` by at most `steps` steps of Adam. For `reverse_kl` the evidence \
          bound is made large; for `forward_kl` the draws of the guide, weighed by their importance, become likely (as in the wake phase of \
          Hinton, Dayan, Frey and Neal 1995). Gives draws of the guide, the bound with its error, and Pareto k. \
          Ranganath, Gerrish and Blei 2014; Schulman, Heess, Weber and Abbeel 2015.\n\
          example: { fn guide(v) = { x ~ Normal(v[0], exp(v[1])) }; abs(mean(vi_guide(() => { x ~ Normal(3, 0.1); observe 0.0 ~ Normal(0 * x, 1); x }, guide, [0, 0])) - 3) < 0.1 }",
    contract: Contract::Biased,
}];

/// How a guide is fitted.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub draws: usize,
    pub steps: usize,
    pub batch: usize,
    pub divergence: Divergence,
    /// Keep every named choice.
    pub all: bool,
}

/// Streams of noise by choice: what a choice draws does not depend on what others draw.
struct Noise<'a> {
    base: Generator,
    choice: &'a Cell<u64>,
    at: u64,
    current: Generator,
}

impl<'a> Noise<'a> {
    fn new(base: Generator, choice: &'a Cell<u64>) -> Noise<'a> {
        Noise { base, choice, at: u64::MAX, current: base }
    }
}

impl Random for Noise<'_> {
    fn choose(&mut self, weights: &[f64]) -> usize {
        self.generator().map_or(0, |generator| Production(*generator).choose(weights))
    }

    fn uniform(&mut self, _: &[f64]) -> f64 {
        self.generator().map_or(0.5, Generator::uniform)
    }

    fn generator(&mut self) -> Option<&mut Generator> {
        if self.at != self.choice.get() {
            self.at = self.choice.get();
            self.current = self.base.stream(self.at);
        }
        Some(&mut self.current)
    }
}

/// A guide next to the model that it is for.
struct Pair<'a, T: Traced> {
    view: &'a T,
    functions: &'a dyn Functions,
    guide: &'a Value,
    /// The addresses of the choices of the model by name, as far as they are known.
    addresses: HashMap<String, u64>,
}

/// A draw of the guide: its choices, and the log densities of the guide and of the model there.
struct Draw<S> {
    ran: Ran,
    state: Option<S>,
    ratio: f64,
}

impl<T: Traced> Pair<'_, T> {
    /// Runs the guide; choices of which `take` knows a value have that, the others are drawn from noise.
    fn guide(
        &self,
        v: &[f64],
        noise: Generator,
        describe: bool,
        take: &dyn Fn(&str) -> Option<Value>,
    ) -> Result<Ran, Fault> {
        let choice = Cell::new(0);
        let mut answer = |name: &str| {
            choice.set(choice.get() + 1);
            match take(name) {
                Some(value) => Answer::Take(value),
                None if describe => Answer::Describe,
                None => Answer::Draw,
            }
        };
        let args = vec![Value::reals(v.to_vec())];
        match self.functions.run(self.guide, args, &mut answer, &mut Noise::new(noise, &choice))? {
            Ok(ran) => Ok(ran),
            Err(_) => Err(Fault::error("the guide has no draw at some of its numbers: a parameter left its domain")
                .hint("keep parameters in their domains: exp(v[1]) for a scale, inv_logit(v[2]) for a probability")),
        }
    }

    /// The log density of the guide at given choices.
    fn logp(&self, v: &[f64], of: &Ran) -> Result<f64, Fault> {
        let take = |name: &str| of.find(name).map(|drawn| drawn.value.clone());
        Ok(self.guide(v, Generator::new(0), false, &take)?.logp())
    }

    /// The log joint density of the model at the choices of a guide; −∞ where it has none. Also the run.
    fn model(&mut self, ran: &Ran) -> Result<(f64, Option<T::State>), Fault> {
        let mut given = Vec::with_capacity(ran.drawn.len());
        for drawn in &ran.drawn {
            match self.addresses.get(&drawn.name) {
                Some(address) => given.push((*address, drawn.value.clone())),
                None => return Err(stranger(&drawn.name)),
            }
        }
        match self.view.generate_with(&given, &mut Production(Generator::new(0)))? {
            Err(_) => Ok((f64::NEG_INFINITY, None)),
            Ok((state, _)) => {
                let (trace, infos) = (self.view.trace(&state), self.view.infos(&state));
                for place in &trace.movable {
                    let info = infos.get(trace.choices[*place as usize].info);
                    if ran.find(&info.name).is_none() {
                        return Err(missing(&info.name));
                    }
                }
                let joint = trace.log_joint();
                Ok((if joint.is_nan() { f64::NEG_INFINITY } else { joint }, Some(state)))
            }
        }
    }

    fn draw(&mut self, v: &[f64], noise: Generator) -> Result<Draw<T::State>, Fault> {
        let ran = self.guide(v, noise, false, &|_| None)?;
        let (joint, state) = self.model(&ran)?;
        let ratio = joint - ran.logp();
        Ok(Draw { ran, state, ratio })
    }
}

fn stranger(name: &str) -> Fault {
    Fault::error(format!("the guide chooses `{name}`, and the model does not"))
        .hint("the choices of a guide bear the names of those of the model")
}

fn missing(name: &str) -> Fault {
    Fault::error(format!("the guide does not choose `{name}`, and the model does"))
        .hint(format!("give it a choice of the same name: {name} ~ …"))
}

/// Whether a domain has all values of another in it.
fn covers(outer: &Domain, inner: &Domain) -> bool {
    if same_domain(outer, inner) {
        return true;
    }
    match (outer, inner) {
        (Domain::Power(a, n), Domain::Power(b, m)) => n == m && covers(a, b),
        (Domain::Vector(n), Domain::Power(b, m)) => n == m && covers(&Domain::Real, b),
        (Domain::Power(a, n), Domain::Vector(m)) => n == m && covers(a, &Domain::Real),
        (Domain::Product(parts), Domain::Power(b, m)) => parts.len() == *m && parts.iter().all(|part| covers(part, b)),
        (Domain::Power(a, n), Domain::Product(parts)) => parts.len() == *n && parts.iter().all(|part| covers(a, part)),
        (Domain::Product(a), Domain::Product(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| covers(a, b)),
        (_, Domain::IntRange(low, high)) if high - low < 1 << 16 => {
            (*low..=*high).all(|k| outer.contains(&Value::Int(k)))
        }
        (_, Domain::Values(values)) => values.iter().all(|value| outer.contains(value)),
        (Domain::Int, Domain::Natural) => true,
        _ => match (outer.real_bounds(), inner.real_bounds()) {
            (Some(outer), Some(inner)) => outer.0 <= inner.0 && outer.1 >= inner.1,
            _ => false,
        },
    }
}

/// Whether a draw is a smooth function of the parameters and of noise, as the samplers of the library make it.
fn smooth_sampler(dist: &Value) -> bool {
    let Value::Dist(dist) = dist else { return false };
    match dist.name.as_str() {
        "Normal"
        | "LogNormal"
        | "Cauchy"
        | "Laplace"
        | "Logistic"
        | "Gumbel"
        | "Exponential"
        | "Uniform"
        | "HalfNormal"
        | "HalfCauchy"
        | "Weibull"
        | "MultiNormal"
        | "MultiNormalCholesky" => true,
        "Iid" => dist.args.first().is_some_and(smooth_sampler),
        "Product" => dist.args.iter().all(|arg| match arg {
            Value::Values(parts) => parts.iter().all(smooth_sampler),
            other => smooth_sampler(other),
        }),
        _ => false,
    }
}

/// Checks that a guide fits a model, before anything is fitted; gives the names of the choices that no smooth function draws.
fn check<T: Traced>(
    pair: &mut Pair<'_, T>,
    state: &T::State,
    v: &[f64],
    divergence: Divergence,
) -> Result<Vec<String>, Fault> {
    let (trace, infos) = (pair.view.trace(state), pair.view.infos(state));
    let ran = pair.guide(v, Generator::new(0), true, &|_| None)?;
    let mut rough = Vec::new();
    for place in &trace.movable {
        let info = infos.get(trace.choices[*place as usize].info);
        if !info.named {
            return Err(Fault::error("the model has a choice without a name, which no guide can name")
                .hint("write `name ~ distribution` in the model"));
        }
        pair.addresses.insert(info.name.clone(), info.address);
        let Some(drawn) = ran.find(&info.name) else { return Err(missing(&info.name)) };
        let Some((support, _)) = &drawn.site else { continue };
        let wanted = pair.view.support(state, *place as usize)?;
        if !covers(support, &wanted) {
            return Err(Fault::error(format!(
                "the guide does not cover `{}`: it takes values in {support}, and in the model in {wanted}",
                info.name
            ))
            .hint("take a distribution with the support of the model's"));
        }
        if divergence == Divergence::ReverseKl && !covers(&wanted, support) {
            return Err(Fault::error(format!(
                "the guide leaves the support of `{}`: it takes values in {support}, and in the model in {wanted}",
                info.name
            ))
            .hint("take a distribution with the support of the model's, or divergence = \"forward_kl\""));
        }
    }
    for choice in &trace.choices {
        let info = infos.get(choice.info);
        pair.addresses.entry(info.name.clone()).or_insert(info.address);
    }
    for drawn in ran.drawn {
        if !pair.addresses.contains_key(&drawn.name) {
            return Err(stranger(&drawn.name));
        }
        if drawn.site.is_some_and(|(_, dist)| !smooth_sampler(&dist)) {
            rough.push(drawn.name);
        }
    }
    Ok(rough)
}

/// Half the width of a difference at a number.
fn width(x: f64) -> f64 {
    1e-5 * x.abs().max(1.0)
}

/// The gradient of what is made large by the numbers of the guide, and an estimate of that.
fn gradient<T: Traced>(
    pair: &mut Pair<'_, T>,
    v: &[f64],
    rough: &[String],
    options: &Options,
    noises: &[Generator],
) -> Result<(Vec<f64>, f64), Fault> {
    let draws: Vec<Draw<T::State>> = noises.iter().map(|noise| pair.draw(v, *noise)).collect::<Result<_, _>>()?;
    let n = draws.len() as f64;
    let ratios: Vec<f64> = draws.iter().map(|draw| draw.ratio).collect();
    let mut total = vec![0.0; v.len()];
    let mut moved = v.to_vec();
    if options.divergence != Divergence::ReverseKl {
        let sum = log_sum_exp(&ratios);
        for draw in draws.iter().filter(|draw| draw.ratio > f64::NEG_INFINITY) {
            let weight = (draw.ratio - sum).exp();
            for k in 0..v.len() {
                let h = width(v[k]);
                moved[k] = v[k] + h;
                let up = pair.logp(&moved, &draw.ran)?;
                moved[k] = v[k] - h;
                let down = pair.logp(&moved, &draw.ran)?;
                moved[k] = v[k];
                total[k] += weight * (up - down) / (2.0 * h);
            }
        }
        // The evidence by importance: it grows as the guide comes to cover.
        return Ok((total, sum - n.ln()));
    }
    let floor = |ratio: f64| if ratio == f64::NEG_INFINITY { -1e10 } else { ratio };
    let mean = ratios.iter().map(|ratio| floor(*ratio)).sum::<f64>() / n;
    let all_rough = draws.iter().all(|draw| draw.ran.drawn.iter().all(|drawn| rough.contains(&drawn.name)));
    for (draw, noise) in draws.iter().zip(noises) {
        // Without the draw itself: the mean of the others.
        let others = if n > 1.0 { (mean * n - floor(draw.ratio)) / (n - 1.0) } else { 0.0 };
        let above = floor(draw.ratio) - others;
        let held = |name: &str| rough.iter().any(|known| known == name);
        let take = |name: &str| if held(name) { draw.ran.find(name).map(|drawn| drawn.value.clone()) } else { None };
        for (k, x) in v.iter().enumerate() {
            let h = width(*x);
            let mut side = |x: f64| -> Result<(f64, f64), Fault> {
                moved[k] = x;
                let ran = pair.guide(&moved, *noise, false, &take)?;
                let score = ran.drawn.iter().filter(|drawn| held(&drawn.name)).map(|drawn| drawn.logp).sum();
                let path = if all_rough { 0.0 } else { pair.model(&ran)?.0 - pair.logp(v, &ran)? };
                Ok((path, score))
            };
            let (up, down) = (side(x + h)?, side(x - h)?);
            moved[k] = *x;
            let path = (up.0 - down.0) / (2.0 * h);
            let score = (up.1 - down.1) / (2.0 * h);
            total[k] += (if path.is_finite() { path } else { 0.0 } + above * score) / n;
        }
    }
    Ok((total, mean))
}

/// Fits a guide to a model, and draws from it.
pub fn fit<T: Traced + Send + 'static>(
    view: &Arc<T>,
    (model, guide): (&Value, &Value),
    functions: &dyn Functions,
    numbers: Vec<f64>,
    options: Options,
    random: &mut dyn Random,
) -> Result<Posterior, Fault> {
    let base = generator(random, "vi_guide")?.split();
    let walker = start(view, model.clone(), TRIES, random)?;
    let mut pair = Pair { view: &**view, functions, guide, addresses: HashMap::new() };
    let rough = check(&mut pair, &walker.state, &numbers, options.divergence)?;
    let mut v = numbers;
    let mut adam = Adam::new(v.len());
    let mut windows = Windows::new(v.len(), 0.05, 50);
    let mut steps = 0;
    while steps < options.steps && !windows.is_over() {
        stop_if_interrupted()?;
        let step = base.stream(steps as u64);
        steps += 1;
        let noises: Vec<Generator> = (0..options.batch).map(|k| step.stream(k as u64)).collect();
        let (slope, value) = gradient(&mut pair, &v, &rough, &options, &noises)?;
        adam.step(&mut v, &slope, windows.rate);
        windows.learn(&mut v, value);
    }
    let last = base.stream(u64::MAX);
    let (mut chain, mut named, mut ratios) = (Chain::default(), Vec::new(), Vec::new());
    for k in 0..options.draws {
        let draw = pair.draw(&v, last.stream(k as u64))?;
        ratios.push(draw.ratio);
        // A draw outside of the model's support has no value.
        let Some(state) = draw.state else { continue };
        let choices =
            || draw.ran.drawn.iter().map(|drawn| (drawn.name.clone(), drawn.value.clone())).collect::<Vec<_>>();
        if options.all {
            named.push(names_of(choices()));
        }
        let value = view.value(&state);
        chain.draws.push(if matches!(value, Value::Unit) { super::enumerate::named_record(choices()) } else { value });
    }
    let n = ratios.len() as f64;
    let outside = ratios.iter().filter(|ratio| **ratio == f64::NEG_INFINITY).count();
    let (_, shape) = smooth(&ratios);
    chain.named = options.all.then_some(named);
    let mut posterior = Posterior::new("", "vi_guide", vec![chain]);
    let bound = ratios.iter().sum::<f64>() / n;
    let variance = ratios.iter().map(|ratio| (ratio - bound).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    posterior.info.push(("elbo".into(), Info::Number(bound)));
    posterior.info.push(("elbo_se".into(), Info::Number((variance / n).sqrt())));
    posterior.info.push(("steps".into(), Info::Count(steps as u64)));
    posterior.info.push(("numbers".into(), Info::Numbers(v)));
    posterior.info.push(("pareto_k".into(), Info::Number(shape)));
    if !rough.is_empty() {
        posterior.info.push(("by_score".into(), Info::Text(rough.join(", "))));
    }
    if shape > 0.7 {
        posterior.warnings.push(Warning::ParetoK { value: shape });
    }
    if outside > 0 {
        let text = format!("{outside} of {} draws of the guide lie outside of the model's support", options.draws);
        posterior.warnings.push(Warning::Note { text, distrust: outside * 10 > options.draws });
    }
    if !windows.is_over() {
        posterior.warnings.push(Warning::NotConverged { what: "the variational fit".into(), steps });
    }
    Ok(posterior)
}
