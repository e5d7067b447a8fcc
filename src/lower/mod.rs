//! Typed syntax to Core: one function for each instance of a definition at concrete types.
//!
//! A [`Lowerer`] lives as long as a session. Functions, distributions, sites and globals only ever grow, so that a closure made by
//! one statement still means the same function in the next.

mod call;
mod control;
mod dist;
mod expr;
mod operator;
mod order;
mod pattern;
mod stmt;

use crate::core::ir::*;
use crate::core::{Type, TypeKind};
use crate::source::{Diagnostic, Name, Span, intern};
use crate::syntax::ast::{Ast, BindId, ExprId, FnDecl, ItemId, ItemKind, PatternId, PatternKind, StmtKind as AstStmt};
use crate::types::typed::{Instance, Typed};
use std::collections::{HashMap, HashSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

/// What lowering asks of the checker and of the table of primitives.
pub trait Facts {
    /// All syntax of the session.
    fn ast(&self) -> &Ast;
    /// The facts about the body of an instance.
    fn instance(&mut self, instance: &Instance) -> Result<Typed, Vec<Diagnostic>>;
    /// A library definition that the compiler itself uses, by name.
    fn known_item(&self, name: &str) -> Option<ItemId>;
    /// The row of a primitive that the compiler itself uses, by name.
    fn primitive(&self, name: &str) -> Option<u32>;
    /// The name of a row, and whether the row is a function of the host (an inference method).
    fn primitive_row(&self, row: u32) -> PrimInfo;
    /// The default of a parameter of a primitive, as a constant.
    fn primitive_default(&self, row: u32, param: usize) -> Option<(crate::value::Value, Type)>;
    /// Whether an item was written by the user, as opposed to the library.
    fn is_user(&self, item: ItemId) -> bool;
    /// The source text of a place.
    fn text(&self, span: Span) -> String;
}

/// What lowering knows of a primitive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrimInfo {
    pub name: Name,
    /// Compiled by its name.
    pub intrinsic: bool,
    /// A function of the host.
    pub host: bool,
}

/// A function to be lowered: an instance and which of its parameters take their defaults.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct FuncKey {
    instance: Instance,
    defaults: Vec<bool>,
}

/// A distribution at concrete parameter types.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct DistKey {
    item: ItemId,
    params: Vec<Type>,
    lifted: Vec<bool>,
    value: Type,
}

/// Lowering for a session.
#[derive(Default)]
pub struct Lowerer {
    /// Everything lowered so far.
    pub program: Program,
    funcs: HashMap<FuncKey, FuncId>,
    dists: HashMap<DistKey, DistId>,
    dist_keys: Vec<DistKey>,
    globals: HashMap<BindId, GlobalId>,
    queue: VecDeque<(FuncKey, FuncId)>,
    /// Members such as `cdf` that are asked of distributions known only at run time.
    wanted: HashSet<Name>,
    /// How many distributions have had the wanted members added, with how many wanted.
    settled: (usize, usize),
    /// Functions whose `random` flag is final.
    finished: usize,
}

/// The result of lowering a statement.
#[derive(Clone, Debug)]
pub struct Entry {
    pub func: FuncId,
    /// The globals that the statement defines: the parts of the tuple that the function returns, in order.
    pub defines: Vec<(BindId, GlobalId)>,
}

type Lowered<T> = Result<T, Vec<Diagnostic>>;

impl Lowerer {
    /// Lowers a top-level statement, `data` default or test, with everything it needs.
    pub fn statement(&mut self, facts: &mut dyn Facts, item: ItemId, typed: Typed) -> Lowered<Entry> {
        let func = self.reserve(intern("main"));
        let mut defines = Vec::new();
        {
            let ast = facts.ast();
            let it = ast.item(item).clone();
            let mut body = Body::new(self, facts, Rc::new(typed), intern("main"), it.span, true);
            let ast = body.ast();
            match &ast.item(item).kind {
                ItemKind::Stmt(stmt) => {
                    let mut binds = stmt_binds(ast, &stmt.kind);
                    // Globals that the statement assigns are variables while it runs, and defined anew by it.
                    let mut assigned = Vec::new();
                    assigned_globals(ast, &body.typed, stmt, &mut assigned);
                    for bind in assigned {
                        if let Some(global) = body.lowerer.global(bind) {
                            let Global { name, ty, .. } = body.lowerer.program.globals[global.0 as usize].clone();
                            body.bind(bind, name, ty, it.span, Atom::Global(global), true);
                            binds.push(bind);
                        }
                    }
                    let result = if binds.is_empty() {
                        body.block_value(std::slice::from_ref(stmt))?
                    } else {
                        body.stmt(stmt)?;
                        let mut parts = Vec::new();
                        let mut types = Vec::new();
                        for bind in &binds {
                            let atom = body.local(*bind, it.span)?;
                            types.push(body.atom_type(&atom));
                            parts.push(atom);
                        }
                        let ty = Type::new(TypeKind::Tuple(types.clone()));
                        for (bind, ty) in binds.iter().zip(types) {
                            defines.push((*bind, ty));
                        }
                        body.emit_let(ty, it.span, Rhs::Tuple(parts))
                    };
                    body.finish(func, result);
                }
                ItemKind::Data { default: Some(value), .. } => {
                    let result = body.expr(*value)?;
                    body.finish(func, result);
                }
                ItemKind::Test { body: block, .. } => {
                    let result = body.block_value(&block.stmts)?;
                    body.finish(func, result);
                }
                _ => {
                    let unit = Atom::default();
                    body.finish(func, unit);
                }
            }
        }
        let defines = defines.into_iter().map(|(bind, ty)| (bind, self.declare_global_of(facts, bind, ty))).collect();
        self.drain(facts)?;
        Ok(Entry { func, defines })
    }

    /// Lowers a call of a function item without arguments: the entry of a model.
    pub fn call_item(&mut self, facts: &mut dyn Facts, item: ItemId, result: Type) -> Lowered<FuncId> {
        let instance = Instance { item, member: None, params: Vec::new(), result };
        let count = match &facts.ast().item(item).kind {
            ItemKind::Fn(decl) => decl.params.len(),
            _ => 0,
        };
        let func = self.instance(instance, vec![true; count]);
        self.drain(facts)?;
        Ok(func)
    }

    /// Declares a global, or finds it.
    pub fn declare_global(&mut self, bind: BindId, name: Name, ty: Type) -> GlobalId {
        if let Some(id) = self.globals.get(&bind) {
            return *id;
        }
        let id = GlobalId(self.program.globals.len() as u32);
        self.program.globals.push(Global { name, ty, value: None });
        self.globals.insert(bind, id);
        id
    }

    fn declare_global_of(&mut self, facts: &dyn Facts, bind: BindId, ty: Type) -> GlobalId {
        let name = binder_name(facts.ast(), bind).unwrap_or_else(|| intern("value"));
        self.declare_global(bind, name, ty)
    }

    /// The global of a binder, if it was declared.
    pub fn global(&self, bind: BindId) -> Option<GlobalId> {
        self.globals.get(&bind).copied()
    }

    fn reserve(&mut self, name: Name) -> FuncId {
        let id = FuncId(self.program.funcs.len() as u32);
        self.program.funcs.push(Arc::new(Function {
            name,
            span: Span::NONE,
            random: false,
            user: true,
            vars: Vec::new(),
            params: Vec::new(),
            captures: Vec::new(),
            body: Block::default(),
            result: Type::UNIT,
        }));
        id
    }

    fn instance(&mut self, instance: Instance, defaults: Vec<bool>) -> FuncId {
        let key = FuncKey { instance, defaults };
        if let Some(id) = self.funcs.get(&key) {
            return *id;
        }
        let id = self.reserve(intern("pending"));
        self.funcs.insert(key.clone(), id);
        self.queue.push_back((key, id));
        id
    }

    fn site(&mut self, name: Name, named: bool, kind: SiteKind, span: Span, ty: Type) -> SiteId {
        self.program.sites.push(Site { name, named, kind, span, ty, forward_only: false });
        SiteId((self.program.sites.len() - 1) as u32)
    }

    /// Lowers everything that was asked for, until nothing is left.
    fn drain(&mut self, facts: &mut dyn Facts) -> Lowered<()> {
        loop {
            while let Some((key, id)) = self.queue.pop_front() {
                let mut done = self.lower_instance(facts, &key, id);
                if done.is_err() && is_moment(&key.instance) {
                    // A member that a generic distribution has only for some types, such as a mean.
                    self.unavailable(facts, &key.instance, id);
                    done = Ok(());
                }
                if done.is_err() {
                    // A function that failed must not be taken for lowered by a later statement.
                    self.funcs.remove(&key);
                    for (key, _) in std::mem::take(&mut self.queue) {
                        self.funcs.remove(&key);
                    }
                    return done;
                }
            }
            if !self.settle_members(facts)? {
                break;
            }
        }
        self.settle_effects();
        Ok(())
    }

    /// A function that says that a member does not exist for values of this type.
    fn unavailable(&mut self, facts: &dyn Facts, instance: &Instance, id: FuncId) {
        let node = facts.ast().item(instance.item);
        let name = match &node.kind {
            ItemKind::Dist(decl) => decl.name.name,
            _ => intern("the distribution"),
        };
        let member = instance.member.unwrap_or_else(|| intern("member"));
        let mut body = Body::new(self, facts, Rc::new(Typed::default()), member, node.span, false);
        for ty in &instance.params {
            let var = body.fresh("argument", *ty, false);
            body.frame().params.push(var);
        }
        let text = format!("`{name}` has no `{member}` for values of this type");
        let message = Atom::Const(crate::value::Value::string(&text), Type::STR);
        let result = body.emit_let(instance.result, node.span, Rhs::Op(Op::Fail, vec![message]));
        body.finish(id, result);
    }

    fn lower_instance(&mut self, facts: &mut dyn Facts, key: &FuncKey, id: FuncId) -> Lowered<()> {
        let typed = Rc::new(facts.instance(&key.facts())?);
        let item = facts.ast().item(key.instance.item).clone();
        let user = facts.is_user(key.instance.item);
        match &item.kind {
            ItemKind::Fn(decl) => {
                let mut body = Body::new(self, facts, typed, decl.name.name, item.span, user);
                body.function(decl, &key.defaults, &key.instance.params)?;
                let result = body.expr(decl.body)?;
                body.finish(id, result);
            }
            ItemKind::Dist(decl) => {
                let name = match key.instance.member {
                    Some(member) => intern(&format!("{}.{member}", decl.name.name)),
                    None => decl.name.name,
                };
                let mut body = Body::new(self, facts, typed, name, item.span, user);
                body.dist_member(decl, &key.instance)?;
                let result = body.member_body(decl, &key.instance)?;
                body.finish(id, result);
            }
            ItemKind::Stmt(stmt) => {
                // A `let` of the library: a function without parameters.
                if let AstStmt::Let { value, .. } = &stmt.kind {
                    let mut body = Body::new(self, facts, typed, intern("constant"), item.span, user);
                    let result = body.expr(*value)?;
                    body.finish(id, result);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Decides which functions are random, and takes the sites off calls that are not.
    fn settle_effects(&mut self) {
        let from = self.finished;
        let mut random: Vec<bool> = self.program.funcs.iter().map(|f| f.random).collect();
        let calls: Vec<Vec<FuncId>> = self.program.funcs[from..].iter().map(|f| calls_of(&f.body)).collect();
        loop {
            let mut changed = false;
            for (k, callees) in calls.iter().enumerate() {
                if !random[from + k] && callees.iter().any(|f| random[f.0 as usize]) {
                    random[from + k] = true;
                    changed = true;
                }
            }
            if !changed {
                break;
            }
        }
        for k in from..self.program.funcs.len() {
            let func = Arc::make_mut(&mut self.program.funcs[k]);
            func.random = random[k];
            strip_sites(&mut func.body, &random);
        }
        self.finished = self.program.funcs.len();
    }
}

/// Whether an instance is of a member that a generic distribution may lack at some types.
fn is_moment(instance: &Instance) -> bool {
    instance
        .member
        .is_some_and(|m| matches!(m.as_str(), "cdf" | "ccdf" | "quantile" | "cquantile" | "mean" | "variance"))
}

/// The functions that a block calls, or makes closures of.
fn calls_of(block: &Block) -> Vec<FuncId> {
    let mut out = Vec::new();
    each_rhs(block, &mut |rhs| {
        if let Rhs::Call { func, .. } = rhs {
            out.push(*func);
        }
    });
    out
}

fn each_rhs(block: &Block, go: &mut dyn FnMut(&Rhs)) {
    for stmt in &block.stmts {
        match &stmt.kind {
            StmtKind::Let(_, rhs) => {
                go(rhs);
                match rhs {
                    Rhs::Build { body, .. } => each_rhs(body, go),
                    Rhs::If(_, a, b) => {
                        each_rhs(a, go);
                        each_rhs(b, go);
                    }
                    Rhs::Switch { arms, otherwise, .. } => {
                        for (_, block) in arms {
                            each_rhs(block, go);
                        }
                        if let Some(block) = otherwise {
                            each_rhs(block, go);
                        }
                    }
                    _ => {}
                }
            }
            StmtKind::For { body, .. } => each_rhs(body, go),
            StmtKind::While { cond, body } => {
                each_rhs(cond, go);
                each_rhs(body, go);
            }
            StmtKind::If(_, a, b) => {
                each_rhs(a, go);
                each_rhs(b, go);
            }
            _ => {}
        }
    }
}

fn strip_sites(block: &mut Block, random: &[bool]) {
    for stmt in &mut block.stmts {
        match &mut stmt.kind {
            StmtKind::Let(_, rhs) => match rhs {
                Rhs::Call { func, site, .. } if !random[func.0 as usize] => *site = None,
                Rhs::Build { body, .. } => strip_sites(body, random),
                Rhs::If(_, a, b) => {
                    strip_sites(a, random);
                    strip_sites(b, random);
                }
                Rhs::Switch { arms, otherwise, .. } => {
                    for (_, block) in arms {
                        strip_sites(block, random);
                    }
                    if let Some(block) = otherwise {
                        strip_sites(block, random);
                    }
                }
                _ => {}
            },
            StmtKind::For { body, .. } => strip_sites(body, random),
            StmtKind::While { cond, body } => {
                strip_sites(cond, random);
                strip_sites(body, random);
            }
            StmtKind::If(_, a, b) => {
                strip_sites(a, random);
                strip_sites(b, random);
            }
            _ => {}
        }
    }
}

/// The binders of a top-level `let` or `x ~ d`.
fn stmt_binds(ast: &Ast, stmt: &AstStmt) -> Vec<BindId> {
    let mut out = Vec::new();
    match stmt {
        AstStmt::Let { pattern, .. } => pattern_binds(ast, *pattern, &mut out),
        AstStmt::Var { name, .. } | AstStmt::Draw { name, .. } => out.push(name.bind),
        _ => {}
    }
    out
}

/// The globals that a top-level statement assigns, in it and in the blocks within.
fn assigned_globals(ast: &Ast, typed: &Typed, stmt: &crate::syntax::ast::Stmt, out: &mut Vec<BindId>) {
    use crate::syntax::ast::ExprKind;
    use crate::types::typed::NameUse;
    fn expr(ast: &Ast, typed: &Typed, id: ExprId, out: &mut Vec<BindId>) {
        match &ast.expr(id).kind {
            ExprKind::If { then, otherwise, .. } => {
                expr(ast, typed, *then, out);
                otherwise.iter().for_each(|id| expr(ast, typed, *id, out));
            }
            ExprKind::Match { arms, .. } => arms.iter().for_each(|arm| expr(ast, typed, arm.body, out)),
            ExprKind::Block(block) => block.stmts.iter().for_each(|stmt| assigned_globals(ast, typed, stmt, out)),
            _ => {}
        }
    }
    match &stmt.kind {
        AstStmt::Assign { target, .. } | AstStmt::DrawElement { target, .. } => {
            if let Some(NameUse::Global(bind)) = typed.names.get(&target.root_expr)
                && !out.contains(bind)
            {
                out.push(*bind);
            }
        }
        AstStmt::Draw { name, .. } => {
            if let Some(bind) = typed.draws.get(&name.bind)
                && !out.contains(bind)
            {
                out.push(*bind);
            }
        }
        AstStmt::For { body, .. } | AstStmt::While { body, .. } => {
            body.stmts.iter().for_each(|stmt| assigned_globals(ast, typed, stmt, out));
        }
        AstStmt::Expr(id) => expr(ast, typed, *id, out),
        _ => {}
    }
}

/// The binders of a pattern, in order.
fn pattern_binds(ast: &Ast, pattern: PatternId, out: &mut Vec<BindId>) {
    match &ast.pattern(pattern).kind {
        PatternKind::Bind(binder) => out.push(binder.bind),
        PatternKind::Tuple(parts) => parts.iter().for_each(|p| pattern_binds(ast, *p, out)),
        PatternKind::Record(fields) => fields.iter().for_each(|(_, p)| pattern_binds(ast, *p, out)),
        PatternKind::Constructor { fields, .. } => fields.iter().for_each(|p| pattern_binds(ast, *p, out)),
        _ => {}
    }
}

fn binder_name(ast: &Ast, bind: BindId) -> Option<Name> {
    ast.patterns
        .iter()
        .find_map(|pattern| match &pattern.kind {
            PatternKind::Bind(binder) if binder.bind == bind => Some(binder.name),
            _ => None,
        })
        .or_else(|| {
            ast.items.iter().find_map(|item| match &item.kind {
                ItemKind::Stmt(stmt) => match &stmt.kind {
                    AstStmt::Var { name, .. } | AstStmt::Draw { name, .. } if name.bind == bind => Some(name.name),
                    _ => None,
                },
                _ => None,
            })
        })
}

/// A function being lowered, with the functions around it.
struct Body<'a> {
    lowerer: &'a mut Lowerer,
    facts: &'a dyn Facts,
    typed: Rc<Typed>,
    /// The defaults of the parameters of local functions.
    local_defaults: HashMap<BindId, Vec<Option<ExprId>>>,
    /// The innermost function last.
    frames: Vec<Frame>,
}

/// What is known of one function while it is lowered.
struct Frame {
    name: Name,
    span: Span,
    user: bool,
    random: bool,
    vars: Vec<Var>,
    params: Vec<VarId>,
    captures: Vec<VarId>,
    /// What the enclosing function passes for each capture.
    captured: Vec<BindId>,
    locals: HashMap<BindId, VarId>,
    /// Local functions that are being lowered in this frame: a use of its own name inside makes the closure anew.
    own: Option<(BindId, FuncId)>,
    blocks: Vec<Vec<Stmt>>,
}

impl<'a> Body<'a> {
    fn new(
        lowerer: &'a mut Lowerer,
        facts: &'a dyn Facts,
        typed: Rc<Typed>,
        name: Name,
        span: Span,
        user: bool,
    ) -> Body<'a> {
        let frames = vec![Frame::new(name, span, user)];
        Body { lowerer, facts, typed, local_defaults: HashMap::new(), frames }
    }

    fn ast(&self) -> &'a Ast {
        self.facts.ast()
    }

    fn frame(&mut self) -> &mut Frame {
        self.frames.last_mut().expect("a body has at least one frame")
    }

    fn frame_ref(&self) -> &Frame {
        self.frames.last().expect("a body has at least one frame")
    }

    /// Completes the outermost function.
    fn finish(mut self, id: FuncId, result: Atom) {
        let frame = self.frames.pop().expect("a body has at least one frame");
        let result_type = match &result {
            Atom::Var(v) => frame.vars[v.0 as usize].ty,
            Atom::Const(_, ty) => *ty,
            Atom::Global(g) => self.lowerer.program.globals[g.0 as usize].ty,
        };
        self.lowerer.program.funcs[id.0 as usize] = Arc::new(frame.function(result, result_type));
    }

    fn fresh(&mut self, name: &str, ty: Type, mutable: bool) -> VarId {
        let name = intern(name);
        let frame = self.frame();
        frame.vars.push(Var { name, ty, mutable });
        VarId((frame.vars.len() - 1) as u32)
    }

    fn emit(&mut self, span: Span, kind: StmtKind) {
        self.frame().blocks.last_mut().expect("a frame has at least one block").push(Stmt { span, kind });
    }

    fn emit_let(&mut self, ty: Type, span: Span, rhs: Rhs) -> Atom {
        let var = self.fresh("t", ty, false);
        self.emit(span, StmtKind::Let(var, rhs));
        Atom::Var(var)
    }

    /// Binds a name to an atom, as a variable of its own so that the printed program keeps the name.
    fn bind(&mut self, bind: BindId, name: Name, ty: Type, span: Span, atom: Atom, mutable: bool) {
        let var = self.fresh(name.as_str(), ty, mutable);
        self.emit(span, StmtKind::Let(var, Rhs::Atom(atom)));
        self.frame().locals.insert(bind, var);
    }

    fn atom_type(&self, atom: &Atom) -> Type {
        match atom {
            Atom::Var(v) => self.frame_ref().vars[v.0 as usize].ty,
            Atom::Const(_, ty) => *ty,
            Atom::Global(g) => self.lowerer.program.globals[g.0 as usize].ty,
        }
    }

    /// Runs `f` with a new block, and gives the block.
    fn in_block(&mut self, f: impl FnOnce(&mut Self) -> Lowered<Atom>) -> Lowered<Block> {
        self.frame().blocks.push(Vec::new());
        let result = f(self);
        let stmts = self.frame().blocks.pop().unwrap_or_default();
        Ok(Block { stmts, result: result? })
    }

    /// The variable of a binder, captured from the functions around where needed.
    fn local(&mut self, bind: BindId, span: Span) -> Lowered<Atom> {
        let depth = self.frames.len() - 1;
        self.local_at(depth, bind, span)
    }

    fn local_at(&mut self, depth: usize, bind: BindId, span: Span) -> Lowered<Atom> {
        if let Some(var) = self.frames[depth].locals.get(&bind) {
            return Ok(Atom::Var(*var));
        }
        if let Some(global) = self.lowerer.global(bind) {
            return Ok(Atom::Global(global));
        }
        if let Some((own, func)) = self.frames[depth].own
            && own == bind
        {
            // The function itself: its closure, made anew from what it captured. Captures found later are added by `lambda`.
            let ty = self.typed.binds.get(&bind).copied().unwrap_or(Type::UNIT);
            let frame = &mut self.frames[depth];
            frame.vars.push(Var { name: intern("self"), ty, mutable: false });
            let var = VarId((frame.vars.len() - 1) as u32);
            let rhs = Rhs::Closure(func, Vec::new());
            let at = frame.blocks.last_mut().expect("a frame has at least one block");
            at.push(Stmt { span, kind: StmtKind::Let(var, rhs) });
            return Ok(Atom::Var(var));
        }
        if depth == 0 {
            return Err(vec![Diagnostic::error(span, "internal error: a variable without a place")]);
        }
        let outer = self.local_at(depth - 1, bind, span)?;
        let outer_type = match &outer {
            Atom::Var(v) => self.frames[depth - 1].vars[v.0 as usize],
            _ => return Ok(outer),
        };
        let frame = &mut self.frames[depth];
        frame.vars.push(Var { mutable: false, ..outer_type });
        let var = VarId((frame.vars.len() - 1) as u32);
        frame.captures.push(var);
        frame.captured.push(bind);
        frame.locals.insert(bind, var);
        Ok(Atom::Var(var))
    }

    /// Binds the parameters of a function item; those that take their defaults are computed at its start.
    fn function(&mut self, decl: &FnDecl, defaults: &[bool], types: &[Type]) -> Lowered<()> {
        for (k, param) in decl.params.iter().enumerate() {
            let is_default = defaults.get(k).copied().unwrap_or(false);
            if is_default && let Some(value) = param.default {
                let atom = self.expr(value)?;
                let ty = self.atom_type(&atom);
                self.bind_pattern(param.pattern, atom, ty)?;
                continue;
            }
            let ty = match self.pattern_type(param.pattern) {
                Some(ty) => ty,
                None => types.get(k).copied().unwrap_or(Type::UNIT),
            };
            self.parameter(param.pattern, ty)?;
        }
        Ok(())
    }

    /// A parameter: a plain name is the parameter itself, another pattern is taken apart at the start.
    fn parameter(&mut self, pattern: PatternId, ty: Type) -> Lowered<()> {
        if let PatternKind::Bind(binder) = &self.ast().pattern(pattern).kind {
            let var = self.fresh(binder.name.as_str(), ty, false);
            self.frame().params.push(var);
            self.frame().locals.insert(binder.bind, var);
            return Ok(());
        }
        let var = self.fresh("argument", ty, false);
        self.frame().params.push(var);
        self.bind_pattern(pattern, Atom::Var(var), ty)
    }

    fn type_of(&self, id: ExprId) -> Lowered<Type> {
        self.typed.types.get(&id).copied().ok_or_else(|| {
            vec![Diagnostic::error(self.ast().expr(id).span, "internal error: an expression without a type")]
        })
    }
}

impl Frame {
    fn new(name: Name, span: Span, user: bool) -> Frame {
        Frame {
            name,
            span,
            user,
            random: false,
            vars: Vec::new(),
            params: Vec::new(),
            captures: Vec::new(),
            captured: Vec::new(),
            locals: HashMap::new(),
            own: None,
            blocks: vec![Vec::new()],
        }
    }

    fn function(mut self, result: Atom, result_type: Type) -> Function {
        let stmts = self.blocks.pop().unwrap_or_default();
        Function {
            name: self.name,
            span: self.span,
            random: self.random,
            user: self.user,
            vars: self.vars,
            params: self.params,
            captures: self.captures,
            body: Block { stmts, result },
            result: result_type,
        }
    }
}
