//! Natural forms: log densities of the library as sums of statistics, without the constants and without the care for rounding.
//!
//! They are not computed with. They stand in a trace that is only read for its structure (`crate::exec::kernel::conjugate`), in
//! which the branches of the exact forms would hide it.

use super::super::graph::Id;
use super::abs::Abs;
use super::{Result, Tracer};

impl Tracer<'_> {
    /// The natural form of a function of the library at these arguments, up to terms that follow from the data; none where it has none.
    pub(super) fn natural_form(&mut self, name: &str, args: &[Abs]) -> Result<Option<Abs>> {
        let known = matches!(
            name,
            "log_poisson_term"
                | "log_binomial_term"
                | "log_negative_binomial_term"
                | "xlogq"
                | "log_beta_density"
                | "log_gamma_density"
                | "log_inverse_gamma_density"
                | "Beta.logp"
                | "Gamma.logp"
                | "InverseGamma.logp"
        );
        if !known || args.iter().any(|x| !matches!(x, Abs::Known(_) | Abs::Num(..))) {
            return Ok(None);
        }
        let args = args.iter().map(|x| self.num(x)).collect::<Result<Vec<Id>>>()?;
        let graph = self.graph();
        let log = |graph: &mut super::Graph, by: Id, of: Id| {
            let log = graph.prim("log", &[of]);
            graph.mul(by, log)
        };
        let one = graph.scalar(1.0);
        // What multiplies a logarithm must follow from the data, or the constants left out would not.
        let fixed: &[usize] = match name {
            "log_poisson_term" | "xlogq" | "Gamma.logp" | "InverseGamma.logp" => &[0],
            "log_binomial_term" | "log_negative_binomial_term" | "Beta.logp" => &[0, 1],
            "log_beta_density" => &[2, 3],
            _ => &[1],
        };
        if fixed.iter().any(|k| !graph.is_constant(args[*k])) {
            return Ok(None);
        }
        let form = match (name, args.as_slice()) {
            ("log_poisson_term", &[x, rate]) => {
                let count = log(graph, x, rate);
                graph.sub(count, rate)
            }
            ("log_binomial_term", &[x, y, p, q]) => {
                let (hits, misses) = (log(graph, x, p), log(graph, y, q));
                graph.add(hits, misses)
            }
            ("log_negative_binomial_term", &[x, alpha, p, q]) => {
                let (hits, misses) = (log(graph, alpha, p), log(graph, x, q));
                graph.add(hits, misses)
            }
            ("xlogq", &[x, p, _]) => log(graph, x, p),
            ("log_beta_density", &[x, y, a, b]) => {
                let (a, b) = (graph.sub(a, one), graph.sub(b, one));
                let (hits, misses) = (log(graph, a, x), log(graph, b, y));
                graph.add(hits, misses)
            }
            ("Beta.logp", &[a, b, x]) => {
                let (a, b, y) = (graph.sub(a, one), graph.sub(b, one), graph.sub(one, x));
                let (hits, misses) = (log(graph, a, x), log(graph, b, y));
                graph.add(hits, misses)
            }
            ("log_gamma_density", &[x, shape, rate]) | ("Gamma.logp", &[shape, rate, x]) => {
                let less = graph.sub(shape, one);
                let (scale, size, rest) = (log(graph, shape, rate), log(graph, less, x), graph.mul(rate, x));
                let logs = graph.add(scale, size);
                graph.sub(logs, rest)
            }
            ("log_inverse_gamma_density", &[x, shape, scale]) | ("InverseGamma.logp", &[shape, scale, x]) => {
                let more = graph.add(shape, one);
                let (by, size, rest) = (log(graph, shape, scale), log(graph, more, x), graph.div(scale, x));
                let logs = graph.sub(by, size);
                graph.sub(logs, rest)
            }
            _ => return Ok(None),
        };
        Ok(Some(Abs::real(form)))
    }
}
