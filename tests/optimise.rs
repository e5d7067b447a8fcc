//! Maxima of posteriors and likelihoods: known ones are found, and what is none is said to be none.
#![allow(clippy::unwrap_used)]

#[path = "support/programs.rs"]
#[allow(dead_code, reason = "each test file uses a part")]
mod programs;

use borel::posterior::Posterior;

/// The point that a method finds for a model of the programs beside this file, and what it warns of.
fn point(model: &str, method: &str, options: &[(&str, &str)]) -> (Posterior, Vec<f64>, Vec<String>) {
    let mut program = programs::load(&programs::root("tests/optimise/models.borel"), 3, None).unwrap();
    let inferred = programs::infer(&mut program, Some(model), Some(method), options).unwrap();
    let report = inferred.posterior.report(false);
    let values = report.summaries.iter().map(|summary| summary.mean).collect();
    let warnings = report.warnings.iter().map(|warning| warning.text()).collect();
    (Posterior::clone(&inferred.posterior), values, warnings)
}

/// Asserts that a method finds a point, to the accuracy that the square root of rounding allows.
fn finds(model: &str, method: &str, options: &[(&str, &str)], expected: &[f64]) {
    let (posterior, found, warnings) = point(model, method, options);
    assert!(warnings.is_empty(), "{model} by {method}: {warnings:?}");
    assert!(posterior.point && posterior.log_evidence.is_none());
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!(
            (found - expected).abs() < 2e-5 * (1.0 + expected.abs()),
            "{model} by {method}: {found}, not {expected}"
        );
    }
}

#[test]
fn modes_of_conjugate_posteriors_are_found() {
    // Beta(3 + 3, 5 + 1) has its mode at (6 − 1) / (12 − 2).
    finds("coin", "map_estimate", &[], &[0.5]);
    // With the Jacobian p (1 − p), at 6 / 12.
    finds("skewed_coin", "map_estimate", &[], &[2.0 / 11.0]);
    finds("skewed_coin", "map_estimate", &[("jacobian", "true")], &[3.0 / 13.0]);
    // Gamma(3, 2) at (3 − 1) / 2, or 3 / 2 for its logarithm.
    finds("scale", "map_estimate", &[], &[1.0]);
    finds("scale", "map_estimate", &[("jacobian", "true")], &[1.5]);
    // Dirichlet(2 + 3, 2 + 1, 2 + 0) at (4, 2, 1) / 7.
    finds("shares", "map_estimate", &[], &[4.0 / 7.0, 2.0 / 7.0, 1.0 / 7.0]);
}

#[test]
fn likelihoods_leave_priors_out() {
    finds("coin", "mle", &[], &[0.75]);
    finds("shares_observed", "mle", &[], &[0.5, 0.3, 0.2]);
    // The mean and the standard deviation with denominator n.
    finds("normal", "mle", &[], &[4.0, 2.0]);
    // A choice with a loop around it, and one within a user function.
    finds("grouped", "mle", &[], &[1.5, 5.0, 2.0]);
}

/// What a method warns of.
fn warns(model: &str, method: &str, text: &str) {
    let (_, found, warnings) = point(model, method, &[]);
    assert!(warnings.iter().any(|warning| warning.contains(text)), "{model} by {method}: {found:?} {warnings:?}");
}

#[test]
fn what_is_no_maximum_is_said_to_be_none() {
    warns("edge", "map_estimate", "`p` is at the boundary of its support");
    warns("separable", "mle", "`b` has no bound");
    warns("scale", "mle", "it does not depend on `s`");
    // The density of the centred form grows without end as the scale goes to zero.
    warns("centred", "map_estimate", "had not converged");
    warns("centred", "map_estimate", "`tau`");
    let (_, _, warnings) = point("normal", "map_estimate", &[("steps", "2")]);
    assert!(warnings.iter().any(|warning| warning.contains("had not converged after")), "{warnings:?}");
    // A prior keeps the coefficient of separable data inside.
    let (_, _, warnings) = point("separable", "map_estimate", &[]);
    assert!(warnings.is_empty(), "{warnings:?}");
}
