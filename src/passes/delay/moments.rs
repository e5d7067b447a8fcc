//! Normal choices: their means and covariances, as they are made, carried, observed and drawn.
//!
//! The joint distribution may be degenerate: a variance of zero is a number that is known, so that what is drawn stays in its place.

use super::form::{Affine, Form, Slot, int, real};
use super::{Delay, Family};
use crate::core::ir::{Atom, Block, DistId, DistUse, Op, Rhs, SiteId, Stmt, StmtKind, VarId};
use crate::core::ty::Type;
use crate::value::Value;

/// log sqrt(2 π)
const LOG_ROOT_2_PI: f64 = 0.918_938_533_204_672_7;

impl Delay<'_> {
    /// The slot of a variable, a new one where it has none.
    pub(super) fn slot_for(&mut self, owner: VarId, family: Family, site: Option<(SiteId, Vec<Atom>)>) -> usize {
        if let Some(slot) = self.places.get(&owner) {
            return *slot;
        }
        let named = site.as_ref().and_then(|(site, _)| self.program.sites.get(site.0 as usize));
        let name = named.map_or(self.vars[owner.0 as usize].name, |site| site.name).to_string();
        let declare =
            |delay: &mut Self, what: &str, ty: Type, start: Value| delay.declared(&format!("{name}_{what}"), ty, start);
        let array = Type::REAL.array();
        let (first, second) = match family {
            Family::Normal => {
                let mean = declare(self, "mean", Type::REAL, Value::Real(0.0));
                (mean, mean)
            }
            Family::Dirichlet => {
                let counts = declare(self, "counts", array, Value::reals(Vec::new()));
                (counts, counts)
            }
            Family::Beta | Family::Gamma => {
                let first =
                    declare(self, if family == Family::Beta { "a" } else { "shape" }, Type::REAL, Value::Real(1.0));
                let second =
                    declare(self, if family == Family::Beta { "b" } else { "rate" }, Type::REAL, Value::Real(1.0));
                (first, second)
            }
        };
        let (value, is_drawn) = match family {
            Family::Normal => (first, first),
            Family::Dirichlet => (
                declare(self, "value", array, Value::reals(Vec::new())),
                declare(self, "drawn", Type::BOOL, Value::Bool(false)),
            ),
            _ => (
                declare(self, "value", Type::REAL, Value::Real(0.0)),
                declare(self, "drawn", Type::BOOL, Value::Bool(false)),
            ),
        };
        let loops = self.loops.clone();
        let slot =
            Slot { owner, family, site, first, second, value, is_drawn, loops, uses: Vec::new(), was_drawn: false };
        self.slots.push(slot);
        self.places.insert(owner, self.slots.len() - 1);
        self.slots.len() - 1
    }

    /// The normal slots that may depend on this one and are needed later, with those that are needed now.
    fn joint(&mut self, slot: usize, now: &[usize]) -> Vec<usize> {
        let owner = self.slots[slot].owner;
        let group = self.groups.of(owner);
        let same = |k: &usize| {
            self.slots[*k].family == Family::Normal
                && self.groups.of(self.slots[*k].owner) == group
                && (now.contains(k) || self.is_needed(*k))
        };
        let joint: Vec<usize> = (0..self.slots.len()).filter(same).collect();
        self.findings.joint.push((owner, joint.len()));
        joint
    }

    /// Whether what a slot holds may be asked for after the present statement.
    fn is_needed(&self, slot: usize) -> bool {
        let owner = self.slots[slot].owner;
        // In scope, and mentioned later in the text, or perhaps earlier in a loop around.
        let alive = |var: &VarId| {
            if self.current.contains(var) {
                return true;
            }
            let bound = self.bound.get(var).map_or(&[][..], Vec::as_slice);
            let later = self.remaining.get(var.0 as usize).is_some_and(|count| *count > 0);
            self.loops.starts_with(bound) && (later || self.loops.len() > bound.len())
        };
        let changes = self.overwritten.contains(&owner) && !self.current.contains(&owner);
        let carried = self.carried.contains(&owner) && alive(&owner) && !changes;
        let through =
            |(var, form): (&VarId, &Form)| !self.carried.contains(var) && form.slots().contains(&slot) && alive(var);
        carried || self.forms.iter().any(through)
    }

    fn covariance(&mut self, i: usize, j: usize) -> VarId {
        let key = (i.min(j), i.max(j));
        if let Some(var) = self.covariances.get(&key) {
            return *var;
        }
        let name = |delay: &Self, k: usize| {
            let slot = &delay.slots[k];
            let named = slot.site.as_ref().and_then(|(site, _)| delay.program.sites.get(site.0 as usize));
            named.map_or(delay.vars[slot.owner.0 as usize].name, |site| site.name)
        };
        let text = if i == j {
            format!("{}_variance", name(self, i))
        } else {
            format!("{}_{}_covariance", name(self, key.0), name(self, key.1))
        };
        let var = self.declared(&text, Type::REAL, Value::Real(0.0));
        self.covariances.insert(key, var);
        var
    }

    /// Notes that slots are jointly distributed.
    fn join(&mut self, slots: &[usize]) {
        for pair in slots.windows(2) {
            self.findings.joined.insert((self.slots[pair[0]].owner, self.slots[pair[1]].owner));
        }
    }

    /// The mean of a form.
    pub(super) fn mean_of(&mut self, form: &Affine, out: &mut Vec<Stmt>) -> Atom {
        let mut total = form.constant.clone();
        for (slot, coefficient) in &form.terms {
            let mean = self.read(self.slots[*slot].first, out);
            let term = self.op(Op::MulR, coefficient, &mean, out);
            total = self.op(Op::AddR, &total, &term, out);
        }
        total
    }

    /// The covariance of a form with each of these slots.
    fn covariances_of(&mut self, form: &Affine, slots: &[usize], out: &mut Vec<Stmt>) -> Vec<Atom> {
        let mut all = Vec::with_capacity(slots.len());
        for j in slots {
            let mut total = real(0.0);
            for (k, coefficient) in &form.terms {
                let var = self.covariance(*k, *j);
                let covariance = self.read(var, out);
                let term = self.op(Op::MulR, coefficient, &covariance, out);
                total = self.op(Op::AddR, &total, &term, out);
            }
            all.push(total);
        }
        all
    }

    /// The variance of a form, from its covariances with some slots, its own among them.
    fn variance_of(&mut self, form: &Affine, slots: &[usize], covariances: &[Atom], out: &mut Vec<Stmt>) -> Atom {
        let mut total = real(0.0);
        for (k, coefficient) in &form.terms {
            let Some(place) = slots.iter().position(|slot| slot == k) else { continue };
            let coefficient = mutant!("coefficients are not squared", &real(1.0), coefficient);
            let term = self.op(Op::MulR, coefficient, &covariances[place].clone(), out);
            total = self.op(Op::AddR, &total, &term, out);
        }
        total
    }

    /// Makes a slot what a form is, plus independent noise of this variance.
    pub(super) fn set_slot(&mut self, target: usize, form: &Affine, noise: Option<&Atom>, out: &mut Vec<Stmt>) {
        let mut mentioned: Vec<usize> = form.terms.iter().map(|(slot, _)| *slot).collect();
        mentioned.push(target);
        self.join(&mentioned);
        let joint = self.joint(target, &mentioned);
        let mean = self.mean_of(form, out);
        let covariances = self.covariances_of(form, &joint, out);
        let mut variance = self.variance_of(form, &joint, &covariances, out);
        if let Some(noise) = noise {
            variance = self.op(Op::AddR, &variance, noise, out);
        }
        self.assign(self.slots[target].first, mean, out);
        for (j, covariance) in joint.iter().zip(covariances) {
            if *j != target && !self.is_needed(*j) {
                continue;
            }
            let var = self.covariance(target, *j);
            self.assign(var, if *j == target { variance.clone() } else { covariance }, out);
        }
    }

    /// `owner ~ Normal(mu, sigma)`, not drawn.
    pub(super) fn make_normal(&mut self, slot: usize, mu: &Affine, sigma: &Atom, out: &mut Vec<Stmt>) {
        self.demand_positive(sigma, "the parameter `sigma` of Normal must be positive and finite", out);
        let mean = self.mean_of(mu, out);
        self.demand_finite(&mean, out);
        let noise = self.op(Op::MulR, sigma, sigma, out);
        self.set_slot(slot, mu, Some(&noise), out);
    }

    fn demand_finite(&mut self, mean: &Atom, out: &mut Vec<Stmt>) {
        if let Atom::Const(Value::Real(x), _) = mean
            && x.is_finite()
        {
            return;
        }
        let difference = self.bind(Type::REAL, Rhs::Op(Op::SubR, vec![mean.clone(), mean.clone()]), out);
        let finite = self.test(Op::EqR, vec![difference, real(0.0)], out);
        self.demand(finite, "the parameter `mu` of Normal must be finite", mean, out);
    }

    /// Learns from an observation of `Normal(mu, sigma)`, and gives its log density given all that was observed before.
    pub(super) fn condition(&mut self, mu: &Affine, sigma: &Atom, y: &Atom, out: &mut Vec<Stmt>) -> Atom {
        let mentioned: Vec<usize> = mu.terms.iter().map(|(slot, _)| *slot).collect();
        self.join(&mentioned);
        for slot in &mentioned {
            self.findings.observed.push((self.slots[*slot].owner, self.span));
        }
        self.demand_positive(sigma, "the parameter `sigma` of Normal must be positive and finite", out);
        let joint = self.joint(mentioned[0], &mentioned);
        let kept: Vec<usize> = joint.iter().copied().filter(|k| self.is_needed(*k)).collect();
        let mean = self.mean_of(mu, out);
        self.demand_finite(&mean, out);
        let covariances = self.covariances_of(mu, &joint, out);
        let own = self.variance_of(mu, &joint, &covariances, out);
        let noise = self.op(Op::MulR, sigma, sigma, out);
        let total = self.op(Op::AddR, &own, &noise, out);
        let predicted = mutant!("the predictive lacks the variance of the prior", noise.clone(), total.clone());
        let away = self.op(Op::SubR, y, &mean, out);
        // The log density, as that of `Normal` is written.
        let sd = self.call(self.tools.sqrt, vec![predicted], out);
        let finite = self.bind(Type::REAL, Rhs::Op(Op::SubR, vec![y.clone(), y.clone()]), out);
        let finite = self.test(Op::EqR, vec![finite, real(0.0)], out);
        let mut inside = Vec::new();
        let z = self.op(Op::DivR, &away, &sd, &mut inside);
        let half = self.op(Op::MulR, &real(-0.5), &z, &mut inside);
        let square = self.op(Op::MulR, &half, &z, &mut inside);
        let log = self.call(self.tools.log, vec![sd], &mut inside);
        let density = self.op(Op::SubR, &square, &log, &mut inside);
        let density = self.op(Op::SubR, &density, &real(LOG_ROOT_2_PI), &mut inside);
        let inside = Block { stmts: inside, result: density };
        let outside = Block { stmts: Vec::new(), result: real(f64::NEG_INFINITY) };
        let weight = self.bind(Type::REAL, Rhs::If(finite, inside, outside), out);
        // The gain of each slot, and what is left of the covariances.
        let gain = self.op(Op::DivR, &away, &total, out);
        // What is left is the same share of all that has to do with a single term, which never becomes negative.
        let single = mentioned.len() == 1;
        let share = if single { Some(self.op(Op::DivR, &noise, &total, out)) } else { None };
        let mut assigned = Vec::new();
        for (a, i) in joint.iter().enumerate().filter(|(_, i)| kept.contains(i)) {
            let mean = self.read(self.slots[*i].first, out);
            let step = self.op(Op::MulR, &covariances[a].clone(), &gain, out);
            let moved = mutant!("means do not move", mean.clone(), self.op(Op::AddR, &mean, &step, out));
            assigned.push((self.slots[*i].first, moved));
            for (b, j) in joint.iter().enumerate().skip(a).filter(|(_, j)| kept.contains(j)) {
                let var = self.covariance(*i, *j);
                let before = self.read(var, out);
                let after = match &share {
                    Some(share) if *i == mentioned[0] || *j == mentioned[0] => self.op(Op::MulR, &before, share, out),
                    _ => {
                        let product = self.op(Op::MulR, &covariances[a].clone(), &covariances[b].clone(), out);
                        let lost = self.op(Op::DivR, &product, &total, out);
                        self.op(Op::SubR, &before, &lost, out)
                    }
                };
                assigned.push((var, mutant!("variances do not shrink", before, after)));
            }
        }
        for (var, atom) in assigned {
            self.assign(var, atom, out);
        }
        weight
    }

    /// Weighs by each element of an array, and gives the sum of the log densities. `parts` must have its length where they are arrays.
    pub(super) fn for_each(
        &mut self,
        y: &Atom,
        parts: &[Atom],
        out: &mut Vec<Stmt>,
        weigh: impl FnOnce(&mut Self, &Atom, &Atom, &mut Vec<Stmt>) -> Atom,
    ) -> Atom {
        let len = self.bind(Type::INT, Rhs::Op(Op::Len, vec![y.clone()]), out);
        self.demand_lengths(&len, parts, out);
        let total = self.declared("weight", Type::REAL, Value::Real(0.0));
        self.assign(total, real(0.0), out);
        let index = self.fresh("i", Type::INT, false);
        let at = Atom::Var(index);
        let mut body = Vec::new();
        let y = self.element(y, &at, &mut body);
        let weight = self.within_loop(|delay| weigh(delay, &at, &y, &mut body));
        self.add_to(total, weight, &mut body);
        let body = Block { stmts: body, result: Atom::default() };
        self.push(StmtKind::For { var: index, low: int(0), high: len, body }, out);
        self.read(total, out)
    }

    /// As [`Delay::condition`], of each element of an array.
    pub(super) fn condition_all(&mut self, mu: &Affine, sigma: &Atom, y: &Atom, out: &mut Vec<Stmt>) -> Atom {
        let parts: Vec<Atom> =
            std::iter::once(&mu.constant).chain(mu.terms.iter().map(|(_, c)| c)).chain([sigma]).cloned().collect();
        self.for_each(y, &parts, out, |delay, at, y, body| {
            let sigma = delay.element(sigma, at, body);
            let mu = delay.element_of(mu, at, body);
            delay.condition(&mu, &sigma, y, body)
        })
    }

    /// Adds to a mutable variable.
    pub(super) fn add_to(&mut self, total: VarId, weight: Atom, out: &mut Vec<Stmt>) {
        let before = self.read(total, out);
        let sum = self.bind(Type::REAL, Rhs::Op(Op::AddR, vec![before, weight]), out);
        self.assign(total, sum, out);
    }

    /// Stops the run unless the arrays among these have this length.
    pub(super) fn demand_lengths(&mut self, len: &Atom, parts: &[Atom], out: &mut Vec<Stmt>) {
        for part in parts {
            if self.type_of(part).element().is_some() {
                let own = self.bind(Type::INT, Rhs::Op(Op::Len, vec![part.clone()]), out);
                let same = self.test(Op::EqI, vec![own, len.clone()], out);
                let text = "the observed array and the parameters of its distribution differ in length";
                let text = Atom::Const(Value::string(text), Type::STR);
                self.bind(Type::UNIT, Rhs::Op(Op::Assert, vec![same, text]), out);
            }
        }
    }

    /// Draws a normal slot given all that was learnt, unless it is known, and gives its number.
    fn draw_normal(&mut self, slot: usize, out: &mut Vec<Stmt>) -> Atom {
        let joint = self.joint(slot, &[slot]);
        let mean_var = self.slots[slot].first;
        let mean = self.read(mean_var, out);
        let own = self.covariance(slot, slot);
        let group = self.groups.of(self.slots[slot].owner);
        // What carries others is drawn by the site of one of them.
        let ours = |(var, _): &(&VarId, &super::Candidate)| self.groups.of(**var) == group;
        let (site, path) = match self.slots[slot].site.clone() {
            Some(site) => site,
            None => match self.choices.iter().find(ours) {
                Some((_, candidate)) => (candidate.site, Vec::new()),
                // Nothing random ever comes here.
                None => return mean,
            },
        };
        let Some(dist) = self.normal() else { return mean };
        let variance = self.read(own, out);
        let unknown = self.test(Op::LtR, vec![real(0.0), variance.clone()], out);
        let mut inside = Vec::new();
        let sd = self.call(self.tools.sqrt, vec![variance.clone()], &mut inside);
        let centre = mutant!("values are drawn around zero", real(0.0), mean.clone());
        let rhs = Rhs::Sample { site, dist: DistUse::Known(dist, vec![centre, sd]), path };
        let x = self.bind(Type::REAL, rhs, &mut inside);
        // All that depends on it learns its value.
        let away = self.op(Op::SubR, &x, &mean, &mut inside);
        let others: Vec<usize> = joint.iter().copied().filter(|k| *k != slot).collect();
        let mut covariances = Vec::new();
        for k in &others {
            let var = self.covariance(slot, *k);
            covariances.push(self.read(var, &mut inside));
        }
        let gain = self.op(Op::DivR, &away, &variance, &mut inside);
        let mut assigned = Vec::new();
        for (a, i) in others.iter().enumerate() {
            let before = self.read(self.slots[*i].first, &mut inside);
            let step = self.op(Op::MulR, &covariances[a].clone(), &gain, &mut inside);
            let moved = self.op(Op::AddR, &before, &step, &mut inside);
            assigned.push((
                self.slots[*i].first,
                mutant!("what depends on a drawn value does not learn it", before, moved),
            ));
            for (b, j) in others.iter().enumerate().skip(a) {
                let var = self.covariance(*i, *j);
                let before = self.read(var, &mut inside);
                let product = self.op(Op::MulR, &covariances[a].clone(), &covariances[b].clone(), &mut inside);
                let lost = self.op(Op::DivR, &product, &variance, &mut inside);
                let after = self.op(Op::SubR, &before, &lost, &mut inside);
                assigned.push((var, after));
            }
        }
        for (var, atom) in assigned {
            self.assign(var, atom, &mut inside);
        }
        let inside = Block { stmts: inside, result: x };
        let x = self.bind(Type::REAL, Rhs::If(unknown, inside, Block { stmts: Vec::new(), result: mean }), out);
        self.assign(mean_var, x.clone(), out);
        for k in joint {
            let var = self.covariance(slot, k);
            self.assign(var, real(0.0), out);
        }
        x
    }

    /// The scalar normal distribution of the library, which a choice of this function uses.
    fn normal(&self) -> Option<DistId> {
        let mut found = None;
        crate::passes::walk::every_stmt(&self.function.body, &mut |stmt| {
            if let StmtKind::Let(var, Rhs::Sample { dist: DistUse::Known(id, _), .. }) = &stmt.kind
                && self.choices.get(var).is_some_and(|choice| choice.family == Family::Normal)
            {
                found = Some(*id);
            }
        });
        found
    }

    /// The number of a slot, drawn if it is not known.
    pub(super) fn draw(&mut self, slot: usize, out: &mut Vec<Stmt>) -> Atom {
        let owner = self.slots[slot].owner;
        if let Some(known) = self.numbers.get(&owner) {
            return known.clone();
        }
        self.findings.drawn.entry(owner).or_insert(self.span);
        let number = match self.slots[slot].family {
            Family::Normal => self.draw_normal(slot, out),
            _ => self.draw_counted(slot, out),
        };
        self.numbers.insert(owner, number.clone());
        number
    }

    /// The number or array that a form stands for, drawn as far as it is not known.
    pub(super) fn number_of(&mut self, form: &Form, out: &mut Vec<Stmt>) -> Atom {
        match form {
            Form::Affine(affine) => {
                let mut total = affine.constant.clone();
                for (slot, coefficient) in &affine.terms {
                    let value = self.draw(*slot, out);
                    let term = self.op(Op::MulR, coefficient, &value, out);
                    total = self.op(Op::AddR, &total, &term, out);
                }
                total
            }
            Form::Scaled(slot, scale) => {
                let value = self.draw(*slot, out);
                if self.type_of(&value) == Type::REAL { self.op(Op::MulR, scale, &value, out) } else { value }
            }
            Form::Dist(id, args) => {
                let numbers = args.iter().map(|arg| self.number_of(arg, out)).collect();
                let ty = self.program.dists[id.0 as usize].value.dist();
                self.bind(ty, Rhs::Dist(*id, numbers), out)
            }
        }
    }

    /// The number of a variable, drawn if it is not known.
    pub(super) fn number(&mut self, var: VarId, out: &mut Vec<Stmt>) -> Atom {
        if let Some(known) = self.numbers.get(&var) {
            return known.clone();
        }
        let Some(form) = self.forms.get(&var).cloned() else { return Atom::Var(var) };
        let number = self.number_of(&form, out);
        self.numbers.insert(var, number.clone());
        number
    }
}
