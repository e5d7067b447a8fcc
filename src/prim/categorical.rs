//! An index by weights: one draw, and many by weights that are looked over once.

use crate::value::{Fault, Generator, Value};

/// The sum of weights, and what they are multiplied by so that it is finite.
fn weighed(weights: &[f64]) -> Result<(f64, f64), Fault> {
    let mut total = 0.0;
    for (i, weight) in weights.iter().enumerate() {
        if !(*weight >= 0.0 && *weight < f64::INFINITY) {
            return Err(Fault::domain(format!("weight {i} of a categorical draw is {}", Value::Real(*weight))));
        }
        total += weight;
    }
    if total == 0.0 {
        return Err(Fault::domain("a categorical draw needs a positive weight"));
    }
    let mut scale = 1.0;
    if total == f64::INFINITY {
        // The sum overflows: the weights are made smaller first.
        scale = 1.0 / weights.iter().copied().fold(0.0, f64::max);
        total = weights.iter().map(|w| w * scale).sum();
    }
    Ok((total, scale))
}

/// An index with probability in proportion to its weight.
pub(super) fn categorical(weights: &[f64], generator: &mut Generator) -> Result<i64, Fault> {
    let (total, scale) = weighed(weights)?;
    let mut rest = generator.uniform() * total;
    let mut chosen = 0;
    for (i, weight) in weights.iter().enumerate() {
        if *weight > 0.0 {
            chosen = i;
            if rest < weight * scale {
                break;
            }
            rest -= weight * scale;
        }
    }
    Ok(chosen as i64)
}

/// Weights looked over once, by which many indices are drawn: each as `draw_categorical` draws it, to the bit.
#[derive(Clone, Debug)]
pub struct Weights {
    parts: Vec<f64>,
    total: f64,
    /// The last index with a positive weight.
    last: usize,
}

/// So many weights are all gone through, which costs less than guessing wrongly where to stop.
const FEW: usize = 16;

impl Weights {
    /// Weights of at least 0 with a positive sum.
    ///
    /// # Errors
    /// Where they are not that.
    pub(super) fn of(weights: &[f64]) -> Result<Weights, Fault> {
        let (total, scale) = weighed(weights)?;
        let last = weights.iter().rposition(|w| *w > 0.0).unwrap_or(0);
        Ok(Weights { parts: weights.iter().map(|w| w * scale).collect(), total, last })
    }

    /// An index with probability in proportion to its weight.
    #[inline]
    pub fn draw(&self, generator: &mut Generator) -> i64 {
        let mut rest = generator.uniform() * self.total;
        let mut passed = 0;
        if self.parts.len() <= FEW {
            let mut passing = true;
            for part in &self.parts {
                // What is left never falls below 0 while it passes, so a weight of 0 is passed.
                passing &= rest >= *part;
                passed += usize::from(passing);
                rest -= part;
            }
        } else {
            for part in &self.parts {
                if rest < *part {
                    break;
                }
                passed += 1;
                rest -= part;
            }
        }
        passed.min(self.last) as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_looked_over_draw_the_same_indices() {
        let long: Vec<f64> = (0..40).map(|k| f64::from(k % 7) / 3.0).collect();
        let huge = [f64::MAX, 0.0, f64::MAX / 3.0, 0.0];
        for bad in [&[][..], &[0.0], &[-1.0, 2.0], &[f64::NAN], &[f64::INFINITY]] {
            assert!(categorical(bad, &mut Generator::new(1)).is_err() && Weights::of(bad).is_err());
        }
        for weights in [&[0.3][..], &[0.0, 1.0, 0.0, 0.0], &[0.1; 10], &[0.7, 0.05, 0.0, 0.15, 0.1], &huge, &long] {
            let table = Weights::of(weights).unwrap();
            let (mut a, mut b) = (Generator::new(8), Generator::new(8));
            for _ in 0..10_000 {
                assert_eq!(categorical(weights, &mut a).unwrap(), table.draw(&mut b), "{weights:?}");
            }
        }
    }
}
