//! Damaged inputs: what is there is heard, what is missing is a gap of about the right length.

use engine::event::GapReason;
use server::ingest::Hint;

use crate::support::{Files, Heard, chirp, hear_file, hear_pipe};

/// Whole seconds that a chirp of 10 s has, heard and missing together, may be off by this.
const TOLERANCE_SECS: f64 = 0.35;

fn secs(heard: &Heard) -> (f64, f64) {
    let rate = f64::from(heard.streams[0].format.rate().hz());
    let missing: u64 = heard.gaps.iter().map(|(_, gap)| gap.frames).sum();
    (heard.n_frames() as f64 / rate, missing as f64 / rate)
}

fn make(name: &str, args: &str) -> (Files, Vec<u8>) {
    let files = Files::new();
    let bytes = files.make_from(name, &chirp(2, 48_000, 10.0), args);
    (files, bytes)
}

/// A third of the bytes is cut off.
fn check_cut(name: &str, args: &str) {
    let (files, bytes) = make(name, args);
    let heard = hear_file(&files.write(name, &bytes[..bytes.len() * 2 / 3]));
    let (had, missing) = secs(&heard);
    assert!(heard.error.is_none() && (6.0..7.4).contains(&had), "{name}: {had} s, {:?}", heard.error);
    assert!((had + missing - 10.0).abs() < TOLERANCE_SECS, "{name}: {had} s heard, {missing} s missing");
    assert!(heard.gaps.iter().all(|(_, gap)| gap.reason == GapReason::Loss), "{name}: {:?}", heard.gaps);
}

#[test]
fn a_file_that_was_cut_off_ends_with_a_gap() {
    check_cut("a.wav", "-c:a pcm_s16le");
    check_cut("a.flac", "-c:a flac");
    check_cut("a.mp3", "-c:a libmp3lame -b:a 128k");
    check_cut("a.m4a", "-c:a aac -b:a 128k -movflags +faststart");
    check_cut("a.aiff", "-c:a pcm_s16be");
}

/// A tenth of the bytes in the middle is overwritten.
fn check_hole(name: &str, args: &str, reasons: &[GapReason]) {
    let (files, mut bytes) = make(name, args);
    let (from, to) = (bytes.len() / 2, bytes.len() * 6 / 10);
    bytes[from..to].iter_mut().enumerate().for_each(|(i, byte)| *byte = (i % 251) as u8);
    let heard = hear_file(&files.write(name, &bytes));
    let (had, missing) = secs(&heard);
    // Ogg loses the whole second of every page that is hit.
    assert!(heard.error.is_none() && (7.0..9.7).contains(&had), "{name}: {had} s, {:?}", heard.error);
    assert!((had + missing - 10.0).abs() < TOLERANCE_SECS, "{name}: {had} s heard, {missing} s missing");
    assert!(heard.gaps.iter().all(|(_, gap)| reasons.contains(&gap.reason)), "{name}: {:?}", heard.gaps);
}

#[test]
fn a_hole_in_the_middle_is_a_gap() {
    let any = [GapReason::Undecodable, GapReason::Loss];
    check_hole("a.mp3", "-c:a libmp3lame -b:a 128k", &any);
    check_hole("a.mp3", "-c:a libmp3lame -b:a 128k -write_xing 0", &[GapReason::Undecodable]);
    check_hole("a.aac", "-c:a aac -b:a 128k", &any);
    check_hole("a.flac", "-c:a flac", &any);
    check_hole("a.opus", "-c:a libopus -b:a 128k", &any);
    check_hole("a.ogg", "-c:a libvorbis -q:a 6", &any);
    check_hole("a.m4a", "-c:a aac -b:a 128k -movflags +faststart", &any);
}

#[test]
fn chained_ogg_streams_change_format_and_title() {
    let files = Files::new();
    let first = files.make_from("1.ogg", &chirp(2, 48_000, 2.0), "-c:a libvorbis -metadata title=one");
    let second = files.make_from("2.ogg", &chirp(1, 44_100, 2.0), "-c:a libvorbis -metadata title=two");
    let third = files.make_from("3.ogg", &chirp(2, 48_000, 2.0), "-c:a libopus -metadata title=three");
    let heard = hear_pipe(&[first, second, third].concat(), 4_096, &Hint::default());
    let streams: Vec<_> = heard.streams.iter().map(|s| (s.codec, s.format.rate().hz())).collect();
    assert_eq!(streams, [("vorbis", 48_000), ("vorbis", 44_100), ("opus", 48_000)]);
    let titles: Vec<_> = heard.titles.iter().map(|title| title.title.as_str()).collect();
    assert_eq!(titles, ["one", "two", "three"]);
    assert!(heard.gaps.is_empty() && heard.error.is_none(), "{:?} {:?}", heard.gaps, heard.error);
    assert_eq!(heard.channels[0].len(), 96_000 + 88_200 + 96_000);
}

#[test]
fn an_mp3_that_changes_rate_goes_on() {
    let files = Files::new();
    let first = files.make_from("1.mp3", &chirp(2, 48_000, 3.0), "-c:a libmp3lame -write_xing 0");
    let second =
        files.make_from("2.mp3", &chirp(1, 44_100, 3.0), "-c:a libmp3lame -write_xing 0 -id3v2_version 0");
    let heard = hear_file(&files.write("a.mp3", &[first, second].concat()));
    let rates: Vec<_> = heard.streams.iter().map(|s| (s.format.rate().hz(), s.format.n_channels())).collect();
    assert_eq!(rates, [(48_000, 2), (44_100, 1)]);
    let missing: u64 = heard.gaps.iter().map(|(_, gap)| gap.frames).sum();
    assert!((1..=3 * 1_152).contains(&missing), "three packets until the decoder is made anew: {missing}");
}

#[test]
fn files_that_were_joined_are_heard_to_the_end() {
    let files = Files::new();
    let one = files.make_from("1.mp3", &chirp(2, 44_100, 4.0), "-c:a libmp3lame -b:a 128k");
    let heard = hear_file(&files.write("a.mp3", &[one.clone(), one.clone(), one].concat()));
    let (had, missing) = secs(&heard);
    assert!((had + missing - 12.0).abs() < TOLERANCE_SECS && had > 11.6, "{had} s, {missing} s missing");
}

#[test]
fn garbage_before_an_mp3_is_skipped() {
    let (files, bytes) = make("a.mp3", "-c:a libmp3lame -b:a 128k");
    let garbage: Vec<u8> =
        (0..150_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8 & 0x7f).collect();
    let heard = hear_file(&files.write("b.mp3", &[garbage, bytes].concat()));
    let (had, missing) = secs(&heard);
    assert!((had - 10.0).abs() < TOLERANCE_SECS && missing == 0.0, "{had} s, {missing} s missing");
}

#[test]
fn garbage_after_an_mp3_is_a_gap() {
    let (files, bytes) = make("a.mp3", "-c:a libmp3lame -b:a 128k");
    let heard = hear_file(&files.write("b.mp3", &[bytes, vec![0x11; 80_000]].concat()));
    let (had, missing) = secs(&heard);
    assert!(
        (had - 10.0).abs() < TOLERANCE_SECS && (4.0..5.5).contains(&missing),
        "{had} s, {missing} s missing"
    );
}

#[test]
fn a_recording_that_was_killed_is_heard_to_its_end() {
    let (files, mut bytes) = make("a.wav", "-c:a pcm_s16le -bitexact");
    bytes[4..8].fill(0);
    bytes[40..44].fill(0);
    let heard = hear_file(&files.write("b.wav", &bytes));
    assert_eq!((heard.n_frames(), heard.gaps.len()), (480_000, 0));
}

#[test]
fn nan_and_infinity_pass_unchanged() {
    let (files, mut bytes) = make("a.wav", "-c:a pcm_f32le -bitexact");
    let at = bytes.len() - 16;
    bytes[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    bytes[at + 4..at + 8].copy_from_slice(&f32::INFINITY.to_le_bytes());
    let heard = hear_file(&files.write("b.wav", &bytes));
    let end = heard.n_frames() - 2;
    assert!(heard.channels[0][end].is_nan() && heard.channels[1][end].is_infinite());
}
