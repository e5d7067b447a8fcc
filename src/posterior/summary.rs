//! Summaries of a posterior, variable by variable.

use super::flatten::{Column, Columns, Kind};
use super::label::bits;
use super::{Posterior, Warning, convergence, weighted_mean, weighted_quantiles, weighted_variance};
use rayon::prelude::*;
use std::collections::HashMap;

/// Distinct values up to which a sampled integer variable carries its support.
const SUPPORT_LIMIT: usize = 64;

/// What is said of one scalar variable. A number that does not exist, such as the mean of a categorical variable or the
/// R-hat of weighted draws, is NaN.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    pub name: String,
    pub kind: Kind,
    pub mean: f64,
    /// With denominator n − 1 for plain draws, of the distribution itself for weighted and exact ones.
    pub sd: f64,
    /// Monte Carlo standard error of the mean; 0 for exact results.
    pub mcse_mean: f64,
    /// Monte Carlo standard error of the standard deviation; 0 for exact results.
    pub mcse_sd: f64,
    pub q05: f64,
    pub q50: f64,
    pub q95: f64,
    /// Effective sample size of the bulk; of the weights for weighted draws.
    pub ess_bulk: f64,
    /// The smaller effective sample size of the 5 % and the 95 % quantile.
    pub ess_tail: f64,
    pub r_hat: f64,
    /// The distinct values and their probabilities: numbers ascending, others by falling probability.
    /// Present for exact results, for booleans and categories, and for integers with few values.
    pub support: Option<Vec<(Point, f64)>>,
    /// The share of the distribution in which the variable exists.
    pub share: f64,
    /// Draws whose value is NaN.
    pub nan_draws: usize,
}

/// A value of a scalar variable.
#[derive(Clone, Debug, PartialEq)]
pub enum Point {
    Real(f64),
    Int(i64),
    Bool(bool),
    Text(String),
}

/// All that a face shows of a posterior.
#[derive(Clone, Debug)]
pub struct Report {
    pub summaries: Vec<Summary>,
    pub warnings: Vec<Warning>,
    /// Parts of the result that have no summary, and why.
    pub skipped: Vec<(String, &'static str)>,
}

impl Report {
    /// Whether the exit status is to be 3.
    pub fn distrust(&self) -> bool {
        self.warnings.iter().any(Warning::distrust)
    }
}

impl Posterior {
    /// Summaries and warnings; with `all`, of every named choice too.
    pub fn report(&self, all: bool) -> Report {
        let columns = self.columns(all);
        let summaries = self.summarise(&columns);
        let warnings = self.check(&summaries);
        Report { summaries, warnings, skipped: columns.skipped }
    }

    /// The scalar variables: those of the returned value, or the named choices when it has none;
    /// with `all`, both. Where both have a variable of one name, the returned one counts.
    pub fn columns(&self, all: bool) -> Columns {
        let returned = Columns::of(self.chains.iter().map(|chain| chain.draws.iter().map(|value| vec![("", value)])));
        let named = self.chains.iter().any(|chain| chain.named.is_some());
        if !named || !(all || returned.columns.is_empty()) {
            return returned;
        }
        Columns::of(self.chains.iter().map(|chain| {
            chain.draws.iter().enumerate().map(|(i, value)| {
                let mut roots = vec![("", value)];
                if let Some(named) = chain.named.as_ref().and_then(|named| named.get(i)) {
                    roots.extend(named.names.iter().map(|name| name.as_str()).zip(&named.values));
                }
                roots
            })
        }))
    }

    /// A summary of each column, in their order.
    pub fn summarise(&self, columns: &Columns) -> Vec<Summary> {
        // The weights are computed once, before the threads ask for them.
        let weights = self.weights();
        columns.columns.par_iter().map(|column| self.summary_of(column, weights)).collect()
    }

    fn summary_of(&self, column: &Column, weights: Option<&[f64]>) -> Summary {
        let own_weights = weights.map(|weights| self.weights_of(column, weights));
        let present: usize = column.chains.iter().map(Vec::len).sum();
        let mut summary = Summary {
            name: column.name.clone(),
            kind: column.kind,
            mean: f64::NAN,
            sd: f64::NAN,
            mcse_mean: f64::NAN,
            mcse_sd: f64::NAN,
            q05: f64::NAN,
            q50: f64::NAN,
            q95: f64::NAN,
            ess_bulk: f64::NAN,
            ess_tail: f64::NAN,
            r_hat: f64::NAN,
            support: support_of(column, own_weights.as_deref(), self.exact),
            share: match &own_weights {
                None => present as f64 / self.len() as f64,
                // Rounding must not make a share of what is always there.
                Some(_) if present == self.len() => 1.0,
                Some(own) => own.iter().sum(),
            },
            nan_draws: column.chains.iter().flatten().filter(|x| x.is_nan()).count(),
        };
        if column.kind == Kind::Categorical {
            return summary;
        }
        let all = column.chains.concat();
        match own_weights {
            None => {
                let mut sorted = all.clone();
                sorted.sort_by(f64::total_cmp);
                let quantile =
                    |p: f64| if summary.nan_draws > 0 { f64::NAN } else { convergence::quantile_of_sorted(&sorted, p) };
                (summary.q05, summary.q50, summary.q95) = (quantile(0.05), quantile(0.5), quantile(0.95));
                summary.mean = convergence::mean(&all);
                summary.sd = convergence::variance(&all).sqrt();
                // Chains without the variable cannot be compared.
                let chains: Vec<Vec<f64>> = column.chains.iter().filter(|chain| !chain.is_empty()).cloned().collect();
                let found = convergence::diagnose(&chains);
                (summary.mcse_mean, summary.mcse_sd) = (found.mcse_mean, found.mcse_sd);
                (summary.ess_bulk, summary.ess_tail, summary.r_hat) = (found.ess_bulk, found.ess_tail, found.r_hat);
            }
            Some(own) => self.summarise_weighted(&mut summary, column, &all, &own),
        }
        summary
    }

    /// The normalised weights of the draws that have the variable, in the order of the column's values.
    fn weights_of(&self, column: &Column, weights: &[f64]) -> Vec<f64> {
        let mut own = Vec::new();
        let mut start = 0;
        for (chain, rows) in self.chains.iter().zip(&column.rows) {
            own.extend(rows.iter().map(|row| weights[start + *row as usize]));
            start += chain.draws.len();
        }
        own
    }

    fn summarise_weighted(&self, summary: &mut Summary, column: &Column, xs: &[f64], own: &[f64]) {
        let total: f64 = own.iter().sum();
        if total <= 0.0 {
            return;
        }
        summary.mean = weighted_mean(own, xs);
        let variance = weighted_variance(own, xs);
        summary.sd = variance.sqrt();
        let quantiles = weighted_quantiles(own, xs, &[0.05, 0.5, 0.95]);
        (summary.q05, summary.q50, summary.q95) = (quantiles[0], quantiles[1], quantiles[2]);
        if self.exact {
            (summary.mcse_mean, summary.mcse_sd) = (0.0, 0.0);
            return;
        }
        // Delta method for self-normalised weights: the variance of Σ wᵢ f(xᵢ) is estimated by Σ wᵢ² (f(xᵢ) − mean)².
        let spread = |f: &dyn Fn(f64) -> f64| {
            let (mut weights, mut values) = (vec![0.0; self.len()], vec![0.0; self.len()]);
            let mut next = 0;
            let mut start = 0;
            for (chain, rows) in self.chains.iter().zip(&column.rows) {
                for row in rows {
                    // An infinite value without weight must not make NaN of the sum.
                    if own[next] > 0.0 {
                        weights[start + *row as usize] = own[next] / total;
                        values[start + *row as usize] = f(xs[next]);
                    }
                    next += 1;
                }
                start += chain.draws.len();
            }
            self.sum_of_squares(&weights, &values)
        };
        let mean = summary.mean;
        summary.mcse_mean = spread(&|x| x - mean).sqrt();
        summary.mcse_sd = if variance > 0.0 {
            spread(&|x| (x - mean) * (x - mean) - variance).sqrt() / (2.0 * summary.sd)
        } else {
            0.0
        };
        summary.ess_bulk = 1.0 / spread(&|_| 1.0);
        let tail = |limit: f64| {
            let below = |x: f64| f64::from(u8::from(x <= limit));
            let p = weighted_mean(own, &xs.iter().map(|x| below(*x)).collect::<Vec<_>>());
            if p < 1.0 { p * (1.0 - p) / spread(&|x| below(x) - p) } else { summary.ess_bulk }
        };
        summary.ess_tail = tail(summary.q05).min(tail(summary.q95));
    }
}

/// The distinct values of a column with their probabilities among the draws that have it.
fn support_of(column: &Column, weights: Option<&[f64]>, exact: bool) -> Option<Vec<(Point, f64)>> {
    if column.kind == Kind::Real && !exact {
        return None;
    }
    let mut places: HashMap<u64, usize> = HashMap::new();
    let mut found: Vec<(f64, f64)> = Vec::new();
    for (i, x) in column.chains.iter().flatten().enumerate() {
        let weight = weights.map_or(1.0, |weights| weights[i]);
        if weight > 0.0 {
            let place = *places.entry(bits(*x)).or_insert_with(|| {
                found.push((*x, 0.0));
                found.len() - 1
            });
            found[place].1 += weight;
            if column.kind == Kind::Int && !exact && found.len() > SUPPORT_LIMIT {
                return None;
            }
        }
    }
    let total: f64 = found.iter().map(|(_, weight)| weight).sum();
    if column.kind == Kind::Categorical {
        let label = |x: f64| &column.labels[x as usize];
        found.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| label(a.0).cmp(label(b.0))));
    } else {
        found.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    let point = |x: f64| match column.kind {
        Kind::Real => Point::Real(x),
        Kind::Int => Point::Int(x as i64),
        Kind::Bool => Point::Bool(x != 0.0),
        Kind::Categorical => Point::Text(column.labels[x as usize].clone()),
    };
    Some(found.into_iter().map(|(x, weight)| (point(x), weight / total)).collect())
}
