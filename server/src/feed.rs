//! A feed on its worker: continuity, analysis, and posting what follows. Does no I/O itself.

use std::time::Instant;

use engine::audio::Block;
use engine::continuity::{Conservation, Continuity};
use engine::event::{Event, Gap, GapReason};
use engine::time::Span;
use engine::worker::Consumer;
use operators::{Analysis, Ask};

use crate::publish::{Item, Passage, Post};
use crate::recognise::Asker;

/// Consumes the blocks of one unbroken format of a feed.
pub struct FeedConsumer {
    analysis: Analysis,
    continuity: Continuity,
    post: Post,
    asker: Option<Asker>,
}

impl FeedConsumer {
    /// Pushes blocks through `analysis` and posts its events; speech goes to `asker`.
    #[must_use]
    pub fn new(analysis: Analysis, post: Post, asker: Option<Asker>) -> Self {
        Self { analysis, continuity: Continuity::default(), post, asker }
    }

    fn flush(&mut self, taken_at: Instant) {
        let Self { analysis, post, asker, .. } = self;
        analysis.flush(&mut |event: &Event| state(post, event, taken_at), &mut |ask: &Ask| {
            if let Some(asker) = asker {
                asker.ask(ask, taken_at);
            }
        });
    }

    fn count(&mut self) {
        let (conservation, end) = (self.continuity.take_counts(), self.continuity.position());
        self.post.send(Item::Counted { conservation, end });
    }
}

impl Consumer for FeedConsumer {
    fn consume(&mut self, block: &Block) {
        let taken_at = Instant::now();
        self.post.send(Item::Arrived { end: block.span().end, at: block.received_at() });
        if let Some(gap) = self.continuity.check(block) {
            self.flush(taken_at);
            self.analysis.reset();
            state(&self.post, &gap, taken_at);
        }
        let Self { analysis, post, asker, .. } = self;
        analysis.push(block, &mut |event: &Event| state(post, event, taken_at), &mut |ask: &Ask| {
            if let Some(asker) = asker {
                asker.ask(ask, taken_at);
            }
        });
        self.count();
    }

    fn finish(&mut self) {
        self.flush(Instant::now());
    }

    /// The block that it happened in counts as a gap. What comes after it never reaches the analysis.
    fn failed(&mut self, message: &str) {
        tracing::error!("the analysis of a feed panicked: {message}");
        let lost = self.continuity.take_counts();
        let (position, frames) = (self.continuity.position(), lost.received);
        let event =
            Event::new(Span::new(position, position), position, Gap { frames, reason: GapReason::Crash });
        self.post.send(Item::Fact(event, Passage::direct(Instant::now())));
        let conservation = Conservation { received: frames, analysed: 0, in_gaps: frames };
        self.post.send(Item::Counted { conservation, end: position });
    }
}

fn state(post: &Post, event: &Event, taken_at: Instant) {
    let passage =
        Passage { taken_at: Some(taken_at), stated_at: Instant::now(), queued: None, recognised: None };
    post.send(Item::Fact(event.clone(), passage));
}
