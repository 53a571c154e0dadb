//! Word error rate of the transcript policy beside the same weights offline at full context, words invented where
//! nobody speaks, and what it costs: `cargo run --release -p aircheck-benches --bin wer`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use benches::audio::Audio;
use benches::corpus::{Clip, clips};
use benches::speech::{Listener, Report, cpu_secs, quantile};
use loadtest::truth::english::{Errors, words};
use models::store::{DEFAULT_MODEL, Store};
use models::whisper::{Whisper, WhisperOptions};
use models::{CONTEXT_FRAMES_MAX, DecodeOptions, Recognizer, Transcription};
use operators::{DecodeCounts, DecodePolicy, Decoder, UtteranceConfig};

/// English clips whose transcripts are human and word-exact (the data's README).
const SPEECH: [&str; 6] =
    ["ljspeech", "fleurs", "azure-customspeech", "librispeech-bits", "mfa-spontaneous", "pocketsphinx"];
/// Clips in which nobody speaks.
const NO_SPEECH: [&str; 4] = ["esc10", "speechbrain-noise", "librosa-music", "singularity-music"];
/// Bars of issue A.
const WER_MARGIN: f64 = 1.0;
const INVENTED_PER_10_MIN: f64 = 1.0;

fn main() -> ExitCode {
    match measure() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            println!("skipped: {why}");
            ExitCode::SUCCESS
        }
    }
}

/// Whether the bars hold; an error says what is missing.
fn measure() -> Result<bool, String> {
    let clips = clips()?;
    let store = Store::open(Store::default_dir().map_err(|e| e.to_string())?).map_err(|e| e.to_string())?;
    let model = std::env::var("AIRCHECK_MODEL").unwrap_or_else(|_| DEFAULT_MODEL.to_owned());
    let model = store.resolve(&model).map_err(|e| e.to_string())?;
    let whisper = Whisper::load(&model, WhisperOptions::default()).map_err(|e| e.to_string())?;
    let mut recognizer = whisper.recognizer().map_err(|e| e.to_string())?;
    let of = |sets: &[&str], is_english: bool| -> Vec<Clip> {
        let is_in =
            |clip: &&Clip| sets.contains(&clip.set.as_str()) && (!is_english || clip.language == "en");
        clips.iter().filter(is_in).cloned().collect()
    };
    let speech: Vec<Clip> =
        of(&SPEECH, true).into_iter().filter(|clip| !clip.transcript.is_empty()).collect();
    let no_speech = of(&NO_SPEECH, false);
    println!("model {}, {} clips with speech, {} without", model.name(), speech.len(), no_speech.len());
    let offline = offline(&mut recognizer, &speech)?;
    let mut holds = true;
    for (name, config) in [("live", UtteranceConfig::live()), ("batch", UtteranceConfig::batch())] {
        let run = Run::over(&mut recognizer, &config, &speech)?;
        run.print(name);
        let invented = Run::over(&mut recognizer, &config, &no_speech)?;
        invented.print(&format!("{name}, no speech"));
        let per_10_min = invented.errors.n_wrong as f64 / (invented.secs / 600.0);
        println!("  {per_10_min:.2} words invented in 10 minutes, bar {INVENTED_PER_10_MIN}");
        holds &= run.errors.rate() <= offline.rate() + WER_MARGIN && per_10_min <= INVENTED_PER_10_MIN;
    }
    println!("bars {}", if holds { "hold" } else { "do not hold" });
    Ok(holds)
}

/// Whole clips in pieces of 30 s at full context, as a user would without us.
fn offline(recognizer: &mut dyn Recognizer, clips: &[Clip]) -> Result<Errors, String> {
    let options = DecodeOptions { audio_context: Some(CONTEXT_FRAMES_MAX), ..DecodeOptions::default() };
    let (mut errors, mut secs) = (Errors::default(), 0.0);
    let started = cpu_secs();
    for clip in clips {
        let audio = Audio::read(&clip.path)?;
        secs += audio.secs();
        let mut text = String::new();
        let mut heard = Transcription::default();
        let pcm = audio.planes.first().map_or(&[][..], Vec::as_slice);
        for piece in pcm.chunks(30 * audio.rate_hz as usize) {
            recognizer.recognize(piece, &options, &mut heard).map_err(|e| e.to_string())?;
            text = text + " " + &heard.text;
        }
        let error = Errors::between(&words(&clip.transcript), &words(&text));
        tell(clip, error, &text);
        errors.add(error);
    }
    let cost = (cpu_secs() - started) / secs;
    println!(
        "offline: WER {:.2} % of {} words, {cost:.3} s of processor per second",
        errors.rate(),
        errors.n_words
    );
    Ok(errors)
}

/// One configuration over many clips.
#[derive(Default)]
struct Run {
    errors: Errors,
    secs: f64,
    total: Report,
    counts: DecodeCounts,
}

impl Run {
    fn over(
        recognizer: &mut dyn Recognizer,
        config: &UtteranceConfig,
        clips: &[Clip],
    ) -> Result<Self, String> {
        let mut run = Self::default();
        let mut decoder = Decoder::new(DecodePolicy::default()).map_err(|e| e.to_string())?;
        for clip in clips {
            let audio = Audio::read(&clip.path)?;
            let utterances = config.clone();
            let report = Listener { utterances, decoder: &mut decoder, recognizer }.listen(&audio)?;
            let error = Errors::between(&words(&clip.transcript), &words(&report.text));
            tell(clip, error, &report.text);
            run.errors.add(error);
            run.secs += audio.secs();
            run.add(report);
        }
        run.counts = decoder.counts();
        Ok(run)
    }

    fn add(&mut self, report: Report) {
        let total = &mut self.total;
        total.recognise_secs += report.recognise_secs;
        total.operators_secs += report.operators_secs;
        total.n_partials += report.n_partials;
        total.gaps.extend(report.gaps);
        total.partial_secs.extend(report.partial_secs);
        total.final_secs.extend(report.final_secs);
        total.partial_errors.add(report.partial_errors);
    }

    fn print(&self, name: &str) {
        let total = &self.total;
        let (recognise, operators) = (total.recognise_secs / self.secs, total.operators_secs / self.secs);
        let (n_wrong, n_words) = (self.errors.n_wrong, self.errors.n_words);
        println!(
            "{name}: WER {:.2} % ({n_wrong} of {n_words}), {:.0} s of audio",
            self.errors.rate(),
            self.secs
        );
        println!("  processor per second: recogniser {recognise:.3} s, operators {operators:.4} s");
        let times = |values: &[f64]| {
            let mut values = values.to_vec();
            format!("{:.2}/{:.2} s", quantile(&mut values, 0.5), quantile(&mut values, 0.95))
        };
        let (partial, last) = (times(&total.partial_secs), times(&total.final_secs));
        println!("  word end -> partial p50/p95 {partial}, speech end -> final {last}");
        println!("  {} partials, {} gaps, {:?}", total.n_partials, total.gaps.len(), self.counts);
        println!("  words in partials that the final does not say: {:.2} %", total.partial_errors.rate());
        for gap in &total.gaps {
            println!("  {gap:?}");
        }
    }
}

/// With `WER_VERBOSE` set, each clip with errors.
fn tell(clip: &Clip, error: Errors, text: &str) {
    if error.n_wrong > 0 && std::env::var_os("WER_VERBOSE").is_some() {
        let name = clip.path.file_name().unwrap_or_default().to_string_lossy();
        println!(
            "  {name}: {} of {}\n    said  {text}\n    meant {}",
            error.n_wrong, error.n_words, clip.transcript
        );
    }
}
