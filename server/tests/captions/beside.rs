//! Beside a stream of HLS that ffmpeg made: the same segments, on the same clock.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::files::FileServer;
use crate::playlist::{Cue, LIMITS, Segment, whole};
use crate::rig::{Service, kind};
use crate::support::{sample, scratch};

/// What times may be off by, s.
const TOLERANCE: f64 = 0.05;

/// Ten seconds of speech as segments of 2 s.
fn record(folder: &Path) -> Vec<(u64, f64)> {
    let args = "-c:a aac -b:a 96k -f hls -hls_time 2 -hls_list_size 0 -start_number 17 \
        -hls_flags program_date_time -hls_segment_filename s%d.ts a.m3u8";
    let status = Command::new("ffmpeg")
        .current_dir(folder)
        .args(["-nostdin", "-v", "error", "-i", &sample("beckett.wav")])
        .args(args.split_whitespace())
        .status()
        .unwrap();
    assert!(status.success());
    let text = std::fs::read_to_string(folder.join("a.m3u8")).unwrap();
    let lengths =
        text.lines().filter_map(|line| line.strip_prefix("#EXTINF:")?.strip_suffix(',')?.parse().ok());
    (17..).zip(lengths).collect()
}

/// What ffprobe says of `place`: `entries` of each packet.
fn probe(place: &str, streams: &str, entries: &str) -> Vec<Vec<f64>> {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", streams, "-show_entries", entries, "-of", "csv=p=0", place])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| line.split(',').filter_map(|field| field.parse().ok()).collect()).collect()
}

/// Words of finals: text, and where each begins and ends in media time, s.
fn words(finals: &[Value]) -> Vec<(String, f64, f64)> {
    let words = finals.iter().flat_map(|event| event["data"]["words"].as_array().unwrap());
    let secs = |word: &Value, key: &str| word[key].as_f64().unwrap() / 1_000.0;
    words
        .map(|word| (word["text"].as_str().unwrap().to_owned(), secs(word, "start_ms"), secs(word, "end_ms")))
        .collect()
}

/// Each cue once, in the order of their beginnings.
fn distinct(segments: &[Segment]) -> Vec<Cue> {
    let mut cues: Vec<Cue> = segments.iter().flat_map(|segment| segment.cues.clone()).collect();
    cues.sort_by(|a, b| a.start.total_cmp(&b.start));
    cues.dedup_by(|a, b| a.media == b.media && a.lines == b.lines);
    cues
}

#[test]
fn captions_of_hls_play_beside_the_stream() {
    let dir = scratch();
    let listed = record(dir.path());
    let server = FileServer::start(dir.path());
    let config = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n{LIMITS}[captions]\nwait_secs = 12\n[[feeds]]\nname = \"a\"\n\
         source = \"http://{}/a.m3u8\"\n",
        server.address
    );
    let service = Service::start(dir.path(), &config);
    service.until("a", |event| kind(event) == "feed.ended");
    let segments = whole(&service, "a");
    let seen: Vec<_> = segments.iter().map(|segment| (segment.number, segment.secs)).collect();
    assert_eq!(seen, listed, "number by number the segments of the source");

    // The clock of the stream: where its first sound is.
    let first = probe(dir.path().join("s17.ts").to_str().unwrap(), "a:0", "packet=pts_time")[0][0];
    let finals = service.range("feed=a&type=transcript.final");
    let (words, cues) = (words(&finals), distinct(&segments));
    assert!(words.len() > 10, "{finals:?}");
    let shown: Vec<&str> = cues.iter().flat_map(|cue| &cue.lines).flat_map(|line| line.split(' ')).collect();
    assert_eq!(shown, words.iter().map(|(text, ..)| text.as_str()).collect::<Vec<_>>());
    let mut rest = words.as_slice();
    for cue in &cues {
        let n: usize = cue.lines.iter().map(|line| line.split(' ').count()).sum();
        let (said, after) = rest.split_at(n);
        rest = after;
        let (start, end) = (said[0].1 + first, said[n - 1].2 + first);
        assert!((cue.start - start).abs() <= TOLERANCE && cue.end >= end - TOLERANCE, "{cue:?} {said:?}");
    }
    // A cue is in each segment in whose time it is shown.
    let mut began = first;
    for segment in &segments {
        let ends = began + segment.secs;
        let inside = |cue: &&Cue| cue.start < ends - TOLERANCE && cue.end > began + TOLERANCE;
        for cue in cues.iter().filter(inside) {
            assert!(segment.cues.iter().any(|shown| shown.media == cue.media), "{cue:?} in {segment:?}");
        }
        began = ends;
    }
    check_ffmpeg(&service, &server, &cues);
    service.end();
}

/// ffmpeg reads the playlist, and the stream by the one that joins both; subtitles that such a one names it passes over.
fn check_ffmpeg(service: &Service, server: &FileServer, cues: &[Cue]) {
    let captions = format!("http://{}/v1/feeds/a/captions", service.address);
    let packets = probe(&format!("{captions}/playlist.m3u8"), "s:0", "packet=pts_time");
    let mut read: Vec<f64> = packets.iter().filter_map(|packet| packet.first().copied()).collect();
    read.sort_by(f64::total_cmp);
    read.dedup();
    assert_eq!(read.len(), cues.len(), "{read:?} {cues:?}");
    let master = format!("{captions}/master.m3u8?stream=http://{}/a.m3u8", server.address);
    let sound = probe(&master, "a:0", "packet=pts_time");
    assert!(sound.len() > 100, "{}", sound.len());
}
