//! Live streams: titles, stalls, lost connections, garbage, slow listeners.

use std::io::Write;
use std::sync::OnceLock;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use engine::event::{FeedState, Gap, GapReason};
use server::ingest::{Audio, Fault, LiveConfig};

use crate::serve::{Act, Server, listen, quick, send, send_and_hang, stream_of, wait_for_end};
use crate::support::{Files, Heard, chirp, hear, hear_until};

/// Ten seconds of MP3 without tags, 417 or 418 bytes a packet.
fn mp3() -> &'static [u8] {
    static MP3: OnceLock<Vec<u8>> = OnceLock::new();
    MP3.get_or_init(|| {
        let args = "-c:a libmp3lame -b:a 128k -write_xing 0 -id3v2_version 0";
        Files::new().make_from("a.mp3", &chirp(2, 44_100, 10.0), args)
    })
}

fn hear_url(url: &str, config: LiveConfig) -> Heard {
    let (audio, _runtime) = listen(url, config);
    hear(audio)
}

fn hear_some(url: &str, config: LiveConfig, enough: impl FnMut(&Heard) -> bool) -> Heard {
    let (audio, _runtime) = listen(url, config);
    hear_until(&mut audio.unwrap(), enough)
}

/// All but the first packets, which need what came before them.
fn is_whole(heard: &Heard) -> bool {
    heard.error.is_none() && heard.n_frames() >= 440_000 && heard.gaps.is_empty()
}

#[test]
fn shoutcast_v1_is_heard_with_its_titles() {
    let titles = ["A - 'b'; c", "It's; 'over';"];
    let mut answer =
        b"ICY 200 OK\r\nicy-name: Radio; \"x\"\r\ncontent-type:audio/mpeg\r\nicy-metaint:4096\r\n\r\n"
            .to_vec();
    for (n, piece) in mp3().chunks(4_096).enumerate() {
        answer.extend(piece);
        let text = if n % 16 == 7 { format!("StreamTitle='{}';", titles[n / 16 % 2]) } else { String::new() };
        let n_blocks = text.len().div_ceil(16);
        answer.push(n_blocks as u8);
        answer.extend(text.bytes().chain(std::iter::repeat(0)).take(n_blocks * 16));
    }
    let server = Server::new(vec![send(answer)]);
    let heard = hear_url(&server.url("/"), quick(false));
    assert!(is_whole(&heard), "{:?} {} {:?}", heard.error, heard.n_frames(), heard.gaps);
    let said: Vec<_> = heard.titles.iter().map(|title| title.title.as_str()).collect();
    assert_eq!(said, titles);
    assert_eq!(heard.states(), [FeedState::Connected, FeedState::Live, FeedState::Ended]);
    let order = ["feed", "format", "feed", "block", "title", "block", "title", "block", "feed"];
    assert_eq!(heard.order, order);
    let request = server.requests().concat().to_ascii_lowercase();
    assert!(
        request.contains("icy-metadata: 1\r\n") && request.contains("user-agent: aircheck/"),
        "{request}"
    );
}

#[test]
fn chunked_transfer_and_cut_packets_are_joined() {
    let mut answer =
        b"HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for piece in mp3().chunks(1_001) {
        answer.extend(format!("{:x}\r\n", piece.len()).bytes());
        answer.extend(piece);
        answer.extend(b"\r\n");
    }
    answer.extend(b"0\r\n\r\n");
    let heard = hear_url(&Server::new(vec![send(answer)]).url("/a"), quick(false));
    assert!(is_whole(&heard), "{:?} {} {:?}", heard.error, heard.n_frames(), heard.gaps);
}

#[test]
fn a_stall_is_said_at_once_and_ends_with_the_next_audio() {
    let (half, rest) = mp3().split_at(mp3().len() / 2);
    let (first, rest) = (stream_of("audio/mpeg", half), rest.to_vec());
    let (go, wait) = sync_channel::<()>(1);
    let wait = std::sync::Mutex::new(wait);
    let act: Act = Box::new(move |stream| {
        stream.write_all(&first).unwrap();
        wait.lock().unwrap().recv().unwrap();
        stream.write_all(&rest).unwrap();
    });
    let server = Server::new(vec![act]);
    let config = LiveConfig { dead_after: Duration::from_secs(60), ..quick(false) };
    let (audio, _runtime) = listen(&server.url("/"), config);
    let mut audio = audio.unwrap();
    let before = hear_until(&mut audio, |heard| heard.states().contains(&FeedState::Stalled));
    assert!(before.n_frames() > 200_000, "what arrived comes before the stall");
    go.send(()).unwrap();
    let after = hear_until(&mut audio, |_| false);
    assert_eq!(after.states(), [FeedState::Live, FeedState::Ended]);
    assert!(after.gaps.is_empty() && before.n_frames() + after.n_frames() > 439_000, "nothing is lost");
}

#[test]
fn a_lost_connection_is_made_again_and_nothing_is_heard_twice() {
    let server = Server::new(vec![
        send(stream_of("audio/mpeg", &mp3()[..mp3().len() / 2 + 100])),
        send(b"HTTP/1.1 404 Not Found\r\n\r\n"),
        // From somewhere in a packet, as a burst begins.
        send_and_hang(stream_of("audio/mpeg", &mp3()[30_001..])),
    ]);
    let heard =
        hear_some(&server.url("/live?token=secret"), quick(true), |heard| heard.n_frames() >= 440_000);
    use FeedState::{Connected, Live, Reconnecting};
    assert_eq!(heard.states()[..6], [Connected, Live, Reconnecting, Reconnecting, Connected, Live]);
    assert!(heard.gaps.is_empty(), "{:?}", heard.gaps);
    let unbroken = hear_url(&Server::new(vec![send(stream_of("audio/mpeg", mp3()))]).url("/"), quick(false));
    let n = heard.n_frames();
    assert!(heard.channels[0] == unbroken.channels[0][..n], "sample for sample the same");
    let reasons: Vec<_> = heard.feeds.iter().filter_map(|feed| feed.reason.clone()).collect();
    assert!(reasons.iter().any(|reason| reason.contains("the server answers 404 Not Found")), "{reasons:?}");
    assert!(!reasons.concat().contains("secret"), "{reasons:?}");
}

/// Ten more seconds, of something else.
fn other() -> Vec<u8> {
    let args = "-c:a libmp3lame -b:a 128k -write_xing 0 -id3v2_version 0";
    Files::new().make_from("b.mp3", &format!("{} -af areverse", chirp(2, 44_100, 10.0)), args)
}

#[test]
fn what_was_not_sent_meanwhile_is_a_gap() {
    let server = Server::new(vec![
        send(stream_of("audio/mpeg", mp3())),
        send(b"HTTP/1.1 404 Not Found\r\n\r\n"),
        send_and_hang(stream_of("audio/mpeg", &other())),
    ]);
    let enough = |heard: &Heard| heard.n_frames() > 800_000 && heard.gaps.len() == 1;
    let heard = hear_some(&server.url("/"), quick(true), enough);
    use FeedState::{Connected, Live, Reconnecting};
    assert_eq!(heard.states()[..6], [Connected, Live, Reconnecting, Reconnecting, Connected, Live]);
    let (span, gap) = heard.gaps[0];
    assert_eq!((gap.frames, gap.reason), (0, GapReason::Disconnect));
    // The server claims that ten seconds were heard within a moment.
    assert_eq!(span.duration().as_millis(), 0, "the burst is longer than the time between");
    assert_eq!(heard.streams.len(), 1, "the same format is not said again");
}

#[test]
fn a_connection_that_stays_silent_is_given_up() {
    let server = Server::new(vec![
        send_and_hang(stream_of("audio/mpeg", mp3())),
        // Half a second.
        send_and_hang(stream_of("audio/mpeg", &other()[..8_000])),
    ]);
    let heard = hear_some(&server.url("/"), quick(true), |heard| heard.gaps.len() == 1);
    use FeedState::{Connected, Live, Reconnecting, Stalled};
    assert_eq!(heard.states()[..5], [Connected, Live, Stalled, Reconnecting, Connected]);
    assert!(heard.feeds[3].reason.as_ref().unwrap().contains("no bytes for 300ms; next attempt in"));
    assert!(heard.gaps[0].0.duration().as_millis() < 300, "{:?}", heard.gaps);
}

fn garbage() -> Act {
    Box::new(|stream| {
        let _ = stream.write_all(&stream_of("audio/mpeg", b""));
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        let next = move || {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) as u8
        };
        let bytes: Vec<u8> = std::iter::repeat_with(next).take(4 << 20).collect();
        while stream.write_all(&bytes).is_ok() {}
    })
}

#[test]
fn endless_garbage_is_undecodable_and_tried_again() {
    let server = Server::new(vec![garbage(), garbage(), send_and_hang(stream_of("audio/mpeg", mp3()))]);
    let heard = hear_some(&server.url("/"), quick(true), |heard| heard.n_frames() > 10_000);
    use FeedState::{Connected, Live, Reconnecting, Undecodable};
    let expected =
        [Connected, Undecodable, Reconnecting, Connected, Undecodable, Reconnecting, Connected, Live];
    assert_eq!(heard.states(), expected);
    assert!(heard.feeds[1].reason.as_ref().unwrap().contains("no audio up to byte"), "{:?}", heard.feeds);
    let once = hear_url(&Server::new(vec![garbage()]).url("/"), quick(false));
    assert!(once.message().contains("no audio up to byte"), "{}", once.message());
}

#[test]
fn a_trickle_without_audio_is_undecodable_after_its_time() {
    let (tick, ticks) = sync_channel::<()>(0);
    let ticks = std::sync::Mutex::new(ticks);
    let act: Act = Box::new(move |stream| {
        let _ = stream.write_all(&stream_of("audio/mpeg", &[0; 2_000]));
        while ticks.lock().unwrap().recv().is_ok() && stream.write_all(&[0; 10]).is_ok() {}
    });
    let server = Server::new(vec![act]);
    let config = LiveConfig { undecodable_after: Duration::from_millis(50), ..quick(true) };
    let (audio, _runtime) = listen(&server.url("/"), config);
    let ticking = std::thread::Builder::new().spawn(move || while tick.send(()).is_ok() {}).unwrap();
    let heard = hear_until(&mut audio.unwrap(), |heard| heard.states().contains(&FeedState::Undecodable));
    let reason = heard.feeds.last().unwrap().reason.clone().unwrap();
    assert!(reason.contains("no audio"), "{reason}");
    drop((server, ticking));
}

#[test]
fn what_is_no_audio_at_the_first_connection_is_an_error() {
    let page = Server::new(vec![send(stream_of("text/html", b"<!doctype html><p>Moved"))]);
    let heard = hear_url(&page.url("/live"), quick(true));
    assert!(heard.message().contains("/live: an HTML page, expected wav, aiff"), "{}", heard.message());
    assert_eq!(heard.error.unwrap().fault(), Fault::Input);
}

#[test]
fn aac_is_chosen_by_its_content_type() {
    let aac = Files::new().make_from("a.aac", &chirp(2, 44_100, 4.0), "-c:a aac -b:a 96k");
    let joined = &aac[5_000..];
    let heard = hear_url(&Server::new(vec![send(stream_of("audio/aacp", joined))]).url("/"), quick(false));
    assert_eq!(heard.streams[0].codec, "aac");
    assert!(heard.n_frames() > 150_000 && heard.gaps.is_empty(), "{} {:?}", heard.n_frames(), heard.gaps);
    let wrong = hear_url(&Server::new(vec![send(stream_of("audio/mpeg", joined))]).url("/"), quick(false));
    assert_eq!(wrong.streams[0].codec, "aac", "two packets say more than a wrong type");
}

/// What arrived and was not decoded when there was no more time for it is a gap, as long as it waited.
#[test]
fn it_is_cut_when_it_has_no_time_for_what_arrived() {
    let server = Server::new(vec![send_and_hang(stream_of("audio/mpeg", mp3()))]);
    let (audio, _runtime) = listen(&server.url("/"), quick(true));
    let mut audio = audio.unwrap();
    let stopper = audio.stopper();
    let before = hear_until(&mut audio, |heard| heard.n_frames() > 0);
    stopper.cut();
    let rest = hear_until(&mut audio, |_| false);
    assert!(before.n_frames() > 0 && rest.n_frames() == 0 && rest.error.is_none());
    assert_eq!((rest.order.as_slice(), rest.states()), (&["gap", "feed"][..], vec![FeedState::Ended]));
    let (_, gap) = rest.gaps[0];
    assert_eq!(gap, Gap { frames: 0, reason: GapReason::Overload });
}

#[test]
fn it_ends_when_it_is_told_to() {
    let server = Server::new(vec![send_and_hang(stream_of("audio/mpeg", mp3()))]);
    let config = LiveConfig { dead_after: Duration::from_secs(60), ..quick(true) };
    let (audio, _runtime) = listen(&server.url("/"), config);
    let mut audio = audio.unwrap();
    let stopper = audio.stopper();
    hear_until(&mut audio, |heard| heard.states().contains(&FeedState::Stalled));
    stopper.stop();
    let rest = hear_until(&mut audio, |_| false);
    assert_eq!(rest.states(), [FeedState::Ended]);
    assert_eq!(rest.feeds[0].reason.as_deref(), Some("told to end"));
}

/// The server can write only as much as the queues and the kernel hold.
#[test]
fn a_slow_listener_does_not_fill_the_memory() {
    /// 1 MiB of ours before the decoder, some of the kernel's on both sides.
    const BYTES_MAX: usize = 24 << 20;
    let (report, written) = sync_channel(1);
    let act: Act = Box::new(move |stream| {
        stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
        let _ = stream.write_all(&stream_of("audio/mpeg", b""));
        let body = mp3().repeat(8);
        let mut n_bytes = 0;
        while n_bytes <= BYTES_MAX && stream.write_all(&body).is_ok() {
            n_bytes += body.len();
        }
        let _ = report.send(n_bytes);
        wait_for_end(stream);
    });
    let server = Server::new(vec![act]);
    let (audio, _runtime) = listen(&server.url("/"), quick(true));
    let audio: Audio = audio.unwrap();
    let n_bytes = written.recv().unwrap();
    assert!(n_bytes <= BYTES_MAX, "{n_bytes} bytes were taken, and nobody listened");
    drop(audio);
}
