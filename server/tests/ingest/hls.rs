//! HLS as ffmpeg writes it, behind nginx: every container, a segment that is missing, a discontinuity, a live edge.
//!
//! The programme is a tone that rises by 100 Hz each second, so that what is heard says when it was said.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use engine::event::{FeedState, GapReason, MarkerKind};
use engine::time::MediaTime;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use server::ingest::{LiveConfig, Wants};

use crate::icecast::Running;
use crate::nginx::nginx;
use crate::serve::{listen, quick};
use crate::support::{Files, Heard, ffmpeg, hear, hear_until};

const RATE: f64 = 48_000.0;
/// What wall times may be off by.
const TOLERANCE_SECS: f64 = 0.05;

/// A tone of `from` Hz that rises by 100 Hz each second.
fn stairs(from: u32, secs: f64) -> String {
    format!("-f lavfi -i aevalsrc=0.3*sin(2*PI*({from}+100*floor(t))*t):s=48000:d={secs}")
}

/// A recording of two programmes, with a discontinuity between them.
fn record(folder: &Path, codec: &str, kind: &str) {
    let end = if kind == "fmp4" { "m4s" } else { "ts" };
    for (from, secs) in [(400, 20.0), (3_000, 8.0)] {
        let args = format!(
            "{codec} -f hls -hls_time 4 -hls_list_size 0 -hls_segment_type {kind} \
             -hls_flags append_list+program_date_time -hls_segment_filename s%d.{end} a.m3u8"
        );
        ffmpeg(folder, &format!("{} {args}", stairs(from, secs)));
    }
}

/// What a playlist says of a segment.
#[derive(Debug)]
struct Listed {
    length: f64,
    wall: Option<Timestamp>,
    is_cut: bool,
}

fn listed(playlist: &str) -> Vec<Listed> {
    let (mut all, mut wall, mut is_cut, mut length) = (Vec::new(), None, false, 0.0);
    for line in playlist.lines() {
        if let Some(date) = line.strip_prefix("#EXT-X-PROGRAM-DATE-TIME:") {
            wall = Some(date.parse().unwrap());
        } else if line == "#EXT-X-DISCONTINUITY" {
            is_cut = true;
        } else if let Some(stated) = line.strip_prefix("#EXTINF:") {
            length = stated.split(',').next().unwrap().parse().unwrap();
        } else if !line.starts_with('#') {
            all.push(Listed { length, wall: wall.take(), is_cut: std::mem::take(&mut is_cut) });
        }
    }
    all
}

fn recording() -> LiveConfig {
    LiveConfig { wants: Wants::Recording, ..quick(false) }
}

/// The audio at a media position, whatever is missing before it. `None`: it is missing there itself.
fn audio_at(heard: &Heard, secs: f64, n: usize) -> Option<&[f32]> {
    let position = MediaTime::from_millis((secs * 1_000.0) as u64);
    let is_in = |start: MediaTime, end: MediaTime| start <= position && position < end;
    if heard.gaps.iter().any(|(span, _)| is_in(span.start, span.end)) {
        return None;
    }
    let before = heard.gaps.iter().filter(|(span, _)| span.end <= position);
    let missing: f64 = before.map(|(span, _)| span.duration().as_secs_f64()).sum();
    let start = ((secs - missing) * RATE).round() as usize;
    heard.channels[0].get(start..start + n)
}

/// Frequency of a tone, Hz, by its zero crossings.
fn pitch(audio: &[f32]) -> f64 {
    let crossings: Vec<usize> =
        audio.windows(2).enumerate().filter(|(_, w)| w[0] < 0.0 && w[1] >= 0.0).map(|(at, _)| at).collect();
    let (Some(first), Some(last)) = (crossings.first(), crossings.last()) else { return 0.0 };
    (crossings.len() - 1) as f64 * RATE / (last - first).max(1) as f64
}

/// What was heard when, by the source.
type Walls = Vec<(MediaTime, Timestamp)>;

/// The media position of a wall time.
fn position_of(walls: &Walls, wall: Timestamp) -> f64 {
    let before = walls.iter().rev().find(|(_, stated)| *stated <= wall);
    let (position, stated) = before.or(walls.first()).unwrap();
    position.as_secs_f64() + wall.duration_since(*stated).as_secs_f64()
}

/// The steps of the stairs from `from` Hz, which began at `began`, are heard at the wall time that they had. Answers how many.
fn check_steps(heard: &Heard, walls: &Walls, from: u32, began: Timestamp, n_secs: u32) -> usize {
    let n = 1_920; // 40 ms
    let mut n_heard = 0;
    for step in 1..n_secs {
        let at = position_of(walls, began + SignedDuration::from_secs(step.into()));
        let before = at - TOLERANCE_SECS - n as f64 / RATE;
        if before < 0.0 {
            continue;
        }
        let around = (audio_at(heard, before, n), audio_at(heard, at + TOLERANCE_SECS, n));
        let (Some(before), Some(after)) = around else { continue };
        let hz = f64::from(from + 100 * step);
        let found = (pitch(before), pitch(after));
        assert!(
            (found.0 - hz + 100.0).abs() < 30.0 && (found.1 - hz).abs() < 30.0,
            "{hz} Hz at {at} s: {found:?}"
        );
        n_heard += 1;
    }
    n_heard
}

/// A recording in `codec` and `kind` whose third segment is gone.
fn check_recording(codec: &str, kind: &str) {
    let files = Files::new();
    record(files.0.path(), codec, kind);
    let playlist = fs::read_to_string(files.path("a.m3u8")).unwrap();
    let segments = listed(&playlist);
    let end = if kind == "fmp4" { "m4s" } else { "ts" };
    fs::remove_file(files.path(&format!("s2.{end}"))).unwrap();
    let (_server, at) = nginx(files.0.path(), "");
    let (audio, _runtime) = listen(&format!("http://{at}/a.m3u8?token=secret"), recording());
    let heard = hear(audio);
    assert!(heard.error.is_none(), "{:?}", heard.error);
    let start: f64 = segments[..2].iter().map(|segment| segment.length).sum();
    // MP3 refers back to frames that are not there: after a break up to two frames cannot be decoded.
    let tail = if codec.contains("mp3") { 2.0 * 1_152.0 / RATE } else { 0.0 };
    let (lost, torn): (Vec<_>, Vec<_>) =
        heard.gaps.iter().partition(|(_, gap)| gap.reason == GapReason::Loss);
    let [(span, _)] = lost[..] else { panic!("{:?} {playlist}", heard.gaps) };
    let torn: f64 = torn.iter().map(|(span, _)| span.duration().as_secs_f64()).sum();
    // Nor a segment of a single packet, with which ffmpeg ends each programme: it is a gap as well.
    assert!(torn <= 2.0 * tail + 2.0 * 1_152.0 / RATE, "{:?}", heard.gaps);
    let off = (span.start.as_secs_f64() - start, span.duration().as_secs_f64() - segments[2].length);
    assert!(off.0.abs() < 0.001 && (-0.001..tail + 0.001).contains(&off.1), "{off:?} {span:?} {playlist}");
    let whole: f64 = segments.iter().map(|segment| segment.length).sum();
    let gone = span.duration().as_secs_f64() + torn;
    assert!(
        (heard.n_frames() as f64 / RATE + gone - whole).abs() < 0.001,
        "{} {gone} {whole}",
        heard.n_frames()
    );
    let second = segments.iter().rposition(|segment| segment.is_cut).unwrap();
    let split: f64 = segments[..second].iter().map(|segment| segment.length).sum();
    let (earlier, later) = heard.walls.iter().partition(|(position, _)| position.as_secs_f64() < split - 0.1);
    // A step that lies in the gap, or beside it, is not heard.
    assert!(check_steps(&heard, &earlier, 400, segments[0].wall.unwrap(), 20) >= 13);
    assert_eq!(check_steps(&heard, &later, 3_000, segments[second].wall.unwrap(), 8), 7);
}

#[test]
fn a_recording_in_a_transport_stream() {
    check_recording("-c:a aac", "mpegts");
}

#[test]
fn a_recording_of_mp3_in_a_transport_stream() {
    check_recording("-c:a libmp3lame", "mpegts");
}

#[test]
fn a_recording_in_fragments_of_mp4() {
    check_recording("-c:a aac", "fmp4");
}

/// ID3 with the time of a transport stream, as Apple's packager puts it before packed audio.
fn stamped(ticks: u64, audio: &[u8]) -> Vec<u8> {
    let owner = b"com.apple.streaming.transportStreamTimestamp\0";
    let len = u8::try_from(owner.len() + 8).unwrap();
    [b"ID3\x04\0\0\0\0\0", &[len + 10][..], b"PRIV\0\0\0", &[len, 0, 0], owner, &ticks.to_be_bytes(), audio]
        .concat()
}

#[test]
fn packed_audio_whose_segment_expired() {
    let files = Files::new();
    let args = "-c:a aac -f segment -segment_time 4 -segment_format adts -segment_list a.m3u8 -segment_list_type m3u8 p%d.aac";
    ffmpeg(files.0.path(), &format!("{} {args}", stairs(400, 16.0)));
    let mut ticks = (1 << 33) - 90_000;
    let mut starts = Vec::new();
    for n in 0..4 {
        let audio = files.read(&format!("p{n}.aac"));
        starts.push(ticks);
        files.write(&format!("p{n}.aac"), &stamped(ticks % (1 << 33), &audio));
        ticks += 1_920 * adts_frames(&audio);
    }
    fs::remove_file(files.path("p1.aac")).unwrap();
    let (_server, at) = nginx(files.0.path(), "");
    let (audio, _runtime) = listen(&format!("http://{at}/a.m3u8"), recording());
    let heard = hear(audio);
    let [(span, _), ..] = &heard.gaps[..] else { panic!("{:?} {:?}", heard.gaps, heard.error) };
    let ticks_in = |time: MediaTime| time.flicks() / 7_840;
    assert_eq!((ticks_in(span.start), ticks_in(span.end)), (starts[1] - starts[0], starts[2] - starts[0]));
    assert_eq!(pitch(audio_at(&heard, 12.5, 4_800).unwrap()).round(), 1_600.0);
}

fn adts_frames(mut audio: &[u8]) -> u64 {
    let mut n = 0;
    while let Some(&[_, _, _, b, c, d, ..]) = audio.first_chunk::<6>() {
        audio = &audio[usize::from(b & 3) << 11 | usize::from(c) << 3 | usize::from(d) >> 5..];
        n += 1;
    }
    n
}

#[test]
fn a_live_playlist_whose_segment_is_not_there() {
    let files = Files::new();
    let (_server, at) = nginx(files.0.path(), "location = /s9.ts { return 404; }");
    let child = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-re"])
        .args(stairs(400, 60.0).split(' '))
        .args("-c:a aac -f hls -hls_time 1 -hls_list_size 6 -hls_segment_filename s%d.ts".split(' '))
        .args(["-hls_flags", "delete_segments+program_date_time+temp_file", "a.m3u8"])
        .current_dir(files.0.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut source = Running(child);
    let playlist = || fs::read_to_string(files.path("a.m3u8")).unwrap_or_default();
    while listed(&playlist()).len() < 4 {
        assert_eq!(source.0.try_wait().unwrap(), None, "ffmpeg ended");
        std::thread::yield_now();
    }
    let first = playlist();
    assert!(first.contains("\n#EXT-X-MEDIA-SEQUENCE:0\n"), "{first}");
    let began = listed(&first)[0].wall.unwrap();
    let config = LiveConfig {
        stalled_after: Duration::from_secs(20),
        dead_after: Duration::from_secs(20),
        ..quick(true)
    };
    let (audio, _runtime) = listen(&format!("http://{at}/a.m3u8"), config);
    let mut audio = audio.unwrap();
    let enough = |heard: &Heard| !heard.gaps.is_empty() && heard.n_frames() as f64 > 10.0 * RATE;
    let heard = hear_until(&mut audio, enough);
    assert!(heard.error.is_none(), "{:?}", heard.error);
    assert_eq!(heard.states(), [FeedState::Connected, FeedState::Live], "{:?}", heard.feeds);
    let [(span, gap)] = &heard.gaps[..] else { panic!("{:?}", heard.gaps) };
    assert_eq!((gap.reason, gap.frames % 1_024), (GapReason::Loss, 0), "whole packets of aac");
    assert!((span.duration().as_secs_f64() - 1.0).abs() < 0.03, "{span:?}");
    assert!(check_steps(&heard, &heard.walls, 400, began, 30) >= 6);
}

/// The events of a recording, as the program writes them.
fn analyse(url: &str) -> Vec<Value> {
    let output = Command::new(env!("CARGO_BIN_EXE_aircheck"))
        .args(["analyze", url, "--no-transcript", "--events", "-"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn marks_and_times_of_a_recording_are_events() {
    let files = Files::new();
    record(files.0.path(), "-c:a aac", "mpegts");
    let playlist = fs::read_to_string(files.path("a.m3u8")).unwrap();
    let began = listed(&playlist)[0].wall.unwrap();
    let range = format!(
        "#EXT-X-DATERANGE:ID=\"news\",CLASS=\"programme\",START-DATE=\"{}\",DURATION=5.5,X-HOST=\"<b>\"\n",
        began + SignedDuration::from_millis(10_250)
    );
    let marked = playlist
        .replacen("#EXTINF", &format!("{range}#EXTINF"), 1)
        .replacen("s1.ts\n", "s1.ts\n#EXT-X-CUE-OUT:30\n", 1)
        .replacen("s3.ts\n", "s3.ts\n#EXT-X-CUE-IN\n", 1);
    files.write("marked.m3u8", marked.as_bytes());
    files.write(
        "master.m3u8",
        b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=9000,CODECS=\"avc1.42e00a\"\nno.m3u8\n\
          #EXT-X-STREAM-INF:BANDWIDTH=90000,CODECS=\"mp4a.40.2\"\nmarked.m3u8?token=a%2Fb\n",
    );
    fs::remove_file(files.path("s2.ts")).unwrap();
    let (_server, at) = nginx(files.0.path(), "");
    let events = analyse(&format!("http://{at}/master.m3u8"));
    let of = |kind: &str| {
        events.iter().filter(|event| event["type"] == format!("aircheck.{kind}.v1")).collect::<Vec<_>>()
    };
    let kinds: Vec<_> = of("marker").iter().map(|event| event["data"]["kind"].as_str().unwrap()).collect();
    let expected = [MarkerKind::CueOut, MarkerKind::DateRange, MarkerKind::CueIn]
        .map(|kind| serde_json::to_value(kind).unwrap());
    assert_eq!(kinds, expected, "{:?}", of("marker"));
    let off_ms = |event: &Value, expected: Timestamp| {
        let time: Timestamp = event["time"].as_str().unwrap().parse().unwrap();
        time.duration_since(expected).as_millis().abs()
    };
    let segments = listed(&playlist);
    let [out, news, back] = of("marker")[..] else { panic!() };
    assert!(off_ms(out, segments[2].wall.unwrap()) <= 50 && off_ms(back, segments[4].wall.unwrap()) <= 50);
    assert_eq!(out["data"]["planned_duration_ms"], 30_000);
    assert!(off_ms(news, began + SignedDuration::from_millis(10_250)) <= 50, "{news}");
    let span = &news["data"]["span"];
    assert_eq!(span["end_ms"].as_u64().unwrap() - span["start_ms"].as_u64().unwrap(), 5_500);
    assert_eq!((&news["data"]["id"], &news["data"]["attributes"]["X-HOST"]), (&"news".into(), &"<b>".into()));
    let lost: Vec<_> = of("gap").into_iter().filter(|gap| gap["data"]["reason"] == "loss").collect();
    let [gap] = lost[..] else { panic!("{:?}", of("gap")) };
    assert!(off_ms(gap, segments[2].wall.unwrap()) <= 50, "{gap}");
    let log = fs::read_to_string(files.path("a.log")).unwrap();
    assert!(log.contains("GET /marked.m3u8?token=a%2Fb HTTP/1.1"), "{log}");
}
