//! Joins what `infer/` declares of kernels, traces and chains to its code.

use super::host::{Args, ChainSeen, DriverHost, host};
use crate::exec::machine::Code;
use crate::exec::view::functions::ModelFunctions;
use crate::exec::view::traced::TracedView;
use crate::infer::chain;
use crate::infer::course;
use crate::infer::guide;
use crate::infer::kernel::{Kernel, Names};
use crate::infer::trace::{self, TraceOf};
use crate::infer::variational::Divergence;
use crate::model::Random;
use crate::posterior::Posterior;
use crate::value::{Fault, HostObject, Value};
use std::sync::{Arc, PoisonError};

/// A trace of a model on the machine.
type Run = TraceOf<TracedView>;

impl DriverHost {
    /// Calls the function of this name, if it is one of those.
    pub(super) fn call_kernels(
        &self,
        code: &Arc<Code>,
        name: &str,
        args: &mut Args,
        random: &mut dyn Random,
    ) -> Option<Result<Value, Fault>> {
        Some(match name {
            "single_site" | "random_walk" | "prior" | "gibbs" | "slice" | "elliptical" | "independence"
            | "proposal" | "involution" | "kernel" | "hmc_kernel" | "nuts_kernel" | "cycle" | "choose" | "repeat"
            | "on" => made(name, args).map(host),
            "chain" => self.chain(code, args, random),
            "vi_guide" => self.guided(code, args, random),
            "by_method" => args.object::<Posterior>().map(|mut posterior| {
                posterior.method = args.value().to_string();
                host(posterior)
            }),
            // Runs of a population have values too.
            "value_of" | "freeze" if !args.begins_with::<Run>() => return None,
            "trace" | "value_of" | "freeze" | "acceptance_of" | "logp_of" | "log_prior" | "log_likelihood"
            | "regenerate" | "update" | "step" => self.traced(code, name, args, random),
            _ => return None,
        })
    }

    /// The functions that belong to a model.
    fn functions(&self, code: &Arc<Code>, model: &Value) -> Result<ModelFunctions, Fault> {
        Ok(ModelFunctions::new(self.model(code, model.clone())?))
    }

    fn chain(&self, code: &Arc<Code>, args: &mut Args, random: &mut dyn Random) -> Result<Value, Fault> {
        let closure = args.value();
        let kernel: Kernel = args.object()?;
        let draws = args.count()?;
        let warmup = args.optional_count()?.unwrap_or(draws / 2 + 100);
        let (chains, steps) = (args.count()?, args.optional_count()?);
        let options = chain::Options {
            draws,
            warmup,
            chains,
            steps,
            all: self.keeps_all(),
            tries: trace::TRIES,
            temperature: 1.0,
        };
        let model = self.model(code, closure.clone())?;
        if let Some(seen) = self.chains.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            seen.push(ChainSeen { model: model.clone(), closure: closure.clone(), kernel: kernel.clone() });
        }
        let view = Arc::new(TracedView::new(model));
        let functions = self.functions(code, &closure)?;
        self.whole(chain::chain(&view, &closure, &kernel, options, (&functions, &|| self.world.now()), random)?)
    }

    fn guided(&self, code: &Arc<Code>, args: &mut Args, random: &mut dyn Random) -> Result<Value, Fault> {
        let (closure, program, numbers) = (args.value(), args.value(), args.value());
        let numbers = match numbers {
            Value::Reals(numbers) => numbers.to_vec(),
            other => other
                .array_len()
                .map_or_else(Vec::new, |n| (0..n).filter_map(|k| other.element(k).and_then(|x| x.as_real())).collect()),
        };
        let (draws, steps, batch) = (args.count()?, args.count()?, args.count()?);
        let divergence = match args.value().to_string().as_str() {
            "reverse_kl" => Divergence::ReverseKl,
            "forward_kl" => Divergence::ForwardKl,
            other => {
                return Err(Fault::error(format!("`vi_guide` knows no divergence `{other}`"))
                    .hint("there are \"reverse_kl\" and \"forward_kl\""));
            }
        };
        let options = guide::Options { draws, steps, batch, divergence, all: self.keeps_all() };
        let view = Arc::new(TracedView::new(self.model(code, closure.clone())?));
        let functions = self.functions(code, &closure)?;
        self.whole(guide::fit(&view, (&closure, &program), &functions, numbers, options, random)?)
    }

    fn traced(&self, code: &Arc<Code>, name: &str, args: &mut Args, random: &mut dyn Random) -> Result<Value, Fault> {
        if name == "trace" {
            let closure = args.value();
            let view = Arc::new(TracedView::new(self.model(code, closure.clone())?));
            return trace::start(&view, closure, trace::TRIES, random).map(|walker| host(TraceOf(walker)));
        }
        if name == "step" {
            let kernel: Kernel = args.object()?;
            let mut run: Run = args.object()?;
            let functions = self.functions(code, &run.0.model)?;
            run.step(&kernel, &functions, random)?;
            return Ok(host(run));
        }
        let mut run: Run = args.object()?;
        Ok(match name {
            "value_of" => run.value(),
            "acceptance_of" => super::populations::rates(&course::table(&run.0.rates)),
            "freeze" => {
                run.freeze();
                host(run)
            }
            "regenerate" => {
                let names = args.names()?;
                let weight = run.regenerate(&names, random)?;
                Value::tuple(vec![host(run), Value::Real(weight)])
            }
            "update" => {
                let weight = run.update(&args.value(), random)?;
                Value::tuple(vec![host(run), Value::Real(weight)])
            }
            property => run.property(property).unwrap_or_default(),
        })
    }
}

/// The kernel that a call makes.
fn made(name: &str, args: &mut Args) -> Result<Kernel, Fault> {
    match name {
        "random_walk" => {
            let scale = args.real()?;
            if !(scale >= 0.0 && scale.is_finite()) {
                return Err(Fault::error(format!("`random_walk` takes a standard deviation, found {scale}"))
                    .hint("0, the default, adapts it"));
            }
            Ok(Kernel::random_walk((scale > 0.0).then_some(scale)))
        }
        "hmc_kernel" | "nuts_kernel" => {
            let size = args.real()?;
            if !(size >= 0.0 && size.is_finite()) {
                return Err(Fault::error(format!("`{name}` takes the size of a step, found {}", Value::Real(size)))
                    .hint("0, the default, adapts it"));
            }
            let steps = if name == "hmc_kernel" { Some(args.count()?.min(1_000_000) as u32) } else { None };
            Ok(Kernel::hamiltonian((size > 0.0).then_some(size), steps))
        }
        "prior" => Ok(Kernel::prior(args.optional_names()?)),
        "gibbs" => match args.optional_names()? {
            Some(names) => Kernel::gibbs().on(names),
            None => Ok(Kernel::gibbs()),
        },
        "slice" => Ok(Kernel::slice()),
        "elliptical" => Ok(Kernel::elliptical(args.optional_names()?)),
        "independence" => {
            let Value::Str(name) = args.value() else { return Err(Fault::internal("a name was expected")) };
            Kernel::independence(Names::new([name]), args.value())
        }
        "proposal" => Ok(Kernel::proposal(args.value())),
        "involution" => {
            let draw = args.value();
            Ok(Kernel::involution(draw, args.value()))
        }
        "kernel" => Ok(Kernel::program(args.value())),
        "cycle" => {
            let kernels = args.list()?.into_iter().map(kernel_of).collect::<Result<_, _>>()?;
            Kernel::cycle(kernels)
        }
        "choose" => {
            let pair = |value: Value| {
                let Value::Tuple(parts) = &value else { return Err(Fault::internal("a pair was expected")) };
                let weight = parts.0.first().and_then(Value::as_real);
                let (Some(weight), Some(kernel)) = (weight, parts.0.get(1)) else {
                    return Err(Fault::internal("a weight and a kernel were expected"));
                };
                Ok((weight, kernel_of(kernel.clone())?))
            };
            Kernel::choose(args.list()?.into_iter().map(pair).collect::<Result<_, _>>()?)
        }
        "repeat" => {
            let kernel: Kernel = args.object()?;
            kernel.repeat(args.count()?)
        }
        "on" => {
            let names = args.names()?;
            let kernel: Kernel = args.object()?;
            kernel.on(names)
        }
        _ => Ok(Kernel::single_site()),
    }
}

fn kernel_of(value: Value) -> Result<Kernel, Fault> {
    match &value {
        Value::Host(object) => object.as_any().downcast_ref::<Kernel>().cloned(),
        _ => None,
    }
    .ok_or_else(|| Fault::internal("a kernel was expected"))
}

impl Args {
    /// The elements of an array.
    fn list(&mut self) -> Result<Vec<Value>, Fault> {
        let list = self.value();
        let count = list.array_len().ok_or_else(|| Fault::internal("an array was expected"))?;
        Ok((0..count).filter_map(|k| list.element(k)).collect())
    }

    /// Names of choices.
    fn names(&mut self) -> Result<Names, Fault> {
        let names = self.list()?.into_iter().map(|name| match name {
            Value::Str(name) => Ok(name),
            _ => Err(Fault::internal("a name was expected")),
        });
        Ok(Names::new(names.collect::<Result<Vec<_>, Fault>>()?))
    }

    /// Names of choices, if there is another argument.
    fn optional_names(&mut self) -> Result<Option<Names>, Fault> {
        if self.is_done() { Ok(None) } else { self.names().map(Some) }
    }
}
