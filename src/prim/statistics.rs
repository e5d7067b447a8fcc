//! Sums, means, quantiles and their like over arrays of numbers.

use super::Row;
use super::arguments::{empty, real, same_length, take_ints, take_matrix, take_reals};
use super::arith::overflow;
use super::lists::order_reals;
use crate::value::{Fault, Value};
use std::sync::Arc;

pub(super) const ROWS: &[Row] = &[
    Row::smooth(
        "fn sum(xs: [Real]) -> Real",
        "The sum; 0 of no numbers.\nexample: sum([1.5, 2.0]) == 3.5",
        &["ones(len(xs))"],
        |args| Ok(Value::Real(take_reals(args, 0)?.iter().sum())),
    ),
    Row::general(
        "fn sum(xs: [Int]) -> Int",
        "The sum; an error where it overflows.\nexample: sum([1, 2]) == 3",
        |args| {
            let sum = take_ints(args, 0)?.iter().try_fold(0i64, |sum, n| sum.checked_add(*n));
            sum.map(Value::Int).ok_or_else(|| overflow("the sum"))
        },
    ),
    Row::general("fn sum(m: Matrix) -> Real", "The sum of all elements.\nexample: sum(identity(3)) == 3", |args| {
        Ok(Value::Real(take_matrix(args, 0)?.data.iter().sum()))
    }),
    Row::general(
        "fn prod(xs: [Real]) -> Real",
        "The product; 1 of no numbers.\nexample: prod([1.5, 2.0]) == 3",
        |args| Ok(Value::Real(take_reals(args, 0)?.iter().product())),
    ),
    Row::general(
        "fn prod(xs: [Int]) -> Int",
        "The product; an error where it overflows.\nexample: prod([2, 3]) == 6",
        |args| {
            let product = take_ints(args, 0)?.iter().try_fold(1i64, |product, n| product.checked_mul(*n));
            product.map(Value::Int).ok_or_else(|| overflow("the product"))
        },
    ),
    Row::general(
        "fn cumsum(xs: [Real]) -> [Real]",
        "The running sums.\nexample: cumsum([1.0, 2.0]) == [1.0, 3.0]",
        |args| {
            let mut xs = take_reals(args, 0)?;
            Arc::make_mut(&mut xs).iter_mut().fold(0.0, |sum, x| {
                *x += sum;
                *x
            });
            Ok(Value::Reals(xs))
        },
    ),
    Row::general("fn cumsum(xs: [Int]) -> [Int]", "The running sums.\nexample: cumsum([1, 2]) == [1, 3]", |args| {
        let mut xs = take_ints(args, 0)?;
        let mut sum = 0i64;
        for x in Arc::make_mut(&mut xs).iter_mut() {
            sum = sum.checked_add(*x).ok_or_else(|| overflow("a sum"))?;
            *x = sum;
        }
        Ok(Value::Ints(xs))
    }),
    Row::general(
        "fn cumprod(xs: [Real]) -> [Real]",
        "The running products.\nexample: cumprod([3.0, 2.0]) == [3.0, 6.0]",
        |args| {
            let mut xs = take_reals(args, 0)?;
            Arc::make_mut(&mut xs).iter_mut().fold(1.0, |product, x| {
                *x *= product;
                *x
            });
            Ok(Value::Reals(xs))
        },
    ),
    Row::general(
        "fn diff(xs: [Real]) -> [Real]",
        "The differences of neighbours.\nexample: diff([1.0, 3.0, 2.0]) == [2.0, -1.0]",
        |args| Ok(Value::reals(take_reals(args, 0)?.windows(2).map(|pair| pair[1] - pair[0]).collect())),
    ),
    Row::general(
        "fn min(xs: [Real]) -> Real",
        "The least number; NaN if one is.\nexample: min([2.0, 1.0]) == 1",
        |args| {
            let xs = take_reals(args, 0)?;
            xs.iter().copied().reduce(super::numeric::elementary::min).map(Value::Real).ok_or_else(|| empty("min"))
        },
    ),
    Row::general("fn min(xs: [Int]) -> Int", "The least integer.\nexample: min([2, 1]) == 1", |args| {
        take_ints(args, 0)?.iter().min().map(|n| Value::Int(*n)).ok_or_else(|| empty("min"))
    }),
    Row::general(
        "fn max(xs: [Real]) -> Real",
        "The greatest number; NaN if one is.\nexample: max([2.0, 1.0]) == 2",
        |args| {
            let xs = take_reals(args, 0)?;
            xs.iter().copied().reduce(super::numeric::elementary::max).map(Value::Real).ok_or_else(|| empty("max"))
        },
    ),
    Row::general("fn max(xs: [Int]) -> Int", "The greatest integer.\nexample: max([2, 1]) == 2", |args| {
        take_ints(args, 0)?.iter().max().map(|n| Value::Int(*n)).ok_or_else(|| empty("max"))
    }),
    Row::general(
        "fn argmin(xs: [Real]) -> Int",
        "The index of the first least number.\nexample: argmin([2.0, 1.0, 1.0]) == 1",
        |args| {
            let xs = take_reals(args, 0)?;
            let best = (0..xs.len()).reduce(|i, j| if order_reals(&xs[j], &xs[i]).is_lt() { j } else { i });
            best.map(|i| Value::Int(i as i64)).ok_or_else(|| empty("argmin"))
        },
    ),
    Row::general(
        "fn argmax(xs: [Real]) -> Int",
        "The index of the first greatest number; NaN are passed over.\nexample: argmax([2.0, 1.0]) == 0",
        |args| {
            let xs = take_reals(args, 0)?;
            let best = (0..xs.len()).reduce(|i, j| if xs[i].is_nan() || xs[j] > xs[i] { j } else { i });
            best.map(|i| Value::Int(i as i64)).ok_or_else(|| empty("argmax"))
        },
    ),
    Row::smooth(
        "fn dot(xs: [Real], ys: [Real]) -> Real",
        "The inner product, `xs @ ys`.\nexample: dot([1.0, 2.0], [3.0, 4.0]) == 11",
        &["ys", "xs"],
        |args| {
            let (xs, ys) = pair(args, "dot")?;
            Ok(Value::Real(xs.iter().zip(ys.iter()).map(|(x, y)| x * y).sum()))
        },
    ),
    Row::smooth(
        "fn logsumexp(xs: [Real]) -> Real",
        "`log(sum(exp(xs)))` without overflow; `-inf` of no numbers.\nexample: logsumexp([800.0, -inf]) == 800",
        &["softmax(xs)"],
        |args| Ok(Value::Real(log_sum_exp(&take_reals(args, 0)?))),
    ),
    Row::general(
        "fn softmax(xs: [Real]) -> [Real]",
        "`exp(xs) / sum(exp(xs))` without overflow.\nexample: softmax([3.0, 3.0]) == [0.5, 0.5]",
        |args| {
            let mut xs = take_reals(args, 0)?;
            let total = log_sum_exp(&xs);
            Arc::make_mut(&mut xs).iter_mut().for_each(|x| *x = (*x - total).exp());
            let total: f64 = xs.iter().sum();
            Arc::make_mut(&mut xs).iter_mut().for_each(|x| *x /= total);
            Ok(Value::Reals(xs))
        },
    ),
    Row::general(
        "fn log_softmax(xs: [Real]) -> [Real]",
        "`xs - logsumexp(xs)`\nexample: abs(log_softmax([3.0, 3.0])[0] + log(2)) < 1e-15",
        |args| {
            let mut xs = take_reals(args, 0)?;
            let total = log_sum_exp(&xs);
            Arc::make_mut(&mut xs).iter_mut().for_each(|x| *x -= total);
            Ok(Value::Reals(xs))
        },
    ),
    Row::smooth(
        "fn mean(xs: [Real]) -> Real",
        "The arithmetic mean.\nexample: mean([1.0, 2.0]) == 1.5",
        &["ones(len(xs)) / len(xs)"],
        |args| {
            let xs = take_reals(args, 0)?;
            if xs.is_empty() { Err(empty("mean")) } else { Ok(Value::Real(mean(&xs))) }
        },
    ),
    Row::smooth(
        "fn variance(xs: [Real]) -> Real",
        "The sample variance, with divisor `len(xs) - 1`.\nexample: variance([1.0, 3.0]) == 2",
        &["2 * (xs - mean(xs)) / (len(xs) - 1)"],
        |args| variance(&take_reals(args, 0)?, "variance").map(Value::Real),
    ),
    Row::smooth(
        "fn sd(xs: [Real]) -> Real",
        "The standard deviation, the root of `variance`.\nexample: sd([1.0, 3.0]) == sqrt(2)",
        &["(xs - mean(xs)) / ((len(xs) - 1) * result)"],
        |args| Ok(Value::Real(variance(&take_reals(args, 0)?, "sd")?.sqrt())),
    ),
    Row::general(
        "fn median(xs: [Real]) -> Real",
        "The middle number, or the mean of the middle two.\nexample: median([3.0, 1.0, 2.0]) == 2",
        |args| {
            let mut xs = take_reals(args, 0)?;
            quantiles(&mut xs, &[0.5], "median").map(|q| Value::Real(q[0]))
        },
    ),
    Row::general(
        "fn quantile(xs: [Real], q: Real) -> Real",
        "The quantile of probability `q`, linear between order statistics (type 7 of Hyndman and Fan 1996).\n\
         example: quantile([1.0, 2.0, 3.0], 0.25) == 1.5",
        |args| {
            let q = real(args, 1)?;
            let mut xs = take_reals(args, 0)?;
            quantiles(&mut xs, &[q], "quantile").map(|q| Value::Real(q[0]))
        },
    ),
    Row::general(
        "fn quantile(xs: [Real], qs: [Real]) -> [Real]",
        "The quantiles of several probabilities.\nexample: quantile([1.0, 2.0, 3.0], [0.25, 1.0]) == [1.5, 3.0]",
        |args| {
            let qs = take_reals(args, 1)?;
            let mut xs = take_reals(args, 0)?;
            quantiles(&mut xs, &qs, "quantile").map(Value::reals)
        },
    ),
    Row::general(
        "fn covariance(xs: [Real], ys: [Real]) -> Real",
        "The sample covariance, with divisor `len(xs) - 1`.\nexample: covariance([1.0, 3.0], [2.0, 6.0]) == 4",
        |args| {
            let (xs, ys) = pair(args, "covariance")?;
            variance(&xs, "covariance")?;
            Ok(Value::Real(cross(&xs, &ys) / (xs.len() - 1) as f64))
        },
    ),
    Row::general(
        "fn correlation(xs: [Real], ys: [Real]) -> Real",
        "Pearson's correlation; NaN where one of them does not vary.\nexample: abs(correlation([1.0, 3.0], [2.0, 6.0]) - 1) < 1e-15",
        |args| {
            let (xs, ys) = pair(args, "correlation")?;
            variance(&xs, "correlation")?;
            let scale = cross(&xs, &xs).sqrt() * cross(&ys, &ys).sqrt();
            Ok(Value::Real((cross(&xs, &ys) / scale).clamp(-1.0, 1.0)))
        },
    ),
    Row::general(
        "fn covariance(m: Matrix) -> Matrix",
        "The covariance matrix of the columns, the rows being draws.\n\
         example: covariance(matrix([[1.0, 2.0], [3.0, 6.0]])) == matrix([[2.0, 4.0], [4.0, 8.0]])",
        |args| {
            let m = take_matrix(args, 0)?;
            if m.rows < 2 {
                return Err(Fault::error(format!("covariance needs two rows or more, found {}", m.rows)));
            }
            let columns: Vec<Vec<f64>> = (0..m.cols).map(|j| (0..m.rows).map(|i| m.at(i, j)).collect()).collect();
            let element = |k: usize| cross(&columns[k / m.cols], &columns[k % m.cols]) / (m.rows - 1) as f64;
            Ok(Value::matrix(m.cols, m.cols, (0..m.cols * m.cols).map(element).collect()))
        },
    ),
];

/// `log(sum(exp(xs)))`, `-inf` of no numbers.
pub(super) fn log_sum_exp(xs: &[f64]) -> f64 {
    let highest = xs.iter().copied().reduce(super::numeric::elementary::max).unwrap_or(f64::NEG_INFINITY);
    if highest.is_infinite() || highest.is_nan() {
        return highest;
    }
    highest + xs.iter().map(|x| (x - highest).exp()).sum::<f64>().ln()
}

type Reals = Arc<Vec<f64>>;

/// Takes two arrays of one length.
fn pair(args: &mut [Value], function: &str) -> Result<(Reals, Reals), Fault> {
    let (xs, ys) = (take_reals(args, 0)?, take_reals(args, 1)?);
    same_length(function, xs.len(), ys.len())?;
    Ok((xs, ys))
}

fn mean(xs: &[f64]) -> f64 {
    xs.iter().sum::<f64>() / xs.len() as f64
}

/// The sum of products of deviations from the means.
fn cross(xs: &[f64], ys: &[f64]) -> f64 {
    let (x_mean, y_mean) = (mean(xs), mean(ys));
    xs.iter().zip(ys).map(|(x, y)| (x - x_mean) * (y - y_mean)).sum()
}

fn variance(xs: &[f64], function: &str) -> Result<f64, Fault> {
    if xs.len() < 2 {
        let fault = Fault::error(format!("{function} needs two numbers or more, found {}", xs.len()));
        return Err(fault.hint("test the length first: `if len(xs) > 1 { … } else { … }`"));
    }
    Ok(cross(xs, xs) / (xs.len() - 1) as f64)
}

fn quantiles(xs: &mut Arc<Vec<f64>>, qs: &[f64], function: &str) -> Result<Vec<f64>, Fault> {
    if xs.is_empty() {
        return Err(empty(function));
    }
    if let Some(q) = qs.iter().find(|q| !(0.0..=1.0).contains(*q)) {
        return Err(Fault::error(format!("expected a probability, found {q}"))
            .hint("a quantile is asked by a number from 0 to 1"));
    }
    if xs.iter().any(|x| x.is_nan()) {
        return Ok(vec![f64::NAN; qs.len()]);
    }
    let sorted = Arc::make_mut(xs);
    sorted.sort_by(order_reals);
    let at = |q: f64| {
        let place = q * (sorted.len() - 1) as f64;
        let below = place.floor() as usize;
        let part = place - below as f64;
        let low = sorted[below];
        if part == 0.0 { low } else { low + part * (sorted[below + 1] - low) }
    };
    Ok(qs.iter().map(|q| at(*q)).collect())
}

#[cfg(test)]
mod tests {
    use super::super::{Body, find};
    use super::*;

    fn call(name: &str, args: &[Value]) -> Result<Value, Fault> {
        let mut last = Err(Fault::error("no such row"));
        for (_, row) in find(name) {
            if let Body::General(f) = row.body {
                last = f(&mut args.to_vec());
                if !last.as_ref().is_err_and(|fault| fault.kind == crate::value::fault::FaultKind::Internal) {
                    return last;
                }
            }
        }
        last
    }

    #[test]
    fn quantiles_are_of_type_seven() {
        let xs = Value::reals(vec![7.0, 1.0, 3.0, 10.0]);
        let qs = Value::reals(vec![0.0, 0.1, 0.5, 0.9, 1.0]);
        let found = call("quantile", &[xs.clone(), qs]).unwrap();
        let Value::Reals(found) = found else { unreachable!() };
        for (a, b) in found.iter().zip([1.0, 1.6, 5.0, 9.1, 10.0]) {
            assert!((a - b).abs() < 1e-14, "{a} {b}");
        }
        assert_eq!(call("median", std::slice::from_ref(&xs)).unwrap(), Value::Real(5.0));
        assert!(call("quantile", &[xs, Value::Real(1.5)]).is_err());
        assert!(call("median", &[Value::reals(vec![])]).is_err());
        let nan = call("median", &[Value::reals(vec![1.0, f64::NAN])]).unwrap();
        assert!(nan.as_real().is_some_and(f64::is_nan));
    }

    #[test]
    fn log_sums_take_infinities() {
        let inf = f64::INFINITY;
        assert_eq!(log_sum_exp(&[]), -inf);
        assert_eq!(log_sum_exp(&[-inf, -inf]), -inf);
        assert_eq!(log_sum_exp(&[inf, 1.0]), inf);
        assert!((log_sum_exp(&[-1000.0, -1000.0]) - (-1000.0 + 2f64.ln())).abs() < 1e-12);
        assert!(log_sum_exp(&[f64::NAN, 1.0]).is_nan());
    }

    #[test]
    fn moments_match_known_answers() {
        let xs = Value::reals(vec![2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]);
        assert_eq!(call("mean", std::slice::from_ref(&xs)).unwrap(), Value::Real(5.0));
        assert_eq!(call("variance", std::slice::from_ref(&xs)).unwrap(), Value::Real(32.0 / 7.0));
        let ys = Value::reals(vec![1.0; 8]);
        assert_eq!(call("covariance", &[xs.clone(), ys.clone()]).unwrap(), Value::Real(0.0));
        assert!(call("correlation", &[xs, ys]).unwrap().as_real().is_some_and(f64::is_nan));
        assert!(call("variance", &[Value::reals(vec![1.0])]).is_err());
        assert_eq!(call("argmax", &[Value::reals(vec![f64::NAN, 1.0, 2.0, 2.0])]).unwrap(), Value::Int(2));
        let integers = find("sum").find(|(_, row)| row.signature.contains("[Int]")).unwrap().1;
        let Body::General(sum) = integers.body else { unreachable!() };
        assert!(sum(&mut [Value::ints(vec![i64::MAX, 1])]).is_err());
        assert_eq!(sum(&mut [Value::ints(vec![])]).unwrap(), Value::Int(0));
    }
}
