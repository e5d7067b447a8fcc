//! Drawing diagnostics with their source lines.

use std::ops::Range;

use annotate_snippets::{Annotation, AnnotationKind, Level, Renderer, Snippet, normalize_untrusted_str};

use super::{Diagnostic, FileId, Label, Severity, SourceFile, SourceMap};

/// Columns of a drawn diagnostic; longer source lines are cut around the place.
const WIDTH: usize = 120;

/// See [`Diagnostic::render`]. The labels are drawn file by file, the first label's file first; a label of no file
/// becomes a note, and the advice stands last.
pub(crate) fn diagnostic_render(diagnostic: &Diagnostic, sources: &SourceMap, colour: bool) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut files: Vec<FileId> = Vec::new();
    let mut notes: Vec<&str> = Vec::new();
    for Label { span, text } in &diagnostic.labels {
        if sources.file(span.file).is_none() {
            notes.extend((!text.is_empty()).then_some(text.as_str()));
        } else if !files.contains(&span.file) {
            files.push(span.file);
        }
    }
    let mut group =
        level.primary_title(diagnostic.message.as_str()).elements(Vec::<Snippet<'_, Annotation<'_>>>::new());
    for id in files {
        if let Some(file) = sources.file(id) {
            group = group.element(snippet(diagnostic, id, file));
        }
    }
    for note in notes {
        group = group.element(Level::NOTE.message(normalize_untrusted_str(note)));
    }
    for hint in &diagnostic.hints {
        group = group.element(Level::HELP.message(normalize_untrusted_str(hint)));
    }
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    renderer.term_width(WIDTH).render(&[group])
}

/// The lines of one file that the labels speak of.
fn snippet<'a>(diagnostic: &'a Diagnostic, id: FileId, file: &'a SourceFile) -> Snippet<'a, Annotation<'a>> {
    let text: &str = &file.text;
    let places: Vec<(usize, &Label, Range<usize>)> = diagnostic
        .labels
        .iter()
        .enumerate()
        .filter(|(_, label)| label.span.file == id)
        .map(|(index, label)| (index, label, place(text, label.span.start as usize..label.span.end as usize)))
        .collect();
    // Only the lines between the first and the last label are given, so that a long file costs nothing.
    let first = places.iter().map(|(_, _, range)| range.start).min().unwrap_or(0);
    let last = places.iter().map(|(_, _, range)| range.end).max().unwrap_or(0);
    let start = text[..first].rfind('\n').map_or(0, |newline| newline + 1);
    let end = text[last..].find('\n').map_or(text.len(), |newline| last + newline);
    let line = text[..start].bytes().filter(|byte| *byte == b'\n').count() + 1;
    let annotations = places.into_iter().map(|(index, label, range)| {
        let kind = if index == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
        let annotation = kind.span(range.start - start..range.end - start);
        if label.text.is_empty() { annotation } else { annotation.label(label.text.as_str()) }
    });
    Snippet::source(&text[start..end]).path(file.name.as_str()).line_start(line).annotations(annotations)
}

/// A range that lies in the text, on the borders of characters; the end of a text means the end of its last line.
fn place(text: &str, range: Range<usize>) -> Range<usize> {
    let written = text.trim_end_matches(['\n', '\r']).len();
    let border = |mut at: usize| {
        at = at.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let start = border(range.start);
    if start >= written {
        return written..written;
    }
    start..border(range.end).max(start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Span;

    fn two_files() -> (SourceMap, FileId, FileId) {
        let mut sources = SourceMap::default();
        let first = sources.add("a.borel", "let x = 1\nlet \u{3b1}\u{3b2} = \"caf\u{e9}\"\n\tlet y = x\n");
        let second = sources.add("b.borel", "fn f(k) = k\n");
        (sources, first, second)
    }

    #[test]
    fn labels_of_two_files_are_drawn_under_their_names() {
        let (sources, first, second) = two_files();
        let diagnostic = Diagnostic::error(Span::new(first, 4, 5), "two things disagree")
            .here("this is an Int")
            .also(Span::new(second, 5, 6), "this is a String")
            .hint("make them agree");
        insta::assert_snapshot!(diagnostic.render(&sources, false), @r#"
        error: two things disagree
         --> a.borel:1:5
          |
        1 | let x = 1
          |     ^ this is an Int
          |
         ::: b.borel:1:6
          |
        1 | fn f(k) = k
          |      - this is a String
          |
          = help: make them agree
        "#);
    }

    #[test]
    fn places_outside_of_the_text_are_drawn_all_the_same() {
        let (sources, first, _) = two_files();
        let text = sources.file(first).expect("it was added").text.clone();
        for start in 0..text.len() + 3 {
            for length in 0..6 {
                let span = Span::new(first, start, start + length);
                let shown = Diagnostic::warning(span, "look").here("here").render(&sources, start % 2 == 0);
                assert!(shown.contains("look") && shown.contains("here"), "{shown}");
            }
        }
        let nowhere = Diagnostic::error(Span::NONE, "no place").here("said all the same").hint("try");
        insta::assert_snapshot!(nowhere.render(&sources, false), @r"
        error: no place
         |
         = note: said all the same
         = help: try
        ");
    }

    #[test]
    fn an_end_of_file_is_shown_after_the_last_line() {
        let (sources, _, second) = two_files();
        let diagnostic = Diagnostic::error(Span::new(second, 12, 12), "the file ends").here("more is needed");
        insta::assert_snapshot!(diagnostic.render(&sources, false), @r"
        error: the file ends
         --> b.borel:1:12
          |
        1 | fn f(k) = k
          |            ^ more is needed
        ");
    }

    #[test]
    fn tabs_and_wide_letters_do_not_shift_the_marks() {
        let (sources, first, _) = two_files();
        let text = sources.file(first).expect("it was added").text.clone();
        let name = text.find('\u{3b1}').expect("it is there");
        let y = text.find("y =").expect("it is there");
        let diagnostic =
            Diagnostic::error(Span::new(first, name, name + 4), "Greek").also(Span::new(first, y, y + 1), "a tab");
        insta::assert_snapshot!(diagnostic.render(&sources, false), @r#"
        error: Greek
         --> a.borel:2:5
          |
        2 | let αβ = "café"
          |     ^^
        3 |     let y = x
          |         - a tab
        "#);
    }

    #[test]
    fn colour_is_only_drawn_when_asked_for() {
        let (sources, first, _) = two_files();
        let diagnostic = Diagnostic::error(Span::new(first, 0, 3), "look");
        assert!(!diagnostic.render(&sources, false).contains('\u{1b}'));
        assert!(diagnostic.render(&sources, true).contains('\u{1b}'));
    }
}
