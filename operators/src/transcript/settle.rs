//! How far a transcript is settled: what `Utterances` settles waits for the final before it. Keeps no words.

use engine::event::{Event, Settled, Settling};
use engine::operator::Emit;
use engine::time::{MediaTime, Span};

use crate::utterances::AskHead;

/// Positions settled after one utterance and before the next; of those by one cause only the last.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Marks([Option<Mark>; 5]);

/// Where, and at which proof.
#[derive(Clone, Copy, Debug)]
struct Mark {
    by: Settling,
    at: MediaTime,
    proof: MediaTime,
}

impl Mark {
    fn new(by: Settling, head: &AskHead) -> Self {
        Self { by, at: head.span.end, proof: head.proof }
    }
}

impl Marks {
    /// Adds the newest one.
    pub(super) fn add(&mut self, by: Settling, head: &AskHead) {
        let same = self.0.iter().position(|mark| mark.is_some_and(|mark| mark.by == by));
        // There are as many places as causes.
        let place = same.or_else(|| self.0.iter().position(Option::is_none)).unwrap_or(0);
        if let Some(place) = self.0.get_mut(place) {
            *place = Some(Mark::new(by, head));
        }
    }
}

/// Tells what is settled.
#[derive(Debug, Default)]
pub(super) struct Settler {
    last_final: Option<u64>,
}

impl Settler {
    /// There is a final of this utterance.
    pub(super) fn said(&mut self, utterance: u64) {
        self.last_final = Some(utterance);
    }

    /// Nothing is awaited any more of what is before the end of `head`.
    pub(super) fn settle(&self, by: Settling, head: &AskHead, out: &mut dyn Emit<Event>) {
        self.tell(Mark::new(by, head), out);
    }

    /// The same of all `marks`, in the order of their positions.
    pub(super) fn settle_all(&self, marks: Marks, out: &mut dyn Emit<Event>) {
        let mut marks: Vec<Mark> = marks.0.into_iter().flatten().collect();
        marks.sort_by_key(|mark| mark.at);
        marks.into_iter().for_each(|mark| self.tell(mark, out));
    }

    fn tell(&self, Mark { by, at, proof }: Mark, out: &mut dyn Emit<Event>) {
        let settled = Settled { by, last_final: self.last_final };
        out.emit(&Event::new(Span::new(at, at), proof.max(at), settled));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use engine::event::{Body, GapReason};
    use engine::time::SampleRate;
    use models::Transcription;

    use super::*;
    use crate::transcript::{Heard, Outcome, Transcriber, TranscriberConfig};
    use crate::utterances::{Purpose, Voiced};
    use Purpose::{Final, Onset, Settled};
    use Settling::{Demand, Endpoint, Quiet};

    fn head(utterance: u64, purpose: Purpose, end: u64) -> AskHead {
        let end = MediaTime::from_secs(end);
        let start = if matches!(purpose, Settled(_)) { end } else { MediaTime::from_secs(utterance) };
        let span = Span::new(start, end);
        AskHead {
            utterance,
            attempt: 1,
            purpose,
            span,
            speech_end: end,
            proof: end,
            voiced: Voiced::default(),
        }
    }

    fn label(event: &Event) -> String {
        match &event.body {
            Body::Final(transcript) => format!("final {}", transcript.utterance),
            Body::Settled(settled) => {
                format!("{:?} to {} after {:?}", settled.by, event.span.end.as_secs_f64(), settled.last_final)
            }
            Body::Onset(onset) => format!("onset {} at {}", onset.utterance, event.span.start.as_secs_f64()),
            Body::Gap(gap) => format!("{:?}", gap.reason),
            other => panic!("{other:?}"),
        }
    }

    /// Asks for everything, then lets the utterances of `answers` be heard, lost or found empty.
    fn check(asked: &[AskHead], answers: &[(u64, Option<Outcome>)], expected: &[&str]) {
        let config = TranscriberConfig::new(SampleRate::HZ_16000);
        let mut transcriber = Transcriber::new(config).unwrap();
        let mut lines = Vec::new();
        let mut out = |event: &Event| lines.push(label(event));
        asked.iter().for_each(|head| transcriber.asked(head, &mut out));
        for (utterance, answer) in answers {
            let head = asked.iter().find(|h| (h.utterance, h.purpose) == (*utterance, Final)).unwrap();
            let mut transcription = Transcription::default();
            transcription.push_word("word", 0..1_600, 0.5);
            match answer {
                Some(outcome) => {
                    let heard =
                        Heard { head, outcome, transcription: &transcription, model: "x", degraded: 0 };
                    transcriber.heard(&heard, &mut out);
                }
                None => transcriber.lost(head, GapReason::Overload, &mut out),
            }
        }
        assert_eq!(lines, expected);
    }

    const SAID: Option<Outcome> = Some(Outcome::Said { hole: None });

    #[test]
    fn silence_is_settled_at_once_and_an_onset_told() {
        let asked = [head(0, Settled(Quiet), 1), head(2, Onset, 2)];
        check(&asked, &[], &["Quiet to 1 after None", "onset 2 at 2"]);
    }

    #[test]
    fn what_follows_an_utterance_waits_for_its_final_and_names_it() {
        let asked = [
            head(1, Final, 3),
            head(3, Settled(Endpoint), 3),
            head(4, Settled(Quiet), 4),
            head(5, Settled(Quiet), 5),
            head(5, Onset, 5),
            head(5, Final, 7),
            head(7, Settled(Demand), 7),
        ];
        let expected = [
            "onset 5 at 5",
            "final 1",
            "Endpoint to 3 after Some(1)",
            "Quiet to 5 after Some(1)",
            "final 5",
            "Demand to 7 after Some(5)",
        ];
        check(&asked, &[(5, SAID), (1, SAID)], &expected);
    }

    #[test]
    fn what_was_lost_or_said_nothing_is_settled_too() {
        let asked = [
            head(1, Final, 3),
            head(3, Settled(Endpoint), 3),
            head(4, Final, 6),
            head(6, Settled(Endpoint), 6),
        ];
        let expected = ["Overload", "Endpoint to 3 after None", "Endpoint to 6 after None"];
        check(&asked, &[(1, None), (4, Some(Outcome::Nothing))], &expected);
    }
}
