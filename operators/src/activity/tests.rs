//! Tests of segments on made-up hops, whose kind is told.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use engine::event::{Body, Phase};

/// Seconds of a sound: its kind and which one it is; 0 is silence.
type Piece = (u64, SegmentKind, u32);

use SegmentKind::{Music, Silence as Quiet, Speech};

fn hop(at: u64, kind: SegmentKind, sound: u32) -> Hop {
    let n_frames = at * HOP_FRAMES as u64;
    let start = MediaTime::from_frames(n_frames, SampleRate::HZ_16000);
    let heard = if sound > 0 { repeats::tests::sound(sound, at) } else { Hop::default() };
    let mut hop = Hop { start, power_db: if sound > 0 { -20.0 } else { -90.0 }, ..heard };
    hop.kinds = KINDS.map(|other| if other == kind { 0.98 } else { 0.01 });
    hop
}

/// `kind start..end`, in whole seconds, of each segment, with where it was heard before.
fn segments(pieces: &[Piece]) -> Vec<String> {
    let mut activity = Activity::new(ActivityConfig::default()).unwrap();
    let (mut lines, mut n_hops, mut open) = (Vec::new(), 0, None);
    let mut note = |event: &Event| {
        let Body::Segment(segment) = event.body else { panic!("{event:?}") };
        if segment.phase == Phase::Open {
            assert!(open.replace(event.span.start).is_none(), "one at a time");
            return;
        }
        assert_eq!(open.take(), Some(event.span.start));
        let secs = |time: MediaTime| time.as_secs_f64().round();
        let again = segment.repeats.map_or(String::new(), |time| format!(" again {}", secs(time)));
        lines.push(format!("{:?} {}..{}{again}", segment.kind, secs(event.span.start), secs(event.span.end)));
    };
    for (secs, kind, sound) in pieces {
        for at in 0..secs * 100 {
            // Each sound begins anew; what a hop says of its kind is half a second old.
            let mut hop = hop(at, *kind, *sound);
            hop.start = MediaTime::from_frames(n_hops * HOP_FRAMES as u64, SampleRate::HZ_16000);
            activity.push(&hop, &mut note);
            n_hops += 1;
        }
    }
    activity.flush(&mut note);
    lines
}

#[test]
fn a_jingle_that_comes_again_is_a_segment_of_its_own() {
    let pieces =
        [(10, Music, 1), (5, Music, 7), (2, Quiet, 0), (70, Speech, 2), (2, Quiet, 0), (10, Music, 3)];
    let again = [(5, Music, 7), (20, Music, 4)];
    let expected = [
        "Music 0..15",
        "Silence 15..17",
        "Speech 17..87",
        "Silence 87..89",
        "Music 89..99",
        "Music 99..104 again 10",
        "Music 104..124",
    ];
    assert_eq!(segments(&[&pieces[..], &again].concat()), expected);
    // Between silences it has its edges already.
    let alone = [(2, Quiet, 0), (5, Music, 7), (2, Quiet, 0)];
    let expected = ["Music 89..99", "Silence 99..101", "Music 101..106 again 10", "Silence 106..108"];
    assert_eq!(segments(&[&pieces[..], &alone].concat())[4..], expected);
}

#[test]
fn music_that_repeats_itself_is_one_piece() {
    let pieces = [(5, Music, 7), (70, Music, 1), (5, Music, 7), (10, Music, 2)];
    assert_eq!(segments(&pieces), ["Music 0..90"]);
}

#[test]
fn a_spot_that_comes_again_within_speech_is_a_segment() {
    let pieces = [(5, Speech, 7), (70, Speech, 1), (5, Speech, 7), (10, Speech, 2)];
    assert_eq!(segments(&pieces), ["Speech 0..75", "Speech 75..80 again 0", "Speech 80..90"]);
}
