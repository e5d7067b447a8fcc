//! A sum whose terms come and go without leaving an error behind.

/// The unevaluated sum of two numbers that do not overlap, about 106 bits in all (Dekker 1971; Knuth, TAOCP 2, 4.2.2). Adding and
/// taking away a term a million times leaves an error far below that of rounding the total once.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum {
    high: f64,
    low: f64,
}

impl Sum {
    /// Adds a finite number.
    #[inline]
    pub fn add(&mut self, x: f64) {
        let (sum, error) = two_sum(self.high, x);
        let (high, low) = two_sum(sum, self.low + error);
        self.high = high;
        self.low = low;
    }

    /// The difference of two sums, rounded.
    #[inline]
    pub fn minus(mut self, other: Sum) -> f64 {
        self.add(-other.high);
        self.add(-other.low);
        self.value()
    }

    /// The total, rounded.
    #[inline]
    pub fn value(&self) -> f64 {
        self.high + self.low
    }
}

/// The rounded sum and its error.
#[inline]
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let second = sum - a;
    (sum, (a - (sum - second)) + (b - second))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_changes_leave_no_drift() {
        let mut terms: Vec<f64> = (0..1000).map(|k| -((k * k) as f64).sqrt() * 0.37 - 0.1).collect();
        let mut sum = Sum::default();
        terms.iter().for_each(|x| sum.add(*x));
        let mut state = 12_345u64;
        for step in 0..1_000_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let k = (state >> 33) as usize % terms.len();
            let scale = if step % 100 == 0 { 1e9 } else { 1.0 };
            let x = ((state >> 20) as f64 / 1e13).sin() * scale;
            sum.add(-terms[k]);
            sum.add(x);
            terms[k] = x;
        }
        for term in &terms {
            sum.add(-term);
            sum.add(0.1);
        }
        assert!((sum.value() - 100.0).abs() < 1e-11, "{}", sum.value());
    }
}
