//! Which method `infer` takes for a model, and why.

use crate::core::{Type, TypeKind};
use crate::exec::machine::Code;
use crate::exec::machine::code::{DistArg, Instr, MakeKind};
use crate::exec::view::{Model, Start};
use crate::infer::conjugate;
use std::collections::HashSet;

/// What a look at the program tells about its inference.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// No choice is continuous.
    pub enumerable: bool,
    /// The first continuous choice.
    pub continuous: Option<String>,
    /// Nothing weighs the runs.
    pub unconditioned: bool,
    /// Choices and observations alternate along a chain of states.
    pub sequential: bool,
    /// A choice that cannot be drawn, such as one from `Flat`.
    pub improper: Option<String>,
    pub choices: usize,
    /// The density can be differentiated; or why not, where that was asked.
    pub gradient: Option<Result<(), String>>,
    /// What the posterior is composed of where it is known exactly: the first coordinate of each part, and its family.
    pub conjugate: Option<Vec<(String, String)>>,
    /// Finite choices that are summed out of the density.
    pub summed: Vec<String>,
}

impl Plan {
    /// The sampling method.
    pub fn sampler(&self) -> &'static str {
        if self.unconditioned && self.improper.is_none() {
            "importance"
        } else if self.conjugate.is_some() {
            "conjugate"
        } else if matches!(self.gradient, Some(Ok(()))) {
            "nuts"
        } else if self.improper.is_some() {
            "mh"
        } else if self.sequential {
            "smc"
        } else {
            "mh"
        }
    }

    /// Why a model that is not enumerable is not.
    pub fn not_enumerable(&self) -> String {
        match &self.continuous {
            Some(name) => format!("`{name}` is continuous, so no exact method applies"),
            None => "not every choice is finite".into(),
        }
    }

    /// Why a method was chosen; `why_not` says why there is no exact answer.
    pub fn reason(&self, method: &str, why_not: Option<&str>) -> String {
        let not_exact = match why_not {
            None => return "enumerate: every choice is finite or countable, so the answer is exact".into(),
            Some(why) if self.enumerable => format!("enumeration was given up ({why}); "),
            Some(why) => format!("{why}; "),
        };
        let no_gradient = match &self.gradient {
            Some(Err(why)) => format!("{why}; "),
            _ => String::new(),
        };
        match method {
            "importance" => format!("importance: {not_exact}nothing is observed, so independent runs are draws"),
            "conjugate" => {
                "conjugate: the priors are conjugate to what is observed, so the posterior is known exactly".into()
            }
            "nuts" => {
                let summed = match &self.summed[..] {
                    [] => String::new(),
                    names => format!(" once {} summed out", are(names)),
                };
                format!("nuts: {not_exact}the density has a gradient{summed}, which the No-U-Turn sampler follows")
            }
            "smc" => format!(
                "smc: {not_exact}{no_gradient}choices and observations alternate along a sequence, which a particle filter follows"
            ),
            _ => format!("mh: {not_exact}{no_gradient}single-site Metropolis-Hastings works for every model"),
        }
    }
}

/// Names in a sentence, and whether they are one or several.
fn are(names: &[String]) -> String {
    match names {
        [one] => format!("{one} is"),
        [most @ .., last] => format!("{} and {last} are", most.join(", ")),
        [] => String::new(),
    }
}

/// Looks at the program of a model, and whether its density has a gradient.
pub fn full(model: &Model) -> Plan {
    let mut plan = plan(model);
    if plan.continuous.is_some() {
        let view = super::gradients::view(model.clone(), false);
        if let Ok(view) = &view {
            plan.conjugate = conjugate::composition(view).ok().flatten();
            for (name, ..) in view.summed_out() {
                let name = format!("`{name}`");
                if !plan.summed.contains(&name) {
                    plan.summed.push(name);
                }
            }
        }
        plan.gradient = Some(view.map(|_| ()).map_err(|fault| fault.message));
    }
    plan
}

/// Looks at the program of a model.
pub fn plan(model: &Model) -> Plan {
    let code = &*model.code;
    let mut plan = Plan { enumerable: true, unconditioned: true, ..Plan::default() };
    for func in reachable(code, &model.start) {
        let func = &code.funcs[func as usize];
        plan.sequential |= func.sequential;
        for sample in &func.samples {
            let site = &code.sites[sample.site as usize];
            plan.choices += 1;
            // A few distributions over reals have finitely many values.
            let finite = matches!(&sample.dist, DistArg::Known { dist, .. }
                if matches!(code.dists[*dist as usize].name.as_str(), "Choice" | "Dirac" | "Empirical"));
            if is_continuous(site.ty) && !finite {
                plan.enumerable = false;
                plan.continuous.get_or_insert_with(|| site.name.to_string());
            }
            if let DistArg::Known { dist, .. } = sample.dist
                && code.dists[dist as usize].sample.is_none()
            {
                plan.improper.get_or_insert_with(|| site.name.to_string());
            }
        }
        plan.unconditioned &= func.scores.is_empty();
    }
    plan
}

/// Whether the model's value is `()`, so that its named choices are what is reported.
pub fn returns_nothing(model: &Model) -> bool {
    model.result_type() == Type::UNIT
}

/// Whether values of a type may be any real numbers.
fn is_continuous(ty: Type) -> bool {
    match ty.kind() {
        TypeKind::Real | TypeKind::Matrix => true,
        TypeKind::Array(t) => is_continuous(*t),
        _ => false,
    }
}

/// The functions that a run of the model may enter, samplers and densities of distributions apart.
pub fn reachable(code: &Code, start: &Start) -> Vec<u32> {
    let mut seen = HashSet::new();
    let mut order = Vec::new();
    let mut queue = Vec::new();
    match start {
        Start::Func(func) => queue.push(*func),
        Start::Closure(value) => closures(value, &mut queue),
    }
    while let Some(at) = queue.pop() {
        if !seen.insert(at) {
            continue;
        }
        let Some(func) = code.funcs.get(at as usize) else { continue };
        order.push(at);
        for instr in &func.code {
            match instr {
                Instr::Call { call } => queue.push(func.calls[*call as usize].func),
                Instr::Make { make } => {
                    if let MakeKind::Closure(target) = func.makes[*make as usize].kind {
                        queue.push(target);
                    }
                }
                _ => {}
            }
        }
        for value in &func.constants {
            closures(value, &mut queue);
        }
    }
    order.sort_unstable();
    order
}

/// The functions inside a value.
fn closures(value: &crate::value::Value, out: &mut Vec<u32>) {
    use crate::value::Value;
    match value {
        Value::Closure(closure) => {
            out.push(closure.function);
            closure.captures.iter().for_each(|v| closures(v, out));
        }
        Value::Tuple(parts) => parts.0.iter().for_each(|v| closures(v, out)),
        Value::Record(record) => record.fields.iter().for_each(|v| closures(v, out)),
        Value::Variant(variant) => variant.fields.iter().for_each(|v| closures(v, out)),
        Value::Values(items) => items.iter().take(64).for_each(|v| closures(v, out)),
        _ => {}
    }
}
