//! Resampling: how many children each particle has. Each scheme gives particle i an expected number of n·wᵢ children.

use crate::model::Random;

/// A resampling scheme (Douc, Cappé and Moulines 2005 compare them).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resampler {
    /// One uniform number for all strata: the least noise in practice.
    Systematic,
    /// One uniform number for each stratum.
    Stratified,
    /// Independent draws.
    Multinomial,
    /// The whole parts of n·wᵢ for certain, the rest by independent draws.
    Residual,
}

impl Resampler {
    /// The scheme of this name.
    pub fn named(name: &str) -> Option<Resampler> {
        Some(match name {
            "systematic" => Resampler::Systematic,
            "stratified" => Resampler::Stratified,
            "multinomial" => Resampler::Multinomial,
            "residual" => Resampler::Residual,
            _ => return None,
        })
    }

    /// The ancestors of `n` children, in ascending order. `weights` are linear with sum 1.
    pub fn ancestors(self, weights: &[f64], n: usize, random: &mut dyn Random) -> Vec<usize> {
        match self {
            Resampler::Systematic => {
                // Only the place of u among the fractional parts of n times the cumulative weights matters.
                let breaks = if random.generator().is_some() { Vec::new() } else { fractions(weights, n) };
                let u = random.uniform(&breaks);
                sweep(weights, n, |k| (k as f64 + u) / n as f64)
            }
            Resampler::Stratified => {
                let exact = random.generator().is_none();
                let points: Vec<f64> = (0..n)
                    .map(|k| {
                        let breaks = if exact { within(weights, n, k) } else { Vec::new() };
                        (k as f64 + random.uniform(&breaks)) / n as f64
                    })
                    .collect();
                sweep(weights, n, |k| points[k])
            }
            Resampler::Multinomial => multinomial(weights, n, random),
            Resampler::Residual => {
                let mut ancestors = Vec::with_capacity(n);
                let mut rest = Vec::with_capacity(weights.len());
                for (i, w) in weights.iter().enumerate() {
                    let expected = w * n as f64;
                    // A product a rounding error below a whole number is that number.
                    let whole = (expected + 1e-9).floor();
                    ancestors.extend(std::iter::repeat_n(i, whole as usize));
                    rest.push((expected - whole).max(0.0));
                }
                ancestors.truncate(n);
                let missing = n - ancestors.len();
                let total: f64 = rest.iter().sum();
                if missing > 0 {
                    if total > 0.0 {
                        let rest: Vec<f64> = rest.iter().map(|r| r / total).collect();
                        ancestors.extend(multinomial(&rest, missing, random));
                    } else {
                        ancestors.extend(multinomial(weights, missing, random));
                    }
                }
                ancestors.sort_unstable();
                ancestors
            }
        }
    }
}

fn multinomial(weights: &[f64], n: usize, random: &mut dyn Random) -> Vec<usize> {
    let mut ancestors = match random.generator() {
        // Ordered uniforms by exponential spacings: one pass over the weights.
        Some(generator) => {
            let mut total = 0.0;
            let mut points: Vec<f64> = (0..n)
                .map(|_| {
                    total -= generator.uniform_open().ln();
                    total
                })
                .collect();
            total -= generator.uniform_open().ln();
            points.iter_mut().for_each(|p| *p /= total);
            sweep(weights, n, |k| points[k])
        }
        None => (0..n).map(|_| random.choose(weights)).collect(),
    };
    ancestors.sort_unstable();
    ancestors
}

/// The ancestor of each of `n` ascending points of [0, 1).
fn sweep(weights: &[f64], n: usize, point: impl Fn(usize) -> f64) -> Vec<usize> {
    let mut ancestors = Vec::with_capacity(n);
    let last = weights.iter().rposition(|w| *w > 0.0).unwrap_or(0);
    let mut i = 0;
    let mut cumulative = weights.first().copied().unwrap_or(0.0);
    for k in 0..n {
        let p = point(k);
        while i < last && (p >= cumulative || weights[i] <= 0.0) {
            i += 1;
            cumulative += weights[i];
        }
        ancestors.push(i);
    }
    ancestors
}

/// The points of (0, 1) at which the outcome of systematic resampling changes.
fn fractions(weights: &[f64], n: usize) -> Vec<f64> {
    let mut breaks = Vec::new();
    let mut cumulative = 0.0;
    for w in weights {
        cumulative += w;
        let f = (cumulative * n as f64).fract();
        if f > 1e-12 && f < 1.0 - 1e-12 {
            breaks.push(f);
        }
    }
    breaks.sort_by(f64::total_cmp);
    breaks.dedup_by(|a, b| (*a - *b).abs() < 1e-12);
    breaks
}

/// The points of (0, 1) at which the ancestor of stratum `k` changes.
fn within(weights: &[f64], n: usize, k: usize) -> Vec<f64> {
    let mut breaks = Vec::new();
    let mut cumulative = 0.0;
    for w in weights {
        cumulative += w;
        let f = cumulative * n as f64 - k as f64;
        if f > 1e-12 && f < 1.0 - 1e-12 {
            breaks.push(f);
        }
    }
    breaks.dedup_by(|a, b| (*a - *b).abs() < 1e-12);
    breaks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Production, every_outcome};
    use crate::value::Generator;

    const ALL: [Resampler; 4] =
        [Resampler::Systematic, Resampler::Stratified, Resampler::Multinomial, Resampler::Residual];

    /// The expected numbers of children, exactly, of the code that ships.
    fn expected(resampler: Resampler, weights: &[f64], n: usize) -> Vec<f64> {
        let outcomes = every_outcome(|random| Ok(resampler.ancestors(weights, n, random))).unwrap();
        let mut means = vec![0.0; weights.len()];
        for (p, ancestors) in outcomes {
            assert_eq!(ancestors.len(), n);
            for i in ancestors {
                means[i] += p;
            }
        }
        means
    }

    #[test]
    fn every_scheme_is_unbiased() {
        for weights in [vec![0.5, 0.3, 0.2], vec![0.0, 1.0, 0.0], vec![0.25; 4], vec![0.7, 0.0, 0.1, 0.2]] {
            for resampler in ALL {
                for n in [1, 2, 3, 4] {
                    for (w, m) in weights.iter().zip(expected(resampler, &weights, n)) {
                        assert!((m - w * n as f64).abs() < 1e-12, "{resampler:?} {weights:?} {n}: {m}");
                    }
                }
            }
        }
    }

    #[test]
    fn production_draws_agree_with_the_exact_means() {
        let weights = [0.45, 0.05, 0.0, 0.5];
        for resampler in ALL {
            let mut random = Production(Generator::new(7));
            let mut means = [0.0; 4];
            let rounds = 40_000;
            for _ in 0..rounds {
                for i in resampler.ancestors(&weights, 3, &mut random) {
                    means[i] += 1.0 / f64::from(rounds);
                }
            }
            for (w, m) in weights.iter().zip(means) {
                // Five standard errors of a multinomial mean, the widest of the four.
                let se = (3.0 * w * (1.0 - w) / f64::from(rounds)).sqrt();
                assert!((m - 3.0 * w).abs() <= 5.0 * se + 1e-12, "{resampler:?}: {m} for {w}");
            }
        }
    }
}
