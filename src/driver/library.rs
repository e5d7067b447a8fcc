//! The embedded standard library, as the checker asks for it.

use crate::types::Library;
use crate::{infer, prim};

include!(concat!(env!("OUT_DIR"), "/library.rs"));

/// Rows from here on are those of [`infer::rows`].
pub const METHOD_ROWS: u32 = 1 << 16;

/// The standard library: Borel files, primitives, inference methods.
pub struct Standard;

impl Library for Standard {
    fn defining(&self, name: &str) -> Vec<(&'static str, &'static str)> {
        match NAMES.binary_search_by(|(known, _)| known.cmp(&name)) {
            Ok(at) => NAMES[at].1.iter().map(|k| FILES[*k]).collect(),
            Err(_) => Vec::new(),
        }
    }

    fn names(&self) -> Vec<&'static str> {
        let hidden = |name: &&str| !(name.starts_with("draw_") || name.starts_with("domain_"));
        let mut names: Vec<&'static str> = NAMES.iter().map(|(name, _)| *name).collect();
        names.extend(prim::rows().iter().flat_map(|theme| theme.iter()).map(prim::Row::name).filter(hidden));
        names.extend(infer::rows().map(infer::Row::name));
        names.sort_unstable();
        names.dedup();
        names
    }

    fn primitives(&self, name: &str) -> Vec<(u32, &'static str, bool)> {
        let rows = prim::find(name).map(|(k, row)| (k as u32, row.signature, row.elementwise));
        let parts = infer::find(name).map(|(k, row)| (METHOD_ROWS + k as u32, row.signature, false));
        rows.chain(parts).collect()
    }

    fn module(&self, name: &str) -> bool {
        FILES.iter().any(|(path, _)| {
            path.strip_prefix("stdlib/").and_then(|p| p.strip_suffix(".borel")).is_some_and(|module| module == name)
        })
    }
}

/// The documentation of a name: signature and text for each of its meanings.
pub fn documentation(name: &str) -> Vec<(String, String)> {
    let rows = prim::find(name).map(|(_, row)| (row.signature.to_string(), row.doc.to_string()));
    let parts = infer::find(name).map(|(_, row)| {
        let contract = row.contract.word().map_or_else(String::new, |word| format!("\ncontract: {word}"));
        (row.signature.to_string(), format!("{}{contract}", row.doc))
    });
    rows.chain(parts).collect()
}
