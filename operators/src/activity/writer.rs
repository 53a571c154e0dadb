//! Segments as events: pairs of open and close, one after the other without a gap.

use engine::event::{Event, Phase, Segment, SegmentKind};
use engine::operator::Emit;
use engine::time::{MediaTime, Span};

/// The open segment, and the number of the next.
#[derive(Debug, Default)]
pub(super) struct Writer {
    open: Option<Open>,
    next_pair: u32,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    start: MediaTime,
    kind: SegmentKind,
    pair: u32,
    confidences: f32,
    n_beats: f32,
}

impl Writer {
    /// What is open.
    pub(super) fn kind(&self) -> Option<SegmentKind> {
        self.open.map(|open| open.kind)
    }

    /// Adds a beat's confidence to that of the open segment.
    pub(super) fn agree(&mut self, confidence: f32) {
        if let Some(open) = &mut self.open {
            open.confidences += confidence;
            open.n_beats += 1.0;
        }
    }

    /// At `at` something of `kind` begins, known since `proof`; nothing happens where it is of that kind already.
    pub(super) fn change(
        &mut self,
        at: MediaTime,
        proof: MediaTime,
        (kind, confidence): (SegmentKind, f32),
        out: &mut dyn Emit<Event>,
    ) {
        if self.kind() != Some(kind) {
            self.close(at, proof, out);
            let open = Open { start: at, kind, pair: self.next_pair, confidences: confidence, n_beats: 1.0 };
            self.next_pair = self.next_pair.wrapping_add(1);
            self.open = Some(open);
            out.emit(&open.event(Phase::Open, Span::new(at, at), proof));
        }
    }

    /// Closes what is open.
    pub(super) fn close(&mut self, at: MediaTime, proof: MediaTime, out: &mut dyn Emit<Event>) {
        if let Some(open) = self.open.take() {
            out.emit(&open.event(Phase::Close, Span::new(open.start, at), proof));
        }
    }
}

impl Open {
    fn event(&self, phase: Phase, span: Span, proof: MediaTime) -> Event {
        let confidence = (self.confidences / self.n_beats).clamp(0.0, 1.0);
        let segment = Segment { phase, pair: self.pair, kind: self.kind, confidence };
        Event::new(span, proof.max(span.end), segment)
    }
}
