//! Pareto smoothing of importance weights (Vehtari, Simpson, Gelman, Yao and Gabry 2024).

/// Log weights whose greatest are replaced by quantiles of a generalised Pareto distribution that was fitted to them, normalised so that
/// the weights sum to 1; and the shape k of that distribution. Above about 0.7 estimates from the weights cannot be trusted.
/// NaN stands for a shape that could not be estimated, from fewer than five weights in the tail or equal ones.
pub fn smooth(log_weights: &[f64]) -> (Vec<f64>, f64) {
    let n = log_weights.len();
    let highest = log_weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut logs: Vec<f64> =
        log_weights.iter().map(|w| if w.is_nan() { f64::NEG_INFINITY } else { w - highest }).collect();
    let tail = (0.2 * n as f64).min(3.0 * (n as f64).sqrt()).ceil() as usize;
    let mut k = f64::NAN;
    if tail >= 5 && tail < n && highest.is_finite() {
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(|a, b| logs[*a].total_cmp(&logs[*b]));
        let cutoff = logs[order[n - tail - 1]].max(f64::MIN_POSITIVE.ln());
        let excess: Vec<f64> = order[n - tail..].iter().map(|i| logs[*i].exp() - cutoff.exp()).collect();
        if excess[tail - 1] > excess[0] && excess[tail / 4] > 0.0 {
            let (shape, scale) = fit(&excess);
            k = shape;
            for (rank, place) in order[n - tail..].iter().enumerate() {
                let p = (rank as f64 + 0.5) / tail as f64;
                let quantile = if shape.abs() < 1e-12 {
                    -scale * (-p).ln_1p()
                } else {
                    scale * ((-shape * (-p).ln_1p()).exp_m1()) / shape
                };
                // No weight grows beyond the greatest that was there.
                logs[*place] = (cutoff.exp() + quantile).ln().min(0.0);
            }
        }
    }
    let total = super::log_sum_exp(&logs);
    logs.iter_mut().for_each(|w| *w -= total);
    (logs, k)
}

/// Shape and scale of a generalised Pareto distribution for ascending positive numbers (Zhang and Stephens 2009), the shape drawn a little
/// to 0.5 as if by ten more observations.
fn fit(x: &[f64]) -> (f64, f64) {
    let n = x.len() as f64;
    let grid = 30 + n.sqrt() as usize;
    let quartile = x[((n / 4.0 + 0.5).floor() as usize).clamp(1, x.len()) - 1];
    let largest = x[x.len() - 1];
    let theta: Vec<f64> =
        (1..=grid).map(|i| 1.0 / largest + (1.0 - (grid as f64 / (i as f64 - 0.5)).sqrt()) / 3.0 / quartile).collect();
    let shape = |theta: f64| x.iter().map(|x| (-theta * x).ln_1p()).sum::<f64>() / n;
    let profile: Vec<f64> = theta
        .iter()
        .map(|t| {
            let k = shape(*t);
            n * ((-t / k).ln() - k - 1.0)
        })
        .collect();
    let weights: Vec<f64> = profile.iter().map(|a| 1.0 / profile.iter().map(|b| (b - a).exp()).sum::<f64>()).collect();
    let theta: f64 = theta.iter().zip(&weights).map(|(t, w)| t * w).sum();
    let k = shape(theta);
    let scale = -k / theta;
    ((k * n + 5.0) / (n + 10.0), scale)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Generator;

    /// Weights whose tail is exactly Pareto with shape k.
    fn weights(k: f64, n: usize) -> Vec<f64> {
        let mut generator = Generator::new(8);
        (0..n).map(|_| -k * generator.uniform_open().ln()).collect()
    }

    #[test]
    fn the_shape_of_a_pareto_tail_is_found() {
        for k in [0.2, 0.5, 0.9] {
            let found: Vec<f64> = (0..20).map(|i| smooth(&weights(k, 20_000)[i..]).1).collect();
            let mean = found.iter().sum::<f64>() / found.len() as f64;
            // About 420 weights in the tail: a standard error near (1 + k) / 20 for one fit of overlapping samples.
            assert!((mean - k).abs() < 0.25, "{k}: {mean}");
        }
    }

    #[test]
    fn smoothed_weights_are_weights() {
        let (logs, _) = smooth(&weights(0.7, 1000));
        let total: f64 = logs.iter().map(|w| w.exp()).sum();
        assert!((total - 1.0).abs() < 1e-12);
        let equal = smooth(&[0.0; 100]);
        assert!(equal.1.is_nan() && equal.0.iter().all(|w| (w.exp() - 0.01).abs() < 1e-12));
        assert!(smooth(&[]).0.is_empty());
    }
}
