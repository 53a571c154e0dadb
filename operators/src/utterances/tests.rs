//! Tests of the utterance policy, line by line, on made-up hops.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::hop::{HOP_FRAMES, hop_time};

/// Hops of `ms` milliseconds with a speech probability.
type Part = (u64, f32);

const SPEECH: f32 = 0.9;
const PAUSE: f32 = 0.05;

fn hops(parts: &[Part]) -> Vec<Hop> {
    let mut hops: Vec<Hop> = Vec::new();
    for &(ms, speech) in parts {
        for _ in 0..ms / 10 {
            let at = hops.len();
            // The first sample of each hop tells which one it is.
            let mut pcm = [speech; HOP_FRAMES];
            pcm[0] = at as f32;
            let power_db = if speech > 0.1 { -20.0 } else { -60.0 };
            hops.push(Hop {
                start: time_after(MediaTime::from_secs(1), at),
                pcm,
                speech,
                power_db,
                ..Hop::default()
            });
        }
    }
    hops
}

fn label(ask: &Ask) -> String {
    let head = &ask.head;
    let name = match head.purpose {
        Purpose::Partial => "partial",
        Purpose::Speculative => "speculative",
        Purpose::Confirm => "confirm",
        Purpose::Abandon => "abandon",
        Purpose::Final => "final",
        Purpose::Onset => "onset",
        Purpose::Settled(by) => return format!("{} {by:?} to {}", head.proof, head.span.end),
    };
    let (start, end) = (head.span.start, head.span.end);
    format!(
        "{} {name} {} u{} {start}..{end} speech to {}",
        head.proof, head.attempt, head.utterance, head.speech_end
    )
}

/// Lines for every ask, in order; the audio lent is checked against the span told.
fn run(utterances: &mut Utterances, parts: &[Part]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut take = |ask: &Ask| {
        let n_hops = ask.head.span.duration().flicks() / hop_time().flicks();
        assert_eq!(ask.pcm().len() as u64, n_hops * HOP_FRAMES as u64);
        let first = (ask.head.span.start.as_millis() - 1_000) / 10;
        for (hop_idx, pcm) in ask.pcm().chunks(HOP_FRAMES).enumerate() {
            assert_eq!(pcm[0] as u64, first + hop_idx as u64, "audio and span agree");
            assert_eq!(ask.head.voiced.get(hop_idx), pcm[1] > 0.4, "voiced hop {hop_idx}");
        }
        lines.push(label(ask));
    };
    for hop in &hops(parts) {
        utterances.push(hop, &mut take);
    }
    utterances.flush(&mut take);
    lines
}

fn check(change: impl FnOnce(&mut UtteranceConfig), parts: &[Part], expected: &[&str]) {
    let mut config = UtteranceConfig { partial: None, ..UtteranceConfig::live() };
    change(&mut config);
    assert_eq!(run(&mut Utterances::new(&config).unwrap(), parts), expected);
}

#[test]
fn speech_has_pre_roll_a_short_tail_and_a_speculation_that_the_endpoint_confirms() {
    let expected = [
        "2.700 speculative 1 u1250 1.250..2.700 speech to 2.500",
        "2.800 confirm 1 u1250 1.250..2.700 speech to 2.500",
    ];
    check(|_| {}, &[(500, PAUSE), (1_000, SPEECH), (1_000, PAUSE)], &expected);
}

#[test]
fn a_pause_shorter_than_the_endpoint_abandons_the_speculation() {
    let expected = [
        "2.200 speculative 1 u1000 1.000..2.200 speech to 2.000",
        "2.260 abandon 1 u1000 1.000..1.000 speech to 2.260",
        "2.950 speculative 2 u1000 1.000..2.950 speech to 2.750",
        "3.050 confirm 2 u1000 1.000..2.950 speech to 2.750",
    ];
    check(|_| {}, &[(1_000, SPEECH), (250, PAUSE), (500, SPEECH), (400, PAUSE)], &expected);
}

#[test]
fn without_speculation_the_endpoint_asks_for_the_same_audio() {
    let expected = ["2.300 final 1 u1000 1.000..2.200 speech to 2.000"];
    check(|c| c.speculate = None, &[(1_000, SPEECH), (1_000, PAUSE)], &expected);
}

#[test]
fn onset_takes_consecutive_speech_and_short_bursts_are_dropped() {
    check(|_| {}, &[(500, PAUSE), (20, SPEECH), (40, PAUSE), (20, SPEECH), (900, PAUSE)], &[]);
    check(|_| {}, &[(500, PAUSE), (190, SPEECH), (900, PAUSE)], &[]);
    let expected = ["2.300 final 1 u1050 1.050..2.300 speech to 2.300"];
    check(|_| {}, &[(20, SPEECH), (280, PAUSE), (1_000, SPEECH)], &expected);
}

/// What is asked for in `ms` of sound that the ear takes for speech and that is music by `music`.
fn asked_of_music(ms: u64, music: f32, change: impl FnOnce(&mut UtteranceConfig)) -> Vec<String> {
    let mut config = UtteranceConfig::batch();
    change(&mut config);
    let mut utterances = Utterances::new(&config).unwrap();
    let mut lines = Vec::new();
    for hop in hops(&[(ms, SPEECH), (1_000, PAUSE)]) {
        utterances.push(&Hop { music, ..hop }, &mut |ask: &Ask| lines.push(label(ask)));
    }
    lines
}

#[test]
fn music_is_not_asked_for_unless_it_is_short_or_in_doubt() {
    let none: [&str; 0] = [];
    assert_eq!(asked_of_music(5_000, 0.6, |_| {}), none);
    assert_eq!(asked_of_music(30_000, 0.4, |_| {}), none, "nor when it is cut");
    let asked = ["6.800 final 1 u1000 1.000..6.200 speech to 6.000"];
    assert_eq!(asked_of_music(5_000, 0.2, |_| {}), asked, "too doubtful");
    assert_eq!(asked_of_music(5_000, 0.6, |c| c.music = None), asked, "not to be told");
    assert_eq!(asked_of_music(500, 0.6, |_| {}).len(), 1, "too short");
    assert_eq!(asked_of_music(500, 0.6, |c| c.music_doubt = MediaTime::ZERO), none);
    let live = |c: &mut UtteranceConfig| *c = UtteranceConfig { speculate: None, ..UtteranceConfig::live() };
    let asked = asked_of_music(5_000, 0.6, live);
    let expected = [
        "2.000 partial 1 u1000 1.000..2.000 speech to 2.000",
        "6.300 final 2 u1000 1.000..6.200 speech to 6.000",
    ];
    assert_eq!(asked, expected, "what was asked for in doubt gets its final");
}

#[test]
fn speech_opens_high_and_closes_low() {
    check(|_| {}, &[(1_000, 0.5)], &[]);
    let expected = ["2.200 final 1 u1000 1.000..2.200 speech to 2.200"];
    check(|_| {}, &[(100, 0.51), (1_100, 0.41)], &expected);
    let expected = [
        "1.500 speculative 1 u1000 1.000..1.500 speech to 1.300",
        "1.600 confirm 1 u1000 1.000..1.500 speech to 1.300",
    ];
    check(|_| {}, &[(300, 0.51), (400, 0.39), (400, 0.5)], &expected);
}

#[test]
fn partials_come_at_their_interval_while_there_is_new_speech() {
    let expected = [
        "2.000 partial 1 u1000 1.000..2.000 speech to 2.000",
        "2.700 speculative 2 u1000 1.000..2.700 speech to 2.500",
        "2.760 abandon 2 u1000 1.000..1.000 speech to 2.760",
        "3.700 partial 3 u1000 1.000..3.700 speech to 3.700",
        "4.050 speculative 4 u1000 1.000..4.050 speech to 3.850",
        "4.150 confirm 4 u1000 1.000..4.050 speech to 3.850",
    ];
    let parts = [(1_500, SPEECH), (250, PAUSE), (1_100, SPEECH), (1_000, PAUSE)];
    check(|c| c.partial = Some(MediaTime::from_secs(1)), &parts, &expected);
    // In a pause there is nothing new: the partial that is due at 2.0 waits for speech.
    let expected = [
        "2.080 partial 1 u1000 1.000..2.080 speech to 2.080",
        "2.200 final 2 u1000 1.000..2.200 speech to 2.200",
    ];
    let parts = [(950, SPEECH), (120, PAUSE), (130, SPEECH)];
    check(|c| c.partial = Some(MediaTime::from_secs(1)), &parts, &expected);
}

#[test]
fn the_effort_changes_at_once_and_outlives_a_reset() {
    let mut utterances = Utterances::new(&UtteranceConfig::live()).unwrap();
    let effort = |partial| Effort { partial, speculates: true };
    utterances.change_effort(effort(Some(MediaTime::from_millis(1_500)))).unwrap();
    utterances.reset();
    let lines = run(&mut utterances, &[(1_900, SPEECH)]);
    let expected = [
        "2.500 partial 1 u1000 1.000..2.500 speech to 2.500",
        "2.900 final 2 u1000 1.000..2.900 speech to 2.900",
    ];
    assert_eq!(lines, expected);
    utterances.reset();
    utterances.change_effort(effort(None)).unwrap();
    assert_eq!(run(&mut utterances, &[(1_900, SPEECH)]).len(), 1);
    assert!(utterances.change_effort(effort(Some(MediaTime::ZERO))).is_err());
}

#[test]
fn without_speculation_the_final_is_asked_for_at_the_endpoint() {
    let mut utterances = Utterances::new(&UtteranceConfig::live()).unwrap();
    utterances.change_effort(Effort { partial: None, speculates: false }).unwrap();
    let lines = run(&mut utterances, &[(900, SPEECH), (500, PAUSE)]);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("final 1"), "{lines:?}");
}

#[test]
fn the_longest_utterance_is_cut_at_its_best_pause_and_a_partial_is_asked_at_once() {
    let change = |c: &mut UtteranceConfig| {
        c.longest = MediaTime::from_secs(6);
        c.partial = Some(MediaTime::from_secs(5));
    };
    let expected = [
        "6.000 partial 1 u1000 1.000..6.000 speech to 6.000",
        "7.000 final 2 u1000 1.000..5.550 speech to 5.500",
        "7.000 partial 1 u5550 5.550..7.000 speech to 7.000",
        "8.000 speculative 2 u5550 5.550..8.000 speech to 7.800",
        "8.100 confirm 2 u5550 5.550..8.000 speech to 7.800",
    ];
    check(change, &[(4_500, SPEECH), (100, PAUSE), (2_200, SPEECH), (500, PAUSE)], &expected);
}

#[test]
fn a_pause_that_begins_at_the_longest_length_is_its_end() {
    let change = |c: &mut UtteranceConfig| c.longest = MediaTime::from_secs(6);
    // The pause of 250 ms holds a speculation at 6 s, which is promoted.
    let expected = [
        "6.950 speculative 1 u1000 1.000..6.950 speech to 6.750",
        "7.000 confirm 1 u1000 1.000..6.950 speech to 6.750",
        "8.000 speculative 1 u6950 6.950..8.000 speech to 7.800",
        "8.100 confirm 1 u6950 6.950..8.000 speech to 7.800",
    ];
    check(change, &[(5_750, SPEECH), (250, PAUSE), (800, SPEECH), (500, PAUSE)], &expected);
    // Without one, the cut leaves a silent rest, which is no utterance.
    let expected = ["7.000 final 1 u1000 1.000..6.950 speech to 6.900"];
    check(change, &[(5_900, SPEECH), (600, PAUSE)], &expected);
}

/// Asks for endpoints after so many hops; says only what is settled, what begins, and what is asked for at the end.
fn settled(parts: &[Part], endpoints: &[usize], change: impl FnOnce(&mut UtteranceConfig)) -> Vec<String> {
    let live = UtteranceConfig { partial: None, speculate: None, ..UtteranceConfig::live() };
    let mut config = UtteranceConfig { settle: Some(MediaTime::from_millis(500)), ..live };
    change(&mut config);
    let mut utterances = Utterances::new(&config).unwrap();
    let mut lines = Vec::new();
    let mut covered = MediaTime::ZERO;
    let mut take = |ask: &Ask| {
        if let Purpose::Settled(_) = ask.head.purpose {
            assert!(ask.head.span.end >= covered && ask.pcm().is_empty());
            covered = ask.head.span.end;
        }
        lines.push(label(ask));
    };
    for (hop_idx, hop) in hops(parts).iter().enumerate() {
        utterances.push(hop, &mut take);
        if endpoints.contains(&(hop_idx + 1)) {
            utterances.endpoint(&mut take);
        }
    }
    utterances.flush(&mut take);
    lines
}

#[test]
fn what_is_settled_is_told_while_it_is_quiet_at_the_onset_and_where_an_utterance_ends() {
    let expected = [
        "1.780 Quiet to 1.500",
        "2.030 Quiet to 1.750",
        "2.030 onset 0 u1750 1.750..1.750 speech to 2.000",
        "3.300 final 1 u1750 1.750..3.200 speech to 3.000",
        "3.300 Endpoint to 3.200",
        "3.980 Quiet to 3.700",
        "4.000 End to 4.000",
    ];
    assert_eq!(settled(&[(1_000, PAUSE), (1_000, SPEECH), (1_000, PAUSE)], &[], |_| {}), expected);
    let burst = ["1.130 Quiet to 1.000", "1.130 onset 0 u1000 1.000..1.000 speech to 1.100"];
    let lines = settled(&[(100, PAUSE), (150, SPEECH), (600, PAUSE)], &[], |_| {});
    assert_eq!(lines[..2], burst);
    assert_eq!(lines[2], "1.550 Quiet to 1.450", "too short to be an utterance");
}

#[test]
fn a_cut_settles_up_to_where_the_rest_begins() {
    let lines = settled(&[(7_000, SPEECH)], &[], |c| c.longest = MediaTime::from_secs(6));
    let cut = lines.iter().position(|line| line.contains(" Cut to ")).unwrap();
    assert!(lines[cut - 1].contains("final 1 u1000") && lines[cut + 1].contains("final 1"), "{lines:?}");
}

#[test]
fn an_endpoint_on_demand_ends_what_is_said_and_what_follows_is_another_utterance() {
    let expected = [
        "1.030 Quiet to 1.000",
        "1.030 onset 0 u1000 1.000..1.000 speech to 1.000",
        "2.000 final 1 u1000 1.000..2.000 speech to 2.000",
        "2.000 Demand to 2.000",
        "2.010 Quiet to 2.000",
        "2.010 onset 0 u2000 2.000..2.000 speech to 2.000",
        "3.000 final 1 u2000 2.000..3.000 speech to 3.000",
        "3.000 End to 3.000",
    ];
    assert_eq!(settled(&[(2_000, SPEECH)], &[100], |_| {}), expected);
    let quiet = ["1.200 Demand to 1.000", "1.300 End to 1.300"];
    assert_eq!(settled(&[(300, PAUSE)], &[20], |_| {}), quiet, "what may be pre-roll stays");
    assert_eq!(settled(&[], &[], |_| {}), ["0.000 End to 0.000"]);
}

#[test]
fn an_endpoint_on_demand_promotes_a_speculation() {
    let lines = settled(&[(1_000, SPEECH), (500, PAUSE)], &[125], |c| {
        c.speculate = Some(MediaTime::from_millis(200));
    });
    assert!(
        lines[3].contains("confirm 1 u1000 1.000..2.200") && lines[4] == "2.250 Demand to 2.200",
        "{lines:?}"
    );
}

#[test]
fn endless_speech_stays_within_its_storage_and_loses_no_sample() {
    let mut utterances = Utterances::new(&UtteranceConfig::live()).unwrap();
    let mut most = 0;
    let mut end = MediaTime::from_secs(1);
    let mut take = |ask: &Ask| {
        if ask.head.purpose == Purpose::Final {
            assert_eq!(ask.head.span.start, end, "no hole, no overlap");
            end = ask.head.span.end;
            assert!(ask.head.span.duration() <= MediaTime::from_secs(12));
        }
    };
    for hop in &hops(&[(60_000, SPEECH)]) {
        utterances.push(hop, &mut take);
        most = most.max(utterances.ask.audio.bytes());
    }
    utterances.flush(&mut take);
    assert_eq!(end, MediaTime::from_secs(61));
    assert!((384_000..420_000).contains(&most), "12 s of 16 bits and a page, not {most} bytes");
    assert_eq!(utterances.ask.audio.bytes(), 0, "what is over holds nothing");
}
