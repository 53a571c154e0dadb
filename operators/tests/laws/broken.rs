//! One lawbreaker per law, to see that each check can fail.

use engine::audio::Block;
use engine::event::{Event, Gap, GapReason};
use engine::operator::{Emit, Operator};
use engine::time::{MediaTime, Span};

use crate::law;
use crate::signal::Audio;

#[derive(Clone, Copy, PartialEq)]
enum Breaks {
    Nothing,
    Cutting,
    Reset,
    LatencyTold,
    Proof,
    Quiet,
}

/// Tells of each full second, and breaks the law that it was made for.
struct Seconds {
    breaks: Breaks,
    start: Option<MediaTime>,
    n_frames: u64,
}

impl Seconds {
    const FRAMES: u64 = 8_000;

    fn event(&self, block: &Block, frame_idx: u64) -> Event {
        let mut proof = block.time_of((frame_idx + 1 - block.start_frame()) as usize);
        match self.breaks {
            Breaks::Cutting => proof = block.span().end,
            Breaks::Proof => proof = proof + MediaTime::from_millis(1),
            _ => {}
        }
        let gap = Gap { frames: self.n_frames, reason: GapReason::Loss };
        let mut event = Event::new(Span::new(proof, proof), proof, gap);
        event.span.start = self.start.unwrap_or_default();
        event
    }
}

impl Operator for Seconds {
    type In = Block;
    type Out = Event;

    fn push(&mut self, block: &Block, out: &mut dyn Emit<Event>) {
        self.start.get_or_insert(block.time_of(0));
        for frame_idx in 0..block.n_frames() as u64 {
            self.n_frames += 1;
            if self.n_frames.is_multiple_of(Self::FRAMES) {
                let held = if self.breaks == Breaks::Quiet { vec![0_u8; 8] } else { Vec::new() };
                out.emit(&self.event(block, block.start_frame() + frame_idx));
                drop(std::hint::black_box(held));
            }
        }
    }

    fn reset(&mut self) {
        self.start = None;
        if self.breaks != Breaks::Reset {
            self.n_frames = 0;
        }
    }

    fn latency(&self) -> MediaTime {
        if self.breaks == Breaks::LatencyTold { MediaTime::from_millis(1) } else { MediaTime::ZERO }
    }
}

fn check(breaks: Breaks) {
    let signal = Audio::new(8_000, 1).then(3.7, |_, _| 0.1);
    law::all(|| Seconds { breaks, start: None, n_frames: 0 }, &signal);
}

#[test]
fn an_honest_operator_passes() {
    check(Breaks::Nothing);
}

#[test]
#[should_panic(expected = "cutting")]
fn output_that_depends_on_the_cutting_is_caught() {
    check(Breaks::Cutting);
}

#[test]
#[should_panic(expected = "reset after")]
fn memory_across_a_reset_is_caught() {
    check(Breaks::Reset);
}

#[test]
#[should_panic(expected = "told 0.001 s")]
fn a_latency_that_is_not_true_is_caught() {
    check(Breaks::LatencyTold);
}

#[test]
#[should_panic(expected = "before its proof")]
fn a_fact_told_before_its_proof_is_caught() {
    check(Breaks::Proof);
}

#[test]
#[should_panic(expected = "allocations in the push")]
fn an_allocation_is_caught() {
    check(Breaks::Quiet);
}

#[test]
#[should_panic(expected = "provokes no output")]
fn a_signal_that_tries_nothing_is_caught() {
    let signal = Audio::new(8_000, 1).then(0.5, |_, _| 0.1);
    law::all(|| Seconds { breaks: Breaks::Nothing, start: None, n_frames: 0 }, &signal);
}
