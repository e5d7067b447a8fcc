//! Types of Core: concrete, shared, compared by address.

use crate::source::{Name, intern};
use std::collections::HashSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Mutex, OnceLock, PoisonError};

/// A concrete type. Equal types are the same pointer.
#[derive(Clone, Copy)]
pub struct Type(&'static TypeKind);

/// What a type is.
#[derive(PartialEq, Eq, Hash, Debug)]
pub enum TypeKind {
    Unit,
    Bool,
    Int,
    Real,
    Str,
    /// `[a]`
    Array(Type),
    Matrix,
    Tuple(Vec<Type>),
    Record(Vec<(Name, Type)>),
    /// `Tree<Int>`: the name, the number of its declaration, the arguments; see [`Type::constructors`].
    Variant(Name, u32, Vec<Type>),
    Dist(Type),
    Posterior(Type),
    Domain(Type),
    /// Parameters and result; whether it may be random.
    Fn(Vec<Type>, bool, Type),
    /// Any other type of the host, such as `Population<a>`.
    Host(Name, Vec<Type>),
}

static UNIT: TypeKind = TypeKind::Unit;
static BOOL: TypeKind = TypeKind::Bool;
static INT: TypeKind = TypeKind::Int;
static REAL: TypeKind = TypeKind::Real;
static STR: TypeKind = TypeKind::Str;
static MATRIX: TypeKind = TypeKind::Matrix;

impl Type {
    pub const UNIT: Type = Type(&UNIT);
    pub const BOOL: Type = Type(&BOOL);
    pub const INT: Type = Type(&INT);
    pub const REAL: Type = Type(&REAL);
    pub const STR: Type = Type(&STR);
    pub const MATRIX: Type = Type(&MATRIX);

    /// The type of this kind.
    pub fn new(kind: TypeKind) -> Type {
        match kind {
            TypeKind::Unit => return Type::UNIT,
            TypeKind::Bool => return Type::BOOL,
            TypeKind::Int => return Type::INT,
            TypeKind::Real => return Type::REAL,
            TypeKind::Str => return Type::STR,
            TypeKind::Matrix => return Type::MATRIX,
            _ => {}
        }
        static TYPES: OnceLock<Mutex<HashSet<&'static TypeKind>>> = OnceLock::new();
        let mut types = TYPES.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = types.get(&kind) {
            return Type(known);
        }
        let kept: &'static TypeKind = Box::leak(Box::new(kind));
        types.insert(kept);
        Type(kept)
    }

    /// `[self]`
    pub fn array(self) -> Type {
        Type::new(TypeKind::Array(self))
    }

    /// `Dist<self>`
    pub fn dist(self) -> Type {
        Type::new(TypeKind::Dist(self))
    }

    /// What the type is.
    pub fn kind(self) -> &'static TypeKind {
        self.0
    }

    /// Whether values are held as numbers in the machine: `Bool`, `Int`, `Real`.
    pub fn is_scalar(self) -> bool {
        matches!(self.0, TypeKind::Bool | TypeKind::Int | TypeKind::Real)
    }

    /// The type of the elements: of an array, of a matrix by row.
    pub fn element(self) -> Option<Type> {
        match self.0 {
            TypeKind::Array(t) => Some(*t),
            TypeKind::Matrix => Some(Type::REAL.array()),
            _ => None,
        }
    }

    /// The constructors of a variant type, with the types of their fields, in order of their tags.
    pub fn constructors(self) -> Option<&'static [(Name, Vec<Type>)]> {
        let variants = variants().lock().unwrap_or_else(PoisonError::into_inner);
        variants.get(&self).copied()
    }

    /// Declares the constructors of a variant type at concrete arguments. A second declaration replaces the first.
    pub fn declare_constructors(self, constructors: Vec<(Name, Vec<Type>)>) {
        let kept: &'static [(Name, Vec<Type>)] = Box::leak(constructors.into());
        variants().lock().unwrap_or_else(PoisonError::into_inner).insert(self, kept);
    }
}

type Variants = std::collections::HashMap<Type, &'static [(Name, Vec<Type>)]>;

fn variants() -> &'static Mutex<Variants> {
    static VARIANTS: OnceLock<Mutex<Variants>> = OnceLock::new();
    VARIANTS.get_or_init(Mutex::default)
}

impl PartialEq for Type {
    fn eq(&self, other: &Type) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}

impl Eq for Type {}

impl Hash for Type {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (std::ptr::from_ref(self.0) as usize).hash(state);
    }
}

impl fmt::Debug for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            TypeKind::Unit => f.write_str("()"),
            TypeKind::Bool => f.write_str("Bool"),
            TypeKind::Int => f.write_str("Int"),
            TypeKind::Real => f.write_str("Real"),
            TypeKind::Str => f.write_str("String"),
            TypeKind::Matrix => f.write_str("Matrix"),
            TypeKind::Array(t) => write!(f, "[{t}]"),
            TypeKind::Tuple(parts) => {
                f.write_str("(")?;
                list(f, parts)?;
                f.write_str(")")
            }
            TypeKind::Record(fields) => {
                f.write_str("{")?;
                for (i, (name, ty)) in fields.iter().enumerate() {
                    if i > 0 {
                        f.write_str(", ")?;
                    }
                    write!(f, "{name}: {ty}")?;
                }
                f.write_str("}")
            }
            TypeKind::Variant(name, _, args) | TypeKind::Host(name, args) => applied(f, *name, args),
            TypeKind::Dist(t) => applied(f, intern("Dist"), &[*t]),
            TypeKind::Posterior(t) => applied(f, intern("Posterior"), &[*t]),
            TypeKind::Domain(t) => applied(f, intern("Domain"), &[*t]),
            TypeKind::Fn(params, random, result) => {
                f.write_str("(")?;
                list(f, params)?;
                write!(f, ") {} {result}", if *random { "~>" } else { "->" })
            }
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, types: &[Type]) -> fmt::Result {
    for (i, ty) in types.iter().enumerate() {
        if i > 0 {
            f.write_str(", ")?;
        }
        write!(f, "{ty}")?;
    }
    Ok(())
}

fn applied(f: &mut fmt::Formatter<'_>, name: Name, args: &[Type]) -> fmt::Result {
    write!(f, "{name}")?;
    if args.is_empty() {
        return Ok(());
    }
    f.write_str("<")?;
    list(f, args)?;
    f.write_str(">")
}
