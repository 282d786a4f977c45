//! Promise: the crate has the structure of its design. Modules import only from the layers below them. Each outside
//! library or interface is named in one place only. The default features need seven crates.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use imports::Imports;

#[path = "architecture/imports.rs"]
mod imports;

/// Each top-level module, and the modules that it may import. Those come from earlier rows, so no two import each
/// other.
const LAYERS: [(&str, &[&str]); 27] = [
    ("address", &[]),
    ("genai", &[]),
    ("json", &[]),
    ("error", &["json"]),
    ("committer", &["error"]),
    ("digest", &[]),
    ("id", &[]),
    ("mutex", &[]),
    ("redaction", &["error", "digest", "json"]),
    ("metrics", &["error", "digest", "json", "redaction"]),
    ("cost", &["error", "json", "metrics"]),
    ("disk", &["error", "mutex"]),
    ("journal", &["error", "digest", "id", "mutex", "disk"]),
    ("quota", &["error", "committer", "mutex", "redaction", "metrics", "cost", "journal"]),
    ("baseline", &["error", "metrics", "cost"]),
    ("export", &["error", "digest", "genai", "metrics", "disk"]),
    ("import", &["digest", "metrics", "quota"]),
    ("hook", &["error", "digest", "metrics", "import"]),
    ("runlog", &["error", "digest", "json", "metrics", "cost", "disk", "journal"]),
    ("governance", &["address", "error", "digest", "json", "metrics", "cost", "baseline"]),
    ("alerts", &["error", "metrics", "disk", "journal", "quota", "governance"]),
    ("report", &["error", "metrics", "cost", "quota", "baseline", "governance"]),
    ("ship", &["error", "digest", "metrics", "disk", "journal"]),
    ("fleet", &["error", "metrics", "ship"]),
    ("sink", &["address", "error", "digest", "mutex", "metrics", "disk", "journal", "export"]),
    (
        "ledger",
        &[
            "error",
            "committer",
            "digest",
            "id",
            "mutex",
            "redaction",
            "metrics",
            "cost",
            "disk",
            "journal",
            "quota",
            "baseline",
            "governance",
        ],
    ),
    ("tracing", &["error", "digest", "genai", "metrics", "disk", "ledger"]),
];

/// Names that the library uses in one file or folder only. The command below `bin/` is a program of its own, which
/// reads its user's files and has its own clock.
const NAMED_ONCE: [(&str, &str); 13] = [
    ("fs2", "disk/flock.rs"),
    ("sha2", "digest.rs"),
    ("fs", "disk/"),
    ("SystemTime", "ledger/clock.rs"),
    ("Timestamp::now", "ledger/"),
    ("/proc", "disk/platform.rs"),
    ("tokio_postgres", "sink/postgres/client.rs"),
    ("native_tls", "sink/postgres/tls.rs"),
    ("postgres_native_tls", "sink/postgres/tls.rs"),
    ("SerializedFileWriter", "ship/file.rs"),
    ("object_store", "ship/object.rs"),
    ("tracing_core", "tracing/"),
    ("tracing_subscriber", "tracing/"),
];

const CORE_DEPENDENCIES: [&str; 7] = ["chrono", "fs2", "serde", "serde_json", "sha2", "thiserror", "uuid"];

/// A file below `src/` without its comments.
struct Source {
    /// The path relative to `src/`.
    path: String,
    code: String,
}

impl Source {
    /// Returns the names of the modules that contain the file, outermost first, or none for `lib.rs`.
    fn modules(&self) -> Vec<&str> {
        let stem = self.path.strip_suffix(".rs").unwrap();
        stem.split('/').filter(|part| !matches!(*part, "mod" | "lib")).collect()
    }

    fn is_bin(&self) -> bool {
        self.path.starts_with("bin/")
    }

    fn is_test(&self) -> bool {
        self.path.contains("/tests/")
    }
}

fn sources() -> Vec<Source> {
    fn collect(directory: &Path, root: &Path, found: &mut Vec<Source>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, root, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let code = without_comments(&fs::read_to_string(&path).unwrap());
                found.push(Source { path: path.strip_prefix(root).unwrap().to_str().unwrap().to_owned(), code });
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    collect(&root, &root, &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(found.len() > 20, "src/ was not found");
    found
}

/// Removes comments to the end of the line. The two slashes of a URL in a string count as a comment too, which affects
/// none of the checks.
fn without_comments(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or_default().to_owned() + "\n").collect()
}

fn ident(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    &text[..end]
}

/// Returns the first names of the rest of a path: one, or those of a group in braces.
fn first_names(rest: &str) -> Vec<&str> {
    let Some(group) = rest.strip_prefix('{') else { return vec![ident(rest)] };
    let (mut depth, mut names, mut item) = (0, Vec::new(), 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' | ',' if depth == 0 => {
                names.push(ident(group[item..at].trim_start()));
                item = at + 1;
                if c == '}' {
                    break;
                }
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

/// Returns the first names of each path that begins at the crate's root: after `crate::`, or after as many `super::` as
/// lead there.
fn names_from_root(source: &Source) -> Vec<&str> {
    let mut names = Vec::new();
    for (at, _) in source.code.match_indices("crate::") {
        names.extend(first_names(&source.code[at + "crate::".len()..]));
    }
    for (at, _) in source.code.match_indices("super::") {
        let before = source.code[..at].len() - source.code[..at].trim_end_matches("super::").len();
        let supers = before / "super::".len() + 1;
        if supers == source.modules().len() {
            names.extend(first_names(&source.code[at + "super::".len()..]));
        }
    }
    names
}

/// Returns the module of each name that `lib.rs` re-exports, including the modules themselves.
fn names_of_root(sources: &[Source]) -> BTreeMap<&str, &str> {
    let root = sources.iter().find(|source| source.path == "lib.rs").unwrap();
    let mut names: BTreeMap<&str, &str> = LAYERS.iter().map(|&(module, _)| (module, module)).collect();
    for item in root.code.split("pub use ").skip(1) {
        let item = &item[..item.find(';').unwrap()];
        let (module, rest) = item.split_once("::").unwrap();
        names.extend(first_names(rest).into_iter().map(|name| (name, module)));
    }
    names
}

#[test]
fn imports_point_one_way() {
    for (at, (module, imports)) in LAYERS.iter().enumerate() {
        let earlier: Vec<_> = LAYERS[..at].iter().map(|(module, _)| module).collect();
        assert!(imports.iter().all(|import| earlier.contains(&import)), "{module} does not stand on earlier modules");
    }
    let sources = sources();
    let root = names_of_root(&sources);
    let mut wrong = Vec::new();
    let mut edges = BTreeSet::new();
    for source in sources.iter().filter(|source| !source.is_bin() && source.path != "lib.rs") {
        let module = source.modules()[0];
        let allowed = LAYERS.iter().find(|(name, _)| *name == module);
        let (_, allowed) = allowed.unwrap_or_else(|| panic!("{}: the module {module} is in no layer", source.path));
        for name in names_from_root(source) {
            match root.get(name) {
                Some(&imported) if imported == module => {}
                Some(&imported) if allowed.contains(&imported) => _ = edges.insert((module, imported)),
                Some(imported) => wrong.push(format!("{}: {module} imports {imported} ({name})", source.path)),
                // A macro, or the path of another crate.
                None => {}
            }
        }
    }
    assert!(wrong.is_empty(), "imports against the design:\n{}", wrong.join("\n"));
    assert!(edges.contains(&("ledger", "journal")) && edges.contains(&("journal", "digest")), "found only {edges:?}");
}

#[test]
fn each_outside_thing_is_named_in_one_place() {
    let sources = sources();
    let named_in = |thing: &str| -> Vec<_> {
        sources.iter().filter(|s| !s.is_bin() && !s.is_test() && names(&s.code, thing)).map(|s| &s.path).collect()
    };
    for (thing, place) in NAMED_ONCE {
        let found = named_in(thing);
        if place.ends_with('/') {
            assert!(!found.is_empty() && found.iter().all(|path| path.starts_with(place)), "{thing} is in {found:?}");
        } else {
            assert_eq!(found, [place], "{thing}");
        }
    }
    for of_the_command in ["clap", "jiff", "rustix", "signal_hook", "ureq"] {
        assert_eq!(named_in(of_the_command), [""; 0]);
    }
    assert_eq!(named_in("now_v7"), [""; 0], "it reads the clock");
}

/// Returns true if `code` has `thing` as a whole word.
fn names(code: &str, thing: &str) -> bool {
    let part_of_word = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(thing)
        .any(|(at, _)| !code[..at].ends_with(part_of_word) && !code[at + thing.len()..].starts_with(part_of_word))
}

/// The most lines of a file.
const LINES_MAX: usize = 500;
/// The most lines of a `mod.rs`, which has types and re-exports.
const MOD_LINES_MAX: usize = 200;

#[test]
fn no_files_import_each_other_in_a_circle() {
    let sources = sources();
    let found = Imports::of(&sources).circles();
    println!("{} circles", found.len());
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn no_file_is_too_long() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let is_long = |source: &Source| {
        let lines = fs::read_to_string(root.join(&source.path)).unwrap().lines().count();
        lines > if source.path.ends_with("/mod.rs") { MOD_LINES_MAX } else { LINES_MAX }
    };
    let sources = sources();
    let found: Vec<_> = sources.iter().filter(|source| is_long(source)).map(|source| source.path.as_str()).collect();
    assert!(found.is_empty(), "{found:?}");
}

/// A reader who meets a name of the public API finds one type of that name.
#[test]
fn no_two_public_types_have_one_name() {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for source in sources().iter().filter(|source| !source.is_bin() && !source.is_test()) {
        for line in source.code.lines().map(str::trim) {
            let item =
                ["pub struct ", "pub enum ", "pub trait ", "pub type "].iter().find_map(|item| line.strip_prefix(item));
            if let Some(rest) = item {
                places.entry(ident(rest).to_owned()).or_default().push(source.path.clone());
            }
        }
    }
    assert!(places.len() > 100, "found only {} types", places.len());
    places.retain(|_, places| places.len() > 1);
    assert!(places.is_empty(), "{places:?}");
}

/// Executions, their records and their files belong to the ledger. An error may name an archive.
#[test]
fn the_journal_has_no_word_for_what_the_ledger_does() {
    for source in sources().iter().filter(|source| source.path.starts_with("journal/")) {
        for word in ["archived", "baseline", "checkpoint", "inflight", "lost", "spill", "spilled", "sweep", "swept"] {
            assert!(!names(&source.code, word), "{}: {word}", source.path);
        }
    }
}

/// The scheduler of `tests/interleavings` would not see primitives from elsewhere.
#[test]
fn the_group_takes_its_primitives_from_one_file() {
    let sources = sources();
    let group = sources.iter().find(|source| source.path == "journal/write/group.rs").unwrap();
    assert!(group.code.contains("use super::primitives::"));
    for other in ["sync", "thread"] {
        assert!(!names(&group.code, other), "it names {other}");
    }
}

#[test]
fn nothing_is_unsafe() {
    let found: Vec<_> = sources().into_iter().filter(|source| names(&source.code, "unsafe")).map(|s| s.path).collect();
    assert!(found.is_empty(), "unsafe is in {found:?}");
    let manifest = manifest();
    assert!(manifest.contains("unsafe_code = \"forbid\""));
}

/// A feature adds a module or a name. It never changes the behaviour of a function.
#[test]
fn features_stand_on_modules_and_re_exports_only() {
    for source in sources() {
        // The compiler's own feature, which lets docs.rs show ours.
        let of_docs_rs = |line: &&str| source.path == "lib.rs" && *line == "#![cfg_attr(docsrs, feature(doc_cfg))]";
        let lines: Vec<_> =
            source.code.lines().map(str::trim).filter(|line| !line.is_empty() && !of_docs_rs(line)).collect();
        for (at, line) in lines.iter().enumerate().filter(|(_, line)| names(line, "feature")) {
            let place = format!("{}: {line}", source.path);
            assert!(line.starts_with("#[cfg(") && line.ends_with(")]"), "{place}");
            let next = lines[at + 1..].iter().find(|line| !line.starts_with("#[")).unwrap();
            let item = ["mod ", "pub mod ", "pub(crate) mod ", "pub use ", "pub(crate) use "]
                .iter()
                .any(|item| next.starts_with(item));
            assert!(item, "{place} stands on {next:?}");
        }
    }
}

fn manifest() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap()
}

#[test]
fn the_default_features_bring_seven_crates() {
    let manifest = manifest();
    assert!(manifest.contains("\ndefault = []\n"));
    let section = manifest.split("\n[dependencies]\n").nth(1).unwrap().split("\n[").next().unwrap();
    let always: BTreeSet<_> = section
        .lines()
        .filter(|line| !line.starts_with('#') && !line.contains("optional = true"))
        .filter_map(|line| Some(line.split_once(" = ")?.0))
        .collect();
    assert_eq!(always, BTreeSet::from(CORE_DEPENDENCIES));
}

#[test]
fn cargo_sees_the_same_seven_crates() {
    let Ok(cargo) = std::env::var("CARGO") else {
        println!("skipped: not run by cargo");
        return;
    };
    let tree = Command::new(cargo)
        .args(["tree", "--edges", "normal", "--depth", "1", "--prefix", "none", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let tree = String::from_utf8(tree.stdout).unwrap();
    let found: BTreeSet<_> = tree.lines().skip(1).filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(found, BTreeSet::from(CORE_DEPENDENCIES), "{tree}");
}
