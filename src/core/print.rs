//! Writes Core as text that `super::parse` reads back.
//!
//! Everything with a number is written `name` sigil `number`: variables `mu.0`, globals `y@0`, functions `f$3`, distributions
//! `Normal%1`, sites and constructor tags `mu#2`, primitives `lgamma!17`. The number counts; the name is for the reader.

mod value;

use super::ir::{
    Atom, Block, Callee, Dist, DistUse, FuncId, Function, Global, Op, PrimRef, Program, Rhs, Site, SiteId, SiteKind,
    Step, Stmt, StmtKind, VarId,
};
use super::ty::{Type, TypeKind};
use crate::source::Name;
use crate::value::Value;
use std::collections::HashSet;
use std::fmt::Write;

/// The whole program as text, complete: it parses back to the same program but for spans, and variables that nothing binds.
pub fn print(program: &Program) -> String {
    print_with(program, usize::MAX)
}

/// As `print`, but of constant arrays and matrices with more than `longest` elements only the first three are written, then `…`.
/// Such text does not parse back.
pub fn print_with(program: &Program, longest: usize) -> String {
    let mut printer = Printer { program: Some(program), function: None, out: String::new(), depth: 0, longest };
    printer.program(program);
    printer.out
}

/// One function of a program as text.
pub fn print_function(program: &Program, id: FuncId) -> String {
    let mut printer =
        Printer { program: Some(program), function: None, out: String::new(), depth: 0, longest: usize::MAX };
    if let Some(function) = program.funcs.get(id.0 as usize) {
        printer.function(id, function);
    }
    printer.out
}

/// A value as text, as it stands in constants.
pub fn print_value(value: &Value) -> String {
    let mut printer = Printer { program: None, function: None, out: String::new(), depth: 0, longest: usize::MAX };
    printer.value(value);
    printer.out
}

/// A type as text; unlike its `Display`, variant types carry the number of their declaration: `Tree#3<Int>`.
pub fn print_type(ty: Type) -> String {
    let mut printer = Printer { program: None, function: None, out: String::new(), depth: 0, longest: usize::MAX };
    printer.ty(ty);
    printer.out
}

struct Printer<'a> {
    program: Option<&'a Program>,
    function: Option<&'a Function>,
    out: String,
    depth: usize,
    longest: usize,
}

impl<'a> Printer<'a> {
    fn text(&mut self, text: &str) {
        self.out.push_str(text);
    }

    fn number(&mut self, number: impl std::fmt::Display) {
        // Writing to a string cannot fail.
        let _ = write!(self.out, "{number}");
    }

    fn line(&mut self) {
        self.out.push('\n');
        for _ in 0..self.depth {
            self.out.push_str("  ");
        }
    }

    fn name(&mut self, name: Name) {
        if is_identifier(name.as_str()) { self.text(name.as_str()) } else { self.quoted(name.as_str()) }
    }

    fn quoted(&mut self, text: &str) {
        self.out.push('"');
        for c in text.chars() {
            match c {
                '"' => self.text("\\\""),
                '\\' => self.text("\\\\"),
                '\n' => self.text("\\n"),
                '\r' => self.text("\\r"),
                '\t' => self.text("\\t"),
                c if c.is_control() => {
                    let _ = write!(self.out, "\\u{{{:x}}}", c as u32);
                }
                c => self.out.push(c),
            }
        }
        self.out.push('"');
    }

    fn list<T>(&mut self, items: impl IntoIterator<Item = T>, mut each: impl FnMut(&mut Self, T)) {
        for (i, item) in items.into_iter().enumerate() {
            if i > 0 {
                self.text(", ");
            }
            each(self, item);
        }
    }

    fn program(&mut self, program: &'a Program) {
        if let Some(entry) = program.entry {
            self.text("entry ");
            self.func(entry);
            self.text("\n");
        }
        for ty in variant_types(program) {
            if let Some(constructors) = ty.constructors() {
                self.text("type ");
                self.ty(ty);
                self.text(" =");
                for (i, (name, fields)) in constructors.iter().enumerate() {
                    self.text(if i == 0 { " " } else { " | " });
                    self.name(*name);
                    self.text("(");
                    self.list(fields, |p, ty| p.ty(*ty));
                    self.text(")");
                }
                self.text("\n");
            }
        }
        for (i, global) in program.globals.iter().enumerate() {
            self.global(i, global);
        }
        for (i, site) in program.sites.iter().enumerate() {
            self.site_line(i, site);
        }
        for (i, dist) in program.dists.iter().enumerate() {
            self.dist_line(i, dist);
        }
        for (i, function) in program.funcs.iter().enumerate() {
            self.function(FuncId(i as u32), function);
        }
    }

    fn global(&mut self, index: usize, global: &Global) {
        self.text("data ");
        self.name(global.name);
        self.text("@");
        self.number(index);
        self.text(": ");
        self.ty(global.ty);
        if let Some(value) = &global.value {
            self.text(" = ");
            self.value(value);
        }
        self.text("\n");
    }

    fn site_line(&mut self, index: usize, site: &Site) {
        self.text("site ");
        self.name(site.name);
        self.text("#");
        self.number(index);
        self.text(": ");
        self.text(match site.kind {
            SiteKind::Sample => "sample ",
            SiteKind::Observe => "observe ",
            SiteKind::Factor => "factor ",
            SiteKind::Call => "call ",
        });
        self.ty(site.ty);
        if site.named {
            self.text(" named");
        }
        if site.forward_only {
            self.text(" forward");
        }
        self.text("\n");
    }

    fn dist_line(&mut self, index: usize, dist: &Dist) {
        self.text("dist ");
        self.name(dist.name);
        self.text("%");
        self.number(index);
        self.text("(");
        self.list(dist.params.iter().enumerate(), |p, (i, (name, ty))| {
            if dist.lifted.get(i).copied().unwrap_or(false) {
                p.text("lifted ");
            }
            p.name(*name);
            p.text(": ");
            p.ty(*ty);
        });
        self.text(") over ");
        self.ty(dist.value);
        self.text(" { logp = ");
        self.func(dist.logp);
        let optional = [("sample", dist.sample), ("support", dist.support), ("check", dist.check)];
        for (name, func) in optional {
            if let Some(func) = func {
                self.text(", ");
                self.text(name);
                self.text(" = ");
                self.func(func);
            }
        }
        for (name, func) in &dist.members {
            self.text(", ");
            self.name(*name);
            self.text(" = ");
            self.func(*func);
        }
        self.text(" }\n");
    }

    fn function(&mut self, id: FuncId, function: &'a Function) {
        self.function = Some(function);
        self.text("fn ");
        self.name(function.name);
        self.text("$");
        self.number(id.0);
        self.text("(");
        self.list(&function.params, |p, v| p.binder(*v));
        self.text(")");
        if !function.captures.is_empty() {
            self.text(" captures (");
            self.list(&function.captures, |p, v| p.binder(*v));
            self.text(")");
        }
        self.text(if function.random { " ~> " } else { " -> " });
        self.ty(function.result);
        if function.user {
            self.text(" user");
        }
        self.text(" ");
        self.block(&function.body);
        self.text("\n");
        self.function = None;
    }

    fn block(&mut self, block: &Block) {
        let unit = block.result == Atom::default();
        if block.stmts.is_empty() {
            if unit {
                self.text("{}");
            } else {
                self.text("{ => ");
                self.atom(&block.result);
                self.text(" }");
            }
            return;
        }
        self.text("{");
        self.depth += 1;
        for stmt in &block.stmts {
            self.line();
            self.stmt(stmt);
        }
        if !unit {
            self.line();
            self.text("=> ");
            self.atom(&block.result);
        }
        self.depth -= 1;
        self.line();
        self.text("}");
    }

    fn stmt(&mut self, stmt: &Stmt) {
        match &stmt.kind {
            StmtKind::Let(var, rhs) => {
                self.binder(*var);
                self.text(" = ");
                self.rhs(rhs, Some(*var));
            }
            StmtKind::Assign(var, atom) => {
                self.var(*var);
                self.text(" := ");
                self.atom(atom);
            }
            StmtKind::Update(var, steps, atom) => {
                self.var(*var);
                for step in steps {
                    match step {
                        Step::Index(i) => {
                            self.text("[");
                            self.atom(i);
                        }
                        Step::Index2(i, j) => {
                            self.text("[");
                            self.atom(i);
                            self.text(", ");
                            self.atom(j);
                        }
                        Step::Field(n) => {
                            self.text(".");
                            self.number(n);
                            continue;
                        }
                    }
                    self.text("]");
                }
                self.text(" := ");
                self.atom(atom);
            }
            StmtKind::For { var, low, high, body } => {
                self.text("for ");
                self.loop_binder(*var);
                self.text(" in ");
                self.atom(low);
                self.text(" .. ");
                self.atom(high);
                self.text(" ");
                self.block(body);
            }
            StmtKind::While { cond, body } => {
                self.text("while ");
                self.block(cond);
                self.text(" do ");
                self.block(body);
            }
            StmtKind::If(cond, yes, no) => self.branches(cond, yes, no),
            StmtKind::Observe { site, dist, value, path } => {
                self.text("observe ");
                self.site(*site, path);
                self.text(" ~ ");
                self.dist_use(dist);
                self.text(" = ");
                self.atom(value);
            }
            StmtKind::Factor { site, weight, path } => {
                self.text("factor ");
                self.site(*site, path);
                self.text(" ~ ");
                self.atom(weight);
            }
        }
    }

    fn branches(&mut self, cond: &Atom, yes: &Block, no: &Block) {
        self.text("if ");
        self.atom(cond);
        self.text(" ");
        self.block(yes);
        self.text(" else ");
        self.block(no);
    }

    fn rhs(&mut self, rhs: &Rhs, bound: Option<VarId>) {
        match rhs {
            Rhs::Atom(atom) => self.atom(atom),
            Rhs::Op(op, args) => {
                self.op(*op);
                self.args(args);
            }
            Rhs::Prim(prim, args) => {
                self.prim(*prim);
                self.args(args);
            }
            Rhs::Lift(callee, args) => {
                self.text("lift ");
                match callee {
                    Callee::Op(op) => self.op(*op),
                    Callee::Prim(prim) => self.prim(*prim),
                }
                self.args(args);
            }
            Rhs::Call { func, args, site, path } => {
                self.func(*func);
                self.args(args);
                self.call_site(*site, path);
            }
            Rhs::CallClosure { callee, args, site, path } => {
                self.text("apply ");
                self.atom(callee);
                self.args(args);
                self.call_site(*site, path);
            }
            Rhs::Closure(func, captures) => {
                self.text("closure ");
                self.func(*func);
                self.text("[");
                self.list(captures, |p, a| p.atom(a));
                self.text("]");
            }
            Rhs::Tuple(parts) => {
                self.text("tuple");
                self.args(parts);
            }
            Rhs::Record(fields) => {
                self.text("record");
                self.args(fields);
            }
            Rhs::Field(atom, n) => {
                match atom {
                    Atom::Const(value, ty) => self.full_constant(value, *ty),
                    _ => self.atom(atom),
                }
                self.text(".");
                self.number(n);
            }
            Rhs::Variant(tag, fields) => {
                self.text("variant ");
                self.tag(*tag, bound.and_then(|v| self.var_type(v)));
                self.args(fields);
            }
            Rhs::Payload(atom, tag, n) => {
                self.text("payload(");
                self.atom(atom);
                self.text(", ");
                self.tag(*tag, self.atom_type(atom));
                self.text(", ");
                self.number(n);
                self.text(")");
            }
            Rhs::Array(items) => {
                self.text("array");
                self.args(items);
            }
            Rhs::Build { len, var, body } => {
                self.text("build ");
                self.loop_binder(*var);
                self.text(" < ");
                self.atom(len);
                self.text(" ");
                self.block(body);
            }
            Rhs::Dist(dist, args) => {
                self.text("dist ");
                self.dist_use(&DistUse::Known(*dist, args.clone()));
            }
            Rhs::Sample { site, dist, path } => {
                self.text("sample ");
                self.site(*site, path);
                self.text(" ~ ");
                self.dist_use(dist);
            }
            Rhs::Member(name, dist, args) => {
                self.text("member ");
                self.name(*name);
                self.text(" of ");
                self.dist_use(dist);
                self.text(" ");
                self.args(args);
            }
            Rhs::If(cond, yes, no) => self.branches(cond, yes, no),
            Rhs::Switch { on, arms, otherwise } => {
                let ty = self.atom_type(on);
                self.text("switch ");
                self.atom(on);
                self.text(" {");
                self.depth += 1;
                for (tag, block) in arms {
                    self.line();
                    self.tag(*tag, ty);
                    self.text(" ");
                    self.block(block);
                }
                if let Some(block) = otherwise {
                    self.line();
                    self.text("else ");
                    self.block(block);
                }
                self.depth -= 1;
                self.line();
                self.text("}");
            }
            Rhs::Host(name, args) => {
                self.text("host ");
                self.name(*name);
                self.args(args);
            }
        }
    }

    fn args(&mut self, args: &[Atom]) {
        self.text("(");
        self.list(args, |p, a| p.atom(a));
        self.text(")");
    }

    fn dist_use(&mut self, dist: &DistUse) {
        match dist {
            DistUse::Known(id, args) => {
                if let Some(dist) = self.program.and_then(|p| p.dists.get(id.0 as usize)) {
                    self.name(dist.name);
                }
                self.text("%");
                self.number(id.0);
                self.args(args);
            }
            DistUse::Value(Atom::Const(value, ty)) => self.full_constant(value, *ty),
            DistUse::Value(atom) => self.atom(atom),
        }
    }

    fn op(&mut self, op: Op) {
        let _ = write!(self.out, "{op:?}");
    }

    fn prim(&mut self, prim: PrimRef) {
        self.name(prim.name);
        self.text("!");
        self.number(prim.row);
    }

    fn func(&mut self, id: FuncId) {
        if let Some(function) = self.program.and_then(|p| p.funcs.get(id.0 as usize)) {
            self.name(function.name);
        }
        self.text("$");
        self.number(id.0);
    }

    fn site(&mut self, id: SiteId, path: &[Atom]) {
        if let Some(site) = self.program.and_then(|p| p.sites.get(id.0 as usize)) {
            self.name(site.name);
        }
        self.text("#");
        self.number(id.0);
        if !path.is_empty() {
            self.text("[");
            self.list(path, |p, a| p.atom(a));
            self.text("]");
        }
    }

    fn call_site(&mut self, site: Option<SiteId>, path: &[Atom]) {
        if let Some(site) = site {
            self.text(" at ");
            self.site(site, path);
        }
    }

    fn tag(&mut self, tag: u32, ty: Option<Type>) {
        if let Some((name, _)) = ty.and_then(Type::constructors).and_then(|all| all.get(tag as usize)) {
            self.name(*name);
        }
        self.text("#");
        self.number(tag);
    }

    fn var(&mut self, id: VarId) {
        match self.function.and_then(|f| f.vars.get(id.0 as usize)) {
            Some(var) => self.name(var.name),
            None => self.text("_"),
        }
        self.text(".");
        self.number(id.0);
    }

    fn var_type(&self, id: VarId) -> Option<Type> {
        self.function?.vars.get(id.0 as usize).map(|var| var.ty)
    }

    fn atom_type(&self, atom: &Atom) -> Option<Type> {
        match atom {
            Atom::Var(id) => self.var_type(*id),
            Atom::Const(_, ty) => Some(*ty),
            Atom::Global(id) => self.program?.globals.get(id.0 as usize).map(|global| global.ty),
        }
    }

    fn binder(&mut self, id: VarId) {
        if self.function.and_then(|f| f.vars.get(id.0 as usize)).is_some_and(|var| var.mutable) {
            self.text("var ");
        }
        self.var(id);
        self.text(": ");
        match self.var_type(id) {
            Some(ty) => self.ty(ty),
            None => self.text("()"),
        }
    }

    fn loop_binder(&mut self, id: VarId) {
        // Loop variables are integers; anything else is written out for the checker to see.
        let plain =
            self.function.and_then(|f| f.vars.get(id.0 as usize)).is_some_and(|v| v.ty == Type::INT && !v.mutable);
        if plain { self.var(id) } else { self.binder(id) }
    }

    fn atom(&mut self, atom: &Atom) {
        match atom {
            Atom::Var(id) => self.var(*id),
            Atom::Global(id) => {
                if let Some(global) = self.program.and_then(|p| p.globals.get(id.0 as usize)) {
                    self.name(global.name);
                }
                self.text("@");
                self.number(id.0);
            }
            Atom::Const(value, ty) => {
                let natural = match value {
                    Value::Unit => Type::UNIT,
                    Value::Bool(_) => Type::BOOL,
                    Value::Int(_) => Type::INT,
                    Value::Real(_) => Type::REAL,
                    Value::Str(_) => Type::STR,
                    _ => return self.full_constant(value, *ty),
                };
                if natural == *ty { self.value(value) } else { self.full_constant(value, *ty) }
            }
        }
    }
}

/// Whether the text can stand as a name without quotes.
fn is_identifier(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// The variant types that a program mentions, those of the fields of their constructors included, in order of their text.
fn variant_types(program: &Program) -> Vec<Type> {
    let mut seen = HashSet::new();
    let mut pending: Vec<Type> = Vec::new();
    pending.extend(program.globals.iter().map(|g| g.ty));
    pending.extend(program.sites.iter().map(|s| s.ty));
    for dist in &program.dists {
        pending.push(dist.value);
        pending.extend(dist.params.iter().map(|(_, t)| *t));
    }
    for function in &program.funcs {
        pending.push(function.result);
        pending.extend(function.vars.iter().map(|v| v.ty));
    }
    let mut found = Vec::new();
    while let Some(ty) = pending.pop() {
        if ty.is_scalar() || !seen.insert(ty) {
            continue;
        }
        match ty.kind() {
            TypeKind::Array(t) | TypeKind::Dist(t) | TypeKind::Posterior(t) | TypeKind::Domain(t) => pending.push(*t),
            TypeKind::Tuple(parts) | TypeKind::Host(_, parts) => pending.extend(parts),
            TypeKind::Record(fields) => pending.extend(fields.iter().map(|(_, t)| *t)),
            TypeKind::Fn(params, _, result) => {
                pending.extend(params);
                pending.push(*result);
            }
            TypeKind::Variant(_, _, args) => {
                pending.extend(args);
                if let Some(constructors) = ty.constructors() {
                    pending.extend(constructors.iter().flat_map(|(_, fields)| fields));
                    found.push(ty);
                }
            }
            _ => {}
        }
    }
    found.sort_by_cached_key(|ty| print_type(*ty));
    found
}
