//! Learners against known answers, batches in closed form, and the laws of mixtures.

#![allow(clippy::unwrap_used)]

#[path = "support/programs.rs"]
#[allow(dead_code, reason = "each test file uses a part")]
mod programs;

use borel::source::world::Stream;

/// Runs on a stack as deep as the command's.
fn deep(work: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(1 << 28).spawn(work).unwrap();
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// An expression over `learners/oracles.borel`, its answer, and how far off it may be: the digits to which the answer is known.
const ANSWERS: &[(&str, f64, f64)] = &[
    ("weights(beta_mixture)[0]", 0.175, 1e-9),
    ("mean(predict(beta_mixture))", 0.675, 1e-9),
    ("log_evidence(beta_mixture)", -7.0910763361, 1e-9),
    ("parameter(components(beta_mixture)[1], \"alpha\")[0]", 12.0, 1e-9),
    ("weights(normal_prior)[0]", 0.0948052738, 1e-9),
    ("parameter(normal_prior, \"mean\")[0]", 0.8893938473, 1e-9),
    ("log_evidence(normal_prior)", -3.8185591077, 1e-9),
    ("weights(three_normals)[0]", 0.00011793, 1e-8),
    ("weights(three_normals)[1]", 0.98630269, 1e-8),
    ("weights(three_normals)[2]", 0.01357938, 1e-8),
    ("log_evidence(three_normals)", -4.050195593036, 1e-11),
    ("parameter(three_normals, \"mean\")[0]", 1.119728527680, 1e-11),
    ("parameter(three_normals, \"variance\")[0]", 0.192174328343, 1e-11),
    ("log_evidence(three_vectors)", -4.050195593036, 1e-11),
    ("parameter(three_vectors, \"mean\")[0]", 1.119728527680, 1e-11),
    ("log_evidence(niw)", -10.8864357477, 1e-9),
    ("parameter(niw, \"psi\")[1]", 1.375, 1e-9),
    ("parameter(niw, \"psi\")[3]", 3.1875, 1e-9),
    ("log_evidence(niw_stream)", -11.447551964343, 1e-11),
    ("logp(predict(niw_stream), [1, 0])", -0.928173145423, 1e-11),
    ("log_evidence(filtered)", -17.515839244729, 1e-11),
    ("parameter(filtered, \"mean\")[0]", 1.7338546666, 1e-9),
    ("parameter(filtered, \"variance\")[0]", 0.6180339902, 1e-9),
    ("log_evidence(filtered_vector)", -17.515839244729, 1e-11),
    ("parameter(filtered_vector, \"covariance\")[0]", 0.6180339902, 1e-9),
    ("log_evidence(hidden)", -44.536296857903, 1e-11),
    ("weights(hidden)[0]", 0.2545305365, 1e-9),
    ("weights(hidden)[1]", 0.061058112, 1e-9),
    ("log_evidence(hidden_summed)", -44.536296857903, 1e-11),
    ("real(len(components(hidden_summed)))", 3.0, 0.0),
    ("log_evidence(clusters)", -15.5618415989, 1e-9),
    ("average(clusters, l => has_clusters(l, 2))", 0.525786, 1e-6),
    ("average(clusters, l => has_clusters(l, 3))", 0.395814, 1e-6),
    ("average(clusters, l => parameter(l, \"clusters\")[0])", 2.5563173274, 1e-9),
    ("log_evidence(two)", -14.8858568721, 1e-9),
    ("average(two, l => together(l, 0, 1))", 0.9991923238, 1e-9),
    ("average(two, l => together(l, 2, 1))", 0.3258366680, 1e-9),
    ("log_evidence(context_tree)", -11.307496922977, 1e-11),
    ("log_evidence(line)", -8.6251047590, 1e-9),
    ("parameter(line, \"mean\")[0]", 0.4372049, 1e-7),
    ("parameter(line, \"mean\")[1]", 0.5763423, 1e-7),
    ("log_evidence(gaussian_mean)", -7.1864893551, 1e-9),
    ("parameter(gaussian_mean, \"variance\")[0]", 4.0 / 9.0, 1e-9),
    ("log_evidence(coin)", -2.128231705849268, 1e-12),
    ("sum(is_xor)", 10.0, 0.0),
    ("sum(is_zero)", 11458.0, 0.0),
    ("dot(weights(xor_twice), is_xor)", 0.3990, 5e-5),
    ("dot(weights(xor_thrice), is_xor)", 0.8766, 5e-5),
];

#[test]
fn learners_give_the_known_answers() {
    deep(|| {
        let path = programs::root("tests/learners/oracles.borel");
        let (mut session, file) = programs::load(&path, 1, None).unwrap_or_else(|message| panic!("{message}"));
        if let Err(failure) = session.prepare(&file) {
            panic!("{}", session.render_failure(&failure, false));
        }
        let mut wrong = Vec::new();
        for (expression, expected, tolerance) in ANSWERS {
            match session.expression_value(expression) {
                Ok(value) => {
                    let found = value.as_real().unwrap();
                    let off = (found - expected).abs();
                    if off.is_nan() || off > *tolerance {
                        wrong.push(format!("{expression}: {found}, not {expected}"));
                    }
                    // An answer that is off by one part in a hundred would be told.
                    assert!((found - expected * 1.01).abs() > *tolerance, "{expression} is not tested sharply");
                }
                Err(failure) => wrong.push(session.render_failure(&failure, false)),
            }
        }
        for (expression, bound) in [("regret(xor_thrice)", 7.584926), ("regret(zeros_seen)", 0.541067)] {
            let regret = session.expression_value(expression).unwrap_or_else(|_| panic!("{expression}"));
            let regret = regret.as_real().unwrap();
            if !(0.0..=bound).contains(&regret) {
                wrong.push(format!("{expression}: {regret}, not below {bound}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    });
}

/// Runs the tests of a program.
fn hold(path: &'static str) {
    deep(move || {
        let (mut session, file) =
            programs::load(&programs::root(path), 1, None).unwrap_or_else(|message| panic!("{message}"));
        session.print_to(Stream::Error);
        let results = session.tests(&file);
        assert!(!results.is_empty());
        let failed: Vec<String> = results
            .iter()
            .filter_map(|result| {
                let failure = result.outcome.as_ref().err()?;
                Some(format!("{}: {}", result.name, session.render_failure(failure, false)))
            })
            .collect();
        assert!(failed.is_empty(), "{}", failed.join("\n"));
    });
}

#[test]
fn batches_are_sums_of_predictions() {
    hold("tests/learners/batches.borel");
}

#[test]
fn mixtures_keep_their_laws() {
    hold("tests/learners/laws.borel");
}
