//! A feed on its worker: continuity, analysis, and posting what follows. Does no I/O itself.

use std::cmp::Ordering;
use std::time::Instant;

use crossbeam::sync::WaitGroup;
use engine::audio::{Block, Format};
use engine::continuity::{Conservation, Continuity};
use engine::event::{Body, Engine, Event, Gap, GapReason};
use engine::operator::Emit;
use engine::time::{MediaTime, Span};
use engine::worker::Consumer;
use operators::{Analysis, Ask, Effort};

use crate::bridge::Bridge;
use crate::publish::{Item, Passage, Post, Seen};
use crate::recognise::{Asker, Moments, Step};

type Events<'a> = dyn Emit<Event> + 'a;
type Asks<'a> = dyn Emit<Ask> + 'a;

/// Consumes the blocks of one unbroken format of a feed.
pub struct FeedConsumer {
    analysis: Analysis,
    continuity: Continuity,
    bridge: Bridge,
    post: Post,
    asker: Option<Asker>,
    step: Step,
    effort: Option<Effort>,
    /// When the newest block arrived.
    arrived_at: Instant,
    /// Dropped with the consumer: the lane was closed and everything in it was taken.
    _done: WaitGroup,
}

impl FeedConsumer {
    /// Pushes blocks through `analysis`, which is one of `format`, and posts its events; speech goes to `asker`. Lets go
    /// of `done` at the end.
    #[must_use]
    pub fn new(
        analysis: Analysis,
        format: Format,
        post: Post,
        asker: Option<Asker>,
        done: WaitGroup,
    ) -> Self {
        Self {
            analysis,
            continuity: Continuity::default(),
            bridge: Bridge::new(format),
            post,
            effort: asker.as_ref().map(|asker| asker.effort(Step::All)),
            asker,
            step: Step::All,
            arrived_at: Instant::now(),
            _done: done,
        }
    }

    /// Lets `act` work on the analysis, whose events are posted and whose speech is asked for.
    fn with_analysis(&mut self, taken_at: Instant, act: impl FnOnce(&mut Analysis, &mut Events, &mut Asks)) {
        let Self { analysis, post, asker, arrived_at, .. } = self;
        let mut events = |event: &Event| state(post, event, taken_at);
        let mut asks = |ask: &Ask| {
            if let Some(asker) = asker {
                let asked_at = Instant::now();
                asker.ask(ask, Moments { arrived_at: *arrived_at, taken_at, asked_at });
            }
        };
        act(analysis, &mut events, &mut asks);
    }

    /// Asks for what the ladder leaves; what the feed gives up, and what comes back, is told.
    fn keep_step(&mut self, block: &Block, taken_at: Instant) {
        let Some(asker) = &self.asker else { return };
        let now = asker.step(taken_at);
        let effort = asker.effort(now);
        if self.effort.replace(effort) != Some(effort)
            && let Err(error) = self.analysis.change_effort(effort)
        {
            tracing::warn!("a feed asks for recognition as before: {error}");
        }
        let before = std::mem::replace(&mut self.step, now);
        let told = match now.cmp(&before) {
            Ordering::Greater => Body::Degraded(engine(now, now.gives_up())),
            Ordering::Less => Body::Recovered(engine(now, before.comes_back())),
            Ordering::Equal => return,
        };
        let here = block.span().start;
        state(&self.post, &Event { span: Span::new(here, here), proof: here, body: told }, taken_at);
    }

    /// What is missing before `block`: a short loss is bridged, everything else is told at once.
    fn missing(&mut self, gap: &Event, block: &Block, taken_at: Instant) {
        if let Some(mut silence) = self.bridge.take(gap, block.received_at()) {
            while let Some(piece) = silence.next() {
                self.with_analysis(taken_at, |analysis, events, asks| analysis.push(piece, events, asks));
            }
            return self.bridge.give_back(silence);
        }
        self.tell_bridged(MediaTime::MAX, taken_at);
        self.with_analysis(taken_at, |analysis, events, asks| analysis.interrupt(events, asks));
        state(&self.post, gap, taken_at);
    }

    /// Tells of what was bridged, where it is time to at `now`.
    fn tell_bridged(&mut self, now: MediaTime, taken_at: Instant) {
        if let Some(losses) = self.bridge.report(now) {
            state(&self.post, &losses, taken_at);
        }
    }

    fn count(&mut self) {
        let (conservation, end) = (self.continuity.take_counts(), self.continuity.position());
        self.post.see(Seen::Counted { conservation, end });
    }
}

impl Consumer for FeedConsumer {
    fn consume(&mut self, block: &Block) {
        let taken_at = Instant::now();
        if block.is_endpoint() {
            return self.with_analysis(taken_at, |analysis, _, asks| analysis.endpoint(asks));
        }
        self.arrived_at = block.received_at();
        self.post.see(Seen::Arrived { end: block.span().end, at: block.received_at() });
        if let Some(gap) = self.continuity.check(block) {
            self.missing(&gap, block, taken_at);
        }
        self.tell_bridged(block.span().end, taken_at);
        self.keep_step(block, taken_at);
        self.with_analysis(taken_at, |analysis, events, asks| analysis.push(block, events, asks));
        self.count();
    }

    fn finish(&mut self) {
        self.tell_bridged(MediaTime::MAX, Instant::now());
        self.with_analysis(Instant::now(), |analysis, events, asks| analysis.flush(events, asks));
    }

    /// The block that it happened in counts as a gap. What comes after it never reaches the analysis.
    fn failed(&mut self, message: &str) {
        tracing::error!("the analysis of a feed panicked: {message}");
        self.tell_bridged(MediaTime::MAX, Instant::now());
        let lost = self.continuity.take_counts();
        let (position, frames) = (self.continuity.position(), lost.received);
        let event =
            Event::new(Span::new(position, position), position, Gap { frames, reason: GapReason::Crash });
        self.post.send(Item::Fact(Box::new(event), Passage::direct(Instant::now())));
        let conservation = Conservation { received: frames, analysed: 0, in_gaps: frames };
        self.post.see(Seen::Counted { conservation, end: position });
    }
}

fn engine(step: Step, reason: &str) -> Engine {
    Engine { step: step as u8, reason: reason.to_owned() }
}

fn state(post: &Post, event: &Event, taken_at: Instant) {
    let passage =
        Passage { taken_at: Some(taken_at), stated_at: Instant::now(), queued: None, recognised: None };
    post.send(Item::Fact(Box::new(event.clone()), passage));
}
