//! The nodes that wait to be recomputed, in order.

/// A set of numbers that gives its least: bits in words, and in each level above a bit for every word that is not empty.
#[derive(Clone, Debug)]
pub struct Queue {
    levels: Vec<Vec<u64>>,
}

impl Queue {
    /// An empty set of numbers below `size`.
    pub fn new(size: usize) -> Queue {
        let mut levels = Vec::new();
        let mut words = size;
        loop {
            words = words.div_ceil(64).max(1);
            levels.push(vec![0; words]);
            if words == 1 {
                return Queue { levels };
            }
        }
    }

    /// Adds a number, which may be in the set already.
    #[inline]
    pub fn push(&mut self, number: u32) {
        let mut k = number as usize;
        for level in &mut self.levels {
            let word = &mut level[k / 64];
            let was_empty = *word == 0;
            *word |= 1 << (k % 64);
            if !was_empty {
                return;
            }
            k /= 64;
        }
    }

    /// Takes the least number out.
    #[inline]
    pub fn pop(&mut self) -> Option<u32> {
        let mut k = 0;
        for level in self.levels.iter().rev() {
            let word = level[k];
            if word == 0 {
                return None;
            }
            k = k * 64 + word.trailing_zeros() as usize;
        }
        let number = k as u32;
        for level in &mut self.levels {
            let word = &mut level[k / 64];
            *word &= !(1 << (k % 64));
            if *word != 0 {
                break;
            }
            k /= 64;
        }
        Some(number)
    }

    /// Takes all numbers out.
    pub fn clear(&mut self) {
        while self.pop().is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_out_in_order_and_once() {
        for size in [1, 64, 65, 5000, 300_000] {
            let mut queue = Queue::new(size);
            let mut numbers: Vec<u32> = (0..200).map(|k: u32| k.wrapping_mul(2_654_435_761) % size as u32).collect();
            numbers.iter().for_each(|n| queue.push(*n));
            numbers.sort_unstable();
            numbers.dedup();
            // What is pushed while numbers come out takes its place among them.
            let mut out = Vec::new();
            while let Some(n) = queue.pop() {
                out.push(n);
                if n + 1 < size as u32 && out.len() < 3 {
                    queue.push(n + 1);
                    numbers.push(n + 1);
                }
            }
            numbers.sort_unstable();
            numbers.dedup();
            assert_eq!(out, numbers);
        }
    }
}
