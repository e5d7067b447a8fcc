//! Programs of the test folders, loaded and inferred through the driver.

use borel::driver::{File, Options, Session};
use borel::posterior::Posterior;
use borel::source::OsWorld;
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

/// A session with a fixed seed on one thread, and a program loaded into it.
pub fn load(path: &Path, seed: u64) -> Result<(Session, File), String> {
    let options = Options { seed, threads: 1, ..Options::default() };
    let mut session = Session::new(Arc::new(OsWorld::new()), options);
    match session.load(path) {
        Ok(file) => Ok((session, file)),
        Err(diagnostics) => {
            let shown: Vec<String> = diagnostics.iter().map(|d| session.render(d)).collect();
            Err(format!("{}:\n{}", path.display(), shown.join("\n")))
        }
    }
}

/// The posterior of the only model of a program.
pub fn infer(path: &Path, seed: u64, method: &str, options: &[(&str, &str)]) -> Result<Arc<Posterior>, String> {
    let (mut session, file) = load(path, seed)?;
    match session.infer(&file, None, Some(method), options) {
        Ok(inferred) => Ok(inferred.posterior),
        Err(failure) => Err(format!("{} by {method}: {failure}", stem(path))),
    }
}
