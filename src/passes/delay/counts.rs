//! Beta, gamma and Dirichlet choices: their parameters, as they are made, observed and drawn.

use super::form::real;
use super::{Delay, Family};
use crate::core::ir::{Atom, Block, DistId, DistUse, Op, Rhs, SiteId, Step, Stmt, StmtKind, VarId};
use crate::core::ty::Type;
use crate::value::Value;

impl Delay<'_> {
    /// `owner ~ family(args)`, not drawn.
    pub(super) fn make_counted(&mut self, slot: usize, dist: &DistUse, args: &[Atom], out: &mut Vec<Stmt>) {
        if let DistUse::Known(id, _) = dist
            && let Some(check) = self.program.dists[id.0 as usize].check
        {
            let rhs = Rhs::Call { func: check, args: args.to_vec(), site: None, path: Vec::new() };
            self.bind(Type::UNIT, rhs, out);
        }
        let slot = &mut self.slots[slot];
        slot.uses.clear();
        slot.was_drawn = false;
        let (first, second, is_drawn, family) = (slot.first, slot.second, slot.is_drawn, slot.family);
        self.assign(first, args[0].clone(), out);
        if family != Family::Dirichlet {
            self.assign(second, args[1].clone(), out);
        }
        self.assign(is_drawn, Atom::Const(Value::Bool(false), Type::BOOL), out);
    }

    /// Notes a use of a slot by its distribution. One that may come after its value was drawn cannot be.
    fn observed(&mut self, slot: usize) {
        let (loops, span) = (self.loops.clone(), self.span);
        let slot = &mut self.slots[slot];
        if slot.was_drawn {
            self.findings.late.entry(slot.owner).or_insert(span);
        }
        slot.uses.push(loops);
        self.findings.observed.push((slot.owner, span));
    }

    /// Draws a slot given all that was learnt, unless that was done, and gives its value.
    pub(super) fn draw_counted(&mut self, slot: usize, out: &mut Vec<Stmt>) -> Atom {
        let span = self.span;
        let loops = self.loops.clone();
        let slot = &mut self.slots[slot];
        slot.was_drawn = true;
        // A loop around both, within which it is not made anew, observes it after it was drawn.
        let inner = |used: &Vec<u32>| used.iter().any(|l| loops.contains(l) && !slot.loops.contains(l));
        if slot.uses.iter().any(inner) {
            self.findings.late.entry(slot.owner).or_insert(span);
        }
        let slot = slot.clone();
        let held = self.read(slot.value, out);
        let Some((site, path)) = slot.site.clone() else { return held };
        let Some(dist) = self.dist_of(slot.owner) else { return held };
        let is_drawn = self.read(slot.is_drawn, out);
        let mut inside = Vec::new();
        let mut args = vec![self.read(slot.first, &mut inside)];
        if slot.family != Family::Dirichlet {
            args.push(self.read(slot.second, &mut inside));
        }
        let ty = self.vars[slot.value.0 as usize].ty;
        let args = mutant!("the parameters of a beta choice are exchanged", args.into_iter().rev().collect(), args);
        let drawn = self.bind(ty, Rhs::Sample { site, dist: DistUse::Known(dist, args), path }, &mut inside);
        let known = Block { stmts: Vec::new(), result: held };
        let value = self.bind(ty, Rhs::If(is_drawn, known, Block { stmts: inside, result: drawn }), out);
        self.assign(slot.value, value.clone(), out);
        self.assign(slot.is_drawn, Atom::Const(Value::Bool(true), Type::BOOL), out);
        value
    }

    /// The distribution from which a choice is drawn.
    fn dist_of(&self, owner: VarId) -> Option<DistId> {
        let mut found = None;
        crate::passes::walk::every_stmt(&self.function.body, &mut |stmt| {
            if let StmtKind::Let(var, Rhs::Sample { dist: DistUse::Known(id, _), .. }) = &stmt.kind
                && *var == owner
            {
                found = Some(*id);
            }
        });
        found
    }

    /// The probability of 1 given all that was learnt.
    fn heads(&mut self, slot: usize, out: &mut Vec<Stmt>) -> (Atom, Atom, Atom) {
        let a = self.read(self.slots[slot].first, out);
        let b = self.read(self.slots[slot].second, out);
        let total = self.op(Op::AddR, &a, &b, out);
        (self.op(Op::DivR, &a, &total, out), a, b)
    }

    /// Adds what was seen: `ones` to the first parameter, `others` to the second.
    fn count(&mut self, slot: usize, ones: &Atom, others: &Atom, out: &mut Vec<Stmt>) {
        let (first, second) = (self.slots[slot].first, self.slots[slot].second);
        let (a, b) = (self.read(first, out), self.read(second, out));
        let more = self.op(Op::AddR, &a, ones, out);
        let fewer = self.op(Op::AddR, &b, others, out);
        self.assign(first, mutant!("counts are not kept", a, more), out);
        self.assign(second, fewer, out);
    }

    /// A count or a truth as a real.
    fn as_real(&mut self, value: &Atom, out: &mut Vec<Stmt>) -> Atom {
        let ty = self.type_of(value);
        if ty == Type::REAL {
            return value.clone();
        }
        if ty == Type::INT {
            return self.bind(Type::REAL, Rhs::Op(Op::Widen, vec![value.clone()]), out);
        }
        let block = |x: f64| Block { stmts: Vec::new(), result: real(x) };
        self.bind(Type::REAL, Rhs::If(value.clone(), block(1.0), block(0.0)), out)
    }

    /// Learns from one toss of a beta choice.
    fn learn_toss(&mut self, slot: usize, value: &Atom, out: &mut Vec<Stmt>) {
        let one = self.as_real(value, out);
        let zero = self.op(Op::SubR, &real(1.0), &one, out);
        self.count(slot, &one, &zero, out);
    }

    /// The probabilities of the categories given all that was learnt.
    fn shares(&mut self, slot: usize, out: &mut Vec<Stmt>) -> Atom {
        let counts = self.read(self.slots[slot].first, out);
        let total = self.call(self.tools.sum, vec![counts.clone()], out);
        self.op(Op::DivR, &counts, &total, out)
    }

    /// Learns from one category of a Dirichlet choice.
    fn learn_category(&mut self, slot: usize, value: &Atom, out: &mut Vec<Stmt>) {
        let counts = self.slots[slot].first;
        let before = self.bind(Type::REAL, Rhs::Op(Op::Index, vec![Atom::Var(counts), value.clone()]), out);
        let after = self.op(Op::AddR, &before, &real(1.0), out);
        let after = mutant!("categories are not counted", before, after);
        self.push(StmtKind::Update(counts, vec![Step::Index(value.clone())], after), out);
    }

    /// Whether a choice of this distribution can be drawn from what is known of its parameter.
    pub(super) fn draws_from(&self, slot: usize, name: &str) -> bool {
        matches!(
            (self.slots[slot].family, name),
            (Family::Beta, "Bernoulli" | "Flip") | (Family::Dirichlet, "Categorical")
        )
    }

    /// `var ~ name(slot)`, drawn given all that was learnt.
    pub(super) fn draw_child(
        &mut self,
        slot: usize,
        (var, site, dist, path): (VarId, SiteId, &DistUse, Vec<Atom>),
        out: &mut Vec<Stmt>,
    ) {
        self.observed(slot);
        let DistUse::Known(id, _) = dist else { return };
        let is_beta = self.slots[slot].family == Family::Beta;
        let parameter = if is_beta { self.heads(slot, out).0 } else { self.shares(slot, out) };
        let rhs = Rhs::Sample { site, dist: DistUse::Known(*id, vec![parameter]), path };
        self.push(StmtKind::Let(var, rhs), out);
        if is_beta {
            self.learn_toss(slot, &Atom::Var(var), out)
        } else {
            self.learn_category(slot, &Atom::Var(var), out)
        }
    }

    /// Whether an observation of this distribution, whose parameter is a multiple of the slot, is learnt from.
    pub(super) fn learns_from(&self, slot: usize, name: &str, ty: Type) -> bool {
        matches!(
            (self.slots[slot].family, name, ty == Type::REAL),
            (Family::Beta, "Bernoulli" | "Flip" | "Binomial", false)
                | (Family::Gamma, "Poisson", false)
                | (Family::Gamma, "Exponential", true)
                | (Family::Dirichlet, "Categorical", false)
        ) && ty.is_scalar()
    }

    /// Learns from an observation, and gives its log density given all that was observed before. `others` are the parameters of the
    /// observation beside the one that is a multiple of the slot.
    pub(super) fn learn(
        &mut self,
        (slot, scale): (usize, &Atom),
        (name, dist): (&str, DistId),
        others: &[Atom],
        value: &Atom,
        out: &mut Vec<Stmt>,
    ) -> Atom {
        self.observed(slot);
        match name {
            "Bernoulli" | "Flip" | "Categorical" => {
                let is_beta = self.slots[slot].family == Family::Beta;
                let parameter = if is_beta { self.heads(slot, out).0 } else { self.shares(slot, out) };
                let func = self.program.dists[dist.0 as usize].logp;
                let rhs = Rhs::Call { func, args: vec![parameter, value.clone()], site: None, path: Vec::new() };
                let weight = self.bind(Type::REAL, rhs, out);
                // What lies outside has no count.
                let seen = self.test(Op::LtR, vec![real(f64::NEG_INFINITY), weight.clone()], out);
                let mut inside = Vec::new();
                if is_beta {
                    self.learn_toss(slot, value, &mut inside);
                } else {
                    self.learn_category(slot, value, &mut inside);
                }
                self.push(StmtKind::If(seen, Block { stmts: inside, ..Block::default() }, Block::default()), out);
                weight
            }
            "Binomial" => self.learn_tosses(slot, &others[0], value, out),
            "Poisson" => self.learn_events(slot, scale, value, out),
            _ => self.learn_wait(slot, scale, value, out),
        }
    }

    /// Weighs and learns where the condition holds; elsewhere the weight is zero.
    fn inside(
        &mut self,
        condition: Atom,
        out: &mut Vec<Stmt>,
        body: impl FnOnce(&mut Self, &mut Vec<Stmt>) -> Atom,
    ) -> Atom {
        let mut stmts = Vec::new();
        let result = body(self, &mut stmts);
        let outside = Block { stmts: Vec::new(), result: real(f64::NEG_INFINITY) };
        self.bind(Type::REAL, Rhs::If(condition, Block { stmts, result }, outside), out)
    }

    /// `k` of `n` tosses are ones: the beta-binomial distribution.
    fn learn_tosses(&mut self, slot: usize, n: &Atom, k: &Atom, out: &mut Vec<Stmt>) -> Atom {
        let none = Atom::Const(Value::Int(0), Type::INT);
        let fits = self.test(Op::LeI, vec![none.clone(), n.clone()], out);
        self.demand(fits, "the parameter `n` of Binomial must not be negative", n, out);
        let above = self.test(Op::LeI, vec![none, k.clone()], out);
        let below = self.test(Op::LeI, vec![k.clone(), n.clone()], out);
        let condition = self.test(Op::And, vec![above, below], out);
        self.inside(condition, out, |delay, out| {
            let (n, k) = (delay.as_real(n, out), delay.as_real(k, out));
            let (a, b) = (delay.read(delay.slots[slot].first, out), delay.read(delay.slots[slot].second, out));
            let rest = delay.op(Op::SubR, &n, &k, out);
            delay.count(slot, &k, &rest, out);
            let (more, fewer) = (delay.read(delay.slots[slot].first, out), delay.read(delay.slots[slot].second, out));
            let ways = delay.call(delay.tools.lchoose, vec![n, k], out);
            let after = delay.call(delay.tools.lbeta, vec![more, fewer], out);
            let before = delay.call(delay.tools.lbeta, vec![a, b], out);
            let ratio = delay.op(Op::SubR, &after, &before, out);
            delay.op(Op::AddR, &ways, &ratio, out)
        })
    }

    /// `k` events at a multiple of the rate: the negative binomial distribution.
    fn learn_events(&mut self, slot: usize, scale: &Atom, k: &Atom, out: &mut Vec<Stmt>) -> Atom {
        let none = Atom::Const(Value::Int(0), Type::INT);
        let condition = self.test(Op::LeI, vec![none, k.clone()], out);
        let fits = self.test(Op::LeR, vec![real(0.0), scale.clone()], out);
        self.demand(fits, "the parameter `rate` of Poisson must not be negative", scale, out);
        self.inside(condition, out, |delay, out| {
            let k = delay.as_real(k, out);
            let (a, b) = (delay.read(delay.slots[slot].first, out), delay.read(delay.slots[slot].second, out));
            delay.count(slot, &k, scale, out);
            let (more, rate) = (delay.read(delay.slots[slot].first, out), delay.read(delay.slots[slot].second, out));
            let next = delay.op(Op::AddR, &k, &real(1.0), out);
            let (up, down) =
                (delay.call(delay.tools.lgamma, vec![more], out), delay.call(delay.tools.lgamma, vec![a.clone()], out));
            let factorial = delay.call(delay.tools.lgamma, vec![next], out);
            let stay = delay.op(Op::DivR, &b, &rate, out);
            let go = delay.op(Op::DivR, scale, &rate, out);
            let stay = delay.call(delay.tools.log, vec![stay], out);
            let stay = delay.op(Op::MulR, &a, &stay, out);
            // No events at a rate of zero are certain.
            let some = delay.test(Op::LtR, vec![real(0.0), k.clone()], out);
            let mut events = Vec::new();
            let log = delay.call(delay.tools.log, vec![go], &mut events);
            let result = delay.op(Op::MulR, &k, &log, &mut events);
            let events = Block { stmts: events, result };
            let go = delay.bind(Type::REAL, Rhs::If(some, events, Block { stmts: Vec::new(), result: real(0.0) }), out);
            let ways = delay.op(Op::SubR, &up, &down, out);
            let ways = delay.op(Op::SubR, &ways, &factorial, out);
            let both = delay.op(Op::AddR, &stay, &go, out);
            delay.op(Op::AddR, &ways, &both, out)
        })
    }

    /// A wait at a multiple of the rate: the Lomax distribution.
    fn learn_wait(&mut self, slot: usize, scale: &Atom, y: &Atom, out: &mut Vec<Stmt>) -> Atom {
        self.demand_positive(scale, "the parameter `rate` of Exponential must be positive and finite", out);
        let above = self.test(Op::LeR, vec![real(0.0), y.clone()], out);
        let below = self.test(Op::LtR, vec![y.clone(), real(f64::INFINITY)], out);
        let condition = self.test(Op::And, vec![above, below], out);
        self.inside(condition, out, |delay, out| {
            let (a, b) = (delay.read(delay.slots[slot].first, out), delay.read(delay.slots[slot].second, out));
            let exposure = delay.op(Op::MulR, scale, y, out);
            delay.count(slot, &real(1.0), &exposure, out);
            let rate = delay.read(delay.slots[slot].second, out);
            let speed = delay.op(Op::MulR, scale, &a, out);
            let speed = delay.op(Op::DivR, &speed, &rate, out);
            let speed = delay.call(delay.tools.log, vec![speed], out);
            let stay = delay.op(Op::DivR, &b, &rate, out);
            let stay = delay.call(delay.tools.log, vec![stay], out);
            let stay = delay.op(Op::MulR, &a, &stay, out);
            delay.op(Op::AddR, &speed, &stay, out)
        })
    }
}
