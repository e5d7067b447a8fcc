//! What was probably meant by a name that is not known.

/// Names from other languages and libraries, and what they are called here.
const FOREIGN: &[(&str, &str)] = &[
    ("gaussian", "Normal"),
    ("norm", "Normal"),
    ("dnorm", "Normal"),
    ("rnorm", "Normal"),
    ("dist_normal", "Normal"),
    ("randn", "Normal"),
    ("rand", "Uniform"),
    ("runif", "Uniform"),
    ("unif", "Uniform"),
    ("multinormal", "MultiNormal"),
    ("mvnormal", "MultiNormal"),
    ("multi_normal", "MultiNormal"),
    ("multivariatenormal", "MultiNormal"),
    ("bernoulli_logit", "BernoulliLogit"),
    ("poisson_log", "PoissonLog"),
    ("studentt", "StudentT"),
    ("student_t", "StudentT"),
    ("half_normal", "HalfNormal"),
    ("half_cauchy", "HalfCauchy"),
    ("lognormal", "LogNormal"),
    ("neg_binomial", "NegativeBinomial"),
    ("negbinomial", "NegativeBinomial"),
    ("inv_gamma", "InverseGamma"),
    ("invgamma", "InverseGamma"),
    ("double_exponential", "Laplace"),
    ("discrete", "Categorical"),
    ("randominteger", "DiscreteUniform"),
    ("std", "sd"),
    ("stdev", "sd"),
    ("stddev", "sd"),
    ("var", "variance"),
    ("average", "mean"),
    ("length", "len"),
    ("size", "len"),
    ("nrow", "rows"),
    ("ncol", "cols"),
    ("num_elements", "len"),
    ("concat", "append"),
    ("reduce", "fold"),
    ("foldl", "fold"),
    ("ln", "log"),
    ("power", "^"),
    ("pow", "^"),
    ("fabs", "abs"),
    ("sigmoid", "inv_logit"),
    ("logistic", "inv_logit"),
    ("expit", "inv_logit"),
    ("log_sum_exp", "logsumexp"),
    ("gammaln", "lgamma"),
    ("loggamma", "lgamma"),
    ("matmul", "@"),
    ("dot_product", "dot"),
    ("inv", "inverse"),
    ("chol", "cholesky"),
    ("det", "logdet"),
    ("eye", "identity"),
    ("zeros_like", "zeros"),
    ("linspace", "range"),
    ("arange", "range"),
    ("seq", "range"),
    ("to_real", "real"),
    ("float", "real"),
    ("target", "factor"),
    ("score", "factor"),
    ("log_prob", "logp"),
    ("logpdf", "logp"),
    ("lpdf", "logp"),
    ("lpmf", "logp"),
    ("println", "print"),
    ("cat", "print"),
    ("None", "()"),
    ("null", "()"),
    ("True", "true"),
    ("False", "false"),
    ("Inf", "inf"),
    ("NaN", "nan"),
    ("PI", "pi"),
    ("range_len", "indices"),
];

const FOREIGN_TYPES: &[(&str, &str)] = &[
    ("int", "Int"),
    ("integer", "Int"),
    ("real", "Real"),
    ("float", "Real"),
    ("double", "Real"),
    ("bool", "Bool"),
    ("boolean", "Bool"),
    ("string", "String"),
    ("str", "String"),
    ("vector", "[Real]"),
    ("array", "[Real]"),
    ("list", "[Real]"),
    ("matrix", "Matrix"),
    ("simplex", "Simplex"),
    ("unit", "()"),
    ("void", "()"),
    ("i64", "Int"),
    ("f64", "Real"),
];

/// The known name that was probably meant.
pub(crate) fn name(word: &str, known: &[&'static str]) -> Option<String> {
    let lower = word.to_lowercase();
    if let Some(found) = known.iter().find(|name| name.to_lowercase() == lower) {
        return Some((*found).into());
    }
    let foreign = FOREIGN.iter().find(|(other, _)| *other == word || *other == lower).map(|(_, ours)| *ours);
    if let Some(ours) = foreign
        && (known.contains(&ours)
            || !ours.starts_with(char::is_alphabetic)
            || matches!(ours, "true" | "false" | "inf" | "nan"))
    {
        return Some(ours.into());
    }
    let joined = lower.replace('_', "");
    if let Some(found) = known.iter().find(|name| name.to_lowercase().replace('_', "") == joined) {
        return Some((*found).into());
    }
    closest(word, known)
}

/// The known type that was probably meant.
pub(crate) fn type_name(word: &str, known: &[&'static str]) -> Option<String> {
    let lower = word.to_lowercase();
    let foreign = FOREIGN_TYPES.iter().find(|(other, _)| *other == lower).map(|(_, ours)| (*ours).to_owned());
    foreign.or_else(|| closest(word, known))
}

/// A type of another language written in small letters, which would otherwise be a type parameter.
pub(crate) fn lower_case_type(word: &str) -> Option<&'static str> {
    FOREIGN_TYPES.iter().find(|(other, _)| *other == word).map(|(_, ours)| *ours)
}

/// The candidate nearest in spelling, where one is near.
pub(crate) fn closest(word: &str, candidates: &[&'static str]) -> Option<String> {
    crate::source::suggest::closest(word, candidates.iter().copied()).map(str::to_owned)
}
