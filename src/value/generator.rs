//! The source of random bits: a generator without hidden state, addressed by a key and a counter.
//!
//! Philox4x32-10 of Salmon, Moraes, Dror and Shaw (2011), "Parallel random numbers: as easy as 1, 2, 3".
//! A block of 128 random bits is a keyed bijection of its 128-bit counter, so every particle, chain and step can have a
//! stream of its own that does not depend on the order in which, or the thread on which, the others are drawn.

use rand::TryRng;
use std::convert::Infallible;

const MULTIPLIER_0: u32 = 0xD251_1F53;
const MULTIPLIER_1: u32 = 0xCD9E_8D57;
const WEYL_0: u32 = 0x9E37_79B9;
const WEYL_1: u32 = 0xBB67_AE85;
const ROUNDS: usize = 10;

/// Separates the key of derived streams from the blocks that are drawn.
const DERIVE: u64 = 0x6a09_e667_f3bc_c909;

/// Streams told apart by their number alone, so that naming one costs nothing: number `k` is the counters whose upper half is
/// `first + k` under one key. They never coincide with each other; those of unrelated families do with a probability of 2⁻¹²⁸
/// for every pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Streams {
    key: u64,
    first: u64,
}

impl Streams {
    /// The stream of this number, from its beginning.
    #[inline]
    pub fn number(&self, k: u64) -> Generator {
        Generator { key: self.key, stream: self.first.wrapping_add(k), block: 0, spare: [0; 2], left: 0 }
    }

    /// Adds the streams numbered `first` plus each of these to a list, each from its beginning. Their first blocks are drawn already, some at
    /// a time, which costs less than one by one.
    pub fn opened(&self, first: u64, numbers: &[u32], out: &mut Vec<Generator>) {
        for numbers in numbers.chunks(TOGETHER) {
            if numbers.len() < WORTH {
                out.extend(numbers.iter().map(|k| self.number(first.wrapping_add(u64::from(*k)))));
                continue;
            }
            let mut streams = [0; TOGETHER];
            for (stream, k) in streams.iter_mut().zip(numbers) {
                *stream = self.first.wrapping_add(first.wrapping_add(u64::from(*k)));
            }
            let blocks = philox_together(self.key, 0, streams);
            let opened = streams.into_iter().zip(blocks).take(numbers.len());
            out.extend(opened.map(|(stream, spare)| Generator { key: self.key, stream, block: 1, spare, left: 2 }));
        }
    }
}

impl Default for Generator {
    fn default() -> Generator {
        Generator::new(0)
    }
}

/// A stream of random bits. Copying it copies its place in the stream: both copies then give the same draws.
#[derive(Clone, Copy, Debug)]
pub struct Generator {
    key: u64,
    /// The upper half of the counter; with the key it names the stream.
    stream: u64,
    /// The lower half of the counter: the next block to draw.
    block: u64,
    /// The last block, of which so many halves were not used yet.
    spare: [u64; 2],
    left: u32,
}

impl PartialEq for Generator {
    /// Whether both give the same draws from here on.
    fn eq(&self, other: &Generator) -> bool {
        let place = |g: &Generator| (g.key, g.stream, g.block.wrapping_mul(2).wrapping_sub(u64::from(g.left)));
        place(self) == place(other)
    }
}

impl Eq for Generator {}

impl Generator {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Generator {
        Generator { key: seed, stream: 0, block: 0, spare: [0; 2], left: 0 }
    }

    /// The independent stream that this one's name and `a` determine; how far this one was drawn plays no part.
    ///
    /// Streams of one parent never coincide for different `a`; unrelated streams coincide with probability 2⁻¹²⁸.
    pub fn stream(&self, a: u64) -> Generator {
        let [key, stream] = philox(self.key ^ DERIVE, a, self.stream);
        Generator { key, stream, block: 0, spare: [0; 2], left: 0 }
    }

    /// Streams that nothing else has: they are named by the next random bits of this one.
    pub fn streams(&mut self) -> Streams {
        let name = self.next_u64();
        let [key, first] = philox(self.key ^ DERIVE, name, self.stream);
        Streams { key, first }
    }

    /// An independent stream that the next draw of this one names: each call gives another.
    pub fn split(&mut self) -> Generator {
        let name = self.next_u64();
        self.stream(name)
    }

    /// 64 random bits.
    #[inline]
    pub fn next_u64(&mut self) -> u64 {
        if self.left > 0 {
            self.left -= 1;
            return self.spare[usize::from(self.left == 0)];
        }
        self.spare = philox(self.key, self.block, self.stream);
        self.block = self.block.wrapping_add(1);
        self.left = 1;
        self.spare[0]
    }

    /// A number uniform on the multiples of 2⁻⁵³ in `[0, 1)`.
    #[inline]
    pub fn uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0)
    }

    /// A number uniform in `(0, 1)`, never 0 and never 1: the odd multiples of 2⁻⁵³.
    #[inline]
    pub fn uniform_open(&mut self) -> f64 {
        ((self.next_u64() >> 12) as f64 + 0.5) * (1.0 / 4_503_599_627_370_496.0)
    }
}

/// What lets the samplers of `rand_distr` draw from a [`Generator`].
impl TryRng for Generator {
    type Error = Infallible;

    #[inline]
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok((self.next_u64() >> 32) as u32)
    }

    #[inline]
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.next_u64())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next_u64().to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}

/// One block: the bijection of the counter `(low, high)` under `key`.
#[inline]
fn philox(key: u64, low: u64, high: u64) -> [u64; 2] {
    let mut counter = [low as u32, (low >> 32) as u32, high as u32, (high >> 32) as u32];
    let mut key = [key as u32, (key >> 32) as u32];
    for _ in 0..ROUNDS {
        let product_0 = u64::from(MULTIPLIER_0) * u64::from(counter[0]);
        let product_1 = u64::from(MULTIPLIER_1) * u64::from(counter[2]);
        counter = [
            (product_1 >> 32) as u32 ^ counter[1] ^ key[0],
            product_1 as u32,
            (product_0 >> 32) as u32 ^ counter[3] ^ key[1],
            product_0 as u32,
        ];
        key = [key[0].wrapping_add(WEYL_0), key[1].wrapping_add(WEYL_1)];
    }
    [u64::from(counter[0]) | u64::from(counter[1]) << 32, u64::from(counter[2]) | u64::from(counter[3]) << 32]
}

/// Blocks that are drawn together, which the compiler makes vector instructions of; and how many of them are worth it.
const TOGETHER: usize = 64;
const WORTH: usize = 16;

/// The blocks of several counters whose lower halves are the same.
fn philox_together(key: u64, low: u64, high: [u64; TOGETHER]) -> [[u64; 2]; TOGETHER] {
    const LOW: u64 = u32::MAX as u64;
    // Words of 32 bits, each in 64, so that products need no widening; a round of all counters before the next.
    let (mut a, mut b) = ([low & LOW; TOGETHER], [low >> 32; TOGETHER]);
    let (mut c, mut d) = (high.map(|h| h & LOW), high.map(|h| h >> 32));
    let mut key = [key as u32, (key >> 32) as u32];
    for _ in 0..ROUNDS {
        let (key_0, key_1) = (u64::from(key[0]), u64::from(key[1]));
        for k in 0..TOGETHER {
            let product_0 = (a[k] & LOW) * u64::from(MULTIPLIER_0);
            let product_1 = (c[k] & LOW) * u64::from(MULTIPLIER_1);
            a[k] = (product_1 >> 32) ^ b[k] ^ key_0;
            c[k] = (product_0 >> 32) ^ d[k] ^ key_1;
            b[k] = product_1 & LOW;
            d[k] = product_0 & LOW;
        }
        key = [key[0].wrapping_add(WEYL_0), key[1].wrapping_add(WEYL_1)];
    }
    std::array::from_fn(|k| [a[k] | b[k] << 32, c[k] | d[k] << 32])
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_distr::{Distribution, StandardNormal};

    fn words(key: [u32; 2], counter: [u32; 4]) -> [u32; 4] {
        let join = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
        let [a, b] = philox(join(key[0], key[1]), join(counter[0], counter[1]), join(counter[2], counter[3]));
        [a as u32, (a >> 32) as u32, b as u32, (b >> 32) as u32]
    }

    #[test]
    fn blocks_match_the_published_vectors() {
        assert_eq!(words([0; 2], [0; 4]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(words([u32::MAX; 2], [u32::MAX; 4]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        assert_eq!(
            words([0xa409_3822, 0x299f_31d0], [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344]),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn draws_walk_the_counter() {
        let mut generator = Generator::new(0);
        assert_eq!(generator.next_u64(), 0xe169_c58d_6627_e8d5);
        assert_eq!(generator.next_u64(), 0x9b00_dbd8_bc57_ac4c);
        assert_eq!(generator.next_u64(), philox(0, 1, 0)[0]);
    }

    #[test]
    fn streams_depend_on_their_name_only() {
        let mut parent = Generator::new(7);
        let before = parent.stream(3);
        parent.next_u64();
        assert_eq!(before, parent.stream(3));
        let mut seen = std::collections::HashSet::new();
        for a in 0..1000 {
            for b in 0..10 {
                assert!(seen.insert(parent.stream(a).stream(b).next_u64()));
            }
        }
        assert_ne!(parent.stream(0), Generator::new(7));
        assert_ne!(parent.split().next_u64(), parent.split().next_u64());
    }

    #[test]
    fn numbered_streams_never_coincide() {
        let mut parent = Generator::new(7);
        let mut seen = std::collections::HashSet::new();
        for _ in 0..20 {
            let streams = parent.streams();
            for k in 0..500 {
                let mut member = streams.number(k);
                assert_eq!(member, streams.number(k));
                for _ in 0..4 {
                    assert!(seen.insert(member.next_u64()));
                }
                assert!(seen.insert(member.stream(k).next_u64()));
            }
        }
        // Neighbours are as unrelated as any two streams: the bits in which they agree are binomial.
        let streams = parent.streams();
        let differing: u32 =
            (0..10_000).map(|k| (streams.number(k).next_u64() ^ streams.number(k + 1).next_u64()).count_ones()).sum();
        assert!((f64::from(differing) - 320_000.0).abs() < 5.0 * (640_000.0f64 / 4.0).sqrt());
    }

    #[test]
    fn streams_opened_together_are_those_opened_one_by_one() {
        let streams = Generator::new(7).streams();
        for count in [0, 1, 5, 15, 16, 63, 64, 70, 150] {
            let numbers: Vec<u32> = (0..count).map(|k| k * k + 1).collect();
            let mut opened = vec![Generator::new(1)];
            streams.opened(u64::MAX - 20, &numbers, &mut opened);
            assert_eq!(opened.len(), numbers.len() + 1);
            for (k, mut one) in numbers.iter().zip(opened.into_iter().skip(1)) {
                let mut other = streams.number((u64::MAX - 20).wrapping_add(u64::from(*k)));
                for _ in 0..7 {
                    assert_eq!(one, other);
                    assert_eq!(one.next_u64(), other.next_u64());
                }
                assert_ne!(one, streams.number(u64::from(*k)));
                assert_eq!(one.stream(3), other.stream(3));
            }
        }
    }

    #[test]
    fn uniforms_have_the_right_moments_and_ends() {
        let mut generator = Generator::new(1);
        let n = 100_000;
        let (mut sum, mut squares) = (0.0, 0.0);
        for _ in 0..n {
            let u = generator.uniform();
            assert!((0.0..1.0).contains(&u));
            let v = generator.uniform_open();
            assert!(v > 0.0 && v < 1.0);
            sum += u;
            squares += v * v;
        }
        assert!((sum / n as f64 - 0.5).abs() < 5.0 * (1.0f64 / 12.0 / n as f64).sqrt());
        assert!((squares / n as f64 - 1.0 / 3.0).abs() < 5.0 * (4.0f64 / 45.0 / n as f64).sqrt());
    }

    #[test]
    fn samplers_of_rand_distr_draw_from_it() {
        let mut generator = Generator::new(2);
        let n = 100_000;
        let draws: Vec<f64> = (0..n).map(|_| StandardNormal.sample(&mut generator)).collect();
        let mean = draws.iter().sum::<f64>() / n as f64;
        let variance = draws.iter().map(|x| x * x).sum::<f64>() / n as f64;
        assert!(mean.abs() < 5.0 / (n as f64).sqrt());
        assert!((variance - 1.0).abs() < 5.0 * (2.0 / n as f64).sqrt());
    }
}
