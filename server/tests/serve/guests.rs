//! Guests of the service: what they are told is what the journal keeps, and they are let in as it is configured.

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::rig::Service;
use crate::support::{sample, scratch, words};

fn config(limits: &str) -> String {
    let digest: String = Sha256::digest("secret-ingest").iter().map(|byte| format!("{byte:02x}")).collect();
    format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[limits]\n{limits}\n[[tokens]]\nname = \"a\"\nrole = \"ingest\"\nsha256 = \"{digest}\"\n"
    )
}

/// Streams `audio` to `/v1/listen?query`; what comes back, or the status of the refusal.
fn listen(service: &Service, token: &str, query: &str, audio: &[u8]) -> Result<Vec<Value>, u16> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut request =
            format!("ws://{}/v1/listen?{query}", service.address).into_client_request().unwrap();
        request.headers_mut().insert("authorization", format!("Token {token}").parse().unwrap());
        let (mut socket, _) = match tokio_tungstenite::connect_async(request).await {
            Ok(connected) => connected,
            Err(Error::Http(refused)) => return Err(refused.status().as_u16()),
            Err(error) => panic!("{error}"),
        };
        for piece in audio.chunks(16_000) {
            socket.send(Message::binary(piece.to_vec())).await.unwrap();
        }
        socket.send(Message::text(r#"{"type":"CloseStream"}"#)).await.unwrap();
        let mut messages = Vec::new();
        while let Some(Ok(message)) = socket.next().await {
            if let Message::Text(text) = message {
                messages.push(serde_json::from_str(&text).unwrap());
            }
        }
        Ok(messages)
    })
}

fn plain(text: &str) -> Vec<String> {
    let word = |word: &str| word.to_lowercase().chars().filter(|c| c.is_alphanumeric()).collect::<String>();
    text.split_whitespace().map(word).collect()
}

#[test]
fn what_a_guest_is_told_is_kept() {
    let dir = scratch();
    let service = Service::start(dir.path(), &config(""));
    let audio = std::fs::read(sample("beckett.wav")).unwrap();
    let messages = listen(&service, "secret-ingest", "interim_results=true", &audio).unwrap();
    let finals = messages.iter().filter(|message| message["is_final"] == true);
    let (mut end, mut told) = (0.0, Vec::new());
    for results in finals {
        let (start, duration) = (results["start"].as_f64().unwrap(), results["duration"].as_f64().unwrap());
        assert!((start - end).abs() < 0.011, "after {end} s: {results}");
        end = start + duration;
        told.extend(plain(results["channel"]["alternatives"][0]["transcript"].as_str().unwrap()));
    }
    assert!((9.0..11.0).contains(&end) && !told.is_empty(), "{end} s: {told:?}");
    let bearer = "Authorization: Bearer secret-ingest";
    let kept = service.ask("GET", "/v1/events?type=transcript.final", &[bearer], "");
    let kept: Vec<Value> = kept.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(words(&kept), told);
    // It was a feed for as long as it was here.
    let feeds = service.ask("GET", "/v1/feeds", &[bearer], "").json();
    assert_eq!(feeds["feeds"].as_array().map(Vec::len), Some(0));
    // Guests have no series of their own, which would stay for ever.
    let metrics = service.ask("GET", "/metrics", &[bearer], "").body;
    assert!(metrics.contains("feed=\"/v1/listen\""), "{metrics}");
    assert!(!metrics.contains("feed=\"listen-"), "{metrics}");
}

#[test]
fn guests_are_let_in_as_it_is_configured() {
    let dir = scratch();
    let service = Service::start(dir.path(), &config("guests = 0"));
    let raw = "encoding=linear16&sample_rate=16000";
    assert_eq!(listen(&service, "wrong-secret", raw, &[]).unwrap_err(), 401);
    assert_eq!(listen(&service, "secret-ingest", raw, &[]).unwrap_err(), 429);
    let dir = scratch();
    let service = Service::start(dir.path(), &config("guests = 1"));
    let german = format!("{raw}&language=de");
    assert_eq!(listen(&service, "secret-ingest", &german, &[]).unwrap_err(), 400);
    assert_eq!(listen(&service, "secret-ingest", "encoding=speex", &[]).unwrap_err(), 400);
    // The place of a guest that is gone is free again.
    for _ in 0..3 {
        let messages = listen(&service, "secret-ingest", raw, &vec![0; 64_000]).unwrap();
        assert_eq!(messages.last().unwrap()["type"], "Metadata");
    }
}
