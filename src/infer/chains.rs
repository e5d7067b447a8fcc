//! Independent runs of a whole program, and posteriors made of what chains written in the language kept.

use super::{Contract, Row};
use crate::model::{Dead, Forward, Production, Random};
use crate::posterior::{Chain, Info, Posterior, Warning};
use crate::value::{Fault, Value};
use rayon::prelude::*;
use std::collections::HashMap;

pub(super) const ROWS: &[Row] = &[
    Row {
        signature: "fn replicate(program: () ~> b, n: Int) ~> [b]",
        doc: "The results of `n` independent runs of a program, such as the chains of a method, which run at the same time.",
        contract: Contract::None,
    },
    Row {
        signature: "fn from_chains(chains: [[a]], method: String, acceptance: [Real]) -> Posterior<a>",
        doc: "A posterior of draws with equal weights, one list for each chain. Of a chain that accepted nothing it warns.\n\
              example: prob(from_chains([[true, false], [true, true]], \"mine\", [0.5, 1.0]), b => b) == 0.75",
        contract: Contract::None,
    },
    Row {
        signature: "fn with_acceptance(p: Posterior<a>, rates: [[(String, Real)]]) -> Posterior<a>",
        doc: "The posterior with rates of acceptance by name for its report: one list for each chain, of which the mean is told. Of a chain \
              whose rates are all zero it warns.\n\
              example: prob(with_acceptance(from_chains([[true]], \"mine\", []), [[(\"x\", 0.5)]]), b => b) == 1.0",
        contract: Contract::None,
    },
];

/// The results of `n` runs of a program; `view` makes a view for each.
///
/// # Errors
/// What is wrong with a run; a run of weight zero, and one whose weight would be lost, are wrong.
pub fn replicate<F: Forward>(
    view: impl Fn() -> F + Sync,
    n: usize,
    random: &mut dyn Random,
) -> Result<Vec<Value>, Fault> {
    let once = |random: &mut dyn Random| match view().run(random)? {
        Ok(run) if run.log_weight == 0.0 => Ok(run.value),
        Ok(_) => Err(Fault::error("a program that is replicated has a weight, which would be lost")
            .hint("collapse what weighs into a value first, or use `importance`")),
        Err(Dead::Domain(fault)) => Err(*fault),
        Err(Dead::Zero(_)) => Err(Fault::error("a program that is replicated refused its own run")),
    };
    match random.generator() {
        Some(generator) => {
            let streams = generator.streams();
            (0..n).into_par_iter().map(|k| once(&mut Production(streams.number(k as u64)))).collect()
        }
        None => (0..n).map(|_| once(random)).collect(),
    }
}

/// A posterior of the draws of chains; acceptance rates by chain, if there are any.
pub fn from_chains(chains: &Value, method: &str, acceptance: &[f64]) -> Posterior {
    let items =
        |value: &Value| (0..value.array_len().unwrap_or(0)).filter_map(|k| value.element(k)).collect::<Vec<_>>();
    let chains = items(chains).iter().map(|draws| Chain { draws: items(draws), ..Chain::default() }).collect();
    let mut posterior = Posterior::new("", method, chains);
    if !acceptance.is_empty() {
        posterior.info.push(("acceptance".into(), Info::Numbers(acceptance.to_vec())));
    }
    let stuck = acceptance.iter().enumerate().filter(|(_, rate)| **rate == 0.0);
    posterior.warnings = stuck.map(|(chain, _)| Warning::Stuck { chain }).collect();
    posterior
}

/// Adds rates of acceptance by name, of each chain, to what is reported.
pub fn with_acceptance(posterior: &mut Posterior, chains: Vec<Vec<(String, f64)>>) {
    let mut sums: Vec<(String, f64, f64)> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for (chain, rates) in chains.into_iter().enumerate() {
        if !rates.is_empty() && rates.iter().all(|(_, rate)| *rate == 0.0) {
            posterior.warnings.push(Warning::Stuck { chain });
        }
        for (name, rate) in rates {
            let place = *places.entry(name.clone()).or_insert_with(|| {
                sums.push((name, 0.0, 0.0));
                sums.len() - 1
            });
            sums[place].1 += rate;
            sums[place].2 += 1.0;
        }
    }
    let table = sums.into_iter().map(|(name, sum, count)| (name, sum / count)).take(1000).collect();
    posterior.info.push(("acceptance".into(), Info::Table(table)));
}
