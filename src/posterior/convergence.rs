//! Convergence of Markov chains: R-hat, effective sample size and Monte Carlo standard errors.
//!
//! All follow Vehtari, Gelman, Simpson, Carpenter and Bürkner (2021), "Rank-normalization, folding, and localization:
//! an improved R-hat for assessing convergence of MCMC", Bayesian Analysis 16(2).
//! Chains are given as slices of equal meaning; those of unequal length are cut to the shortest.
//! Fewer than four draws in a chain, or a NaN among them, give NaN.

use super::autocovariance::Autocovariance;

/// What [`diagnose`] finds out about one scalar variable.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Convergence {
    /// Monte Carlo standard error of the mean.
    pub mcse_mean: f64,
    /// Monte Carlo standard error of the standard deviation.
    pub mcse_sd: f64,
    /// Effective sample size of the rank-normalised draws.
    pub ess_bulk: f64,
    /// The smaller of the effective sample sizes of the 5 % and 95 % quantiles.
    pub ess_tail: f64,
    /// The larger of the rank-normalised and the folded split R-hat; NaN for a constant.
    pub r_hat: f64,
}

/// All diagnostics of one variable.
pub fn diagnose(chains: &[Vec<f64>]) -> Convergence {
    let Some(chains) = valid(chains) else {
        let none = f64::NAN;
        return Convergence { mcse_mean: none, mcse_sd: none, ess_bulk: none, ess_tail: none, r_hat: none };
    };
    let halves = split(&chains);
    let bulk = rank_normalise(&halves);
    let sorted = sorted(&chains);
    Convergence {
        mcse_mean: mcse_mean_of(&chains, &halves),
        mcse_sd: mcse_sd_of(&chains),
        ess_bulk: basic_ess(&bulk),
        ess_tail: ess_quantile_of(&chains, &sorted, 0.05).min(ess_quantile_of(&chains, &sorted, 0.95)),
        r_hat: r_hat_of(&halves, &bulk),
    }
}

/// Rank-normalised split R-hat: the larger of the one of the draws and the one of their distances from the median.
/// One chain is enough, as it is split in two.
pub fn r_hat(chains: &[Vec<f64>]) -> f64 {
    valid(chains).map_or(f64::NAN, |chains| {
        let halves = split(&chains);
        r_hat_of(&halves, &rank_normalise(&halves))
    })
}

fn r_hat_of(halves: &[Vec<f64>], bulk: &[Vec<f64>]) -> f64 {
    let centre = quantile_of_sorted(&sorted(halves), 0.5);
    let folded: Vec<Vec<f64>> = map(halves, |x| (x - centre).abs());
    let (bulk, tail) = (basic_r_hat(bulk), basic_r_hat(&rank_normalise(&folded)));
    if tail.is_nan() { bulk } else { bulk.max(tail) }
}

/// Effective sample size of the bulk of the distribution.
pub fn ess_bulk(chains: &[Vec<f64>]) -> f64 {
    valid(chains).map_or(f64::NAN, |chains| basic_ess(&rank_normalise(&split(&chains))))
}

/// Effective sample size of the tails: the smaller of those of the 5 % and the 95 % quantile.
pub fn ess_tail(chains: &[Vec<f64>]) -> f64 {
    ess_quantile(chains, 0.05).min(ess_quantile(chains, 0.95))
}

/// Effective sample size of the estimate of a quantile.
pub fn ess_quantile(chains: &[Vec<f64>], probability: f64) -> f64 {
    valid(chains).map_or(f64::NAN, |chains| ess_quantile_of(&chains, &sorted(&chains), probability))
}

fn ess_quantile_of(chains: &[Vec<f64>], sorted: &[f64], probability: f64) -> f64 {
    let limit = quantile_of_sorted(sorted, probability);
    basic_ess(&split(&map(chains, |x| f64::from(u8::from(x <= limit)))))
}

/// Effective sample size of the estimate of the mean.
pub fn ess_mean(chains: &[Vec<f64>]) -> f64 {
    valid(chains).map_or(f64::NAN, |chains| basic_ess(&split(&chains)))
}

/// Monte Carlo standard error of the mean.
pub fn mcse_mean(chains: &[Vec<f64>]) -> f64 {
    valid(chains).map_or(f64::NAN, |chains| mcse_mean_of(&chains, &split(&chains)))
}

fn mcse_mean_of(chains: &[Vec<f64>], halves: &[Vec<f64>]) -> f64 {
    (variance(&chains.concat()) / basic_ess(halves)).sqrt()
}

/// Monte Carlo standard error of the standard deviation, by the delta method.
pub fn mcse_sd(chains: &[Vec<f64>]) -> f64 {
    valid(chains).map_or(f64::NAN, |chains| mcse_sd_of(&chains))
}

fn mcse_sd_of(chains: &[Vec<f64>]) -> f64 {
    let centre = mean(&chains.concat());
    let squares = map(chains, |x| (x - centre) * (x - centre));
    let all = squares.concat();
    let spread = mean(&all);
    let fourth = all.iter().map(|x| x * x).sum::<f64>() / all.len() as f64;
    let spread_variance = (fourth - spread * spread) / basic_ess(&split(&squares));
    if spread == 0.0 { 0.0 } else { (spread_variance / spread / 4.0).sqrt() }
}

/// Estimated Bayesian fraction of missing information of one chain's energies (Betancourt 2016).
pub fn e_bfmi(energy: &[f64]) -> f64 {
    if energy.len() < 4 {
        return f64::NAN;
    }
    let steps: f64 = energy.windows(2).map(|w| (w[1] - w[0]) * (w[1] - w[0])).sum();
    steps / (energy.len() - 1) as f64 / variance(energy)
}

/// The quantile of sorted numbers, with linear interpolation (type 7 of Hyndman and Fan 1996); NaN when there are none.
pub fn quantile_of_sorted(sorted: &[f64], probability: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let position = probability.clamp(0.0, 1.0) * last as f64;
    let below = (position.floor() as usize).min(last);
    let above = (below + 1).min(last);
    let fraction = position - below as f64;
    let (low, high) = (sorted[below], sorted[above]);
    // Equal ends are kept apart from the formula so that infinities do not become NaN.
    if fraction == 0.0 || low == high { low } else { low * (1.0 - fraction) + high * fraction }
}

/// Arithmetic mean; NaN when there are no numbers.
pub fn mean(xs: &[f64]) -> f64 {
    xs.iter().sum::<f64>() / xs.len() as f64
}

/// Variance with denominator n − 1.
pub fn variance(xs: &[f64]) -> f64 {
    let centre = mean(xs);
    xs.iter().map(|x| (x - centre) * (x - centre)).sum::<f64>() / (xs.len() as f64 - 1.0)
}

fn map(chains: &[Vec<f64>], f: impl Fn(f64) -> f64) -> Vec<Vec<f64>> {
    chains.iter().map(|chain| chain.iter().map(|x| f(*x)).collect()).collect()
}

/// The chains cut to one length, unless they are too short or hold a NaN.
fn valid(chains: &[Vec<f64>]) -> Option<Vec<Vec<f64>>> {
    let length = chains.iter().map(Vec::len).min()?;
    if length < 4 {
        return None;
    }
    let cut: Vec<Vec<f64>> = chains.iter().map(|chain| chain[..length].to_vec()).collect();
    if cut.iter().flatten().any(|x| x.is_nan()) { None } else { Some(cut) }
}

/// Both halves of every chain; the middle draw of an odd number is left out.
fn split(chains: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let half = chains.first().map_or(0, Vec::len) / 2;
    let firsts = chains.iter().map(|chain| chain[..half].to_vec());
    let seconds = chains.iter().map(|chain| chain[chain.len() - half..].to_vec());
    firsts.chain(seconds).collect()
}

fn sorted(chains: &[Vec<f64>]) -> Vec<f64> {
    let mut all = chains.concat();
    all.sort_unstable_by(f64::total_cmp);
    all
}

/// Normal scores of the ranks over all chains together; ties share their average rank (Blom 1958).
fn rank_normalise(chains: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let length = chains.first().map_or(0, Vec::len);
    // Numbers and their places lie together, so that sorting reads memory in order.
    let mut order: Vec<(f64, u32)> = chains.iter().flatten().copied().zip(0..).collect();
    order.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let mut scores = vec![0.0; order.len()];
    let mut start = 0;
    while start < order.len() {
        let mut end = start + 1;
        while end < order.len() && order[end].0 == order[start].0 {
            end += 1;
        }
        let rank = (start + 1 + end) as f64 / 2.0;
        let score = normal_quantile((rank - 0.375) / (order.len() as f64 + 0.25));
        for (_, place) in &order[start..end] {
            scores[*place as usize] = score;
        }
        start = end;
    }
    scores.chunks(length.max(1)).map(<[f64]>::to_vec).collect()
}

fn basic_r_hat(chains: &[Vec<f64>]) -> f64 {
    let n = chains.first().map_or(0, Vec::len) as f64;
    // The moments of a constant chain are kept free of rounding, so that stuck chains give infinity and not a large number.
    let constant = |chain: &[f64]| chain.iter().all(|x| *x == chain[0]);
    let moments = |chain: &Vec<f64>| if constant(chain) { (chain[0], 0.0) } else { (mean(chain), variance(chain)) };
    let (means, variances): (Vec<f64>, Vec<f64>) = chains.iter().map(moments).unzip();
    let within = mean(&variances);
    let between = if constant(&means) { 0.0 } else { n * variance(&means) };
    ((between / within + n - 1.0) / n).sqrt()
}

/// Effective sample size by Geyer's initial monotone sequence over the average autocovariance of all chains.
fn basic_ess(chains: &[Vec<f64>]) -> f64 {
    let n = chains.first().map_or(0, Vec::len);
    let total = (n * chains.len()) as f64;
    let (low, high) =
        chains.iter().flatten().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), x| (a.min(*x), b.max(*x)));
    if n < 2 || !(high - low).is_finite() {
        return f64::NAN;
    }
    if high == low {
        return total;
    }
    let mut covariance = Autocovariance::new(chains);
    let means: Vec<f64> = chains.iter().map(|chain| mean(chain)).collect();
    let count = n as f64;
    let within = covariance.at(0) * count / (count - 1.0);
    let mut pooled = within * (count - 1.0) / count;
    if chains.len() > 1 {
        pooled += variance(&means);
    }
    let mut correlation = |lag: usize| 1.0 - (within - covariance.at(lag)) / pooled;

    // Pairs of correlations are kept while their sum is positive.
    let mut rho = vec![0.0; n];
    let (mut even, mut odd) = (1.0, correlation(1));
    (rho[0], rho[1]) = (even, odd);
    let mut t = 1;
    while t + 3 < n && even + odd > 0.0 {
        (even, odd) = (correlation(t + 1), correlation(t + 2));
        if even + odd >= 0.0 {
            (rho[t + 1], rho[t + 2]) = (even, odd);
        }
        t += 2;
    }
    // `kept` lags enter twice, the one after them once.
    let kept = t - 1;
    if even > 0.0 {
        rho[kept] = even;
    }
    // Their sums are made to decrease.
    let mut t = 1;
    while t + 3 <= kept {
        let before = rho[t - 1] + rho[t];
        if rho[t + 1] + rho[t + 2] > before {
            rho[t + 1] = before / 2.0;
            rho[t + 2] = before / 2.0;
        }
        t += 2;
    }
    let time = -1.0 + 2.0 * rho[..kept].iter().sum::<f64>() + rho[kept];
    if rho.iter().any(|x| x.is_nan()) {
        return f64::NAN;
    }
    // Antithetic chains may promise more than can be trusted.
    total / time.max(1.0 / total.log10())
}

/// Quantile of the standard normal distribution by Wichura (1988), algorithm AS 241, good to 1e-16.
/// The far tails, beyond a probability of e⁻²⁵, are not needed for ranks and are clamped.
fn normal_quantile(p: f64) -> f64 {
    const CENTRE: [f64; 8] = [
        3.387_132_872_796_366_6,
        133.141_667_891_784_38,
        1_971.590_950_306_551_3,
        13_731.693_765_509_46,
        45_921.953_931_549_87,
        67_265.770_927_008_7,
        33_430.575_583_588_13,
        2_509.080_928_730_122_7,
    ];
    const CENTRE_BELOW: [f64; 8] = [
        1.0,
        42.313_330_701_600_91,
        687.187_007_492_057_9,
        5_394.196_021_424_751,
        21_213.794_301_586_597,
        39_307.895_800_092_71,
        28_729.085_735_721_943,
        5_226.495_278_852_854,
    ];
    const TAIL: [f64; 8] = [
        1.423_437_110_749_683_5,
        4.630_337_846_156_546,
        5.769_497_221_460_691,
        3.647_848_324_763_204_5,
        1.270_458_252_452_368_4,
        0.241_780_725_177_450_6,
        0.022_723_844_989_269_184,
        7.745_450_142_783_414e-4,
    ];
    const TAIL_BELOW: [f64; 8] = [
        1.0,
        2.053_191_626_637_759,
        1.676_384_830_183_803_8,
        0.689_767_334_985_1,
        0.148_103_976_427_480_08,
        0.015_198_666_563_616_457,
        5.475_938_084_995_345e-4,
        1.050_750_071_644_416_9e-9,
    ];
    let polynomial = |c: &[f64; 8], x: f64| c.iter().rev().fold(0.0, |sum, a| sum * x + a);
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        let r = 0.180625 - q * q;
        return q * polynomial(&CENTRE, r) / polynomial(&CENTRE_BELOW, r);
    }
    let r = (-(p.min(1.0 - p)).ln()).sqrt().min(5.0) - 1.6;
    (polynomial(&TAIL, r) / polynomial(&TAIL_BELOW, r)).copysign(q)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_quantiles_are_known() {
        for (p, x) in [
            (0.5, 0.0),
            (0.975, 1.959_963_984_540_054),
            (0.01, -2.326_347_874_040_841),
            (1e-9, -5.997_807_015_007_687),
            (0.6, 0.253_347_103_135_799_7),
        ] {
            assert!((normal_quantile(p) - x).abs() < 1e-13, "{p}");
        }
    }

    #[test]
    fn constants_and_short_chains_have_no_r_hat() {
        assert!(r_hat(&[vec![1.0; 10], vec![1.0; 10]]).is_nan());
        assert_eq!(ess_bulk(&[vec![1.0; 10], vec![1.0; 10]]), 20.0);
        assert!(r_hat(&[vec![1.0, 2.0, 3.0]]).is_nan());
        assert!(ess_bulk(&[]).is_nan());
        assert!(ess_bulk(&[vec![1.0, f64::NAN, 3.0, 4.0]]).is_nan());
    }

    #[test]
    fn chains_stuck_apart_are_seen() {
        assert_eq!(r_hat(&[vec![1.0; 10], vec![2.0; 10]]), f64::INFINITY);
    }
}
