//! Bit-exact equality and hashing of values.

use super::Value;

/// Whether two values are the same, reals by their bits.
pub fn same(a: &Value, b: &Value) -> bool {
    a == b
}
