//! When two types agree, when one converts to another, and what two have in common.

use super::table::{Eff, Mismatch, Node, Table, Ty};
use crate::source::{Name, Span};

impl Table {
    /// Makes two types the same.
    pub fn unify(&mut self, a: Ty, b: Ty) -> Result<(), Mismatch> {
        let (a, b) = (self.root(a), self.root(b));
        if a == b {
            return Ok(());
        }
        match (self.node(a).clone(), self.node(b).clone()) {
            (Node::Error, _) | (_, Node::Error) => Ok(()),
            (Node::Unknown, Node::Unknown) => {
                // The newer is bound to the older: chains of links stay short.
                let (older, newer) = if a.0 < b.0 { (a, b) } else { (b, a) };
                self.bind(newer, older);
                Ok(())
            }
            (Node::Unknown, _) => self.bind_checked(a, b),
            (_, Node::Unknown) => self.bind_checked(b, a),
            (Node::Literal, Node::Literal | Node::Counter | Node::Int | Node::Real) => {
                self.bind(a, b);
                Ok(())
            }
            (Node::Counter | Node::Int | Node::Real, Node::Literal) => {
                self.bind(b, a);
                Ok(())
            }
            (Node::Counter, Node::Counter | Node::Int | Node::Real) => {
                self.bind(a, b);
                Ok(())
            }
            (Node::Int | Node::Real, Node::Counter) => {
                self.bind(b, a);
                Ok(())
            }
            (Node::Unit, Node::Unit)
            | (Node::Bool, Node::Bool)
            | (Node::Int, Node::Int)
            | (Node::Real, Node::Real)
            | (Node::Str, Node::Str)
            | (Node::Matrix, Node::Matrix) => Ok(()),
            (Node::Array(x), Node::Array(y))
            | (Node::Dist(x), Node::Dist(y))
            | (Node::Posterior(x), Node::Posterior(y))
            | (Node::Domain(x), Node::Domain(y)) => self.unify(x, y),
            (Node::Tuple(x), Node::Tuple(y)) => self.unify_all(&x, &y),
            (Node::Record(x), Node::Record(y)) => {
                if x.len() != y.len() {
                    return Err(Mismatch::Types);
                }
                if x.iter().zip(y.iter()).any(|(f, g)| f.0 != g.0) {
                    let same = x.iter().all(|f| y.iter().any(|g| f.0 == g.0));
                    return Err(if same { Mismatch::Order } else { Mismatch::Types });
                }
                x.iter().zip(y.iter()).try_for_each(|(f, g)| self.unify(f.1, g.1))
            }
            (Node::Variant(_, i, x), Node::Variant(_, j, y)) if i == j => self.unify_all(&x, &y),
            (Node::Host(n, x), Node::Host(m, y)) if n == m => self.unify_all(&x, &y),
            (Node::Fn(p, e, r), Node::Fn(q, f, s)) => {
                self.unify_all(&p, &q)?;
                self.unify(r, s)?;
                self.unify_effect(e, f)
            }
            _ => Err(Mismatch::Types),
        }
    }

    fn unify_all(&mut self, xs: &[Ty], ys: &[Ty]) -> Result<(), Mismatch> {
        if xs.len() != ys.len() {
            return Err(Mismatch::Types);
        }
        xs.iter().zip(ys).try_for_each(|(x, y)| self.unify(*x, *y))
    }

    fn unify_effect(&mut self, a: Eff, b: Eff) -> Result<(), Mismatch> {
        let (a, b) = (self.effect(a), self.effect(b));
        if a == b {
            return Ok(());
        }
        if a.0 >= Eff::SHARED {
            self.bind_effect(a, b);
            return Ok(());
        }
        if b.0 >= Eff::SHARED {
            self.bind_effect(b, a);
            return Ok(());
        }
        Err(Mismatch::Effect)
    }

    fn bind_checked(&mut self, unknown: Ty, ty: Ty) -> Result<(), Mismatch> {
        if self.occurs(unknown, ty) {
            return Err(Mismatch::Infinite);
        }
        self.bind(unknown, ty);
        Ok(())
    }

    /// Makes a value of type `from` acceptable where `to` is expected, by agreement or by one of the conversions that
    /// [`crate::types::typed::Typed::coercions`] lists. What remains unknown is made the same.
    pub fn coerce(&mut self, from: Ty, to: Ty, span: Span) -> Result<(), Mismatch> {
        let (from, to) = (self.root(from), self.root(to));
        if from == to {
            return Ok(());
        }
        match (self.node(from).clone(), self.node(to).clone()) {
            (Node::Int | Node::Counter, Node::Real) => Ok(()),
            (Node::Array(a), Node::Array(b)) => self.coerce(a, b, span),
            (Node::Tuple(x), Node::Tuple(y)) if x.len() == y.len() => {
                x.iter().zip(y.iter()).try_for_each(|(x, y)| self.coerce(*x, *y, span))
            }
            (Node::Record(x), Node::Record(y)) if same_names(&x, &y) => {
                x.iter().zip(y.iter()).try_for_each(|(x, y)| self.coerce(x.1, y.1, span))
            }
            (Node::Array(row), Node::Matrix) => match self.node(row).clone() {
                Node::Array(x) => self.coerce(x, Ty::REAL, span),
                _ => {
                    let reals = self.array(Ty::REAL);
                    self.unify(row, reals)
                }
            },
            (Node::Matrix, Node::Array(row)) => {
                let reals = self.array(Ty::REAL);
                self.coerce(reals, row, span)
            }
            (Node::Array(part), Node::Dist(value)) => {
                let element = self.fresh();
                let array = self.array(element);
                self.unify(array, value)?;
                let dist = self.dist(element);
                self.coerce(part, dist, span)
            }
            (Node::Posterior(a), Node::Dist(b)) => self.unify(a, b),
            (Node::Fn(p, e, r), Node::Fn(q, f, s)) if p.len() == q.len() => {
                for (x, y) in p.iter().zip(q.iter()) {
                    if matches!((self.node(*x), self.node(*y)), (Node::Fn(..), Node::Fn(..))) {
                        self.coerce(*y, *x, span)?;
                    } else {
                        self.unify(*x, *y)?;
                    }
                }
                if matches!((self.node(r), self.node(s)), (Node::Fn(..), Node::Fn(..))) {
                    self.coerce(r, s, span)?;
                } else {
                    self.unify(r, s)?;
                }
                if self.effect(e) == Eff::RANDOM && self.effect(f) == Eff::DETERMINISTIC {
                    return Err(Mismatch::Effect);
                }
                self.flow(e, f, span);
                Ok(())
            }
            _ => self.unify(from, to),
        }
    }

    /// The type that values of both types convert to: `Int` and `Real` have `Real` in common, within arrays, tuples and
    /// records too.
    pub fn join(&mut self, a: Ty, b: Ty, span: Span) -> Result<Ty, Mismatch> {
        let (a, b) = (self.root(a), self.root(b));
        match (self.node(a).clone(), self.node(b).clone()) {
            (Node::Int | Node::Counter, Node::Real) | (Node::Real, Node::Int | Node::Counter) => Ok(Ty::REAL),
            (Node::Array(x), Node::Array(y)) => {
                let element = self.join(x, y, span)?;
                Ok(if self.root(element) == self.root(x) { a } else { self.array(element) })
            }
            (Node::Tuple(x), Node::Tuple(y)) if x.len() == y.len() => {
                let parts: Result<_, _> = x.iter().zip(y.iter()).map(|(x, y)| self.join(*x, *y, span)).collect();
                Ok(self.add(Node::Tuple(parts?)))
            }
            (Node::Record(x), Node::Record(y)) if same_names(&x, &y) => {
                let fields = x.iter().zip(y.iter());
                let fields: Result<_, _> = fields.map(|(x, y)| Ok((x.0, self.join(x.1, y.1, span)?))).collect();
                Ok(self.add(Node::Record(fields?)))
            }
            (Node::Matrix, Node::Array(_)) => self.coerce(b, a, span).map(|()| a),
            (Node::Array(_), Node::Matrix) => self.coerce(a, b, span).map(|()| b),
            (Node::Posterior(_), Node::Dist(_)) => self.coerce(a, b, span).map(|()| b),
            (Node::Dist(_), Node::Posterior(_)) => self.coerce(b, a, span).map(|()| a),
            (Node::Fn(p, e, r), Node::Fn(q, f, s)) if p.len() == q.len() => {
                self.unify_all(&p, &q)?;
                self.unify(r, s)?;
                let either = self.fresh_effect();
                self.flow(e, either, span);
                self.flow(f, either, span);
                Ok(self.add(Node::Fn(p, either, r)))
            }
            (Node::Error, _) => Ok(b),
            _ => self.unify(a, b).map(|()| a),
        }
    }
}

/// Whether two records have the same names in the same order.
fn same_names(x: &[(Name, Ty)], y: &[(Name, Ty)]) -> bool {
    x.len() == y.len() && x.iter().zip(y).all(|(x, y)| x.0 == y.0)
}
