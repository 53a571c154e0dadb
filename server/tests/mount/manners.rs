//! How the mount answers, and encoders without manners.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::OnceLock;
use std::time::Duration;

use engine::event::FeedState;
use server::ingest::mount::MountLimits;

use crate::rig::{BASIC, Rig, head_of, quick};
use crate::support::{Files, chirp, hear_until};

/// Ten seconds of MP3 without tags, 16 000 bytes a second.
pub(crate) fn mp3() -> &'static [u8] {
    static MP3: OnceLock<Vec<u8>> = OnceLock::new();
    MP3.get_or_init(|| {
        let args = "-c:a libmp3lame -b:a 128k -write_xing 0 -id3v2_version 0";
        Files::new().make_from("a.mp3", &chirp(2, 44_100, 10.0), args)
    })
}

fn check_answer(rig: &Rig, request: &str, expected: &[&str]) {
    let answer = rig.ask(request.replace("$BASIC", BASIC));
    assert!(expected.iter().all(|part| answer.contains(part)), "{request:?}: {answer}");
}

#[test]
fn who_is_not_let_in_is_told_why() {
    let rig = Rig::usual();
    let wrong = "Authorization: Basic c291cmNlOndyb25n\r\n";
    let asks = ["401 Authentication Required\r\n", "WWW-Authenticate: Basic realm="];
    check_answer(&rig, "SOURCE /live HTTP/1.0\r\n\r\n", &asks);
    check_answer(&rig, &format!("PUT /live HTTP/1.1\r\nHost: x\r\n{wrong}\r\n"), &asks);
    check_answer(&rig, "PUT /nowhere HTTP/1.1\r\n\r\n", &asks);
    check_answer(&rig, "SOURCE /nowhere HTTP/1.0\r\n$BASIC\r\n", &["404 No such mountpoint"]);
    check_answer(&rig, "PUT /live HTTP/1.1\r\n$BASICContent-Type: text/html\r\n\r\n", &["415 Content-type"]);
    check_answer(&rig, "SOURCE /live\r\n\r\n", &["400 Bad Request"]);
    check_answer(&rig, "GET /v1/feeds HTTP/1.1\r\n\r\n", &["200 the API"]);
    check_answer(&rig, "PUT /v1/feeds/live HTTP/1.1\r\n\r\n", &["200 the API"]);
    let first = rig.encoder();
    check_answer(&rig, "PUT /live HTTP/1.1\r\n$BASIC\r\n", &["403 Mountpoint in use"]);
    drop(first);
}

#[test]
fn titles_need_a_password_a_mount_and_an_encoder() {
    let mut rig = Rig::usual();
    let title = |fields: &str| format!("GET /admin/metadata?mode=updinfo{fields} HTTP/1.0\r\n$BASIC\r\n");
    check_answer(&rig, "GET /admin/metadata?mode=updinfo&mount=/live&song=x HTTP/1.0\r\n\r\n", &["401 "]);
    check_answer(&rig, &title("&song=x"), &["400 "]);
    check_answer(&rig, &title("&mount=/nowhere&song=x"), &["404 "]);
    check_answer(&rig, &title("&mount=/live&song=x"), &["404 "]);
    check_answer(&rig, "GET /admin/metadata?mode=fadeout&mount=/live HTTP/1.0\r\n$BASIC\r\n", &["400 "]);
    let mut encoder = rig.encoder();
    encoder.write_all(&mp3()[..50_000]).unwrap();
    check_answer(&rig, &title("&mount=/live&song=Bj%F6rk&charset=ISO-8859-1"), &["200 OK"]);
    check_answer(
        &rig,
        "GET /admin.cgi?pass=secret&mode=updinfo&mount=/live&song=two HTTP/1.0\r\n\r\n",
        &["200 "],
    );
    let heard = hear_until(&mut rig.audio, |heard| heard.titles.len() == 2);
    let titles: Vec<_> = heard.titles.iter().map(|title| title.title.as_str()).collect();
    assert_eq!(titles, ["Björk", "two"]);
}

/// Sends a whole body behind `head` and hears all of it.
fn check_body(head: &str, body: &[u8], answers: &[&str]) {
    let mut rig = Rig::usual();
    let mut encoder = rig.connect();
    encoder.write_all(head.replace("$BASIC", BASIC).as_bytes()).unwrap();
    let mut said = answers.iter();
    if head.contains("100-continue") {
        assert!(head_of(&mut encoder).starts_with(said.next().unwrap()), "{head}");
    }
    encoder.write_all(body).unwrap();
    let _ = encoder.shutdown(Shutdown::Write);
    let heard = hear_until(&mut rig.audio, |heard| heard.states().contains(&FeedState::Reconnecting));
    assert!(heard.n_frames() >= 440_000 && heard.gaps.is_empty(), "{head}: {} frames", heard.n_frames());
    let mut rest = String::new();
    encoder.read_to_string(&mut rest).unwrap();
    assert!(said.all(|answer| rest.contains(answer)), "{head}: {rest}");
}

#[test]
fn bodies_of_every_kind_are_heard() {
    let put = "PUT /live HTTP/1.1\r\n$BASICContent-Type: audio/mpeg\r\n";
    let mut chunks: Vec<u8> = mp3()
        .chunks(1_001)
        .flat_map(|piece| [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat())
        .collect();
    chunks.extend(b"0\r\n\r\n");
    check_body(&format!("{put}Transfer-Encoding: chunked\r\n\r\n"), &chunks, &["200 OK"]);
    check_body(
        &format!("{put}Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n"),
        &chunks,
        &["HTTP/1.1 100 Continue", "200 OK"],
    );
    let long = [mp3(), b"this is no audio"].concat();
    check_body(&format!("{put}Content-Length: {}\r\n\r\n", mp3().len()), &long, &["200 OK"]);
    check_body(&format!("{put}Content-Length: 0\r\n\r\n"), mp3(), &["200 OK"]);
    check_body("SOURCE /live ICE/1.0\n$BASIC\n", mp3(), &["200 OK"]);
}

#[test]
fn chunks_that_are_none_end_the_visit() {
    let mut rig = Rig::usual();
    let head = format!("PUT /live HTTP/1.1\r\n{BASIC}Transfer-Encoding: chunked\r\n\r\n");
    rig.ask([head.as_bytes(), b"zzzz\r\n"].concat());
    let heard = hear_until(&mut rig.audio, |heard| heard.states().contains(&FeedState::Reconnecting));
    let reason = heard.feeds.last().unwrap().reason.clone().unwrap();
    assert!(reason.contains("not a chunk's size"), "{reason}");
}

#[test]
fn garbage_is_undecodable_and_the_place_is_free_again() {
    let mut rig = Rig::usual();
    let mut encoder = rig.encoder();
    let garbage: Vec<u8> =
        (0..4_000_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8 & 0x7f).collect();
    let sending = std::thread::Builder::new().spawn(move || while encoder.write_all(&garbage).is_ok() {});
    let heard = hear_until(&mut rig.audio, |heard| heard.states().contains(&FeedState::Reconnecting));
    assert!(heard.states().contains(&FeedState::Undecodable), "{:?}", heard.states());
    sending.unwrap().join().unwrap();
    let mut next = rig.encoder();
    next.write_all(mp3()).unwrap();
    let heard = hear_until(&mut rig.audio, |heard| heard.n_frames() > 400_000);
    assert!(heard.error.is_none());
}

#[test]
fn heads_have_limits() {
    let limits = MountLimits { head: Duration::from_millis(300), ..MountLimits::default() };
    let rig = Rig::new("/live", quick(), limits);
    check_answer(&rig, "SOURCE /live HTTP/1.0\r\nX: y", &["408 Request Timeout"]);
    let many = format!("SOURCE /live HTTP/1.0\r\n{}\r\n", "A: b\r\n".repeat(65));
    check_answer(&rig, &many, &["431 "]);
    check_answer(&rig, &format!("SOURCE /live HTTP/1.0\r\nA: {}", "x".repeat(9_000)), &["431 "]);
    // Byte after byte is no way to hold a place for longer.
    let mut slow = rig.connect();
    slow.set_nodelay(true).unwrap();
    let mut head = b"SOURCE /live HTTP/1.0\r\n".iter().chain(std::iter::repeat(&b'x'));
    slow.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
    let mut answer = [0; 64];
    let n = loop {
        let _ = slow.write_all(&[*head.next().unwrap()]);
        if let Ok(n) = slow.read(&mut answer) {
            break n;
        }
    };
    assert!(answer[..n].starts_with(b"HTTP/1.0 408 "), "{:?}", String::from_utf8_lossy(&answer[..n]));
}

#[test]
fn a_feed_that_ends_lets_its_encoder_go() {
    let Rig { at, mut audio, _runtime } = Rig::usual();
    let mut encoder = std::net::TcpStream::connect(at).unwrap();
    encoder.write_all(format!("SOURCE /live HTTP/1.0\r\n{BASIC}\r\n").as_bytes()).unwrap();
    head_of(&mut encoder);
    encoder.write_all(&mp3()[..20_000]).unwrap();
    hear_until(&mut audio, |heard| heard.n_frames() > 10_000);
    drop(audio);
    let mut rest = Vec::new();
    assert_eq!(encoder.read_to_end(&mut rest).unwrap(), 0, "closed in order, not reset");
    let mut late = std::net::TcpStream::connect(at).unwrap();
    late.write_all(format!("SOURCE /live HTTP/1.0\r\n{BASIC}\r\n").as_bytes()).unwrap();
    assert!(head_of(&mut late).starts_with("HTTP/1.0 503 The feed is over"));
}
