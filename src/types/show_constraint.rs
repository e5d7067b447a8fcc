//! Conditions of a scheme in words of the language: `where a + b: c`.

use super::constraint::{Constraint, Kind};
use super::show::Namer;
use super::table::Table;

/// The conditions, each once.
pub(crate) fn conditions(table: &Table, constraints: &mut [Constraint], namer: &mut Namer) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for constraint in constraints {
        let mut show = |ty| table.show_named(ty, namer);
        let text = match &constraint.kind {
            Kind::Binary { op, left, right, result, .. } => {
                let (left, right) = (show(left.ty), show(right.ty));
                let text = format!("{left} {} {right}", op.symbol());
                let result = show(*result);
                if result == "Bool" { text } else { format!("{text}: {result}") }
            }
            Kind::Numeric(operand) => format!("-{}", show(operand.ty)),
            Kind::Index { base, index, result, .. } => {
                let base = show(base.ty);
                let index: Vec<String> = index.iter().map(|i| show(i.ty)).collect();
                format!("{base}[{}]: {}", index.join(", "), show(*result))
            }
            Kind::Field { base, name, result, .. } => {
                let base = show(base.ty);
                format!("{base}.{}: {}", name.name, show(*result))
            }
            Kind::Spread { base, fields } => {
                let base = show(base.ty);
                let fields: Vec<String> =
                    fields.iter().map(|(name, value)| format!("{}: {}", name.name, show(value.ty))).collect();
                format!("{{...{base}, {}}}", fields.join(", "))
            }
            Kind::Iterate { over, item } => {
                let item = show(*item);
                format!("{item} in {}", show(over.ty))
            }
            Kind::Draw { dist, value } => {
                let value = show(*value);
                format!("{value} ~ {}", show(dist.ty))
            }
            Kind::Observe { value, dist } => {
                let value = show(value.ty);
                format!("{value} ~ {}", show(dist.ty))
            }
            Kind::Call(call) => {
                let args: Vec<String> = call.args.iter().map(|arg| show(arg.value.ty)).collect();
                format!("{}({}): {}", call.name, args.join(", "), show(call.result))
            }
            Kind::Pick { ty, .. } => show(*ty),
        };
        if !found.contains(&text) {
            found.push(text);
        }
    }
    found
}
