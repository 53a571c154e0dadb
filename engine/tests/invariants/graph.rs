//! The dependency graph, as cargo tells it.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

use crate::tree;

/// Crates of ours and the crates of ours that each may use. Nothing else may be drawn (DESIGN: "The rooms").
const DIRECTIONS: [(&str, &[&str]); 6] = [
    ("aircheck-engine", &[]),
    ("aircheck-models", &[]),
    ("aircheck-operators", &["aircheck-engine", "aircheck-models"]),
    ("aircheck-server", &["aircheck-engine", "aircheck-models", "aircheck-operators"]),
    ("aircheck-benches", &["aircheck-engine", "aircheck-loadtest", "aircheck-models", "aircheck-operators"]),
    ("aircheck-loadtest", &["aircheck-engine"]),
];

/// Runtimes, sockets, stores and decoders: the server's alone.
const SERVER_ONLY: [&str; 14] = [
    "async-nats",
    "axum",
    "fluvio",
    "hyper",
    "hyper-util",
    "indicatif",
    "opus-decoder",
    "ropus",
    "rusqlite",
    "symphonia",
    "tokio",
    "tokio-rustls",
    "tracing",
    "tracing-subscriber",
];

/// Benches read the recordings that they measure with; the load test is a client (ADR 12).
const OTHERS_TOO: [(&str, &str); 6] = [
    ("aircheck-benches", "symphonia"),
    ("aircheck-loadtest", "hyper"),
    ("aircheck-loadtest", "hyper-util"),
    ("aircheck-loadtest", "indicatif"),
    ("aircheck-loadtest", "tokio"),
    ("aircheck-loadtest", "tokio-rustls"),
];

/// One crate root of ours.
pub(crate) struct Root {
    path: String,
    text: String,
    manifest: String,
}

/// Output of `cargo metadata` for this machine's platform.
pub(crate) fn metadata() -> Value {
    static OUTPUT: OnceLock<String> = OnceLock::new();
    let text = OUTPUT.get_or_init(|| {
        let output = Command::new(env!("CARGO"))
            .args(["metadata", "--format-version=1", "--locked", "--offline", "--filter-platform=host-tuple"])
            .current_dir(tree::root())
            .output()
            .expect("cargo starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    });
    serde_json::from_str(text).expect("JSON")
}

/// The packages of this workspace.
fn ours(metadata: &Value) -> impl Iterator<Item = &Value> {
    let members = metadata["workspace_members"].as_array().expect("members");
    list(&metadata["packages"]).filter(|package| members.contains(&package["id"]))
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn name(value: &Value) -> &str {
    value["name"].as_str().unwrap_or_default()
}

/// Dependencies between crates of ours that are not drawn.
pub(crate) fn wrong_directions(metadata: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for package in ours(metadata) {
        let Some((_, allowed)) = DIRECTIONS.iter().find(|(from, _)| *from == name(package)) else {
            found.push(format!(
                "{} is a new room: draw it in DIRECTIONS and say why in an ADR",
                name(package)
            ));
            continue;
        };
        let inside = list(&package["dependencies"]).map(name).filter(|to| to.starts_with("aircheck-"));
        let wrong = inside.filter(|to| !allowed.contains(to));
        found.extend(wrong.map(|to| format!("{} must not depend on {to}", name(package))));
    }
    found
}

/// Crates of ours other than the server that depend on what only it may know.
pub(crate) fn runtimes_outside_server(metadata: &Value) -> Vec<String> {
    ours(metadata)
        .filter(|package| name(package) != "aircheck-server")
        .flat_map(|package| list(&package["dependencies"]).map(move |to| (name(package), name(to))))
        .filter(|(_, to)| SERVER_ONLY.contains(to))
        .filter(|edge| !OTHERS_TOO.contains(edge))
        .map(|(from, to)| format!("{from} must not depend on {to}: only the server does"))
        .collect()
}

/// Root files of our libraries and programs.
pub(crate) fn roots(metadata: &Value) -> Vec<Root> {
    let mut found = Vec::new();
    for package in ours(metadata) {
        let manifest = read(&package["manifest_path"]);
        let is_shipped = |target: &&Value| list(&target["kind"]).any(|kind| kind == "lib" || kind == "bin");
        for target in list(&package["targets"]).filter(is_shipped) {
            let path = target["src_path"].as_str().unwrap_or_default().to_owned();
            found.push(Root { path, text: read(&target["src_path"]), manifest: manifest.clone() });
        }
    }
    assert!(found.len() > 5, "only {} crate roots found", found.len());
    found
}

fn read(path: &Value) -> String {
    let path = PathBuf::from(path.as_str().unwrap_or_default());
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Promises that a crate root does not make.
pub(crate) fn missing_promises(root: &Root) -> Vec<String> {
    let Root { path, text, manifest } = root;
    let mut found = Vec::new();
    if !text.lines().any(|line| line == "#![forbid(unsafe_code)]") {
        found.push(format!("{path}: expected #![forbid(unsafe_code)]"));
    }
    if !manifest.contains("[lints]\nworkspace = true\n") {
        found.push(format!("{path}: its Cargo.toml does not take the workspace lints"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workspace(member: &str, dependency: &str) -> Value {
        serde_json::json!({
            "workspace_members": ["a"],
            "packages": [
                { "id": "a", "name": member, "dependencies": [{ "name": dependency }] },
                { "id": "b", "name": "stranger", "dependencies": [{ "name": "tokio" }] },
            ],
        })
    }

    #[test]
    fn a_wrong_direction_and_a_new_room_are_named() {
        let found = wrong_directions(&workspace("aircheck-engine", "aircheck-models"));
        assert_eq!(found, ["aircheck-engine must not depend on aircheck-models"]);
        assert_eq!(wrong_directions(&workspace("aircheck-attic", "serde")).len(), 1);
        assert!(wrong_directions(&workspace("aircheck-operators", "aircheck-models")).is_empty());
    }

    #[test]
    fn a_runtime_outside_the_server_is_named() {
        let found = runtimes_outside_server(&workspace("aircheck-models", "tokio"));
        assert_eq!(found, ["aircheck-models must not depend on tokio: only the server does"]);
        assert_eq!(runtimes_outside_server(&workspace("aircheck-engine", "symphonia")).len(), 1);
        assert!(runtimes_outside_server(&workspace("aircheck-server", "tokio")).is_empty());
        assert!(runtimes_outside_server(&workspace("aircheck-benches", "symphonia")).is_empty());
    }

    #[test]
    fn a_root_without_its_promises_is_named() {
        let root = |text: &str, manifest: &str| Root {
            path: "a".into(),
            text: text.into(),
            manifest: manifest.into(),
        };
        assert_eq!(missing_promises(&root("// #![forbid(unsafe_code)]\n", "")).len(), 2);
        let good = root("//! A.\n#![forbid(unsafe_code)]\n", "[lints]\nworkspace = true\n");
        assert!(missing_promises(&good).is_empty());
    }
}
