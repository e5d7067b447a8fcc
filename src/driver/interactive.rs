//! What the REPL asks of a session: entries, types, documentation, names.

use super::{Failure, File, Outcome, Session, library};
use crate::data::Entry;
use crate::source::{Name, intern};
use crate::syntax::ast::{ItemId, ItemKind, StmtKind};
use crate::syntax::parser;
use crate::types::Library;
use crate::value::Value;
use std::path::PathBuf;

impl Session {
    /// Evaluates an entry of the REPL: items, statements and expressions. What fails leaves no trace: names keep the meaning that
    /// they had before.
    pub fn eval(&mut self, name: &str, text: &str, data: &[Entry]) -> Result<Vec<Outcome>, Failure> {
        let mark = self.checker.mark();
        let file = self.enter(name, text, data)?;
        let mut outcomes = Vec::new();
        for (k, item) in file.module.items.iter().enumerate() {
            let outcome = self.eval_item(*item, &mut outcomes);
            if let Err(failure) = outcome {
                self.checker.withdraw(mark, Some(&file.module.items[k..]));
                self.withdrawn.extend(&file.module.items[k..]);
                return Err(failure);
            }
        }
        Ok(outcomes)
    }

    /// Checks a text as the file of this name and binds its data. Where that fails it leaves no trace.
    pub fn enter(&mut self, name: &str, text: &str, data: &[Entry]) -> Result<File, Failure> {
        let (mark, items) = (self.checker.mark(), self.checker.ast.items.len());
        let imported: Vec<PathBuf> = self.imported.keys().cloned().collect();
        let entered = self.load_text(name, text).and_then(|file| self.bind_data(data).map(|_| file));
        if entered.is_err() {
            self.checker.withdraw(mark, None);
            self.withdrawn.extend((items..self.checker.ast.items.len()).map(|item| ItemId(item as u32)));
            self.pending.clear();
            self.imported.retain(|path, _| imported.contains(path));
        }
        entered
    }

    fn eval_item(&mut self, item: ItemId, outcomes: &mut Vec<Outcome>) -> Result<(), Failure> {
        let node = self.checker.ast.item(item).clone();
        match &node.kind {
            ItemKind::Stmt(stmt) => {
                let (value, defined) = self.evaluate(item)?;
                outcomes.push(match (&stmt.kind, defined.is_empty(), &value) {
                    (StmtKind::Expr(_), _, Value::Unit) => Outcome::Nothing,
                    (StmtKind::Expr(_), ..) => {
                        let ty = self.checker.statement(item).ok().and_then(|t| t.result);
                        Outcome::Value(value, ty.map_or_else(String::new, |ty| ty.to_string()))
                    }
                    (_, false, _) => {
                        Outcome::Defined(defined.iter().map(|(name, ty)| (name.to_string(), ty.to_string())).collect())
                    }
                    _ => Outcome::Nothing,
                });
            }
            ItemKind::Fn(decl) => {
                let name = decl.name.name.to_string();
                let ty = self.checker.type_of_item(&name).unwrap_or_default();
                outcomes.push(Outcome::Defined(vec![(name, ty)]));
            }
            ItemKind::Dist(decl) => {
                let name = decl.name.name.to_string();
                let ty = self.checker.type_of_item(&name).unwrap_or_default();
                outcomes.push(Outcome::Defined(vec![(name, ty)]));
            }
            ItemKind::Data { name, .. } => {
                let ty = self.checker.data_type(item);
                outcomes.push(Outcome::Defined(vec![(name.name.to_string(), ty.to_string())]));
            }
            _ => outcomes.push(Outcome::Nothing),
        }
        Ok(())
    }

    /// The type of an expression, or of a name with all its meanings.
    pub fn type_of(&mut self, text: &str) -> Result<String, Failure> {
        let word = text.trim();
        if !word.is_empty()
            && word.chars().all(|c| c.is_alphanumeric() || c == '_')
            && let Some(ty) = self.checker.type_of_item(word)
        {
            return Ok(ty);
        }
        let file = self.checker.sources.add("<type>", text);
        let (expr, found) = parser::parse_expression(&mut self.checker.ast, file, text);
        let Some(expr) = expr else { return Err(Failure::Diagnostics(found)) };
        Ok(self.checker.expression_type(expr)?)
    }

    /// The documentation of a name: signature and text, for the session's own items, the library's, primitives and methods.
    pub fn help(&mut self, name: &str) -> Vec<(String, String)> {
        let mut found = Vec::new();
        let signature = self.checker.type_of_item(name);
        let wanted = intern(name);
        let docs: Vec<Option<crate::syntax::ast::Doc>> = self
            .checker
            .ast
            .items
            .iter()
            .enumerate()
            .filter(|(id, item)| item_name(&item.kind) == Some(wanted) && !self.withdrawn.contains(&ItemId(*id as u32)))
            .map(|(_, item)| item.doc.clone())
            .collect();
        for doc in docs.into_iter().flatten() {
            let mut text = doc.text;
            for (example, _) in &doc.examples {
                text.push_str(&format!("\nexample: {example}"));
            }
            found.push((String::new(), text));
        }
        if let (Some((head, _)), Some(signature)) = (found.first_mut(), signature) {
            *head = format!("{name}: {signature}");
        }
        found.extend(library::documentation(name));
        found
    }

    /// All names that may be completed.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = library::Standard.names().into_iter().map(String::from).collect();
        let items = self.checker.ast.items.iter().enumerate();
        let known = items.filter(|(id, _)| !self.withdrawn.contains(&ItemId(*id as u32)));
        names.extend(known.filter_map(|(_, item)| item_name(&item.kind)).map(|name| name.to_string()));
        names.sort();
        names.dedup();
        names
    }
}

fn item_name(kind: &ItemKind) -> Option<Name> {
    match kind {
        ItemKind::Data { name, .. } => Some(name.name),
        ItemKind::Fn(decl) => Some(decl.name.name),
        ItemKind::Dist(decl) => Some(decl.name.name),
        ItemKind::Variant { name, .. } | ItemKind::Alias { name, .. } => Some(name.name),
        _ => None,
    }
}
