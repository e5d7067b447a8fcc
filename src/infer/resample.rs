//! Resampling: how many children each particle has. Each scheme gives particle i an expected number of n·wᵢ children.

use super::kit::shares::{TOGETHER, by_itself, by_parts};
use super::{Contract, Row};
use crate::model::Random;
use crate::value::{Fault, Value};
use rayon::prelude::*;

pub(super) const ROWS: &[Row] = &[Row {
    signature: "fn ancestors(weights: [Real], scheme: String = \"systematic\") ~> [Int]",
    doc: "The indices of as many survivors as there are weights, in ascending order, each expected in proportion to its weight. The schemes are \
          `systematic`, `stratified`, `multinomial` and `residual`. Douc, Cappé and Moulines 2005.",
    contract: Contract::Preserves,
}];

/// The survivors among particles with these weights, which need not sum to 1.
///
/// # Errors
/// Where the weights are no finite numbers of at least 0 with a positive sum.
pub fn survivors(weights: &[f64], scheme: Resampler, random: &mut dyn Random) -> Result<Value, Fault> {
    let total: f64 = weights.iter().sum();
    if !(total > 0.0 && total.is_finite()) || weights.iter().any(|w| *w < 0.0) {
        return Err(Fault::error("`ancestors` takes weights of at least 0 with a positive, finite sum"));
    }
    let shares: Vec<f64> = weights.iter().map(|w| w / total).collect();
    let chosen = scheme.ancestors(&shares, shares.len(), random);
    Ok(Value::ints(chosen.into_iter().map(|k| k as i64).collect()))
}

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
        self.ancestors_in(weights, n, random, Vec::new())
    }

    /// The same, in memory that was used before where the scheme can.
    pub fn ancestors_in(self, weights: &[f64], n: usize, random: &mut dyn Random, memory: Vec<usize>) -> Vec<usize> {
        match self {
            Resampler::Systematic => {
                // Only the place of u among the fractional parts of n times the cumulative weights matters.
                let breaks = if random.generator().is_some() { Vec::new() } else { fractions(weights, n) };
                let u = mutant!("systematic resampling with a fixed offset", 0.5, random.uniform(&breaks));
                strata(weights, n, u, |k| (k as f64 + u) / n as f64, memory)
            }
            Resampler::Stratified => {
                let exact = random.generator().is_none();
                let points: Vec<f64> = (0..n)
                    .map(|k| {
                        let breaks = if exact { within(weights, n, k) } else { Vec::new() };
                        (k as f64
                            + mutant!("stratified resampling at the middle of strata", 0.5, random.uniform(&breaks)))
                            / n as f64
                    })
                    .collect();
                sweep(weights, n, |k| points[k])
            }
            Resampler::Multinomial => multinomial(weights, n, random),
            Resampler::Residual => {
                let (mut ancestors, rest) = whole_parts(weights, n);
                let missing = n - ancestors.len();
                if missing > 0 {
                    let total: f64 = rest.iter().sum();
                    let rest: Vec<f64> = mutant!(
                        "residual resampling draws the rest by the whole weights",
                        weights.to_vec(),
                        rest.iter().map(|r| r / total).collect()
                    );
                    ancestors.extend(multinomial(&rest, missing, random));
                }
                ancestors.sort_unstable();
                ancestors
            }
        }
    }

    /// The ancestors of `n` children of which the first is one of particle `kept`: the law of [`Resampler::ancestors`] with particles and
    /// children in random order, given that (Andrieu, Doucet and Holenstein 2010; Chopin and Singh 2015). The other children are in random
    /// order. `weights` has length `n`.
    pub fn conditional_ancestors(self, weights: &[f64], kept: usize, random: &mut dyn Random) -> Vec<usize> {
        let n = weights.len();
        let mut others = match self {
            // Independent children are in random order as they are.
            Resampler::Multinomial => {
                (1..n).map(|_| mutant!("children copy the retained run", kept, random.choose(weights))).collect()
            }
            Resampler::Residual => {
                let (mut whole, rest) = whole_parts(weights, n);
                let mut missing = n - whole.len();
                // The child that is known is one of the certain ones, or one of those drawn.
                let certain = whole.iter().filter(|k| **k == kept).count() as f64;
                let expected = (weights[kept] * n as f64).max(f64::MIN_POSITIVE);
                if missing == 0 || random.flip(certain / expected) {
                    if let Some(at) = whole.iter().position(|k| *k == kept) {
                        whole.remove(at);
                    }
                } else {
                    missing -= 1;
                }
                whole.truncate(n - 1 - missing.min(n - 1));
                whole.extend((0..missing).map(|_| random.choose(&rest)));
                shuffle(&mut whole, random);
                whole
            }
            Resampler::Systematic | Resampler::Stratified => {
                let mut order: Vec<usize> = (0..n).collect();
                shuffle(&mut order, random);
                let ordered: Vec<f64> = order.iter().map(|k| weights[*k]).collect();
                let place = order.iter().position(|k| *k == kept).unwrap_or(0);
                // A point of the particle's part of [0, 1), which makes the known child: the number of its children is biased by their number.
                let (begin, width) = (ordered[..place].iter().sum::<f64>(), ordered[place].max(f64::MIN_POSITIVE));
                let exact = random.generator().is_none();
                let breaks = match (exact, self) {
                    (false, _) => Vec::new(),
                    (true, Resampler::Systematic) => point_breaks(&fractions(&ordered, n), n, begin, width),
                    (true, _) => point_breaks(&[], n, begin, width),
                };
                let point = (begin + width * random.uniform(&breaks)) * n as f64;
                let stratum = (point.floor() as usize).min(n - 1);
                let mut points = vec![point - point.floor(); n];
                if self == Resampler::Stratified {
                    for (k, u) in points.iter_mut().enumerate().filter(|(k, _)| *k != stratum) {
                        let breaks = if exact { within(&ordered, n, k) } else { Vec::new() };
                        *u = random.uniform(&breaks);
                    }
                }
                let mut children = sweep(&ordered, n, |k| (k as f64 + points[k]) / n as f64);
                // It is a child of the particle but for rounding at the ends of its part.
                children.remove(stratum);
                let mut children: Vec<usize> = children.into_iter().map(|k| order[k]).collect();
                shuffle(&mut children, random);
                children
            }
        };
        others.insert(0, kept);
        others
    }
}

/// The children that each particle has for certain, and in what proportion the missing ones are drawn.
fn whole_parts(weights: &[f64], n: usize) -> (Vec<usize>, Vec<f64>) {
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
    if ancestors.len() < n && rest.iter().sum::<f64>() <= 0.0 {
        rest.copy_from_slice(weights);
    }
    (ancestors, rest)
}

/// Brings items into random order (Fisher and Yates).
pub(super) fn shuffle(items: &mut [usize], random: &mut dyn Random) {
    for k in (1..items.len()).rev() {
        let other = match random.generator() {
            Some(generator) => ((generator.uniform() * (k + 1) as f64) as usize).min(k),
            None => random.choose(&vec![1.0; k + 1]),
        };
        items.swap(k, other);
    }
}

/// Where, as shares of a part of [0, 1), the outcome changes with a point of it: at the given fractions of each of `n` strata and at
/// their beginnings.
fn point_breaks(fractions: &[f64], n: usize, begin: f64, width: f64) -> Vec<f64> {
    let all = (0..n).flat_map(|k| {
        let inner = fractions.iter().map(move |f| k as f64 + f);
        std::iter::once(k as f64).chain(inner)
    });
    let shares = all.map(|point| (point / n as f64 - begin) / width);
    shares.filter(|share| *share > 1e-12 && *share < 1.0 - 1e-12).collect()
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
            total -= mutant!("multinomial points not spaced to the end", 1.0, generator.uniform_open()).ln();
            points.iter_mut().for_each(|p| *p /= total);
            sweep(weights, n, |k| points[k])
        }
        None => {
            let pick = |random: &mut dyn Random| {
                mutant!(
                    "multinomial resampling ignores the weights",
                    random.choose(&vec![1.0; weights.len()]),
                    random.choose(weights)
                )
            };
            (0..n).map(|_| pick(random)).collect()
        }
    };
    ancestors.sort_unstable();
    ancestors
}

/// The ancestor of each of `n` points, of which the one of each stratum lies at about `u` of its width: as [`sweep`], but particle by
/// particle, as the number of the points below the end of each follows from where it lies.
fn strata(
    weights: &[f64],
    n: usize,
    u: f64,
    point: impl Fn(usize) -> f64 + Sync,
    mut ancestors: Vec<usize>,
) -> Vec<usize> {
    let last = weights.iter().rposition(|w| *w > 0.0).unwrap_or(0);
    ancestors.clear();
    ancestors.resize(n, last);
    // Beyond this of a whole number rounding cannot have moved the end over a point.
    let near = 1e-9 + 1e-14 * n as f64;
    let below = |cumulative: f64| {
        let end = cumulative * n as f64 - u;
        let whole = end as usize;
        let above = end - whole as f64;
        let mut below = whole + usize::from(above > 0.0);
        if !(near < above && above < 1.0 - near) {
            while below < n && point(below) < cumulative {
                below += 1;
            }
            while below > 0 && point(below - 1) >= cumulative {
                below -= 1;
            }
        }
        below.min(n)
    };
    // The weight before each part, and the children of the particles in it.
    let mut before = 0.0;
    let mut parts = Vec::new();
    let mut rest = &mut ancestors[..];
    for (part, sum) in by_parts(&weights[..last], |part| part.iter().sum::<f64>()).into_iter().enumerate() {
        let start = n - rest.len();
        let (own, others) = rest.split_at_mut(below(before + sum).saturating_sub(start));
        rest = others;
        parts.push(((part * TOGETHER, start), before, own));
        before += sum;
    }
    let fill = |(place, before, own): ((usize, usize), f64, &mut [usize])| {
        let weights = &weights[place.0..(place.0 + TOGETHER).min(last)];
        share_out(weights, place, before, below, own);
    };
    if by_itself(n) {
        parts.into_iter().for_each(fill)
    } else {
        parts.into_par_iter().for_each(fill)
    }
    ancestors
}

/// The children of a part of the particles, the first of which has number `from`: those below the end of each, and those that are left to
/// the last. `cumulative` is the weight before the part, `start` the number of its first child.
fn share_out(
    weights: &[f64],
    (from, start): (usize, usize),
    mut cumulative: f64,
    below: impl Fn(f64) -> usize,
    ancestors: &mut [usize],
) {
    let mut begin = 0;
    for (i, weight) in weights.iter().enumerate() {
        cumulative += weight;
        let end = below(cumulative).saturating_sub(start).min(ancestors.len());
        // Most particles have few children: so many places are written without asking how many there are, later ones again by others.
        match ancestors.get_mut(begin..begin + OFTEN) {
            Some(places) if end <= begin + OFTEN => places.fill(from + i),
            _ => ancestors[begin.min(end)..end].fill(from + i),
        }
        begin = begin.max(end);
    }
    ancestors[begin..].fill((from + weights.len()).saturating_sub(1));
}

/// Children that few particles exceed.
const OFTEN: usize = 4;

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
    fn strata_have_the_ancestors_of_a_sweep() {
        let mut generator = Generator::new(3);
        for n in [1, 2, 3, 7, 100, 1000] {
            for round in 0..200 {
                let mut weights: Vec<f64> = (0..n)
                    .map(|k| match (round + k) % 5 {
                        0 if round % 3 == 0 => 0.0,
                        1 if round % 7 == 0 => 50.0,
                        _ if round % 2 == 0 => 1.0,
                        _ => generator.uniform_open(),
                    })
                    .collect();
                weights[round % n] += 1.0;
                let total: f64 = weights.iter().sum();
                weights.iter_mut().for_each(|w| *w /= total);
                // Ends of particles that fall on points, too.
                for u in [0.0, 0.5, generator.uniform(), 1.0 - f64::EPSILON / 2.0] {
                    let point = |k: usize| (k as f64 + u) / n as f64;
                    let memory = vec![7; round];
                    assert_eq!(strata(&weights, n, u, point, memory), sweep(&weights, n, point), "{n} {round} {u}");
                }
            }
        }
    }

    #[test]
    fn many_strata_are_shared_by_threads() {
        let mut generator = Generator::new(4);
        let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let (one, three) = (pool(1), pool(3));
        for n in [2 * TOGETHER, 5 * TOGETHER - 1, 5 * TOGETHER + 17] {
            for round in 0..20 {
                let mut weights: Vec<f64> = (0..n)
                    .map(|k| match k / (TOGETHER / 2) {
                        // Whole parts without weight, and a few particles with much.
                        part if part % 3 == round % 5 => 0.0,
                        _ if k % 3001 == round => 400.0,
                        _ => generator.uniform_open(),
                    })
                    .collect();
                let total: f64 = weights.iter().sum();
                weights.iter_mut().for_each(|w| *w /= total);
                let u = generator.uniform();
                let run = || strata(&weights, n, u, |k| (k as f64 + u) / n as f64, vec![7; round]);
                let ancestors = three.install(run);
                assert_eq!(ancestors, one.install(run));
                assert!(ancestors.is_sorted() && ancestors.len() == n);
                let mut counts = vec![0.0; n];
                ancestors.iter().for_each(|k| counts[*k] += 1.0);
                for (k, (count, weight)) in counts.iter().zip(&weights).enumerate() {
                    let expected = weight * n as f64;
                    assert!((count - expected).abs() < 1.0 + 1e-6, "{n} {round} {k}: {count} for {expected}");
                    assert!(*weight > 0.0 || *count == 0.0, "{n} {round} {k}: children without weight");
                }
            }
        }
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

    /// The law of the numbers of children, given that a child drawn at random is one of particle `kept`.
    fn conditional(resampler: Resampler, weights: &[f64], kept: usize) -> Vec<(Vec<usize>, f64)> {
        use std::collections::BTreeMap;
        let n = weights.len();
        let mut orders = Vec::new();
        for (p, order) in every_outcome(|random| {
            let mut order: Vec<usize> = (0..n).collect();
            shuffle(&mut order, random);
            Ok(order)
        })
        .unwrap()
        {
            orders.push((p, order));
        }
        let mut law: BTreeMap<Vec<usize>, f64> = BTreeMap::new();
        for (p, order) in orders {
            let ordered: Vec<f64> = order.iter().map(|k| weights[*k]).collect();
            for (q, ancestors) in every_outcome(|random| Ok(resampler.ancestors(&ordered, n, random))).unwrap() {
                let mut counts = vec![0; n];
                ancestors.iter().for_each(|k| counts[order[*k]] += 1);
                let size = counts[kept] as f64 / (n as f64 * weights[kept]);
                if size > 0.0 {
                    *law.entry(counts).or_default() += p * q * size;
                }
            }
        }
        law.into_iter().collect()
    }

    #[test]
    fn conditional_schemes_have_the_law_given_a_child() {
        use std::collections::BTreeMap;
        for weights in [vec![0.5, 0.3, 0.2], vec![0.2, 0.8], vec![0.05, 0.0, 0.95], vec![0.4, 0.1, 0.25, 0.25]] {
            for resampler in ALL {
                for kept in [0, weights.len() - 1] {
                    let mut law: BTreeMap<Vec<usize>, f64> = BTreeMap::new();
                    for (p, ancestors) in
                        every_outcome(|random| Ok(resampler.conditional_ancestors(&weights, kept, random))).unwrap()
                    {
                        assert_eq!((ancestors[0], ancestors.len()), (kept, weights.len()));
                        let mut counts = vec![0; weights.len()];
                        ancestors.iter().for_each(|k| counts[*k] += 1);
                        *law.entry(counts).or_default() += p;
                    }
                    let expected = conditional(resampler, &weights, kept);
                    let found: Vec<(Vec<usize>, f64)> = law.into_iter().filter(|(_, p)| *p > 1e-14).collect();
                    assert_eq!(found.len(), expected.len(), "{resampler:?} {weights:?} {kept}");
                    for ((a, p), (b, q)) in found.iter().zip(&expected) {
                        assert!(
                            a == b && (p - q).abs() < 1e-12,
                            "{resampler:?} {weights:?} {kept}: {a:?} {p} {b:?} {q}"
                        );
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
