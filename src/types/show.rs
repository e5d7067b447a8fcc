//! Types as users write them, for messages and `:type`.

use super::table::{Eff, Node, Table, Ty};
use std::fmt::Write;

/// Gives letters to the unknown parts of types, the same letter to the same part.
#[derive(Default)]
pub(crate) struct Namer {
    seen: Vec<Ty>,
    /// Unknown parts are written `_`.
    blank: bool,
}

impl Namer {
    fn name(&mut self, ty: Ty) -> String {
        if self.blank {
            return "_".into();
        }
        let place = self.seen.iter().position(|t| *t == ty).unwrap_or_else(|| {
            self.seen.push(ty);
            self.seen.len() - 1
        });
        let letter = char::from(b'a' + (place % 26) as u8);
        if place < 26 { letter.to_string() } else { format!("{letter}{}", place / 26) }
    }
}

impl Table {
    /// The type with `_` for what is not known.
    pub fn show(&self, ty: Ty) -> String {
        let mut out = String::new();
        self.write(ty, &mut Namer { blank: true, ..Namer::default() }, &mut out, 0);
        out
    }

    /// The type with letters for what is not known.
    pub fn show_named(&self, ty: Ty, namer: &mut Namer) -> String {
        let mut out = String::new();
        self.write(ty, namer, &mut out, 0);
        out
    }

    fn write(&self, ty: Ty, namer: &mut Namer, out: &mut String, depth: u32) {
        if depth > 12 || out.len() > 400 {
            out.push('…');
            return;
        }
        let root = self.root(ty);
        let depth = depth + 1;
        match self.node(root) {
            Node::Unknown | Node::Link(_) => out.push_str(&namer.name(root)),
            Node::Unit => out.push_str("()"),
            Node::Bool => out.push_str("Bool"),
            Node::Int | Node::Literal | Node::Counter => out.push_str("Int"),
            Node::Real => out.push_str("Real"),
            Node::Str => out.push_str("String"),
            Node::Matrix => out.push_str("Matrix"),
            Node::Error => out.push('_'),
            Node::Array(t) => {
                out.push('[');
                self.write(*t, namer, out, depth);
                out.push(']');
            }
            Node::Tuple(parts) => {
                out.push('(');
                self.write_list(parts, namer, out, depth);
                out.push(')');
            }
            Node::Record(fields) => {
                out.push('{');
                for (i, (name, t)) in fields.iter().enumerate() {
                    let _ = write!(out, "{}{name}: ", if i > 0 { ", " } else { "" });
                    self.write(*t, namer, out, depth);
                }
                out.push('}');
            }
            Node::Variant(name, _, args) | Node::Host(name, args) => {
                self.write_applied(name.as_str(), args, namer, out, depth);
            }
            Node::Dist(t) => self.write_applied("Dist", &[*t], namer, out, depth),
            Node::Posterior(t) => self.write_applied("Posterior", &[*t], namer, out, depth),
            Node::Domain(t) => self.write_applied("Domain", &[*t], namer, out, depth),
            Node::Fn(params, effect, result) => {
                out.push('(');
                self.write_list(params, namer, out, depth);
                out.push_str(if self.effect(*effect) == Eff::RANDOM { ") ~> " } else { ") -> " });
                self.write(*result, namer, out, depth);
            }
        }
    }

    fn write_applied(&self, name: &str, args: &[Ty], namer: &mut Namer, out: &mut String, depth: u32) {
        out.push_str(name);
        if !args.is_empty() {
            out.push('<');
            self.write_list(args, namer, out, depth);
            out.push('>');
        }
    }

    fn write_list(&self, types: &[Ty], namer: &mut Namer, out: &mut String, depth: u32) {
        for (i, t) in types.iter().enumerate() {
            if i > 0 {
                out.push_str(", ");
            }
            self.write(*t, namer, out, depth);
        }
    }
}
