//! The typing rules of the built-in operations, and when one type may stand for another.

use crate::core::ir::Op;
use crate::core::ty::{Type, TypeKind};

/// The type of the result of an operation on operands of these types, or what is wrong with them.
pub fn op_type(op: Op, args: &[Type]) -> Result<Type, String> {
    use Op::*;
    const B: Type = Type::BOOL;
    const I: Type = Type::INT;
    const R: Type = Type::REAL;
    match op {
        AddR | SubR | MulR | DivR | PowR | RemR => fixed(op, args, &[R, R], R),
        NegR => fixed(op, args, &[R], R),
        AddI | SubI | MulI | PowI | RemI => fixed(op, args, &[I, I], I),
        NegI => fixed(op, args, &[I], I),
        EqR | NeR | LtR | LeR => fixed(op, args, &[R, R], B),
        EqI | NeI | LtI | LeI => fixed(op, args, &[I, I], B),
        EqB | NeB | And | Or => fixed(op, args, &[B, B], B),
        Not => fixed(op, args, &[B], B),
        Same | Different => match args {
            [a, b] if fits(*a, *b) || fits(*b, *a) => Ok(B),
            _ => wrong(op, "two values of one type", args),
        },
        Widen => match args {
            [a] => widened(*a).ok_or_else(|| expected(op, "an integer, or arrays of them", args)),
            _ => wrong(op, "an integer, or arrays of them", args),
        },
        Len => match args {
            [a] if a.element().is_some() => Ok(I),
            _ => wrong(op, "an array or a matrix", args),
        },
        Index => match args {
            [a, i] if *i == I => a.element().ok_or_else(|| expected(op, "an array or a matrix, and an index", args)),
            _ => wrong(op, "an array or a matrix, and an index", args),
        },
        Index2 => fixed(op, args, &[Type::MATRIX, I, I], R),
        Slice => match args {
            [a, i, j] if *i == I && *j == I && a.element().is_some() => Ok(*a),
            _ => wrong(op, "an array, and two indices", args),
        },
        Gather => match args {
            [a, indices] if a.element().is_some() && *indices == I.array() => Ok(*a),
            _ => wrong(op, "an array, and an array of indices", args),
        },
        Push => match args {
            [a, x] if is_array(*a) && a.element().is_some_and(|t| fits(*x, t)) => Ok(*a),
            _ => wrong(op, "an array, and a value of the type of its elements", args),
        },
        Fill => match args {
            [n, x] if *n == I => Ok(x.array()),
            _ => wrong(op, "a length, and a value", args),
        },
        Range => fixed(op, args, &[I, I], I.array()),
        MatMul => {
            let (m, v) = (Type::MATRIX, R.array());
            match args {
                [a, b] if *a == m && *b == m => Ok(m),
                [a, b] if (*a == m && *b == v) || (*a == v && *b == m) => Ok(v),
                [a, b] if *a == v && *b == v => Ok(R),
                _ => wrong(op, "matrices or vectors", args),
            }
        }
        Print => match args {
            [_] => Ok(Type::UNIT),
            _ => wrong(op, "one value", args),
        },
        Assert => fixed(op, args, &[B, Type::STR], Type::UNIT),
        // Stops the run: stands where any type is wanted; the checker asks nothing of the variable it is bound to.
        Fail => fixed(op, args, &[Type::STR], Type::UNIT),
        Domain => match args {
            [message, _] if *message == Type::STR => Ok(Type::UNIT),
            _ => Err("Domain takes a message and a value".to_string()),
        },
    }
}

/// The type of an elementwise operation: all operands that are not scalars have one shape, which the result has too.
/// `scalar` gives the type of the result for the types of the elements.
pub fn lift_type(args: &[Type], scalar: impl FnOnce(&[Type]) -> Result<Type, String>) -> Result<Type, String> {
    let mut elements = Vec::with_capacity(args.len());
    let mut shape: Option<Shape> = None;
    for arg in args {
        let (own, element) = shape_of(*arg);
        if own != Shape::Array(0) {
            match shape {
                Some(other) if other != own => return Err(format!("operands of different shapes: {}", listed(args))),
                _ => shape = Some(own),
            }
        }
        elements.push(element);
    }
    let Some(shape) = shape else {
        return Err(format!("expected an array among the operands, found {}", listed(args)));
    };
    let result = scalar(&elements)?;
    match shape {
        Shape::Matrix if result == Type::REAL => Ok(Type::MATRIX),
        Shape::Matrix => Err(format!("a matrix cannot hold elements of type {result}")),
        Shape::Array(depth) => Ok((0..depth).fold(result, |ty, _| ty.array())),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// The depth of nesting; zero for anything else.
    Array(usize),
    Matrix,
}

fn shape_of(mut ty: Type) -> (Shape, Type) {
    if ty == Type::MATRIX {
        return (Shape::Matrix, Type::REAL);
    }
    let mut depth = 0;
    while let TypeKind::Array(element) = ty.kind() {
        depth += 1;
        ty = *element;
    }
    (Shape::Array(depth), ty)
}

/// Whether a value of type `found` may stand where `wanted` is: equal, but that a deterministic function may serve as a random one.
pub fn fits(found: Type, wanted: Type) -> bool {
    if found == wanted {
        return true;
    }
    let all = |a: &[Type], b: &[Type]| a.len() == b.len() && a.iter().zip(b).all(|(x, y)| fits(*x, *y));
    match (found.kind(), wanted.kind()) {
        (TypeKind::Array(a), TypeKind::Array(b))
        | (TypeKind::Dist(a), TypeKind::Dist(b))
        | (TypeKind::Domain(a), TypeKind::Domain(b))
        | (TypeKind::Posterior(a), TypeKind::Posterior(b)) => fits(*a, *b),
        (TypeKind::Tuple(a), TypeKind::Tuple(b)) => all(a, b),
        (TypeKind::Record(a), TypeKind::Record(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|((n, x), (m, y))| n == m && fits(*x, *y))
        }
        (TypeKind::Variant(n, i, a), TypeKind::Variant(m, j, b)) => n == m && i == j && all(a, b),
        (TypeKind::Host(n, a), TypeKind::Host(m, b)) => n == m && all(a, b),
        // Parameters by equality modulo the flag either way: what matters here is the shape of the call.
        (TypeKind::Fn(a, _, x), TypeKind::Fn(b, _, y)) => all(a, b) && fits(*x, *y),
        _ => false,
    }
}

fn is_array(ty: Type) -> bool {
    matches!(ty.kind(), TypeKind::Array(_))
}

fn widened(ty: Type) -> Option<Type> {
    match ty.kind() {
        TypeKind::Int => Some(Type::REAL),
        TypeKind::Array(element) => widened(*element).map(Type::array),
        _ => None,
    }
}

fn fixed(op: Op, args: &[Type], wanted: &[Type], result: Type) -> Result<Type, String> {
    if args == wanted { Ok(result) } else { wrong(op, &listed(wanted), args) }
}

fn wrong(op: Op, wanted: &str, args: &[Type]) -> Result<Type, String> {
    Err(expected(op, wanted, args))
}

fn expected(op: Op, wanted: &str, args: &[Type]) -> String {
    format!("{op:?} expects {wanted}, found {}", listed(args))
}

fn listed(types: &[Type]) -> String {
    if types.is_empty() {
        return "nothing".to_string();
    }
    types.iter().map(|ty| format!("{ty}")).collect::<Vec<_>>().join(", ")
}
