//! Speech through the operators and one recogniser on a virtual clock: decodes take the processor time that they
//! really took, everything else happens when its audio is there. Reads no files.

use std::collections::VecDeque;
use std::fs;
use std::time::Instant;

use engine::audio::{Block, Format};
use engine::event::{Body, Event};
use engine::operator::{Chain, Operator};
use engine::time::{MediaTime, SampleRate};
use loadtest::truth::english::{Errors, words};
use models::{Recognizer, Transcription};
use operators::{
    Ask, AskHead, Decoder, Downmix, FrontEnd, HOP_FRAMES, Heard, Kinds, Outcome, Purpose, Resample, Speech,
    Transcriber, TranscriberConfig, UtteranceConfig, Voice, VoiceConfig, tail_start,
};

use crate::audio::Audio;

/// Frames of a block: 20 ms at 48 kHz.
const BLOCK_FRAMES: usize = 960;

/// What came of one recording.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Text of all finals.
    pub text: String,
    /// Gaps, as they were reported.
    pub gaps: Vec<Event>,
    /// Partials that came out.
    pub n_partials: usize,
    /// Processor time in the recogniser, s.
    pub recognise_secs: f64,
    /// Processor time in the operators, s.
    pub operators_secs: f64,
    /// From the end of the newest word shown to its partial, s.
    pub partial_secs: Vec<f64>,
    /// From the end of speech to its final, s.
    pub final_secs: Vec<f64>,
    /// Words in partials, and those of them that the final does not say there.
    pub partial_errors: Errors,
}

/// Everything between a file and its events, for one recogniser.
pub struct Listener<'a> {
    /// How speech is cut.
    pub utterances: UtteranceConfig,
    /// Guards.
    pub decoder: &'a mut Decoder,
    /// Model.
    pub recognizer: &'a mut dyn Recognizer,
}

impl Listener<'_> {
    /// Listens to a whole recording.
    pub fn listen(&mut self, audio: &Audio) -> Result<Report, String> {
        let failed = |e: &dyn std::fmt::Display| e.to_string();
        let rate = SampleRate::new(audio.rate_hz).map_err(|e| failed(&e))?;
        let format = Format::new(rate, audio.planes.len()).map_err(|e| failed(&e))?;
        let condition = Chain::new(
            Downmix::new(format, BLOCK_FRAMES).map_err(|e| failed(&e))?,
            Resample::new(rate).map_err(|e| failed(&e))?,
        );
        let hops = Chain::new(condition, FrontEnd::new().map_err(|e| failed(&e))?);
        let voice = Voice::new(VoiceConfig::default()).map_err(|e| failed(&e))?;
        let hops = Chain::new(Chain::new(hops, voice), Kinds::default());
        let mut pipeline = Chain::new(hops, Speech::new(&self.utterances).map_err(|e| failed(&e))?);
        let mut desk = Desk {
            decoder: self.decoder,
            recognizer: self.recognizer,
            transcriber: Transcriber::new(TranscriberConfig::new(rate)).map_err(|e| failed(&e))?,
            finals: VecDeque::new(),
            partial: None,
            running: None,
            free_at: 0.0,
            heard: (0, 0),
            shown: Vec::new(),
            now: 0.0,
            report: Report::default(),
        };
        let started = cpu_secs();
        each_block(audio, format, |block| pipeline.push(block, &mut |ask: &Ask| desk.take(ask)));
        pipeline.flush(&mut |ask: &Ask| desk.take(ask));
        desk.advance(f64::INFINITY);
        let mut report = desk.report;
        report.operators_secs = cpu_secs() - started - report.recognise_secs;
        Ok(report)
    }
}

/// Gives the recording in blocks.
fn each_block(audio: &Audio, format: Format, mut take: impl FnMut(&Block)) {
    let now = Instant::now();
    let mut block = Block::new(format, BLOCK_FRAMES, now);
    let n_frames = audio.n_frames();
    for start in (0..n_frames).step_by(BLOCK_FRAMES) {
        let end = (start + BLOCK_FRAMES).min(n_frames);
        let planes: Vec<&[f32]> = audio.planes.iter().map(|plane| &plane[start..end]).collect();
        block.restart(MediaTime::ZERO, start as u64, now);
        block.extend_planar(&planes);
        take(&block);
    }
}

/// A request that waits.
struct Job {
    head: AskHead,
    pcm: Vec<f32>,
}

/// A decode that is done at a virtual instant.
struct Running {
    done_at: f64,
    head: AskHead,
    outcome: Outcome,
    transcription: Transcription,
}

/// One recogniser with its queue: finals first, of the partials only the newest.
struct Desk<'a> {
    decoder: &'a mut Decoder,
    recognizer: &'a mut dyn Recognizer,
    transcriber: Transcriber,
    finals: VecDeque<Job>,
    partial: Option<Job>,
    running: Option<Running>,
    free_at: f64,
    /// Newest utterance that was heard, and how many hops of it.
    heard: (u64, usize),
    /// Partials of the utterance.
    shown: Vec<String>,
    now: f64,
    report: Report,
}

impl Desk<'_> {
    fn take(&mut self, ask: &Ask) {
        let head = ask.head;
        self.advance(head.proof.as_secs_f64());
        let (now, report) = (self.now, &mut self.report);
        let shown = &mut self.shown;
        self.transcriber.asked(&head, &mut |event: &Event| note(event, now, shown, report));
        let job = || Job { head, pcm: ask.pcm() };
        match head.purpose {
            Purpose::Partial => self.partial = Some(job()),
            Purpose::Speculative | Purpose::Final => {
                self.partial = None;
                self.finals.push_back(job());
            }
            Purpose::Abandon => {
                let is_it =
                    |job: &Job| (job.head.utterance, job.head.attempt) == (head.utterance, head.attempt);
                self.finals.retain(|job| !is_it(job));
            }
            Purpose::Confirm | Purpose::Onset | Purpose::Settled(_) => {}
        }
    }

    /// Does all that can be done until `time`.
    fn advance(&mut self, time: f64) {
        loop {
            if let Some(done) = self.running.take_if(|running| running.done_at <= time) {
                self.deliver(&done);
            }
            if self.running.is_some() {
                break;
            }
            let Some(job) = self.finals.pop_front().or_else(|| self.partial.take()) else { break };
            self.start(&job);
        }
        self.now = time;
    }

    fn start(&mut self, job: &Job) {
        let is_known = job.head.purpose == Purpose::Partial && job.head.utterance == self.heard.0;
        let skipped = if is_known { tail_start(&job.head, self.heard.1) } else { 0 };
        let (head, pcm) = (job.head.without(skipped), &job.pcm[skipped * HOP_FRAMES..]);
        let started = cpu_secs();
        let mut transcription = Transcription::default();
        let outcome = self.decoder.recognise(self.recognizer, &head, pcm, &mut transcription);
        let spent = cpu_secs() - started;
        self.report.recognise_secs += spent;
        self.free_at = self.free_at.max(job.head.proof.as_secs_f64()) + spent;
        let outcome = outcome.unwrap_or(Outcome::Looping);
        if matches!(outcome, Outcome::Said { .. }) {
            self.heard = (head.utterance, job.pcm.len() / HOP_FRAMES);
        }
        self.running = Some(Running { done_at: self.free_at, head, outcome, transcription });
    }

    fn deliver(&mut self, done: &Running) {
        let heard = Heard {
            head: &done.head,
            outcome: &done.outcome,
            transcription: &done.transcription,
            model: self.recognizer.model(),
            degraded: 0,
        };
        let (now, shown, report) = (done.done_at, &mut self.shown, &mut self.report);
        self.transcriber.heard(&heard, &mut |event: &Event| note(event, now, shown, report));
    }
}

fn note(event: &Event, now: f64, shown: &mut Vec<String>, report: &mut Report) {
    match &event.body {
        Body::Partial(partial) => {
            report.n_partials += 1;
            if !partial.text.is_empty() {
                shown.push(partial.text.clone());
                report.partial_secs.push(now - event.proof.as_secs_f64());
            }
        }
        Body::Final(said) => {
            report.final_secs.push(now.max(event.proof.as_secs_f64()) - event.span.end.as_secs_f64());
            if !report.text.is_empty() {
                report.text.push(' ');
            }
            report.text.push_str(&said.text);
            let said = words(&said.text);
            let of_partial = |text: String| best_prefix(&words(&text), &said);
            shown.drain(..).map(of_partial).for_each(|errors| report.partial_errors.add(errors));
        }
        _ => report.gaps.push(event.clone()),
    }
}

/// What is wrong in a partial beside the beginning of its final that it is most like.
fn best_prefix(partial: &[String], said: &[String]) -> Errors {
    let prefixes = (0..=said.len()).filter_map(|n| said.get(..n));
    let errors = prefixes.map(|prefix| Errors::between(partial, prefix));
    errors.min_by_key(|errors| errors.n_wrong).unwrap_or_default()
}

/// Processor time of this thread, s (Linux: the scheduler's own count).
#[must_use]
pub fn cpu_secs() -> f64 {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    stat.split(' ').next().and_then(|nanos| nanos.parse::<f64>().ok()).unwrap_or(0.0) * 1e-9
}

/// The value below which `share` of `values` lie.
#[must_use]
pub fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = (share * (values.len().saturating_sub(1)) as f64).round() as usize;
    values.get(at).copied().unwrap_or(f64::NAN)
}
