//! Several clients at once, at the pace of speech: each hears all of its own words. How soon is printed, and judged by the
//! load test. `AIRCHECK_SOAK=1`: a recording of 44 s in place of one of 10 s, with what a live service sheds.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::Value;
use tokio::time::Instant;

use super::client::{Client, LINEAR16, RAW, linear16, runtime};
use super::service::real;

const N_CLIENTS: usize = 4;

/// A word: when it ended in the audio, s, and its text.
type Word = (f64, String);

fn words(results: &Value) -> Vec<Word> {
    let words = results["channel"]["alternatives"][0]["words"].as_array().unwrap();
    words.iter().map(|w| (w["end"].as_f64().unwrap(), w["word"].as_str().unwrap().to_owned())).collect()
}

/// Seconds from the end of each word to its first sight, and to its final.
fn delays(client: &Client, start: Instant) -> (Vec<f64>, Vec<f64>) {
    let shown: Vec<(Instant, bool, Vec<Word>)> = client
        .messages
        .iter()
        .zip(&client.came_at)
        .filter(|(message, _)| message["type"] == "Results")
        .map(|(message, at)| (*at, message["is_final"] == true, words(message)))
        .collect();
    let (mut seen, mut committed) = (Vec::new(), Vec::new());
    for (final_at, _, words) in shown.iter().filter(|(_, is_final, _)| *is_final) {
        for (end, text) in words {
            let said_at = start + Duration::from_secs_f64(*end);
            let is_it = |(at, other): &Word| other == text && (at - end).abs() < 1.0;
            let first = shown.iter().find(|(_, _, words)| words.iter().any(is_it)).unwrap().0;
            seen.push(first.saturating_duration_since(said_at).as_secs_f64());
            committed.push(final_at.saturating_duration_since(said_at).as_secs_f64());
        }
    }
    (seen, committed)
}

fn quantiles(mut delays: Vec<f64>) -> String {
    delays.sort_by(f64::total_cmp);
    let at = |q: f64| delays.get(((delays.len() - 1) as f64 * q) as usize).copied().unwrap_or(f64::NAN);
    format!("p50 {:.2} s, p95 {:.2} s, most {:.2} s", at(0.5), at(0.95), at(1.0))
}

#[test]
fn clients_at_once_hear_all_of_their_own() {
    let service = real();
    let is_long = std::env::var_os("AIRCHECK_SOAK").is_some();
    let (audio, last) = if is_long {
        (linear16("two_cities.wav"), "comparison only")
    } else {
        (linear16("beckett.wav"), "fail better")
    };
    let play = async |idx: usize| {
        let mut client =
            Client::connect(service, &format!("{RAW}&interim_results=true&extra=aircheck_gaps:true"))
                .await
                .unwrap();
        // Not all in step.
        let from = idx * 3 * LINEAR16 / 10;
        let start = Instant::now();
        client.play(&audio[from..], LINEAR16).await;
        let closed_at = Instant::now();
        client.close().await;
        (client, start, closed_at.elapsed())
    };
    let clients = runtime().block_on(join_all((0..N_CLIENTS).map(play)));
    let (mut seen, mut committed, mut rest) = (Vec::new(), Vec::new(), Vec::new());
    for (client, start, closing) in &clients {
        let said = client.transcript();
        let has_gaps = client.messages.iter().any(|message| message["type"] == "AircheckGap");
        assert!(said.contains(last) || has_gaps, "{said}");
        assert!(is_long || !has_gaps);
        let (first, for_good) = delays(client, *start);
        seen.extend(first);
        committed.extend(for_good);
        rest.push(closing.as_secs_f64());
    }
    let ids = clients.iter().map(|(client, ..)| client.headers["dg-request-id"].to_str().unwrap());
    assert_eq!(ids.collect::<std::collections::BTreeSet<_>>().len(), N_CLIENTS);
    println!("{N_CLIENTS} clients, {} words", seen.len());
    println!("first seen: {}", quantiles(seen));
    println!("committed:  {}", quantiles(committed));
    println!("from CloseStream to the end: {}", quantiles(rest));
}
