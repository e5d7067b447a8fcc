//! Domains: as types they stand for their members, as values they have the type `Domain` of their members.

use super::scheme::{Callee, Mono, Scheme, SchemeParam};
use super::table::{Eff, Node, Table, Ty};
use crate::source::{Name, Span, intern};
use std::collections::HashMap;
use std::sync::Arc;

/// The type of the members of a domain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Member {
    Bool,
    Int,
    Real,
    Reals,
    Ints,
    Matrix,
    /// Arrays of members of another domain.
    Power,
    /// Elements of an array.
    Values,
    /// Anything.
    Any,
}

/// The domains by name.
pub(crate) const NAMES: &[(&str, Member)] = &[
    ("Bool", Member::Bool),
    ("Int", Member::Int),
    ("Natural", Member::Int),
    ("Below", Member::Int),
    ("IntRange", Member::Int),
    ("Real", Member::Real),
    ("Positive", Member::Real),
    ("NonNegative", Member::Real),
    ("UnitInterval", Member::Real),
    ("Interval", Member::Real),
    ("Simplex", Member::Reals),
    ("Ordered", Member::Reals),
    ("PositiveOrdered", Member::Reals),
    ("UnitVector", Member::Reals),
    ("Vector", Member::Reals),
    ("CorrCholesky", Member::Matrix),
    ("CovCholesky", Member::Matrix),
    ("PosDef", Member::Matrix),
    ("Corr", Member::Matrix),
    ("Matrix", Member::Matrix),
    ("Counts", Member::Ints),
    ("Power", Member::Power),
    ("Product", Member::Power),
    ("Values", Member::Values),
    ("Restrict", Member::Values),
    ("Union", Member::Values),
    ("Any", Member::Any),
];

/// What the members of the domain of this name are.
pub(crate) fn member(name: &str) -> Option<Member> {
    NAMES.iter().find(|(known, _)| *known == name).map(|(_, member)| *member)
}

/// The parameters of a domain, by name; none for a domain that is a value by itself.
fn parameters(name: &str) -> &'static [&'static str] {
    match name {
        "Below" | "Simplex" | "Ordered" | "PositiveOrdered" | "UnitVector" | "Vector" | "CorrCholesky"
        | "CovCholesky" | "PosDef" | "Corr" => &["n"],
        "IntRange" => &["low", "high"],
        "Interval" => &["lower", "upper"],
        "Matrix" => &["rows", "cols"],
        "Counts" => &["k", "n"],
        "Power" => &["domain", "n"],
        "Product" | "Union" => &["domains"],
        "Values" => &["values"],
        "Restrict" => &["domain", "least", "greatest"],
        _ => &[],
    }
}

/// The schemes of the domains, with their arguments.
pub(crate) fn schemes() -> HashMap<Name, Arc<Scheme>> {
    let mut found = HashMap::new();
    for (text, member) in NAMES {
        let mut table = Table::new();
        let element = table.fresh();
        let member = match member {
            Member::Bool => Ty::BOOL,
            Member::Int => Ty::INT,
            Member::Real => Ty::REAL,
            Member::Reals => table.array(Ty::REAL),
            Member::Ints => table.array(Ty::INT),
            Member::Matrix => Ty::MATRIX,
            Member::Power => table.array(element),
            Member::Values | Member::Any => element,
        };
        let params = parameters(text)
            .iter()
            .map(|param| {
                let ty = match *param {
                    "lower" | "upper" | "least" | "greatest" => Ty::REAL,
                    "domain" => table.add(Node::Domain(element)),
                    "domains" => {
                        let domain = table.add(Node::Domain(element));
                        table.array(domain)
                    }
                    "values" => table.array(element),
                    _ => Ty::INT,
                };
                SchemeParam { name: Some(intern(param)), ty, default: None, span: Span::NONE }
            })
            .collect();
        let name = intern(text);
        let result = table.add(Node::Domain(member));
        let mono = Mono { name, callee: Callee::Domain(name), params, result, effect: Eff::DETERMINISTIC };
        found.insert(name, Arc::new(Scheme::generalise(&table, &mono, false, super::env::NO_CONSTRAINTS)));
    }
    found
}
