//! Inference: one file per method or building block, over the views of a model.
//!
//! [`METHODS`] declares what programs and the command line may call; the driver joins a declaration to its code.

pub mod enumerate;
pub mod importance;
pub mod mh;
pub mod proposal;
pub mod rejection;
pub mod resample;
pub mod smc;

/// The declaration of a method.
#[derive(Clone, Copy, Debug)]
pub struct Method {
    /// As in the language; parameters after the model are options, also of the command line.
    pub signature: &'static str,
    pub doc: &'static str,
}

impl Method {
    /// The name under which programs call it.
    pub fn name(&self) -> &'static str {
        let rest = self.signature.strip_prefix("fn ").unwrap_or(self.signature);
        rest.split(['(', '<']).next().unwrap_or(rest)
    }

    /// The names of the options, with the text of their defaults, in order.
    pub fn options(&self) -> Vec<(&'static str, &'static str)> {
        let Some(start) = self.signature.find("~> a") else { return Vec::new() };
        let rest = &self.signature[start + 4..];
        let end = rest.find(") ->").or_else(|| rest.find(") ~>")).unwrap_or(rest.len());
        rest[..end]
            .split(',')
            .filter_map(|part| {
                let (name, default) = part.split_once('=')?;
                let name = name.split(':').next().unwrap_or(name);
                Some((name.trim(), default.trim()))
            })
            .collect()
    }
}

/// All methods, in the order in which they are listed.
pub const METHODS: &[Method] = &[
    Method {
        signature: "fn infer(model: () ~> a, draws: Int = 1000) ~> Posterior<a>",
        doc: "Chooses a method for the model: exact where the model is finite and small enough, else sequential Monte Carlo or \
              Metropolis-Hastings. `borel explain` says which and why.",
    },
    Method {
        signature: "fn enumerate(model: () ~> a, tolerance: Real = 1e-13, states: Int = 1000000) -> Posterior<a>",
        doc: "The exact posterior of a model whose choices are finite or countable, by following every path; paths that reach \
              the same state are merged, so loops and recursions over finite states cost what their states cost. Endless ones are \
              followed until less than `tolerance` of the mass is left, which is reported.\nexample: prob(enumerate(() => flip(0.25)), b => b) == 0.25",
    },
    Method {
        signature: "fn importance(model: () ~> a, draws: Int = 10000) ~> Posterior<a>",
        doc: "Importance sampling from the prior: every run is kept with its weight. Gives the evidence.",
    },
    Method {
        signature: "fn rejection(model: () ~> a, draws: Int = 1000, bound: Real = 0.0, tries: Int = 100000000) ~> Posterior<a>",
        doc: "Rejection sampling: independent exact draws. A run is kept with probability exp(log weight - bound), so `bound` must \
              not be exceeded; for models that only use `condition` it is 0.",
    },
    Method {
        signature: "fn mh(model: () ~> a, draws: Int = 1000, warmup: Int = -1, chains: Int = 4, steps: Int = -1) ~> Posterior<a>",
        doc: "Single-site Metropolis-Hastings on traces: one choice at a time is drawn from its prior or moved a little, with step \
              sizes adapted during warm-up only. Works for every model, discrete, continuous or of changing structure. `steps` moves \
              are made for each draw (by default as many as there are choices). After Wingate, Stuhlmueller and Goodman 2011, with \
              the correction for changing numbers of choices.",
    },
    Method {
        signature: "fn smc(model: () ~> a, particles: Int = 1000, resampler: String = \"systematic\", threshold: Real = 0.5) ~> Posterior<a>",
        doc: "Sequential Monte Carlo (bootstrap particle filter): advances all particles from observation to observation, \
              resampling when the effective sample size falls below `threshold` times their number. Gives the evidence, unbiased. \
              Gordon, Salmond and Smith 1993; Del Moral, Doucet and Jasra 2006.",
    },
];

/// The methods of a name.
pub fn find(name: &str) -> impl Iterator<Item = (usize, &'static Method)> {
    METHODS.iter().enumerate().filter(move |(_, method)| method.name() == name)
}
