//! Assignments, and the places they write.

use super::name::Meaning;
use super::{Infer, Local, LocalKind};
use crate::source::{Name, Span};
use crate::syntax::ast::{BindId, ExprId, Place, PlaceStep};
use crate::types::constraint::{Kind, Operand, Reason};
use crate::types::env::Entity;
use crate::types::error;
use crate::types::table::{Node, Ty};
use crate::types::typed::NameUse;

impl Infer<'_> {
    /// `place = value`
    pub fn assign(&mut self, target: &Place, value: ExprId) {
        let (name, span) = (target.root.name, target.root.span);
        if target.steps.is_empty() && matches!(self.meaning(name), Meaning::Unknown) {
            self.assigns_unknown(name, span, value);
            return;
        }
        let (ty, declared) = self.place(target);
        let reason = match declared {
            Some(span) => Reason::Variable { name: target.root.name, span },
            None => Reason::Nothing,
        };
        // A counter stays open where the value decides: `s = s + 0.5` makes `s` real.
        let hint = (!matches!(self.table.node(ty), Node::Counter)).then_some((ty, reason));
        let found = self.expr(value, hint);
        let found = self.known(found);
        self.coerce(value, found, ty, reason);
    }

    /// `x = …` without a declaration, as other languages have it. The name is known from here on, so that it is
    /// complained of once.
    fn assigns_unknown(&mut self, name: Name, span: Span, value: ExprId) {
        let locals: Vec<&'static str> = self.local_names().collect();
        let suggestion = crate::types::suggest::closest(name.as_str(), &locals);
        self.report(error::assigns_unknown(span, name, suggestion));
        let ty = self.expr(value, None);
        let (bind, depth) = (BindId(u32::MAX), self.depth());
        self.bind_local(Local { name, bind, ty, span, kind: LocalKind::Var, depth, params: None });
    }

    /// The type of a place, and where its variable was declared.
    pub fn place(&mut self, target: &Place) -> (Ty, Option<Span>) {
        let (root, declared) = self.root(target);
        self.record.exprs.push((target.root_expr, root));
        let mut ty = root;
        for step in &target.steps {
            let base = Operand { expr: target.root_expr, ty };
            let result = self.table.fresh();
            match step {
                PlaceStep::Index(index) => {
                    let index = self.index_operands(index);
                    for operand in &index {
                        self.coerce(operand.expr, operand.ty, Ty::INT, Reason::Nothing);
                    }
                    self.require(Kind::Index { expr: None, base, index, result }, target.span);
                }
                PlaceStep::Field(name) => {
                    self.require(Kind::Field { expr: None, base, name: *name, result }, name.span);
                }
            }
            ty = result;
        }
        let ty = self.known(ty);
        (ty, declared)
    }

    fn root(&mut self, target: &Place) -> (Ty, Option<Span>) {
        let name = target.root.name;
        let span = target.root.span;
        match self.meaning(name) {
            Meaning::Local(place) => {
                let local = &self.locals[place];
                let (ty, declared, kind, depth, bind) = (local.ty, local.span, local.kind, local.depth, local.bind);
                if kind != LocalKind::Var {
                    self.report(error::assigns_immutable(span, name, kind, declared, self.ast, self.sources));
                } else if depth < self.depth() {
                    self.report(error::assigns_captured(span, name, declared));
                }
                self.record.names.push((target.root_expr, NameUse::Local(bind)));
                (ty, Some(declared))
            }
            Meaning::Value(NameUse::Global(bind), ty) => {
                let entity = self.env.lookup(self.scope, name).first().copied();
                if let Some(Entity::Global { span: declared, .. }) = entity {
                    // Statements of the file may update its variables, as in a script; functions may not.
                    if self.depth() > 0 {
                        self.report(error::assigns_global(span, name, declared));
                    }
                    self.record.names.push((target.root_expr, NameUse::Global(bind)));
                    return (ty, Some(declared));
                }
                (ty, None)
            }
            Meaning::Unknown => {
                let suggestion = self.suggestion(name);
                let indexed = matches!(target.steps.first(), Some(PlaceStep::Index(_)));
                self.report(error::writes_unknown(span, name, suggestion, indexed));
                (Ty::ERROR, None)
            }
            _ => {
                self.report(error::assigns_definition(span, name));
                (Ty::ERROR, None)
            }
        }
    }
}
