//! Draws to a file, in the format that its extension names.

use super::Face;
use crate::data::{draws_csv, draws_json};
use crate::posterior::Posterior;
use crate::source::World;
use std::path::{Path, PathBuf};

/// The formats of `--out`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Csv,
    Json,
}

/// The format of a path.
///
/// # Errors
/// Why it cannot be written.
pub fn format(path: &str) -> Result<Format, String> {
    let extension = Path::new(path).extension().and_then(|extension| extension.to_str()).unwrap_or("");
    match extension.to_ascii_lowercase().as_str() {
        "csv" => Ok(Format::Csv),
        "json" => Ok(Format::Json),
        "nc" | "zarr" | "parquet" => Err(format!(
            "this version does not write .{extension} files\n  = help: use --out with a name ending in .csv (one file per chain, as CmdStan \
             writes) or .json"
        )),
        _ => Err(format!("`{path}` names no format of draws\n  = help: use a name ending in .csv or .json")),
    }
}

/// Writes the draws; several chains in CSV go to `STEM_1.csv`, `STEM_2.csv`, …
///
/// # Errors
/// Why it could not be written.
pub fn write(face: &Face, path: &str, posterior: &Posterior, all: bool) -> Result<(), String> {
    let send = |path: &Path, text: &str| {
        face.output.write_file_atomic(path, text.as_bytes()).map_err(|error| error.to_string())
    };
    match format(path)? {
        Format::Json => send(Path::new(path), &format!("{}\n", draws_json::write(posterior, all))),
        Format::Csv if posterior.chains.len() == 1 => send(Path::new(path), &draws_csv::write(posterior, 0, all)),
        Format::Csv => (0..posterior.chains.len())
            .try_for_each(|chain| send(&chain_path(path, chain), &draws_csv::write(posterior, chain, all))),
    }
}

/// The file of a chain, counted from 0.
fn chain_path(path: &str, chain: usize) -> PathBuf {
    let path = Path::new(path);
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let extension = path.extension().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{stem}_{}.{extension}", chain + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_follow_the_extension() {
        assert_eq!(format("a.csv"), Ok(Format::Csv));
        assert_eq!(format("b/a.JSON"), Ok(Format::Json));
        assert!(format("a.nc").unwrap_err().contains(".nc files"));
        assert!(format("csv").is_err());
        assert_eq!(chain_path("out/draws.x.csv", 1), Path::new("out/draws.x_2.csv"));
    }
}
