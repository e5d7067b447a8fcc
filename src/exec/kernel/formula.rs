//! Derivatives of primitives, from the expressions that stand beside them in the table.

use super::graph::{F, Graph, Id};

/// The node of an expression in the parameters of a signature and `result`; none if it is not understood.
pub fn node(graph: &mut Graph, text: &str, signature: &str, args: &[Id], result: Id) -> Option<Id> {
    let mut reader = Reader { graph, rest: text, names: parameters(signature), args, result };
    let value = reader.sum()?;
    reader.rest.trim_start().is_empty().then_some(value)
}

/// The names of the parameters of a signature.
fn parameters(signature: &str) -> Vec<&str> {
    let inner = signature.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map_or("", |(inner, _)| inner);
    inner.split(',').filter_map(|part| part.split(':').next()).map(str::trim).collect()
}

struct Reader<'a> {
    graph: &'a mut Graph,
    rest: &'a str,
    names: Vec<&'a str>,
    args: &'a [Id],
    result: Id,
}

impl Reader<'_> {
    fn eat(&mut self, c: char) -> bool {
        let rest = self.rest.trim_start();
        match rest.strip_prefix(c) {
            Some(after) => {
                self.rest = after;
                true
            }
            None => false,
        }
    }

    fn sum(&mut self) -> Option<Id> {
        let mut left = self.product()?;
        loop {
            if self.eat('+') {
                let right = self.product()?;
                left = self.graph.add(left, right);
            } else if self.eat('-') {
                let right = self.product()?;
                left = self.graph.sub(left, right);
            } else {
                return Some(left);
            }
        }
    }

    fn product(&mut self) -> Option<Id> {
        let mut left = self.unary()?;
        loop {
            if self.eat('*') {
                let right = self.unary()?;
                left = self.graph.mul(left, right);
            } else if self.eat('/') {
                let right = self.unary()?;
                left = self.graph.div(left, right);
            } else {
                return Some(left);
            }
        }
    }

    fn unary(&mut self) -> Option<Id> {
        if self.eat('-') {
            let inner = self.unary()?;
            return Some(self.graph.neg(inner));
        }
        let base = self.primary()?;
        if self.eat('^') {
            let exponent = self.unary()?;
            return Some(self.graph.map(F::Pow, &[base, exponent]));
        }
        Some(base)
    }

    fn primary(&mut self) -> Option<Id> {
        if self.eat('(') {
            let inner = self.sum()?;
            return self.eat(')').then_some(inner);
        }
        let rest = self.rest.trim_start();
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '.').unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        self.rest = after;
        if word.starts_with(|c: char| c.is_ascii_digit()) {
            return Some(self.graph.scalar(word.parse().ok()?));
        }
        if self.eat('(') {
            let mut args = vec![self.sum()?];
            while self.eat(',') {
                args.push(self.sum()?);
            }
            return self.eat(')').then(|| self.graph.prim(word, &args));
        }
        match word {
            "result" => Some(self.result),
            "nan" => Some(self.graph.scalar(f64::NAN)),
            _ => self.names.iter().position(|n| *n == word).map(|k| self.args[k]),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::prim::Body;

    type Function = Box<dyn Fn(&[f64]) -> f64>;

    /// Every derivative in the table is understood, and near the difference quotient.
    #[test]
    fn derivatives_of_primitives_are_understood() {
        let mut checked = 0;
        for row in crate::prim::rows().iter().flat_map(|theme| theme.iter()) {
            let value: Function = match row.body {
                Body::Real1(f) => Box::new(move |x| f(x[0])),
                Body::Real2(f) => Box::new(move |x| f(x[0], x[1])),
                Body::Real3(f) => Box::new(move |x| f(x[0], x[1], x[2])),
                _ => continue,
            };
            let x = match row.name() {
                "acosh" | "log_diff_exp" => vec![2.3, 1.4],
                "inv_log_Phi" => vec![-0.7],
                "log1m_exp" => vec![-0.4],
                "lchoose" => vec![4.3, 1.4],
                // Integer orders, and inverses of functions of a first parameter without a formula.
                "polygamma" | "lmgamma" | "lmgamma_by_x" => vec![2.0, 2.7],
                _ => vec![0.45, 0.35, 0.4],
            };
            for (k, text) in row.derivative.iter().enumerate() {
                if text.is_empty() || *text == "nan" {
                    continue;
                }
                let mut graph = Graph::default();
                let args: Vec<Id> = x.iter().take(row.derivative.len()).map(|x| graph.scalar(*x)).collect();
                let result = graph.scalar(value(&x));
                let id = node(&mut graph, text, row.signature, &args, result);
                let id = id.unwrap_or_else(|| panic!("{}: {text}", row.signature));
                let formula = graph.number(id).unwrap();
                let at = |h: f64| {
                    let mut moved = x.clone();
                    moved[k] += h;
                    value(&moved)
                };
                let d = |h: f64| (at(h) - at(-h)) / (2.0 * h);
                let numeric = (4.0 * d(5e-4) - d(1e-3)) / 3.0;
                if row.name() == "polygamma" && k == 0 {
                    continue;
                }
                assert!(
                    (formula - numeric).abs() < 1e-7 * (1.0 + numeric.abs()),
                    "{} by parameter {k}: {formula} {numeric}",
                    row.signature
                );
                checked += 1;
            }
        }
        assert!(checked > 80, "{checked}");
    }
}
