//! Whether patterns take every value, after Maranget, "Warnings for pattern matching" (2007).

use super::error;
use super::infer::{Infer, MatchCheck};
use super::scheme::Candidate;
use super::table::{Node, Ty};
use crate::source::{Name, Span};
use crate::syntax::ast::{PatternId, PatternKind};

/// How many missing patterns a message names.
const NAMED: usize = 3;

/// How much work the search may do; beyond it a match counts as complete.
const BUDGET: u32 = 20_000;

/// A pattern without its names.
#[derive(Clone, Debug, PartialEq)]
enum Shape {
    Wild,
    /// A constructor, tuple or record: which, and its parts.
    Of(Head, Vec<Shape>),
}

/// The outermost part of a value.
#[derive(Clone, Debug, PartialEq)]
enum Head {
    Constructor(u32),
    /// A tuple, a record or `()`: the only form of its type.
    Only,
    Bool(bool),
    Int(i64),
    /// A real number, by its bits.
    Real(u64),
    Str(String),
}

struct Search<'a, 'b> {
    infer: &'a mut Infer<'b>,
    budget: u32,
}

/// Reports the values that a `match` does not take, and the arms that take none.
pub(crate) fn check_match(infer: &mut Infer<'_>, check: &MatchCheck, warnings: bool) {
    if matches!(infer.table.node(check.scrutinee), Node::Error) {
        return;
    }
    let mut rows: Vec<Vec<Shape>> = Vec::new();
    for arm in &check.arms {
        let Some(shape) = shape(infer, arm.pattern, check.scrutinee) else { return };
        let row = vec![shape];
        if warnings {
            let mut search = Search { infer, budget: BUDGET };
            if search.missing(&rows, &[check.scrutinee], Some(&row), 1).is_empty() && search.budget > 0 {
                let span = infer.ast.pattern(arm.pattern).span;
                infer.report(error::unreachable_arm(span));
            }
        }
        if arm.guard.is_none() {
            rows.push(row);
        }
    }
    let mut search = Search { infer, budget: BUDGET };
    let missing = search.missing(&rows, &[check.scrutinee], None, NAMED);
    if !missing.is_empty() && search.budget > 0 {
        let texts: Vec<String> = missing.iter().map(|row| show(infer, &row[0], check.scrutinee)).collect();
        infer.report(error::missing_patterns(check.span, &texts));
    }
}

/// Reports a pattern that must take every value and does not.
pub(crate) fn check_irrefutable(infer: &mut Infer<'_>, pattern: PatternId, ty: Ty, what: &'static str) {
    if matches!(infer.table.node(ty), Node::Error) {
        return;
    }
    let Some(shape) = shape(infer, pattern, ty) else { return };
    let span: Span = infer.ast.pattern(pattern).span;
    let mut search = Search { infer, budget: BUDGET };
    let missing = search.missing(&[vec![shape]], &[ty], None, 1);
    if let Some(row) = missing.first() {
        let text = show(infer, &row[0], ty);
        infer.report(error::refutable(span, what, &text));
    }
}

/// A pattern without names; none where it did not parse or was already reported.
fn shape(infer: &mut Infer<'_>, pattern: PatternId, ty: Ty) -> Option<Shape> {
    let ast = infer.ast;
    Some(match &ast.pattern(pattern).kind {
        PatternKind::Wild | PatternKind::Bind(_) => Shape::Wild,
        PatternKind::Error => return None,
        PatternKind::Int(n) if matches!(infer.table.node(ty), Node::Real) => {
            Shape::Of(Head::Real((*n as f64).to_bits()), Vec::new())
        }
        PatternKind::Int(n) => Shape::Of(Head::Int(*n), Vec::new()),
        PatternKind::Real(x) => Shape::Of(Head::Real(x.to_bits()), Vec::new()),
        PatternKind::Bool(b) => Shape::Of(Head::Bool(*b), Vec::new()),
        PatternKind::Str(text) => Shape::Of(Head::Str(text.clone()), Vec::new()),
        PatternKind::Unit => Shape::Of(Head::Only, Vec::new()),
        PatternKind::Tuple(parts) => {
            let types = parts_of(infer, &Head::Only, ty)?;
            if types.len() != parts.len() {
                return None;
            }
            let parts: Option<Vec<Shape>> = parts.iter().zip(types).map(|(part, ty)| shape(infer, *part, ty)).collect();
            Shape::Of(Head::Only, parts?)
        }
        PatternKind::Record(fields) => {
            let Node::Record(known) = infer.table.node(ty).clone() else { return None };
            let parts: Option<Vec<Shape>> = known
                .iter()
                .map(|(name, ty)| match fields.iter().find(|(field, _)| field.name == *name) {
                    Some((_, part)) => shape(infer, *part, *ty),
                    None => Some(Shape::Wild),
                })
                .collect();
            Shape::Of(Head::Only, parts?)
        }
        PatternKind::Constructor { name, fields } => {
            let tag = constructors(infer, ty)?.iter().position(|(known, _)| *known == name.name)? as u32;
            let types = parts_of(infer, &Head::Constructor(tag), ty)?;
            if types.len() != fields.len() {
                return None;
            }
            let parts: Option<Vec<Shape>> =
                fields.iter().zip(types).map(|(part, ty)| shape(infer, *part, ty)).collect();
            Shape::Of(Head::Constructor(tag), parts?)
        }
    })
}

/// The constructors of a variant type: names and numbers of fields.
fn constructors(infer: &Infer<'_>, ty: Ty) -> Option<Vec<(Name, usize)>> {
    let Node::Variant(_, id, _) = infer.table.node(ty) else { return None };
    let item = crate::syntax::ast::ItemId(*id);
    let mut found = Vec::new();
    while let Some(scheme) = infer.env.constructors.get(&(item, found.len() as u32)) {
        found.push((scheme.name, scheme.params.len()));
    }
    Some(found)
}

/// The types of the parts of a value with this head.
fn parts_of(infer: &mut Infer<'_>, head: &Head, ty: Ty) -> Option<Vec<Ty>> {
    match (head, infer.table.node(ty).clone()) {
        (Head::Only, Node::Tuple(parts)) => Some(parts.to_vec()),
        (Head::Only, Node::Record(fields)) => Some(fields.iter().map(|(_, ty)| *ty).collect()),
        (Head::Constructor(tag), Node::Variant(_, id, _)) => {
            let scheme = infer.env.constructors.get(&(crate::syntax::ast::ItemId(id), *tag))?.clone();
            let used = Candidate::Scheme(scheme).instantiate(&mut infer.table, Span::NONE, &mut Vec::new());
            let _ = infer.table.unify(used.result, ty);
            Some(used.params.iter().map(|param| param.ty).collect())
        }
        (Head::Only, Node::Unit) => Some(Vec::new()),
        (Head::Only | Head::Constructor(_), _) => None,
        _ => Some(Vec::new()),
    }
}

impl Search<'_, '_> {
    /// Rows of patterns that no row of `rows` takes, and that `useful` takes where it is given.
    fn missing(
        &mut self,
        rows: &[Vec<Shape>],
        types: &[Ty],
        useful: Option<&[Shape]>,
        limit: usize,
    ) -> Vec<Vec<Shape>> {
        self.budget = self.budget.saturating_sub(1);
        if self.budget == 0 {
            return Vec::new();
        }
        let Some((&ty, rest)) = types.split_first() else {
            return if rows.is_empty() { vec![Vec::new()] } else { Vec::new() };
        };
        let wanted = match useful.and_then(|row| row.first()) {
            Some(Shape::Of(head, _)) => Some(vec![head.clone()]),
            _ => None,
        };
        let mut heads: Vec<Head> = Vec::new();
        for row in rows {
            if let Some(Shape::Of(head, _)) = row.first()
                && !heads.contains(head)
            {
                heads.push(head.clone());
            }
        }
        let mut found = Vec::new();
        let all = self.all_heads(ty);
        let split: Vec<Head> = match (&wanted, &all) {
            (Some(wanted), _) => wanted.clone(),
            (None, _) if heads.is_empty() => Vec::new(),
            (None, Some(all)) => all.clone(),
            (None, None) => heads.clone(),
        };
        for head in &split {
            if found.len() >= limit {
                return found;
            }
            let Some(parts) = parts_of(self.infer, head, ty) else { return Vec::new() };
            let narrowed: Vec<Vec<Shape>> = rows.iter().filter_map(|row| narrow(row, head, parts.len())).collect();
            let useful_row = useful.and_then(|row| narrow(row, head, parts.len()));
            let inner: Vec<Ty> = parts.iter().chain(rest).copied().collect();
            for row in self.missing(&narrowed, &inner, useful_row.as_deref(), limit - found.len()) {
                let (own, others) = row.split_at(parts.len().min(row.len()));
                let mut whole = vec![Shape::Of(head.clone(), own.to_vec())];
                whole.extend_from_slice(others);
                found.push(whole);
            }
        }
        let complete = wanted.is_some() || (all.is_some() && !heads.is_empty());
        if !complete && found.len() < limit {
            // Values with a head that no pattern names.
            let others: Vec<Vec<Shape>> =
                rows.iter().filter(|row| row.first() == Some(&Shape::Wild)).map(|row| row[1..].to_vec()).collect();
            let useful_row = useful.and_then(|row| row.get(1..));
            for row in self.missing(&others, rest, useful_row, limit - found.len()) {
                let mut whole = vec![Shape::Wild];
                whole.extend(row);
                found.push(whole);
            }
        }
        found
    }

    /// Every head of a type that has finitely many.
    fn all_heads(&mut self, ty: Ty) -> Option<Vec<Head>> {
        match self.infer.table.node(ty) {
            Node::Bool => Some(vec![Head::Bool(true), Head::Bool(false)]),
            Node::Unit | Node::Tuple(_) | Node::Record(_) => Some(vec![Head::Only]),
            Node::Variant(..) => {
                let count = constructors(self.infer, ty)?.len() as u32;
                Some((0..count).map(Head::Constructor).collect())
            }
            _ => None,
        }
    }
}

/// What remains of a row once its first value is known to have this head.
fn narrow(row: &[Shape], head: &Head, parts: usize) -> Option<Vec<Shape>> {
    let (first, rest) = row.split_first()?;
    let mut narrowed = match first {
        Shape::Wild => vec![Shape::Wild; parts],
        Shape::Of(own, inner) if own == head => inner.clone(),
        Shape::Of(..) => return None,
    };
    narrowed.extend_from_slice(rest);
    Some(narrowed)
}

fn show(infer: &mut Infer<'_>, shape: &Shape, ty: Ty) -> String {
    let Shape::Of(head, parts) = shape else { return "_".into() };
    let types = parts_of(infer, head, ty).unwrap_or_default();
    let mut inner = Vec::with_capacity(parts.len());
    for (part, ty) in parts.iter().zip(&types) {
        inner.push(show(infer, part, *ty));
    }
    match head {
        Head::Bool(b) => b.to_string(),
        Head::Int(n) => n.to_string(),
        Head::Real(bits) => format!("{:?}", f64::from_bits(*bits)),
        Head::Str(text) => format!("{text:?}"),
        Head::Constructor(tag) => {
            let name = constructors(infer, ty).and_then(|all| all.get(*tag as usize).map(|(name, _)| *name));
            let name = name.map_or("_", Name::as_str);
            if inner.is_empty() { name.into() } else { format!("{name}({})", inner.join(", ")) }
        }
        Head::Only => match infer.table.node(ty) {
            Node::Record(fields) => {
                let fields: Vec<String> =
                    fields.iter().zip(&inner).map(|((name, _), part)| format!("{name}: {part}")).collect();
                format!("{{{}}}", fields.join(", "))
            }
            _ => format!("({})", inner.join(", ")),
        },
    }
}
