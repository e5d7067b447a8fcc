//! Core to register code.

use super::code::*;
use super::link;
use super::liveness;
use crate::core::ir::{self, Atom, Block, Callee, DistUse, FuncId, Op, Program, Rhs, Step, Stmt, StmtKind, VarId};
use crate::core::{Type, TypeKind};
use crate::prim::Body;
use crate::source::{Name, Span};
use crate::value::{Fault, Value};
use std::collections::HashMap;
use std::sync::Arc;

/// Compiles a program whose globals are all known. Faults when a function is too large for the machine, or a global has no value.
pub fn compile(program: &Program, primitive: &dyn Fn(u32) -> Body) -> Result<Code, Fault> {
    let mut funcs = Vec::with_capacity(program.funcs.len());
    for func in &program.funcs {
        funcs.push(Compiler::function(program, func, primitive)?);
    }
    let id = |f: &FuncId| f.0;
    let dists = program.dists.iter().map(|dist| DistCode {
        name: dist.name,
        logp: dist.logp.0,
        sample: dist.sample.as_ref().map(id),
        support: dist.support.as_ref().map(id),
        check: dist.check.as_ref().map(id),
        members: dist.members.iter().map(|(name, f)| (*name, f.0)).collect(),
        params: dist.params.iter().map(|(name, _)| *name).collect(),
        value: dist.value,
        lifted: dist.lifted.iter().any(|l| *l),
    });
    let sites = program.sites.iter().map(|site| SiteCode {
        name: site.name,
        named: site.named,
        kind: site.kind,
        span: site.span,
        ty: site.ty,
        forward_only: site.forward_only,
    });
    let entry = program.entry.map_or(u32::MAX, |f| f.0);
    let (dists, sites) = (dists.collect(), sites.collect());
    let text = link::link(&funcs);
    Ok(Code { funcs, dists, sites, entry, text, program: Arc::new(program.clone()), delayed: None })
}

struct Compiler<'a> {
    program: &'a Program,
    func: &'a ir::Function,
    primitive: &'a dyn Fn(u32) -> Body,
    out: FuncCode,
    slots: HashMap<VarId, Slot>,
    number_constants: HashMap<u64, Num>,
    /// Number registers given out.
    numbers: usize,
    /// Registers of each bank.
    nums: usize,
    objs: usize,
    span: Span,
    /// The last place that something jumps to.
    landed: u32,
}

impl<'a> Compiler<'a> {
    fn function(
        program: &'a Program,
        func: &'a ir::Function,
        primitive: &'a dyn Fn(u32) -> Body,
    ) -> Result<FuncCode, Fault> {
        let out = FuncCode {
            name: func.name,
            user: func.user,
            sequential: super::sequence::is_sequential(program, func),
            span: func.span,
            code: Vec::new(),
            spans: Vec::new(),
            num_size: 0,
            obj_size: 0,
            params: Vec::new(),
            captures: Vec::new(),
            result: Slot::Unit,
            result_type: func.result,
            param_types: func.params.iter().map(|var| func.vars[var.0 as usize].ty).collect(),
            number_constants: Vec::new(),
            constants: Vec::new(),
            makes: Vec::new(),
            generals: Vec::new(),
            natives: Vec::new(),
            lifts: Vec::new(),
            calls: Vec::new(),
            members: Vec::new(),
            samples: Vec::new(),
            scores: Vec::new(),
            hosts: Vec::new(),
            switches: Vec::new(),
            updates: Vec::new(),
        };
        let mut this = Compiler {
            program,
            func,
            primitive,
            out,
            slots: HashMap::new(),
            number_constants: HashMap::new(),
            numbers: 0,
            nums: 0,
            objs: 0,
            span: func.span,
            landed: 0,
        };
        this.out.params = func.params.iter().map(|v| this.slot(*v)).collect();
        this.out.captures = func.captures.iter().map(|v| this.slot(*v)).collect();
        this.stmts(&func.body)?;
        let result = this.atom(&func.body.result)?;
        this.out.result = match result {
            Slot::Obj(_) => Slot::Obj(0),
            other => other,
        };
        match result {
            Slot::Unit => this.emit(Instr::ReturnUnit),
            Slot::Real(a) | Slot::Int(a) | Slot::Bool(a) => this.emit(Instr::ReturnN { a }),
            Slot::Obj(a) => this.emit(Instr::ReturnO { a }),
        }
        if this.nums > INDEX as usize || this.objs > INDEX as usize || this.out.constants.len() > INDEX as usize {
            return Err(Fault::limit(format!("the function `{}` is too large for the machine", func.name))
                .hint("split it into smaller functions")
                .at(func.span));
        }
        this.out.num_size = this.nums as u16;
        this.out.obj_size = this.objs as u16;
        liveness::finish(&mut this.out);
        Ok(this.out)
    }

    fn emit(&mut self, instr: Instr) {
        self.out.code.push(instr);
        self.out.spans.push(self.span);
    }

    fn here(&self) -> u32 {
        self.out.code.len() as u32
    }

    /// The next place, where more than one way leads.
    fn landing(&mut self) -> u32 {
        self.landed = self.here();
        self.landed
    }

    /// Emits a jump whose target [`Self::land`] fills in.
    fn hole(&mut self, instr: Instr) -> usize {
        self.emit(instr);
        self.out.code.len() - 1
    }

    fn land(&mut self, hole: usize) {
        let target = self.landing();
        match &mut self.out.code[hole] {
            Instr::Jump { to }
            | Instr::JumpUnless { to, .. }
            | Instr::UnlessLtI { to, .. }
            | Instr::UnlessLtR { to, .. }
            | Instr::UnlessLeI { to, .. }
            | Instr::UnlessLeR { to, .. } => *to = target,
            _ => {}
        }
    }

    fn ty(&self, var: VarId) -> Type {
        self.func.vars[var.0 as usize].ty
    }

    fn slot(&mut self, var: VarId) -> Slot {
        if let Some(slot) = self.slots.get(&var) {
            return *slot;
        }
        let slot = self.fresh(self.ty(var));
        self.slots.insert(var, slot);
        slot
    }

    fn fresh(&mut self, ty: Type) -> Slot {
        match ty.kind() {
            TypeKind::Unit => Slot::Unit,
            TypeKind::Real => Slot::Real(self.num()),
            TypeKind::Int => Slot::Int(self.num()),
            TypeKind::Bool => Slot::Bool(self.num()),
            _ => Slot::Obj(self.obj()),
        }
    }

    fn num(&mut self) -> Num {
        let register = nth_number(self.numbers);
        self.numbers += 1;
        self.nums = register + 1;
        register.min(INDEX as usize) as Num
    }

    fn obj(&mut self) -> Obj {
        self.objs += 1;
        (self.objs - 1).min(INDEX as usize) as Obj
    }

    fn number(&mut self, bits: u64) -> Num {
        if let Some(num) = self.number_constants.get(&bits) {
            return *num;
        }
        let num = self.num();
        self.number_constants.insert(bits, num);
        self.out.number_constants.push((num, bits));
        num
    }

    fn constant(&mut self, value: &Value) -> Slot {
        match value {
            Value::Unit => Slot::Unit,
            Value::Real(x) => Slot::Real(self.number(x.to_bits())),
            Value::Int(n) => Slot::Int(self.number(*n as u64)),
            Value::Bool(b) => Slot::Bool(self.number(u64::from(*b))),
            other => {
                self.out.constants.push(other.clone());
                Slot::Obj(CONST | (self.out.constants.len() - 1).min(INDEX as usize) as u16)
            }
        }
    }

    fn atom(&mut self, atom: &Atom) -> Result<Slot, Fault> {
        Ok(match atom {
            Atom::Var(v) => self.slot(*v),
            Atom::Const(value, _) => self.constant(value),
            Atom::Global(g) => {
                let global = &self.program.globals[g.0 as usize];
                match &global.value {
                    Some(value) => self.constant(value),
                    None => {
                        return Err(
                            Fault::error(format!("`{}` is used before it has a value", global.name)).at(self.span)
                        );
                    }
                }
            }
        })
    }

    fn atoms(&mut self, atoms: &[Atom]) -> Result<Vec<Slot>, Fault> {
        atoms.iter().map(|a| self.atom(a)).collect()
    }

    fn n(&mut self, atom: &Atom) -> Result<Num, Fault> {
        match self.atom(atom)? {
            Slot::Real(n) | Slot::Int(n) | Slot::Bool(n) => Ok(n),
            _ => Err(Fault::internal("a number was expected in Core").at(self.span)),
        }
    }

    fn o(&mut self, atom: &Atom) -> Result<Obj, Fault> {
        match self.atom(atom)? {
            Slot::Obj(o) => Ok(o),
            _ => Err(Fault::internal("an object was expected in Core").at(self.span)),
        }
    }

    fn args(&mut self, atoms: &[Atom]) -> Result<Args, Fault> {
        let mut args = Args::default();
        for atom in atoms {
            match self.atom(atom)? {
                Slot::Unit => {}
                Slot::Real(n) | Slot::Int(n) | Slot::Bool(n) => args.nums.push(n),
                Slot::Obj(o) => args.objs.push(o),
            }
        }
        Ok(args)
    }

    fn atom_type(&self, atom: &Atom) -> Type {
        match atom {
            Atom::Var(v) => self.ty(*v),
            Atom::Const(_, ty) => *ty,
            Atom::Global(g) => self.program.globals[g.0 as usize].ty,
        }
    }

    fn mov(&mut self, d: Slot, a: Slot) {
        match (d, a) {
            (Slot::Unit, _) => {}
            (Slot::Obj(d), Slot::Obj(a)) if d != a => self.emit(Instr::MovO { d, a }),
            (Slot::Real(d) | Slot::Int(d) | Slot::Bool(d), Slot::Real(a) | Slot::Int(a) | Slot::Bool(a)) if d != a => {
                self.emit(Instr::MovN { d, a });
            }
            _ => {}
        }
    }

    fn stmts(&mut self, block: &Block) -> Result<(), Fault> {
        for stmt in &block.stmts {
            self.stmt(stmt)?;
        }
        Ok(())
    }

    /// The block's statements, then its value into `d`.
    fn block_into(&mut self, block: &Block, d: Slot) -> Result<(), Fault> {
        // A variable bound last is the value: it is computed where the value goes.
        if let (Some(Stmt { kind: StmtKind::Let(last, _), .. }), Atom::Var(var)) = (block.stmts.last(), &block.result)
            && last == var
            && !self.func.vars[var.0 as usize].mutable
            && !self.slots.contains_key(var)
        {
            self.slots.insert(*var, d);
        }
        self.stmts(block)?;
        let a = self.atom(&block.result)?;
        self.mov(d, a);
        Ok(())
    }

    fn stmt(&mut self, stmt: &Stmt) -> Result<(), Fault> {
        self.span = stmt.span;
        match &stmt.kind {
            StmtKind::Let(var, rhs) => {
                let d = self.slot(*var);
                self.rhs(d, self.ty(*var), rhs)
            }
            StmtKind::Assign(var, atom) => {
                let a = self.atom(atom)?;
                let d = self.slot(*var);
                self.mov(d, a);
                Ok(())
            }
            StmtKind::Update(var, steps, value) => self.update(*var, steps, value),
            StmtKind::For { var, low, high, body } => {
                let low = self.atom(low)?;
                let high = self.n(high)?;
                let counter = self.slot(*var);
                let i = match counter {
                    Slot::Int(i) => i,
                    _ => return Err(Fault::internal("a loop variable must be an integer").at(self.span)),
                };
                self.mov(counter, low);
                let exit = self.hole(Instr::UnlessLtI { a: i, b: high, to: 0 });
                let again = self.landing();
                let span = self.span;
                self.stmts(body)?;
                self.span = span;
                self.emit(Instr::Next { i, high, to: again });
                self.land(exit);
                Ok(())
            }
            StmtKind::While { cond, body } => {
                let span = self.span;
                let again = self.landing();
                self.stmts(cond)?;
                let exit = self.condition(&cond.result)?;
                self.stmts(body)?;
                self.span = span;
                self.emit(Instr::Again { to: again });
                self.land(exit);
                Ok(())
            }
            StmtKind::If(cond, then, otherwise) => {
                let skip = self.condition(cond)?;
                self.stmts(then)?;
                if otherwise.stmts.is_empty() {
                    self.land(skip);
                    return Ok(());
                }
                let end = self.hole(Instr::Jump { to: 0 });
                self.land(skip);
                self.stmts(otherwise)?;
                self.land(end);
                Ok(())
            }
            StmtKind::Observe { site, dist, value, path } => {
                let weight = self.num();
                self.member("logp".into(), dist, std::slice::from_ref(value), Slot::Real(weight))?;
                let path = self.atoms(path)?;
                self.out.scores.push(Score { site: site.0, path, live: Live::default() });
                self.emit(Instr::Score { a: weight, score: (self.out.scores.len() - 1) as u32 });
                Ok(())
            }
            StmtKind::Factor { site, weight, path } => {
                let a = self.n(weight)?;
                let path = self.atoms(path)?;
                self.out.scores.push(Score { site: site.0, path, live: Live::default() });
                self.emit(Instr::Score { a, score: (self.out.scores.len() - 1) as u32 });
                Ok(())
            }
        }
    }

    /// Emits a jump taken when the condition is false; a comparison just before is fused with it.
    fn condition(&mut self, cond: &Atom) -> Result<usize, Fault> {
        let a = self.n(cond)?;
        if let Atom::Var(var) = cond
            && !self.func.vars[var.0 as usize].mutable
            && self.landed < self.here()
            && let Some(last) = self.out.code.last().copied()
        {
            let fused = match last {
                Instr::LtI { d, a: x, b } if d == a => Some(Instr::UnlessLtI { a: x, b, to: 0 }),
                Instr::LtR { d, a: x, b } if d == a => Some(Instr::UnlessLtR { a: x, b, to: 0 }),
                Instr::LeI { d, a: x, b } if d == a => Some(Instr::UnlessLeI { a: x, b, to: 0 }),
                Instr::LeR { d, a: x, b } if d == a => Some(Instr::UnlessLeR { a: x, b, to: 0 }),
                _ => None,
            };
            // The comparison itself stays: its result may be read again. Liveness removes it when it is not.
            if let Some(instr) = fused {
                return Ok(self.hole(instr));
            }
        }
        Ok(self.hole(Instr::JumpUnless { a, to: 0 }))
    }

    fn update(&mut self, var: VarId, steps: &[Step], value: &Atom) -> Result<(), Fault> {
        let Slot::Obj(root) = self.slot(var) else {
            return Err(Fault::internal("only objects have parts").at(self.span));
        };
        let x = self.atom(value)?;
        if let [Step::Index(index)] = steps {
            let i = self.n(index)?;
            match (self.ty(var).kind(), x) {
                (TypeKind::Array(t), Slot::Real(x)) if *t == Type::REAL => {
                    self.emit(Instr::SetR { a: root, i, x });
                    return Ok(());
                }
                (TypeKind::Array(t), Slot::Int(x)) if *t == Type::INT => {
                    self.emit(Instr::SetI { a: root, i, x });
                    return Ok(());
                }
                (TypeKind::Array(_), Slot::Obj(x)) => {
                    self.emit(Instr::SetV { a: root, i, x });
                    return Ok(());
                }
                _ => {}
            }
        }
        let mut path = Vec::with_capacity(steps.len());
        for step in steps {
            path.push(match step {
                Step::Index(i) => UpdateStep::Index(self.n(i)?),
                Step::Index2(i, j) => UpdateStep::Index2(self.n(i)?, self.n(j)?),
                Step::Field(k) => UpdateStep::Field(*k),
            });
        }
        self.out.updates.push(Update { root, steps: path, value: x });
        let update = (self.out.updates.len() - 1) as u32;
        self.general(GeneralKind::Update(update), Vec::new(), Slot::Unit);
        Ok(())
    }

    fn general(&mut self, kind: GeneralKind, args: Vec<Slot>, d: Slot) {
        self.out.generals.push(General { kind, args, d });
        self.emit(Instr::General { general: (self.out.generals.len() - 1) as u32 });
    }

    fn make(&mut self, kind: MakeKind, parts: &[Atom], d: Slot) -> Result<(), Fault> {
        let parts = self.atoms(parts)?;
        let Slot::Obj(d) = d else {
            return Err(Fault::internal("a compound value needs an object register").at(self.span));
        };
        self.out.makes.push(Make { kind, parts, d });
        self.emit(Instr::Make { make: (self.out.makes.len() - 1) as u32 });
        Ok(())
    }

    fn rhs(&mut self, d: Slot, ty: Type, rhs: &Rhs) -> Result<(), Fault> {
        match rhs {
            Rhs::Atom(atom) => {
                let a = self.atom(atom)?;
                self.mov(d, a);
                Ok(())
            }
            Rhs::Op(op, args) => self.op(d, ty, *op, args),
            Rhs::Prim(prim, args) => self.prim(d, ty, prim.row, prim.name, args),
            Rhs::Lift(callee, args) => self.lift(d, ty, *callee, args),
            Rhs::Call { func, args, site, path } => {
                let args = self.args(args)?;
                let path = self.atoms(path)?;
                let call =
                    Call { func: func.0, callee: 0, args, d, site: site.map(|s| s.0), path, live: Live::default() };
                self.out.calls.push(call);
                self.emit(Instr::Call { call: (self.out.calls.len() - 1) as u32 });
                Ok(())
            }
            Rhs::CallClosure { callee, args, site, path } => {
                let callee = self.o(callee)?;
                let args = self.args(args)?;
                let path = self.atoms(path)?;
                let call = Call { func: 0, callee, args, d, site: site.map(|s| s.0), path, live: Live::default() };
                self.out.calls.push(call);
                self.emit(Instr::CallClosure { call: (self.out.calls.len() - 1) as u32 });
                Ok(())
            }
            Rhs::Closure(func, captures) => self.make(MakeKind::Closure(func.0), captures, d),
            Rhs::Tuple(parts) => self.make(MakeKind::Tuple, parts, d),
            Rhs::Record(parts) => {
                let TypeKind::Record(fields) = ty.kind() else {
                    return Err(Fault::internal("a record needs a record type").at(self.span));
                };
                let names: Vec<Name> = fields.iter().map(|(name, _)| *name).collect();
                self.make(MakeKind::Record(crate::value::record_names(&names)), parts, d)
            }
            Rhs::Variant(tag, parts) => {
                let name = ty
                    .constructors()
                    .and_then(|all| all.get(*tag as usize))
                    .map(|(name, _)| *name)
                    .ok_or_else(|| Fault::internal("unknown constructor").at(self.span))?;
                self.make(MakeKind::Variant(name, *tag), parts, d)
            }
            Rhs::Array(parts) => {
                let element = ty.element().unwrap_or(Type::UNIT);
                self.make(MakeKind::Array(ArrayKind::of_element(element)), parts, d)
            }
            Rhs::Dist(dist, args) => {
                let name = self.program.dists[dist.0 as usize].name;
                self.make(MakeKind::Dist(name, dist.0), args, d)
            }
            Rhs::Field(atom, k) => {
                let a = self.o(atom)?;
                let k = *k as u16;
                match d {
                    Slot::Obj(d) => self.emit(Instr::FieldO { d, a, k }),
                    Slot::Unit => {}
                    Slot::Real(d) | Slot::Int(d) | Slot::Bool(d) => self.emit(Instr::FieldN { d, a, k }),
                }
                Ok(())
            }
            Rhs::Payload(atom, _, k) => {
                let a = self.o(atom)?;
                let k = *k as u16;
                match d {
                    Slot::Obj(d) => self.emit(Instr::PayloadO { d, a, k }),
                    Slot::Unit => {}
                    Slot::Real(d) | Slot::Int(d) | Slot::Bool(d) => self.emit(Instr::PayloadN { d, a, k }),
                }
                Ok(())
            }
            Rhs::Build { len, var, body } => self.build(d, ty, len, *var, body),
            Rhs::Sample { site, dist, path } => {
                let dist = self.dist(dist)?;
                let path = self.atoms(path)?;
                self.out.samples.push(Sample { site: site.0, dist, path, d, live: Live::default() });
                self.emit(Instr::Sample { sample: (self.out.samples.len() - 1) as u32 });
                Ok(())
            }
            Rhs::Member(name, dist, args) => self.member(*name, dist, args, d),
            Rhs::If(cond, then, otherwise) => {
                let skip = self.condition(cond)?;
                self.block_into(then, d)?;
                let end = self.hole(Instr::Jump { to: 0 });
                self.land(skip);
                self.block_into(otherwise, d)?;
                self.land(end);
                Ok(())
            }
            Rhs::Switch { on, arms, otherwise } => self.switch(d, on, arms, otherwise.as_deref()),
            Rhs::Host(name, args) => {
                let args = self.atoms(args)?;
                self.out.hosts.push(HostCall { name: *name, args, d, result: ty, live: Live::default() });
                self.emit(Instr::Host { host: (self.out.hosts.len() - 1) as u32 });
                Ok(())
            }
        }
    }

    fn dist(&mut self, dist: &DistUse) -> Result<DistArg, Fault> {
        Ok(match dist {
            DistUse::Known(id, args) => DistArg::Known { dist: id.0, args: self.args(args)? },
            DistUse::Value(atom) => DistArg::Value(self.o(atom)?),
        })
    }

    /// A member of a distribution: a plain call when the distribution is known.
    fn member(&mut self, name: Name, dist: &DistUse, args: &[Atom], d: Slot) -> Result<(), Fault> {
        match dist {
            DistUse::Known(id, params) => {
                let dist = &self.program.dists[id.0 as usize];
                let func = match name.as_str() {
                    "logp" => Some(dist.logp),
                    "sample" => dist.sample,
                    "support" => dist.support,
                    "check" => dist.check,
                    _ => dist.members.iter().find(|(n, _)| *n == name).map(|(_, f)| *f),
                };
                let Some(func) = func else {
                    return Err(Fault::error(format!("`{}` has no `{name}`", dist.name)).at(self.span));
                };
                let all: Vec<Atom> = params.iter().chain(args).cloned().collect();
                let args = self.args(&all)?;
                let call =
                    Call { func: func.0, callee: 0, args, d, site: None, path: Vec::new(), live: Live::default() };
                self.out.calls.push(call);
                self.emit(Instr::Call { call: (self.out.calls.len() - 1) as u32 });
            }
            DistUse::Value(atom) => {
                let dist = self.o(atom)?;
                let args = self.atoms(args)?;
                self.out.members.push(MemberCall { member: name, dist, args, d, live: Live::default() });
                self.emit(Instr::Member { member: (self.out.members.len() - 1) as u32 });
            }
        }
        Ok(())
    }

    fn build(&mut self, d: Slot, ty: Type, len: &Atom, var: VarId, body: &Block) -> Result<(), Fault> {
        let element = ty.element().unwrap_or(Type::UNIT);
        let kind = ArrayKind::of_element(element);
        let Slot::Obj(result) = d else {
            return Err(Fault::internal("an array needs an object register").at(self.span));
        };
        let high = self.n(len)?;
        // The array grows in a register of its own: the body may read an older value of the result.
        let array = self.obj();
        self.emit(Instr::NewArray { d: array, n: high, kind });
        let counter = self.slot(var);
        let zero = self.number(0);
        self.mov(counter, Slot::Int(zero));
        let Slot::Int(i) = counter else {
            return Err(Fault::internal("a loop variable must be an integer").at(self.span));
        };
        let exit = self.hole(Instr::UnlessLtI { a: i, b: high, to: 0 });
        let again = self.landing();
        let span = self.span;
        self.stmts(body)?;
        let x = self.atom(&body.result)?;
        match (kind, x) {
            (ArrayKind::Reals, Slot::Real(x)) => self.emit(Instr::AppendR { a: array, x }),
            (ArrayKind::Ints, Slot::Int(x)) => self.emit(Instr::AppendI { a: array, x }),
            (ArrayKind::Bools, Slot::Bool(x)) => self.emit(Instr::AppendB { a: array, x }),
            (ArrayKind::Values, Slot::Obj(x)) => self.emit(Instr::AppendV { a: array, x }),
            (ArrayKind::Values, Slot::Unit) => {
                self.out.constants.push(Value::Unit);
                let x = CONST | (self.out.constants.len() - 1).min(INDEX as usize) as u16;
                self.emit(Instr::AppendV { a: array, x });
            }
            _ => return Err(Fault::internal("an element of another type").at(self.span)),
        }
        self.span = span;
        self.emit(Instr::Next { i, high, to: again });
        self.land(exit);
        self.mov(Slot::Obj(result), Slot::Obj(array));
        Ok(())
    }

    fn switch(&mut self, d: Slot, on: &Atom, arms: &[(u32, Block)], otherwise: Option<&Block>) -> Result<(), Fault> {
        let a = self.o(on)?;
        let tag = self.num();
        self.emit(Instr::Tag { d: tag, a });
        let count = self.atom_type(on).constructors().map_or(0, <[_]>::len);
        self.out.switches.push(vec![u32::MAX; count]);
        let table = self.out.switches.len() - 1;
        self.emit(Instr::Switch { a: tag, table: table as u32 });
        let mut ends = Vec::new();
        for (tag, block) in arms {
            let here = self.landing();
            if let Some(entry) = self.out.switches[table].get_mut(*tag as usize) {
                *entry = here;
            }
            self.block_into(block, d)?;
            ends.push(self.hole(Instr::Jump { to: 0 }));
        }
        let here = self.landing();
        for entry in &mut self.out.switches[table] {
            if *entry == u32::MAX {
                *entry = here;
            }
        }
        match otherwise {
            Some(block) => self.block_into(block, d)?,
            None => {
                let message = self.constant(&Value::string("no arm of the match takes this value"));
                self.general(GeneralKind::Op(Op::Fail), vec![message], Slot::Unit);
            }
        }
        for end in ends {
            self.land(end);
        }
        Ok(())
    }

    fn prim(&mut self, d: Slot, ty: Type, row: u32, name: Name, args: &[Atom]) -> Result<(), Fault> {
        let body = (self.primitive)(row);
        let args = self.atoms(args)?;
        match (&body, args.as_slice(), d) {
            (Body::Real1(f), [Slot::Real(a)], Slot::Real(d)) => self.emit(Instr::Real1 { f: *f, d, a: *a }),
            (Body::Real2(f), [Slot::Real(a), Slot::Real(b)], Slot::Real(d)) => {
                self.emit(Instr::Real2 { f: *f, d, a: *a, b: *b });
            }
            _ => {
                let empty = ty.element().map_or(ArrayKind::Values, ArrayKind::of_element);
                self.out.natives.push(Native { name, body, args, d, empty });
                self.emit(Instr::Native { native: (self.out.natives.len() - 1) as u32 });
            }
        }
        Ok(())
    }

    fn lift(&mut self, d: Slot, ty: Type, callee: Callee, args: &[Atom]) -> Result<(), Fault> {
        let args = self.atoms(args)?;
        let Slot::Obj(d) = d else {
            return Err(Fault::internal("an elementwise operation gives an array").at(self.span));
        };
        let callee = match callee {
            Callee::Op(op) => LiftCallee::Op(op),
            Callee::Prim(prim) => LiftCallee::Prim(prim.name, (self.primitive)(prim.row)),
        };
        let element = if ty == Type::MATRIX { Type::REAL } else { ty.element().unwrap_or(Type::REAL) };
        self.out.lifts.push(LiftCall { callee, args, d, element });
        self.emit(Instr::Lift { lift: (self.out.lifts.len() - 1) as u32 });
        Ok(())
    }

    fn op(&mut self, d: Slot, ty: Type, op: Op, args: &[Atom]) -> Result<(), Fault> {
        let slots = self.atoms(args)?;
        let num = |slot: Slot| match slot {
            Slot::Real(n) | Slot::Int(n) | Slot::Bool(n) => Some(n),
            _ => None,
        };
        if let ([x, y], Some(d)) = (slots.as_slice(), num(d))
            && let (Some(a), Some(b)) = (num(*x), num(*y))
        {
            let instr = match op {
                Op::AddR => Some(Instr::AddR { d, a, b }),
                Op::SubR => Some(Instr::SubR { d, a, b }),
                Op::MulR => Some(Instr::MulR { d, a, b }),
                Op::DivR => Some(Instr::DivR { d, a, b }),
                Op::PowR => Some(Instr::PowR { d, a, b }),
                Op::RemR => Some(Instr::RemR { d, a, b }),
                Op::AddI => Some(Instr::AddI { d, a, b }),
                Op::SubI => Some(Instr::SubI { d, a, b }),
                Op::MulI => Some(Instr::MulI { d, a, b }),
                Op::PowI => Some(Instr::PowI { d, a, b }),
                Op::RemI => Some(Instr::RemI { d, a, b }),
                Op::EqR => Some(Instr::EqR { d, a, b }),
                Op::NeR => Some(Instr::NeR { d, a, b }),
                Op::LtR => Some(Instr::LtR { d, a, b }),
                Op::LeR => Some(Instr::LeR { d, a, b }),
                Op::EqI | Op::EqB => Some(Instr::EqI { d, a, b }),
                Op::NeI | Op::NeB => Some(Instr::NeI { d, a, b }),
                Op::LtI => Some(Instr::LtI { d, a, b }),
                Op::LeI => Some(Instr::LeI { d, a, b }),
                Op::And => Some(Instr::And { d, a, b }),
                Op::Or => Some(Instr::Or { d, a, b }),
                _ => None,
            };
            if let Some(instr) = instr {
                self.emit(instr);
                return Ok(());
            }
        }
        if let ([x], Some(d)) = (slots.as_slice(), num(d))
            && let Some(a) = num(*x)
        {
            let instr = match op {
                Op::NegR => Some(Instr::NegR { d, a }),
                Op::NegI => Some(Instr::NegI { d, a }),
                Op::Not => Some(Instr::Not { d, a }),
                Op::Widen => Some(Instr::Widen { d, a }),
                _ => None,
            };
            if let Some(instr) = instr {
                self.emit(instr);
                return Ok(());
            }
        }
        match (op, slots.as_slice(), d) {
            (Op::Len, [Slot::Obj(a)], Slot::Int(d)) => self.emit(Instr::Len { d, a: *a }),
            (Op::Index, [Slot::Obj(a), Slot::Int(i)], _) => {
                let (a, i) = (*a, *i);
                match (self.atom_type(&args[0]).kind(), d) {
                    (TypeKind::Matrix, Slot::Obj(d)) => self.emit(Instr::IndexM { d, a, i }),
                    (_, Slot::Real(d)) => self.emit(Instr::IndexR { d, a, i }),
                    (_, Slot::Int(d)) => self.emit(Instr::IndexI { d, a, i }),
                    (_, Slot::Bool(d)) => self.emit(Instr::IndexB { d, a, i }),
                    (_, Slot::Obj(d)) => self.emit(Instr::IndexV { d, a, i }),
                    (_, Slot::Unit) => {}
                }
            }
            (Op::Index2, [Slot::Obj(a), Slot::Int(i), Slot::Int(j)], Slot::Real(d)) => {
                self.emit(Instr::Index2 { d, a: *a, i: *i, j: *j });
            }
            (Op::Fill, _, _) => {
                let element = ty.element().unwrap_or(Type::UNIT);
                self.general(GeneralKind::Fill(ArrayKind::of_element(element)), slots, d);
            }
            _ => self.general(GeneralKind::Op(op), slots, d),
        }
        Ok(())
    }
}
