//! HLS from servers that mean harm, or know no better: every answer is a line, a gap or an end, and costs little.

use std::io::Write;
use std::time::Duration;

use engine::event::{FeedState, GapReason};
use server::ingest::{Address, Fault, LiveConfig, Wants};

use crate::serve::{Act, Server, listen, quick, send, stream_of};
use crate::support::{Files, Heard, chirp, hear};

const HEAD: &str = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n";

fn playlist(lines: &str) -> Act {
    send(stream_of("application/vnd.apple.mpegurl", format!("{HEAD}{lines}").as_bytes()))
}

/// What is heard of a recording whose server does `acts`.
fn heard(acts: Vec<Act>) -> Heard {
    let (audio, _runtime) = listen(&Server::new(acts).url("/a.m3u8?token=secret"), recording());
    hear(audio)
}

fn recording() -> LiveConfig {
    LiveConfig { wants: Wants::Recording, ..quick(false) }
}

fn segment() -> Vec<u8> {
    Files::new().make_from("a.ts", &chirp(1, 48_000, 4.0), "-c:a aac -f mpegts")
}

/// A body without an end.
fn endless(kind: &str, piece: &'static [u8]) -> Act {
    let head = stream_of(kind, HEAD.as_bytes());
    Box::new(move |stream| {
        let _ = stream.write_all(&head);
        while stream.write_all(&piece.repeat(4_096)).is_ok() {}
    })
}

#[test]
fn playlists_that_lead_nowhere_are_refused_in_a_line() {
    let master = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nb.m3u8?token=secret\n";
    let master = || send(stream_of("application/vnd.apple.mpegurl", master.as_bytes()));
    let cases: Vec<(Vec<Act>, &str)> = vec![
        (vec![master()], "an HLS playlist that leads to another one like it"),
        (
            vec![endless("application/vnd.apple.mpegurl", b"#EXT-X-NOTHING\n")],
            "a playlist over 8388608 bytes",
        ),
        (vec![master(), endless("text/plain", b"a.ts\n")], "more than 8388608 bytes"),
        (vec![playlist(&"a\n".repeat(60_000))], "an HLS playlist of more than 50000 segments"),
        (
            vec![send(stream_of("application/vnd.apple.mpegurl", b"#EXT-X-ENDLIST"))],
            "it does not begin with #EXTM3U",
        ),
    ];
    for (acts, expected) in cases {
        let heard = heard(acts);
        let message = heard.message();
        assert!(
            message.contains(expected) && !message.contains('\n') && !message.contains("secret"),
            "{message}"
        );
        assert_eq!(heard.error.unwrap().fault(), Fault::Unreachable, "{message}");
    }
}

#[test]
fn live_streams_are_no_recordings() {
    let mp3 = || send(stream_of("audio/mpeg", &[0; 100]));
    for acts in [vec![mp3()], vec![playlist("#EXTINF:4,\na.ts\n")]] {
        let heard = heard(acts);
        assert!(heard.message().contains("a live stream, expected a recording"), "{}", heard.message());
        assert_eq!(heard.error.unwrap().fault(), Fault::Usage);
    }
}

#[test]
fn segments_that_are_none_are_gaps() {
    let answer = |bytes: &[u8]| send(stream_of("video/mp2t", bytes));
    let acts = vec![
        playlist(&format!("{}#EXT-X-ENDLIST\n", "#EXTINF:4,\na.ts\n".repeat(5))),
        answer(&segment()),
        answer(&[0x47; 100_000]),
        answer(b"<html>not here</html>"),
        endless("video/mp2t", b"GGGGGGGGGGGGGGGG"),
        answer(b""),
    ];
    let heard = heard(acts);
    assert!(heard.error.is_none(), "{:?}", heard.error);
    let [(span, gap)] = &heard.gaps[..] else { panic!("{:?}", heard.gaps) };
    assert_eq!((gap.frames, gap.reason), (16 * 48_000, GapReason::Undecodable), "{span:?}");
    assert_eq!(heard.states().last(), Some(&FeedState::Ended));
}

#[test]
fn a_recording_of_nothing_is_an_error_and_not_a_silence() {
    let acts =
        vec![playlist("#EXTINF:4,\na.ts\n#EXT-X-ENDLIST\n"), send(stream_of("video/mp2t", &[0x47; 1_000]))];
    let message = heard(acts).message();
    assert!(message.contains("/a.m3u8?…: a transport stream without a program table"), "{message}");
}

#[test]
fn a_connection_that_breaks_in_a_segment_is_made_again() {
    let ts = segment();
    let whole = [format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", ts.len()).as_bytes(), &ts].concat();
    let torn = whole[..whole.len() / 2].to_vec();
    let acts = vec![playlist("#EXTINF:4,\na.ts\n#EXT-X-ENDLIST\n"), send(torn), send(whole)];
    let heard = heard(acts);
    assert!(heard.error.is_none() && heard.gaps.is_empty(), "{:?} {:?}", heard.error, heard.gaps);
    assert!(heard.n_frames() >= 4 * 48_000, "{}", heard.n_frames());
}

#[test]
fn a_feed_that_is_given_up_lets_go_of_its_server() {
    let server = Server::new(vec![playlist("#EXTINF:4,\na.ts\n"), send(stream_of("video/mp2t", &segment()))]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let address = Address::parse(&server.url("/a.m3u8")).unwrap();
    let config = LiveConfig { dead_after: Duration::from_secs(60), ..quick(true) };
    let audio = server::ingest::Audio::from_stream(&address, config, runtime.handle()).unwrap();
    let stopper = audio.stopper();
    stopper.stop();
    let heard = hear(Ok(audio));
    assert_eq!((heard.states().last(), heard.error.is_none()), (Some(&FeedState::Ended), true));
}
