//! Broken and odd media files from `../shared/data/robustness`: each is decoded, or refused in one line.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use server::ingest::decode::{Decoded, Decoder, Hint, Origin};

fn main_decode(path: &Path) -> String {
    let hint =
        Hint { content_type: None, extension: path.extension().map(|e| e.to_string_lossy().into_owned()) };
    let mut out = String::new();
    let mut decoder =
        match Decoder::open(&path.display().to_string(), Origin::File(File::open(path).unwrap()), &hint) {
            Ok(d) => d,
            Err(e) => return format!("REFUSED {e}"),
        };
    let mut frames = 0u64;
    let mut rate = 1;
    loop {
        match decoder.next() {
            Ok(Some(Decoded::Frames)) => frames += decoder.planes().n_frames() as u64,
            Ok(Some(Decoded::Stream(s))) => {
                rate = s.format.rate().hz();
                out += &format!("[{} {} {}] ", s.codec, s.format.rate(), s.format.n_channels())
            }
            Ok(Some(other)) => out += &format!("{other:?} "),
            Ok(None) => break,
            Err(e) => {
                out += &format!("ERROR {e} ");
                break;
            }
        }
    }
    format!("OK {:.3}s {out}", frames as f64 / rate as f64)
}

#[test]
fn every_file_is_decoded_or_refused_in_one_line() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/robustness");
    let manifest = fs::read_to_string(root.join("manifest.tsv")).unwrap();
    for line in manifest.lines().skip(1) {
        let mut fields = line.split('\t');
        let name = fields.next().unwrap();
        let _ = fields.next();
        let probe = fields.next().unwrap_or("");
        let path = root.join(name);
        if !path.exists() {
            println!("MISSING {name}");
            continue;
        }
        println!("{name}: ({probe}) {}", main_decode(&path));
    }
}
