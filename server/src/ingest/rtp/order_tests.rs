//! Tests of the order: numbers, times and arrivals in, what follows from them out.

#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use engine::time::SampleRate;

use super::order::{Content, Counts, HELD_MAX, Order, Outcome, Piece};

const RATE_HZ: u32 = 48_000;
const WINDOW: Duration = Duration::from_millis(30);

/// A sender of packets of 48 frames, and what became of them.
struct Rig {
    order: Order,
    start: Instant,
    ssrc: u32,
    payload_type: u8,
    /// Added to the number and time of each packet.
    base: (u16, u32),
    seen: Vec<String>,
}

impl Rig {
    fn new() -> Self {
        let (order, start) = (Order::new(WINDOW), Instant::now());
        // Numbers wrap around after 16 packets, times after 32.
        let base = (u16::MAX - 15, u32::MAX - 48 * 32 + 1);
        Self { order, start, ssrc: 0xaa, payload_type: 96, base, seen: Vec::new() }
    }

    fn packet(&mut self, n: u32, at_ms: u64) -> &mut Self {
        self.piece(n, n * 48, Content::Audio(48), at_ms)
    }

    fn piece(&mut self, n: u32, time: u32, content: Content, at_ms: u64) -> &mut Self {
        let piece = Piece {
            ssrc: self.ssrc,
            payload_type: self.payload_type,
            rate: SampleRate::new(RATE_HZ).unwrap(),
            sequence: self.base.0.wrapping_add(n as u16),
            timestamp: self.base.1.wrapping_add(time),
            content,
        };
        let (seen, at) = (&mut self.seen, self.start + Duration::from_millis(at_ms));
        self.order.take(piece, &n.to_be_bytes(), at, &mut |outcome| seen.push(said(&outcome)));
        self
    }

    fn wait(&mut self, at_ms: u64) -> &mut Self {
        let (seen, now) = (&mut self.seen, self.start + Duration::from_millis(at_ms));
        self.order.expire(now, &mut |outcome| seen.push(said(&outcome)));
        self
    }

    fn check(&mut self, expected: &str) {
        assert_eq!(self.seen.join(" "), expected);
        self.seen.clear();
    }
}

fn said(outcome: &Outcome<'_>) -> String {
    match outcome {
        Outcome::Leg(change) => format!("[{change}]"),
        Outcome::Audio { payload, .. } => u32::from_be_bytes((*payload).try_into().unwrap()).to_string(),
        Outcome::Lost(lost) => format!("{:?}:{}", lost.reason, lost.frames),
        Outcome::Paused { frames, .. } => format!("pause:{frames}"),
        Outcome::Away(elapsed) => format!("away:{}ms", elapsed.as_millis()),
    }
}

/// A rig whose first ten packets, of a millisecond each, have come.
fn begun() -> Rig {
    let mut rig = Rig::new();
    (0..10).for_each(|n| {
        rig.packet(n, u64::from(n));
    });
    rig.check("[SSRC 000000aa] 0 1 2 3 4 5 6 7 8 9");
    rig
}

#[test]
fn what_comes_in_order_goes_on_at_once_over_every_wrap() {
    let mut rig = Rig::new();
    (0..70_000).for_each(|n| {
        rig.packet(n, u64::from(n));
    });
    assert_eq!(rig.seen.len(), 70_001);
    assert!(rig.seen.last().is_some_and(|last| last == "69999"));
    assert_eq!((rig.order.counts(), rig.order.due()), (Counts::default(), None));
}

#[test]
fn packets_are_put_in_order_and_none_comes_twice() {
    let mut rig = begun();
    rig.packet(12, 11).packet(11, 11).packet(12, 12).check("");
    rig.packet(10, 12).check("10 11 12");
    rig.packet(11, 13).packet(13, 13).check("13");
    assert_eq!(rig.order.counts(), Counts { late: 2, ..Counts::default() });
}

#[test]
fn a_hole_is_a_loss_of_its_exact_length_after_the_window() {
    let mut rig = begun();
    rig.packet(13, 13).packet(14, 14).packet(17, 17).wait(42).check("");
    rig.wait(43).check("Loss:144 13 14");
    rig.wait(47).check("Loss:96 17");
    rig.packet(12, 48).packet(18, 49).check("18");
    assert_eq!(rig.order.counts(), Counts { lost: 5, late: 1, ..Counts::default() });
}

#[test]
fn a_long_outage_is_a_loss_and_no_other_sender() {
    let mut rig = begun();
    // Ten seconds: more than may wait, and a minute: more than numbers can tell.
    rig.packet(10_000, 10_000).packet(10_001, 10_001).check("Loss:479520 10000 10001");
    rig.packet(70_000, 70_000).packet(70_001, 70_001).check("Loss:2879904 70000 70001");
}

#[test]
fn another_sender_begins_a_leg_when_the_first_is_silent() {
    let mut rig = begun();
    rig.ssrc = 0xbb;
    rig.base = (7, 7);
    rig.packet(0, 10).packet(1, 11).packet(2, 12).check("");
    rig.packet(20, 20).packet(21, 21);
    rig.check("[SSRC 000000bb in place of 000000aa] away:10ms 20 21");
    assert_eq!(rig.order.counts().lost, 0);
}

#[test]
fn two_senders_at_once_do_not_take_turns() {
    let mut rig = begun();
    for n in 10..40 {
        let at_ms = u64::from(n);
        rig.ssrc = 0xbb;
        rig.packet(2 * n, at_ms).packet(2 * n + 1, at_ms);
        rig.ssrc = 0xaa;
        rig.packet(n, at_ms);
    }
    assert!(rig.seen.iter().all(|seen| !seen.contains("SSRC")), "{:?}", rig.seen);
    assert_eq!((rig.seen.len(), rig.order.counts().foreign), (30, 60));
}

#[test]
fn a_sender_that_begins_anew_is_followed_wherever_its_numbers_are() {
    let mut rig = begun();
    rig.base = (40_000, 5);
    rig.packet(0, 2_009).check("");
    rig.packet(1, 2_010).check("[the sender counts anew] away:1999ms 0 1");
    // Where they could be late packets: not before nothing else came for the window.
    let mut rig = begun();
    rig.packet(0, 20).packet(1, 21).packet(2, 22).check("");
    rig.packet(3, 50).check("[the sender counts anew] away:39ms 2 3");
}

#[test]
fn one_stray_packet_moves_nothing() {
    let mut rig = begun();
    rig.piece(30_000, 7, Content::Audio(48), 10).packet(10, 10);
    rig.piece(11, 900_000_000, Content::Audio(48), 10).packet(11, 11);
    rig.check("10 11");
    assert_eq!(rig.order.counts().foreign, 2);
}

#[test]
fn another_payload_type_is_another_leg_without_a_gap() {
    let mut rig = begun();
    rig.payload_type = 97;
    rig.packet(10, 10).packet(11, 11).check("[payload type 97 in place of 96] 10 11");
}

#[test]
fn pauses_are_told_from_losses() {
    let mut rig = begun();
    rig.piece(10, 48 * 410, Content::Audio(48), 410).check("pause:19200 10");
    rig.piece(11, 48 * 411 + 3, Content::Audio(48), 411).check("11");
    // The clock stood still: only ours knows.
    rig.piece(12, 48 * 412, Content::Audio(48), 5_412).check("away:5000ms 12");
}

#[test]
fn what_is_no_audio_has_a_number_and_no_sound() {
    let mut rig = begun();
    rig.piece(10, 480, Content::Corrupt, 10).packet(11, 11).check("Undecodable:48 11");
    rig.payload_type = 101;
    rig.piece(12, 0, Content::Other, 12);
    rig.payload_type = 96;
    rig.piece(13, 48 * 12, Content::Audio(48), 13).check("13");
    assert_eq!(rig.order.counts(), Counts { corrupt: 1, foreign: 1, ..Counts::default() });
}

#[test]
fn what_waits_is_limited() {
    let mut rig = begun();
    // Packets of 125 us.
    let short = |rig: &mut Rig, n: u32| {
        rig.piece(n, 480 + (n - 10) * 6, Content::Audio(6), 11);
    };
    let n_max = HELD_MAX as u32;
    (11..10 + n_max).for_each(|n| short(&mut rig, n));
    rig.check("");
    short(&mut rig, 10 + n_max);
    rig.check("");
    assert_eq!(rig.order.counts().foreign, 1, "too far ahead");
    rig.wait(41);
    assert_eq!((rig.seen.len(), rig.seen[0].as_str()), (HELD_MAX, "Loss:6"));
}
