//! The collection of broken and odd media files beside the project: each is heard, or refused in one line.

use std::path::{Path, PathBuf};

use server::ingest::IngestError;

use crate::support::{hear_file, shared_data};

/// Files that must be heard, with their length in seconds by ffmpeg.
const HEARD: [(&str, f64); 20] = [
    ("mka/bear-opus.mka", 2.74),
    ("mka/bear-opus-negative-gain.mka", 2.74),
    ("mp3/bear-cbr-constant-frame-size-no-seek-table.mp3", 2.784),
    ("mp3/bear-cbr-variable-frame-size-no-seek-table.mp3", 2.821),
    ("mp3/bear-vbr-no-seek-table.mp3", 2.808),
    ("mp3/bear-vbr-vbri-header-truncated-toc.mp3", 2.808),
    ("mp3/bear-vbr-vbri-header.mp3", 2.808),
    ("mp3/bear-vbr-xing-header-no-toc.mp3", 2.784),
    ("mp3/bear-vbr-xing-header.mp3", 2.784),
    ("mp3/sine-wave-cbr-trailing-id3v1.mp3", 1.045),
    ("mp3/test-cbr-info-header-pcut-frame.mp3", 1.026),
    ("mp3/test-cbr-info-header.mp3", 1.0),
    ("mp4/bbb_1ch_8kHz_aac_lc.m4a", 3.328),
    ("ogg/bbb_1ch_16kHz_q10_vorbis.ogg", 3.0),
    ("ogg/bear.opus", 2.74),
    ("ogg/bear_duplicate_header.opus", 2.74),
    ("ogg/bear_vorbis.ogg", 2.741),
    ("ogg/bear_vorbis_gap.ogg", 2.741),
    ("ts/sample.adts", 3.344),
    ("ts/sample_with_id3.adts", 3.32),
];

fn files_under(folder: &Path, all: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files_under(&path, all) } else { all.push(path) }
    }
}

#[test]
fn every_file_is_heard_or_refused_in_one_line() {
    let Some(root) = shared_data().map(|data| data.join("robustness")).filter(|root| root.is_dir()) else {
        eprintln!("skipped: ../shared/data/robustness is not there");
        return;
    };
    let mut paths = Vec::new();
    files_under(&root, &mut paths);
    assert!(paths.len() > 80, "{} files", paths.len());
    let mut n_heard = 0;
    for path in paths {
        let heard = hear_file(&path);
        let name = path.strip_prefix(&root).unwrap().display().to_string();
        let message = heard.error.as_ref().map(ToString::to_string);
        assert!(!matches!(heard.error, Some(IngestError::DecoderPanicked { .. })), "{name}: {message:?}");
        assert!(
            message.as_ref().is_none_or(|line| !line.contains('\n') && line.len() < 400),
            "{name}: {message:?}"
        );
        assert!(message.is_some() || heard.n_frames() > 0, "{name}: neither heard nor refused");
        n_heard += usize::from(message.is_none());
        println!(
            "{name}: {} frames, gaps {:?}, {}",
            heard.n_frames(),
            heard.gaps,
            message.unwrap_or_default()
        );
        if let Some((_, secs)) = HEARD.iter().find(|(end, _)| name.ends_with(end)) {
            let had = heard.n_frames() as f64 / f64::from(heard.streams[0].format.rate().hz());
            assert!((had - secs).abs() < 0.03 && heard.gaps.is_empty(), "{name}: {had} s, {:?}", heard.gaps);
        }
    }
    assert!(n_heard >= HEARD.len(), "{n_heard} heard");
}
