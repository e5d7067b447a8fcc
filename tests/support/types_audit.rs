//! Checks what the checker tells lowering: every expression has its type, conversions lead where they should, and every
//! instance that a body asks for can be had.

use borel::core::{Type, TypeKind};
use borel::source::intern;
use borel::syntax::ast::{
    Ast, BinaryOp, Block, Clause, ExprId, ExprKind, FnDecl, ItemId, ItemKind, PlaceStep, Stmt, StmtKind,
};
use borel::types::Checker;
use borel::types::typed::{CallUse, Def, Instance, NameUse, Target, Typed};
use std::collections::HashSet;

/// Audits all that a module needs. Gives the number of instances.
pub fn audit(checker: &mut Checker, items: &[ItemId]) -> usize {
    let mut wanted: Vec<Instance> = Vec::new();
    let mut seen: HashSet<Instance> = HashSet::new();
    for &item in items {
        match checker.ast.item(item).kind.clone() {
            ItemKind::Fn(_) => {
                if let Some((params, result)) = checker.closed_type(item) {
                    wanted.push(Instance { item, member: None, params, result });
                }
            }
            ItemKind::Stmt(stmt) => {
                let typed = checker.statement(item).expect("there were no errors");
                let mut audit = Audit { ast: &checker.ast, typed: &typed };
                audit.stmt(&stmt);
                wanted.extend(requests(&typed));
            }
            ItemKind::Test { body, .. } => {
                let typed = checker.statement(item).expect("there were no errors");
                Audit { ast: &checker.ast, typed: &typed }.block(&body);
                wanted.extend(requests(&typed));
            }
            ItemKind::Data { default: Some(default), .. } => {
                let typed = checker.statement(item).expect("there were no errors");
                Audit { ast: &checker.ast, typed: &typed }.expr(default);
                assert_eq!(Some(after(&typed, default)), typed.result);
            }
            _ => {}
        }
    }
    while let Some(instance) = wanted.pop() {
        if !seen.insert(instance.clone()) {
            continue;
        }
        assert!(seen.len() < 2000, "instances do not end: {instance:?}");
        let typed = checker.instance(&instance).unwrap_or_else(|errors| {
            let texts: Vec<String> = errors.iter().map(|d| d.message.clone()).collect();
            let name = match &checker.ast.item(instance.item).kind {
                ItemKind::Fn(decl) => decl.name.name,
                ItemKind::Dist(decl) => decl.name.name,
                _ => intern("?"),
            };
            panic!("no instance of {name} {instance:?}: {texts:?}")
        });
        match &checker.ast.item(instance.item).kind {
            ItemKind::Fn(decl) => {
                let mut audit = Audit { ast: &checker.ast, typed: &typed };
                audit.function(decl, instance.result);
            }
            ItemKind::Dist(decl) => {
                let mut audit = Audit { ast: &checker.ast, typed: &typed };
                if let Some(member) = decl.members.iter().find(|m| Some(m.name.name) == instance.member) {
                    audit.expr(member.body);
                    audit.same(after(&typed, member.body), instance.result, "a member");
                }
            }
            _ => {}
        }
        wanted.extend(requests(&typed));
    }
    seen.len()
}

/// The type of an expression after its conversion.
fn after(typed: &Typed, expr: ExprId) -> Type {
    typed.coercions.get(&expr).or_else(|| typed.types.get(&expr)).copied().unwrap_or_else(|| panic!("{expr:?}"))
}

/// The instances that a body asks for.
fn requests(typed: &Typed) -> Vec<Instance> {
    let mut found = Vec::new();
    for call in typed.calls.values() {
        match &call.target {
            Target::Def(Def::Item(item), lifted) => {
                assert!(lifted.is_empty(), "only primitives run over elements");
                found.push(Instance { item: *item, member: None, params: call.params.clone(), result: call.result });
            }
            Target::Dist(item, lifted) => found.extend(members(*item, lifted, call)),
            _ => {}
        }
    }
    for (expr, name) in &typed.names {
        if let NameUse::Def(Def::Item(item)) = name
            && let Some(ty) = typed.types.get(expr)
            && let TypeKind::Fn(params, _, result) = ty.kind()
        {
            found.push(Instance { item: *item, member: None, params: params.clone(), result: *result });
        }
    }
    found
}

fn depth(ty: Type) -> usize {
    match ty.kind() {
        TypeKind::Array(inner) => 1 + depth(*inner),
        _ => 0,
    }
}

fn peel(ty: Type, levels: usize) -> Type {
    if levels == 0 { ty } else { peel(ty.element().expect("it is an array"), levels - 1) }
}

fn members(item: ItemId, lifted: &[bool], call: &CallUse) -> Vec<Instance> {
    let TypeKind::Dist(value) = call.result.kind() else { panic!("a distribution has a Dist type") };
    // All lifted parameters of the tests are scalar.
    let levels =
        lifted.iter().zip(&call.params).filter(|(lifted, _)| **lifted).map(|(_, ty)| depth(*ty)).max().unwrap_or(0);
    let mut params: Vec<Type> = call
        .params
        .iter()
        .enumerate()
        .map(|(i, ty)| if lifted.get(i) == Some(&true) { peel(*ty, levels) } else { *ty })
        .collect();
    let value = peel(*value, levels);
    let sample = Instance { item, member: Some(intern("sample")), params: params.clone(), result: value };
    let domain = Type::new(TypeKind::Domain(value));
    let support = Instance { item, member: Some(intern("support")), params: params.clone(), result: domain };
    let check = Instance { item, member: Some(intern("check")), params: params.clone(), result: Type::UNIT };
    params.push(value);
    let logp = Instance { item, member: Some(intern("logp")), params, result: Type::REAL };
    vec![logp, sample, support, check]
}

struct Audit<'a> {
    ast: &'a Ast,
    typed: &'a Typed,
}

impl Audit<'_> {
    fn same(&self, found: Type, expected: Type, what: &str) {
        assert_eq!(plain(found), plain(expected), "{what}");
    }

    fn function(&mut self, decl: &FnDecl, result: Type) {
        if self.typed.types.contains_key(&decl.body) {
            self.expr(decl.body);
            self.same(after(self.typed, decl.body), result, "a function's result");
        }
    }

    fn block(&mut self, block: &Block) {
        block.stmts.iter().for_each(|stmt| self.stmt(stmt));
    }

    fn stmt(&mut self, stmt: &Stmt) {
        match &stmt.kind {
            StmtKind::Let { value, .. } | StmtKind::Expr(value) | StmtKind::Return(value) | StmtKind::Assert(value) => {
                self.expr(*value);
            }
            StmtKind::Var { name, value, .. } => {
                self.expr(*value);
                self.same(after(self.typed, *value), self.typed.binds[&name.bind], "the value of a `var`");
            }
            StmtKind::Assign { target, value } => {
                self.expr(*value);
                assert!(self.typed.names.contains_key(&target.root_expr), "the root of a place has a meaning");
                if target.steps.is_empty() {
                    let root = self.typed.types[&target.root_expr];
                    self.same(after(self.typed, *value), root, "an assigned value");
                }
                for step in &target.steps {
                    if let PlaceStep::Index(index) = step {
                        index.iter().for_each(|e| self.expr(*e));
                    }
                }
            }
            StmtKind::Draw { name, dist, .. } => {
                self.expr(*dist);
                let ty = after(self.typed, *dist);
                self.same(ty, self.typed.binds[&name.bind].dist(), "what is drawn from");
            }
            StmtKind::DrawElement { dist, .. } => {
                self.expr(*dist);
                assert!(matches!(after(self.typed, *dist).kind(), TypeKind::Dist(_)));
            }
            StmtKind::Observe { value, dist } => {
                self.expr(*value);
                self.expr(*dist);
                self.same(after(self.typed, *dist), after(self.typed, *value).dist(), "what is observed");
            }
            StmtKind::For { iter, body, .. } => {
                self.expr(*iter);
                self.block(body);
            }
            StmtKind::While { cond, body } => {
                self.expr(*cond);
                self.same(after(self.typed, *cond), Type::BOOL, "a condition");
                self.block(body);
            }
            StmtKind::Fn(decl) => self.expr(decl.body),
        }
    }

    fn expr(&mut self, expr: ExprId) {
        let ty = after(self.typed, expr);
        let own = self.typed.types[&expr];
        match &self.ast.expr(expr).kind {
            ExprKind::Name(_) => assert!(self.typed.names.contains_key(&expr), "a name has a meaning"),
            ExprKind::Array(parts) => {
                for part in parts {
                    self.expr(*part);
                    self.same(after(self.typed, *part), own.element().expect("it has elements"), "an element");
                }
            }
            ExprKind::Comprehension { body, clauses } => {
                for clause in clauses {
                    match clause {
                        Clause::For { iter, .. } => self.expr(*iter),
                        Clause::If(cond) => self.expr(*cond),
                    }
                }
                self.expr(*body);
                self.same(after(self.typed, *body), own.element().expect("it has elements"), "an element");
            }
            ExprKind::Range { low, high, .. } => {
                self.expr(*low);
                self.expr(*high);
            }
            ExprKind::Tuple(parts) => {
                let TypeKind::Tuple(types) = own.kind() else { panic!("{own}") };
                for (part, ty) in parts.iter().zip(types) {
                    self.expr(*part);
                    self.same(after(self.typed, *part), *ty, "a part of a tuple");
                }
            }
            ExprKind::Record { spread, fields } => {
                spread.iter().for_each(|e| self.expr(*e));
                let TypeKind::Record(types) = own.kind() else { panic!("{own}") };
                for (name, value) in fields {
                    self.expr(*value);
                    let (_, ty) = types.iter().find(|(field, _)| *field == name.name).expect("the field is there");
                    self.same(after(self.typed, *value), *ty, "a field");
                }
            }
            // The name of an import has no type.
            ExprKind::Field(base, _) if self.typed.types.contains_key(base) => self.expr(*base),
            ExprKind::Index(base, index) => {
                self.expr(*base);
                index.iter().for_each(|e| self.expr(*e));
            }
            ExprKind::Unary(_, e) => self.expr(*e),
            ExprKind::Binary(op, _, left, right) => {
                self.expr(*left);
                self.expr(*right);
                self.operands(*op, after(self.typed, *left), after(self.typed, *right), own, expr);
            }
            ExprKind::Call { .. } | ExprKind::Pipe { .. } => self.call(expr),
            ExprKind::Lambda { body, .. } => {
                self.expr(*body);
                let TypeKind::Fn(_, _, result) = own.kind() else { panic!("{own}") };
                self.same(after(self.typed, *body), *result, "the result of a lambda");
            }
            ExprKind::If { cond, then, otherwise } => {
                self.expr(*cond);
                self.expr(*then);
                if let Some(otherwise) = otherwise {
                    self.expr(*otherwise);
                    if own != Type::UNIT {
                        self.same(after(self.typed, *then), own, "a branch");
                        self.same(after(self.typed, *otherwise), own, "a branch");
                    }
                }
            }
            ExprKind::Match { scrutinee, arms } => {
                self.expr(*scrutinee);
                for arm in arms {
                    arm.guard.iter().for_each(|e| self.expr(*e));
                    self.expr(arm.body);
                    if own != Type::UNIT {
                        self.same(after(self.typed, arm.body), own, "an arm");
                    }
                }
            }
            ExprKind::Block(block) => {
                self.block(block);
                if own != Type::UNIT
                    && let Some(StmtKind::Expr(value) | StmtKind::Return(value)) = block.stmts.last().map(|s| &s.kind)
                {
                    self.same(after(self.typed, *value), own, "the value of a block");
                }
            }
            _ => {}
        }
        let _ = ty;
    }

    fn call(&mut self, expr: ExprId) {
        let call = self.typed.calls.get(&expr).unwrap_or_else(|| panic!("a call is known: {expr:?}"));
        assert_eq!(call.args.len(), call.params.len(), "one argument or default a parameter");
        for (arg, param) in call.args.iter().zip(&call.params) {
            if let Some(arg) = arg {
                self.expr(*arg);
                self.same(after(self.typed, *arg), *param, "an argument");
            }
        }
        self.same(self.typed.types[&expr], call.result, "the result of a call");
        if matches!(call.target, Target::Value) {
            let callee = match &self.ast.expr(expr).kind {
                ExprKind::Call { callee, .. } => *callee,
                ExprKind::Pipe { call, .. } => match &self.ast.expr(*call).kind {
                    ExprKind::Call { callee, .. } => *callee,
                    _ => *call,
                },
                _ => return,
            };
            self.expr(callee);
        }
    }

    fn operands(&self, op: BinaryOp, left: Type, right: Type, result: Type, expr: ExprId) {
        let leaf = |ty: Type| match peel(ty, depth(ty)).kind() {
            TypeKind::Matrix => Type::REAL,
            _ => peel(ty, depth(ty)),
        };
        match op {
            BinaryOp::And | BinaryOp::Or => {}
            BinaryOp::MatMul => assert_eq!((leaf(left), leaf(right)), (Type::REAL, Type::REAL)),
            BinaryOp::Eq | BinaryOp::Ne => self.same(left, right, "compared values"),
            BinaryOp::Lt | BinaryOp::Le | BinaryOp::Gt | BinaryOp::Ge => assert_eq!(left, right, "compared numbers"),
            _ if self.typed.calls.contains_key(&expr) => {}
            _ => {
                assert_eq!(leaf(left), leaf(right), "operands of {}", op.symbol());
                assert_eq!(leaf(left), leaf(result), "the result of {}", op.symbol());
            }
        }
    }
}

/// The type with every function deterministic.
fn plain(ty: Type) -> String {
    ty.to_string().replace("~>", "->")
}
