//! What is no audio, lies about itself or never ends: one line, no panic, no hang, bounded memory.

use std::fs;
use std::io::{self, Read};
use std::process::Command;

use server::ingest::{Audio, Fault, Hint, IngestError, Origin};

use crate::support::{Files, chirp, hear, hear_file, hear_pipe};

/// Peak memory of a process that meets everything here, KiB.
const MEMORY_KIB_MAX: u64 = 160 << 10;

fn check_refused(name: &str, bytes: &[u8], expected: &str) {
    let files = Files::new();
    let heard = hear_file(&files.write(name, bytes));
    let message = heard.message();
    assert!(message.contains(expected) && message.contains(name), "{name}: {message}");
    assert!(!message.contains('\n') && heard.n_frames() == 0, "{name}: {message}");
}

#[test]
fn what_is_no_audio_is_named() {
    check_refused("empty.mp3", b"", "empty, expected wav, aiff");
    check_refused("notes.txt", b"Dear diary,\n", "a text, expected wav, aiff");
    check_refused("page.mp3", b"<!doctype html><p>404", "an HTML page");
    check_refused(
        "live.m3u8",
        b"#EXTM3U\n#EXT-X-VERSION:3\n",
        "an HLS playlist, which is read from an http address",
    );
    check_refused("one.wav", b"R", "a text");
    check_refused(
        "zeros.bin",
        &[0; 5_000],
        "no audio up to byte 5000: no known audio format, it begins 00 00",
    );
    check_refused("cut.flac", b"fLaC\0\0\0", "it ends inside its header");
}

#[test]
fn what_cannot_be_reached_is_told_apart() {
    let files = Files::new();
    let missing = Audio::from_file(&files.path("missing.wav"), None).err().unwrap();
    assert_eq!(missing.fault(), Fault::Unreachable);
    assert!(
        missing.to_string().ends_with("missing.wav: No such file or directory (os error 2)"),
        "{missing}"
    );
    let folder = Audio::from_file(files.0.path(), None).err().unwrap();
    assert_eq!(folder.fault(), Fault::Input);
    assert!(folder.to_string().ends_with(": a directory, expected an audio file"), "{folder}");
}

#[test]
fn a_header_without_audio_is_refused_whatever_it_claims() {
    let mut wav =
        b"RIFF\xf0\xff\xff\xffWAVEfmt \x10\0\0\0\x01\0\x02\0\x80\xbb\0\0\0\xee\x02\0\x04\0\x10\0data"
            .to_vec();
    wav.extend(0xffff_ff00_u32.to_le_bytes());
    assert_eq!(wav.len(), 44);
    check_refused("claims.wav", &wav, "no audio up to byte 44: the input ends here");
    wav[40..].copy_from_slice(&0x1000_0000_u32.to_le_bytes());
    check_refused("claims.wav", &wav, "the header promises 1398 s, and the input ends here");
}

#[test]
fn rates_and_channels_out_of_range_name_the_value() {
    let refused = |source: &str, name: &str, args: &str, expected: &str| {
        let files = Files::new();
        files.make_from(name, source, args);
        let message = hear_file(&files.path(name)).message();
        assert!(message.ends_with(expected), "{message}");
    };
    refused(&chirp(1, 4_000, 1.0), "a.wav", "", "sample rate 4000 Hz, expected 8000 to 192000 Hz");
    refused(&chirp(1, 384_000, 1.0), "a.wav", "", "sample rate 384000 Hz, expected 8000 to 192000 Hz");
    let mut ten =
        b"RIFF\x00\x10\0\0WAVEfmt \x10\0\0\0\x01\0\x0a\0\x80\xbb\0\0\0\xa6\x0e\0\x14\0\x10\0data\0\x08\0\0"
            .to_vec();
    ten.resize(44 + 2_048, 0);
    let message = hear_pipe(&ten, 4_096, &Hint::default()).message();
    assert_eq!(message, "pipe: 10 channels, expected 1 to 8");
    refused(&chirp(6, 48_000, 1.0), "a.m4a", "-c:a aac", "aac with 6 channels, expected 1 or 2");
    refused("-f lavfi -i testsrc=d=1", "a.mp4", "-c:v mpeg4", "no audio track in it");
    refused(
        &chirp(2, 48_000, 1.0),
        "a.mka",
        "-c:a ac3",
        "ac-3 audio, expected pcm, flac, alac, mp3, aac, vorbis or opus",
    );
}

#[test]
fn an_mp4_with_its_index_at_the_end_cannot_come_through_a_pipe() {
    let files = Files::new();
    let bytes = files.make("a.m4a", "-c:a aac");
    let message = hear_pipe(&bytes, 4_096, &Hint::default()).message();
    assert!(message.contains("index (moov) comes at the end, and a pipe cannot be rewound"), "{message}");
    let fast = files.make("b.m4a", "-c:a aac -movflags +faststart");
    assert!(hear_pipe(&fast, 4_096, &Hint::default()).n_frames() > 190_000);
}

/// `start`, then garbage for ever.
struct Endless(Vec<u8>, usize, u64);

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = (&self.0[self.1..]).read(buffer)?;
        self.1 += n;
        if n > 0 {
            return Ok(n);
        }
        for byte in buffer.iter_mut() {
            self.2 ^= self.2 << 13;
            self.2 ^= self.2 >> 7;
            self.2 ^= self.2 << 17;
            *byte = self.2 as u8;
        }
        Ok(buffer.len())
    }
}

fn check_endless(start: &[u8], content_type: Option<&str>) {
    let origin = Origin::Stream(Box::new(Endless(start.to_vec(), 0, 88_172_645_463_325_252)));
    let hint = Hint { content_type: content_type.map(str::to_owned), ..Hint::default() };
    let heard = hear(Audio::from_origin("endless", origin, &hint));
    let name = String::from_utf8_lossy(start);
    assert!(!matches!(heard.error, Some(IngestError::DecoderPanicked { .. })), "{name}: {}", heard.message());
    assert!(!heard.message().contains('\n'), "{name}: {}", heard.message());
}

#[test]
fn endless_garbage_is_given_up_whatever_it_begins_with() {
    check_endless(b"\0\0\0\0", None);
    check_endless(b"\0\0\0\0", Some("audio/aacp"));
    check_endless(b"\0\0\0\0", Some("audio/mpeg"));
    for start in
        [&b"fLaC\0\0\0\x22"[..], b"OggS\0\x02", b"ID3\x04\0\0\x7f\x7f\x7f\x7f", b"\0\0\0\x20ftypM4A "]
    {
        check_endless(start, None);
    }
    check_endless(b"RIFF\xff\xff\xff\xffWAVEJUNK\xff\xff\xff\x7f", None);
    check_endless(b"FORM\x7f\xff\xff\xffAIFFJUNK\x7f\xff\xff\xff", None);
    check_endless(b"caff\0\x01\0\0free\0\0\0\xff\xff\xff\xff\xff", None);
    check_endless(&[0x1a, 0x45, 0xdf, 0xa3, 0x01, 0, 0, 0, 0xff, 0xff, 0xff, 0xff], None);
}

/// Bytes of real files, altered here and there: anything may come out, but no panic.
#[test]
fn altered_files_never_panic() {
    let files = Files::new();
    let source = chirp(2, 44_100, 0.5);
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        usize::try_from(random >> 1).unwrap()
    };
    for (name, args) in [
        ("a.wav", "-c:a adpcm_ima_wav"),
        ("a.aiff", ""),
        ("a.caf", "-c:a alac"),
        ("a.flac", "-c:a flac"),
        ("a.mp3", "-c:a libmp3lame -metadata title=x"),
        ("a.aac", "-c:a aac"),
        ("a.m4a", "-c:a aac"),
        ("a.mp4", "-c:a aac -movflags frag_keyframe+empty_moov"),
        ("a.ogg", "-c:a libvorbis"),
        ("a.opus", "-c:a libopus"),
        ("a.mkv", "-c:a libopus"),
    ] {
        let bytes = files.make_from(name, &source, args);
        for _ in 0..60 {
            let mut altered = bytes.clone();
            let n = 1 + next() % 24;
            for _ in 0..n {
                // Headers decide most: half of the changes go to the first 200 bytes.
                let end = if next() % 2 == 0 { 200.min(altered.len()) } else { altered.len() };
                let at = next() % end;
                altered[at] = next() as u8;
            }
            if next() % 4 == 0 {
                altered.truncate(next() % bytes.len());
            }
            let heard = hear_file(&files.write(name, &altered));
            let panicked = matches!(heard.error, Some(IngestError::DecoderPanicked { .. }));
            assert!(!panicked, "{name}: {}", heard.message());
        }
    }
}

/// Runs the tests above in a process of their own, and asks the system how much memory it had.
#[test]
fn memory_is_bounded() {
    const CHILD: &str = "AIRCHECK_TEST_MEMORY";
    if std::env::var_os(CHILD).is_some() {
        endless_garbage_is_given_up_whatever_it_begins_with();
        altered_files_never_panic();
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
        println!("{peak}");
        return;
    }
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "hostile::memory_is_bounded", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success(), "{text}");
    let peak = text.lines().find(|line| line.contains("VmHWM")).unwrap();
    let kib: u64 = peak.split_whitespace().find_map(|word| word.parse().ok()).unwrap();
    assert!(kib <= MEMORY_KIB_MAX, "{kib} KiB");
}
