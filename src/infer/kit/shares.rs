//! Work on many numbers in parts that do not depend on how many threads there are, so that results do not either.

use rayon::prelude::*;

/// Numbers that one thread takes at least.
pub const TOGETHER: usize = 4096;

/// Whether work on so many numbers is left to one thread.
pub fn by_itself(count: usize) -> bool {
    count < 2 * TOGETHER || rayon::current_num_threads() == 1
}

/// What `one` gives for each part of some numbers, in order.
pub fn by_parts<T: Sync, U: Send>(xs: &[T], one: impl Fn(&[T]) -> U + Sync + Send) -> Vec<U> {
    if by_itself(xs.len()) {
        xs.chunks(TOGETHER).map(one).collect()
    } else {
        xs.par_chunks(TOGETHER).map(one).collect()
    }
}

/// `f` of each item, in order.
pub fn mapped<T: Sync, U: Send>(xs: &[T], f: impl Fn(&T) -> U + Sync + Send, out: &mut Vec<U>) {
    if by_itself(xs.len()) {
        out.clear();
        out.extend(xs.iter().map(f));
    } else {
        xs.par_iter().with_min_len(TOGETHER).map(f).collect_into_vec(out);
    }
}
