//! Stalls of a stream that says itself what is missing.

use std::io::Write;
use std::thread::park_timeout;
use std::time::{Duration, Instant};

use engine::event::FeedState;
use server::ingest::LiveConfig;

use crate::serve::{Act, Server, listen, quick, stream_of};
use crate::support::{Files, chirp, hear};

/// A page has so much audio.
const PAGE: Duration = Duration::from_millis(100);
/// What the source lost while it stalled: pages.
const N_LOST: usize = 30;

/// The pages of an Ogg file.
fn pages(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut pages = Vec::new();
    while !bytes.is_empty() {
        assert!(bytes.starts_with(b"OggS"));
        let head = 27 + usize::from(bytes[26]);
        let body: usize = bytes[27..head].iter().map(|length| usize::from(*length)).sum();
        let (page, rest) = bytes.split_at(head + body);
        pages.push(page.to_vec());
        bytes = rest;
    }
    pages
}

fn wait_until(due: Instant) {
    while let Some(left) = due.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        park_timeout(left);
    }
}

#[test]
fn a_stall_that_the_stream_accounts_for_is_counted_once() {
    let args = "-c:a libopus -b:a 64k -page_duration 100000";
    let pages = pages(&Files::new().make_from("a.opus", &chirp(2, 48_000, 10.0), args));
    assert!(pages.len() > 90, "{}", pages.len());
    let n_first = 32;
    let first = stream_of("audio/ogg", &pages[..n_first].concat());
    let rest = pages[n_first + N_LOST..].to_vec();
    let act: Act = Box::new(move |stream| {
        stream.write_all(&first).unwrap();
        let mut due = Instant::now() + PAGE * u32::try_from(N_LOST).unwrap();
        // As it is heard, as long as a stall is judged; then what is left.
        for (n, page) in rest.iter().enumerate() {
            if n < 10 {
                wait_until(due);
                due += PAGE;
            }
            stream.write_all(page).unwrap();
        }
    });
    let server = Server::new(vec![act]);
    let (audio, _runtime) =
        listen(&server.url("/"), LiveConfig { dead_after: Duration::from_secs(60), ..quick(false) });
    let heard = hear(audio);
    assert!(heard.states().contains(&FeedState::Stalled), "{:?}", heard.states());
    // As we saw it, and what the stream says beyond that: together what was lost.
    let missing: f64 = heard
        .gaps
        .iter()
        .map(|(span, _)| span.end.saturating_sub(span.start).to_duration().as_secs_f64())
        .sum();
    assert!((missing - 3.0).abs() < 0.1, "{:?}", heard.gaps);
}
