//! Sets of values: the supports of distributions and the domains of their parameters.

use super::{Matrix, Value};

/// A set of values. As a support it decides how a choice may be enumerated, proposed or transformed.
#[derive(Clone, Debug)]
pub enum Domain {
    Real,
    /// `(0, inf)`
    Positive,
    /// `[0, inf)`
    NonNegative,
    /// `[0, 1]`
    UnitInterval,
    /// `[a, b]`, either end may be infinite.
    Interval(f64, f64),
    Bool,
    /// All integers.
    Int,
    /// 0, 1, 2, …
    Natural,
    /// `lo ..= hi`; `Below(n)` is `IntRange(0, n - 1)`.
    IntRange(i64, i64),
    /// Vectors of `n` non-negative numbers with sum 1.
    Simplex(usize),
    Ordered(usize),
    PositiveOrdered(usize),
    /// Cholesky factors of correlation matrices: lower triangular, unit rows, positive diagonal.
    CorrCholesky(usize),
    /// Lower triangular with a positive diagonal.
    CovCholesky(usize),
    PosDef(usize),
    /// Symmetric positive definite with unit diagonal.
    Corr(usize),
    UnitVector(usize),
    Vector(usize),
    Matrix(usize, usize),
    /// Vectors of `k` naturals with sum `n`.
    Counts(usize, i64),
    /// Finitely many values, in order, possibly repeated.
    Values(Vec<Value>),
    /// Arrays whose elements lie each in their own domain.
    Product(Vec<Domain>),
    /// Arrays of `n` elements of one domain.
    Power(Box<Domain>, usize),
    /// Values of any of the parts.
    Union(Vec<Domain>),
    /// Nothing is known.
    Any,
}

/// How many values a domain has, as far as enumeration is concerned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Size {
    Finite(f64),
    Countable,
    Continuous,
    Unknown,
}

impl Domain {
    /// Whether the domain contains the value. Equalities (sums, unit rows) hold to 1e-8.
    pub fn contains(&self, value: &Value) -> bool {
        match (self, value) {
            (Domain::Any, _) => true,
            (Domain::Bool, Value::Bool(_)) => true,
            (Domain::Int, Value::Int(_)) => true,
            (Domain::Natural, Value::Int(n)) => *n >= 0,
            (Domain::IntRange(lo, hi), Value::Int(n)) => lo <= n && n <= hi,
            (Domain::Values(all), v) => all.contains(v),
            (Domain::Union(parts), v) => parts.iter().any(|d| d.contains(v)),
            (Domain::Product(parts), v) => {
                v.array_len() == Some(parts.len())
                    && parts.iter().enumerate().all(|(i, d)| v.element(i).is_some_and(|x| d.contains(&x)))
            }
            (Domain::Power(d, n), v) => {
                v.array_len() == Some(*n) && (0..*n).all(|i| v.element(i).is_some_and(|x| d.contains(&x)))
            }
            (Domain::Counts(k, n), Value::Ints(xs)) => {
                xs.len() == *k && xs.iter().all(|x| *x >= 0) && xs.iter().sum::<i64>() == *n
            }
            (d, Value::Real(x)) => d.contains_real(*x),
            (d, Value::Int(n)) => d.contains_real(*n as f64),
            (d, Value::Reals(xs)) => d.contains_reals(xs),
            (d, Value::Matrix(m)) => d.contains_matrix(m),
            _ => false,
        }
    }

    /// Whether a scalar domain contains a number.
    pub fn contains_real(&self, x: f64) -> bool {
        match self {
            Domain::Real => x.is_finite(),
            Domain::Positive => x > 0.0 && x < f64::INFINITY,
            Domain::NonNegative => (0.0..f64::INFINITY).contains(&x),
            Domain::UnitInterval => (0.0..=1.0).contains(&x),
            Domain::Interval(a, b) => *a <= x && x <= *b && x.is_finite(),
            Domain::Int => x.fract() == 0.0,
            Domain::Natural => x >= 0.0 && x.fract() == 0.0,
            Domain::IntRange(lo, hi) => x.fract() == 0.0 && *lo as f64 <= x && x <= *hi as f64,
            Domain::Any => true,
            _ => false,
        }
    }

    fn contains_reals(&self, xs: &[f64]) -> bool {
        let finite = xs.iter().all(|x| x.is_finite());
        match self {
            Domain::Simplex(n) => {
                xs.len() == *n && xs.iter().all(|x| *x >= 0.0) && (xs.iter().sum::<f64>() - 1.0).abs() < 1e-8
            }
            Domain::Ordered(n) => xs.len() == *n && finite && xs.windows(2).all(|w| w[0] < w[1]),
            Domain::PositiveOrdered(n) => {
                xs.len() == *n && finite && xs.first().is_none_or(|x| *x > 0.0) && xs.windows(2).all(|w| w[0] < w[1])
            }
            Domain::UnitVector(n) => xs.len() == *n && (xs.iter().map(|x| x * x).sum::<f64>() - 1.0).abs() < 1e-8,
            Domain::Vector(n) => xs.len() == *n && finite,
            _ => false,
        }
    }

    fn contains_matrix(&self, m: &Matrix) -> bool {
        if m.data.iter().any(|x| !x.is_finite()) {
            return false;
        }
        let n = m.rows;
        let square = m.rows == m.cols;
        let lower = || (0..n).all(|i| m.at(i, i) > 0.0 && (i + 1..n).all(|j| m.at(i, j) == 0.0));
        match self {
            Domain::Matrix(rows, cols) => m.rows == *rows && m.cols == *cols,
            Domain::CovCholesky(k) => square && n == *k && lower(),
            Domain::CorrCholesky(k) => {
                square
                    && n == *k
                    && lower()
                    && (0..n).all(|i| (m.row(i).iter().map(|x| x * x).sum::<f64>() - 1.0).abs() < 1e-8)
            }
            Domain::PosDef(k) => square && n == *k && symmetric(m) && cholesky_exists(m),
            Domain::Corr(k) => {
                square
                    && n == *k
                    && symmetric(m)
                    && (0..n).all(|i| (m.at(i, i) - 1.0).abs() < 1e-8)
                    && cholesky_exists(m)
            }
            _ => false,
        }
    }

    /// Whether the domain is finite or countable.
    pub fn is_discrete(&self) -> bool {
        match self {
            Domain::Union(parts) => parts.iter().all(Domain::is_discrete),
            other => matches!(other.size(), Size::Finite(_) | Size::Countable),
        }
    }

    /// The values of all the parts: one of them where all are the same, the hull of intervals.
    pub fn union(parts: Vec<Domain>) -> Domain {
        let Some(first) = parts.first().cloned() else {
            return Domain::Values(Vec::new());
        };
        if parts.iter().all(|part| crate::value::hash::same_domain(part, &first)) {
            return first;
        }
        let bounds: Option<Vec<(f64, f64)>> = parts.iter().map(Domain::real_bounds).collect();
        if let Some(bounds) = bounds {
            let low = bounds.iter().map(|b| b.0).fold(f64::INFINITY, f64::min);
            let high = bounds.iter().map(|b| b.1).fold(f64::NEG_INFINITY, f64::max);
            return Domain::Interval(low, high);
        }
        let whole = parts.iter().any(|p| matches!(p, Domain::Natural | Domain::Int));
        if whole && parts.iter().all(|p| matches!(p, Domain::Natural | Domain::Int | Domain::IntRange(..))) {
            let negative = parts.iter().any(|p| match p {
                Domain::Int => true,
                Domain::IntRange(low, _) => *low < 0,
                _ => false,
            });
            return if negative { Domain::Int } else { Domain::Natural };
        }
        Domain::Union(parts)
    }

    /// The ends of a domain of reals.
    pub fn real_bounds(&self) -> Option<(f64, f64)> {
        Some(match self {
            Domain::Real => (f64::NEG_INFINITY, f64::INFINITY),
            Domain::Positive | Domain::NonNegative => (0.0, f64::INFINITY),
            Domain::UnitInterval => (0.0, 1.0),
            Domain::Interval(a, b) => (*a, *b),
            _ => return None,
        })
    }

    /// The values between two numbers, both included.
    pub fn restrict(&self, low: f64, high: f64) -> Domain {
        if let Some((a, b)) = self.real_bounds() {
            return Domain::Interval(a.max(low), b.min(high));
        }
        let (a, b) = match self {
            Domain::Natural => (0.0, f64::INFINITY),
            Domain::Int => (f64::NEG_INFINITY, f64::INFINITY),
            Domain::IntRange(a, b) => (*a as f64, *b as f64),
            Domain::Values(all) => {
                let kept = all.iter().filter(|v| v.as_real().is_some_and(|x| low <= x && x <= high));
                return Domain::Values(kept.cloned().collect());
            }
            other => return other.clone(),
        };
        let (a, b) = (a.max(low.ceil()), b.min(high.floor()));
        match (a.is_finite(), b.is_finite()) {
            (true, true) => Domain::IntRange(a as i64, b as i64),
            (true, false) => Domain::IntRange(a as i64, i64::MAX),
            (false, true) => Domain::IntRange(i64::MIN, b as i64),
            (false, false) => Domain::Int,
        }
    }

    /// Whether every value of another domain lies in this one, as far as that can be told from the two.
    pub fn covers(&self, other: &Domain) -> bool {
        if matches!(self, Domain::Any) || matches!(other, Domain::Any) || super::hash::same_domain(self, other) {
            return true;
        }
        if let (Some((low, high)), Some((other_low, other_high))) = (self.real_bounds(), other.real_bounds()) {
            return low <= other_low && other_high <= high;
        }
        let elements = |n: &usize, other: &Domain| match other {
            Domain::Power(inner, m) => (n == m).then(|| vec![(**inner).clone()]),
            Domain::Product(parts) => (*n == parts.len()).then(|| parts.clone()),
            Domain::Simplex(m) => (n == m).then(|| vec![Domain::UnitInterval]),
            Domain::UnitVector(m) => (n == m).then(|| vec![Domain::Interval(-1.0, 1.0)]),
            Domain::PositiveOrdered(m) => (n == m).then(|| vec![Domain::Positive]),
            Domain::Vector(m) | Domain::Ordered(m) => (n == m).then(|| vec![Domain::Real]),
            _ => None,
        };
        match (self, other) {
            (_, Domain::Bool) => [false, true].iter().all(|value| self.contains(&Value::Bool(*value))),
            (_, Domain::Values(all)) => all.iter().all(|value| self.contains(value)),
            (_, Domain::Union(parts)) => parts.iter().all(|part| self.covers(part)),
            (Domain::Union(parts), _) => parts.iter().any(|part| part.covers(other)),
            (Domain::Int, Domain::Natural | Domain::IntRange(..)) => true,
            (Domain::Natural, Domain::IntRange(low, _)) => *low >= 0,
            (Domain::IntRange(low, high), Domain::IntRange(other_low, other_high)) => {
                low <= other_low && other_high <= high
            }
            (Domain::IntRange(low, i64::MAX), Domain::Natural) => *low <= 0,
            (Domain::Ordered(n), Domain::PositiveOrdered(m)) => n == m,
            (Domain::CovCholesky(n), Domain::CorrCholesky(m)) | (Domain::PosDef(n), Domain::Corr(m)) => n == m,
            (Domain::Matrix(rows, cols), _) => match other {
                Domain::CorrCholesky(n) | Domain::CovCholesky(n) | Domain::PosDef(n) | Domain::Corr(n) => {
                    rows == n && cols == n
                }
                _ => false,
            },
            (Domain::Vector(n), _) => {
                elements(n, other).is_some_and(|parts| parts.iter().all(|p| Domain::Real.covers(p)))
            }
            (Domain::Power(inner, n), _) => {
                elements(n, other).is_some_and(|parts| parts.iter().all(|part| inner.covers(part)))
            }
            (Domain::Product(mine), _) => elements(&mine.len(), other)
                .is_some_and(|parts| mine.iter().enumerate().all(|(k, d)| d.covers(parts.get(k).unwrap_or(&parts[0])))),
            _ => false,
        }
    }

    /// How many values the domain has.
    pub fn size(&self) -> Size {
        match self {
            Domain::Bool => Size::Finite(2.0),
            Domain::IntRange(i64::MIN, _) | Domain::IntRange(_, i64::MAX) => Size::Countable,
            Domain::IntRange(lo, hi) => Size::Finite((*hi as f64 - *lo as f64 + 1.0).max(0.0)),
            Domain::Values(all) => Size::Finite(all.len() as f64),
            Domain::Int | Domain::Natural => Size::Countable,
            Domain::Counts(k, n) => {
                // Binomial(n + k - 1, k - 1) vectors.
                let mut count = 1.0;
                for j in 1..*k {
                    count *= (*n as f64 + j as f64) / j as f64;
                }
                Size::Finite(count.round())
            }
            Domain::Power(d, n) => power(std::iter::repeat_n(d.size(), *n)),
            Domain::Product(parts) => power(parts.iter().map(Domain::size)),
            Domain::Union(parts) => sum(parts.iter().map(Domain::size)),
            Domain::Any => Size::Unknown,
            _ => Size::Continuous,
        }
    }
}

fn sum(sizes: impl Iterator<Item = Size>) -> Size {
    let mut total = 0.0;
    for size in sizes {
        match size {
            Size::Finite(n) => total += n,
            other => return other,
        }
    }
    Size::Finite(total)
}

fn power(sizes: impl Iterator<Item = Size>) -> Size {
    let mut total = 1.0;
    let mut countable = false;
    for size in sizes {
        match size {
            Size::Finite(n) => total *= n,
            Size::Countable => countable = true,
            other => return other,
        }
    }
    if countable { Size::Countable } else { Size::Finite(total) }
}

fn symmetric(m: &Matrix) -> bool {
    (0..m.rows).all(|i| {
        (0..i).all(|j| (m.at(i, j) - m.at(j, i)).abs() <= 1e-8 * (1.0 + m.at(i, j).abs().max(m.at(j, i).abs())))
    })
}

/// Whether the matrix has a Cholesky factor, by computing it in place.
fn cholesky_exists(m: &Matrix) -> bool {
    let n = m.rows;
    let mut l = m.data.clone();
    for j in 0..n {
        for i in j..n {
            let dot: f64 = (0..j).map(|k| l[i * n + k] * l[j * n + k]).sum();
            let rest = l[i * n + j] - dot;
            if i == j {
                if rest.is_nan() || rest <= 0.0 {
                    return false;
                }
                l[j * n + j] = rest.sqrt();
            } else {
                l[i * n + j] = rest / l[j * n + j];
            }
        }
    }
    true
}
