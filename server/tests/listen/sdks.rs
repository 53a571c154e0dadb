//! The vendor's SDKs, unchanged but for the address.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::client::{check, text};
use super::service::{SECRET, real};
use super::support::sample;

/// The folder of the SDKs.
fn sdks() -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/sdks.sh");
    let output = Command::new(script).stderr(Stdio::inherit()).output().expect("bash is there");
    assert!(output.status.success(), "the SDKs cannot be fetched");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// What a script of `sdks/` prints, which streams two_cities.wav.
fn run(command: &mut Command, script: &str) -> Vec<Value> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/listen/sdks").join(script);
    let address = real().address.to_string();
    command.arg(script).args([&address, SECRET, &sample("two_cities.wav")]).stdin(Stdio::null());
    let output = command.output().expect("make setup installs it");
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{stdout}\n{stderr}");
    stdout.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

fn of_type<'a>(messages: &'a [Value], name: &str) -> Vec<&'a Value> {
    messages.iter().filter(|message| message["type"] == name).collect()
}

/// What every client gets that streams two_cities.wav and finalizes after 10 s of 44.
fn check_two_cities(messages: &[Value]) {
    assert!(messages.iter().all(|message| message.get("error").is_none()), "{messages:?}");
    let [metadata] = of_type(messages, "Metadata")[..] else { panic!("one summary: {messages:?}") };
    check(messages, metadata);
    let duration = metadata["duration"].as_f64().unwrap();
    assert!((43.0..45.5).contains(&duration), "{metadata}");
    assert_eq!((metadata["channels"].as_u64(), metadata["sha256"].as_str().unwrap().len()), (Some(1), 64));
    let results = of_type(messages, "Results");
    let finals: Vec<&&Value> = results.iter().filter(|results| results["is_final"] == true).collect();
    let said = finals.iter().map(|results| text(results)).collect::<Vec<_>>().join(" ").to_lowercase();
    for phrase in ["best of times", "age of wisdom", "season of", "winter of despair", "superlative degree"] {
        assert!(said.contains(phrase), "{phrase}: {said}");
    }
    let interims = results.len() - finals.len();
    // A busy machine shows fewer.
    assert!(interims >= 1, "{interims} interims");
    assert!(finals.iter().any(|results| results["speech_final"] == true && !text(results).is_empty()));
    let finalized: Vec<&&&Value> = finals.iter().filter(|results| results["from_finalize"] == true).collect();
    assert_eq!(finalized.len(), 1);
    let end = finalized[0]["start"].as_f64().unwrap() + finalized[0]["duration"].as_f64().unwrap();
    assert!((9.5..=10.0).contains(&end), "it covers what was sent by then: {}", finalized[0]);
    assert!(!of_type(messages, "SpeechStarted").is_empty());
    let info = &finals[0]["metadata"]["model_info"];
    assert_eq!((info["name"].as_str(), info["arch"].as_str()), (Some("tiny.en-q8_0"), Some("whisper")));
}

#[test]
fn the_python_sdk_streams_and_is_told_everything() {
    let sdks = sdks();
    let mut python = Command::new("python3");
    let messages = run(python.env("PYTHONPATH", format!("{sdks}/python")), "listen.py");
    check_two_cities(&messages);
    for message in &messages {
        let name = format!("ListenV1{}", message["type"].as_str().unwrap());
        assert_eq!(message["class"], name, "the SDK knows it: {message}");
    }
}

#[test]
fn the_javascript_sdk_streams_and_is_told_everything() {
    let sdks = sdks();
    let mut node = Command::new("node");
    let mut messages = run(node.env("NODE_PATH", format!("{sdks}/node/node_modules")), "listen.cjs");
    let closed = messages.pop().unwrap();
    assert_eq!((closed["type"].as_str(), closed["code"].as_u64()), (Some("closed"), Some(1_000)), "{closed}");
    check_two_cities(&messages);
}
