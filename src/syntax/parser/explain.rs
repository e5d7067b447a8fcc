//! stub
use super::*;
pub(super) fn problems(file: FileId, _text: &str, chunk: &Chunk) -> Vec<Diagnostic> {
    chunk
        .problems
        .iter()
        .map(|p| Diagnostic::error(Span::new(file, chunk.range.start, chunk.range.end), format!("{p:?}")))
        .collect()
}
pub(super) fn failure(rule: Rule, file: FileId, _text: &str, layout: &Layout, chunk: &Chunk) -> Diagnostic {
    pest::set_error_detail(true);
    let e = Grammar::parse(rule, &layout.text[chunk.range.clone()]).err();
    pest::set_error_detail(false);
    let Some(e) = e else { return Diagnostic::error(Span::new(file, 0, 0), "x") };
    let a = e.parse_attempts().unwrap();
    let at = chunk.range.start + a.max_position;
    Diagnostic::error(
        Span::new(file, at, at + 1),
        format!(
            "{:?}\n   {:?}\n  {:?}\n   {:?}",
            a.expected_tokens(),
            a.unexpected_tokens(),
            a.call_stacks(),
            e.variant
        ),
    )
}
