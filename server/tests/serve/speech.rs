//! What was said: transcripts, captions and search over the API, with the real model.

use crate::rig::{Service, kind};
use crate::support::{sample, scratch, words};

#[test]
fn what_was_said_is_found_again() {
    let dir = scratch();
    let source = sample("beckett.wav");
    let config = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[[feeds]]\nname = \"a\"\nsource = \"file:{source}\"\nkeywords = [\"fail: fail better\"]\n"
    );
    let service = Service::start(dir.path(), &config);
    // The end of the last utterance is known before its words are.
    let is_last = |event: &serde_json::Value| {
        kind(event) == "transcript.final" && event["data"]["text"].as_str().unwrap().contains("better")
    };
    service.until("a", is_last);
    // A keyword is told after the final that has it, maybe in another commit.
    service.until("a", |event| kind(event) == "keyword" && event["data"]["state"] == "confirmed");
    let finals = service.range("feed=a&type=transcript.final");
    let heard = words(&finals);
    assert!(heard.ends_with(&["fail".into(), "better".into()]), "{heard:?}");
    assert_eq!(service.range("type=keyword").iter().filter(|e| e["data"]["state"] == "confirmed").count(), 1);

    let transcript = service.get("/v1/feeds/a/transcript").json();
    let texts: Vec<_> =
        transcript["utterances"].as_array().unwrap().iter().map(|u| u["text"].clone()).collect();
    assert_eq!(texts, finals.iter().map(|event| event["data"]["text"].clone()).collect::<Vec<_>>());
    let vtt = service.get("/v1/feeds/a/transcript?format=vtt");
    assert!(vtt.body.starts_with("WEBVTT\n\n1\n00:00:0") && vtt.body.contains("ail better"), "{}", vtt.body);
    assert_eq!(vtt.header("content-type"), Some("text/vtt; charset=utf-8"));
    let srt = service.get("/v1/feeds/a/transcript?format=srt");
    assert!(srt.body.starts_with("1\n00:00:0") && srt.body.contains("ail better"), "{}", srt.body);

    let last = finals.last().unwrap();
    let spoken = last["data"]["words"].as_array().unwrap();
    let hits = service.get("/v1/search?q=%22fail%20better%22").json();
    let hit = &hits["hits"][0];
    assert_eq!((hits["hits"].as_array().unwrap().len(), &hit["id"]), (1, &last["id"]));
    assert_eq!(hit["start_ms"], spoken[spoken.len() - 2]["start_ms"]);
    assert_eq!(hit["end_ms"], spoken[spoken.len() - 1]["end_ms"]);
    // What looks like syntax is only words.
    for query in ["fail%20AND", "%22", "a%3Ab%20NEAR(", "*", ")"] {
        let status = service.get(&format!("/v1/search?q={query}")).status;
        assert!([200, 400].contains(&status), "{query}: {status}");
    }
    service.end();
}
