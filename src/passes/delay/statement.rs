//! The walk through the statements of a function: what stays delayed in each, and what is drawn for it.

use super::form::{Affine, Form, real};
use super::{Candidate, Delay, Family, library_dist};
use crate::core::ir::{Atom, Block, Callee, DistId, DistUse, Op, Rhs, SiteId, Stmt, StmtKind, VarId};
use crate::core::ty::Type;
use crate::passes::walk;
use std::collections::BTreeSet;

impl Delay<'_> {
    /// Rewrites the statements of a block to the end of `out`; gives its result as a number.
    pub(super) fn splice(&mut self, block: Block, out: &mut Vec<Stmt>) -> Atom {
        let result = block.result.clone();
        self.stmts(block, out);
        self.mention(&result);
        self.current.clear();
        self.plain(&result, out)
    }

    /// Rewrites the statements of a block to the end of `out`.
    fn stmts(&mut self, block: Block, out: &mut Vec<Stmt>) {
        // From the end: what is carried and changes before it is mentioned again, after each statement.
        let mut overwritten = BTreeSet::new();
        let mut after = Vec::with_capacity(block.stmts.len());
        for stmt in block.stmts.iter().rev() {
            after.push(overwritten.clone());
            if self.carried.is_empty() {
                continue;
            }
            let mut mention = |atom: &Atom| {
                if let Atom::Var(var) = atom {
                    overwritten.remove(var);
                }
            };
            walk::stmt_atoms(stmt, &mut mention);
            let mut changed = BTreeSet::new();
            walk::stmt_blocks(stmt, &mut |inner| {
                walk::every_atom(inner, &mut mention);
                walk::every_stmt(inner, &mut |stmt| {
                    if let StmtKind::Assign(var, _) = &stmt.kind {
                        changed.insert(*var);
                    }
                });
            });
            overwritten.retain(|var| !changed.contains(var));
            if let StmtKind::Assign(var, atom) = &stmt.kind
                && self.carried.contains(var)
                && *atom != Atom::Var(*var)
            {
                overwritten.insert(*var);
            }
        }
        let outer = std::mem::take(&mut self.overwritten);
        for (stmt, overwritten) in block.stmts.into_iter().zip(after.into_iter().rev()) {
            self.overwritten = overwritten;
            self.stmt(stmt, out);
        }
        self.overwritten = outer;
    }

    /// A block within another; what is drawn in it is known in it only.
    fn nested(&mut self, block: Block) -> Block {
        let known = self.numbers.clone();
        let mut stmts = Vec::new();
        let result = self.splice(block, &mut stmts);
        self.numbers = known;
        Block { stmts, result }
    }

    /// A block that may run many times.
    fn repeated(&mut self, block: Block) -> Block {
        self.within_loop(|delay| delay.nested(block))
    }

    /// Does something within a loop of its own.
    pub(super) fn within_loop<T>(&mut self, body: impl FnOnce(&mut Self) -> T) -> T {
        self.next_loop += 1;
        self.loops.push(self.next_loop);
        let result = body(self);
        self.loops.pop();
        result
    }

    fn mention(&mut self, atom: &Atom) {
        if let Atom::Var(var) = atom
            && let Some(count) = self.remaining.get_mut(var.0 as usize)
        {
            *count = count.saturating_sub(1);
        }
    }

    /// What an operand stands for, if it is not a number that is known.
    fn form(&self, atom: &Atom) -> Option<Form> {
        match atom {
            Atom::Var(var) if !self.numbers.contains_key(var) => self.forms.get(var).cloned(),
            _ => None,
        }
    }

    /// An operand as a number, which is drawn if it must be.
    fn plain(&mut self, atom: &Atom, out: &mut Vec<Stmt>) -> Atom {
        match atom {
            Atom::Var(var) => self.number(*var, out),
            other => other.clone(),
        }
    }

    /// An operand as an affine form; none if it is a multiple of a choice that is not normal.
    fn affine(&mut self, atom: &Atom, out: &mut Vec<Stmt>) -> Option<Affine> {
        match self.form(atom) {
            Some(Form::Affine(affine)) => Some(affine),
            Some(_) => None,
            None => Some(Affine::known(self.lasting(atom, out))),
        }
    }

    /// An operand as a form, of whatever it is.
    fn form_or_number(&mut self, atom: &Atom, out: &mut Vec<Stmt>) -> Form {
        match self.form(atom) {
            Some(form) => form,
            None => Form::known(self.lasting(atom, out)),
        }
    }

    /// The number of an operand, which stays what it is when a variable changes.
    fn lasting(&mut self, atom: &Atom, out: &mut Vec<Stmt>) -> Atom {
        match self.plain(atom, out) {
            Atom::Var(var) if self.vars[var.0 as usize].mutable => self.read(var, out),
            number => number,
        }
    }

    fn stmt(&mut self, stmt: Stmt, out: &mut Vec<Stmt>) {
        self.span = stmt.span;
        let mut direct = Vec::new();
        walk::stmt_atoms(&stmt, &mut |atom| direct.push(atom.clone()));
        direct.iter().for_each(|atom| self.mention(atom));
        self.current =
            direct.iter().filter_map(|atom| if let Atom::Var(var) = atom { Some(*var) } else { None }).collect();
        self.prepare(&stmt, out);
        let delayed = direct.iter().any(|atom| self.form(atom).is_some());
        match stmt.kind {
            StmtKind::Let(var, Rhs::Sample { site, dist: DistUse::Known(id, args), path }) => {
                self.sample(var, site, DistUse::Known(id, args), path, out);
            }
            StmtKind::Let(var, Rhs::If(cond, yes, no)) if self.vars[var.0 as usize].ty == Type::REAL => {
                self.chosen(var, cond, yes, no, out);
            }
            StmtKind::Let(var, rhs) if delayed => {
                let holds = self.carried.contains(&var) || !self.vars[var.0 as usize].mutable;
                match if holds { self.rhs_form(&rhs, out) } else { None } {
                    // What must be a number after all was drawn on the way.
                    Some(form) => self.hold(var, form, out),
                    None => self.generic(Stmt { span: self.span, kind: StmtKind::Let(var, rhs) }, out),
                }
            }
            StmtKind::Assign(var, atom) if self.carried.contains(&var) => {
                let form = match self.affine(&atom, out) {
                    Some(form) => form,
                    None => Affine::known(self.plain(&atom, out)),
                };
                self.keep_others(&[var].into(), Some(var), out);
                self.hold(var, Form::Affine(form), out);
            }
            StmtKind::Observe { site, dist, value, path } if delayed => self.observe(site, dist, value, path, out),
            kind => self.generic(Stmt { span: self.span, kind }, out),
        }
    }

    /// Before a statement with blocks that change what is carried: what is known of it ends, and what else depends on it is kept.
    fn prepare(&mut self, stmt: &Stmt, out: &mut Vec<Stmt>) {
        let mut assigned = BTreeSet::new();
        walk::stmt_blocks(stmt, &mut |block| {
            walk::every_stmt(block, &mut |inner| {
                if let StmtKind::Assign(var, _) = &inner.kind
                    && self.carried.contains(var)
                {
                    assigned.insert(*var);
                }
            });
        });
        if !assigned.is_empty() {
            self.keep_others(&assigned, None, out);
            self.numbers.retain(|var, _| !assigned.contains(var));
        }
    }

    /// Gives what depends on variables that are about to change a place of its own, if it is used later.
    fn keep_others(&mut self, changing: &BTreeSet<VarId>, target: Option<VarId>, out: &mut Vec<Stmt>) {
        let depends = |form: &Form| form.slots().iter().any(|slot| changing.contains(&self.slots[*slot].owner));
        let used = |var: &VarId| self.remaining.get(var.0 as usize).is_some_and(|count| *count > 0);
        let stale: Vec<VarId> = self
            .forms
            .iter()
            .filter(|(var, form)| !self.carried.contains(var) && Some(**var) != target && used(var) && depends(form))
            .map(|(var, _)| *var)
            .filter(|var| !self.numbers.contains_key(var))
            .collect();
        for var in stale {
            match self.forms.get(&var).cloned() {
                Some(Form::Affine(form)) if !self.is_array(&form) => {
                    let slot = self.slot_for(var, Family::Normal, None);
                    self.set_slot(slot, &form, None, out);
                    self.forms.insert(var, Form::Affine(Affine::slot(slot)));
                }
                _ => {
                    self.number(var, out);
                }
            }
        }
    }

    /// A variable is from here on what a form says.
    fn hold(&mut self, var: VarId, form: Form, out: &mut Vec<Stmt>) {
        // A variable that is carried is bound where it is held first.
        if !self.carried.contains(&var) {
            self.bound.insert(var, self.loops.clone());
            self.numbers.remove(&var);
            self.forms.insert(var, form);
            return;
        }
        let form = match form {
            Form::Affine(form) => form,
            other => Affine::known(self.number_of(&other, out)),
        };
        self.bound.entry(var).or_insert_with(|| self.loops.clone());
        let slot = self.slot_for(var, Family::Normal, None);
        self.set_slot(slot, &form, None, out);
        self.forms.insert(var, Form::Affine(Affine::slot(slot)));
        self.numbers.remove(&var);
        if form.terms.is_empty() {
            // A mutable variable may change before it is asked for.
            let number = match &form.constant {
                Atom::Var(other) if self.vars[other.0 as usize].mutable => None,
                known => Some(known.clone()),
            };
            self.numbers.extend(number.map(|number| (var, number)));
        }
    }

    /// A statement whose operands must be numbers.
    fn generic(&mut self, mut stmt: Stmt, out: &mut Vec<Stmt>) {
        let mut operands = Vec::new();
        walk::stmt_atoms(&stmt, &mut |atom| operands.push(atom.clone()));
        let mut numbers = operands.iter().map(|atom| self.plain(atom, out)).collect::<Vec<_>>().into_iter();
        walk::stmt_atoms_mut(&mut stmt, &mut |atom| {
            if let Some(number) = numbers.next() {
                *atom = number;
            }
        });
        let kind = match stmt.kind {
            StmtKind::For { var, low, high, body } => StmtKind::For { var, low, high, body: self.repeated(body) },
            StmtKind::While { cond, body } => {
                // What the condition draws is not known in the body, which asks again.
                let (cond, body) = self.within_loop(|delay| (delay.nested(cond), delay.nested(body)));
                StmtKind::While { cond, body }
            }
            StmtKind::If(cond, yes, no) => {
                let yes = self.nested(yes);
                StmtKind::If(cond, yes, self.nested(no))
            }
            StmtKind::Let(var, rhs) => {
                let rhs = match rhs {
                    Rhs::If(cond, yes, no) => {
                        let yes = self.nested(yes);
                        Rhs::If(cond, yes, self.nested(no))
                    }
                    Rhs::Build { len, var, body } => Rhs::Build { len, var, body: self.repeated(body) },
                    Rhs::Switch { on, arms, otherwise } => {
                        let arms = arms.into_iter().map(|(tag, block)| (tag, self.nested(block))).collect();
                        let otherwise = otherwise.map(|block| Box::new(self.nested(*block)));
                        Rhs::Switch { on, arms, otherwise }
                    }
                    other => other,
                };
                if self.carried.contains(&var) {
                    let number = self.bind(Type::REAL, rhs, out);
                    return self.hold(var, Form::Affine(Affine::known(number)), out);
                }
                StmtKind::Let(var, rhs)
            }
            other => other,
        };
        out.push(Stmt { span: stmt.span, kind });
    }

    /// What a right-hand side stands for, if it stays delayed.
    fn rhs_form(&mut self, rhs: &Rhs, out: &mut Vec<Stmt>) -> Option<Form> {
        match rhs {
            Rhs::Atom(atom) => self.form(atom),
            Rhs::Dist(id, args) => {
                let args = args.clone();
                Some(Form::Dist(*id, args.iter().map(|atom| self.form_or_number(atom, out)).collect()))
            }
            Rhs::Op(Op::Index, args) => match self.form(&args[0])? {
                Form::Affine(form) if self.is_array(&form) => {
                    let index = self.lasting(&args[1], out);
                    Some(Form::Affine(self.element_of(&form, &index, out)))
                }
                _ => None,
            },
            Rhs::Op(op @ (Op::AddR | Op::SubR | Op::MulR | Op::DivR | Op::NegR), args)
            | Rhs::Lift(Callee::Op(op @ (Op::AddR | Op::SubR | Op::MulR | Op::DivR | Op::NegR)), args) => {
                self.arithmetic(*op, args, out)
            }
            _ => None,
        }
    }

    fn arithmetic(&mut self, op: Op, args: &[Atom], out: &mut Vec<Stmt>) -> Option<Form> {
        let reals = |ty: Type| ty == Type::REAL || ty == Type::REAL.array();
        if !args.iter().all(|atom| reals(self.type_of(atom))) {
            return None;
        }
        if let [a] = args {
            let form = self.affine(a, out)?;
            return Some(Form::Affine(self.scaled(&form, Op::MulR, &real(-1.0), out)));
        }
        let [a, b] = args else { return None };
        match op {
            Op::AddR | Op::SubR => {
                let (a, b) = (self.affine(a, out)?, self.affine(b, out)?);
                Some(Form::Affine(self.sum_of(&a, &b, op, out)))
            }
            Op::MulR => {
                let (mut a, mut b) = (a, b);
                if let (Some(first), Some(second)) = (self.form(a), self.form(b)) {
                    // The one that was made further outside is drawn.
                    if self.depth(&first) <= self.depth(&second) {
                        self.plain(a, out);
                    } else {
                        self.plain(b, out);
                    }
                }
                if self.form(a).is_none() {
                    (a, b) = (b, a);
                }
                // Drawing one may have drawn the other.
                let by = self.lasting(b, out);
                self.times(a, Op::MulR, &by, out)
            }
            Op::DivR => {
                let by = self.lasting(b, out);
                self.times(a, Op::DivR, &by, out)
            }
            _ => None,
        }
    }

    /// An operand multiplied or divided by a number.
    fn times(&mut self, atom: &Atom, op: Op, by: &Atom, out: &mut Vec<Stmt>) -> Option<Form> {
        match self.form(atom) {
            Some(Form::Scaled(slot, scale)) => {
                let is_gamma = self.slots[slot].family == Family::Gamma;
                (is_gamma && self.type_of(by) == Type::REAL).then(|| Form::Scaled(slot, self.op(op, &scale, by, out)))
            }
            _ => {
                let form = self.affine(atom, out)?;
                Some(Form::Affine(self.scaled(&form, op, by, out)))
            }
        }
    }

    /// How many loops are around the place where the parts of a form are made; more for what changes.
    fn depth(&self, form: &Form) -> usize {
        let depth = |slot: &usize| {
            let slot = &self.slots[*slot];
            slot.loops.len() + if self.carried.contains(&slot.owner) { 1000 } else { 0 }
        };
        form.slots().iter().map(depth).max().unwrap_or(0)
    }

    /// `var ~ dist`
    fn sample(&mut self, var: VarId, site: SiteId, dist: DistUse, path: Vec<Atom>, out: &mut Vec<Stmt>) {
        let DistUse::Known(_, args) = &dist else { return };
        self.numbers.remove(&var);
        if let Some(Candidate { family, .. }) = self.choices.get(&var).copied() {
            if family == Family::Normal {
                let sigma = self.plain(&args[1], out);
                let mu = match self.affine(&args[0], out) {
                    Some(mu) => mu,
                    None => Affine::known(self.plain(&args[0], out)),
                };
                let slot = self.slot_for(var, family, Some((site, path)));
                self.make_normal(slot, &mu, &sigma, out);
                self.forms.insert(var, Form::Affine(Affine::slot(slot)));
                self.bound.insert(var, self.loops.clone());
                return;
            }
            let numbers: Vec<Atom> = args.iter().map(|atom| self.plain(atom, out)).collect();
            let slot = self.slot_for(var, family, Some((site, path)));
            self.make_counted(slot, &dist, &numbers, out);
            self.forms.insert(var, Form::Scaled(slot, real(1.0)));
            self.bound.insert(var, self.loops.clone());
            return;
        }
        if let Some((name, false)) = library_dist(self.program, &dist)
            && let [parameter] = &args[..]
            && let Some(Form::Scaled(slot, _)) = self.form(parameter)
            && self.draws_from(slot, name)
            && !self.vars[var.0 as usize].mutable
        {
            return self.draw_child(slot, (var, site, &dist, path), out);
        }
        let kind = StmtKind::Let(var, Rhs::Sample { site, dist, path });
        self.generic(Stmt { span: self.span, kind }, out);
    }

    /// `observe dist = value`, where some operand is delayed.
    fn observe(&mut self, site: SiteId, dist: DistUse, value: Atom, path: Vec<Atom>, out: &mut Vec<Stmt>) {
        let weight = match &dist {
            DistUse::Known(id, args) => {
                let forms: Vec<Form> = args.iter().map(|atom| self.form_or_number(atom, out)).collect();
                self.weight(*id, &forms, &value, out)
            }
            DistUse::Value(atom) => match self.form(atom) {
                Some(Form::Dist(id, forms)) => self.weight(id, &forms, &value, out),
                _ => None,
            },
        };
        match weight {
            Some(weight) => self.push(StmtKind::Factor { site, weight, path }, out),
            None => {
                let kind = StmtKind::Observe { site, dist, value, path };
                self.generic(Stmt { span: self.span, kind }, out);
            }
        }
    }

    /// Whether something is learnt from observing a distribution with these parameters at a value of this type.
    fn teaches(&self, dist: DistId, forms: &[Form], ty: Type) -> bool {
        let Some((name, lifted)) = library_dist(self.program, &DistUse::Known(dist, Vec::new())) else { return false };
        match (name, forms) {
            ("Normal", [Form::Affine(mu), _]) => {
                let shape = if lifted { Type::REAL.array() } else { Type::REAL };
                !mu.terms.is_empty() && ty == shape
            }
            ("Iid", [Form::Dist(inner, forms), _]) => {
                ty.element().is_some_and(|ty| ty.is_scalar() && self.teaches(*inner, forms, ty))
            }
            (_, [.., Form::Scaled(slot, _)]) => !lifted && self.learns_from(*slot, name, ty),
            _ => false,
        }
    }

    /// The log density of an observation from whose parameter something is learnt; none if it must be a number.
    fn weight(&mut self, dist: DistId, forms: &[Form], value: &Atom, out: &mut Vec<Stmt>) -> Option<Atom> {
        if !self.teaches(dist, forms, self.type_of(value)) {
            return None;
        }
        let y = self.plain(value, out);
        let (name, lifted) = library_dist(self.program, &DistUse::Known(dist, Vec::new()))?;
        match forms {
            [Form::Dist(inner, forms), n] => {
                let n = self.number_of(n, out);
                let len = self.bind(Type::INT, Rhs::Op(Op::Len, vec![y.clone()]), out);
                let same = self.test(Op::EqI, vec![len, n], out);
                let mut all = Vec::new();
                let mut taught = None;
                let result = self.for_each(&y, &[], &mut all, |delay, _, y, body| {
                    taught = delay.weight(*inner, forms, y, body);
                    taught.clone().unwrap_or(real(0.0))
                });
                let outside = Block { stmts: Vec::new(), result: real(f64::NEG_INFINITY) };
                taught?;
                Some(self.bind(Type::REAL, Rhs::If(same, Block { stmts: all, result }, outside), out))
            }
            [Form::Affine(mu), sigma] if name == "Normal" => {
                let sigma = self.number_of(sigma, out);
                Some(if lifted { self.condition_all(mu, &sigma, &y, out) } else { self.condition(mu, &sigma, &y, out) })
            }
            [others @ .., Form::Scaled(slot, scale)] => {
                let others: Vec<Atom> = others.iter().map(|form| self.number_of(form, out)).collect();
                Some(self.learn((*slot, scale), (name, dist), &others, &y, out))
            }
            _ => None,
        }
    }

    /// `var = if cond { … } else { … }` of reals: what comes of either branch may stay delayed.
    fn chosen(&mut self, var: VarId, cond: Atom, yes: Block, no: Block, out: &mut Vec<Stmt>) {
        let cond = self.plain(&cond, out);
        let holds = self.carried.contains(&var) || !self.vars[var.0 as usize].mutable;
        let mut branch = |block: Block| {
            let known = self.numbers.clone();
            let mut stmts = Vec::new();
            let result = block.result.clone();
            self.stmts(block, &mut stmts);
            self.mention(&result);
            self.current.clear();
            let form = match self.affine(&result, &mut stmts) {
                Some(form) if holds => form,
                _ => Affine::known(self.plain(&result, &mut stmts)),
            };
            self.numbers = known;
            (stmts, form)
        };
        let (mut yes, of_yes) = branch(yes);
        let (mut no, of_no) = branch(no);
        if of_yes.terms.is_empty() && of_no.terms.is_empty() {
            let rhs = Rhs::If(
                cond,
                Block { stmts: yes, result: of_yes.constant },
                Block { stmts: no, result: of_no.constant },
            );
            if self.carried.contains(&var) {
                let number = self.bind(Type::REAL, rhs, out);
                return self.hold(var, Form::Affine(Affine::known(number)), out);
            }
            return self.push(StmtKind::Let(var, rhs), out);
        }
        let mut slots: Vec<usize> = of_yes.terms.iter().chain(&of_no.terms).map(|(slot, _)| *slot).collect();
        slots.sort_unstable();
        slots.dedup();
        let coefficient = |form: &Affine, slot: usize| {
            form.terms.iter().find(|(k, _)| *k == slot).map_or(real(0.0), |(_, coefficient)| coefficient.clone())
        };
        let mut parts = vec![(of_yes.constant.clone(), of_no.constant.clone())];
        parts.extend(slots.iter().map(|slot| (coefficient(&of_yes, *slot), coefficient(&of_no, *slot))));
        let mut held = Vec::new();
        for (a, b) in parts {
            if a == b && !matches!(a, Atom::Var(_)) {
                held.push(Err(a));
                continue;
            }
            let part = self.declared("part", Type::REAL, crate::value::Value::Real(0.0));
            self.assign(part, a, &mut yes);
            self.assign(part, b, &mut no);
            held.push(Ok(part));
        }
        let block = |stmts| Block { stmts, result: Atom::default() };
        self.push(StmtKind::If(cond, block(yes), block(no)), out);
        let mut atoms = Vec::new();
        for part in held {
            atoms.push(match part {
                Ok(part) => self.read(part, out),
                Err(same) => same,
            });
        }
        let constant = atoms.remove(0);
        let form = Affine { constant, terms: slots.into_iter().zip(atoms).collect() };
        self.hold(var, Form::Affine(form), out);
    }
}
