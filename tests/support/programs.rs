//! Programs of the test folders, loaded and inferred through the driver.

use borel::driver::{Failure, File, Inferred, Options, Session};
use borel::posterior::Posterior;
use borel::source::OsWorld;
use borel::value::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A path below the root of the repository.
pub fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The programs of a folder, sorted by name.
pub fn programs(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root(folder)).expect("the folder can be read");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry can be read").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "borel"));
    paths.sort();
    paths
}

/// The name of a program: its file without the ending.
pub fn stem(path: &Path) -> String {
    path.file_stem().expect("a program has a name").to_string_lossy().into_owned()
}

/// A session with a fixed seed, and a program loaded into it with its data bound (from `data`, or by their defaults).
///
/// # Errors
/// What is wrong with the program or its data, as the user would see it.
pub fn load(path: &Path, seed: u64, data: Option<&Path>) -> Result<(Session, File), String> {
    let world = Arc::new(OsWorld::default());
    let mut session = Session::new(world.clone(), Options { seed, ..Options::default() });
    let shown =
        |session: &Session, failure: Failure| format!("{}: {}", stem(path), session.render_failure(&failure, false));
    let entries = match data {
        Some(data) => borel::data::read(world.as_ref(), data).map_err(|error| error.render())?,
        None => Vec::new(),
    };
    let file = session.load(&path.to_string_lossy()).map_err(|failure| shown(&session, failure))?;
    session.bind_data(&entries).map_err(|failure| shown(&session, failure))?;
    Ok((session, file))
}

/// Every model of a folder of programs, by a name that says of which; oracles without data of their own are not asked.
pub fn every_model(folder: &str, f: &mut dyn FnMut(&str, &mut Session, &File, &str)) {
    for path in programs(folder) {
        let (mut session, file) = match load(&path, 1, None) {
            Ok(loaded) => loaded,
            Err(message) => {
                assert!(folder == "tests/oracles", "{message}");
                continue;
            }
        };
        if session.prepare(&file).is_err() {
            continue;
        }
        for model in session.models(&file) {
            f(&format!("{}:{}", stem(&path), model.name), &mut session, &file, model.name.as_str());
        }
    }
}

/// The posterior of a model of a program, the only one when none is named, by a method, the chosen one when none is named.
///
/// # Errors
/// As [`load`], and what went wrong while it ran.
pub fn infer(
    (session, file): &mut (Session, File),
    model: Option<&str>,
    method: Option<&str>,
    options: &[(&str, &str)],
) -> Result<Inferred, String> {
    let result = session.prepare(file).and_then(|()| session.infer(file, model, method, options, false));
    let by = method.unwrap_or("infer");
    result.map_err(|failure| {
        format!("{} by {by}: {}", stem(Path::new(&file.name)), session.render_failure(&failure, false))
    })
}

/// The posteriors of some runs of a method on the only model of a program, each with draws of its own. In the call of the method, `model`
/// stands for the model.
///
/// # Errors
/// As [`infer`].
pub fn posteriors(
    (session, file): &mut (Session, File),
    call: &str,
    runs: usize,
) -> Result<Vec<Arc<Posterior>>, String> {
    let shown = |session: &Session, failure| format!("{call}: {}", session.render_failure(&failure, false));
    let model = session.prepare(file).and_then(|()| session.pick_model(file, None));
    let model = model.map_err(|failure| shown(session, failure))?.name;
    let text = format!("[{} for run in 0..{runs}]", call.replacen("model", &model, 1));
    let all = session.expression_value(&text).map_err(|failure| shown(session, failure))?;
    let posterior = |k| match all.element(k) {
        Some(Value::Host(object)) => object.as_any().downcast_ref::<Posterior>().cloned().map(Arc::new),
        _ => None,
    };
    Ok((0..runs).map(|k| posterior(k).expect("a method gives a posterior")).collect())
}
