//! How a run of many particles went, step by step: what its report tells.

use super::kit::shares::{TOGETHER, by_parts};
use crate::posterior::{Info, Posterior, Warning};
use std::collections::BTreeMap;

/// Figures of a curve that are kept at most.
const MOST: usize = 500;
/// Effective particles below which a step is told of.
const FEW: f64 = 10.0;
/// Acceptance rates that are told.
const MOST_RATES: usize = 1000;

/// Proposals accepted and made, by name.
pub type Rates = BTreeMap<String, (u64, u64)>;

/// Adds the counts of some proposals to those of others.
pub fn add_rates(to: &mut Rates, from: Rates) {
    for (name, (accepted, proposed)) in from {
        let entry = to.entry(name).or_default();
        entry.0 += accepted;
        entry.1 += proposed;
    }
}

/// Counts proposals under one name more. Of more names than a table tells those that come first in order are kept, which are the ones
/// it tells.
pub fn add_rate(to: &mut Rates, name: &str, accepted: u64, proposed: u64) {
    if to.len() >= MOST_RATES && to.last_key_value().is_some_and(|(last, _)| name > last.as_str()) {
        return;
    }
    match to.get_mut(name) {
        Some(entry) => {
            entry.0 += accepted;
            entry.1 += proposed;
        }
        None => {
            if to.len() >= MOST_RATES {
                to.pop_last();
            }
            to.insert(name.to_string(), (accepted, proposed));
        }
    }
}

/// Rates of acceptance as a table.
pub fn table(rates: &Rates) -> Info {
    let made = rates.iter().filter(|(_, (_, proposed))| *proposed > 0);
    let rate =
        |(name, (accepted, proposed)): (&String, &(u64, u64))| (name.clone(), *accepted as f64 / *proposed as f64);
    Info::Table(made.map(rate).take(MOST_RATES).collect())
}

/// A figure for each step. Of a long run every second one is kept, every fourth, and so on.
#[derive(Clone, Debug, Default)]
struct Curve {
    values: Vec<f64>,
    /// Figures for one that is kept, less 1.
    skip: u64,
    seen: u64,
}

impl Curve {
    fn push(&mut self, x: f64) {
        if self.seen.is_multiple_of(self.skip + 1) {
            if self.values.len() == MOST {
                let mut place = 0;
                self.values.retain(|_| {
                    place += 1;
                    place % 2 == 1
                });
                self.skip = 2 * self.skip + 1;
            }
            if self.seen.is_multiple_of(self.skip + 1) {
                self.values.push(x);
            }
        }
        self.seen += 1;
    }
}

/// What happened to particles so far.
#[derive(Clone, Debug, Default)]
pub struct Course {
    pub steps: u64,
    pub resamplings: u64,
    /// The relative variance of the evidence, summed over the resamplings.
    pub variance: f64,
    ess: Curve,
    ancestors: Curve,
    /// The least effective number of particles so far, its step, and the site that weighed there.
    least: Option<(f64, u64, Option<u32>)>,
    rates: Rates,
}

/// How many different numbers, all below their count, there are.
fn distinct(roots: &[u32]) -> usize {
    // As long as runs are chosen in order, so are their ancestors.
    let changes = |part: &[u32]| part.is_sorted().then(|| part.windows(2).filter(|pair| pair[0] != pair[1]).count());
    let borders = (TOGETHER..roots.len()).step_by(TOGETHER).map(|k| changes(&roots[k - 1..=k]));
    let found: Option<Vec<usize>> = by_parts(roots, changes).into_iter().chain(borders).collect();
    if let Some(found) = found {
        return usize::from(!roots.is_empty()) + found.iter().sum::<usize>();
    }
    let mut seen = vec![false; roots.len()];
    roots.iter().filter(|root| !std::mem::replace(&mut seen[**root as usize], true)).count()
}

impl Course {
    /// A step was made, which left this effective number of particles, at a site that weighs.
    pub fn stepped(&mut self, ess: f64, site: Option<u32>) {
        self.steps += 1;
        self.ess.push(ess);
        if self.least.is_none_or(|(least, _, _)| ess < least) {
            self.least = Some((ess, self.steps, site));
        }
    }

    /// Particles were resampled; these are their ancestors in the first generation.
    pub fn resampled(&mut self, roots: &[u32]) {
        self.resamplings += 1;
        self.ancestors.push(distinct(roots) as f64);
    }

    /// Particles were moved.
    pub fn moved(&mut self, rates: Rates) {
        add_rates(&mut self.rates, rates);
    }

    /// Writes what is known into a posterior of so many particles, `kept` of which have these ancestors.
    pub fn report(&self, posterior: &mut Posterior, particles: usize, roots: &[u32], name: impl Fn(u32) -> String) {
        let mut add = |name: &str, info: Info| posterior.info.push((name.into(), info));
        let (least, step, site) = self.least.unwrap_or((particles as f64, 0, None));
        add("particles", Info::Count(particles as u64));
        add("steps", Info::Count(self.steps));
        add("resamplings", Info::Count(self.resamplings));
        add("least_ess", Info::Number(least));
        add("least_ess_step", Info::Count(step));
        if !roots.is_empty() {
            let mut roots = roots.to_vec();
            roots.sort_unstable();
            roots.dedup();
            // How many of the first particles have descendants: what a report of early choices rests on.
            add("distinct_ancestors", Info::Count(roots.len() as u64));
        }
        add("ess", Info::Numbers(self.ess.values.clone()));
        add("ancestors", Info::Numbers(self.ancestors.values.clone()));
        if !self.rates.is_empty() {
            add("acceptance", table(&self.rates));
        }
        // Of the last step the weights of the result tell.
        if least > 0.0 && least < FEW && particles as f64 >= 10.0 * FEW && step < self.steps {
            let place = site.map(name).filter(|name| !name.is_empty());
            posterior.warnings.push(Warning::Degenerate { ess: least, particles, step: step as usize, place });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_curves_are_thinned() {
        let mut curve = Curve::default();
        (0..10_000).for_each(|k| curve.push(f64::from(k)));
        assert!(curve.values.len() <= MOST && curve.values.len() >= MOST / 2);
        let step = curve.values[1];
        assert!(curve.values.windows(2).all(|pair| pair[1] - pair[0] == step), "{:?}", curve.values);
    }

    #[test]
    fn the_rates_that_are_kept_are_those_that_are_told() {
        let names: Vec<String> = (0..3 * MOST_RATES).map(|k| format!("x[{}]", k * 7919 % (3 * MOST_RATES))).collect();
        let (mut some, mut all) = (Rates::new(), Rates::new());
        for (k, name) in names.iter().chain(&names).enumerate() {
            add_rate(&mut some, name, k as u64 % 3, 5);
            add_rates(&mut all, Rates::from([(name.clone(), (k as u64 % 3, 5))]));
        }
        assert_eq!(some.len(), MOST_RATES);
        assert!(some.iter().eq(all.iter().take(MOST_RATES)));
    }

    #[test]
    fn ancestors_are_counted_once() {
        assert_eq!(distinct(&[3, 1, 3, 3]), 2);
        assert_eq!((distinct(&[0, 0, 2, 3, 3]), distinct(&[]), distinct(&[0])), (3, 0, 1));
    }
}
