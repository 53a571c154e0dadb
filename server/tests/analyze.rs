//! `aircheck analyze` as a user runs it: the real model, real recordings, real files.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::io::{Read, Write};
use std::process::Stdio;

use serde_json::Value;
use support::{aircheck, events, expect, ffmpeg, of_kind, sample, scratch, span, words};

fn summary(stdout: &[u8]) -> Value {
    serde_json::from_slice(stdout).expect("the summary is JSON")
}

#[test]
fn real_speech_becomes_events_captions_transcript_and_keywords() {
    let (dir, speech) = (scratch(), sample("two_cities.wav"));
    let file = |name: &str| dir.path().join(name).display().to_string();
    fs::write(file("keywords"), "dickens: worst of times\nnever said\n").unwrap();
    let (srt, vtt, ndjson, text, keywords) =
        (file("a.srt"), file("a.vtt"), file("a.ndjson"), file("a.txt"), file("keywords"));
    let args = ["analyze", &speech, "--srt", &srt, "--vtt", &vtt, "--events", &ndjson];
    let more = ["--transcript", &text, "--keywords", &keywords, "--json"];
    let output = expect(0, &[args.as_slice(), more.as_slice()].concat());

    let events = events(&fs::read(&ndjson).unwrap());
    let said = words(&events).join(" ");
    for phrase in ["best of times", "worst of times", "age of wisdom", "spring of hope"] {
        assert!(said.contains(phrase), "{phrase:?} in {said:?}");
    }
    let found = of_kind(&events, "keyword");
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        (&found[0]["data"]["rule"], &found[0]["data"]["state"]),
        (&"dickens".into(), &"confirmed".into())
    );
    let starts: Vec<f64> = of_kind(&events, "transcript.final").iter().map(|e| span(e).0).collect();
    assert!(starts.is_sorted(), "finals come in order: {starts:?}");

    let summary = summary(&output.stdout);
    assert_eq!(summary["coverage"], 1.0);
    assert_eq!(summary["words"], words(&events).len());
    assert!((summary["duration_s"].as_f64().unwrap() - 44.0).abs() < 1.0, "{summary}");

    let srt = fs::read_to_string(&srt).unwrap();
    assert!(srt.starts_with("1\n00:00:0") && srt.contains(" --> "), "{srt}");
    let vtt = fs::read_to_string(&vtt).unwrap();
    assert!(vtt.starts_with("WEBVTT\n\n1\n00:00:0"), "{vtt}");
    assert!(fs::read_to_string(&text).unwrap().contains("best of times"));
}

#[test]
fn a_file_through_a_pipe_and_its_raw_samples_say_the_same() {
    let (dir, speech) = (scratch(), sample("beckett.wav"));
    let raw = dir.path().join("a.raw");
    ffmpeg(&["-i", &speech, "-f", "s16le", "-ar", "48000", "-ac", "2"], &raw);
    let said = |input: &[u8], args: &[&str]| {
        let mut child = aircheck()
            .args(["analyze", "-", "--events", "-"])
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        words(&events(&output.stdout))
    };
    let whole = said(&fs::read(&speech).unwrap(), &[]);
    assert!(whole.len() > 8, "{whole:?}");
    assert_eq!(said(&fs::read(&raw).unwrap(), &["--pcm", "s16le:48000:2"]), whole);
}

#[test]
fn dead_air_clipping_and_a_lost_channel_are_found_where_they_are() {
    let dir = scratch();
    let (noise, wav) = (dir.path().join("noise.wav"), dir.path().join("a.wav"));
    ffmpeg(
        &["-f", "lavfi", "-i", "anoisesrc=d=40:r=48000:a=0.1:seed=1,aformat=channel_layouts=stereo"],
        &noise,
    );
    let damage = "volume=0:enable='between(t,5,17)',\
                  volume=40:enable='between(t,22,25)',\
                  aeval='clip(val(0),-1,1)*0.999|if(between(t,30,36),0,clip(val(1),-1,1)*0.999)'";
    ffmpeg(&["-i", &noise.display().to_string(), "-af", damage, "-c:a", "pcm_s16le"], &wav);
    let output = expect(0, &["analyze", &wav.display().to_string(), "--no-transcript", "--events", "-"]);
    let events = events(&output.stdout);
    for (kind, start, end) in
        [("alert.dead_air", 5.0, 17.0), ("alert.clipping", 22.0, 25.0), ("alert.channel_lost", 30.0, 36.0)]
    {
        let pair = of_kind(&events, kind);
        let seen: Vec<(f64, f64)> = pair.iter().map(|event| span(event)).collect();
        assert_eq!(pair.len(), 2, "{kind}: {seen:?}");
        assert_eq!(pair[0]["correlationid"], pair[1]["correlationid"]);
        assert!((seen[1].0 - start).abs() <= 0.3 && (seen[1].1 - end).abs() <= 0.3, "{kind}: {seen:?}");
    }
    let wav = wav.display().to_string();
    let strict = expect(0, &["analyze", &wav, "--no-transcript", "--events", "-", "--dead-air", "13"]);
    assert_eq!(of_kind(&support::events(&strict.stdout), "alert.dead_air").len(), 0, "12 s are not 13");
}

#[test]
fn odd_audio_is_analysed_whole() {
    let dir = scratch();
    for (name, args) in [
        ("38k.wav", ["-ar", "38000", "-ac", "3"]),
        ("8k.flac", ["-ar", "8000", "-ac", "1"]),
        ("192k.wav", ["-ar", "192000", "-ac", "8"]),
    ] {
        let path = dir.path().join(name);
        ffmpeg(&[&["-f", "lavfi", "-i", "anoisesrc=d=3:a=0.1:seed=2"], args.as_slice()].concat(), &path);
        let output = expect(0, &["analyze", &path.display().to_string(), "--no-transcript", "--json"]);
        let summary = summary(&output.stdout);
        assert_eq!(summary["coverage"], 1.0, "{name}");
        assert!((summary["duration_s"].as_f64().unwrap() - 3.0).abs() < 0.02, "{name}: {summary}");
    }
}

#[test]
fn samples_that_are_not_numbers_are_analysed_as_silence() {
    let dir = scratch();
    let path = dir.path().join("nan.f32");
    let samples = (0..96_000).map(|n| match n % 7 {
        0 => f32::NAN,
        1 => f32::INFINITY,
        _ => 0.2 * (n as f32 * 0.05).sin(),
    });
    fs::write(&path, samples.flat_map(f32::to_le_bytes).collect::<Vec<u8>>()).unwrap();
    let path = path.display().to_string();
    let output = expect(
        0,
        &["analyze", &path, "--pcm", "f32le:48000:1", "--no-transcript", "--events", "-", "--meter"],
    );
    let events = events(&output.stdout);
    assert!(of_kind(&events, "meter").len() > 15);
    assert!(!String::from_utf8_lossy(&output.stdout).contains("NaN"));
}

#[test]
fn bad_input_is_one_line_and_the_right_status() {
    let dir = scratch();
    let path = |name: &str| dir.path().join(name).display().to_string();
    fs::write(path("empty.wav"), b"").unwrap();
    fs::write(path("text.mp3"), "just a text\n".repeat(500)).unwrap();
    fs::write(path("bad-model.bin"), b"ggml").unwrap();
    let mut header =
        b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\x01\0\x02\0\x80\xbb\0\0\0\xee\x02\0\x04\0\x10\0data"
            .to_vec();
    header.extend([0xff; 4]);
    fs::write(path("claims-4-gb.wav"), &header).unwrap();
    let speech = sample("beckett.wav");
    let folder = dir.path().display().to_string();
    let cases: &[(i32, &[&str], &str)] = &[
        (4, &["analyze", "no-such-file.wav"], "no-such-file.wav: "),
        (1, &["analyze", &folder, "--no-transcript"], "a directory"),
        (1, &["analyze", &path("empty.wav"), "--no-transcript"], "empty"),
        (1, &["analyze", &path("text.mp3"), "--no-transcript"], "text"),
        (1, &["analyze", &path("claims-4-gb.wav"), "--no-transcript"], "claims-4-gb.wav"),
        (2, &["analyze", &speech, "--pcm", "s17le:48000:2"], "s17le"),
        (2, &["analyze", &speech, "--pcm", "s16le:7000:2"], "7000"),
        (2, &["analyze", &speech, "--no-transcript", "--srt", &path("a.srt")], "--srt"),
        (2, &["analyze", &speech, "--no-transcript", "--events", "/no/such/folder/e"], "/no/such/folder/e"),
        (2, &["analyze", &speech, "--language", "de"], "English"),
        (4, &["analyze", "http://127.0.0.1:1/x", "--no-transcript"], "127.0.0.1:1"),
        (1, &["analyze", &speech, "--model", &path("bad-model.bin")], "SHA-256"),
        (1, &["analyze", &speech, "--model", "no-such-model"], "no-such-model"),
        (2, &["schema", "no.such.event"], "no.such.event"),
        (4, &["watch", "http://127.0.0.1:1/x", "--no-transcript"], "127.0.0.1:1"),
    ];
    for (status, args, expected) in cases {
        let output = expect(*status, args);
        let stderr = String::from_utf8_lossy(&output.stderr);
        let line = stderr.lines().find(|l| l.starts_with("aircheck: ") || l.starts_with("error: "));
        assert!(line.is_some_and(|l| stderr.contains(expected) && l.len() < 600), "{args:?}: {stderr}");
        assert!(!stderr.contains("panicked"), "{args:?}: {stderr}");
    }
}

#[test]
fn a_truncated_file_is_analysed_as_far_as_it_goes_and_the_rest_is_a_gap() {
    let dir = scratch();
    let path = dir.path().join("a.flac");
    ffmpeg(&["-f", "lavfi", "-i", "anoisesrc=d=20:r=44100:a=0.1:seed=3"], &path);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let path = path.display().to_string();
    let output = expect(0, &["analyze", &path, "--no-transcript", "--events", "-"]);
    let events = events(&output.stdout);
    let gaps = of_kind(&events, "gap");
    let frames: u64 = gaps.iter().filter_map(|gap| gap["data"]["frames"].as_u64()).sum();
    let missing = frames as f64 / 44_100.0;
    assert!((missing - 10.0).abs() < 1.0, "{missing} s missing: {gaps:?}");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let mut child = aircheck()
        .args(["analyze", &sample("two_cities.wav"), "--events", "-", "--no-transcript", "--meter"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 10];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{:?}: {}", output.status, String::from_utf8_lossy(&output.stderr));
}

#[test]
fn what_the_shell_is_told() {
    let text = |args: &[&str]| String::from_utf8(expect(0, args).stdout).unwrap();
    assert!(text(&["--help"]).contains("Examples:"));
    assert!(text(&["completions", "bash"]).contains("_aircheck"));
    assert!(text(&["man"]).contains(".TH aircheck"));
    for kind in text(&["schema"]).lines() {
        let schema: Value = serde_json::from_str(&text(&["schema", kind])).unwrap();
        assert_eq!(schema["title"], format!("aircheck.{kind}.v1"));
    }
    let models = text(&["models", "list"]);
    assert!(models.contains("tiny.en-q8_0") && models.contains("installed"), "{models}");
}

#[test]
fn what_is_to_be_known_about_the_audio_is_an_event() {
    let dir = scratch();
    let path = dir.path().join("low.aac");
    ffmpeg(&["-f", "lavfi", "-i", "sine=440:d=2", "-ar", "22050", "-c:a", "aac"], &path);
    let output = expect(0, &["analyze", path.to_str().unwrap(), "--no-transcript", "--events", "-"]);
    let events = events(&output.stdout);
    let reasons: Vec<_> =
        of_kind(&events, "feed.format").iter().map(|event| event["data"]["reason"].clone()).collect();
    assert!(
        reasons.iter().any(|reason| reason.as_str().is_some_and(|text| text.contains("HE-AAC"))),
        "{reasons:?}"
    );
}
