//! Domains inside types, where they stand for the type of their members.

use super::Infer;
use crate::source::Name;
use crate::syntax::ast::{ExprId, ExprKind, Ident};
use crate::types::constraint::Reason;
use crate::types::domain::{Member, member};
use crate::types::error;
use crate::types::scheme::Candidate;
use crate::types::table::{Node, Ty};

impl Infer<'_> {
    /// The type of the members of a domain that is named without arguments.
    pub fn domain_member(&mut self, name: Name) -> Option<Ty> {
        Some(match member(name.as_str())? {
            Member::Bool => Ty::BOOL,
            Member::Int => Ty::INT,
            Member::Real => Ty::REAL,
            Member::Reals => self.table.array(Ty::REAL),
            Member::Ints => self.table.array(Ty::INT),
            Member::Matrix => Ty::MATRIX,
            Member::Power | Member::Values | Member::Any => return None,
        })
    }

    /// The type of the members of a domain with arguments, in a type.
    pub fn domain_type(&mut self, name: Ident, args: &[ExprId]) -> Option<Ty> {
        if let Some(ty) = self.domain_member(name.name) {
            return Some(ty);
        }
        member(name.name.as_str())?;
        let inner = match args.first().map(|arg| &self.ast.expr(*arg).kind) {
            Some(ExprKind::Name(name)) => self.domain_member(*name),
            Some(ExprKind::Call { callee, .. }) => match &self.ast.expr(*callee).kind {
                ExprKind::Name(name) => self.domain_member(*name),
                _ => None,
            },
            _ => None,
        };
        let inner = inner.unwrap_or_else(|| self.table.fresh());
        Some(match name.name.as_str() {
            "Power" | "Product" => self.table.array(inner),
            _ => inner,
        })
    }

    /// The arguments of a domain in a type, each against its parameter.
    pub fn domain_args(&mut self, name: Ident, args: &[ExprId]) {
        let Some(scheme) = self.env.domains.get(&name.name).cloned() else { return };
        let used = Candidate::Scheme(scheme).instantiate(&mut self.table, name.span, &mut Vec::new());
        if used.params.len() != args.len() {
            self.report(error::domain_argument_count(name, &used.params, args.len()));
        }
        self.deterministic(name.span, "a domain", |this| {
            for (i, arg) in args.iter().enumerate() {
                match used.params.get(i) {
                    Some(param) => {
                        let reason = Reason::Parameter { name: param.name, of: name.name, span: param.span };
                        this.check(*arg, param.ty, reason);
                    }
                    None => {
                        this.expr(*arg, None);
                    }
                }
            }
        });
    }

    /// Whether a type is one whose values can be compared and printed: not a function.
    pub fn is_function(&self, ty: Ty) -> bool {
        matches!(self.table.node(ty), Node::Fn(..))
    }
}
