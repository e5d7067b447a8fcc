//! What is known of the numbers that a node may have: bounds, in exact arithmetic.

use super::graph::{F, Graph, Id, Op, Reduction, Shape};

/// Bounds of a number. Numbers that are known to be finite exclude their infinite bounds; NaN is possible only where nothing is
/// known. Overflow is not considered: where it happens the density is zero or not a number anyway.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Range {
    pub low: f64,
    pub high: f64,
    /// Whether the bounds themselves are excluded.
    pub low_open: bool,
    pub high_open: bool,
    pub finite: bool,
}

impl Range {
    pub const ANY: Range =
        Range { low: f64::NEG_INFINITY, high: f64::INFINITY, low_open: false, high_open: false, finite: false };
    /// 0 or 1.
    pub const TRUTH: Range = Range { low: 0.0, high: 1.0, low_open: false, high_open: false, finite: true };
    pub const REAL: Range = Range { finite: true, ..Range::ANY };

    pub fn exactly(x: f64) -> Range {
        if x.is_nan() {
            return Range::ANY;
        }
        Range { low: x, high: x, low_open: false, high_open: false, finite: x.is_finite() }
    }

    /// Finite numbers between two bounds, which are excluded.
    pub fn between(low: f64, high: f64) -> Range {
        Range { low, high, low_open: true, high_open: true, finite: true }
    }

    fn of_data(data: &[f64]) -> Range {
        // Of eight numbers at once. Zero times what is not finite is not zero.
        let (mut lows, mut highs, mut odd) = ([f64::INFINITY; 8], [f64::NEG_INFINITY; 8], [0.0f64; 8]);
        let (eights, rest) = data.as_chunks::<8>();
        let mut last = [0.0; 8];
        if let Some(first) = rest.first() {
            last.fill(*first);
            last[..rest.len()].copy_from_slice(rest);
        }
        for eight in eights.iter().chain((!rest.is_empty()).then_some(&last)) {
            for k in 0..8 {
                let x = eight[k];
                lows[k] = if x < lows[k] { x } else { lows[k] };
                highs[k] = if x > highs[k] { x } else { highs[k] };
                odd[k] += 0.0 * x;
            }
        }
        let finite = odd.iter().all(|x| *x == 0.0);
        if data.is_empty() || (!finite && data.iter().any(|x| x.is_nan())) {
            return Range::ANY;
        }
        let (low, high) =
            (lows.into_iter().fold(f64::INFINITY, f64::min), highs.into_iter().fold(f64::NEG_INFINITY, f64::max));
        Range { low, high, low_open: false, high_open: false, finite }
    }

    pub fn union(self, other: Range) -> Range {
        let (low, low_open) = match self.low.total_cmp(&other.low) {
            std::cmp::Ordering::Less => (self.low, self.low_open),
            std::cmp::Ordering::Greater => (other.low, other.low_open),
            std::cmp::Ordering::Equal => (self.low, self.low_open && other.low_open),
        };
        let (high, high_open) = match self.high.total_cmp(&other.high) {
            std::cmp::Ordering::Greater => (self.high, self.high_open),
            std::cmp::Ordering::Less => (other.high, other.high_open),
            std::cmp::Ordering::Equal => (self.high, self.high_open && other.high_open),
        };
        Range { low, high, low_open, high_open, finite: self.finite && other.finite }
    }

    /// Above zero.
    pub fn positive(self) -> bool {
        self.low > 0.0 || (self.low == 0.0 && self.low_open)
    }

    pub fn negative(self) -> bool {
        self.high < 0.0 || (self.high == 0.0 && self.high_open)
    }

    pub fn not_negative(self) -> bool {
        self.low >= 0.0
    }

    fn nonzero(self) -> bool {
        self.positive() || self.negative()
    }

    fn neg(self) -> Range {
        Range { low: -self.high, high: -self.low, low_open: self.high_open, high_open: self.low_open, ..self }
    }

    /// Whether `self < other` always, or never.
    pub fn less(self, other: Range) -> Option<bool> {
        let known = |r: Range| r != Range::ANY;
        if !known(self) || !known(other) {
            return None;
        }
        if self.high < other.low
            || (self.high == other.low && (self.high_open || other.low_open))
            || (self.finite && other.low == f64::INFINITY)
            || (other.finite && self.high == f64::NEG_INFINITY)
        {
            return Some(true);
        }
        if self.low >= other.high {
            return Some(false);
        }
        None
    }

    /// Whether `self <= other` always, or never.
    pub fn at_most(self, other: Range) -> Option<bool> {
        if self == Range::ANY || other == Range::ANY {
            return None;
        }
        if self.high <= other.low || (self.finite && other.low == f64::INFINITY) {
            return Some(true);
        }
        if self.low > other.high || (self.low == other.high && (self.low_open || other.high_open)) {
            return Some(false);
        }
        None
    }

    fn add(self, b: Range) -> Range {
        if !(self.finite && b.finite) {
            return Range::ANY;
        }
        Range {
            low: self.low + b.low,
            high: self.high + b.high,
            low_open: self.low_open || b.low_open,
            high_open: self.high_open || b.high_open,
            finite: true,
        }
    }

    fn mul(self, b: Range) -> Range {
        if !(self.finite && b.finite) {
            return Range::ANY;
        }
        let product = |x: f64, y: f64| if x == 0.0 || y == 0.0 { 0.0 } else { x * y };
        let corners = [
            product(self.low, b.low),
            product(self.low, b.high),
            product(self.high, b.low),
            product(self.high, b.high),
        ];
        let low = corners.iter().copied().fold(f64::INFINITY, f64::min);
        let high = corners.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let nonzero = self.nonzero() && b.nonzero();
        Range { low, high, low_open: low == 0.0 && nonzero, high_open: high == 0.0 && nonzero, finite: true }
    }

    /// The range of a node.
    pub fn of(graph: &Graph, op: &Op, args: &[Id]) -> Range {
        let range = |k: usize| args.get(k).map_or(Range::ANY, |id| graph.node(*id).range);
        match op {
            Op::Scalar(bits) => Range::exactly(f64::from_bits(*bits)),
            Op::Data(k) => Range::of_data(&graph.data[*k as usize]),
            Op::Count(axis, offset) => Range {
                low: *offset as f64,
                high: *offset as f64 + f64::from(axis.extent) - 1.0,
                low_open: false,
                high_open: false,
                finite: true,
            },
            Op::Finite(_, axis, low) => Range {
                low: *low as f64,
                high: *low as f64 + f64::from(axis.extent) - 1.0,
                low_open: false,
                high_open: false,
                finite: true,
            },
            Op::Input(_) => Range::REAL,
            Op::Map(f) => Range::of_map(graph, *f, args),
            Op::Reduce(Reduction::Max | Reduction::Min, _) | Op::Rename(..) | Op::Take(_) => range(0),
            Op::Reduce(Reduction::Prod, _) => Range { finite: range(0).finite, ..Range::ANY },
            Op::Reduce(Reduction::Sum, _) | Op::Contract(_) => {
                let (a, b) = (range(0), if args.len() > 1 { range(1) } else { Range::exactly(1.0) });
                if args.len() > 1 && args[0] == args[1] && a.finite {
                    return Range { low: 0.0, ..Range::REAL };
                }
                let one = a.mul(b);
                if !one.finite {
                    return Range::ANY;
                }
                let low = if one.low >= 0.0 { 0.0 } else { f64::NEG_INFINITY };
                let high = if one.high <= 0.0 { 0.0 } else { f64::INFINITY };
                Range { low, high, low_open: one.positive(), high_open: one.negative(), finite: true }
            }
            Op::Spread { .. } => Range { finite: range(0).finite, ..Range::ANY },
            Op::Stack(_) | Op::Join(..) => {
                args.iter().map(|id| graph.node(*id).range).reduce(Range::union).unwrap_or(Range::ANY)
            }
            Op::Constrain { shape, .. } => match shape {
                Shape::Simplex => Range::between(0.0, 1.0),
                Shape::PositiveOrdered => Range::between(0.0, f64::INFINITY),
                Shape::UnitVector | Shape::CorrCholesky | Shape::Corr => Range { low: -1.0, high: 1.0, ..Range::REAL },
                _ => Range::REAL,
            },
            Op::Jacobian { .. } => Range::REAL,
            _ => Range::ANY,
        }
    }

    fn of_map(graph: &Graph, f: F, args: &[Id]) -> Range {
        let range = |k: usize| args.get(k).map_or(Range::ANY, |id| graph.node(*id).range);
        let (a, b) = (range(0), range(1));
        let truth = Range { low: 0.0, high: 1.0, low_open: false, high_open: false, finite: true };
        let finite = |ok: bool| if ok { Range::REAL } else { Range::ANY };
        match f {
            F::Add => a.add(b),
            F::Sub => a.add(b.neg()),
            F::Mul if args[0] == args[1] && a.finite => Range { low: 0.0, low_open: a.nonzero(), ..Range::REAL },
            F::Mul => a.mul(b),
            F::Div if a.finite && b.finite && b.nonzero() => {
                let positive = b.positive();
                let inverse =
                    if positive { Range::between(0.0, f64::INFINITY) } else { Range::between(f64::NEG_INFINITY, 0.0) };
                a.mul(inverse)
            }
            F::Neg => a.neg(),
            F::Detach => a,
            F::Pow if a.finite && a.positive() && b.finite => Range::between(0.0, f64::INFINITY),
            F::Pow if a.finite && graph.number(args[1]) == Some(2.0) => {
                Range { low: 0.0, low_open: a.nonzero(), ..Range::REAL }
            }
            F::Lt | F::Le | F::Eq | F::Not | F::And | F::Or => truth,
            F::Select => b.union(range(2)),
            F::Prim(row) => {
                let name = crate::prim::row(row as usize).map_or("", |row| row.name());
                match name {
                    "real" | "max" | "min" if a.finite && (args.len() < 2 || b.finite) => match name {
                        "max" => Range { low: a.low.max(b.low), high: a.high.max(b.high), ..Range::REAL },
                        "min" => Range { low: a.low.min(b.low), high: a.high.min(b.high), ..Range::REAL },
                        _ => a,
                    },
                    "exp" if a.finite => Range::between(0.0, f64::INFINITY),
                    "inv_logit" | "Phi" if a.finite => Range::between(0.0, 1.0),
                    "log1p_exp" if a.finite => Range::between(0.0, f64::INFINITY),
                    "tanh" | "sin" | "cos" | "erf" if a.finite => Range { low: -1.0, high: 1.0, ..Range::REAL },
                    "log" if a.finite && a.positive() => Range::REAL,
                    "log1p" if a.finite && a.low > -1.0 => Range {
                        low: if a.low >= 0.0 { 0.0 } else { f64::NEG_INFINITY },
                        low_open: a.positive(),
                        ..Range::REAL
                    },
                    "sqrt" if a.finite && a.not_negative() => Range { low: 0.0, low_open: a.positive(), ..Range::REAL },
                    "abs" | "square" if a.finite => Range { low: 0.0, low_open: a.nonzero(), ..Range::REAL },
                    "lgamma" | "digamma" | "logit" if a.finite && a.positive() => {
                        finite(name != "logit" || a.high <= 1.0)
                    }
                    "expm1" | "sinh" | "atan" | "log_inv_logit" | "log1m_inv_logit" | "sign" | "floor" | "ceil"
                    | "round" | "trunc" => finite(a.finite),
                    _ => Range::ANY,
                }
            }
            _ => Range::ANY,
        }
    }
}
