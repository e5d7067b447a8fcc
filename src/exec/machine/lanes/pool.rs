//! Memory for columns and streams that hold nothing between pauses: what a block of runs gave back the next one takes, still in the caches.
//!
//! So a block that waits keeps what its runs need later, and no more.

use crate::value::Generator;
use std::cell::RefCell;

/// Columns that a thread keeps at most.
const MOST: usize = 128;

#[derive(Default)]
struct Pool {
    columns: Vec<Vec<u64>>,
    generators: Vec<Generator>,
}

thread_local! {
    static POOL: RefCell<Pool> = RefCell::default();
}

/// An empty column.
pub fn column() -> Vec<u64> {
    POOL.with_borrow_mut(|pool| pool.columns.pop()).unwrap_or_default()
}

/// This column where it has memory, else another that has.
pub fn or_other(column: Vec<u64>) -> Vec<u64> {
    if column.capacity() == 0 { self::column() } else { column }
}

/// Takes a column back.
pub fn give(mut column: Vec<u64>) {
    if column.capacity() > 0 {
        column.clear();
        POOL.with_borrow_mut(|pool| {
            if pool.columns.len() < MOST {
                pool.columns.push(column);
            }
        });
    }
}

/// An empty list of streams.
pub fn generators() -> Vec<Generator> {
    POOL.with_borrow_mut(|pool| std::mem::take(&mut pool.generators))
}

/// Takes a list of streams back.
pub fn give_generators(mut generators: Vec<Generator>) {
    generators.clear();
    POOL.with_borrow_mut(|pool| {
        if pool.generators.capacity() < generators.capacity() {
            pool.generators = generators;
        }
    });
}
