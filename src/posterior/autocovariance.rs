//! Autocovariances of several chains, averaged, as far as they are asked for.

use std::f64::consts::PI;

/// The first lags are summed directly; well-mixed chains need no more.
const DIRECT: usize = 16;

/// How many lags more each time the known ones do not do.
const GROWTH: usize = 16;

/// Autocovariance averaged over chains of one length, each about its own mean.
///
/// Only sums over all chains are wanted, so two chains are read as the real and imaginary part of one complex series: the
/// real part of its autocovariance is the sum of both. Lags up to L come from blocks of L draws by transforms of length 2L
/// (overlap-save; Oppenheim and Schafer 2010, section 8.7), which stay in the cache however long the chains are.
pub(super) struct Autocovariance {
    /// Centred chains in pairs; the last one has no partner where their number is odd.
    pairs: Vec<(Vec<f64>, Vec<f64>)>,
    length: usize,
    /// What the sums are divided by: draws of a chain times chains.
    count: f64,
    known: Vec<f64>,
}

impl Autocovariance {
    pub fn new(chains: &[Vec<f64>]) -> Autocovariance {
        let length = chains.first().map_or(0, Vec::len);
        let centred = |chain: &Vec<f64>| -> Vec<f64> {
            let centre = super::convergence::mean(chain);
            chain.iter().map(|x| x - centre).collect()
        };
        let pairs: Vec<(Vec<f64>, Vec<f64>)> = chains
            .chunks(2)
            .map(|pair| (centred(&pair[0]), pair.get(1).map_or_else(|| vec![0.0; length], centred)))
            .collect();
        let mut this = Autocovariance { pairs, length, count: (length * chains.len()) as f64, known: Vec::new() };
        this.known = (0..DIRECT.min(length)).map(|lag| this.direct(lag)).collect();
        this
    }

    /// The autocovariance at a lag below the length of the chains.
    pub fn at(&mut self, lag: usize) -> f64 {
        while lag >= self.known.len() {
            let lags = (self.known.len() * GROWTH).max(DIRECT).next_power_of_two().min(self.length.next_power_of_two());
            self.known = self.by_blocks(lags);
        }
        self.known[lag]
    }

    fn direct(&self, lag: usize) -> f64 {
        let sum: f64 = self.pairs.iter().map(|(a, b)| product(a, &a[lag..]) + product(b, &b[lag..])).sum();
        sum / self.count
    }

    /// The autocovariance at `lags` lags, a power of two, or at all where there are fewer.
    fn by_blocks(&self, lags: usize) -> Vec<f64> {
        let plan = Fourier::new(2 * lags);
        let mut sum = Complex::new(2 * lags);
        let (mut block, mut next) = (Complex::new(2 * lags), Complex::new(2 * lags));
        for (re, im) in &self.pairs {
            let load = |start: usize, into: &mut Complex| {
                into.re.fill(0.0);
                into.im.fill(0.0);
                let end = (start + lags).min(self.length);
                if start < end {
                    into.re[..end - start].copy_from_slice(&re[start..end]);
                    into.im[..end - start].copy_from_slice(&im[start..end]);
                    plan.forward(into);
                }
            };
            load(0, &mut block);
            for start in (0..self.length).step_by(lags) {
                load(start + lags, &mut next);
                // The block with its successor behind it; a shift by half the length changes the sign of every other
                // frequency, which are the second half in the order of the transform.
                sum.add_product(&block, &next, 0..lags, 1.0);
                sum.add_product(&block, &next, lags..2 * lags, -1.0);
                std::mem::swap(&mut block, &mut next);
            }
        }
        plan.backward(&mut sum);
        let scale = 1.0 / (2 * lags) as f64 / self.count;
        sum.re[..lags.min(self.length)].iter().map(|x| x * scale).collect()
    }
}

/// Σ aᵢ bᵢ over the shorter length, in eight sums that a processor can form at once.
fn product(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (a, b) = (&a[..a.len().min(b.len())], &b[..a.len().min(b.len())]);
    for (x, y) in a.chunks_exact(8).zip(b.chunks_exact(8)) {
        for k in 0..8 {
            sums[k] += x[k] * y[k];
        }
    }
    let rest = a.len() - a.len() % 8;
    let tail: f64 = a[rest..].iter().zip(&b[rest..]).map(|(x, y)| x * y).sum();
    sums.iter().sum::<f64>() + tail
}

/// Complex numbers, real and imaginary parts apart.
struct Complex {
    re: Vec<f64>,
    im: Vec<f64>,
}

impl Complex {
    fn new(length: usize) -> Complex {
        Complex { re: vec![0.0; length], im: vec![0.0; length] }
    }

    /// Adds conj(a) · (a + sign · b) on a range.
    fn add_product(&mut self, a: &Complex, b: &Complex, range: std::ops::Range<usize>, sign: f64) {
        let (sum_re, sum_im) = (&mut self.re[range.clone()], &mut self.im[range.clone()]);
        let (a_re, a_im) = (&a.re[range.clone()], &a.im[range.clone()]);
        let (b_re, b_im) = (&b.re[range.clone()], &b.im[range]);
        for k in 0..sum_re.len() {
            let (x, y) = (a_re[k] + sign * b_re[k], a_im[k] + sign * b_im[k]);
            sum_re[k] += a_re[k] * x + a_im[k] * y;
            sum_im[k] += a_re[k] * y - a_im[k] * x;
        }
    }
}

/// Fourier transforms of one length, a power of two. Forward gives the frequencies in bit-reversed order and backward takes
/// them so, which spares both the reordering (Cooley and Tukey 1965; Gentleman and Sande 1966).
struct Fourier {
    /// For widths 2, 4, …: cosines and sines of −2πk / width for k below half the width.
    roots: Vec<(Vec<f64>, Vec<f64>)>,
}

impl Fourier {
    fn new(length: usize) -> Fourier {
        let mut roots: Vec<(Vec<f64>, Vec<f64>)> = Vec::new();
        let mut width = length;
        // Wider roots contain the narrower ones.
        while width >= 2 {
            roots.push(match roots.last() {
                None => {
                    (0..width / 2).map(|k| (-2.0 * PI * k as f64 / width as f64).sin_cos()).map(|(s, c)| (c, s)).unzip()
                }
                Some((cos, sin)) => every_other(cos, sin),
            });
            width /= 2;
        }
        roots.reverse();
        Fourier { roots }
    }

    fn forward(&self, z: &mut Complex) {
        for (cos, sin) in self.roots.iter().rev() {
            let half = cos.len();
            for (re, im) in z.re.chunks_exact_mut(2 * half).zip(z.im.chunks_exact_mut(2 * half)) {
                let ((a_re, b_re), (a_im, b_im)) = (re.split_at_mut(half), im.split_at_mut(half));
                for k in 0..half {
                    let (x, y) = (a_re[k] - b_re[k], a_im[k] - b_im[k]);
                    a_re[k] += b_re[k];
                    a_im[k] += b_im[k];
                    b_re[k] = x * cos[k] - y * sin[k];
                    b_im[k] = x * sin[k] + y * cos[k];
                }
            }
        }
    }

    fn backward(&self, z: &mut Complex) {
        for (cos, sin) in &self.roots {
            let half = cos.len();
            for (re, im) in z.re.chunks_exact_mut(2 * half).zip(z.im.chunks_exact_mut(2 * half)) {
                let ((a_re, b_re), (a_im, b_im)) = (re.split_at_mut(half), im.split_at_mut(half));
                for k in 0..half {
                    let x = b_re[k] * cos[k] + b_im[k] * sin[k];
                    let y = b_im[k] * cos[k] - b_re[k] * sin[k];
                    (b_re[k], b_im[k]) = (a_re[k] - x, a_im[k] - y);
                    a_re[k] += x;
                    a_im[k] += y;
                }
            }
        }
    }
}

fn every_other(cos: &[f64], sin: &[f64]) -> (Vec<f64>, Vec<f64>) {
    (cos.iter().step_by(2).copied().collect(), sin.iter().step_by(2).copied().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_give_what_the_sums_give() {
        for (chains, length) in [(1, 1000), (2, 300), (3, 64), (4, 5), (5, 1023)] {
            let chains: Vec<Vec<f64>> =
                (0..chains).map(|c| (0..length).map(|i| ((i * i + c * i) % 37) as f64).collect()).collect();
            let mut fast = Autocovariance::new(&chains);
            let exact: Vec<f64> = (0..length).map(|lag| fast.direct(lag)).collect();
            for lag in [0, 3, 17, 255, 256, 999].into_iter().filter(|lag| *lag < length) {
                assert!((fast.at(lag) - exact[lag]).abs() < 1e-11, "{length} {lag}");
            }
            for lags in [16usize, 64, 2048] {
                for (lag, found) in fast.by_blocks(lags).iter().enumerate() {
                    assert!((found - exact[lag]).abs() < 1e-11, "{length} {lags} {lag}: {found} {}", exact[lag]);
                }
            }
        }
    }

    #[test]
    fn the_direct_sum_is_that_of_the_definition() {
        let covariance = Autocovariance::new(&[vec![1.0, 3.0, 2.0, 6.0]]);
        // About the mean 3: -2, 0, -1, 3.
        assert_eq!(covariance.known, [14.0 / 4.0, -3.0 / 4.0, 2.0 / 4.0, -6.0 / 4.0]);
    }
}
