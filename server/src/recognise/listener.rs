//! Turns requests and decodes into transcripts, gaps and keywords. Runs on the publishing thread.

use engine::event::Event;
use engine::operator::Emit;
use engine::time::SampleRate;
use operators::{AskHead, Heard as Decode, Keywords, Transcriber, TranscriberConfig};

use super::job::{Answer, Heard};

/// Transcripts and keywords of one feed.
pub struct Listener {
    /// One for each rate that the feed has had: gaps are counted in frames of the feed's own rate.
    transcribers: Vec<(SampleRate, Transcriber)>,
    keywords: Option<Keywords>,
}

impl Listener {
    /// A listener that looks for `keywords`.
    #[must_use]
    pub fn new(keywords: Option<Keywords>) -> Self {
        Self { transcribers: Vec::new(), keywords }
    }

    /// Takes note of a request.
    pub fn asked(&mut self, head: &AskHead, rate: SampleRate, out: &mut dyn Emit<Event>) {
        let Self { transcribers, keywords } = self;
        if let Some(transcriber) = of_rate(transcribers, rate) {
            transcriber.asked(head, &mut look(keywords, out));
        }
    }

    /// Takes an answer.
    pub fn heard(&mut self, heard: &Heard, out: &mut dyn Emit<Event>) {
        let Self { transcribers, keywords } = self;
        let Some(transcriber) = of_rate(transcribers, heard.rate) else { return };
        let out = &mut look(keywords, out);
        match &heard.answer {
            Answer::Decoded { outcome, transcription, model } => {
                let degraded = heard.step as u8;
                let decode = Decode { head: &heard.head, outcome, transcription, model, degraded };
                transcriber.heard(&decode, out);
            }
            Answer::Lost(reason) => transcriber.lost(&heard.head, *reason, out),
            Answer::Failed(cause) => transcriber.failed(&heard.head, cause, out),
        }
    }
}

fn of_rate(transcribers: &mut Vec<(SampleRate, Transcriber)>, rate: SampleRate) -> Option<&mut Transcriber> {
    let idx = match transcribers.iter().position(|(of, _)| *of == rate) {
        Some(idx) => idx,
        None => {
            // The defaults are valid for every rate.
            transcribers.push((rate, Transcriber::new(TranscriberConfig::new(rate)).ok()?));
            transcribers.len() - 1
        }
    };
    transcribers.get_mut(idx).map(|(_, transcriber)| transcriber)
}

/// Passes events on, and the keywords in them.
fn look<'a>(keywords: &'a mut Option<Keywords>, out: &'a mut dyn Emit<Event>) -> impl FnMut(&Event) + 'a {
    move |event: &Event| {
        out.emit(event);
        if let Some(keywords) = keywords {
            keywords.look(event, out);
        }
    }
}
