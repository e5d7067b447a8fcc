//! Equality and hashing of whole values, by loops: structures of any depth are safe.

use super::{Domain, Value};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// Whether two values cannot be told apart: structural, reals by their bits except that `-0.0` is `0.0` and all NaN are one.
///
/// Unlike `==` it is an equivalence relation, so it may merge states and collect supports. Host objects are compared by
/// identity, functions and distributions by their code and what they hold.
pub fn same(a: &Value, b: &Value) -> bool {
    compare(a, b, |x, y| real_bits(x) == real_bits(y), false)
}

/// `==` of the language: as [`same`], but NaN differs from itself and an integer equals the real of its value.
pub(super) fn equal(a: &Value, b: &Value) -> bool {
    compare(a, b, |x, y| x == y, true)
}

/// A hash of bytes that is the same in every run and version (Fowler, Noll and Vo, 1a, 64 bits).
pub fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The bits of a real with `-0.0` and NaN brought to one form.
#[inline]
pub fn real_bits(x: f64) -> u64 {
    if x == 0.0 {
        0
    } else if x.is_nan() {
        f64::NAN.to_bits()
    } else {
        x.to_bits()
    }
}

fn compare(a: &Value, b: &Value, reals: fn(f64, f64) -> bool, widen: bool) -> bool {
    let mut work: Vec<(&Value, &Value)> = Vec::new();
    let mut next = Some((a, b));
    while let Some((a, b)) = next {
        if !compare_node(a, b, reals, widen, &mut work) {
            return false;
        }
        next = work.pop();
    }
    true
}

/// Compares all but the fields of two values, and leaves the pairs of fields in `work`.
fn compare_node<'a>(
    a: &'a Value,
    b: &'a Value,
    reals: fn(f64, f64) -> bool,
    widen: bool,
    work: &mut Vec<(&'a Value, &'a Value)>,
) -> bool {
    let all = |a: &[f64], b: &[f64]| a.len() == b.len() && a.iter().zip(b).all(|(x, y)| reals(*x, *y));
    let mut fields = |a: &'a [Value], b: &'a [Value]| {
        work.extend(a.iter().zip(b).rev());
        a.len() == b.len()
    };
    match (a, b) {
        (Value::Unit, Value::Unit) => true,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Int(a), Value::Int(b)) => a == b,
        (Value::Real(a), Value::Real(b)) => reals(*a, *b),
        (Value::Int(n), Value::Real(x)) | (Value::Real(x), Value::Int(n)) => widen && *n as f64 == *x,
        (Value::Str(a), Value::Str(b)) => a == b,
        (Value::Reals(a), Value::Reals(b)) => all(a, b),
        (Value::Ints(a), Value::Ints(b)) => Arc::ptr_eq(a, b) || a == b,
        (Value::Ints(a), Value::Reals(b)) | (Value::Reals(b), Value::Ints(a)) => {
            widen && a.len() == b.len() && a.iter().zip(b.iter()).all(|(n, x)| *n as f64 == *x)
        }
        (Value::Bools(a), Value::Bools(b)) => Arc::ptr_eq(a, b) || a == b,
        (Value::Values(a), Value::Values(b)) => fields(a, b),
        (Value::Matrix(a), Value::Matrix(b)) => a.rows == b.rows && a.cols == b.cols && all(&a.data, &b.data),
        (Value::Tuple(a), Value::Tuple(b)) => fields(&a.0, &b.0),
        (Value::Record(a), Value::Record(b)) => a.names == b.names && fields(&a.fields, &b.fields),
        (Value::Variant(a), Value::Variant(b)) => a.tag == b.tag && a.name == b.name && fields(&a.fields, &b.fields),
        (Value::Closure(a), Value::Closure(b)) => a.function == b.function && fields(&a.captures, &b.captures),
        (Value::Dist(a), Value::Dist(b)) => a.dist == b.dist && fields(&a.args, &b.args),
        (Value::Domain(a), Value::Domain(b)) => same_domain(a, b),
        (Value::Host(a), Value::Host(b)) => Arc::ptr_eq(a, b) || a.same(&**b),
        _ => false,
    }
}

/// Whether two domains are written alike.
pub fn same_domain(a: &Domain, b: &Domain) -> bool {
    use Domain::*;
    match (a, b) {
        (Interval(a, b), Interval(c, d)) => real_bits(*a) == real_bits(*c) && real_bits(*b) == real_bits(*d),
        (IntRange(a, b), IntRange(c, d)) => a == c && b == d,
        (Simplex(n), Simplex(m))
        | (Ordered(n), Ordered(m))
        | (PositiveOrdered(n), PositiveOrdered(m))
        | (CorrCholesky(n), CorrCholesky(m))
        | (CovCholesky(n), CovCholesky(m))
        | (PosDef(n), PosDef(m))
        | (Corr(n), Corr(m))
        | (UnitVector(n), UnitVector(m))
        | (Vector(n), Vector(m)) => n == m,
        (Matrix(a, b), Matrix(c, d)) => a == c && b == d,
        (Counts(a, b), Counts(c, d)) => a == c && b == d,
        (Values(a), Values(b)) => a.len() == b.len() && a.iter().zip(b).all(|(x, y)| same(x, y)),
        (Union(a), Union(b)) | (Product(a), Product(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(x, y)| same_domain(x, y))
        }
        (Power(a, n), Power(b, m)) => n == m && same_domain(a, b),
        _ => std::mem::discriminant(a) == std::mem::discriminant(b),
    }
}

/// Hashes a value so that values that are [`same`] hash alike.
pub fn hash_value(value: &Value, state: &mut impl Hasher) {
    let mut work: Vec<&Value> = Vec::new();
    let mut next = Some(value);
    while let Some(value) = next {
        std::mem::discriminant(value).hash(state);
        match value {
            Value::Unit => {}
            Value::Bool(b) => b.hash(state),
            Value::Int(n) => n.hash(state),
            Value::Real(x) => real_bits(*x).hash(state),
            Value::Str(text) => text.hash(state),
            Value::Reals(xs) => hash_reals(xs, state),
            Value::Ints(xs) => xs.hash(state),
            Value::Bools(xs) => xs.hash(state),
            Value::Values(xs) => hash_fields(xs, state, &mut work),
            Value::Matrix(m) => {
                m.rows.hash(state);
                hash_reals(&m.data, state);
            }
            Value::Tuple(parts) => hash_fields(&parts.0, state, &mut work),
            Value::Record(record) => {
                record.names.hash(state);
                hash_fields(&record.fields, state, &mut work);
            }
            Value::Variant(variant) => {
                variant.tag.hash(state);
                variant.name.hash(state);
                hash_fields(&variant.fields, state, &mut work);
            }
            Value::Closure(closure) => {
                closure.function.hash(state);
                hash_fields(&closure.captures, state, &mut work);
            }
            Value::Dist(dist) => {
                dist.dist.hash(state);
                hash_fields(&dist.args, state, &mut work);
            }
            Value::Domain(domain) => std::mem::discriminant(domain.as_ref()).hash(state),
            Value::Host(object) => object.content_hash().hash(state),
        }
        next = work.pop();
    }
}

fn hash_reals(xs: &[f64], state: &mut impl Hasher) {
    state.write_usize(xs.len());
    for x in xs {
        state.write_u64(real_bits(*x));
    }
}

fn hash_fields<'a>(fields: &'a [Value], state: &mut impl Hasher, work: &mut Vec<&'a Value>) {
    state.write_usize(fields.len());
    work.extend(fields.iter().rev());
}

/// A value as a key of a hash map, by [`same`].
#[derive(Clone, Debug)]
pub struct Key(pub Value);

impl PartialEq for Key {
    fn eq(&self, other: &Key) -> bool {
        same(&self.0, &other.0)
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash_value(&self.0, state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::intern;
    use crate::value::Variant;
    use std::hash::DefaultHasher;

    fn hash(value: &Value) -> u64 {
        let mut state = DefaultHasher::new();
        hash_value(value, &mut state);
        state.finish()
    }

    fn list(n: i64) -> Value {
        let name = intern("Cons");
        (0..n).fold(Value::Unit, |tail, i| {
            Value::Variant(Arc::new(Variant { name, tag: 1, fields: vec![Value::Int(i), tail] }))
        })
    }

    #[test]
    fn fingerprints_are_those_of_the_paper() {
        assert_eq!(fingerprint(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fingerprint(b"a"), 0xaf63_dc4c_8601_ec8c);
    }

    #[test]
    fn zeros_and_nans_are_one() {
        let a = Value::tuple(vec![Value::Real(0.0), Value::reals(vec![f64::NAN, -0.0])]);
        let b = Value::tuple(vec![Value::Real(-0.0), Value::reals(vec![-f64::NAN, 0.0])]);
        assert!(same(&a, &b));
        assert_eq!(hash(&a), hash(&b));
        assert_ne!(a, b);
    }

    #[test]
    fn different_values_differ() {
        let values = [
            Value::Unit,
            Value::Int(1),
            Value::Real(1.0),
            Value::Real(1.0 + f64::EPSILON),
            Value::Bool(true),
            Value::string("1"),
            Value::reals(vec![1.0]),
            Value::reals(vec![1.0, 2.0]),
            Value::ints(vec![1, 2]),
            Value::matrix(1, 2, vec![1.0, 2.0]),
            Value::matrix(2, 1, vec![1.0, 2.0]),
            Value::tuple(vec![Value::Int(1), Value::Int(2)]),
            Value::tuple(vec![Value::Int(2), Value::Int(1)]),
            Value::Values(Arc::new(vec![Value::Int(1), Value::Int(2)])),
            list(3),
        ];
        for (i, a) in values.iter().enumerate() {
            for (j, b) in values.iter().enumerate() {
                assert_eq!(same(a, b), i == j, "{i} {j}");
                assert_eq!(hash(a) == hash(b), i == j, "{i} {j}");
            }
        }
    }

    #[test]
    fn integers_equal_reals_but_are_not_the_same() {
        assert_eq!(Value::Int(2), Value::Real(2.0));
        assert_eq!(Value::ints(vec![2]), Value::reals(vec![2.0]));
        assert!(!same(&Value::Int(2), &Value::Real(2.0)));
    }

    #[test]
    fn deep_structures_are_compared_and_hashed() {
        let (a, b) = (list(1_000_000), list(1_000_000));
        assert!(same(&a, &b));
        assert!(a == b);
        assert_eq!(hash(&a), hash(&b));
        assert!(!same(&a, &list(999_999)));
    }
}
