//! The models of posteriordb with their data: each checks, binds its data and can be drawn from.
//!
//! Gradient sampling must agree with the reference draws: mean and standard deviation of every parameter, within five standard errors of
//! the difference; beyond three and a half, another run with four times the draws decides.

#[path = "support/programs.rs"]
#[allow(dead_code, reason = "each test file uses a part")]
mod programs;

use borel::posterior::{Info, Posterior};
use rayon::prelude::*;
use std::path::PathBuf;

/// Models whose run takes long for what it shows here.
const SLOW: &[&str] = &["hudson_lynx_hare-lotka_volterra"];
/// Models whose priors are proper, so that they can be run forward.
const PROPER: &[&str] = &[
    "arK-arK",
    "eight_schools-eight_schools_centered",
    "eight_schools-eight_schools_noncentered",
    "gp_pois_regr-gp_regr",
    "sblrc-blr",
];

/// The folders of the models.
fn folders() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(programs::root("tests/posteriordb")).expect("the folder can be read");
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry can be read").path()).collect();
    folders.retain(|path| path.is_dir());
    folders.sort();
    folders
}

fn name(folder: &std::path::Path) -> String {
    folder.file_name().expect("a folder has a name").to_string_lossy().into_owned()
}

/// The scalars that the reference draws know of, by our names: theirs count from 1.
fn reference_names(folder: &std::path::Path) -> Vec<String> {
    let text = std::fs::read_to_string(folder.join("reference.json")).expect("the reference can be read");
    let json: serde_json::Value = serde_json::from_str(&text).expect("the reference is JSON");
    let parameters = json["parameters"].as_object().expect("parameters by name");
    let ours = |name: &String| match name.trim_end_matches(']').split_once('[') {
        None => name.clone(),
        Some((stem, indices)) => {
            let less = |index: &str| index.parse::<u32>().expect("an index is a number") - 1;
            let indices: Vec<String> = indices.split(',').map(|index| less(index).to_string()).collect();
            format!("{stem}[{}]", indices.join(","))
        }
    };
    parameters.keys().map(ours).collect()
}

/// What is wrong with the draws of a model by a method.
fn wrong_draws(folder: &std::path::Path, posterior: &Posterior) -> Vec<String> {
    let summaries = posterior.report(false).summaries;
    let mut wrong = Vec::new();
    for summary in &summaries {
        if !summary.mean.is_finite() {
            wrong.push(format!("{}: the mean of {} is {}", name(folder), summary.name, summary.mean));
        }
    }
    for parameter in reference_names(folder) {
        if !summaries.iter().any(|summary| summary.name == parameter) {
            wrong.push(format!("{}: {parameter} is not among the variables", name(folder)));
        }
    }
    wrong
}

/// Draws from every model of `folders` by a method.
fn run(folders: Vec<PathBuf>, method: &str, options: &[(&str, &str)]) {
    let result = |folder: &PathBuf| {
        let program = programs::load(&folder.join("model.borel"), 1, Some(&folder.join("data.json")));
        let inferred = program.and_then(|mut program| programs::infer(&mut program, None, Some(method), options));
        match inferred {
            Err(message) => vec![format!("{}: {message}", name(folder))],
            Ok(inferred) => wrong_draws(folder, &inferred.posterior),
        }
    };
    let wrong: Vec<String> = folders.par_iter().flat_map(result).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_model_binds_its_data() {
    let load = |folder: &PathBuf| programs::load(&folder.join("model.borel"), 1, Some(&folder.join("data.json"))).err();
    let wrong: Vec<String> = folders().par_iter().filter_map(load).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_model_moves_by_metropolis_hastings() {
    let folders = folders().into_iter().filter(|folder| !SLOW.contains(&name(folder).as_str())).collect();
    run(folders, "mh", &[("draws", "20"), ("warmup", "20"), ("chains", "1")]);
}

#[test]
fn models_with_proper_priors_run_forward() {
    let folders = folders().into_iter().filter(|folder| PROPER.contains(&name(folder).as_str())).collect();
    run(folders, "importance", &[("draws", "200")]);
}

/// Models of which fewer draws are taken, because each costs much. Errors of the mean are then about a twentieth of the deviation
/// instead of a fortieth.
const FEWER: &[(&str, &[(&str, &str)])] = &[
    ("bball_drive_event_0-hmm_drive_0", &[("draws", "250")]),
    ("hmm_example-hmm_example", &[("draws", "500")]),
    ("hudson_lynx_hare-lotka_volterra", &[("draws", "150")]),
    ("low_dim_gauss_mix-low_dim_gauss_mix", &[("draws", "250")]),
];

/// The share of transitions that may diverge where the posterior makes them: in the neck of a funnel. Elsewhere it is one in a thousand.
const DIVERGENT: &[(&str, f64)] = &[("eight_schools-eight_schools_centered", 0.05)];

/// The greatest z of any mean and standard deviation, in words, and what else is wrong.
fn compared(folder: &std::path::Path, posterior: &Posterior) -> Result<(f64, String), String> {
    let text = std::fs::read_to_string(folder.join("reference.json")).expect("the reference can be read");
    let json: serde_json::Value = serde_json::from_str(&text).expect("the reference is JSON");
    let known = json["parameters"].as_object().expect("parameters by name").values();
    let summaries = posterior.report(false).summaries;
    let mut greatest = (0.0, String::new());
    for (parameter, known) in reference_names(folder).into_iter().zip(known) {
        let Some(found) = summaries.iter().find(|summary| summary.name == parameter) else {
            return Err(format!("{parameter} is not among the variables"));
        };
        let known = |key: &str| known[key].as_f64().expect("a number");
        let sd = known("sd");
        for (what, difference, error) in
            [("mean", found.mean - known("mean"), found.mcse_mean), ("sd", found.sd - sd, found.mcse_sd)]
        {
            // The reference has an error of its own: of 10,000 draws.
            let z = difference / error.hypot(sd / 100.0);
            // An error of a fifth of the deviation would hide what is wrong.
            if z.is_nan() || error > 0.2 * sd {
                return Err(format!("the {what} of {parameter} has an error of {error}, with a deviation of {sd}"));
            }
            if z.abs() > greatest.0 {
                greatest = (z.abs(), format!("the {what} of {parameter} is off: z {z:.1}, error {error}"));
            }
        }
    }
    Ok(greatest)
}

/// What is wrong with the draws of `nuts` from the model of a folder, with the acceptance rate that `infer` gives it.
fn disagreement(folder: &std::path::Path) -> Result<(), String> {
    let name = name(folder);
    let options = FEWER.iter().find(|(model, _)| *model == name).map_or(&[][..], |(_, options)| options);
    let draws: usize =
        options.iter().find(|(key, _)| *key == "draws").map_or(1000, |(_, n)| n.parse().expect("a number"));
    let four = (draws * 4).to_string();
    let mut again: Vec<(&str, &str)> = options.iter().filter(|(key, _)| *key != "draws").copied().collect();
    again.push(("draws", &four));
    let sampled = |seed: u64, options: &[(&str, &str)]| {
        let mut program = programs::load(&folder.join("model.borel"), seed, Some(&folder.join("data.json")))?;
        let options: Vec<(&str, &str)> = options.iter().copied().chain([("target", "0.9")]).collect();
        let posterior = programs::infer(&mut program, None, Some("nuts"), &options)?.posterior;
        let diverged = posterior.info.iter().find_map(|(key, info)| match info {
            Info::Count(count) if key == "divergences" => Some(*count as f64),
            _ => None,
        });
        let all: usize = posterior.chains.iter().map(|chain| chain.draws.len()).sum();
        let share = diverged.expect("divergences are counted") / all as f64;
        if share > DIVERGENT.iter().find(|(model, _)| *model == name).map_or(1e-3, |(_, share)| *share) {
            return Err(format!("{:.1} % of transitions diverged", 100.0 * share));
        }
        compared(folder, &posterior)
    };
    match sampled(1, options)? {
        (z, what) if z > 5.0 => Err(what),
        (z, first) if z > 3.5 => match sampled(2, &again)? {
            (z, what) if z > 3.5 => Err(format!("{first}; with four times the draws {what}")),
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

#[test]
fn gradient_sampling_agrees_with_the_reference_draws() {
    let folders = folders();
    assert_eq!(folders.len(), 22);
    let result = |folder: &PathBuf| disagreement(folder).err().map(|what| format!("{}: {what}", name(folder)));
    let wrong: Vec<String> = folders.par_iter().filter_map(result).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
