//! Special functions of statistics: gamma, beta, error and Bessel functions and their inverses.

use super::Row;
use super::numeric::{bessel, elementary, error, gamma, incomplete_beta, incomplete_gamma};

pub(super) const ROWS: &[Row] = &[
    Row::real1(
        "fn gamma(x: Real) -> Real",
        "The gamma function.\nexample: gamma(5) == 24",
        &["result * digamma(x)"],
        gamma::gamma,
    ),
    Row::real1(
        "fn lgamma(x: Real) -> Real",
        "The logarithm of the absolute value of the gamma function.\nexample: lgamma(1) == 0 && lgamma(2) == 0",
        &["digamma(x)"],
        gamma::lgamma,
    ),
    Row::real1(
        "fn lgamma1p(x: Real) -> Real",
        "`lgamma(1 + x)`, exact near 0.\nexample: abs(lgamma1p(1e-10) + 5.772156649e-11) < 1e-19",
        &["digamma(1 + x)"],
        gamma::lgamma1p,
    ),
    Row::real1(
        "fn digamma(x: Real) -> Real",
        "The derivative of `lgamma`.\nexample: abs(digamma(1) + 0.5772156649015329) < 1e-15",
        &["trigamma(x)"],
        gamma::digamma,
    ),
    Row::real1(
        "fn trigamma(x: Real) -> Real",
        "The second derivative of `lgamma`; its own derivative is offered for positive `x`.\nexample: abs(trigamma(1) - 1.6449340668482264) < 1e-14",
        &["polygamma(2, x)"],
        gamma::trigamma,
    ),
    Row::real2(
        "fn polygamma(n: Real, x: Real) -> Real",
        "The derivative of order `n` of `digamma`, for whole `n` and, from `n = 2` on, positive `x`.\n\
         example: abs(polygamma(2, 1) + 2.4041138063191886) < 1e-14",
        &["", "polygamma(n + 1, x)"],
        gamma::polygamma,
    ),
    Row::real1(
        "fn stirling_error(x: Real) -> Real",
        "The error of Stirling's formula: `lgamma(x) - (x - 0.5) * log(x) + x - 0.5 * log(2 * pi)`, for `x > 0`.\n\
         example: abs(stirling_error(1e6) - 1 / 12e6) < 1e-15",
        &["digamma(x) - log(x) + 0.5 / x"],
        gamma::stirling_error,
    ),
    Row::real2(
        "fn deviance(x: Real, m: Real) -> Real",
        "`x * log(x / m) + m - x` without cancellation: half the deviance of a Poisson count `x` with mean `m`; with \
         `stirling_error` it gives Loader's saddle-point form of densities (2000).\n\
         example: deviance(3, 3) == 0 && deviance(0, 2) == 2",
        &["log(x / m)", "1 - x / m"],
        elementary::deviance,
    ),
    Row::real2(
        "fn lbeta(a: Real, b: Real) -> Real",
        "The logarithm of the beta function, for positive arguments of any size.\nexample: lbeta(1, 4) == -log(4)",
        &["digamma(a) - digamma(a + b)", "digamma(b) - digamma(a + b)"],
        gamma::lbeta,
    ),
    Row::real2(
        "fn beta(a: Real, b: Real) -> Real",
        "The beta function.\nexample: abs(beta(2, 3) - 1 / 12) < 1e-15",
        &["result * (digamma(a) - digamma(a + b))", "result * (digamma(b) - digamma(a + b))"],
        gamma::beta,
    ),
    Row::real2(
        "fn lchoose(n: Real, k: Real) -> Real",
        "The logarithm of the binomial coefficient, `-inf` outside `0 <= k <= n`.\n\
         example: abs(lchoose(5, 2) - log(10)) < 1e-14",
        &["digamma(n + 1) - digamma(n - k + 1)", "digamma(n - k + 1) - digamma(k + 1)"],
        gamma::lchoose,
    ),
    Row::real2(
        "fn lmgamma(p: Real, x: Real) -> Real",
        "The logarithm of the multivariate gamma function of whole dimension `p`.\n\
         example: lmgamma(1, 3.5) == lgamma(3.5)",
        &["", "lmgamma_by_x(p, x)"],
        gamma::lmgamma,
    ),
    Row::real2(
        "fn lmgamma_by_x(p: Real, x: Real) -> Real",
        "The derivative of `lmgamma` by `x`.\nexample: lmgamma_by_x(1, 3.5) == digamma(3.5)",
        &["", "lmgamma_by_x2(p, x)"],
        |p, x| gamma::over_dimensions(p, x, gamma::digamma),
    ),
    Row::real2(
        "fn lmgamma_by_x2(p: Real, x: Real) -> Real",
        "The second derivative of `lmgamma` by `x`; its own derivative is not offered and is NaN.\n\
         example: lmgamma_by_x2(1, 3.5) == trigamma(3.5)",
        &["", "nan"],
        |p, x| gamma::over_dimensions(p, x, gamma::trigamma),
    ),
    Row::real1(
        "fn erf(x: Real) -> Real",
        "The error function.\nexample: erf(0) == 0 && erf(inf) == 1",
        &["2 / sqrt(3.141592653589793) * exp(-x * x)"],
        error::erf,
    ),
    Row::real1(
        "fn erfc(x: Real) -> Real",
        "`1 - erf(x)`, exact in the tail.\nexample: erfc(0) == 1",
        &["-2 / sqrt(3.141592653589793) * exp(-x * x)"],
        error::erfc,
    ),
    Row::real1(
        "fn erfcx(x: Real) -> Real",
        "`exp(x ^ 2) * erfc(x)` without overflow.\nexample: erfcx(0) == 1",
        &["2 * x * result - 2 / sqrt(3.141592653589793)"],
        error::erfcx,
    ),
    Row::real1(
        "fn Phi(x: Real) -> Real",
        "The standard normal distribution function, exact in the lower tail.\nexample: Phi(0) == 0.5",
        &["exp(-0.5 * x * x) / sqrt(2 * 3.141592653589793)"],
        error::normal_cdf,
    ),
    Row::real1(
        "fn log_Phi(x: Real) -> Real",
        "The logarithm of the standard normal distribution function, exact in both tails.\n\
         example: abs(log_Phi(0) + log(2)) < 1e-15",
        &["sqrt(2 / 3.141592653589793) / erfcx(-x / sqrt(2))"],
        error::log_normal_cdf,
    ),
    Row::real1(
        "fn inv_Phi(p: Real) -> Real",
        "The standard normal quantile.\nexample: inv_Phi(0.5) == 0 && inv_Phi(0) == -inf",
        &["sqrt(2 * 3.141592653589793) * exp(0.5 * result * result)"],
        error::inv_normal_cdf,
    ),
    Row::real1(
        "fn inv_log_Phi(log_p: Real) -> Real",
        "The `x` with `log_Phi(x) == log_p`.\nexample: abs(inv_log_Phi(log_Phi(-50)) + 50) < 1e-12",
        &["sqrt(3.141592653589793 / 2) * erfcx(-result / sqrt(2))"],
        error::inv_log_normal_cdf,
    ),
    Row::real2(
        "fn owens_t(h: Real, a: Real) -> Real",
        "Owen's T function, with which the skew normal distribution function is written.\n\
         example: abs(owens_t(0, 1) - 0.125) < 1e-15",
        &[
            "-exp(-0.5 * h * h) * erf(a * h / sqrt(2)) / (2 * sqrt(2 * 3.141592653589793))",
            "exp(-0.5 * h * h * (1 + a * a)) / (2 * 3.141592653589793 * (1 + a * a))",
        ],
        error::owens_t,
    ),
    Row::real2(
        "fn gamma_p(a: Real, x: Real) -> Real",
        "The regularised lower incomplete gamma function, the distribution function of `Gamma(a, 1)`.\n\
         example: abs(gamma_p(1, 2) - (1 - exp(-2))) < 1e-15",
        &["gamma_p_by_a(a, x)", "exp((a - 1) * log(x) - x - lgamma(a))"],
        incomplete_gamma::gamma_p,
    ),
    Row::real2(
        "fn gamma_q(a: Real, x: Real) -> Real",
        "The regularised upper incomplete gamma function, `1 - gamma_p(a, x)`.\n\
         example: abs(gamma_q(1, 2) - exp(-2)) < 1e-15",
        &["-gamma_p_by_a(a, x)", "-exp((a - 1) * log(x) - x - lgamma(a))"],
        incomplete_gamma::gamma_q,
    ),
    Row::real2(
        "fn gamma_p_by_a(a: Real, x: Real) -> Real",
        "The derivative of `gamma_p` by its shape; its own derivative by `a` is not offered and is NaN.\n\
         example: gamma_p_by_a(2, 1) < 0",
        &["nan", "exp((a - 1) * log(x) - x - lgamma(a)) * (log(x) - digamma(a))"],
        incomplete_gamma::gamma_p_by_shape,
    ),
    Row::real2(
        "fn inv_gamma_p(a: Real, p: Real) -> Real",
        "The `x` with `gamma_p(a, x) == p`, the quantile of `Gamma(a, 1)`.\n\
         example: abs(inv_gamma_p(1, 0.5) - log(2)) < 1e-15",
        &[
            "-gamma_p_by_a(a, result) * exp(result + lgamma(a) - (a - 1) * log(result))",
            "exp(result + lgamma(a) - (a - 1) * log(result))",
        ],
        incomplete_gamma::gamma_p_inv,
    ),
    Row::real2(
        "fn inv_gamma_q(a: Real, q: Real) -> Real",
        "The `x` with `gamma_q(a, x) == q`.\nexample: abs(inv_gamma_q(1, 1e-100) - 100 * log(10)) < 1e-12",
        &[
            "-gamma_p_by_a(a, result) * exp(result + lgamma(a) - (a - 1) * log(result))",
            "-exp(result + lgamma(a) - (a - 1) * log(result))",
        ],
        incomplete_gamma::gamma_q_inv,
    ),
    Row::real3(
        "fn inc_beta(a: Real, b: Real, x: Real) -> Real",
        "The regularised incomplete beta function, the distribution function of `Beta(a, b)`.\n\
         example: abs(inc_beta(2, 2, 0.5) - 0.5) < 1e-15",
        &[
            "inc_beta_by_a(a, b, x)",
            "inc_beta_by_b(a, b, x)",
            "exp(xlogy(a - 1, x) + xlog1py(b - 1, -x) - lbeta(a, b))",
        ],
        incomplete_beta::inc_beta,
    ),
    Row::real3(
        "fn inc_beta_by_a(a: Real, b: Real, x: Real) -> Real",
        "The derivative of `inc_beta` by `a`; its own derivatives by `a` and `b` are not offered and are NaN.\n\
         example: abs(inc_beta_by_a(2, 1, 0.5) - 0.25 * log(0.5)) < 1e-10",
        &[
            "nan",
            "nan",
            "exp(xlogy(a - 1, x) + xlog1py(b - 1, -x) - lbeta(a, b)) * (log(x) - digamma(a) + digamma(a + b))",
        ],
        incomplete_beta::inc_beta_by_a,
    ),
    Row::real3(
        "fn inc_beta_by_b(a: Real, b: Real, x: Real) -> Real",
        "The derivative of `inc_beta` by `b`; its own derivatives by `a` and `b` are not offered and are NaN.\n\
         example: abs(inc_beta_by_b(1, 2, 0.5) + 0.25 * log(0.5)) < 1e-10",
        &[
            "nan",
            "nan",
            "exp(xlogy(a - 1, x) + xlog1py(b - 1, -x) - lbeta(a, b)) * (log1p(-x) - digamma(b) + digamma(a + b))",
        ],
        incomplete_beta::inc_beta_by_b,
    ),
    Row::real3(
        "fn inv_inc_beta(a: Real, b: Real, p: Real) -> Real",
        "The `x` with `inc_beta(a, b, x) == p`, the quantile of `Beta(a, b)`.\n\
         example: abs(inv_inc_beta(2, 1, 0.25) - 0.5) < 1e-14",
        &[
            "-inc_beta_by_a(a, b, result) / exp(xlogy(a - 1, result) + xlog1py(b - 1, -result) - lbeta(a, b))",
            "-inc_beta_by_b(a, b, result) / exp(xlogy(a - 1, result) + xlog1py(b - 1, -result) - lbeta(a, b))",
            "exp(lbeta(a, b) - xlogy(a - 1, result) - xlog1py(b - 1, -result))",
        ],
        incomplete_beta::inc_beta_inv,
    ),
    Row::real3(
        "fn inc_beta_upper(a: Real, b: Real, x: Real) -> Real",
        "`1 - inc_beta(a, b, x)`, exact where it is small and where `x` is.\n\
         example: abs(inc_beta_upper(1, 1e20, 1e-20) - exp(-1)) < 1e-15",
        &[
            "-inc_beta_by_a(a, b, x)",
            "-inc_beta_by_b(a, b, x)",
            "-exp(xlogy(a - 1, x) + xlog1py(b - 1, -x) - lbeta(a, b))",
        ],
        incomplete_beta::inc_beta_upper,
    ),
    Row::real3(
        "fn inv_inc_beta_upper(a: Real, b: Real, q: Real) -> Real",
        "The `x` with `inc_beta_upper(a, b, x) == q`.\nexample: abs(inv_inc_beta_upper(1, 1, 0.25) - 0.75) < 1e-15",
        &[
            "-inc_beta_by_a(a, b, result) / exp(xlogy(a - 1, result) + xlog1py(b - 1, -result) - lbeta(a, b))",
            "-inc_beta_by_b(a, b, result) / exp(xlogy(a - 1, result) + xlog1py(b - 1, -result) - lbeta(a, b))",
            "-exp(lbeta(a, b) - xlogy(a - 1, result) - xlog1py(b - 1, -result))",
        ],
        incomplete_beta::inc_beta_upper_inv,
    ),
    Row::real1(
        "fn bessel_i0(x: Real) -> Real",
        "The modified Bessel function of the first kind of order 0.\nexample: bessel_i0(0) == 1",
        &["bessel_i1(x)"],
        bessel::bessel_i0,
    ),
    Row::real1(
        "fn bessel_i1(x: Real) -> Real",
        "The modified Bessel function of the first kind of order 1.\nexample: bessel_i1(0) == 0",
        &["bessel_i0(x) * (1 - bessel_ratio_over(x))"],
        bessel::bessel_i1,
    ),
    Row::real1(
        "fn log_bessel_i0(x: Real) -> Real",
        "`log(bessel_i0(x))` without overflow.\nexample: log_bessel_i0(0) == 0",
        &["bessel_ratio(x)"],
        bessel::log_bessel_i0,
    ),
    Row::real1(
        "fn bessel_ratio(x: Real) -> Real",
        "`bessel_i1(x) / bessel_i0(x)`, the mean resultant length of a von Mises distribution.\nexample: bessel_ratio(inf) == 1",
        &["1 - result * result - bessel_ratio_over(x)"],
        bessel::bessel_ratio,
    ),
    Row::real1(
        "fn bessel_ratio_over(x: Real) -> Real",
        "`bessel_ratio(x) / x`, one half at 0.\nexample: bessel_ratio_over(0) == 0.5",
        &["(1 - bessel_ratio(x) ^ 2 - 2 * result) / x"],
        |x| if x == 0.0 { 0.5 } else { bessel::bessel_ratio(x) / x },
    ),
];

#[cfg(test)]
mod tests {
    use super::super::{Body, find};

    /// Values to 50 digits by mpmath; `tests/reference/special.py` writes the file.
    const REFERENCE: &str = include_str!("../../tests/reference/special.csv");

    #[test]
    fn values_match_high_precision_references() {
        let (mut worst, mut checked, mut wrong) = (0.0f64, 0, Vec::new());
        for line in REFERENCE.lines().skip(1) {
            let cells: Vec<&str> = line.split(',').collect();
            let (name, args, expected, tolerance) = (
                cells[0],
                cells[1..cells.len() - 2].iter().filter(|cell| !cell.is_empty()).map(|cell| cell.parse().unwrap()),
                cells[cells.len() - 2].parse::<f64>().unwrap(),
                cells[cells.len() - 1].parse::<f64>().unwrap(),
            );
            let args: Vec<f64> = args.collect();
            let value = find(name)
                .find_map(|(_, row)| match (row.body, args.len()) {
                    (Body::Real1(f), 1) => Some(f(args[0])),
                    (Body::Real2(f), 2) => Some(f(args[0], args[1])),
                    (Body::Real3(f), 3) => Some(f(args[0], args[1], args[2])),
                    _ => None,
                })
                .unwrap_or_else(|| panic!("no row for {line}"));
            checked += 1;
            let error = if value == expected { 0.0 } else { ((value - expected) / expected).abs() };
            if error.is_nan() || error > tolerance {
                wrong.push(format!("{name}{args:?} = {value:e}, not {expected:e}: {error:.1e}"));
            }
            worst = worst.max(error / tolerance);
        }
        assert!(checked > 1200, "{checked}");
        assert!(wrong.is_empty(), "{} of {checked}\n{}", wrong.len(), wrong.join("\n"));
        assert!(worst <= 1.0);
    }

    #[test]
    fn extreme_arguments_end() {
        let extremes = [
            0.0,
            1e-310,
            1e-20,
            0.5,
            1.0,
            3.5,
            30.0,
            1e4,
            1e9,
            1e17,
            1e300,
            f64::INFINITY,
            f64::NAN,
            -1e-20,
            -0.5,
            -1.0,
            -1e300,
            f64::NEG_INFINITY,
        ];
        for row in super::super::rows().iter().flat_map(|theme| theme.iter()) {
            for a in extremes {
                if let Body::Real1(f) = row.body {
                    let value = f(a);
                    assert!(!a.is_nan() || value.is_nan() || row.name() == "step", "{} of nan", row.name());
                }
                for b in extremes {
                    if let Body::Real2(f) = row.body {
                        f(a, b);
                    }
                    for c in extremes {
                        if let Body::Real3(f) = row.body {
                            f(a, b, c);
                        }
                    }
                }
            }
        }
    }
}
