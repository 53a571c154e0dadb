//! Reaching a stream: redirects, playlists, users, and servers that refuse, babble or say nothing.

use std::io::Write;
use std::time::Duration;

use server::ingest::{Fault, HttpLimits, LiveConfig};

use crate::free::free_address;
use crate::serve::{Act, Server, listen, quick, send, send_and_hang, stream_of};
use crate::support::{Files, Heard, chirp, hear};

fn hear_url(url: &str, config: LiveConfig) -> Heard {
    let (audio, _runtime) = listen(url, config);
    hear(audio)
}

fn to(location: &str) -> Act {
    send(format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"))
}

fn audio() -> Act {
    let mp3 = Files::new().make_from("a.mp3", &chirp(1, 44_100, 2.0), "-c:a libmp3lame -write_xing 0");
    send(stream_of("audio/mpeg", &mp3))
}

fn check_refused(url: &str, expected: &[&str]) {
    let heard = hear_url(url, quick(true));
    let message = heard.message();
    assert!(expected.iter().all(|part| message.contains(part)), "{message}");
    assert!(!message.contains('\n') && !message.contains("secret"), "{message}");
    assert_eq!(heard.error.unwrap().fault(), Fault::Unreachable, "{message}");
}

#[test]
fn redirects_and_playlists_are_followed() {
    let last = Server::new(vec![audio()]);
    let m3u = stream_of("audio/x-mpegurl", format!("#EXTM3U\n#EXTINF:-1,x\n{}\n", last.url("/b")).as_bytes());
    let middle = Server::new(vec![to("../list"), send(m3u)]);
    let pls = format!("[playlist]\nFile1={}\nLength1=-1\n", middle.url("/x/start"));
    let first = Server::new(vec![send(stream_of("audio/x-scpls", pls.as_bytes()))]);
    let heard = hear_url(&first.url("/radio.pls"), quick(false));
    assert!(heard.n_frames() > 80_000, "{:?}", heard.error);
    let middle = middle.requests().concat();
    assert!(middle.contains("GET /x/start HTTP/1.1") && middle.contains("GET /list HTTP/1.1"), "{middle}");
}

#[test]
fn redirects_have_limits() {
    let round = Server::new(vec![to("/b"), to("/a")]);
    check_refused(&round.url("/a?token=secret"), &["redirects in a loop"]);
    let endless: Vec<Act> = (0..9).map(|n| to(&format!("/{n}"))).collect();
    let endless = Server::new(endless);
    check_refused(&endless.url("/start"), &["/start: ", "more than 5 redirects"]);
    assert_eq!(endless.requests().len(), 6);
    check_refused(&Server::new(vec![to("ftp://x/")]).url("/"), &["redirects to scheme ftp"]);
    check_refused(&Server::new(vec![send("HTTP/1.1 302 Found\r\n\r\n")]).url("/"), &["without a Location"]);
}

#[test]
fn hls_is_named() {
    let hls = stream_of("application/vnd.apple.mpegurl", b"#EXTM3U\n#EXT-X-TARGETDURATION:6\n");
    check_refused(
        &Server::new(vec![send(hls)]).url("/live.m3u8"),
        &["/live.m3u8: an HLS playlist (HLS comes later)"],
    );
}

#[test]
fn users_are_sent_to_their_host_and_no_other() {
    let other = Server::new(vec![audio()]);
    let first = Server::new(vec![to("/here"), to(&other.url("/there"))]);
    let url = first.url("/").replace("http://", "http://me:secret@");
    let heard = hear_url(&url, quick(false));
    assert!(heard.n_frames() > 80_000, "{:?}", heard.error);
    let authorized = |head: &String| head.to_ascii_lowercase().contains("authorization: basic bwu6c2vjcmv0");
    assert!(first.requests().iter().all(authorized), "{:?}", first.requests());
    assert!(
        !other.requests().concat().to_ascii_lowercase().contains("authorization"),
        "{:?}",
        other.requests()
    );
}

#[test]
fn statuses_are_named_with_the_address() {
    for (status, n_requests) in
        [("401 Unauthorized", 1), ("403 Forbidden", 1), ("404 Not Found", 2), ("500 Oops", 2)]
    {
        let server = Server::new(vec![send(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n"))]);
        let number = &status[..3];
        check_refused(&server.url("/live?token=secret"), &["/live?…: the server answers ", number]);
        assert_eq!(server.requests().len(), n_requests, "{status}: what may get better is tried again");
    }
}

#[test]
fn nobody_there_is_tried_as_often_as_configured() {
    let free = free_address();
    check_refused(
        &format!("http://me:secret@{free}/x"),
        &["/x: cannot connect: ", "refused", "(2 attempts)"],
    );
    check_refused("http://no-such-host.invalid/x", &["http://no-such-host.invalid/x: cannot connect"]);
}

#[test]
fn answers_that_are_no_answers_are_refused() {
    check_refused(&Server::new(vec![send(b"hello, this is not http\r\n\r\n")]).url("/"), &["/: "]);
    check_refused(&Server::new(vec![send(b"")]).url("/"), &["/: "]);
    check_refused(
        &Server::new(vec![send_and_hang(b"HTTP/1.1 200 OK\r\nX-A: 1\r\n")]).url("/"),
        &["no answer within 400ms"],
    );
    check_refused(&Server::new(vec![send_and_hang(b"")]).url("/"), &["no answer within 400ms"]);
}

#[test]
fn a_header_that_never_ends_is_cut_off() {
    let endless: Act = Box::new(|stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nX-Long: ");
        while stream.write_all(&[b'a'; 4_096]).is_ok() {}
    });
    let patient = HttpLimits { header: Duration::from_secs(30), ..HttpLimits::default() };
    let heard = hear_url(&Server::new(vec![endless]).url("/"), LiveConfig { http: patient, ..quick(true) });
    assert!(heard.message().contains("too large"), "{}", heard.message());
}

#[test]
fn tls_is_spoken_and_a_wrong_partner_refused() {
    let plain = Server::new(vec![send(b"HTTP/1.1 200 OK\r\n\r\n")]);
    let listener = plain.url("/x").replace("http://", "https://");
    let heard = hear_url(&listener, quick(true));
    assert!(
        heard.message().contains("TLS: ") || heard.message().contains("no connection within"),
        "{}",
        heard.message()
    );
}
