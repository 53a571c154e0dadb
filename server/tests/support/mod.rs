//! What the end-to-end tests share: the program itself, real recordings, and the schemas.

#![allow(dead_code, reason = "each test program uses its own part")]

pub(crate) mod free;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use engine::event::{EventKind, schema};
use rustix::process::Pid;
use serde_json::Value;

/// The program, with a quiet environment.
pub(crate) fn aircheck() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aircheck"));
    command.env_remove("AIRCHECK_LOG").env_remove("AIRCHECK_MODEL").env("NO_COLOR", "1").stdin(Stdio::null());
    command
}

/// Runs the program to its end.
pub(crate) fn run<'a>(args: impl IntoIterator<Item = &'a str>) -> Output {
    aircheck().args(args).output().expect("the program starts")
}

/// Runs the program and expects `status`.
pub(crate) fn expect(status: i32, args: &[&str]) -> Output {
    let output = run(args.iter().copied());
    assert_eq!(
        output.status.code(),
        Some(status),
        "aircheck {args:?}\nstderr: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// Makes audio with ffmpeg: `lavfi` is its source, `out` says format and codec by its name and `args`.
pub(crate) fn ffmpeg(args: &[&str], out: &Path) {
    let output = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-y"])
        .args(args)
        .arg(out)
        .output()
        .expect("ffmpeg is installed (make setup)");
    assert!(output.status.success(), "ffmpeg {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Events of a run, each checked against the schema of its type, and those of each feed against the rules of a feed.
pub(crate) fn events(ndjson: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(ndjson).expect("events are UTF-8");
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    for event in &events {
        check_schema(event);
    }
    let mut last: BTreeMap<&str, u64> = BTreeMap::new();
    for event in &events {
        let Some(sequence) = event.get("sequence").and_then(Value::as_str) else { continue };
        let last = last.entry(event["data"]["feed"].as_str().expect("every event has a feed")).or_default();
        *last += 1;
        assert_eq!(sequence.parse(), Ok(*last), "sequence numbers are gapless: {event}");
    }
    events
}

fn check_schema(event: &Value) {
    let wire_type = event["type"].as_str().expect("every event has a type");
    let kind = EventKind::ALL
        .into_iter()
        .find(|kind| kind.wire_type() == wire_type)
        .unwrap_or_else(|| panic!("unknown type {wire_type}"));
    let schema = serde_json::to_value(schema(kind)).expect("a schema is JSON");
    let validator = jsonschema::validator_for(&schema).expect("a valid schema");
    let errors: Vec<String> = validator.iter_errors(event).map(|e| e.to_string()).collect();
    assert!(errors.is_empty(), "{event}\n{errors:?}");
}

/// The events of one type: `transcript.final`.
pub(crate) fn of_kind<'a>(events: &'a [Value], kind: &str) -> Vec<&'a Value> {
    let wire_type = format!("aircheck.{kind}.v1");
    events.iter().filter(|event| event["type"] == wire_type.as_str()).collect()
}

/// Lower-case words of all finals.
pub(crate) fn words(events: &[Value]) -> Vec<String> {
    of_kind(events, "transcript.final")
        .iter()
        .flat_map(|event| event["data"]["words"].as_array().cloned().unwrap_or_default())
        .map(|word| {
            let text = word["text"].as_str().unwrap_or_default().to_lowercase();
            text.chars().filter(|c| c.is_alphanumeric()).collect()
        })
        .collect()
}

/// Start and end of an event's span, s.
pub(crate) fn span(event: &Value) -> (f64, f64) {
    let span = &event["data"]["span"];
    let secs = |key: &str| span[key].as_f64().expect("a span") / 1_000.0;
    (secs("start_ms"), secs("end_ms"))
}

/// The processes that `parent` has started, proc_tid_children(5).
pub(crate) fn children(parent: u32) -> Vec<Pid> {
    let tasks = std::fs::read_dir(format!("/proc/{parent}/task")).unwrap();
    let of = |task: &Path| std::fs::read_to_string(task.join("children")).unwrap_or_default();
    let children: String = tasks.map(|task| of(&task.unwrap().path())).collect();
    children.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect()
}

/// A folder that is removed with the test.
pub(crate) fn scratch() -> tempfile::TempDir {
    tempfile::tempdir().expect("a scratch folder")
}

/// `../shared/data` beside the project, where the measuring material is. `None`, with a line, where it is not.
pub(crate) fn shared_data(what: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    if path.is_dir() {
        return Some(path);
    }
    println!("not here: {} (skipping {what})", path.display());
    None
}

/// A recording that the program fetches for its tests and its demo; its path.
pub(crate) fn sample(name: &str) -> String {
    let output = expect(0, &["models", "sample", name]);
    String::from_utf8(output.stdout).expect("a path").trim().to_owned()
}
