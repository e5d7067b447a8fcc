//! Checks that a program is well formed: scopes, types, references, effects.
//!
//! A pass that makes a program this check rejects is wrong. A primitive's signature is not known here: its result is believed.

mod rules;

use super::ir::{
    Atom, Block, Callee, Dist, DistId, DistUse, FuncId, Function, Op, Program, Rhs, Site, SiteId, SiteKind, Step, Stmt,
    StmtKind, Var, VarId,
};
use super::print::{print_type, print_value};
use super::ty::{Type, TypeKind};
use crate::value::Value;
pub use rules::{fits, lift_type, op_type};

/// What is wrong with a program; nothing for a well-formed one. Each message names the function.
pub fn check(program: &Program) -> Vec<String> {
    let mut messages = Vec::new();
    if let Some(entry) = program.entry
        && program.funcs.get(entry.0 as usize).is_none()
    {
        messages.push(format!("entry: there is no function ${}", entry.0));
    }
    for (i, global) in program.globals.iter().enumerate() {
        if let Some(value) = &global.value
            && !value_fits(value, global.ty)
        {
            messages.push(format!("data {}@{i}: the value is no {}", global.name, print_type(global.ty)));
        }
    }
    for (i, dist) in program.dists.iter().enumerate() {
        check_dist(program, dist, &mut |text| messages.push(format!("dist {}%{i}: {text}", dist.name)));
    }
    for (i, function) in program.funcs.iter().enumerate() {
        let mut checker = Checker {
            program,
            function,
            in_scope: vec![false; function.vars.len()],
            bound: vec![false; function.vars.len()],
            messages: Vec::new(),
        };
        checker.function();
        messages.extend(checker.messages.into_iter().map(|text| format!("fn {}${i}: {text}", function.name)));
    }
    messages
}

/// The type of a function as a value, captures left out.
pub fn function_type(function: &Function) -> Type {
    let params = types_of(function, &function.params);
    Type::new(TypeKind::Fn(params, function.random, function.result))
}

/// The types of variables; the unit type for one that does not exist, which is reported where the function is checked.
fn types_of(function: &Function, vars: &[VarId]) -> Vec<Type> {
    vars.iter().map(|v| function.vars.get(v.0 as usize).map_or(Type::UNIT, |var| var.ty)).collect()
}

/// Whether a value is of a type, as far as values show it.
pub fn value_fits(value: &Value, ty: Type) -> bool {
    match (value, ty.kind()) {
        (Value::Unit, TypeKind::Unit)
        | (Value::Bool(_), TypeKind::Bool)
        | (Value::Int(_), TypeKind::Int)
        | (Value::Real(_), TypeKind::Real)
        | (Value::Str(_), TypeKind::Str)
        | (Value::Matrix(_), TypeKind::Matrix)
        | (Value::Dist(_), TypeKind::Dist(_))
        | (Value::Domain(_), TypeKind::Domain(_))
        | (Value::Closure(_), TypeKind::Fn(..))
        | (Value::Host(_), _) => true,
        (Value::Reals(_), TypeKind::Array(t)) => *t == Type::REAL,
        (Value::Ints(_), TypeKind::Array(t)) => *t == Type::INT,
        (Value::Bools(_), TypeKind::Array(t)) => *t == Type::BOOL,
        (Value::Values(items), TypeKind::Array(t)) => !t.is_scalar() && items.iter().all(|v| value_fits(v, *t)),
        (Value::Tuple(parts), TypeKind::Tuple(types)) => {
            parts.0.len() == types.len() && parts.0.iter().zip(types).all(|(v, t)| value_fits(v, *t))
        }
        (Value::Record(record), TypeKind::Record(fields)) => {
            record.fields.len() == fields.len()
                && record.names.iter().zip(fields).all(|(name, (wanted, _))| name == wanted)
                && record.fields.iter().zip(fields).all(|(v, (_, t))| value_fits(v, *t))
        }
        (Value::Variant(variant), TypeKind::Variant(..)) => {
            let Some(constructors) = ty.constructors() else { return true };
            constructors.get(variant.tag as usize).is_some_and(|(_, fields)| {
                variant.fields.len() == fields.len()
                    && variant.fields.iter().zip(fields).all(|(v, t)| value_fits(v, *t))
            })
        }
        _ => false,
    }
}

fn check_dist(program: &Program, dist: &Dist, report: &mut dyn FnMut(String)) {
    if !dist.lifted.is_empty() && dist.lifted.len() != dist.params.len() {
        report("the flags of lifted parameters are not as many as the parameters".to_string());
    }
    let params: Vec<Type> = dist.params.iter().map(|(_, t)| *t).collect();
    let with = |extra: &[Type]| -> Vec<Type> { params.iter().chain(extra).copied().collect() };
    let mut member = |name: &str, func: FuncId, wanted: Option<Vec<Type>>, result: Option<Type>, random: bool| {
        let Some(function) = program.funcs.get(func.0 as usize) else {
            report(format!("{name}: there is no function ${}", func.0));
            return;
        };
        let TypeKind::Fn(found, _, found_result) = function_type(function).kind() else { return };
        let arguments_fit =
            wanted.is_none_or(|w| w.len() == found.len() && w.iter().zip(found).all(|(a, b)| fits(*a, *b)));
        if !arguments_fit || result.is_some_and(|wanted| !fits(*found_result, wanted)) {
            report(format!("{name}: ${} has the wrong type {}", func.0, print_type(function_type(function))));
        }
        if function.random && !random {
            report(format!("{name}: ${} must be deterministic", func.0));
        }
        if !function.captures.is_empty() {
            report(format!("{name}: ${} captures variables", func.0));
        }
    };
    member("logp", dist.logp, Some(with(&[dist.value])), Some(Type::REAL), false);
    if let Some(func) = dist.sample {
        member("sample", func, Some(params.clone()), Some(dist.value), true);
    }
    if let Some(func) = dist.support {
        member("support", func, Some(params.clone()), None, false);
    }
    if let Some(func) = dist.check {
        member("check", func, Some(params.clone()), Some(Type::UNIT), false);
    }
    for (name, func) in &dist.members {
        let (wanted, result) = match name.as_str() {
            "cdf" | "ccdf" => (Some(with(&[Type::REAL])), Some(Type::REAL)),
            "quantile" | "cquantile" => (Some(with(&[Type::REAL])), None),
            "mean" | "variance" => (Some(params.clone()), None),
            _ => (None, None),
        };
        member(name.as_str(), *func, wanted, result, false);
    }
}

struct Checker<'a> {
    program: &'a Program,
    function: &'a Function,
    in_scope: Vec<bool>,
    bound: Vec<bool>,
    messages: Vec<String>,
}

impl<'a> Checker<'a> {
    fn report(&mut self, message: impl Into<String>) {
        self.messages.push(message.into());
    }

    fn function(&mut self) {
        let function = self.function;
        for v in &function.params {
            self.bind(*v);
        }
        for v in &function.captures {
            self.bind(*v);
            if function.vars.get(v.0 as usize).is_some_and(|var| var.mutable) {
                let name = self.show(*v);
                self.report(format!("{name} is captured and mutable"));
            }
        }
        let result = self.block(&function.body, &mut |_| {});
        self.want(result, function.result, "the result");
    }

    fn show(&self, id: VarId) -> String {
        match self.function.vars.get(id.0 as usize) {
            Some(var) => format!("{}.{}", var.name, id.0),
            None => format!("_.{}", id.0),
        }
    }

    fn var(&mut self, id: VarId) -> Option<Var> {
        let found = self.function.vars.get(id.0 as usize).copied();
        if found.is_none() {
            self.report(format!("there is no variable {}", id.0));
        }
        found
    }

    fn bind(&mut self, id: VarId) {
        let Some(var) = self.var(id) else { return };
        let place = id.0 as usize;
        if self.bound[place] && !var.mutable {
            let name = self.show(id);
            self.report(format!("{name} is bound twice"));
        }
        self.bound[place] = true;
        self.in_scope[place] = true;
    }

    /// Checks a block; `before` binds a loop variable first. What the block binds goes out of scope after it.
    fn block(&mut self, block: &'a Block, before: &mut dyn FnMut(&mut Self)) -> Option<Type> {
        let outer = self.in_scope.clone();
        before(self);
        for stmt in &block.stmts {
            self.stmt(stmt);
        }
        let ty = self.atom(&block.result);
        self.in_scope = outer;
        ty
    }

    fn want(&mut self, found: Option<Type>, wanted: Type, what: &str) {
        if let Some(found) = found
            && !fits(found, wanted)
        {
            self.report(format!("expected {}, found {} for {what}", print_type(wanted), print_type(found)));
        }
    }

    fn atom(&mut self, atom: &Atom) -> Option<Type> {
        match atom {
            Atom::Var(id) => {
                let var = self.var(*id)?;
                if !self.in_scope[id.0 as usize] {
                    let name = self.show(*id);
                    self.report(format!("{name} is not in scope"));
                }
                Some(var.ty)
            }
            Atom::Const(value, ty) => {
                if matches!(value, Value::Closure(_) | Value::Host(_)) {
                    self.report("a function or host object cannot be a constant");
                } else if !value_fits(value, *ty) {
                    self.report(format!("the constant {} is no {}", print_value(value), print_type(*ty)));
                }
                Some(*ty)
            }
            Atom::Global(id) => match self.program.globals.get(id.0 as usize) {
                Some(global) => Some(global.ty),
                None => {
                    self.report(format!("there is no global @{}", id.0));
                    None
                }
            },
        }
    }

    fn atoms(&mut self, atoms: &[Atom]) -> Option<Vec<Type>> {
        // Each is looked at, also after one that has no type.
        let types: Vec<Option<Type>> = atoms.iter().map(|a| self.atom(a)).collect();
        types.into_iter().collect()
    }

    fn args(&mut self, args: &[Atom], wanted: &[Type], what: &str) {
        let found: Vec<Option<Type>> = args.iter().map(|a| self.atom(a)).collect();
        if found.len() != wanted.len() {
            self.report(format!("{what} takes {} arguments, found {}", wanted.len(), found.len()));
            return;
        }
        for (found, wanted) in found.into_iter().zip(wanted) {
            self.want(found, *wanted, &format!("an argument of {what}"));
        }
    }

    fn want_atom(&mut self, atom: &Atom, wanted: Type, what: &str) {
        let found = self.atom(atom);
        self.want(found, wanted, what);
    }

    fn stmt(&mut self, stmt: &'a Stmt) {
        match &stmt.kind {
            StmtKind::Let(var, rhs) => {
                let ty = self.function.vars.get(var.0 as usize).map(|v| v.ty);
                let name = self.show(*var);
                let found = self.rhs(rhs, ty);
                if let Some(wanted) = ty {
                    self.want(found, wanted, &name);
                }
                self.bind(*var);
            }
            StmtKind::Assign(var, atom) => {
                if let Some(ty) = self.assigned(*var) {
                    let name = self.show(*var);
                    self.want_atom(atom, ty, &name);
                }
            }
            StmtKind::Update(var, steps, atom) => {
                let mut ty = self.assigned(*var);
                if steps.is_empty() {
                    self.report("an update without a step");
                }
                for step in steps {
                    ty = self.step(ty, step);
                }
                let found = self.atom(atom);
                if let Some(ty) = ty {
                    let name = self.show(*var);
                    self.want(found, ty, &format!("an update of {name}"));
                }
            }
            StmtKind::For { var, low, high, body } => {
                self.want_atom(low, Type::INT, "the start of a loop");
                self.want_atom(high, Type::INT, "the end of a loop");
                self.loop_body(*var, body);
            }
            StmtKind::While { cond, body } => {
                let found = self.block(cond, &mut |_| {});
                self.want(found, Type::BOOL, "the condition of a loop");
                self.block(body, &mut |_| {});
            }
            StmtKind::If(cond, yes, no) => {
                self.want_atom(cond, Type::BOOL, "a condition");
                self.block(yes, &mut |_| {});
                self.block(no, &mut |_| {});
            }
            StmtKind::Observe { site, dist, value, path } => {
                self.random("observe");
                let over = self.dist_use(dist);
                let found = self.atom(value);
                if let Some(over) = over {
                    self.want(found, over, "the observed value");
                }
                self.site(*site, SiteKind::Observe, over);
                self.path(path);
            }
            StmtKind::Factor { site, weight, path } => {
                self.random("factor");
                self.want_atom(weight, Type::REAL, "a weight");
                // An observation may have become a factor of its density.
                match self.program.sites.get(site.0 as usize) {
                    Some(place) if place.kind == SiteKind::Observe => {}
                    _ => {
                        self.site(*site, SiteKind::Factor, Some(Type::UNIT));
                    }
                }
                self.path(path);
            }
        }
    }

    fn loop_body(&mut self, var: VarId, body: &'a Block) -> Option<Type> {
        self.block(body, &mut |checker| {
            if let Some(found) = checker.var(var) {
                checker.want(Some(found.ty), Type::INT, "a loop variable");
                if found.mutable {
                    checker.report("a loop variable is mutable");
                }
            }
            checker.bind(var);
        })
    }

    /// The type of a variable that is assigned.
    fn assigned(&mut self, id: VarId) -> Option<Type> {
        let var = self.var(id)?;
        let name = self.show(id);
        if !self.in_scope[id.0 as usize] {
            self.report(format!("{name} is not in scope"));
        }
        if !var.mutable {
            self.report(format!("{name} is assigned but not mutable"));
        }
        Some(var.ty)
    }

    fn step(&mut self, ty: Option<Type>, step: &Step) -> Option<Type> {
        let inner = match step {
            Step::Index(i) => {
                self.want_atom(i, Type::INT, "an index");
                ty?.element()
            }
            Step::Index2(i, j) => {
                self.want_atom(i, Type::INT, "an index");
                self.want_atom(j, Type::INT, "an index");
                (ty? == Type::MATRIX).then_some(Type::REAL)
            }
            Step::Field(n) => field_type(ty?, *n),
        };
        if inner.is_none() {
            self.report(format!("a step into a value of type {}", ty.map(print_type).unwrap_or_default()));
        }
        inner
    }

    fn random(&mut self, what: &str) {
        if !self.function.random {
            self.report(format!("{what} in a deterministic function"));
        }
    }

    fn path(&mut self, path: &[Atom]) {
        for atom in path {
            self.want_atom(atom, Type::INT, "a path");
        }
    }

    fn site(&mut self, id: SiteId, kind: SiteKind, ty: Option<Type>) -> Option<&'a Site> {
        let Some(site) = self.program.sites.get(id.0 as usize) else {
            self.report(format!("there is no site #{}", id.0));
            return None;
        };
        if site.kind != kind {
            self.report(format!("site #{} is for {:?}, used for {kind:?}", id.0, site.kind));
        }
        if let Some(ty) = ty
            && !fits(ty, site.ty)
        {
            self.report(format!("site #{} is of type {}, used at {}", id.0, print_type(site.ty), print_type(ty)));
        }
        Some(site)
    }

    fn call_site(&mut self, random: bool, site: Option<SiteId>, path: &[Atom]) {
        if random {
            self.random("a random call");
        }
        if let Some(site) = site {
            self.site(site, SiteKind::Call, None);
        }
        self.path(path);
    }

    fn callee(&mut self, id: FuncId) -> Option<&'a Function> {
        let found = self.program.funcs.get(id.0 as usize);
        if found.is_none() {
            self.report(format!("there is no function ${}", id.0));
        }
        found.map(|function| &**function)
    }

    fn dist(&mut self, id: DistId, args: &[Atom]) -> Option<&'a Dist> {
        let Some(dist) = self.program.dists.get(id.0 as usize) else {
            self.report(format!("there is no distribution %{}", id.0));
            return None;
        };
        let params: Vec<Type> = dist.params.iter().map(|(_, t)| *t).collect();
        self.args(args, &params, dist.name.as_str());
        Some(dist)
    }

    /// The type of the values of a distribution.
    fn dist_use(&mut self, dist: &DistUse) -> Option<Type> {
        match dist {
            DistUse::Known(id, args) => self.dist(*id, args).map(|dist| dist.value),
            DistUse::Value(atom) => {
                let ty = self.atom(atom)?;
                match ty.kind() {
                    TypeKind::Dist(value) => Some(*value),
                    _ => {
                        self.report(format!("expected a distribution, found {}", print_type(ty)));
                        None
                    }
                }
            }
        }
    }

    fn result(&mut self, result: Result<Type, String>) -> Option<Type> {
        result.map_err(|message| self.report(message)).ok()
    }

    /// The type of a right-hand side; none where an error was reported or nothing is known. `bound` is the type of the variable.
    fn rhs(&mut self, rhs: &'a Rhs, bound: Option<Type>) -> Option<Type> {
        match rhs {
            Rhs::Atom(atom) => self.atom(atom),
            Rhs::Op(op, args) => {
                let types = self.atoms(args)?;
                let result = self.result(op_type(*op, &types));
                if *op == Op::Fail { bound } else { result }
            }
            Rhs::Prim(_, args) => {
                self.atoms(args)?;
                bound
            }
            Rhs::Lift(callee, args) => {
                let types = self.atoms(args)?;
                match callee {
                    Callee::Op(op) => self.result(lift_type(&types, |elements| op_type(*op, elements))),
                    Callee::Prim(_) => {
                        // The scalar result is unknown; the shape is not, and follows with any scalar type.
                        self.result(lift_type(&types, |_| Ok(Type::REAL)))?;
                        bound
                    }
                }
            }
            Rhs::Call { func, args, site, path } => {
                let Some(function) = self.callee(*func) else {
                    self.atoms(args);
                    return None;
                };
                if !function.captures.is_empty() {
                    self.report(format!("${} captures variables and is called without a closure", func.0));
                }
                let params: Vec<Type> = types_of(function, &function.params);
                self.args(args, &params, function.name.as_str());
                self.call_site(function.random, *site, path);
                Some(function.result)
            }
            Rhs::CallClosure { callee, args, site, path } => {
                let ty = self.atom(callee)?;
                let TypeKind::Fn(params, random, result) = ty.kind() else {
                    self.report(format!("expected a function, found {}", print_type(ty)));
                    return None;
                };
                self.args(args, params, "the function value");
                self.call_site(*random, *site, path);
                Some(*result)
            }
            Rhs::Closure(func, captures) => {
                let function = self.callee(*func)?;
                let wanted: Vec<Type> = types_of(function, &function.captures);
                self.args(captures, &wanted, &format!("the closure of {}", function.name));
                let ty = function_type(function);
                // Function types agree modulo the flag of randomness: the checker of types has decided where random ones may stand.
                Some(ty)
            }
            Rhs::Tuple(parts) => Some(Type::new(TypeKind::Tuple(self.atoms(parts)?))),
            Rhs::Record(fields) => match bound.map(Type::kind) {
                Some(TypeKind::Record(wanted)) => {
                    let wanted: Vec<Type> = wanted.iter().map(|(_, t)| *t).collect();
                    self.args(fields, &wanted, "the record");
                    bound
                }
                _ => self.no_such(bound, "record"),
            },
            Rhs::Field(atom, n) => {
                let ty = self.atom(atom)?;
                let found = field_type(ty, *n);
                if found.is_none() {
                    self.report(format!("{} has no field {n}", print_type(ty)));
                }
                found
            }
            Rhs::Variant(tag, fields) => match bound.and_then(Type::constructors) {
                Some(constructors) => match constructors.get(*tag as usize) {
                    Some((name, wanted)) => {
                        self.args(fields, wanted, name.as_str());
                        bound
                    }
                    None => {
                        self.report(format!("there is no constructor #{tag}"));
                        None
                    }
                },
                None => self.no_such(bound, "variant"),
            },
            Rhs::Payload(atom, tag, n) => {
                let ty = self.atom(atom)?;
                let constructor = ty.constructors().and_then(|all| all.get(*tag as usize));
                let found = constructor.and_then(|(_, fields)| fields.get(*n as usize)).copied();
                if found.is_none() {
                    self.report(format!("{} has no constructor #{tag} with a field {n}", print_type(ty)));
                }
                found
            }
            Rhs::Array(items) => {
                let Some(element) = bound.filter(|t| *t != Type::MATRIX).and_then(Type::element) else {
                    return self.no_such(bound, "array");
                };
                for item in items {
                    self.want_atom(item, element, "an element");
                }
                bound
            }
            Rhs::Build { len, var, body } => {
                self.want_atom(len, Type::INT, "a length");
                self.loop_body(*var, body).map(Type::array)
            }
            Rhs::Dist(id, args) => self.dist(*id, args).map(|dist| dist.value.dist()),
            Rhs::Sample { site, dist, path } => {
                self.random("sample");
                let over = self.dist_use(dist);
                self.site(*site, SiteKind::Sample, over);
                self.path(path);
                over
            }
            Rhs::Member(name, dist, args) => {
                let over = self.dist_use(dist)?;
                match name.as_str() {
                    "logp" => {
                        self.args(args, &[over], name.as_str());
                        Some(Type::REAL)
                    }
                    "cdf" | "ccdf" => {
                        self.args(args, &[Type::REAL], name.as_str());
                        Some(Type::REAL)
                    }
                    "quantile" | "cquantile" => {
                        self.args(args, &[Type::REAL], name.as_str());
                        bound
                    }
                    "sample" => {
                        self.random("a draw");
                        self.args(args, &[], name.as_str());
                        Some(over)
                    }
                    "mean" | "variance" | "support" => {
                        self.args(args, &[], name.as_str());
                        bound
                    }
                    "check" => {
                        self.args(args, &[], name.as_str());
                        Some(Type::UNIT)
                    }
                    _ => {
                        self.report(format!("distributions have no member {name}"));
                        None
                    }
                }
            }
            Rhs::If(cond, yes, no) => {
                self.want_atom(cond, Type::BOOL, "a condition");
                self.branch(yes, bound);
                self.branch(no, bound);
                bound
            }
            Rhs::Switch { on, arms, otherwise } => {
                if let Some(ty) = self.atom(on) {
                    self.switch_tags(ty, arms, otherwise.is_some());
                }
                for block in arms.iter().map(|(_, block)| block).chain(otherwise.as_deref()) {
                    self.branch(block, bound);
                }
                bound
            }
            Rhs::Host(_, args) => {
                self.atoms(args)?;
                bound
            }
        }
    }

    fn no_such(&mut self, bound: Option<Type>, what: &str) -> Option<Type> {
        self.report(format!("a {what} is bound to a variable of type {}", bound.map(print_type).unwrap_or_default()));
        None
    }

    fn branch(&mut self, block: &'a Block, bound: Option<Type>) {
        let found = self.block(block, &mut |_| {});
        if let Some(bound) = bound {
            self.want(found, bound, "the value of a branch");
        }
    }

    fn switch_tags(&mut self, ty: Type, arms: &[(u32, Block)], otherwise: bool) {
        let Some(constructors) = ty.constructors() else {
            self.report(format!("a switch on a value of type {}", print_type(ty)));
            return;
        };
        let mut seen = vec![false; constructors.len()];
        for (tag, _) in arms {
            match seen.get_mut(*tag as usize) {
                None => self.report(format!("there is no constructor #{tag}")),
                Some(true) => self.report(format!("two arms for constructor #{tag}")),
                Some(arm) => *arm = true,
            }
        }
        if !otherwise && let Some(missing) = seen.iter().position(|arm| !arm) {
            self.report(format!("no arm for constructor #{missing}"));
        }
    }
}

/// The type of field `n` of a tuple or record.
pub fn field_type(ty: Type, n: u32) -> Option<Type> {
    match ty.kind() {
        TypeKind::Tuple(parts) => parts.get(n as usize).copied(),
        TypeKind::Record(fields) => fields.get(n as usize).map(|(_, t)| *t),
        _ => None,
    }
}
