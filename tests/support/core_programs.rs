//! Random well-formed deterministic Core, as text, made from a tape of numbers.

use std::fmt::Write;

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Real,
    Int,
    Bool,
    Reals,
    Pair,
}

impl Kind {
    fn text(self) -> &'static str {
        match self {
            Kind::Real => "Real",
            Kind::Int => "Int",
            Kind::Bool => "Bool",
            Kind::Reals => "[Real]",
            Kind::Pair => "(Real, Int)",
        }
    }
}

/// The program that a tape stands for; a short tape gives a short program.
pub fn program(tape: &[u32]) -> String {
    let mut maker =
        Maker { tape, at: 0, out: String::new(), next: 0, scope: Vec::new(), depth: 0, callable: Vec::new() };
    maker.out.push_str(
        "entry main$0\ndata n@0: Int = 3\ndata xs@1: [Real] = [1.5, -0.0, 4.0]\ndata c@2: Real = 0.25\ndata on@3: Bool = true\n",
    );
    maker.callable = vec![1, 2];
    maker.function(0, "main", "", Kind::Reals);
    maker.callable = vec![2];
    maker.function(1, "outer", "", Kind::Real);
    maker.callable = vec![];
    maker.function(2, "leaf", "", Kind::Real);
    maker.function(3, "held", " captures (held.100: Real)", Kind::Real);
    maker.out
}

struct Maker<'a> {
    tape: &'a [u32],
    at: usize,
    out: String,
    next: u32,
    scope: Vec<(u32, Kind, bool)>,
    depth: usize,
    callable: Vec<u32>,
}

impl Maker<'_> {
    fn pick(&mut self, count: usize) -> usize {
        let drawn = self.tape.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        drawn as usize % count
    }

    fn function(&mut self, id: u32, name: &str, captures: &str, result: Kind) {
        self.next = 2;
        self.scope = vec![(0, Kind::Real, false), (1, Kind::Int, false)];
        if !captures.is_empty() {
            self.scope.push((100, Kind::Real, false));
        }
        self.depth = 1;
        let _ = writeln!(self.out, "fn {name}${id}(x.0: Real, k.1: Int){captures} -> {} {{", result.text());
        let count = 2 + self.pick(8);
        for _ in 0..count {
            self.stmt();
        }
        // The result depends on most of what was computed, so that a wrong value is seen.
        let mut seen: Vec<String> = Vec::new();
        for (var, kind, _) in self.scope.clone() {
            if kind == Kind::Real && self.pick(3) > 0 {
                seen.push(format!("v.{var}"));
            }
        }
        let atom = if result == Kind::Reals {
            let var = self.fresh();
            let _ = writeln!(self.out, "v.{var}: [Real] = array({})", seen.join(", "));
            format!("v.{var}")
        } else {
            let mut sum = self.atom(Kind::Real);
            for term in seen {
                let var = self.fresh();
                let _ = writeln!(self.out, "v.{var}: Real = AddR({sum}, {term})");
                sum = format!("v.{var}");
            }
            sum
        };
        let _ = writeln!(self.out, "=> {atom}\n}}");
    }

    fn fresh(&mut self) -> u32 {
        self.next += 1;
        if self.next == 100 {
            self.next = 101;
        }
        self.next
    }

    fn atom(&mut self, kind: Kind) -> String {
        let known: Vec<u32> = self.scope.iter().filter(|(_, k, _)| *k == kind).map(|(v, ..)| *v).collect();
        let at = self.pick(known.len() + 3);
        if let Some(var) = known.iter().rev().nth(at) {
            return format!("v.{var}");
        }
        let which = self.pick(4);
        match kind {
            Kind::Real => ["0.5", "-0.0", "1.0", "c@2"][which].to_string(),
            Kind::Int => ["0", "1", "2", "n@0"][which].to_string(),
            Kind::Bool => ["true", "false", "on@3", "on@3"][which].to_string(),
            Kind::Reals => {
                ["xs@1", "const([2.0, 3.0, 5.0]: [Real])", "const([2.0]: [Real])", "xs@1"][which].to_string()
            }
            Kind::Pair => "const(tuple(1.0, 2): (Real, Int))".to_string(),
        }
    }

    fn bind(&mut self, kind: Kind, rhs: &str) {
        let var = self.fresh();
        let mutable = self.pick(5) == 0;
        let _ = writeln!(self.out, "{}v.{var}: {} = {rhs}", if mutable { "var " } else { "" }, kind.text());
        self.scope.push((var, kind, mutable));
    }

    fn block(&mut self, result: Option<Kind>) -> String {
        let outer = std::mem::take(&mut self.out);
        let seen = self.scope.len();
        self.depth += 1;
        for _ in 0..self.pick(4) {
            self.stmt();
        }
        if let Some(kind) = result {
            let atom = self.atom(kind);
            let _ = writeln!(self.out, "=> {atom}");
        }
        self.depth -= 1;
        self.scope.truncate(seen);
        let body = std::mem::replace(&mut self.out, outer);
        format!("{{\n{body}}}")
    }

    fn args(&mut self, kinds: &[Kind]) -> String {
        let atoms: Vec<String> = kinds.iter().map(|k| self.atom(*k)).collect();
        atoms.join(", ")
    }

    fn stmt(&mut self) {
        use Kind::{Bool, Int, Pair, Real, Reals};
        let choice = self.pick(if self.depth > 3 { 13 } else { 20 });
        match choice {
            0 | 1 => {
                let op = ["AddR", "SubR", "MulR", "DivR"][self.pick(4)];
                let args = self.args(&[Real, Real]);
                self.bind(Real, &format!("{op}({args})"));
            }
            2 => {
                let op = ["AddI", "SubI", "MulI", "RemI"][self.pick(4)];
                let args = self.args(&[Int, Int]);
                self.bind(Int, &format!("{op}({args})"));
            }
            3 => {
                let args = self.args(&[Real, Real]);
                self.bind(Bool, &format!("LtR({args})"));
            }
            4 => {
                let args = self.args(&[Int, Int]);
                self.bind(Bool, &format!("EqI({args})"));
            }
            5 => {
                let args = self.args(&[Real, Int]);
                self.bind(Pair, &format!("tuple({args})"));
            }
            6 => {
                let pair = self.atom(Pair);
                match self.pick(2) {
                    0 => self.bind(Real, &format!("{pair}.0")),
                    _ => self.bind(Int, &format!("{pair}.1")),
                }
            }
            7 => {
                let args = self.args(&[Reals, Int]);
                self.bind(Real, &format!("Index({args})"));
            }
            8 => {
                let op = ["AddR", "MulR"][self.pick(2)];
                let kinds = [[Reals, Reals], [Reals, Real], [Real, Reals]][self.pick(3)];
                let args = self.args(&kinds);
                self.bind(Reals, &format!("lift {op}({args})"));
            }
            9 => {
                let args = self.args(&[Real, Real]);
                self.bind(Reals, &format!("array({args})"));
            }
            10 => match self.pick(3) {
                0 => {
                    let arg = self.atom(Int);
                    self.bind(Real, &format!("Widen({arg})"));
                }
                1 => {
                    let arg = self.atom(Reals);
                    self.bind(Int, &format!("Len({arg})"));
                }
                _ => {
                    let kind = [Real, Int, Reals][self.pick(3)];
                    let arg = self.atom(kind);
                    self.bind(kind, &arg);
                }
            },
            11 | 12 => self.assign(),
            13 => {
                let cond = self.atom(Bool);
                let kind = [Real, Int, Reals][self.pick(3)];
                let (yes, no) = (self.block(Some(kind)), self.block(Some(kind)));
                self.bind(kind, &format!("if {cond} {yes} else {no}"));
            }
            14 => {
                let cond = self.atom(Bool);
                let (yes, no) = (self.block(None), self.block(None));
                let _ = writeln!(self.out, "if {cond} {yes} else {no}");
            }
            15 => {
                let high = ["0", "1", "3", "n@0", "v.1"][self.pick(5)];
                let (index, body) = self.looped(None);
                let _ = writeln!(self.out, "for i.{index} in 0 .. {high} {body}");
            }
            16 => {
                let len = ["0", "2", "n@0", "v.1"][self.pick(4)];
                let (index, body) = self.looped(Some(Real));
                self.bind(Reals, &format!("build i.{index} < {len} {body}"));
            }
            17 => {
                let args = self.args(&[Real, Int]);
                match self.callable.clone() {
                    none if none.is_empty() => self.assign(),
                    some => {
                        let func = some[self.pick(some.len())];
                        self.bind(Real, &format!("${func}({args})"));
                    }
                }
            }
            18 => {
                // `held` calls nothing, so anything but itself may hold it.
                if self.scope.iter().any(|(v, ..)| *v == 100) {
                    return self.assign();
                }
                let captured = self.atom(Real);
                let closure = self.fresh();
                let _ = writeln!(self.out, "f.{closure}: (Real, Int) -> Real = closure $3[{captured}]");
                let args = self.args(&[Real, Int]);
                self.bind(Real, &format!("apply f.{closure}({args})"));
            }
            _ => {
                // Counts down from a small number.
                let (count, test, less) = (self.fresh(), self.fresh(), self.fresh());
                let _ = writeln!(self.out, "var w.{count}: Int = 3");
                let body = self.block(None);
                let _ = writeln!(
                    self.out,
                    "while {{\nt.{test}: Bool = LtI(0, w.{count})\n=> t.{test}\n}} do {{\n\
                     l.{less}: Int = SubI(w.{count}, 1)\nw.{count} := l.{less}\nif true {body} else {{}}\n}}"
                );
            }
        }
    }

    fn looped(&mut self, result: Option<Kind>) -> (u32, String) {
        let index = self.fresh();
        self.scope.push((index, Kind::Int, false));
        let body = self.block(result);
        let place = self.scope.iter().position(|(v, ..)| *v == index).expect("the index was put there");
        self.scope.remove(place);
        (index, body)
    }

    fn assign(&mut self) {
        let targets: Vec<(u32, Kind)> = self.scope.iter().filter(|(.., m)| *m).map(|(v, k, _)| (*v, *k)).collect();
        if targets.is_empty() {
            let kind = [Kind::Real, Kind::Int, Kind::Reals][self.pick(3)];
            let var = self.fresh();
            let start = self.atom(kind);
            let _ = writeln!(self.out, "var v.{var}: {} = {start}", kind.text());
            self.scope.push((var, kind, true));
            return;
        }
        let (var, kind) = targets[self.pick(targets.len())];
        if kind == Kind::Reals && self.pick(2) == 0 {
            let (i, x) = (self.atom(Kind::Int), self.atom(Kind::Real));
            let _ = writeln!(self.out, "v.{var}[{i}] := {x}");
            return;
        }
        let value = self.atom(kind);
        let _ = writeln!(self.out, "v.{var} := {value}");
    }
}
