//! Real speech through the real model.

use super::client::{Client, RAW, linear16, runtime, span, text};
use super::service::real;

#[test]
fn what_is_said_comes_back_whole_with_words_and_interims() {
    let service = real();
    let audio = linear16("beckett.wav");
    runtime().block_on(async {
        let query =
            format!("{RAW}&interim_results=true&smart_format=true&vad_events=true&utterance_end_ms=1000");
        let mut client = Client::connect(service, &query).await.unwrap();
        client.play(&audio, super::client::LINEAR16).await;
        let metadata = client.close().await;
        let said = client.transcript();
        assert!(said.contains("ever tried") && said.contains("fail better"), "{said}");
        assert!(!client.results(false).is_empty());
        for m in &client.messages {
            println!(
                "{} {:?} {} {} {}",
                m["type"],
                m.get("start").map(|_| span(m)),
                m["is_final"],
                m["speech_final"],
                if m["type"] == "Results" { text(m) } else { m.to_string() }
            );
        }
        println!("{metadata}");
    });
}
