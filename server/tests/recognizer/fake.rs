//! A recogniser process that does what the first sample of a request says. It is this test program itself, started
//! anew: its harness prints to stdout, so that frames go out by descriptor 3.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::net::TcpStream;
use std::num::NonZeroUsize;
use std::process::Command;
use std::sync::{Barrier, Mutex};
use std::time::Duration;

use models::{DecodeOptions, RecognizeError, Recognizer, Transcription};
use server::recognise::process::frame::{self, Message, Ready, put_answer, put_ready};
use server::recognise::process::{ProcessConfig, ProcessRecognizer, enclose};

/// Says that this program is the fake, and where the marker of misdeeds that are done once lies.
const MARKER: &str = "AIRCHECK_FAKE_MARKER";
/// Says how many requests it works on at a time.
const STATES: &str = "AIRCHECK_FAKE_STATES";
/// Address space of the fake, kB: enough for it and soon eaten up.
const MEMORY_KB: u32 = 2 << 20;

/// What it does instead of answering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Misdeed {
    None,
    Abort,
    Exit,
    Panic,
    Hang,
    Eat,
    Garbage,
    WrongId,
    Truncate,
    Flood,
    Chatter,
    BadRange,
    /// Puts itself behind the fence and answers with what it could do still.
    TryEverything,
    /// Answers when another one of these is at work too.
    Meet,
}

impl Misdeed {
    const ALL: [Self; 14] = [
        Self::None,
        Self::Abort,
        Self::Exit,
        Self::Panic,
        Self::Hang,
        Self::Eat,
        Self::Garbage,
        Self::WrongId,
        Self::Truncate,
        Self::Flood,
        Self::Chatter,
        Self::BadRange,
        Self::TryEverything,
        Self::Meet,
    ];
}

/// Audio of `n_samples` that asks for `misdeed`: at each try, or only `once`.
pub(crate) fn audio(misdeed: Misdeed, once: bool, n_samples: usize) -> Vec<f32> {
    let mut pcm = vec![0.25; n_samples.max(2)];
    pcm[0] = Misdeed::ALL.iter().position(|known| *known == misdeed).unwrap() as f32;
    pcm[1] = f32::from(u8::from(once));
    pcm
}

/// A seeded generator (Marsaglia, Xorshift RNGs, 2003).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }
}

/// What it answers to `pcm` where it behaves.
pub(crate) fn text_of(pcm: &[f32]) -> String {
    format!("{} samples", pcm.len())
}

/// Recognises with `recognizer`: the text, or the error.
pub(crate) fn recognize(recognizer: &mut ProcessRecognizer, pcm: &[f32]) -> Result<String, String> {
    let mut heard = Transcription::default();
    match recognizer.recognize(pcm, &DecodeOptions::default(), &mut heard) {
        Ok(()) => Ok(heard.text),
        Err(RecognizeError::Failed(cause)) => Err(cause),
        Err(other) => panic!("{other}"),
    }
}

/// How the fake is started; `marker` is a file that it removes before a misdeed that it does only once.
/// Limits are far off: what is tested is not how fast this machine is.
pub(crate) fn config(marker: &std::path::Path) -> ProcessConfig {
    let script = format!(
        "ulimit -v {MEMORY_KB}; ulimit -c 0; export RUST_BACKTRACE=0; export {MARKER}=\"$1\"; export {STATES}=\"$3\"; \
         exec 3>&1 >/dev/null 2>&1; \
         exec \"$0\" --exact fake::serves_where_it_is_the_fake --nocapture --test-threads=1"
    );
    let program = std::env::current_exe().unwrap();
    let args = ["-c".into(), script.into(), program.into_os_string(), marker.as_os_str().to_owned()];
    let mut config = ProcessConfig::new("sh".into(), args);
    config.decode_max = Duration::from_secs(30);
    config.deaths_max = usize::MAX;
    config
}

/// A fake that is ready.
pub(crate) fn start(config: &ProcessConfig) -> ProcessRecognizer {
    ProcessRecognizer::start(config, 1).expect("the fake starts").remove(0)
}

#[test]
fn serves_where_it_is_the_fake() {
    if let Some(marker) = std::env::var_os(MARKER) {
        serve(&marker).unwrap();
    }
}

fn serve(marker: &OsStr) -> io::Result<()> {
    let mut output = OpenOptions::new().write(true).open("/dev/fd/3")?;
    let mut out = Vec::new();
    put_ready(&Ready { model: "fake".into(), is_multilingual: true, load_ms: 1 }, &mut out);
    output.write_all(&out)?;
    let n_states: usize = std::env::var(STATES).unwrap().parse().unwrap();
    let (mut input, mut body) = (io::stdin().lock(), Vec::new());
    let output = &Mutex::new(output);
    std::thread::scope(|scope| {
        while let Ok(Some(Message::Request { id, pcm, .. })) = frame::read(&mut input, &mut body) {
            if n_states == 1 {
                work(id, &pcm, marker, output)?;
            } else {
                scope.spawn(move || work(id, &pcm, marker, output));
            }
        }
        Ok(())
    })
}

/// Answers one request, or does what it says.
fn work(id: u64, pcm: &[f32], marker: &OsStr, output: &Mutex<File>) -> io::Result<()> {
    let misdeed = Misdeed::ALL[pcm[0] as usize];
    let does = pcm[1] == 0.0 || fs::remove_file(marker).is_ok();
    let mut heard = Transcription::default();
    heard.push_word(&text_of(pcm), 0..pcm.len(), 0.5);
    if does {
        misbehave(misdeed, id, &mut heard, output)?;
    }
    let mut out = Vec::new();
    put_answer(id, 1, Ok(&heard), &mut out);
    output.lock().unwrap().write_all(&out)
}

/// Where two requests wait for each other.
static MEETING: Barrier = Barrier::new(2);

#[allow(clippy::disallowed_methods, reason = "misbehaving is its trade")]
fn misbehave(misdeed: Misdeed, id: u64, heard: &mut Transcription, output: &Mutex<File>) -> io::Result<()> {
    let mut out = Vec::new();
    let write = |bytes: &[u8]| output.lock().unwrap().write_all(bytes);
    match misdeed {
        Misdeed::None => {}
        Misdeed::Abort => std::process::abort(),
        Misdeed::Exit => std::process::exit(3),
        Misdeed::Panic => panic!("as asked"),
        Misdeed::Hang => loop {
            std::thread::park();
        },
        Misdeed::Eat => {
            let mut eaten = Vec::new();
            loop {
                eaten.push(vec![0_u8; 256 << 20]);
            }
        }
        Misdeed::Garbage => write(b"no frame at all")?,
        Misdeed::WrongId => {
            put_answer(id ^ 1 << 63, 1, Ok(heard), &mut out);
            write(&out)?;
        }
        Misdeed::Truncate => {
            put_answer(id, 1, Ok(heard), &mut out);
            write(&out[..out.len() / 2])?;
            std::process::exit(0);
        }
        Misdeed::Flood => loop {
            write(&[0xff; 64 << 10])?;
        },
        Misdeed::Chatter => loop {
            put_ready(&Ready { model: "fake".into(), is_multilingual: true, load_ms: 1 }, &mut out);
            write(&out)?;
            out.clear();
        },
        Misdeed::BadRange => heard.words[0].text.end = 1_000,
        Misdeed::TryEverything => {
            let able = able_behind_the_fence();
            heard.clear();
            heard.push_word(&able, 0..1, 0.5);
        }
        Misdeed::Meet => {
            MEETING.wait();
        }
    }
    Ok(())
}

/// Everything that works and should not.
fn able_behind_the_fence() -> String {
    // Landlock is a second wall, which older kernels do not have.
    let missing: Vec<String> =
        enclose(NonZeroUsize::MIN).into_iter().filter(|part| !part.starts_with("landlock")).collect();
    let parent = rustix::process::getppid().unwrap();
    let attempts = [
        ("read", fs::read("/proc/self/status").is_ok()),
        ("write", fs::write("/tmp/aircheck-fence", "x").is_ok()),
        ("remove", fs::remove_file("/tmp/nothing").is_err_and(|e| e.raw_os_error() == Some(libc::ENOENT))),
        (
            "connect",
            TcpStream::connect("127.0.0.1:9").is_err_and(|e| e.kind() == ErrorKind::ConnectionRefused),
        ),
        ("start", Command::new("/bin/true").status().is_ok()),
        ("signal", rustix::process::test_kill_process(parent).is_ok()),
        ("eat", vec![0_u8; 0].try_reserve_exact(8 << 30).is_ok()),
    ];
    let able: Vec<&str> = attempts.iter().filter(|(_, able)| *able).map(|(what, _)| *what).collect();
    format!("{missing:?} {able:?}")
}
