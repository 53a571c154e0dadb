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
    repeats: Option<MediaTime>,
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
            self.begin(at, proof, (kind, confidence, None), out);
        }
    }

    /// At `at` another sound of the same kind begins, which may have been heard before.
    pub(super) fn split(
        &mut self,
        at: MediaTime,
        proof: MediaTime,
        repeats: Option<MediaTime>,
        out: &mut dyn Emit<Event>,
    ) {
        if let Some(open) = self.open {
            self.close(at, proof, out);
            self.begin(at, proof, (open.kind, open.confidences / open.n_beats, repeats), out);
        }
    }

    /// What is open was heard before.
    pub(super) fn note_repeats(&mut self, repeats: MediaTime) {
        if let Some(open) = &mut self.open {
            open.repeats = Some(repeats);
        }
    }

    fn begin(
        &mut self,
        start: MediaTime,
        proof: MediaTime,
        (kind, confidence, repeats): (SegmentKind, f32, Option<MediaTime>),
        out: &mut dyn Emit<Event>,
    ) {
        let pair = self.next_pair;
        let open = Open { start, kind, pair, repeats, confidences: confidence, n_beats: 1.0 };
        self.next_pair = pair.wrapping_add(1);
        self.open = Some(open);
        out.emit(&open.event(Phase::Open, Span::new(start, start), proof));
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
        let Self { pair, kind, repeats, .. } = *self;
        let segment = Segment { phase, pair, kind, confidence, repeats };
        Event::new(span, proof.max(span.end), segment)
    }
}
