//! The handler of randomness: drawn in production, enumerated when a method is checked exactly.

use crate::value::{Fault, Generator};

/// Every random decision of an inference method goes through this interface.
pub trait Random {
    /// An index in proportion to the weights (not negative, not all zero, linear scale).
    fn choose(&mut self, weights: &[f64]) -> usize;

    /// A number uniform on [0, 1), of which only the interval between the given ascending breaks in (0, 1) may matter.
    fn uniform(&mut self, breaks: &[f64]) -> f64;

    /// The generator for continuous draws; none where every decision must be finite.
    fn generator(&mut self) -> Option<&mut Generator>;

    /// Whether so many decisions were made that the run is taken for one without end, which views then stop.
    fn exhausted(&self) -> bool {
        false
    }

    /// `true` with probability `p`.
    fn flip(&mut self, p: f64) -> bool {
        if p >= 1.0 {
            return true;
        }
        if p.is_nan() || p <= 0.0 {
            return false;
        }
        self.choose(&[1.0 - p, p]) == 1
    }
}

/// Draws from a generator.
#[derive(Clone, Copy, Debug)]
pub struct Production(pub Generator);

impl Random for Production {
    fn choose(&mut self, weights: &[f64]) -> usize {
        let total: f64 = weights.iter().sum();
        let mut rest = self.0.uniform() * total;
        let mut last = 0;
        for (k, w) in weights.iter().enumerate() {
            if *w > 0.0 {
                if mutant!("the first outcome takes half of the next", rest < 1.5 * *w, rest < *w) {
                    return k;
                }
                rest -= w;
                last = k;
            }
        }
        last
    }

    fn uniform(&mut self, _breaks: &[f64]) -> f64 {
        self.0.uniform()
    }

    fn generator(&mut self) -> Option<&mut Generator> {
        Some(&mut self.0)
    }
}

/// Passes every question on, and notes whether something was decided at random.
pub struct Watched<'a> {
    inner: &'a mut dyn Random,
    asked: bool,
    /// The generator as it was. Who only looks at it decides nothing.
    before: Option<Generator>,
}

impl<'a> Watched<'a> {
    /// A watch on a handler.
    pub fn new(inner: &'a mut dyn Random) -> Watched<'a> {
        let before = inner.generator().map(|generator| *generator);
        Watched { inner, asked: false, before }
    }

    /// Whether anything was decided at random.
    pub fn asked(&mut self) -> bool {
        self.asked || self.inner.generator().map(|generator| *generator) != self.before
    }
}

impl Random for Watched<'_> {
    fn choose(&mut self, weights: &[f64]) -> usize {
        self.asked = true;
        self.inner.choose(weights)
    }

    fn uniform(&mut self, breaks: &[f64]) -> f64 {
        self.asked = true;
        self.inner.uniform(breaks)
    }

    fn generator(&mut self) -> Option<&mut Generator> {
        self.inner.generator()
    }

    fn exhausted(&self) -> bool {
        self.inner.exhausted()
    }
}

/// A run that follows a script and makes more decisions than this ends in a fault: a recursion whose first outcomes go on for ever
/// would never return.
const MOST_DECISIONS: usize = 10_000;

/// Follows a script of outcomes, and notes what else could have happened; see [`every_outcome`].
#[derive(Debug, Default)]
pub struct Exact {
    script: Vec<usize>,
    position: usize,
    /// For each decision made: its outcomes' probabilities.
    options: Vec<Vec<f64>>,
    probability: f64,
}

impl Random for Exact {
    fn choose(&mut self, weights: &[f64]) -> usize {
        let total: f64 = weights.iter().sum();
        let first = weights.iter().position(|w| *w > 0.0).unwrap_or(0);
        let pick = match self.script.get(self.position) {
            Some(pick) => *pick,
            None => {
                self.script.push(first);
                first
            }
        };
        if self.options.len() <= self.position {
            self.options.push(weights.iter().map(|w| w / total).collect());
        }
        self.probability *= weights[pick] / total;
        self.position += 1;
        pick
    }

    fn uniform(&mut self, breaks: &[f64]) -> f64 {
        let mut edges = vec![0.0];
        edges.extend(breaks.iter().copied().filter(|b| *b > 0.0 && *b < 1.0));
        edges.push(1.0);
        let widths: Vec<f64> = edges.windows(2).map(|w| w[1] - w[0]).collect();
        let k = self.choose(&widths);
        0.5 * (edges[k] + edges[k + 1])
    }

    fn generator(&mut self) -> Option<&mut Generator> {
        None
    }

    fn exhausted(&self) -> bool {
        self.position > MOST_DECISIONS
    }
}

/// Sequences of outcomes that are followed at most, so that a slip does not take the memory of the machine.
const MOST_OUTCOMES: usize = 4_000_000;

/// Runs a program of random decisions under every sequence of outcomes: the probability and result of each.
pub fn every_outcome<T>(program: impl FnMut(&mut Exact) -> Result<T, Fault>) -> Result<Vec<(f64, T)>, Fault> {
    every_outcome_within(MOST_OUTCOMES, program)
}

/// As [`every_outcome`], but a fault of kind `Limit` where there are more sequences than `most`.
pub fn every_outcome_within<T>(
    most: usize,
    mut program: impl FnMut(&mut Exact) -> Result<T, Fault>,
) -> Result<Vec<(f64, T)>, Fault> {
    let mut results = Vec::new();
    let mut script = Vec::new();
    loop {
        let mut exact = Exact { script, position: 0, options: Vec::new(), probability: 1.0 };
        let value = program(&mut exact)?;
        if results.len() >= most {
            return Err(Fault::limit(format!("more than {most} outcomes: too many to follow each"))
                .hint("use fewer particles or fewer draws, or a method that draws"));
        }
        results.push((exact.probability, value));
        script = exact.script;
        script.truncate(exact.position);
        // The next sequence in order: the last decision that has a further outcome takes it.
        loop {
            let Some(last) = script.pop() else {
                return Ok(results);
            };
            let options = &exact.options[script.len()];
            if let Some(next) = (last + 1..options.len()).find(|k| options[*k] > 0.0) {
                script.push(next);
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_visits_each_sequence_once() {
        let results = every_outcome(|r| {
            let a = r.choose(&[1.0, 3.0]);
            let b = if a == 1 { r.choose(&[2.0, 0.0, 2.0]) } else { 9 };
            let u = r.uniform(&[0.25]);
            Ok((a, b, u < 0.25))
        })
        .unwrap();
        assert_eq!(results.len(), 6);
        let total: f64 = results.iter().map(|(p, _)| p).sum();
        assert!((total - 1.0).abs() < 1e-15);
        let p = results.iter().find(|(_, v)| *v == (1, 2, true)).map(|(p, _)| *p);
        assert_eq!(p, Some(0.75 * 0.5 * 0.25));
    }

    #[test]
    fn a_run_of_endless_decisions_is_told() {
        let endless = every_outcome(|r| {
            while !r.exhausted() {
                r.flip(0.5);
            }
            Err::<(), Fault>(Fault::limit("too long"))
        });
        assert!(endless.is_err());
    }

    #[test]
    fn production_follows_the_weights() {
        let mut random = Production(Generator::new(1));
        let count = (0..100_000).filter(|_| random.choose(&[1.0, 0.0, 3.0]) == 2).count();
        // Five standard deviations of a binomial count.
        assert!((count as f64 - 75_000.0).abs() < 5.0 * (100_000.0f64 * 0.75 * 0.25).sqrt());
    }
}
