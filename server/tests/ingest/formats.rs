//! Every format, against ffmpeg's decoder: rate, channels, length, content, and the same through a pipe.

use server::ingest::Hint;

use crate::support::{Files, chirp, hear_file, hear_pipe, snr_db};

/// What a format must reach. Lossless ones are exact to the last bit of 24; lossy decoders differ by rounding:
/// float against float 80 dB, our fixed-point Opus 50 dB (about 16 bits of its own scale).
struct Want {
    codec: &'static str,
    snr_db: f64,
    /// Frames by which containers let encoders' delays stand; ffmpeg removes them by MP4's edit lists.
    shift_max: usize,
}

const LOSSLESS: f64 = 130.0;
const FLOAT: f64 = 80.0;
const FIXED: f64 = 50.0;

fn want(codec: &'static str, snr_db: f64) -> Want {
    Want { codec, snr_db, shift_max: 0 }
}

fn check_from(source: &str, n_channels: usize, rate_hz: u32, file: (&str, &str), want: &Want) {
    let (name, args) = file;
    let files = Files::new();
    let bytes = files.make_from(name, source, args);
    let heard = hear_file(&files.path(name));
    assert!(heard.error.is_none(), "{name}: {:?}", heard.error);
    let [stream] = heard.streams.as_slice() else { panic!("{name}: {:?}", heard.streams) };
    assert_eq!(
        (stream.codec, stream.format.rate().hz(), stream.format.n_channels()),
        (want.codec, rate_hz, n_channels),
        "{name}"
    );
    assert!(heard.gaps.is_empty() && heard.notes.is_empty(), "{name}: {:?} {:?}", heard.gaps, heard.notes);
    let decoder = if want.codec == "opus" { "-c:a libopus" } else { "" };
    let reference = files.reference(name, decoder, n_channels);
    let (had, expected) = (heard.n_frames() as f64, reference[0].len() as f64);
    let (secs, allowed) =
        ((had - expected) / f64::from(rate_hz), 0.03 + want.shift_max as f64 / f64::from(rate_hz));
    assert!(secs.abs() <= allowed, "{name}: {had} frames, ffmpeg {expected}");
    for (channel, (ours, theirs)) in heard.channels.iter().zip(&reference).enumerate() {
        let (snr, shift) = snr_db(ours, theirs, want.shift_max);
        assert!(
            snr >= want.snr_db,
            "{name}, channel {channel}: {snr:.1} dB at {shift}, want {}",
            want.snr_db
        );
    }
    if !bytes.windows(4).take(4_096).any(|four| four == b"ftyp" || four == b"caff") {
        let extension = name.rsplit_once('.').map(|(_, e)| e.to_owned());
        let hint = Hint { extension, ..Hint::default() };
        let piped = hear_pipe(&bytes, 1_777, &hint);
        assert!(
            piped.channels == heard.channels && piped.gaps == heard.gaps,
            "{name}: a pipe gives the same"
        );
    }
}

fn check(name: &str, args: &str, want: &Want) {
    check_from(&chirp(2, 48_000, 4.0), 2, 48_000, (name, args), want);
}

#[test]
fn wav_of_every_kind() {
    let pcm = [
        ("pcm_u8", "pcm_u8"),
        ("pcm_s16le", "pcm_s16le"),
        ("pcm_s24le", "pcm_s24le"),
        ("pcm_s32le", "pcm_s32le"),
        ("pcm_f32le", "pcm_f32le"),
        ("pcm_f64le", "pcm_f64le"),
        ("pcm_mulaw", "pcm_mulaw"),
        ("pcm_alaw", "pcm_alaw"),
        ("adpcm_ima_wav", "adpcm_ima_wav"),
        ("adpcm_ms", "adpcm_ms"),
    ];
    for (encoder, codec) in pcm {
        check(
            "a.wav",
            &format!("-c:a {encoder}"),
            &want(codec, if codec.starts_with("pcm") { LOSSLESS } else { FLOAT }),
        );
    }
    check("a.wav", "-c:a pcm_s24le -rf64 always -metadata title=after", &want("pcm_s24le", LOSSLESS));
}

#[test]
fn other_uncompressed_and_lossless() {
    check("a.aiff", "-c:a pcm_s16be", &want("pcm_s16be", LOSSLESS));
    check("a.caf", "-c:a pcm_s16le", &want("pcm_s16le", LOSSLESS));
    check("a.caf", "-c:a alac", &want("alac", LOSSLESS));
    check("a.flac", "-c:a flac -sample_fmt s16", &want("flac", LOSSLESS));
    check("a.flac", "-c:a flac -sample_fmt s32", &want("flac", LOSSLESS));
    check("a.m4a", "-c:a alac", &want("alac", LOSSLESS));
    check("a.oga", "-c:a flac -f ogg", &want("flac", LOSSLESS));
    check("a.mka", "-c:a flac", &want("flac", LOSSLESS));
    check("a.mka", "-c:a pcm_s24le", &want("pcm_s24le", LOSSLESS));
}

#[test]
fn mpeg_audio() {
    check("a.mp3", "-c:a libmp3lame -b:a 128k", &want("mp3", FLOAT));
    check("a.mp3", "-c:a libmp3lame -q:a 3 -metadata title=x", &want("mp3", FLOAT));
    check("a.mp3", "-c:a libmp3lame -b:a 64k -write_xing 0 -id3v2_version 0", &want("mp3", FLOAT));
    check("a.mp2", "-c:a mp2 -b:a 192k", &want("mp2", FLOAT));
    for rate_hz in [8_000, 22_050, 44_100] {
        let source = chirp(1, rate_hz, 4.0);
        check_from(&source, 1, rate_hz, ("a.mp3", "-c:a libmp3lame -b:a 32k"), &want("mp3", FLOAT));
    }
}

#[test]
fn aac_in_everything() {
    let delayed = || Want { codec: "aac", snr_db: FLOAT, shift_max: 1_100 };
    check("a.aac", "-c:a aac -b:a 128k", &want("aac", FLOAT));
    check("a.m4a", "-c:a aac -b:a 128k", &delayed());
    check("a.m4a", "-c:a aac -movflags +faststart", &delayed());
    check("a.mp4", "-c:a aac -movflags frag_keyframe+empty_moov", &delayed());
    check("a.mov", "-c:a aac", &delayed());
    check("a.mkv", "-c:a aac", &delayed());
    let with_video = format!("-f lavfi -i testsrc=d=4:s=160x120 {}", chirp(2, 48_000, 4.0));
    check_from(&with_video, 2, 48_000, ("a.mp4", "-c:v mpeg4 -c:a aac -shortest"), &delayed());
}

#[test]
fn vorbis_and_opus() {
    check("a.ogg", "-c:a libvorbis -q:a 4", &want("vorbis", FLOAT));
    check("a.webm", "-c:a libvorbis -q:a 4", &want("vorbis", FLOAT));
    check("a.opus", "-c:a libopus -b:a 96k", &want("opus", FIXED));
    check("a.webm", "-c:a libopus -b:a 96k", &want("opus", FIXED));
    check("a.mp4", "-c:a libopus -b:a 96k -strict -2", &want("opus", FIXED));
    check("a.opus", "-c:a libopus -b:a 64k -frame_duration 2.5", &want("opus", FIXED));
    let speech = chirp(1, 16_000, 4.0);
    check_from(
        &speech,
        1,
        48_000,
        ("a.opus", "-c:a libopus -b:a 16k -application voip"),
        &want("opus", FIXED),
    );
}

#[test]
fn channels_are_in_wave_order() {
    let six = || chirp(6, 48_000, 4.0);
    check_from(&six(), 6, 48_000, ("a.wav", "-c:a pcm_s16le"), &want("pcm_s16le", LOSSLESS));
    check_from(&six(), 6, 48_000, ("a.flac", "-c:a flac"), &want("flac", LOSSLESS));
    check_from(
        &six(),
        6,
        48_000,
        ("a.opus", "-c:a libopus -b:a 400k -mapping_family 1"),
        &want("opus", 40.0),
    );
    check_from(&chirp(3, 38_000, 4.0), 3, 38_000, ("a.wav", "-c:a pcm_s16le"), &want("pcm_s16le", LOSSLESS));
    check_from(&chirp(1, 192_000, 2.0), 1, 192_000, ("a.flac", "-c:a flac"), &want("flac", LOSSLESS));
}

#[test]
fn what_is_decoded_badly_says_so() {
    let files = Files::new();
    files.make_from("a.ogg", &chirp(6, 48_000, 1.0), "-c:a libvorbis");
    let expected = "vorbis with 6 channels: coupled channels are mixed up in decoding";
    assert_eq!(hear_file(&files.path("a.ogg")).notes, [expected]);
    files.make_from("a.aac", &chirp(1, 22_050, 1.0), "-c:a aac");
    let notes = hear_file(&files.path("a.aac")).notes;
    assert!(
        notes.iter().any(|note| note.contains("were it HE-AAC, only its lower half is decoded")),
        "{notes:?}"
    );
}

#[test]
fn a_flac_from_a_pipe_has_no_totals_and_is_whole() {
    let files = Files::new();
    let source = chirp(2, 48_000, 4.0);
    let bytes = crate::support::ffmpeg_output(files.0.path(), &format!("{source} -c:a flac -f flac pipe:1"));
    let heard = hear_file(&files.write("a.flac", &bytes));
    assert!((heard.n_frames(), heard.gaps.len()) == (192_000, 0), "{} {:?}", heard.n_frames(), heard.gaps);
}

#[test]
fn titles_are_read() {
    let files = Files::new();
    for (name, args) in [
        ("a.mp3", "-c:a libmp3lame"),
        ("a.ogg", "-c:a libvorbis"),
        ("a.opus", "-c:a libopus"),
        ("a.flac", "-c:a flac"),
        ("a.m4a", "-c:a aac -movflags +faststart"),
    ] {
        files.make(name, &format!("{args} -metadata title=Song -metadata artist=Band"));
        let heard = hear_file(&files.path(name));
        let [title] = heard.titles.as_slice() else { panic!("{name}: {:?}", heard.titles) };
        assert_eq!((title.title.as_str(), title.artist.as_deref()), ("Song", Some("Band")), "{name}");
    }
}
