//! Clients and audio that misbehave.

use std::time::Duration;

use futures_util::SinkExt;
use serde_json::json;
use server::api::listen::Limits;
use tokio_tungstenite::tungstenite::Message;

use super::client::{Client, LINEAR16, RAW, runtime, span};
use super::service::deaf;

#[test]
fn whoever_says_nothing_is_cut_off() {
    let service = deaf(Limits { idle: Duration::from_millis(200), ..Limits::default() });
    runtime().block_on(async {
        let mut client = Client::connect(&service, RAW).await.unwrap();
        client.say("KeepAlive").await;
        let (code, reason) = client.end().await;
        assert_eq!((code, reason.split(':').next().unwrap()), (1_011, "NET-0001"));
        assert!(client.messages.is_empty());
    });
}

#[test]
fn what_is_no_audio_is_said_to_be_none() {
    let service = deaf(Limits::default());
    runtime().block_on(async {
        // Known not to be audio, while the client goes on.
        let mut client = Client::connect(&service, "").await.unwrap();
        client.audio(&[b"%PDF-1.7".as_slice(), &[7; 4_000]].concat()).await;
        let (code, reason) = client.end().await;
        assert_eq!((code, reason.split(':').next().unwrap()), (1_008, "DATA-0000"));
        // Known to be nothing only when it is over.
        let mut client = Client::connect(&service, "encoding=flac").await.unwrap();
        client.audio(&[0x55; 10_000]).await;
        client.say("CloseStream").await;
        assert_eq!(client.end().await.0, 1_008);
        assert!(client.messages.is_empty());
    });
}

#[test]
fn a_stream_without_audio_has_an_end_all_the_same() {
    let service = deaf(Limits::default());
    runtime().block_on(async {
        let mut client = Client::connect(&service, RAW).await.unwrap();
        let metadata = client.close().await;
        assert_eq!(metadata["duration"], 0.0);
        let nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(metadata["sha256"], nothing);
    });
}

#[test]
fn an_empty_message_ends_the_stream_and_silence_is_covered() {
    let service = deaf(Limits::default());
    runtime().block_on(async {
        let mut client = Client::connect(&service, &format!("{RAW}&interim_results=true")).await.unwrap();
        client.audio(&vec![0; 12 * LINEAR16]).await;
        client.audio(&[]).await;
        assert_eq!(client.end().await.0, 1_000);
        let metadata = client.messages.pop().unwrap();
        super::client::check(&client.messages, &metadata);
        assert_eq!((metadata["duration"].as_f64(), client.results(false).len()), (Some(12.0), 0));
        let spans: Vec<(i64, i64)> = client.results(true).into_iter().map(span).collect();
        assert!(spans.len() == 3 && spans.iter().all(|(start, end)| end - start < 5_500), "{spans:?}");
    });
}

#[test]
fn messages_that_make_no_sense_are_answered() {
    let service = deaf(Limits::default());
    runtime().block_on(async {
        let mut client = Client::connect(&service, RAW).await.unwrap();
        client.socket.send(Message::Text("{\"type\":\"Sing\"}".into())).await.unwrap();
        let error = client.until(|message| message["type"] == "Error").await;
        assert_eq!(
            (&error["variant"], &error["message"]),
            (&json!("SchemaError"), &json!("{\"type\":\"Sing\"}"))
        );
        let configure = json!({ "type": "Configure", "keyterms": ["a"] }).to_string();
        client.socket.send(Message::Text(configure.into())).await.unwrap();
        let failure = client.until(|message| message["type"] == "ConfigureFailure").await;
        assert_eq!(failure["request_id"], client.headers["dg-request-id"].to_str().unwrap());
        client.messages.clear();
        client.close().await;
    });
}

#[test]
fn a_message_that_is_too_long_ends_it() {
    let service = deaf(Limits { message_bytes: 1_000, ..Limits::default() });
    runtime().block_on(async {
        let mut client = Client::connect(&service, RAW).await.unwrap();
        client.audio(&[0; 1_001]).await;
        assert_eq!(client.end().await.0, 1_009);
    });
}

#[test]
fn a_stream_may_not_last_for_ever() {
    let service = deaf(Limits { session: Duration::from_millis(300), ..Limits::default() });
    runtime().block_on(async {
        let mut client = Client::connect(&service, RAW).await.unwrap();
        client.audio(&[0; LINEAR16]).await;
        assert_eq!(client.end().await.0, 1_000);
        assert_eq!(client.messages.pop().unwrap()["duration"], 1.0);
    });
}

#[test]
fn a_client_that_is_torn_away_leaves_nothing_behind() {
    let service = deaf(Limits::default());
    runtime().block_on(async {
        let mut client = Client::connect(&service, RAW).await.unwrap();
        client.audio(&[0; LINEAR16]).await;
        drop(client);
        service.empty().await;
        // Nor does one whose feeds were never used, or whose upgrade never came.
        drop(Client::connect(&service, RAW).await.unwrap());
        service.empty().await;
    });
}
