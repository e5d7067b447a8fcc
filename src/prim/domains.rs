//! Domains as values: the constructors behind `on …` and `Flat(…)`, and membership.

use super::Row;
use crate::value::{Domain, Fault, Value};
use std::sync::Arc;

pub(super) const ROWS: &[Row] = &[
    Row::general(
        "fn domain_contains(d: Domain<a>, x: a) -> Bool",
        "Whether a set contains a value.\nexample: domain_contains(UnitInterval, 0.5)",
        |args| match args {
            [Value::Domain(domain), x] => Ok(Value::Bool(domain.contains(x))),
            _ => Err(wrong("domain_contains")),
        },
    ),
    Row::general(
        "fn domain_fits(name: String, x: a) -> Bool",
        "Whether a vector or matrix lies in the domain of this name and of its own size.\n\
         example: domain_fits(\"Simplex\", [0.25, 0.75])",
        |args| match args {
            [Value::Str(name), x] => Ok(Value::Bool(own_size(name, x).is_some_and(|domain| domain.contains(x)))),
            _ => Err(wrong("domain_fits")),
        },
    ),
    Row::general(
        "fn length_message(name: String, n: Int, m: Int) -> String",
        "What is said when a product of distributions meets arrays of two lengths.\n\
         example: len(length_message(\"Normal\", 2, 3)) > 10",
        |args| match args {
            [Value::Str(name), Value::Int(n), Value::Int(m)] => {
                Ok(Value::string(&format!("the arrays of {name} and its value differ in length: {n} and {m}")))
            }
            _ => Err(wrong("length_message")),
        },
    ),
    Row::general(
        "fn is_discrete(d: Domain<a>) -> Bool",
        "Whether a set is finite or countable.\nexample: is_discrete(Natural)",
        |args| match args {
            [Value::Domain(domain)] => Ok(Value::Bool(domain.is_discrete())),
            _ => Err(wrong("is_discrete")),
        },
    ),
    domain("fn domain_Interval(a: Real, b: Real) -> Domain<Real>"),
    domain("fn domain_Below(n: Int) -> Domain<Int>"),
    domain("fn domain_IntRange(low: Int, high: Int) -> Domain<Int>"),
    domain("fn domain_Simplex(n: Int) -> Domain<[Real]>"),
    domain("fn domain_Ordered(n: Int) -> Domain<[Real]>"),
    domain("fn domain_PositiveOrdered(n: Int) -> Domain<[Real]>"),
    domain("fn domain_UnitVector(n: Int) -> Domain<[Real]>"),
    domain("fn domain_Vector(n: Int) -> Domain<[Real]>"),
    domain("fn domain_Matrix(n: Int, m: Int) -> Domain<Matrix>"),
    domain("fn domain_CorrCholesky(n: Int) -> Domain<Matrix>"),
    domain("fn domain_CovCholesky(n: Int) -> Domain<Matrix>"),
    domain("fn domain_PosDef(n: Int) -> Domain<Matrix>"),
    domain("fn domain_Corr(n: Int) -> Domain<Matrix>"),
    domain("fn domain_Counts(k: Int, n: Int) -> Domain<[Int]>"),
    domain("fn domain_Power(d: Domain<a>, n: Int) -> Domain<[a]>"),
    domain("fn domain_Product(parts: [Domain<a>]) -> Domain<[a]>"),
    domain("fn domain_Values(xs: [a]) -> Domain<a>"),
    domain("fn domain_Union(parts: [Domain<a>]) -> Domain<a>"),
    domain("fn domain_Restrict(d: Domain<a>, low: Real, high: Real) -> Domain<a>"),
];

/// A constructor of domains; which one is told by the name in the signature.
const fn domain(signature: &'static str) -> Row {
    macro_rules! pick {
        ($($name:literal: $example:literal),* $(,)?) => {
            $(
                if starts_with(signature, concat!("fn domain_", $name, "(")) {
                    return Row::general(
                        signature,
                        concat!("The domain `", $name, "` of its size or parts.\nexample: ", $example),
                        |args| construct($name, args),
                    );
                }
            )*
        };
    }
    pick!(
        "Interval": "domain_contains(Interval(0, 2), 1.5) && !domain_contains(Interval(0, 2), 3.0)",
        "Below": "domain_contains(Below(3), 2) && !domain_contains(Below(3), 3)",
        "IntRange": "domain_contains(IntRange(1, 6), 6) && !domain_contains(IntRange(1, 6), 0)",
        "Simplex": "domain_contains(Simplex(2), [0.25, 0.75]) && !domain_contains(Simplex(2), [0.5, 0.75])",
        "Ordered": "domain_contains(Ordered(2), [-1.0, 1.0]) && !domain_contains(Ordered(2), [1.0, -1.0])",
        "PositiveOrdered": "domain_contains(PositiveOrdered(2), [0.5, 1.0]) && !domain_contains(PositiveOrdered(2), [-1.0, 1.0])",
        "UnitVector": "domain_contains(UnitVector(2), [0.6, 0.8]) && !domain_contains(UnitVector(2), [1.0, 1.0])",
        "Vector": "domain_contains(Vector(2), [1.0, 2.0]) && !domain_contains(Vector(2), [1.0])",
        "Matrix": "domain_contains(Matrix(1, 2), matrix([[1.0, 2.0]])) && !domain_contains(Matrix(2, 2), matrix([[1.0, 2.0]]))",
        "CorrCholesky": "domain_contains(CorrCholesky(2), matrix([[1.0, 0.0], [0.6, 0.8]]))",
        "CovCholesky": "domain_contains(CovCholesky(2), matrix([[2.0, 0.0], [-1.0, 3.0]]))",
        "PosDef": "domain_contains(PosDef(2), identity(2)) && !domain_contains(PosDef(2), -1.0 * identity(2))",
        "Corr": "domain_contains(Corr(2), matrix([[1.0, 0.5], [0.5, 1.0]])) && !domain_contains(Corr(2), 2.0 * identity(2))",
        "Counts": "domain_contains(Counts(2, 3), [1, 2]) && !domain_contains(Counts(2, 3), [1, 1])",
        "Power": "domain_contains(Power(Natural, 2), [0, 5]) && !domain_contains(Power(Natural, 2), [0, -5])",
        "Product": "domain_contains(Product([Below(2), Below(3)]), [1, 2]) && !domain_contains(Product([Below(2), Below(3)]), [2, 1])",
        "Values": "domain_contains(Values([2, 5]), 5) && !domain_contains(Values([2, 5]), 3)",
        "Union": "domain_contains(Union([Below(2), IntRange(5, 6)]), 5) && !domain_contains(Union([Below(2), IntRange(5, 6)]), 3)",
        "Restrict": "domain_contains(Restrict(Natural, 2, 4), 3) && !domain_contains(Restrict(Natural, 2, 4), 5)",
    );
    panic!("a domain without a constructor")
}

const fn starts_with(text: &str, head: &str) -> bool {
    let (text, head) = (text.as_bytes(), head.as_bytes());
    if text.len() < head.len() {
        return false;
    }
    let mut k = 0;
    while k < head.len() {
        if text[k] != head[k] {
            return false;
        }
        k += 1;
    }
    true
}

fn wrong(name: &str) -> Fault {
    Fault::internal(format!("`{name}` was given arguments of another type"))
}

fn own_size(name: &str, x: &Value) -> Option<Domain> {
    let n = x.array_len()?;
    Some(match name {
        "Simplex" => Domain::Simplex(n),
        "Ordered" => Domain::Ordered(n),
        "PositiveOrdered" => Domain::PositiveOrdered(n),
        "UnitVector" => Domain::UnitVector(n),
        "CorrCholesky" => Domain::CorrCholesky(n),
        "CovCholesky" => Domain::CovCholesky(n),
        "PosDef" => Domain::PosDef(n),
        "Corr" => Domain::Corr(n),
        _ => return None,
    })
}

fn construct(name: &str, args: &mut [Value]) -> Result<Value, Fault> {
    let size = |k: usize| -> Result<usize, Fault> {
        let n = args.get(k).and_then(Value::as_int).unwrap_or(-1);
        usize::try_from(n).map_err(|_| Fault::error(format!("the domain `{name}` cannot have size {n}")))
    };
    let domain = match (name, &*args) {
        ("Interval", [a, b]) => Domain::Interval(a.as_real().unwrap_or(f64::NAN), b.as_real().unwrap_or(f64::NAN)),
        ("Below", [Value::Int(n)]) => Domain::IntRange(0, n.saturating_sub(1)),
        ("IntRange", [Value::Int(low), Value::Int(high)]) => Domain::IntRange(*low, *high),
        ("Simplex", [_]) => Domain::Simplex(size(0)?),
        ("Ordered", [_]) => Domain::Ordered(size(0)?),
        ("PositiveOrdered", [_]) => Domain::PositiveOrdered(size(0)?),
        ("UnitVector", [_]) => Domain::UnitVector(size(0)?),
        ("Vector", [_]) => Domain::Vector(size(0)?),
        ("Matrix", [_, _]) => Domain::Matrix(size(0)?, size(1)?),
        ("CorrCholesky", [_]) => Domain::CorrCholesky(size(0)?),
        ("CovCholesky", [_]) => Domain::CovCholesky(size(0)?),
        ("PosDef", [_]) => Domain::PosDef(size(0)?),
        ("Corr", [_]) => Domain::Corr(size(0)?),
        ("Counts", [_, Value::Int(n)]) => Domain::Counts(size(0)?, *n),
        ("Power", [Value::Domain(d), _]) => Domain::Power(Box::new((**d).clone()), size(1)?),
        ("Product", [parts]) => Domain::Product(domains(parts)),
        ("Union", [parts]) => Domain::union(domains(parts)),
        ("Values", [xs]) => Domain::Values((0..xs.array_len().unwrap_or(0)).filter_map(|k| xs.element(k)).collect()),
        ("Restrict", [Value::Domain(d), low, high]) => {
            d.restrict(low.as_real().unwrap_or(f64::NAN), high.as_real().unwrap_or(f64::NAN))
        }
        _ => return Err(wrong(name)),
    };
    Ok(Value::Domain(Arc::new(domain)))
}

fn domains(parts: &Value) -> Vec<Domain> {
    (0..parts.array_len().unwrap_or(0))
        .filter_map(|k| match parts.element(k) {
            Some(Value::Domain(d)) => Some((*d).clone()),
            _ => None,
        })
        .collect()
}
