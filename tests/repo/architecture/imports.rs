//! Finds which file of `src/` imports from which.
//!
//! - A path is followed through re-exports to the file that defines the item.
//! - A re-export of an item below a module is not an import, since it only gives the item another path.
//! - A file may name the types of a module above it. If it calls a function of that module, this counts as an import,
//!   which closes a circle.
//! - The methods of a type can be in several files. A method that calls a method in another file imports that file.
//! - Test code is ignored.

use std::collections::{BTreeMap, BTreeSet};

use super::Source;

/// The name of a module from its crate's root. The command is a crate of its own.
type Module = (bool, Vec<String>);

/// One path of a `use`, with the name that it gives to the item.
#[derive(Debug, Clone)]
struct Use {
    path: Vec<String>,
    name: String,
    is_public: bool,
}

/// The `impl` blocks of one type in one file.
struct Impl {
    type_name: String,
    methods: BTreeSet<String>,
    /// The methods that are called on `self` or `Self`.
    calls: BTreeSet<String>,
}

pub(super) struct Imports<'s> {
    files: BTreeMap<Module, File<'s>>,
}

struct File<'s> {
    path: &'s str,
    uses: Vec<Use>,
    /// The code without tests and `use`.
    rest: String,
    impls: Vec<Impl>,
}

impl<'s> Imports<'s> {
    pub(super) fn of(sources: &'s [Source]) -> Self {
        let mut files = BTreeMap::new();
        for source in sources.iter().filter(|source| !source.is_test() && !source.path.ends_with("/tests.rs")) {
            let (uses, rest) = split_uses(without_tests(&source.code));
            files.insert(module(source), File { path: &source.path, uses, impls: impls(&rest), rest });
        }
        Self { files }
    }

    /// Returns the files of each circle, sorted.
    pub(super) fn circles(&self) -> Vec<Vec<&'s str>> {
        let edges: BTreeMap<&str, BTreeSet<&str>> =
            self.files.iter().map(|(module, file)| (file.path, self.imports_of(module, file))).collect();
        let reached: BTreeMap<&str, BTreeSet<&str>> =
            edges.keys().map(|&from| (from, reachable(&edges, from))).collect();
        let mut circles: Vec<Vec<&str>> = Vec::new();
        for (&from, there) in &reached {
            let circle: Vec<_> = there.iter().copied().filter(|to| reached[to].contains(from)).collect();
            if circle.len() > 1 && !circles.contains(&circle) {
                circles.push(circle);
            }
        }
        circles
    }

    fn imports_of(&self, module: &Module, file: &File<'s>) -> BTreeSet<&'s str> {
        let mut found = BTreeSet::new();
        let uses = file.uses.iter().map(|import| (import.path.clone(), import.is_public));
        let inline = inline_paths(&file.rest).into_iter().map(|path| (path, false));
        for (path, is_public) in uses.chain(inline) {
            let Some((target, item)) = self.resolve(module, &path, 0) else { continue };
            let is_type = item.is_some_and(|item| item.starts_with(char::is_uppercase));
            let is_tolerated =
                (is_public && is_below(&target, module)) || (is_type && is_below(module, &target)) || target == *module;
            if !is_tolerated {
                found.insert(self.files[&target].path);
            }
        }
        found.extend(self.called_by(module, file));
        found
    }

    /// Returns the files of the methods that `file` calls on its own types and does not define.
    fn called_by(&self, module: &Module, file: &File<'s>) -> Vec<&'s str> {
        let mut found = Vec::new();
        for own in &file.impls {
            let type_of = |module: &Module, file: &File<'_>| self.type_of(module, file, &own.type_name);
            let foreign: Vec<_> = own.calls.difference(&own.methods).collect();
            let others = self.files.iter().filter(|(other, _)| *other != module);
            for (_, its) in others.filter(|(other, its)| type_of(other, its) == type_of(module, file)) {
                let has = |name: &&&String| {
                    its.impls.iter().any(|block| block.type_name == own.type_name && block.methods.contains(**name))
                };
                if foreign.iter().any(|name| has(&name)) {
                    found.push(its.path);
                }
            }
        }
        found
    }

    /// Returns the module that defines the type that `file` calls `name`.
    fn type_of(&self, module: &Module, file: &File<'_>, name: &str) -> Module {
        let import = file.uses.iter().find(|import| import.name == name);
        let resolved = import.and_then(|import| self.resolve(module, &import.path, 0));
        resolved.map_or_else(|| module.clone(), |(module, _)| module)
    }

    /// Returns the module whose file defines `path` as it is used in `from`, and the item. Returns `None` for another
    /// crate's.
    fn resolve(&self, from: &Module, path: &[String], depth: usize) -> Option<(Module, Option<String>)> {
        assert!(depth < 20, "{from:?}: {path:?} leads back to itself");
        let mut at = from.clone();
        let mut rest = path;
        let first = rest.first()?;
        match first.as_str() {
            "crate" => at.1.clear(),
            "runledger" if from.0 => at = (false, Vec::new()),
            "self" | "super" => {}
            _ if self.is_module(&at, first) => {}
            _ => return None,
        }
        while let Some(name) = rest.first() {
            match name.as_str() {
                "crate" | "self" | "runledger" => {}
                "super" => _ = at.1.pop()?,
                _ => break,
            }
            rest = &rest[1..];
        }
        while let Some((name, after)) = rest.split_first() {
            if self.is_module(&at, name) {
                at.1.push(name.clone());
            } else if let Some(import) = self.files.get(&at)?.uses.iter().find(|import| import.name == *name) {
                let path: Vec<_> = import.path.iter().chain(after).cloned().collect();
                return self.resolve(&at, &path, depth + 1);
            } else {
                return Some((at, Some(name.clone())));
            }
            rest = after;
        }
        Some((at, None))
    }

    fn is_module(&self, at: &Module, name: &str) -> bool {
        let mut child = at.clone();
        child.1.push(name.to_owned());
        self.files.contains_key(&child)
    }
}

fn module(source: &Source) -> Module {
    let names = source.modules().into_iter().map(str::to_owned);
    match source.is_bin() {
        // Without `bin`, the name of the program, and `main`.
        true => (true, names.skip(2).filter(|name| name != "main").collect()),
        false => (false, names.collect()),
    }
}

fn is_below(module: &Module, above: &Module) -> bool {
    module.0 == above.0 && module.1.len() > above.1.len() && module.1.starts_with(&above.1)
}

fn reachable<'s>(edges: &BTreeMap<&'s str, BTreeSet<&'s str>>, from: &str) -> BTreeSet<&'s str> {
    let mut found = BTreeSet::new();
    let mut open: Vec<_> = edges[from].iter().copied().collect();
    while let Some(next) = open.pop() {
        if found.insert(next) {
            open.extend(&edges[next]);
        }
    }
    found
}

/// Returns the code before the module of tests, which is the last one of a file.
fn without_tests(code: &str) -> &str {
    let tests = code.match_indices("#[cfg(test)]").map(|(at, _)| at).find(|&at| {
        let item = code[at..].lines().nth(1).unwrap_or_default().trim_end();
        item.contains("mod ") && item.ends_with('{')
    });
    &code[..tests.unwrap_or(code.len())]
}

/// Returns the paths of the `use` items, and the rest of the code.
fn split_uses(code: &str) -> (Vec<Use>, String) {
    let (mut uses, mut rest) = (Vec::new(), String::new());
    let mut lines = code.lines();
    while let Some(line) = lines.next() {
        let item = line.trim_start();
        let after_pub = match item.strip_prefix("pub") {
            Some(after) if after.starts_with('(') => after.split_once(')').map_or(after, |(_, after)| after),
            Some(after) => after,
            None => item,
        };
        let Some(tree) = after_pub.trim_start().strip_prefix("use ") else {
            rest += line;
            rest.push('\n');
            continue;
        };
        let mut tree = tree.to_owned();
        while !tree.contains(';') {
            tree += lines.next().unwrap();
        }
        flatten(tree.split(';').next().unwrap(), &[], item.starts_with("pub"), &mut uses);
    }
    (uses, rest)
}

/// Returns the paths of a `use` tree.
fn flatten(tree: &str, before: &[String], is_public: bool, uses: &mut Vec<Use>) {
    let tree = tree.trim();
    if let Some((head, group)) = tree.split_once('{') {
        let head = head.trim().trim_end_matches("::").split("::").filter(|name| !name.is_empty());
        let path: Vec<_> = before.iter().cloned().chain(head.map(str::to_owned)).collect();
        let (mut depth, mut start) = (0, 0);
        for (at, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                ',' | '}' if depth == 0 => {
                    if !group[start..at].trim().is_empty() {
                        flatten(&group[start..at], &path, is_public, uses);
                    }
                    start = at + 1;
                    if c == '}' {
                        break;
                    }
                }
                '}' => depth -= 1,
                _ => {}
            }
        }
        return;
    }
    let (path, alias) = tree.split_once(" as ").map_or((tree, None), |(path, alias)| (path, Some(alias.trim())));
    let mut path: Vec<_> = before.iter().cloned().chain(path.trim().split("::").map(str::to_owned)).collect();
    if path.last().is_some_and(|last| last == "self") {
        path.pop();
    }
    let name = alias.map_or_else(|| path.last().unwrap().clone(), str::to_owned);
    uses.push(Use { path, name, is_public });
}

/// Returns the paths of two or more names in the code.
fn inline_paths(code: &str) -> Vec<Vec<String>> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    // A visibility names a module, but imports nothing.
    let pieces = code.split("pub(in ").enumerate();
    let pieces = pieces.map(|(at, piece)| if at == 0 { piece } else { piece.split_once(')').unwrap().1 });
    let paths = pieces.flat_map(|piece| piece.split(|c| !is_part(c))).filter(|path| path.contains("::"));
    paths.map(|path| path.split("::").filter(|name| !name.is_empty()).map(str::to_owned).collect()).collect()
}

fn impls(code: &str) -> Vec<Impl> {
    let mut found: Vec<Impl> = Vec::new();
    for block in code.split("\nimpl").skip(1) {
        let (head, body) = block.split_once('{').unwrap_or((block, ""));
        let body = body.split("\n}").next().unwrap_or_default();
        let head = head.split(" where").next().unwrap_or_default().trim();
        // After the parameters and the trait.
        let head = if head.starts_with('<') { head.split_once("> ").map_or(head, |(_, head)| head) } else { head };
        let type_name = super::ident(head.split(" for ").last().unwrap_or_default().trim()).to_owned();
        let names = |before: &str| {
            let after = body.split(before).skip(1).map(|after| (super::ident(after), after));
            after.collect::<Vec<_>>()
        };
        let methods = names("fn ").into_iter().map(|(name, _)| name.to_owned());
        let calls = ["self.", "Self::"].into_iter().flat_map(names);
        let calls = calls.filter(|(name, after)| after[name.len()..].starts_with(['(', ':']));
        let calls = calls.map(|(name, _)| name.to_owned());
        match found.iter_mut().find(|block| block.type_name == type_name) {
            Some(block) => {
                block.methods.extend(methods);
                block.calls.extend(calls);
            }
            None => found.push(Impl { type_name, methods: methods.collect(), calls: calls.collect() }),
        }
    }
    found
}
