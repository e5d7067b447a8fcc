//! Reads the text form of Core, as `super::print` writes it.
//!
//! The text says types, flags and sites; it has no spans. White space and `// comments` are free.

mod lex;
mod value;

use super::ir::{
    Atom, Block, Callee, Dist, DistId, DistUse, FuncId, Function, Global, GlobalId, Op, PrimRef, Program, Rhs, Site,
    SiteId, SiteKind, Step, Stmt, StmtKind, Var, VarId,
};
use super::ty::{Type, TypeKind};
use crate::source::{Name, Span, intern};
use crate::value::Value;
use lex::Token;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

/// Why a text is not Core.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct CoreParseError {
    /// Counted from 1.
    pub line: u32,
    pub message: String,
}

/// The program that a text describes. It need not be well typed; see `super::check`.
pub fn parse(text: &str) -> Result<Program, CoreParseError> {
    let tokens = lex::tokens(text)?;
    let mut parser = Parser { tokens, at: 0, depth: 0, vars: Vec::new() };
    parser.program()
}

/// The operations by their names.
pub const OPS: &[Op] = {
    use Op::*;
    &[
        AddR, SubR, MulR, DivR, PowR, RemR, NegR, AddI, SubI, MulI, PowI, RemI, NegI, EqR, NeR, LtR, LeR, EqI, NeI,
        LtI, LeI, EqB, NeB, Not, And, Or, Same, Different, Widen, Len, Index, Index2, Slice, Gather, Push, Fill, Range,
        MatMul, Print, Assert, Fail, Domain,
    ]
};

/// Nesting of blocks, values and types beyond this is an error, so that reading cannot exhaust the stack.
const DEEPEST: usize = 200;

/// Numbers of variables beyond this are an error: variables are kept by number.
const MOST_VARS: u32 = 1 << 20;

fn op_named(name: &str) -> Option<Op> {
    static BY_NAME: OnceLock<HashMap<String, Op>> = OnceLock::new();
    BY_NAME.get_or_init(|| OPS.iter().map(|op| (format!("{op:?}"), *op)).collect()).get(name).copied()
}

struct Parser<'a> {
    tokens: Vec<(Token<'a>, u32)>,
    at: usize,
    depth: usize,
    /// Of the function being read; none where no binder was seen yet.
    vars: Vec<Option<Var>>,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> &Token<'a> {
        &self.tokens[self.at].0
    }

    fn next(&mut self) -> Token<'a> {
        let token = self.tokens[self.at].0.clone();
        // The last token is the end, which stays.
        self.at = (self.at + 1).min(self.tokens.len() - 1);
        token
    }

    fn error<T>(&self, message: impl Into<String>) -> Result<T, CoreParseError> {
        Err(CoreParseError { line: self.tokens[self.at.saturating_sub(1)].1, message: message.into() })
    }

    fn unexpected<T>(&self, expected: &str, found: &Token<'_>) -> Result<T, CoreParseError> {
        let found = match found {
            Token::Word(word) => (*word).to_string(),
            Token::Ref(name, sigil, number) => format!("{name}{sigil}{number}"),
            Token::Int(n) => n.to_string(),
            Token::Real(x) => format!("{x:?}"),
            Token::Text(text) => format!("{text:?}"),
            Token::Mark(mark) => (*mark).to_string(),
            Token::End => "the end".to_string(),
        };
        self.error(format!("expected {expected}, found {found}"))
    }

    fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, CoreParseError>) -> Result<T, CoreParseError> {
        if self.depth >= DEEPEST {
            return self.error(format!("nested deeper than {DEEPEST} levels"));
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }

    fn at_mark(&self, mark: &str) -> bool {
        matches!(self.peek(), Token::Mark(found) if *found == mark)
    }

    fn eat(&mut self, mark: &str) -> bool {
        let found = self.at_mark(mark);
        if found {
            self.next();
        }
        found
    }

    fn expect(&mut self, mark: &str) -> Result<(), CoreParseError> {
        match self.next() {
            Token::Mark(found) if found == mark => Ok(()),
            other => self.unexpected(mark, &other),
        }
    }

    fn eat_word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Token::Word(found) if *found == word);
        if found {
            self.next();
        }
        found
    }

    fn expect_word(&mut self, word: &str) -> Result<(), CoreParseError> {
        match self.next() {
            Token::Word(found) if found == word => Ok(()),
            other => self.unexpected(word, &other),
        }
    }

    /// Items with commas between them, up to the closing mark.
    fn list<T>(
        &mut self,
        close: &str,
        mut item: impl FnMut(&mut Self) -> Result<T, CoreParseError>,
    ) -> Result<Vec<T>, CoreParseError> {
        let mut items = Vec::new();
        while !self.eat(close) {
            if !items.is_empty() {
                self.expect(",")?;
            }
            items.push(item(self)?);
        }
        Ok(items)
    }

    fn name(&mut self) -> Result<Name, CoreParseError> {
        match self.next() {
            Token::Word(word) => Ok(intern(word)),
            Token::Text(text) => Ok(intern(&text)),
            // A parameter or field may be called as the infinite numbers are written.
            Token::Real(f64::INFINITY) => Ok(intern("inf")),
            Token::Real(x) if x.is_nan() => Ok(intern("nan")),
            other => self.unexpected("a name", &other),
        }
    }

    fn named_reference(&mut self, sigil: char, what: &str) -> Result<(Name, u32), CoreParseError> {
        match self.next() {
            Token::Ref(name, found, number) if found == sigil => Ok((intern(&name), number)),
            other => self.unexpected(what, &other),
        }
    }

    fn reference(&mut self, sigil: char, what: &str) -> Result<u32, CoreParseError> {
        Ok(self.named_reference(sigil, what)?.1)
    }

    fn func(&mut self) -> Result<FuncId, CoreParseError> {
        Ok(FuncId(self.reference('$', "a function")?))
    }

    /// A declaration must stand at its number.
    fn declared(&mut self, sigil: char, what: &str, place: usize) -> Result<Name, CoreParseError> {
        let (name, number) = self.named_reference(sigil, what)?;
        if number as usize != place {
            return self.error(format!("expected {what} number {place}, found number {number}"));
        }
        Ok(name)
    }

    fn program(&mut self) -> Result<Program, CoreParseError> {
        let mut program = Program::default();
        loop {
            match self.next() {
                Token::End => return Ok(program),
                Token::Word("entry") => program.entry = Some(self.func()?),
                Token::Word("type") => self.constructors()?,
                Token::Word("data") => {
                    let name = self.declared('@', "data", program.globals.len())?;
                    self.expect(":")?;
                    let ty = self.ty()?;
                    let value = if self.eat("=") { Some(self.value()?) } else { None };
                    program.globals.push(Global { name, ty, value });
                }
                Token::Word("site") => {
                    let name = self.declared('#', "site", program.sites.len())?;
                    let site = self.site_line(name)?;
                    program.sites.push(site);
                }
                Token::Word("dist") => {
                    let name = self.declared('%', "dist", program.dists.len())?;
                    let dist = self.dist_line(name)?;
                    program.dists.push(Arc::new(dist));
                }
                Token::Word("fn") => {
                    let name = self.declared('$', "fn", program.funcs.len())?;
                    let function = self.function(name)?;
                    program.funcs.push(Arc::new(function));
                }
                other => return self.unexpected("entry, type, data, site, dist or fn", &other),
            }
        }
    }

    fn constructors(&mut self) -> Result<(), CoreParseError> {
        let ty = self.ty()?;
        if !matches!(ty.kind(), TypeKind::Variant(..)) {
            return self.error(format!("only variant types have constructors, {ty} is none"));
        }
        self.expect("=")?;
        let mut all = Vec::new();
        loop {
            let name = self.name()?;
            self.expect("(")?;
            all.push((name, self.list(")", Self::ty)?));
            if !self.eat("|") {
                break;
            }
        }
        if ty.constructors() != Some(&all[..]) {
            ty.declare_constructors(all);
        }
        Ok(())
    }

    fn site_line(&mut self, name: Name) -> Result<Site, CoreParseError> {
        self.expect(":")?;
        let kind = match self.next() {
            Token::Word("sample") => SiteKind::Sample,
            Token::Word("observe") => SiteKind::Observe,
            Token::Word("factor") => SiteKind::Factor,
            Token::Word("call") => SiteKind::Call,
            other => return self.unexpected("sample, observe, factor or call", &other),
        };
        let ty = self.ty()?;
        let named = self.eat_word("named");
        let forward_only = self.eat_word("forward");
        Ok(Site { name, named, kind, span: Span::NONE, ty, forward_only })
    }

    fn dist_line(&mut self, name: Name) -> Result<Dist, CoreParseError> {
        self.expect("(")?;
        let params = self.list(")", |p| {
            // `lifted: Real` is a parameter of that name.
            let lifted = matches!(p.peek(), Token::Word("lifted")) && p.tokens[p.at + 1].0 != Token::Mark(":");
            if lifted {
                p.next();
            }
            let name = p.name()?;
            p.expect(":")?;
            Ok(((name, p.ty()?), lifted))
        })?;
        let (params, lifted): (Vec<_>, Vec<bool>) = params.into_iter().unzip();
        let lifted = if lifted.contains(&true) { lifted } else { Vec::new() };
        self.expect_word("over")?;
        let value = self.ty()?;
        self.expect("{")?;
        self.expect_word("logp")?;
        self.expect("=")?;
        let logp = self.func()?;
        let mut dist =
            Dist { name, params, value, lifted, logp, sample: None, support: None, check: None, members: Vec::new() };
        while self.eat(",") {
            let member = self.name()?;
            self.expect("=")?;
            let func = self.func()?;
            match member.as_str() {
                "sample" => dist.sample = Some(func),
                "support" => dist.support = Some(func),
                "check" => dist.check = Some(func),
                _ => dist.members.push((member, func)),
            }
        }
        self.expect("}")?;
        Ok(dist)
    }

    fn function(&mut self, name: Name) -> Result<Function, CoreParseError> {
        self.vars = Vec::new();
        self.expect("(")?;
        let params = self.list(")", |p| p.binder(None))?;
        let captures = if self.eat_word("captures") {
            self.expect("(")?;
            self.list(")", |p| p.binder(None))?
        } else {
            Vec::new()
        };
        let random = match self.next() {
            Token::Mark("~>") => true,
            Token::Mark("->") => false,
            other => return self.unexpected("-> or ~>", &other),
        };
        let result = self.ty()?;
        let user = self.eat_word("user");
        let body = self.block()?;
        let unbound = Var { name: intern("_"), ty: Type::UNIT, mutable: false };
        let vars = std::mem::take(&mut self.vars).into_iter().map(|v| v.unwrap_or(unbound)).collect();
        Ok(Function { name, span: Span::NONE, random, user, vars, params, captures, body, result })
    }

    /// `x.0: T`, `var x.0: T`, or only `x.0` where a type is given.
    fn binder(&mut self, ty: Option<Type>) -> Result<VarId, CoreParseError> {
        let mutable = self.eat_word("var");
        let (name, number) = self.named_reference('.', "a variable")?;
        let id = self.var_number(number)?;
        let ty = match ty {
            Some(ty) if !self.at_mark(":") => ty,
            _ => {
                self.expect(":")?;
                self.ty()?
            }
        };
        self.vars[number as usize] = Some(Var { name, ty, mutable });
        Ok(id)
    }

    fn var_number(&mut self, number: u32) -> Result<VarId, CoreParseError> {
        if number >= MOST_VARS {
            return self.error(format!("variable number {number} is too large"));
        }
        if self.vars.len() <= number as usize {
            self.vars.resize(number as usize + 1, None);
        }
        Ok(VarId(number))
    }

    fn block(&mut self) -> Result<Block, CoreParseError> {
        self.nested(|p| {
            p.expect("{")?;
            let mut block = Block::default();
            loop {
                if p.eat("}") {
                    return Ok(block);
                }
                if p.eat("=>") {
                    block.result = p.atom()?;
                    p.expect("}")?;
                    return Ok(block);
                }
                let kind = p.stmt()?;
                block.stmts.push(Stmt { span: Span::NONE, kind });
            }
        })
    }

    fn stmt(&mut self) -> Result<StmtKind, CoreParseError> {
        match self.peek().clone() {
            Token::Word("var") => self.binding(),
            Token::Word("for") => {
                self.next();
                let var = self.binder(Some(Type::INT))?;
                self.expect_word("in")?;
                let low = self.atom()?;
                self.expect("..")?;
                let high = self.atom()?;
                Ok(StmtKind::For { var, low, high, body: self.block()? })
            }
            Token::Word("while") => {
                self.next();
                let cond = self.block()?;
                self.expect_word("do")?;
                Ok(StmtKind::While { cond, body: self.block()? })
            }
            Token::Word("if") => {
                self.next();
                let (cond, yes, no) = self.branches()?;
                Ok(StmtKind::If(cond, yes, no))
            }
            Token::Word("observe") => {
                self.next();
                let (site, path) = self.site()?;
                self.expect("~")?;
                let dist = self.dist_use()?;
                self.expect("=")?;
                Ok(StmtKind::Observe { site, dist, value: self.atom()?, path })
            }
            Token::Word("factor") => {
                self.next();
                let (site, path) = self.site()?;
                self.expect("~")?;
                Ok(StmtKind::Factor { site, weight: self.atom()?, path })
            }
            Token::Ref(_, '.', number) => {
                if self.tokens[self.at + 1].0 == Token::Mark(":") {
                    return self.binding();
                }
                self.next();
                let var = self.var_number(number)?;
                let steps = self.steps()?;
                self.expect(":=")?;
                let value = self.atom()?;
                Ok(if steps.is_empty() { StmtKind::Assign(var, value) } else { StmtKind::Update(var, steps, value) })
            }
            other => {
                self.next();
                self.unexpected("a statement", &other)
            }
        }
    }

    fn binding(&mut self) -> Result<StmtKind, CoreParseError> {
        let var = self.binder(None)?;
        self.expect("=")?;
        Ok(StmtKind::Let(var, self.rhs()?))
    }

    fn steps(&mut self) -> Result<Vec<Step>, CoreParseError> {
        let mut steps = Vec::new();
        loop {
            if self.eat(".") {
                steps.push(Step::Field(self.field()?));
            } else if self.eat("[") {
                let row = self.atom()?;
                steps.push(if self.eat(",") { Step::Index2(row, self.atom()?) } else { Step::Index(row) });
                self.expect("]")?;
            } else {
                return Ok(steps);
            }
        }
    }

    fn field(&mut self) -> Result<u32, CoreParseError> {
        match self.next() {
            Token::Int(n) if u32::try_from(n).is_ok() => Ok(n as u32),
            other => self.unexpected("the number of a field", &other),
        }
    }

    fn branches(&mut self) -> Result<(Atom, Block, Block), CoreParseError> {
        let cond = self.atom()?;
        let yes = self.block()?;
        self.expect_word("else")?;
        Ok((cond, yes, self.block()?))
    }

    fn site(&mut self) -> Result<(SiteId, Vec<Atom>), CoreParseError> {
        let site = SiteId(self.reference('#', "a site")?);
        let path = if self.eat("[") { self.list("]", Self::atom)? } else { Vec::new() };
        Ok((site, path))
    }

    fn dist_use(&mut self) -> Result<DistUse, CoreParseError> {
        if let Token::Ref(_, '%', number) = *self.peek() {
            self.next();
            return Ok(DistUse::Known(DistId(number), self.args()?));
        }
        Ok(DistUse::Value(self.atom()?))
    }

    fn args(&mut self) -> Result<Vec<Atom>, CoreParseError> {
        self.expect("(")?;
        self.list(")", Self::atom)
    }

    fn call_site(&mut self) -> Result<(Option<SiteId>, Vec<Atom>), CoreParseError> {
        if !self.eat_word("at") {
            return Ok((None, Vec::new()));
        }
        let (site, path) = self.site()?;
        Ok((Some(site), path))
    }

    fn rhs(&mut self) -> Result<Rhs, CoreParseError> {
        match self.peek().clone() {
            Token::Ref(_, '$', number) => {
                self.next();
                let args = self.args()?;
                let (site, path) = self.call_site()?;
                Ok(Rhs::Call { func: FuncId(number), args, site, path })
            }
            Token::Ref(_, '!', _) => match self.callee()? {
                Callee::Prim(prim) => Ok(Rhs::Prim(prim, self.args()?)),
                Callee::Op(op) => Ok(Rhs::Op(op, self.args()?)),
            },
            Token::Word(word) => self.worded_rhs(word),
            _ => self.atom_or_field(),
        }
    }

    fn atom_or_field(&mut self) -> Result<Rhs, CoreParseError> {
        let atom = self.atom()?;
        if self.eat(".") {
            return Ok(Rhs::Field(atom, self.field()?));
        }
        Ok(Rhs::Atom(atom))
    }

    fn callee(&mut self) -> Result<Callee, CoreParseError> {
        match self.next() {
            Token::Ref(name, '!', row) => Ok(Callee::Prim(PrimRef { row, name: intern(&name) })),
            Token::Word(word) if op_named(word).is_some() => {
                Ok(Callee::Op(op_named(word).expect("the guard found the operation")))
            }
            other => self.unexpected("an operation or a primitive", &other),
        }
    }

    fn worded_rhs(&mut self, word: &str) -> Result<Rhs, CoreParseError> {
        if let Some(op) = op_named(word) {
            self.next();
            return Ok(Rhs::Op(op, self.args()?));
        }
        if matches!(word, "true" | "false" | "const") {
            return self.atom_or_field();
        }
        self.next();
        match word {
            "lift" => {
                let callee = self.callee()?;
                Ok(Rhs::Lift(callee, self.args()?))
            }
            "apply" => {
                let callee = self.atom()?;
                let args = self.args()?;
                let (site, path) = self.call_site()?;
                Ok(Rhs::CallClosure { callee, args, site, path })
            }
            "closure" => {
                let func = self.func()?;
                self.expect("[")?;
                Ok(Rhs::Closure(func, self.list("]", Self::atom)?))
            }
            "tuple" => Ok(Rhs::Tuple(self.args()?)),
            "record" => Ok(Rhs::Record(self.args()?)),
            "array" => Ok(Rhs::Array(self.args()?)),
            "variant" => {
                let tag = self.reference('#', "a constructor")?;
                Ok(Rhs::Variant(tag, self.args()?))
            }
            "payload" => {
                self.expect("(")?;
                let of = self.atom()?;
                self.expect(",")?;
                let tag = self.reference('#', "a constructor")?;
                self.expect(",")?;
                let field = self.field()?;
                self.expect(")")?;
                Ok(Rhs::Payload(of, tag, field))
            }
            "build" => {
                let var = self.binder(Some(Type::INT))?;
                self.expect("<")?;
                let len = self.atom()?;
                Ok(Rhs::Build { len, var, body: self.block()? })
            }
            "dist" => {
                let dist = DistId(self.reference('%', "a distribution")?);
                Ok(Rhs::Dist(dist, self.args()?))
            }
            "sample" => {
                let (site, path) = self.site()?;
                self.expect("~")?;
                Ok(Rhs::Sample { site, dist: self.dist_use()?, path })
            }
            "member" => {
                let name = self.name()?;
                self.expect_word("of")?;
                let dist = self.dist_use()?;
                Ok(Rhs::Member(name, dist, self.args()?))
            }
            "if" => {
                let (cond, yes, no) = self.branches()?;
                Ok(Rhs::If(cond, yes, no))
            }
            "switch" => self.switch(),
            "host" => {
                let name = self.name()?;
                Ok(Rhs::Host(name, self.args()?))
            }
            _ => self.error(format!("expected an expression, found {word}")),
        }
    }

    fn switch(&mut self) -> Result<Rhs, CoreParseError> {
        let on = self.atom()?;
        self.expect("{")?;
        let mut arms = Vec::new();
        let mut otherwise = None;
        loop {
            match self.next() {
                Token::Mark("}") => return Ok(Rhs::Switch { on, arms, otherwise }),
                Token::Ref(_, '#', tag) => arms.push((tag, self.block()?)),
                Token::Word("else") if otherwise.is_none() => otherwise = Some(Box::new(self.block()?)),
                other => return self.unexpected("an arm, else or }", &other),
            }
        }
    }

    fn atom(&mut self) -> Result<Atom, CoreParseError> {
        match self.peek().clone() {
            Token::Ref(_, '.', number) => {
                self.next();
                Ok(Atom::Var(self.var_number(number)?))
            }
            Token::Ref(_, '@', number) => {
                self.next();
                Ok(Atom::Global(GlobalId(number)))
            }
            Token::Word("const") => {
                self.next();
                self.expect("(")?;
                let value = self.value()?;
                self.expect(":")?;
                let ty = self.ty()?;
                self.expect(")")?;
                Ok(Atom::Const(value, ty))
            }
            _ => {
                let value = self.value()?;
                let ty = match value {
                    Value::Unit => Type::UNIT,
                    Value::Bool(_) => Type::BOOL,
                    Value::Int(_) => Type::INT,
                    Value::Real(_) => Type::REAL,
                    Value::Str(_) => Type::STR,
                    _ => return self.error("this constant needs its type: const(value: type)"),
                };
                Ok(Atom::Const(value, ty))
            }
        }
    }
}
