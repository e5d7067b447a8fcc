//! Which names an item uses that are not its own: what must be known before it can be checked.

use crate::source::Name;
use crate::syntax::ast::{
    Arg, Ast, Block, Clause, ExprId, ExprKind, FnDecl, ItemId, ItemKind, Param, PatternId, PatternKind, Place,
    PlaceStep, Stmt, StmtKind, TypeExprKind, TypeId,
};
use std::collections::HashSet;

/// The names used in an item.
#[derive(Default, Debug)]
pub(crate) struct Uses {
    /// Names of values that no local name hides everywhere.
    pub values: Vec<Name>,
    pub types: Vec<Name>,
    /// `p.f`, where `p` may be an import.
    pub members: Vec<(Name, Name)>,
}

/// Walks an item, keeping track of what is bound where.
struct Walk<'a> {
    ast: &'a Ast,
    bound: Vec<Name>,
    seen: HashSet<Name>,
    seen_types: HashSet<Name>,
    uses: Uses,
}

/// The names that an item uses.
pub(crate) fn uses(ast: &Ast, item: ItemId) -> Uses {
    let mut walk =
        Walk { ast, bound: Vec::new(), seen: HashSet::new(), seen_types: HashSet::new(), uses: Uses::default() };
    match &ast.item(item).kind {
        ItemKind::Data { ty, default, .. } => {
            walk.ty(*ty);
            default.iter().for_each(|e| walk.expr(*e));
        }
        ItemKind::Fn(decl) => walk.function(decl),
        ItemKind::Dist(decl) => {
            walk.params(&decl.params);
            walk.expr(decl.support);
            for member in &decl.members {
                let mark = walk.bound.len();
                walk.params(&member.params);
                walk.expr(member.body);
                walk.bound.truncate(mark);
            }
        }
        ItemKind::Variant { constructors, .. } => {
            constructors.iter().flat_map(|c| &c.fields).for_each(|t| walk.ty(*t));
        }
        ItemKind::Alias { ty, .. } => walk.ty(*ty),
        ItemKind::Test { body, .. } => walk.block(body),
        ItemKind::Stmt(stmt) => walk.stmt(stmt),
        ItemKind::ImportFile { .. } | ItemKind::ImportModule { .. } | ItemKind::Error(_) => {}
    }
    walk.uses
}

impl Walk<'_> {
    fn name(&mut self, name: Name) {
        if !self.bound.contains(&name) && self.seen.insert(name) {
            self.uses.values.push(name);
        }
    }

    fn function(&mut self, decl: &FnDecl) {
        let mark = self.bound.len();
        self.params(&decl.params);
        if let Some((_, ty)) = decl.result {
            self.ty(ty);
        }
        self.expr(decl.body);
        self.bound.truncate(mark);
    }

    fn params(&mut self, params: &[Param]) {
        for param in params {
            param.ty.iter().for_each(|t| self.ty(*t));
            param.default.iter().for_each(|e| self.expr(*e));
            self.pattern(param.pattern);
        }
    }

    fn pattern(&mut self, pattern: PatternId) {
        let ast = self.ast;
        match &ast.pattern(pattern).kind {
            PatternKind::Bind(name) => self.bound.push(name.name),
            PatternKind::Tuple(parts) => parts.iter().for_each(|p| self.pattern(*p)),
            PatternKind::Record(fields) => fields.iter().for_each(|(_, p)| self.pattern(*p)),
            PatternKind::Constructor { name, fields } => {
                self.name(name.name);
                fields.iter().for_each(|p| self.pattern(*p));
            }
            _ => {}
        }
    }

    fn block(&mut self, block: &Block) {
        let mark = self.bound.len();
        block.stmts.iter().for_each(|stmt| self.stmt(stmt));
        self.bound.truncate(mark);
    }

    fn place(&mut self, place: &Place) {
        self.name(place.root.name);
        for step in &place.steps {
            if let PlaceStep::Index(index) = step {
                index.iter().for_each(|e| self.expr(*e));
            }
        }
    }

    fn stmt(&mut self, stmt: &Stmt) {
        match &stmt.kind {
            StmtKind::Let { pattern, ty, value } => {
                ty.iter().for_each(|t| self.ty(*t));
                self.expr(*value);
                self.pattern(*pattern);
            }
            StmtKind::Var { name, ty, value } => {
                ty.iter().for_each(|t| self.ty(*t));
                self.expr(*value);
                self.bound.push(name.name);
            }
            StmtKind::Assign { target, value } => {
                self.place(target);
                self.expr(*value);
            }
            StmtKind::Draw { name, dist, .. } => {
                self.expr(*dist);
                self.bound.push(name.name);
            }
            StmtKind::DrawElement { target, dist } => {
                self.place(target);
                self.expr(*dist);
            }
            StmtKind::Observe { value, dist } => {
                self.expr(*value);
                self.expr(*dist);
            }
            StmtKind::For { pattern, iter, body } => {
                self.expr(*iter);
                let mark = self.bound.len();
                self.pattern(*pattern);
                self.block(body);
                self.bound.truncate(mark);
            }
            StmtKind::While { cond, body } => {
                self.expr(*cond);
                self.block(body);
            }
            StmtKind::Return(e) | StmtKind::Assert(e) | StmtKind::Expr(e) => self.expr(*e),
            StmtKind::Fn(decl) => {
                self.bound.push(decl.name.name);
                self.function(decl);
            }
        }
    }

    fn args(&mut self, args: &[Arg]) {
        args.iter().for_each(|arg| self.expr(arg.value));
    }

    fn expr(&mut self, expr: ExprId) {
        let ast = self.ast;
        match &ast.expr(expr).kind {
            ExprKind::Name(name) => self.name(*name),
            ExprKind::Array(parts) | ExprKind::Tuple(parts) => parts.iter().for_each(|e| self.expr(*e)),
            ExprKind::Comprehension { body, clauses } => {
                let mark = self.bound.len();
                for clause in clauses {
                    match clause {
                        Clause::For { pattern, iter } => {
                            self.expr(*iter);
                            self.pattern(*pattern);
                        }
                        Clause::If(e) => self.expr(*e),
                    }
                }
                self.expr(*body);
                self.bound.truncate(mark);
            }
            ExprKind::Range { low, high, .. } => {
                self.expr(*low);
                self.expr(*high);
            }
            ExprKind::Record { spread, fields } => {
                spread.iter().for_each(|e| self.expr(*e));
                fields.iter().for_each(|(_, e)| self.expr(*e));
            }
            ExprKind::Field(base, name) => {
                if let ExprKind::Name(module) = &ast.expr(*base).kind
                    && !self.bound.contains(module)
                {
                    self.uses.members.push((*module, name.name));
                }
                self.expr(*base);
            }
            ExprKind::Index(base, index) => {
                self.expr(*base);
                index.iter().for_each(|e| self.expr(*e));
            }
            ExprKind::Unary(_, e) => self.expr(*e),
            ExprKind::Binary(..) => {
                // Long chains lean to the left.
                let mut at = expr;
                while let ExprKind::Binary(_, _, left, right) = &ast.expr(at).kind {
                    self.expr(*right);
                    at = *left;
                }
                self.expr(at);
            }
            ExprKind::Call { callee, args } => {
                self.expr(*callee);
                self.args(args);
            }
            ExprKind::Pipe { value, call } => {
                self.expr(*value);
                self.expr(*call);
            }
            ExprKind::Lambda { params, body } => {
                let mark = self.bound.len();
                self.params(params);
                self.expr(*body);
                self.bound.truncate(mark);
            }
            ExprKind::If { cond, then, otherwise } => {
                self.expr(*cond);
                self.expr(*then);
                otherwise.iter().for_each(|e| self.expr(*e));
            }
            ExprKind::Match { scrutinee, arms } => {
                self.expr(*scrutinee);
                for arm in arms {
                    let mark = self.bound.len();
                    self.pattern(arm.pattern);
                    arm.guard.iter().for_each(|e| self.expr(*e));
                    self.expr(arm.body);
                    self.bound.truncate(mark);
                }
            }
            ExprKind::Block(block) => self.block(block),
            ExprKind::Unit | ExprKind::Bool(_) | ExprKind::Int(_) | ExprKind::Real(_) | ExprKind::Str(_) => {}
            ExprKind::Error => {}
        }
    }

    fn ty(&mut self, ty: TypeId) {
        let ast = self.ast;
        match &ast.ty(ty).kind {
            TypeExprKind::Name(name, args) => {
                if self.seen_types.insert(name.name) {
                    self.uses.types.push(name.name);
                }
                args.iter().for_each(|t| self.ty(*t));
            }
            TypeExprKind::Domain(_, args) => args.iter().for_each(|e| self.expr(*e)),
            TypeExprKind::Array(t) => self.ty(*t),
            TypeExprKind::Tuple(parts) => parts.iter().for_each(|t| self.ty(*t)),
            TypeExprKind::Record(fields) => fields.iter().for_each(|(_, t)| self.ty(*t)),
            TypeExprKind::Fn(params, _, result) => {
                params.iter().for_each(|t| self.ty(*t));
                self.ty(*result);
            }
            TypeExprKind::Unit | TypeExprKind::Error => {}
        }
    }
}
