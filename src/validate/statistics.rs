//! Tests of fit: p values of chi-square, Kolmogorov-Smirnov and normal statistics.

use statrs::function::erf::erfc;
use statrs::function::gamma::gamma_ur;

/// The p value of Pearson's statistic of counts against equal expectations.
pub fn chi_square_uniform(counts: &[usize]) -> f64 {
    let total: usize = counts.iter().sum();
    let expected = total as f64 / counts.len() as f64;
    if counts.len() < 2 || total == 0 {
        return 1.0;
    }
    let statistic = counts.iter().map(|n| (*n as f64 - expected).powi(2) / expected).sum();
    chi_square_tail(statistic, counts.len() - 1)
}

/// The p value of Pearson's statistic of counts against probabilities. Cells with few expected counts are pooled.
pub fn chi_square(counts: &[usize], probabilities: &[f64]) -> f64 {
    let total = counts.iter().sum::<usize>() as f64;
    let mut cells: Vec<(f64, f64)> = counts.iter().zip(probabilities).map(|(n, p)| (p * total, *n as f64)).collect();
    if cells.iter().any(|(expected, found)| *expected <= 0.0 && *found > 0.0) {
        return 0.0;
    }
    cells.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut pooled: Vec<(f64, f64)> = Vec::new();
    for (expected, found) in cells {
        match pooled.last_mut() {
            Some(last) if last.0 < 8.0 => {
                last.0 += expected;
                last.1 += found;
            }
            _ => pooled.push((expected, found)),
        }
    }
    if pooled.len() < 2 {
        return 1.0;
    }
    let statistic = pooled.iter().map(|(expected, found)| (found - expected).powi(2) / expected).sum();
    chi_square_tail(statistic, pooled.len() - 1)
}

fn chi_square_tail(statistic: f64, degrees: usize) -> f64 {
    if statistic > 0.0 { gamma_ur(degrees as f64 / 2.0, statistic / 2.0) } else { 1.0 }
}

/// The p value of the Kolmogorov-Smirnov statistic of numbers against the uniform distribution on [0, 1].
pub fn kolmogorov_smirnov(xs: &[f64]) -> f64 {
    let mut sorted = xs.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len() as f64;
    let gap = |(i, x): (usize, &f64)| ((i as f64 + 1.0) / n - x).max(x - i as f64 / n);
    let statistic = sorted.iter().enumerate().map(gap).fold(0.0, f64::max);
    kolmogorov_tail(statistic, n)
}

/// The p value of the Kolmogorov-Smirnov statistic of two samples. Ties make it conservative.
pub fn kolmogorov_smirnov_two(a: &[f64], b: &[f64]) -> f64 {
    let (mut a, mut b) = (a.to_vec(), b.to_vec());
    a.sort_by(f64::total_cmp);
    b.sort_by(f64::total_cmp);
    let (mut i, mut j, mut statistic) = (0, 0, 0.0f64);
    while i < a.len() && j < b.len() {
        let x = a[i].min(b[j]);
        while i < a.len() && a[i] <= x {
            i += 1;
        }
        while j < b.len() && b[j] <= x {
            j += 1;
        }
        statistic = statistic.max((i as f64 / a.len() as f64 - j as f64 / b.len() as f64).abs());
    }
    let n = a.len() as f64 * b.len() as f64 / (a.len() + b.len()) as f64;
    kolmogorov_tail(statistic, n)
}

/// The tail of Kolmogorov's distribution, with the correction for finite samples of Stephens 1970.
fn kolmogorov_tail(statistic: f64, n: f64) -> f64 {
    let x = statistic * (n.sqrt() + 0.12 + 0.11 / n.sqrt());
    if x < 0.2 {
        return 1.0;
    }
    let sum: f64 =
        (1..100).map(|k| (if k % 2 == 1 { 2.0 } else { -2.0 }) * (-2.0 * f64::from(k * k) * x * x).exp()).sum();
    sum.clamp(0.0, 1.0)
}

/// The probability that a normal number is as far from its mean as this many standard deviations.
pub fn two_sided(z: f64) -> f64 {
    erfc(z.abs() / std::f64::consts::SQRT_2)
}

/// The mean of numbers, and its standard error.
pub fn mean_and_error(xs: &[f64]) -> (f64, f64) {
    let n = xs.len() as f64;
    let mean = xs.iter().sum::<f64>() / n;
    let variance = xs.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    (mean, (variance / n).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_are_those_of_the_tables() {
        // The 5% points of chi-square with 3 degrees of freedom, of Kolmogorov's and of the normal distribution.
        assert!((chi_square_tail(7.814_728, 3) - 0.05).abs() < 1e-6);
        assert!((kolmogorov_tail(1.3581 / (1e8f64).sqrt(), 1e8) - 0.05).abs() < 1e-4);
        assert!((two_sided(1.959_964) - 0.05).abs() < 1e-6);
    }

    #[test]
    fn even_numbers_fit_and_skewed_ones_do_not() {
        let even: Vec<f64> = (0..1000).map(|k| (f64::from(k) + 0.5) / 1000.0).collect();
        let skewed: Vec<f64> = even.iter().map(|u| u * u).collect();
        assert!(kolmogorov_smirnov(&even) > 0.99 && kolmogorov_smirnov(&skewed) < 1e-9);
        assert!(kolmogorov_smirnov_two(&even, &even) > 0.99 && kolmogorov_smirnov_two(&even, &skewed) < 1e-9);
        assert!(chi_square_uniform(&[50, 52, 48]) > 0.9 && chi_square_uniform(&[90, 30, 30]) < 1e-6);
        assert!(chi_square(&[500, 0, 500], &[0.5, 0.0, 0.5]) > 0.9 && chi_square(&[1, 1], &[1.0, 0.0]) == 0.0);
        assert!(chi_square(&[300, 700], &[0.5, 0.5]) < 1e-9);
    }
}
