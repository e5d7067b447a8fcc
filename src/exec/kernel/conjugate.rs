//! Conjugacy: log densities that are linear in statistics of which an exact posterior follows.
//!
//! Each node of a graph is read as a sum of products of powers, exponentials and logarithms of coordinates, whose coefficients follow
//! from the data. Where the log density is such a sum, and the products that occur are those of a normal, gamma, beta or Dirichlet
//! density, or of normal densities whose scale is a gamma variable, the posterior is of that family whatever the coefficients are
//! (Diaconis and Ylvisaker 1979). Only what occurs is read here; the coefficients are found from the density itself.

use super::axis;
use super::graph::{F, Graph, Id, Linear, Op, Reduction, Shape};
use super::trace::Traced;
use crate::model::density::Block;
use std::collections::{BTreeMap, BTreeSet};

/// A function of one coordinate, or of the coordinates of one point of a simplex.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum What {
    /// The coordinate `x`.
    X,
    /// `exp(h x / 2)`
    Exp(i32),
    /// `σ(x)`, the logistic function.
    Share,
    /// `σ(-x)`
    Rest,
    LogShare,
    LogRest,
    /// A part of a point of a simplex.
    Part,
    LogPart,
}

/// A function of a variable: coordinates that lie along the same axes.
type Factor = (u32, What);

/// A product of functions, in order; the empty one is a constant.
type Term = Vec<Factor>;

/// What a node is a sum of.
#[derive(Clone, PartialEq, Debug)]
struct Form {
    terms: BTreeSet<Term>,
    /// At each position one term, not a sum of several.
    single: bool,
    /// A variable with axes occurs at the position of the node itself only, not at others.
    aligned: bool,
    /// The coefficient of a single term, where it is one number.
    exact: Option<f64>,
}

/// What is known of a node so far.
#[derive(Clone, PartialEq, Debug)]
enum Known {
    Nothing,
    Form(Form),
    /// Something else.
    Other,
}

/// More terms, or longer ones, are of no family.
const MOST_TERMS: usize = 300;
const LONGEST: usize = 4;

/// Larger normal blocks are left to samplers: their matrices take memory by the square of their size.
const LARGEST_NORMAL: usize = 1_500;

impl Form {
    fn of(terms: BTreeSet<Term>, single: bool, aligned: bool, exact: Option<f64>) -> Known {
        if terms.len() > MOST_TERMS || terms.iter().any(|term| term.len() > LONGEST) {
            return Known::Other;
        }
        Known::Form(Form { terms, single, aligned, exact })
    }

    fn one(factor: Factor) -> Known {
        Form::of([vec![factor]].into(), true, true, Some(1.0))
    }

    fn constant(number: Option<f64>) -> Form {
        Form { terms: [Term::new()].into(), single: true, aligned: true, exact: number }
    }

    fn is_constant(&self) -> bool {
        self.terms.iter().all(Vec::is_empty)
    }

    /// The only term of a form that is one.
    fn only(&self) -> Option<&Term> {
        self.terms.first().filter(|_| self.single && self.terms.len() == 1)
    }

    /// The only factor of a form that is a number times it.
    fn factor(&self) -> Option<(Factor, f64)> {
        match self.only()?.as_slice() {
            [factor] => Some((*factor, self.exact?)),
            _ => None,
        }
    }
}

struct Reader<'a> {
    graph: &'a Graph,
    known: Vec<Known>,
    /// The coordinates of each variable: the first and their number.
    variables: BTreeMap<u32, usize>,
}

impl Reader<'_> {
    /// Whether the axes of a variable matter.
    fn is_array(&self, term: &Term) -> bool {
        term.iter().any(|(v, _)| self.variables.get(v).is_none_or(|n| *n > 1))
    }

    fn arg(&self, id: Id) -> Known {
        let node = self.graph.node(id);
        if node.constant {
            return Known::Form(Form::constant(self.graph.number(id)));
        }
        self.known[id.0 as usize].clone()
    }

    fn product(&self, a: &Form, b: &Form) -> Known {
        if a.is_constant() || b.is_constant() {
            let (form, by) = if b.is_constant() { (a, b) } else { (b, a) };
            let exact = form.exact.zip(by.exact).map(|(x, y)| x * y);
            return Form::of(form.terms.clone(), form.single, form.aligned, exact);
        }
        let aligned = a.aligned && b.aligned;
        let mut terms = BTreeSet::new();
        for x in &a.terms {
            for y in &b.terms {
                let Some(term) = self.joined(x, y, aligned) else { return Known::Other };
                terms.insert(term);
            }
        }
        let exact = a.exact.zip(b.exact).map(|(x, y)| x * y);
        Form::of(terms, a.single && b.single, aligned, exact)
    }

    /// The product of two terms; exponentials of one variable are one, where they are of one coordinate.
    fn joined(&self, x: &Term, y: &Term, aligned: bool) -> Option<Term> {
        let mut out = x.clone();
        for (v, what) in y {
            let place =
                out.iter().position(|(u, other)| u == v && matches!((other, what), (What::Exp(_), What::Exp(_))));
            match (place, what) {
                (Some(place), What::Exp(h)) => {
                    if !aligned && self.variables.get(v).is_none_or(|n| *n > 1) {
                        return None;
                    }
                    if let What::Exp(g) = out[place].1 {
                        out[place].1 = What::Exp(g + h);
                    }
                }
                _ => out.push((*v, *what)),
            }
        }
        out.retain(|(_, what)| *what != What::Exp(0));
        out.sort();
        (out.len() <= LONGEST).then_some(out)
    }

    /// A power of a term of exponentials.
    fn power(&self, form: &Form, k: f64) -> Known {
        let Some(term) = form.only() else { return Known::Other };
        let mut out = Term::new();
        for (v, what) in term {
            let What::Exp(h) = what else { return Known::Other };
            let h = f64::from(*h) * k;
            if h != h.trunc() || h.abs() > 64.0 {
                return Known::Other;
            }
            out.push((*v, What::Exp(h as i32)));
        }
        Form::of([out].into(), true, form.aligned, form.exact.map(|c| c.powf(k)))
    }

    fn sum(&self, parts: &[Known]) -> Known {
        let mut terms = BTreeSet::new();
        let mut aligned = true;
        let mut any = false;
        for part in parts {
            match part {
                // What a loop carries is known once its body was read.
                Known::Nothing => {}
                Known::Other => return Known::Other,
                Known::Form(form) => {
                    any = true;
                    terms.extend(form.terms.iter().cloned());
                    aligned &= form.aligned;
                }
            }
        }
        if any { Form::of(terms, false, aligned, None) } else { Known::Nothing }
    }

    /// One of several forms at each position.
    fn either(&self, parts: &[Known], aligned: bool) -> Known {
        let Known::Form(mut sum) = self.sum(parts) else { return self.sum(parts) };
        let forms = || parts.iter().filter_map(|part| if let Known::Form(form) = part { Some(form) } else { None });
        sum.single = sum.terms.len() == 1 && forms().all(|form| form.single);
        let mut exact = forms().map(|form| form.exact);
        sum.exact = exact.next().flatten().filter(|first| sum.single && exact.all(|other| other == Some(*first)));
        sum.aligned &= aligned || !sum.terms.iter().any(|term| self.is_array(term));
        Known::Form(sum)
    }

    fn logarithm(&self, form: &Form) -> Known {
        let Some(term) = form.only() else { return Known::Other };
        let mut terms = BTreeSet::new();
        for (v, what) in term {
            terms.insert(vec![match what {
                What::Exp(_) => (*v, What::X),
                What::Share => (*v, What::LogShare),
                What::Rest => (*v, What::LogRest),
                What::Part => (*v, What::LogPart),
                _ => return Known::Other,
            }]);
        }
        let alone = terms.len() == 1 && form.exact == Some(1.0);
        let exact = match term.as_slice() {
            [(_, What::Exp(h))] if alone => Some(f64::from(*h) / 2.0),
            [_] if alone => Some(1.0),
            _ => None,
        };
        if exact.is_none() {
            terms.insert(Term::new());
        }
        Form::of(terms, exact.is_some(), form.aligned, exact)
    }

    /// Another function of the one coordinate that a form is, by its sign.
    fn of_coordinate(&self, form: &Form, plus: What, minus: What) -> Known {
        match form.factor() {
            Some(((v, What::X), 1.0)) => Form::one((v, plus)),
            Some(((v, What::X), -1.0)) => Form::one((v, minus)),
            _ => Known::Other,
        }
    }

    fn negated(&self, form: &Form) -> Known {
        Known::Form(Form { exact: form.exact.map(|c| -c), ..form.clone() })
    }

    fn primitive(&self, name: &str, form: &Form) -> Known {
        match name {
            "exp" => match form.factor() {
                Some(((v, What::X), c)) if (2.0 * c).trunc() == 2.0 * c && c.abs() < 32.0 => {
                    Form::one((v, What::Exp((2.0 * c) as i32)))
                }
                _ => Known::Other,
            },
            "log" => self.logarithm(form),
            "sqrt" => self.power(form, 0.5),
            "square" => self.product(form, form),
            "inv_logit" => self.of_coordinate(form, What::Share, What::Rest),
            "log_inv_logit" => self.of_coordinate(form, What::LogShare, What::LogRest),
            "log1m_inv_logit" => self.of_coordinate(form, What::LogRest, What::LogShare),
            "log1p_exp" => match self.of_coordinate(form, What::LogRest, What::LogShare) {
                Known::Form(form) => self.negated(&form),
                other => other,
            },
            "log1m" | "log1p" => {
                let sign = if name == "log1m" { 1.0 } else { -1.0 };
                match form.factor() {
                    Some(((v, What::Share), c)) if c == sign => Form::one((v, What::LogRest)),
                    Some(((v, What::Rest), c)) if c == sign => Form::one((v, What::LogShare)),
                    _ => Known::Other,
                }
            }
            _ => Known::Other,
        }
    }

    fn map(&self, f: F, args: &[Id]) -> Known {
        let parts: Vec<Known> = args.iter().map(|arg| self.arg(*arg)).collect();
        if parts.contains(&Known::Other) && f != F::Select {
            return Known::Other;
        }
        match (f, parts.as_slice()) {
            (F::Add, _) => self.sum(&parts),
            (F::Sub, [Known::Form(one), Known::Form(form)]) if one.is_constant() && one.exact == Some(1.0) => {
                match form.factor() {
                    Some(((v, What::Share), 1.0)) => Form::one((v, What::Rest)),
                    Some(((v, What::Rest), 1.0)) => Form::one((v, What::Share)),
                    _ => self.sum(&parts),
                }
            }
            (F::Sub, _) => self.sum(&parts),
            (F::Select, [condition, a, b]) => match condition {
                Known::Form(c) if c.is_constant() => self.either(&[a.clone(), b.clone()], true),
                _ if args[1] == args[2] => a.clone(),
                _ => Known::Other,
            },
            (_, parts) if parts.contains(&Known::Nothing) => Known::Nothing,
            (F::Neg, [Known::Form(form)]) => self.negated(form),
            (F::Detach, [Known::Form(form)]) => Known::Form(form.clone()),
            (F::Mul | F::Mask, [Known::Form(a), Known::Form(b)]) => self.product(a, b),
            (F::Div, [Known::Form(a), Known::Form(b)]) => {
                let inverse = if b.is_constant() {
                    Known::Form(Form::constant(b.exact.map(|c| 1.0 / c)))
                } else {
                    self.power(b, -1.0)
                };
                match inverse {
                    Known::Form(inverse) => self.product(a, &inverse),
                    other => other,
                }
            }
            (F::Pow, [Known::Form(a), Known::Form(k)]) => match k.exact.filter(|_| k.is_constant()) {
                Some(2.0) => self.product(a, a),
                Some(k) => self.power(a, k),
                None => Known::Other,
            },
            (F::Prim(row), [Known::Form(form)]) => {
                let name = crate::prim::row(row as usize).map_or("", |row| row.name());
                self.primitive(name, form)
            }
            (F::Prim(row), [Known::Form(by), Known::Form(form)]) => {
                let name = match crate::prim::row(row as usize).map_or("", |row| row.name()) {
                    "xlogy" => "log",
                    "xlog1py" => "log1p",
                    _ => return Known::Other,
                };
                match self.primitive(name, form) {
                    Known::Form(form) if by.is_constant() => self.product(by, &form),
                    _ => Known::Other,
                }
            }
            _ => Known::Other,
        }
    }

    /// A node as its operands are known.
    fn read(&self, id: Id) -> Known {
        let node = self.graph.node(id);
        let arg = |k: usize| self.arg(node.args[k]);
        let constant = |k: usize| self.graph.is_constant(node.args[k]);
        // The same values elsewhere, or sums of them.
        let moved = |known: Known, single: bool| match known {
            Known::Form(form) => {
                let aligned = form.aligned && !form.terms.iter().any(|term| self.is_array(term));
                let exact = form.exact.filter(|_| single);
                Known::Form(Form { single: form.single && single, aligned, exact, ..form })
            }
            other => other,
        };
        match &node.op {
            Op::Scalar(_) | Op::Data(_) | Op::Count(..) => Known::Form(Form::constant(self.graph.number(id))),
            Op::Input(offset) => Form::one((*offset, What::X)),
            Op::Map(f) => self.map(*f, &node.args),
            Op::Reduce(Reduction::Sum, _) => moved(arg(0), false),
            Op::Contract(over) => {
                let mut total = Known::Form(Form::constant(Some(1.0)));
                for arg in &node.args {
                    total = match (total, self.arg(*arg)) {
                        (Known::Form(a), Known::Form(b)) => self.product(&a, &b),
                        (Known::Other, _) | (_, Known::Other) => return Known::Other,
                        _ => return Known::Nothing,
                    };
                }
                if over.is_empty() { total } else { moved(total, false) }
            }
            Op::Take(_) if constant(1) => moved(arg(0), true),
            Op::Rename(..) => moved(arg(0), true),
            Op::Spread { .. } if constant(1) => moved(arg(0), false),
            Op::Stack(_) | Op::Join(..) => {
                let parts: Vec<Known> = node.args.iter().map(|id| self.arg(*id)).collect();
                self.either(&parts, false)
            }
            Op::Constrain { shape: Shape::Simplex, .. } => match self.graph.node(node.args[0]).op {
                Op::Input(offset) => Form::one((offset, What::Part)),
                _ => Known::Other,
            },
            Op::Jacobian { shape: Shape::Simplex, .. } => match self.graph.node(node.args[0]).op {
                // The density of a uniform point of the simplex in these coordinates is the product of its parts.
                Op::Input(offset) => moved(Form::one((offset, What::LogPart)), false),
                _ => Known::Other,
            },
            Op::Linear(Linear::SolveLower { .. } | Linear::SolveUpper { .. }) if constant(0) => moved(arg(1), false),
            Op::State(scan, k) | Op::Last(scan, k) => {
                let scan = &self.graph.scans[*scan as usize];
                let parts = [self.arg(scan.first[*k as usize]), self.arg(scan.next[*k as usize])];
                moved(self.sum(&parts), false)
            }
            Op::Later(number) => match self.graph.later[*number as usize] {
                Some(id) => self.arg(id),
                None => Known::Other,
            },
            _ => Known::Other,
        }
    }
}

impl Reader<'_> {
    /// Whether a condition holds for all values of the choices, or follows from the data: where those violate it the density is zero
    /// everywhere.
    fn holds(&self, id: Id) -> bool {
        let node = self.graph.node(id);
        let finite = |zero: Id, difference: Id| {
            // `x - x == 0`: the number is finite. Forms are, at finite coordinates.
            let Op::Map(F::Sub) = self.graph.node(difference).op else { return false };
            let [a, b] = self.graph.node(difference).args[..] else { return false };
            self.graph.number(zero) == Some(0.0) && a == b && matches!(self.arg(a), Known::Form(_))
        };
        match (&node.op, node.args.as_slice()) {
            (Op::Scalar(_), _) => self.graph.number(id) == Some(1.0),
            (Op::Map(F::And), args) | (Op::Reduce(Reduction::Min, _), args)
                if args.iter().all(|arg| self.holds(*arg)) =>
            {
                true
            }
            (Op::Map(F::Eq), [a, b]) if finite(*a, *b) || finite(*b, *a) => true,
            _ => !needed(self.graph, &[id]).iter().any(|id| matches!(self.graph.node(*id).op, Op::Input(_))),
        }
    }
}

/// The nodes that a node depends on, the node itself among them, in the order in which they were made.
fn needed(graph: &Graph, roots: &[Id]) -> Vec<Id> {
    let mut found = BTreeSet::new();
    let mut queue = roots.to_vec();
    while let Some(id) = queue.pop() {
        let node = graph.node(id);
        if node.constant || !found.insert(id) {
            continue;
        }
        queue.extend(&node.args);
        match node.op {
            Op::Later(number) => queue.extend(graph.later[number as usize]),
            Op::State(scan, _) | Op::Last(scan, _) => {
                let scan = &graph.scans[scan as usize];
                queue.extend(scan.first.iter().chain(&scan.next));
            }
            _ => {}
        }
    }
    found.into_iter().collect()
}

/// The families of the posterior of a program that was traced with natural forms; none where it is of no known one.
pub fn blocks(traced: &Traced) -> Option<Vec<Block>> {
    let graph = &traced.graph;
    if traced.dim == 0 || !traced.finite.is_empty() {
        return None;
    }
    let roots = [traced.density, traced.jacobian];
    let conditions = traced.conditions.iter().copied();
    let needed = needed(graph, &roots.into_iter().chain(conditions).collect::<Vec<Id>>());
    let mut variables = BTreeMap::new();
    for id in &needed {
        if let Op::Input(offset) = graph.node(*id).op {
            variables.insert(offset, axis::size(graph.axes(*id)));
        }
    }
    if variables.values().sum::<usize>() != traced.dim {
        return None;
    }
    let mut reader = Reader { graph, known: vec![Known::Nothing; graph.nodes.len()], variables };
    // Terms are only ever added, so that this ends; what needs many rounds is of no family.
    for round in 0.. {
        let mut changed = false;
        for id in &needed {
            let new = reader.read(*id);
            let old = &mut reader.known[id.0 as usize];
            if *old != new {
                *old = new;
                changed = true;
            }
        }
        if !changed {
            break;
        }
        if round > 20 {
            return None;
        }
    }
    if !traced.conditions.iter().all(|condition| reader.holds(*condition)) {
        return None;
    }
    let parts: Vec<Known> = roots.iter().map(|id| reader.arg(*id)).collect();
    let Known::Form(total) = reader.sum(&parts) else { return None };
    families(graph, &needed, &reader.variables, &total.terms)
}

/// What is known of a variable from the terms in which it occurs.
#[derive(Default)]
struct Role {
    /// `x` alone.
    linear: bool,
    /// Products of two coordinates.
    quadratic: bool,
    exponential: BTreeSet<i32>,
    share: bool,
    part: bool,
    /// The variable and its power that scale every term of this one.
    scales: BTreeSet<(u32, i32)>,
    /// Occurs with other variables that are not its scale, or without one.
    unscaled: bool,
}

fn families(
    graph: &Graph,
    needed: &[Id],
    variables: &BTreeMap<u32, usize>,
    terms: &BTreeSet<Term>,
) -> Option<Vec<Block>> {
    let mut roles: BTreeMap<u32, Role> = variables.keys().map(|v| (*v, Role::default())).collect();
    for term in terms {
        let scales: Vec<(u32, i32)> =
            term.iter().filter_map(|(v, what)| if let What::Exp(h) = what { Some((*v, *h)) } else { None }).collect();
        let others: Vec<Factor> = term.iter().filter(|(_, what)| !matches!(what, What::Exp(_))).copied().collect();
        match (scales.as_slice(), others.as_slice()) {
            ([], []) => {}
            ([], [(v, What::X)]) => roles.get_mut(v)?.linear = true,
            ([], [(v, What::X), (u, What::X)]) => {
                for v in [v, u] {
                    let role = roles.get_mut(v)?;
                    (role.quadratic, role.unscaled) = (true, true);
                }
            }
            ([], [(v, What::LogShare | What::LogRest)]) => roles.get_mut(v)?.share = true,
            ([], [(v, What::LogPart)]) => roles.get_mut(v)?.part = true,
            ([(v, h)], []) => drop(roles.get_mut(v)?.exponential.insert(*h)),
            ([scale], [(v, What::X)]) => drop(roles.get_mut(v)?.scales.insert(*scale)),
            ([scale], [(v, What::X), (u, What::X)]) => {
                for v in [v, u] {
                    let role = roles.get_mut(v)?;
                    role.quadratic = true;
                    role.scales.insert(*scale);
                }
            }
            _ => return None,
        }
    }
    let coordinates = |v: u32| v..v + variables[&v] as u32;
    let mut normal = Vec::new();
    let mut scaled: BTreeMap<(u32, i32), Vec<u32>> = BTreeMap::new();
    let mut blocks = Vec::new();
    for (v, role) in &roles {
        let kinds = [role.quadratic, !role.exponential.is_empty(), role.share, role.part];
        if kinds.iter().filter(|kind| **kind).count() != 1 {
            return None;
        }
        if role.quadratic {
            let mut scales = role.scales.iter();
            match (scales.next(), scales.next()) {
                (None, _) => normal.extend(coordinates(*v)),
                (Some(scale), None) if !role.unscaled && !role.linear => {
                    scaled.entry(*scale).or_default().extend(coordinates(*v));
                }
                _ => return None,
            }
        } else if !role.scales.is_empty() || role.unscaled || (role.part && role.linear) {
            return None;
        } else if role.share {
            blocks.extend(coordinates(*v).map(|coordinate| Block::Beta { coordinate }));
        } else if role.part {
            blocks.extend(simplexes(graph, needed, *v)?);
        }
    }
    for ((v, h), coordinates) in scaled {
        // The scale is one number, with one power everywhere.
        let role = roles.get_mut(&v)?;
        if variables[&v] != 1 || role.exponential.iter().any(|other| *other != h) || role.quadratic {
            return None;
        }
        role.exponential.clear();
        if coordinates.len() > LARGEST_NORMAL {
            return None;
        }
        blocks.push(Block::ScaledNormal { coordinates, scale: v, power: f64::from(h) / 2.0 });
    }
    for (v, role) in &roles {
        match (role.exponential.first(), role.exponential.len()) {
            (Some(h), 1) => {
                let power = f64::from(*h) / 2.0;
                blocks.extend(coordinates(*v).map(|coordinate| Block::Gamma { coordinate, power }));
            }
            (None, _) => {}
            _ => return None,
        }
    }
    if normal.len() > LARGEST_NORMAL {
        return None;
    }
    if !normal.is_empty() {
        blocks.push(Block::Normal { coordinates: normal });
    }
    Some(blocks)
}

/// The coordinates of each point of a simplex that a variable is.
fn simplexes(graph: &Graph, needed: &[Id], variable: u32) -> Option<Vec<Block>> {
    needed.iter().find_map(|id| {
        let node = graph.node(*id);
        let Op::Constrain { shape: Shape::Simplex, from, .. } = node.op else { return None };
        let input = graph.node(node.args[0]);
        if !matches!(input.op, Op::Input(offset) if offset == variable) {
            return None;
        }
        let lanes = axis::minus(&input.axes, &[from]);
        let along = axis::strides(&input.axes, &[from])[0] as u32;
        let mut blocks = Vec::new();
        axis::walk(&lanes, [&axis::strides(&input.axes, &lanes)], |[at]| {
            let first = variable + at as u32;
            blocks.push(Block::Dirichlet { coordinates: (0..from.extent).map(|k| first + k * along).collect() });
        });
        Some(blocks)
    })
}
