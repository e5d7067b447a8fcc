//! "Did you mean": the known word closest to a mistyped one.

/// The candidate that `word` was most likely meant to be: one that differs only in case, else the nearest by
/// Damerau–Levenshtein distance (insertions, deletions, substitutions and swaps of neighbours cost one), if that is
/// at most a third of the longer word's length. Of equally near candidates the first wins.
pub fn closest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let letters: Vec<char> = word.chars().collect();
    let lower = word.to_lowercase();
    let mut best: Option<(usize, &'a str)> = None;
    let mut same_but_case = None;
    for candidate in candidates {
        if candidate == word {
            continue;
        }
        if same_but_case.is_none() && candidate.to_lowercase() == lower {
            same_but_case = Some(candidate);
        }
        let other: Vec<char> = candidate.chars().collect();
        let longer = letters.len().max(other.len());
        let limit = match longer {
            0 | 1 => 0,
            2..=5 => 1,
            _ => longer / 3,
        };
        let limit = limit.min(best.map_or(limit, |(distance, _)| distance.saturating_sub(1)));
        // A difference in length alone is a lower bound.
        if letters.len().abs_diff(other.len()) > limit || (limit == 0 && best.is_some()) {
            continue;
        }
        let found = distance(&letters, &other);
        if found <= limit && found < longer {
            best = Some((found, candidate));
        }
    }
    same_but_case.or(best.map(|(_, candidate)| candidate))
}

/// The restricted Damerau–Levenshtein distance: no part of a word is changed twice.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let change = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = change.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suggest(word: &str) -> Option<&'static str> {
        let known = ["Normal", "LogNormal", "Gamma", "nuts", "hmc", "mh", "sample", "theta", "beta", "x"];
        closest(word, known.into_iter())
    }

    #[test]
    fn a_typing_error_finds_its_word() {
        assert_eq!(suggest("Nromal"), Some("Normal"));
        assert_eq!(suggest("Norml"), Some("Normal"));
        assert_eq!(suggest("samples"), Some("sample"));
        assert_eq!(suggest("thta"), Some("theta"));
        assert_eq!(suggest("nust"), Some("nuts"));
    }

    #[test]
    fn case_goes_before_distance() {
        assert_eq!(suggest("normal"), Some("Normal"));
        assert_eq!(suggest("GAMMA"), Some("Gamma"));
        assert_eq!(suggest("X"), Some("x"));
    }

    #[test]
    fn what_is_far_is_not_suggested() {
        assert_eq!(suggest("Cauchy"), None);
        assert_eq!(suggest("y"), None);
        assert_eq!(suggest("ab"), None);
        assert_eq!(suggest(""), None);
        assert_eq!(suggest("x"), None);
    }

    #[test]
    fn distances_are_those_of_the_definition() {
        let between = |a: &str, b: &str| distance(&a.chars().collect::<Vec<_>>(), &b.chars().collect::<Vec<_>>());
        assert_eq!(between("kitten", "sitting"), 3);
        assert_eq!(between("ca", "abc"), 3);
        assert_eq!(between("ab", "ba"), 1);
        assert_eq!(between("", "abc"), 3);
    }
}
