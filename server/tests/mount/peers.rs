//! Encoders as people use them: ffmpeg and liquidsoap with `PUT` and with `SOURCE`, ezstream.

use std::fs;
use std::process::{Child, Command, Stdio};

use engine::event::FeedState;
use server::ingest::mount::MountLimits;

use crate::rig::{BASIC, Rig, quick};
use crate::support::{Files, Heard, chirp, hear_file, hear_until, snr_db};

/// Ends with the test.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const SECS: f64 = 6.0;

/// Lets ffmpeg push a file, made with `encode`, to `rig`; it copies the file's packets with `copy`.
fn ffmpeg_pushes(rig: &Rig, files: &Files, name: &str, copy: &str) -> Running {
    let url = format!("icecast://source:secret@{}/live", rig.at);
    let child = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-i", name])
        .args(format!("-c copy {copy} {url}").split(' '))
        .current_dir(files.0.path())
        .spawn()
        .expect("this test needs ffmpeg: run `make setup`");
    Running(child)
}

/// What was pushed is heard to the last sample: the same as from the file, but for what a container says of the ends.
fn check_same(heard: &Heard, name: &str, files: &Files) {
    let reference = hear_file(&files.path(name));
    assert_eq!(heard.streams.len(), 1, "{name}: {:?}", heard.streams);
    assert_eq!(heard.streams[0], reference.streams[0], "{name}");
    assert!(heard.gaps.is_empty() && heard.error.is_none(), "{name}: {:?} {:?}", heard.gaps, heard.error);
    let (had, expected) = (heard.n_frames(), reference.n_frames());
    let rate_hz = f64::from(heard.streams[0].format.rate().hz());
    assert!(
        (had as f64 - expected as f64).abs() < 0.06 * rate_hz,
        "{name}: {had} frames, the file {expected}"
    );
    for (ours, theirs) in heard.channels.iter().zip(&reference.channels) {
        let (snr, shift) = snr_db(ours, theirs, 2_400);
        assert!(snr > 90.0, "{name}: {snr:.1} dB at {shift}");
    }
}

fn check_ffmpeg(name: &str, encode: &str, copy: &str) {
    let files = Files::new();
    files.make_from(name, &chirp(2, 48_000, SECS), encode);
    let mut rig = Rig::usual();
    let mut ffmpeg = ffmpeg_pushes(&rig, &files, name, copy);
    let heard = hear_until(&mut rig.audio, |heard| heard.states().contains(&FeedState::Reconnecting));
    check_same(&heard, name, &files);
    use FeedState::{Connected, Live, Reconnecting};
    assert_eq!(heard.states(), [Connected, Live, Reconnecting], "{name}");
    let from = heard.feeds[0].reason.as_deref().unwrap();
    assert!(from.starts_with("Lavf/") && from.contains(" at 127.0.0.1:"), "{from}");
    assert!(ffmpeg.0.wait().unwrap().success(), "{name}: ffmpeg is content with what it was told");
}

#[test]
fn ffmpeg_puts_mp3() {
    check_ffmpeg("a.mp3", "-c:a libmp3lame -b:a 128k -write_xing 0", "-content_type audio/mpeg -f mp3");
}

#[test]
fn ffmpeg_puts_aac() {
    check_ffmpeg("a.aac", "-c:a aac -b:a 128k", "-content_type audio/aac -f adts");
}

#[test]
fn ffmpeg_puts_ogg_vorbis() {
    check_ffmpeg("a.ogg", "-c:a libvorbis -q:a 4", "-content_type application/ogg -f ogg");
}

#[test]
fn ffmpeg_puts_ogg_opus() {
    check_ffmpeg("a.opus", "-c:a libopus -b:a 96k", "-content_type application/ogg -f ogg");
}

#[test]
fn ffmpeg_puts_ogg_flac() {
    check_ffmpeg("a.oga", "-c:a flac -f ogg", "-content_type application/ogg -f ogg");
}

#[test]
fn ffmpeg_puts_bare_flac() {
    check_ffmpeg("a.flac", "-c:a flac", "-content_type audio/flac -f flac");
}

#[test]
fn ffmpeg_of_old_uses_source() {
    let copy = "-legacy_icecast 1 -content_type audio/mpeg -ice_name x -f mp3";
    check_ffmpeg("a.mp3", "-c:a libmp3lame -b:a 128k -write_xing 0", copy);
}

/// Also a title, said by another connection as encoders do.
#[test]
fn ezstream_is_heard_with_a_title() {
    let files = Files::new();
    files.make_from("a.mp3", &chirp(2, 44_100, SECS), "-c:a libmp3lame -b:a 128k -write_xing 0");
    let mut rig = Rig::new("/show/live.mp3", quick(), MountLimits::default());
    let config = format!(
        "<ezstream><servers><server><hostname>127.0.0.1</hostname><port>{}</port><password>secret</password>\
         </server></servers><streams><stream><mountpoint>/show/live.mp3</mountpoint><format>MP3</format>\
         <stream_name>x</stream_name></stream></streams>\
         <intakes><intake><type>file</type><filename>{}</filename></intake></intakes></ezstream>",
        rig.at.port(),
        files.path("a.mp3").display(),
    );
    fs::write(files.path("ez.xml"), config).unwrap();
    let child = Command::new("ezstream")
        .args(["-c", "ez.xml"])
        .current_dir(files.0.path())
        .stdout(Stdio::null())
        .spawn()
        .expect("this test needs ezstream: run `make setup`");
    let _ezstream = Running(child);
    let before = hear_until(&mut rig.audio, |heard| heard.n_frames() > 44_100);
    let title = "/admin/metadata?mode=updinfo&mount=%2Fshow%2Flive.mp3&song=A%20-%20%27b%27%3B%20Bj%C3%B6rk";
    let answer = rig.ask(format!("GET {title} HTTP/1.0\r\n{BASIC}\r\n"));
    assert!(answer.starts_with("HTTP/1.0 200 OK\r\n"), "{answer}");
    let after = hear_until(&mut rig.audio, |heard| heard.titles.iter().any(|t| t.title.contains("rk")));
    assert_eq!(after.titles.last().unwrap().title, "A - 'b'; Björk");
    assert_eq!(before.streams[0].codec, "mp3");
    assert!(before.feeds[0].reason.as_deref().unwrap().contains("libshout"), "{:?}", before.feeds);
    assert!(before.gaps.is_empty() && after.gaps.is_empty() && after.error.is_none());
}

/// Both methods that it has, and a title, which it says by itself.
fn check_liquidsoap(method: &str) {
    let files = Files::new();
    let encode = "-c:a libmp3lame -b:a 128k -metadata title=x -metadata artist=y";
    files.make_from("a.mp3", &chirp(2, 44_100, SECS), encode);
    let mut rig = Rig::usual();
    let script = format!(
        "settings.init.allow_root.set(true)\n\
         output.icecast(%mp3(bitrate=128), host=\"127.0.0.1\", port={}, password=\"secret\", mount=\"/live\", \
         method=\"{method}\", fallible=true, once(single(\"{}\")))\n",
        rig.at.port(),
        files.path("a.mp3").display(),
    );
    fs::write(files.path("a.liq"), script).unwrap();
    let mut child = Command::new("liquidsoap")
        .arg("a.liq")
        .current_dir(files.0.path())
        .env("HOME", files.0.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this test needs liquidsoap: run `make setup`");
    let (mut said, stopper) = (child.stdout.take().unwrap(), rig.audio.stopper());
    let _liquidsoap = Running(child);
    // Nobody waits for one that has ended.
    let watch = move || {
        let _ = std::io::copy(&mut said, &mut std::io::sink());
        stopper.stop();
    };
    std::thread::Builder::new().name("liquidsoap".into()).spawn(watch).unwrap();
    let heard = hear_until(&mut rig.audio, |heard| heard.n_frames() > 2 * 44_100 && !heard.titles.is_empty());
    assert_eq!(heard.streams[0].codec, "mp3", "{method}");
    assert!(heard.gaps.is_empty() && heard.error.is_none(), "{method}: {:?} {:?}", heard.gaps, heard.error);
    assert_eq!(heard.titles[0].title, "y - x", "{method}");
    let from = heard.feeds[0].reason.as_deref().unwrap();
    assert!(from.starts_with("Liquidsoap/"), "{from}");
}

#[test]
fn liquidsoap_uses_source() {
    check_liquidsoap("source");
}

#[test]
fn liquidsoap_puts() {
    check_liquidsoap("put");
}
