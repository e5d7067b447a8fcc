//! Setting text in lines: groups stay in one line where they fit, and break at their marks where they do not.
//!
//! A simple form of Oppen's printer ("Prettyprinting", 1980): the whole page is known, so widths are computed first.

/// Columns of a line.
pub(super) const WIDTH: usize = 100;

/// Blanks of a level of indentation.
const INDENT: usize = 2;

/// A part of a page.
#[derive(Clone, Copy, Debug)]
pub(super) enum Mark<'t> {
    Text(&'t str),
    /// A newline where the group is broken, else this text.
    Line(&'static str),
    /// A newline where what follows up to the next mark does not fit and the group is broken, else a blank.
    Fill,
    /// A newline, with an empty line before the next if `blank`.
    Hard {
        blank: bool,
    },
    /// Text only where the group is broken.
    Broken(&'static str),
    /// A comment to the end of the line; `trailing` ones stay in the line that they find.
    Comment {
        text: &'t str,
        trailing: bool,
    },
    Open,
    Close,
    Indent,
    Dedent,
}

/// What cannot stand in one line.
const ENDLESS: usize = usize::MAX / 4;

/// The parts of a page in order.
#[derive(Default)]
pub(super) struct Page<'t> {
    pub marks: Vec<Mark<'t>>,
}

impl<'t> Page<'t> {
    pub fn put(&mut self, mark: Mark<'t>) {
        self.marks.push(mark);
    }

    /// The width in one line; none if it cannot stand in one.
    pub fn flat_width(&self) -> Option<usize> {
        let width = self.marks.iter().fold(0usize, |sum, mark| sum.saturating_add(flat(mark)));
        (width < ENDLESS).then_some(width)
    }

    /// The page as text, ending in a newline unless it is empty.
    pub fn set(&self) -> String {
        let widths = self.widths();
        let mut setter = Setter { out: String::new(), column: 0, indent: 0, must_break: false };
        // Whether each open group is broken.
        let mut broken = vec![true];
        for (index, mark) in self.marks.iter().enumerate() {
            let in_broken = broken.last().copied().unwrap_or(true);
            match *mark {
                Mark::Text(text) => setter.text(text),
                Mark::Line(_) if in_broken => setter.newline(false),
                Mark::Line(_) | Mark::Fill if setter.must_break => setter.newline(false),
                Mark::Line(text) => setter.text(text),
                Mark::Fill if in_broken && setter.column + 1 + widths[index] > WIDTH => setter.newline(false),
                Mark::Fill => setter.text(" "),
                Mark::Hard { blank } => setter.newline(blank),
                Mark::Broken(text) if in_broken => setter.text(text),
                Mark::Broken(_) => {}
                Mark::Comment { text, trailing } => setter.comment(text, trailing),
                Mark::Open => {
                    let column = if setter.must_break { setter.indent * INDENT } else { setter.column };
                    broken.push(in_broken && column + widths[index] > WIDTH);
                }
                Mark::Close => {
                    broken.pop();
                }
                Mark::Indent => setter.indent += 1,
                Mark::Dedent => setter.indent -= 1,
            }
        }
        let kept = setter.out.trim_end().len();
        setter.out.truncate(kept);
        if kept > 0 {
            setter.out.push('\n');
        }
        setter.out
    }

    /// For an `Open`, the width of its group in one line and of what follows it up to the next mark; for a `Fill`,
    /// the width up to the next mark of its own group.
    fn widths(&self) -> Vec<usize> {
        let mut widths = vec![0; self.marks.len()];
        // From the end: the text up to the next place where a line can end.
        let mut tail = 0usize;
        // For each group, outermost first: its width so far, the text behind it, and the width since its last mark.
        let mut groups: Vec<(usize, usize, usize)> = vec![(0, 0, 0)];
        for (index, mark) in self.marks.iter().enumerate().rev() {
            let width = flat(mark);
            match mark {
                Mark::Close => {
                    groups.push((0, tail, tail));
                    continue;
                }
                Mark::Open => {
                    if groups.len() > 1
                        && let Some((inside, behind, _)) = groups.pop()
                    {
                        widths[index] = inside.saturating_add(behind).min(ENDLESS);
                        if let Some(outer) = groups.last_mut() {
                            outer.0 = outer.0.saturating_add(inside).min(ENDLESS);
                            outer.2 = outer.2.saturating_add(inside).min(ENDLESS);
                        }
                    }
                    continue;
                }
                Mark::Line(_) | Mark::Fill | Mark::Hard { .. } | Mark::Comment { .. } => {
                    if let Some(group) = groups.last_mut() {
                        if matches!(mark, Mark::Fill) {
                            widths[index] = group.2;
                        }
                        group.2 = 0;
                    }
                    tail = 0;
                }
                _ => tail = tail.saturating_add(width).min(ENDLESS),
            }
            if let Some(group) = groups.last_mut() {
                group.0 = group.0.saturating_add(width).min(ENDLESS);
                if !matches!(mark, Mark::Line(_) | Mark::Fill | Mark::Hard { .. } | Mark::Comment { .. }) {
                    group.2 = group.2.saturating_add(width).min(ENDLESS);
                }
            }
        }
        widths
    }
}

fn flat(mark: &Mark<'_>) -> usize {
    match mark {
        Mark::Text(text) => text.chars().count(),
        Mark::Line(text) => text.len(),
        Mark::Fill => 1,
        Mark::Hard { .. } | Mark::Comment { .. } => ENDLESS,
        _ => 0,
    }
}

struct Setter {
    out: String,
    column: usize,
    indent: usize,
    /// After a comment, what follows stands in a new line.
    must_break: bool,
}

impl Setter {
    fn newline(&mut self, blank: bool) {
        let kept = self.out.trim_end_matches(' ').len();
        self.out.truncate(kept);
        self.out.push_str(if blank { "\n\n" } else { "\n" });
        self.column = 0;
        self.must_break = false;
    }

    fn text(&mut self, text: &str) {
        if self.must_break {
            self.newline(false);
        }
        if self.column == 0 && !text.is_empty() {
            let text = text.trim_start();
            if text.is_empty() {
                return;
            }
            for _ in 0..self.indent * INDENT {
                self.out.push(' ');
            }
            self.column = self.indent * INDENT;
        }
        let text =
            if self.column == self.indent * INDENT && self.out.ends_with("\n") { text.trim_start() } else { text };
        self.out.push_str(text);
        self.column += text.chars().count();
    }

    fn comment(&mut self, text: &str, trailing: bool) {
        if self.must_break || (!trailing && self.column > 0) {
            self.newline(false);
        }
        if self.column > 0 && !self.out.ends_with(' ') {
            self.text(" ");
        }
        self.text(text);
        self.must_break = true;
    }
}
