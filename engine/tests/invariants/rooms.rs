//! What each room may not name: the rules that the dependency graph cannot see.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::rust_text::{code_only, has_word, lines_unfolded, without_tests};

/// Words that a room does not use, and why.
struct Ban {
    /// Path prefix of the files concerned.
    room: &'static str,
    /// Path prefixes within it that are free of the ban.
    except: &'static [&'static str],
    words: &'static [&'static str],
    why: &'static str,
}

const OUTPUT: &[&str] = &["println!", "eprintln!", "print!", "eprint!"];
const OUTSIDE: &[&str] = &["std::fs", "std::net", "std::process", "std::env", "std::os"];

const BANS: &[Ban] = &[
    Ban { room: "engine/src/", except: &[], words: OUTSIDE, why: "engine does no I/O" },
    Ban { room: "engine/src/", except: &[], words: &["tokio", "async"], why: "engine starts no runtime" },
    Ban { room: "engine/src/", except: &[], words: OUTPUT, why: "engine does no I/O" },
    Ban { room: "operators/src/", except: &[], words: OUTSIDE, why: "operators do no I/O" },
    Ban { room: "operators/src/", except: &[], words: OUTPUT, why: "operators do no I/O" },
    Ban {
        room: "operators/src/",
        except: &[],
        words: &["Instant::now", "SystemTime"],
        why: "operators read no clock",
    },
    Ban {
        room: "operators/src/",
        except: &[],
        words: &["async", "std::thread"],
        why: "operators run where they are pushed",
    },
    Ban {
        room: "operators/src/",
        except: &[],
        words: &["Mutex", "RwLock", "Condvar"],
        why: "operators do not lock",
    },
    Ban {
        room: "models/src/",
        except: &[],
        words: &["std::net", "async"],
        why: "models know no network and no runtime",
    },
    Ban { room: "models/src/", except: &[], words: OUTPUT, why: "the program prints, not its libraries" },
    Ban {
        room: "models/src/",
        except: &["models/src/store/"],
        words: &["std::process", "std::env"],
        why: "only the weights store starts programs or looks around",
    },
    Ban {
        room: "models/src/",
        except: &["models/src/store/", "models/src/convert/"],
        words: &["std::fs"],
        why: "models see slices; only the weights store touches files",
    },
];

/// What `text`, the Rust file at `path`, names that its room does not use. Tests are free to.
pub(crate) fn offences(path: &str, text: &str) -> Vec<String> {
    let applies = |ban: &&Ban| path.starts_with(ban.room) && !ban.except.iter().any(|e| path.starts_with(e));
    let bans: Vec<&Ban> = BANS.iter().filter(applies).collect();
    if bans.is_empty() || is_test_file(path) {
        return Vec::new();
    }
    let mut found = BTreeSet::new();
    for (line, code) in lines_unfolded(&without_tests(&code_only(text))) {
        for ban in &bans {
            let named = ban.words.iter().filter(|word| has_word(&code, word));
            found.extend(named.map(|word| format!("{path}:{line}: `{word}`: {}", ban.why)));
        }
    }
    found.into_iter().collect()
}

fn is_test_file(path: &str) -> bool {
    ["/tests.rs", "/testing.rs"].iter().any(|end| path.ends_with(end)) || path.contains("/tests/")
}

/// Bans of the workspace that the operators' own list lacks.
pub(crate) fn missing_bans(all: &Value, own: &Value) -> Vec<String> {
    let mut missing = Vec::new();
    for (key, value) in all.as_object().into_iter().flatten() {
        match (value.as_array(), own[key].as_array()) {
            (Some(bans), own) => {
                let lacks = |ban: &&Value| !own.is_some_and(|own| own.contains(ban));
                missing.extend(
                    bans.iter().filter(lacks).map(|ban| format!("operators/clippy.toml lacks {ban}")),
                );
            }
            (None, _) if own[key] != *value => {
                missing.push(format!("operators/clippy.toml: {key} is not {value}"))
            }
            (None, _) => {}
        }
    }
    missing
}

/// Clocks that the operators' list does not ban.
pub(crate) fn missing_clock_bans(own: &Value) -> Vec<String> {
    let bans = own["disallowed-methods"].as_array().cloned().unwrap_or_default();
    let banned = |clock: &str| bans.iter().any(|ban| ban["path"] == clock);
    ["std::time::Instant::now", "std::time::SystemTime::now"]
        .iter()
        .filter(|clock| !banned(clock))
        .map(|clock| format!("operators/clippy.toml does not ban {clock}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, text: &str, expected: &[&str]) {
        let found = offences(path, text);
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.contains(expected), "{found} lacks {expected}");
        }
    }

    #[test]
    fn engine_does_no_io() {
        check("engine/src/a.rs", "use std::{fs, io};\n", &["engine/src/a.rs:1: `std::fs`"]);
        check("engine/src/a.rs", "fn f() {\n  tokio::spawn(x) }", &["a.rs:2: `tokio`"]);
        check("engine/src/a.rs", "async fn f() { println!(\"\") }", &["`async`", "`println!`"]);
        check("engine/src/a.rs", "// std::fs\nlet a = \"std::net\";", &[]);
    }

    #[test]
    fn operators_read_no_clock_and_do_not_lock() {
        check("operators/src/a.rs", "let t = Instant::now();", &["no clock"]);
        check("operators/src/a.rs", "use std::time::{Duration, SystemTime};", &["no clock"]);
        check("operators/src/a/b.rs", "x: Arc<Mutex<u8>>", &["do not lock"]);
        check("operators/src/a.rs", "use std::time::Duration;", &[]);
    }

    #[test]
    fn only_the_store_touches_files() {
        check("models/src/whisper.rs", "std::fs::read(p)", &["only the weights store"]);
        check("models/src/store/mod.rs", "std::fs::read(p); std::process::Command::new(a)", &[]);
        check("models/src/convert/mod.rs", "std::process::Command::new(a)", &["starts programs"]);
    }

    #[test]
    fn tests_and_the_server_are_free() {
        check("operators/src/a.rs", "#[cfg(test)]\nmod tests { use std::fs; }", &[]);
        check("operators/src/a/tests.rs", "use std::fs;", &[]);
        check("server/src/a.rs", "use std::fs;", &[]);
    }

    #[test]
    fn a_missing_ban_is_named() {
        let all = serde_json::json!({ "n": 5, "disallowed-methods": [{ "path": "a" }, { "path": "b" }] });
        let own = serde_json::json!({ "n": 6, "disallowed-methods": [{ "path": "b" }] });
        assert_eq!(missing_bans(&all, &own).len(), 2);
        assert_eq!(missing_bans(&all, &all), [""; 0]);
        assert_eq!(missing_clock_bans(&own).len(), 2);
    }
}
