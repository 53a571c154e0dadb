//! Real speech through the real model.

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::client::{Client, LINEAR16, RAW, linear16, runtime, span, text};
use super::service::real;
use super::support::{ffmpeg, sample, scratch};

/// beckett.wav: six short sentences in 10 s.
const SENTENCES: [&str; 6] =
    ["ever tried", "ever failed", "no matter", "try again", "fail again", "fail better"];

fn check_beckett(said: &str) {
    for sentence in SENTENCES {
        assert!(said.contains(sentence), "{sentence}: {said}");
    }
}

#[test]
fn what_is_said_at_the_pace_of_speech_comes_back_at_once_with_its_onsets() {
    let (service, audio) = (real(), linear16("beckett.wav"));
    runtime().block_on(async {
        let query = format!("{RAW}&interim_results=true&smart_format=true&vad_events=true");
        let mut client = Client::connect(service, &query).await.unwrap();
        client.play(&audio, LINEAR16).await;
        let metadata = client.close().await;
        check_beckett(&client.transcript());
        assert_eq!(metadata["duration"], 9.963);
        // An onset is told before the words that follow it, a good while before their final.
        let first = |wanted: &dyn Fn(&Value) -> bool| client.messages.iter().position(wanted).unwrap();
        let onset = first(&|m| m["type"] == "SpeechStarted" && m["timestamp"].as_f64().unwrap() > 1.0);
        let words = first(&|m| m["is_final"] == true && span(m).0 > 1_000);
        assert!(onset < words && client.came_at[words] - client.came_at[onset] > Duration::from_millis(500));
    });
}

#[test]
fn a_flood_is_taken_no_faster_than_it_can_be_heard_and_nothing_is_lost() {
    let (service, audio) = (real(), linear16("beckett.wav"));
    runtime().block_on(async {
        let mut client = Client::connect(service, &format!("{RAW}&extra=aircheck_gaps:true")).await.unwrap();
        let start = Instant::now();
        client.audio(&audio).await;
        let metadata = client.close().await;
        check_beckett(&client.transcript());
        assert!(client.messages.iter().all(|message| message["type"] == "Results"), "no gaps");
        assert!(
            start.elapsed() > Duration::from_millis(1_200),
            "4.9 s beyond the burst take a quarter of that"
        );
        assert_eq!(metadata["extra"]["aircheck_gaps"], "true");
    });
}

#[test]
fn silence_on_the_line_does_not_advance_the_clock() {
    let (service, audio) = (real(), linear16("beckett.wav"));
    runtime().block_on(async {
        let mut client = Client::connect(service, RAW).await.unwrap();
        client.audio(&audio[..LINEAR16 * 3 / 2]).await;
        client.until(|message| text(message).to_lowercase().contains("ever tried")).await;
        for _ in 0..3 {
            client.say("KeepAlive").await;
        }
        client.audio(&audio[LINEAR16 * 3 / 2..]).await;
        let metadata = client.close().await;
        check_beckett(&client.transcript());
        assert_eq!(metadata["duration"], 9.963);
    });
}

#[test]
fn finalize_says_what_was_said_so_far_and_more_may_follow() {
    let (service, audio) = (real(), linear16("beckett.wav"));
    runtime().block_on(async {
        let mut client = Client::connect(service, RAW).await.unwrap();
        // 5.2 s: within "try again".
        let (first, rest) = audio.split_at(LINEAR16 * 52 / 10);
        client.audio(first).await;
        client.say("Finalize").await;
        let finalized = client.until(|message| message["from_finalize"] == true).await;
        let (_, end) = span(&finalized);
        assert!((5_100..=5_200).contains(&end), "{finalized}");
        assert!(text(&finalized).contains("try") && finalized["speech_final"] == true, "{finalized}");
        client.say("Finalize").await;
        let again = client.until(|message| message["from_finalize"] == true).await;
        assert_eq!((span(&again), text(&again)), ((end, end), String::new()));
        client.audio(rest).await;
        client.close().await;
        let said = client.transcript();
        assert!(said.contains("no matter") && said.contains("fail better"), "{said}");
    });
}

#[test]
fn containers_say_themselves_what_they_are() {
    let dir = scratch();
    let make = |name: &str, args: &[&str]| {
        let path = dir.path().join(name);
        ffmpeg(&[&["-i", &sample("beckett.wav")], args].concat(), &path);
        std::fs::read(path).unwrap()
    };
    let opus = ["-ac", "2", "-c:a", "libopus", "-b:a", "48k"];
    let inputs = [
        ("", make("a.wav", &["-c:a", "pcm_s16le"]), 1),
        ("encoding=flac", make("a.flac", &[]), 1),
        ("encoding=opus", make("a.opus", &opus), 2),
        ("encoding=ogg-opus&multichannel=false", make("b.ogg", &opus), 2),
        ("", make("a.webm", &opus), 2),
        ("", make("a.mp3", &["-b:a", "64k"]), 1),
        ("", make("a.aac", &["-b:a", "64k"]), 1),
        ("", make("a.mp4", &["-c:a", "aac", "-movflags", "+faststart"]), 1),
    ];
    let service = real();
    runtime().block_on(async {
        for (query, bytes, n_channels) in inputs {
            let mut client = Client::connect(service, query).await.unwrap();
            for piece in bytes.chunks(4_000) {
                client.audio(piece).await;
            }
            let metadata = client.close().await;
            check_beckett(&client.transcript());
            assert_eq!(metadata["channels"], n_channels, "{query}");
            let duration = metadata["duration"].as_f64().unwrap();
            assert!((9.9..10.15).contains(&duration), "{query}: {metadata}");
        }
    });
}

#[test]
fn a_container_that_knows_its_end_waits_for_its_client() {
    let dir = scratch();
    let path = dir.path().join("a.wav");
    ffmpeg(&["-i", &sample("beckett.wav"), "-t", "2", "-c:a", "pcm_s16le"], &path);
    let service = real();
    runtime().block_on(async {
        let mut client = Client::connect(service, "").await.unwrap();
        client.audio(&std::fs::read(&path).unwrap()).await;
        let end = |message: &Value| message["type"] == "Results" && span(message).1 == 2_000;
        client.until(end).await;
        // Nothing in it belongs to the recording.
        client.audio(&[1; 4_000]).await;
        client.say("KeepAlive").await;
        assert_eq!(client.close().await["duration"], 2.0);
    });
}

#[test]
fn raw_encodings_are_heard_alike() {
    let dir = scratch();
    let service = real();
    for (encoding, codec, rate) in
        [("linear32", "f32le", "16000"), ("mulaw", "mulaw", "8000"), ("alaw", "alaw", "8000")]
    {
        let path = dir.path().join(encoding);
        ffmpeg(&["-i", &sample("beckett.wav"), "-ac", "1", "-ar", rate, "-f", codec], &path);
        runtime().block_on(async {
            let query = format!("encoding={encoding}&sample_rate={rate}");
            let mut client = Client::connect(service, &query).await.unwrap();
            client.audio(&std::fs::read(&path).unwrap()).await;
            client.close().await;
            let said = client.transcript();
            assert!(said.contains("ever tried") && said.contains("try again"), "{encoding}: {said}");
        });
    }
}

#[test]
fn each_channel_has_a_transcript_of_its_own() {
    let service = real();
    let speech = linear16("beckett.wav");
    // Speech on the second of two channels, silence on the first.
    let stereo: Vec<u8> = speech.as_chunks::<2>().0.iter().flat_map(|[a, b]| [0, 0, *a, *b]).collect();
    runtime().block_on(async {
        let query = "encoding=linear16&sample_rate=16000&channels=2&multichannel=true";
        let mut client = Client::connect(service, query).await.unwrap();
        for piece in stereo.chunks(7_777) {
            client.audio(piece).await;
        }
        let metadata = client.close().await;
        assert_eq!((&metadata["channels"], &metadata["duration"]), (&2.into(), &9.963.into()));
        check_beckett(&client.transcript());
        let of_channel = |channel: u64| {
            let finals = client.results(true).into_iter();
            let texts =
                finals.filter(move |m| m["channel_index"] == serde_json::json!([channel, 2])).map(text);
            texts.collect::<String>()
        };
        assert!(of_channel(0).is_empty() && of_channel(1).contains("again"));
    });
}
