//! Which code is random: effects flow from draws to the functions around them and from arguments to calls.

use super::error;
use super::table::{Eff, Table};
use crate::source::{Diagnostic, Span};
use std::collections::HashMap;

/// Makes every effect random that a random one flows into. Gives the places that had to be deterministic and are not.
pub(crate) fn settle(table: &mut Table) -> Vec<Diagnostic> {
    let mut next: HashMap<Eff, Vec<usize>> = HashMap::new();
    for (i, edge) in table.edges.iter().enumerate() {
        next.entry(table.effect(edge.from)).or_default().push(i);
    }
    let mut found = Vec::new();
    // An effect with the first place that made it random.
    let mut reached: HashMap<Eff, Span> = HashMap::new();
    let mut work = vec![(Eff::RANDOM, Span::NONE)];
    let mut seen: Vec<Span> = Vec::new();
    while let Some((effect, origin)) = work.pop() {
        for &i in next.get(&effect).map_or(&[][..], Vec::as_slice) {
            let edge = &table.edges[i];
            let to = table.effect(edge.to);
            let origin = if origin == Span::NONE { edge.span } else { origin };
            if to == Eff::DETERMINISTIC {
                if !seen.contains(&origin) {
                    seen.push(origin);
                    found.push(error::random_where_deterministic(origin, edge.demand));
                }
            } else if to != Eff::RANDOM && !reached.contains_key(&to) {
                reached.insert(to, origin);
                work.push((to, origin));
            }
        }
    }
    for effect in reached.keys() {
        table.bind_effect(*effect, Eff::RANDOM);
    }
    // What was reported is not reported again.
    table.edges.retain(|edge| edge.demand.is_none() || !seen.contains(&edge.span));
    found
}
