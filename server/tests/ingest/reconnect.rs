//! Connections to a real Icecast that break, and sources that stop: no sample is heard twice or lost in silence.

use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;

use engine::event::FeedState;
use server::ingest::LiveConfig;

use crate::icecast::{Running, icecast};
use crate::serve::listen;
use crate::support::{Files, Heard, ffmpeg, hear_file, hear_until};

/// Noise: no part of it is like another.
pub(crate) const NOISE: &str = "-f lavfi -i anoisesrc=c=pink:r=48000:seed=7:a=0.4:d=60";

/// Stands between a listener and a server, and cuts the connection when it is told to.
struct Cutter {
    at: SocketAddr,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Cutter {
    fn new(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let open = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::clone(&open);
        let serve = move || {
            for client in listener.incoming() {
                let (client, server) = (client.unwrap(), TcpStream::connect(server).unwrap());
                for (mut from, mut to) in [(&client, &server), (&server, &client)].map(both) {
                    let copy = move || {
                        let _ = std::io::copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Both);
                    };
                    thread::Builder::new().name("copy".into()).spawn(copy).unwrap();
                }
                connections.lock().unwrap().push(client);
            }
        };
        thread::Builder::new().name("cutter".into()).spawn(serve).unwrap();
        Self { at, open }
    }

    fn cut(&self) {
        self.open.lock().unwrap().drain(..).for_each(|stream| drop(stream.shutdown(Shutdown::Both)));
    }
}

fn secs(heard: &Heard) -> f64 {
    heard.streams.first().map_or(0.0, |stream| heard.n_frames() as f64 / f64::from(stream.format.rate().hz()))
}

fn both((from, to): (&TcpStream, &TcpStream)) -> (TcpStream, TcpStream) {
    (from.try_clone().unwrap(), to.try_clone().unwrap())
}

/// Encodes noise at real-time pace and sends it, packet by packet.
fn source(files: &Files, at: SocketAddr, mount: &str, encode: &str) -> Running {
    let args = format!("-nostdin -v error -re {NOISE} {encode} -flush_packets 1");
    let child = Command::new("ffmpeg")
        .args(args.split(' '))
        .arg(format!("icecast://source:hackme@{at}/{mount}"))
        .current_dir(files.0.path())
        .spawn()
        .expect("this test needs ffmpeg: run `make setup`");
    let mut running = Running(child);
    running.until_served(at, mount);
    running
}

/// Where `part` lies in `whole`.
pub(crate) fn place(part: &[f32], whole: &[f32]) -> usize {
    whole.windows(part.len()).position(|window| window == part).expect("it is a part of what was sent")
}

/// Cuts the connection again and again, and compares with the same noise from a file.
fn check_cuts(mount: &str, encode: &str) {
    let files = Files::new();
    ffmpeg(files.0.path(), &format!("{NOISE} {encode} {mount}"));
    let (_icecast, at) = icecast(files.0.path());
    let _source = source(&files, at, mount, encode);
    let cutter = Cutter::new(at);
    let (audio, _runtime) = listen(&format!("http://{}/{mount}", cutter.at), LiveConfig::default());
    let mut audio = audio.unwrap();
    let mut heard = Heard::default();
    for _ in 0..3 {
        let more = hear_until(&mut audio, |more| secs(more) > 2.0);
        join(&mut heard, more);
        cutter.cut();
    }
    let more = hear_until(&mut audio, |more| secs(more) > 3.0);
    join(&mut heard, more);
    assert!(heard.gaps.is_empty() && heard.error.is_none(), "{mount}: {:?} {:?}", heard.gaps, heard.error);
    let lost = heard.states().iter().filter(|state| **state == FeedState::Reconnecting).count();
    assert_eq!((lost, heard.states().last()), (3, Some(&FeedState::Live)), "{mount}: {:?}", heard.states());
    let all = hear_file(&files.path(mount));
    // Where a stream is joined the decoder needs some packets to be in step.
    let ours = &heard.channels[0][10_000..];
    let start = place(&ours[..2_000], &all.channels[0]);
    let theirs = &all.channels[0][start..start + ours.len()];
    let differs = ours.iter().zip(theirs).position(|(a, b)| a != b);
    assert_eq!(differs, None, "{mount}: of {} samples", ours.len());
}

pub(crate) fn join(all: &mut Heard, more: Heard) {
    all.channels.resize_with(more.channels.len(), Vec::new);
    all.channels.iter_mut().zip(more.channels).for_each(|(all, more)| all.extend(more));
    all.gaps.extend(more.gaps);
    all.feeds.extend(more.feeds);
    all.error = more.error;
}

#[test]
fn mp3_goes_on_to_the_sample() {
    check_cuts(
        "a.mp3",
        "-c:a libmp3lame -b:a 128k -write_xing 0 -id3v2_version 0 -content_type audio/mpeg -f mp3",
    );
}

#[test]
fn aac_goes_on_to_the_sample() {
    check_cuts("a.aac", "-c:a aac -b:a 96k -content_type audio/aac -f adts");
}

#[test]
fn ogg_vorbis_goes_on_to_the_sample() {
    check_cuts("a.ogg", "-c:a libvorbis -q:a 3 -content_type application/ogg -f ogg");
}

#[test]
fn ogg_opus_goes_on_to_the_sample() {
    check_cuts("a.opus", "-c:a libopus -b:a 64k -content_type application/ogg -f ogg");
}

#[test]
fn ogg_flac_goes_on_to_the_sample() {
    // A burst of Icecast's holds whole pages: several of them must fit into it.
    check_cuts(
        "a.oga",
        "-ar 8000 -sample_fmt s16 -c:a flac -content_type application/ogg -page_duration 200000 -f ogg",
    );
}
