//! What is told of a feed, and the segments that come of it.
#![allow(clippy::unwrap_used)]

use engine::event::{GapReason, Settled, Settling, SpokenWord, Transcript};
use engine::time::{MediaTime, Span};

use super::Rules;
use super::reel::Reel;
use crate::config::CaptionsConfig;
use crate::ingest::Anchor;

fn ms(millis: u64) -> MediaTime {
    MediaTime::from_millis(millis)
}

fn reel() -> Reel {
    let config = CaptionsConfig { window_segments: 3, ..CaptionsConfig::default() };
    let mut reel = Reel::new(Rules::from(&config));
    reel.begin(1);
    reel.heard_at(MediaTime::ZERO, "2026-11-23T04:00:00Z".parse().unwrap());
    reel
}

/// Words of 400 ms at these times.
fn said(reel: &mut Reel, words: &[(u64, &str)]) {
    let word = |&(start, text): &(u64, &str)| SpokenWord {
        text: text.to_owned(),
        span: Span::new(ms(start), ms(start + 400)),
        confidence: 1.0,
    };
    let utterance = words.first().map_or(0, |(start, _)| *start);
    let words = words.iter().map(word).collect();
    reel.said(&Transcript { utterance, words, language: "en".to_owned(), ..Transcript::default() });
}

/// Nobody spoke any more up to here.
fn settled(reel: &mut Reel, until: MediaTime, last_final: Option<u64>) {
    reel.settled(until, Settled { by: Settling::Quiet, last_final });
}

/// Cues and notes of each segment that can be played, `start text` each, after its number.
fn check(reel: &Reel, expected: &[(u64, &[&str])]) {
    let shown = |text: &str| -> Vec<String> {
        let blocks = text.split("\n\n").skip(1).filter(|block| !block.is_empty());
        let line = |block: &str| match block.split_once(" --> ") {
            Some((before, after)) => {
                let start = before.rsplit('\n').next().unwrap_or("");
                format!("{} {}", &start[6..], after.split_once('\n').unwrap_or_default().1.replace('\n', "|"))
            }
            None => block.to_owned(),
        };
        blocks.map(line).collect()
    };
    let seen: Vec<(u64, Vec<String>)> = reel
        .playlist()
        .segments
        .iter()
        .map(|segment| (segment.number, shown(std::str::from_utf8(&segment.text).unwrap())))
        .collect();
    let numbers: Vec<u64> = seen.iter().map(|(number, _)| *number).collect();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
    let expected: Vec<(u64, Vec<String>)> = expected
        .iter()
        .map(|(n, blocks)| (*n, blocks.iter().map(|block| (*block).to_owned()).collect()))
        .collect();
    assert_eq!(seen, expected);
}

/// Segments since 1970 when the feed of the tests began.
const FIRST: u64 = 1_795_406_400 / 6;

#[test]
fn a_segment_is_there_when_all_that_was_said_in_it_is_known() {
    let mut reel = reel();
    reel.arrived(ms(8_000));
    check(&reel, &[]);
    settled(&mut reel, ms(7_900), Some(1_000));
    check(&reel, &[]);
    said(&mut reel, &[(1_000, "Hello"), (1_500, "there.")]);
    check(&reel, &[(FIRST, &["01.000 Hello there."])]);
    settled(&mut reel, ms(12_000), Some(1_000));
    check(&reel, &[(FIRST, &["01.000 Hello there."])]);
    reel.arrived(ms(12_100));
    check(&reel, &[(FIRST, &["01.000 Hello there."]), (FIRST + 1, &[])]);
}

#[test]
fn a_cue_over_a_border_is_in_both_and_the_same() {
    let mut reel = reel();
    said(&mut reel, &[(5_000, "Over"), (5_500, "the"), (5_900, "border"), (6_300, "<&> -->")]);
    reel.arrived(ms(13_000));
    settled(&mut reel, ms(12_500), Some(5_000));
    let cue = "05.000 Over the border &lt;&amp;&gt; --&gt;";
    check(&reel, &[(FIRST, &[cue]), (FIRST + 1, &[cue])]);
    let cues: Vec<_> = reel
        .playlist()
        .segments
        .iter()
        .map(|segment| {
            String::from_utf8(segment.text.to_vec()).unwrap().split_once("\n\n").unwrap().1.to_owned()
        })
        .collect();
    assert_eq!(cues[0], cues[1]);
}

#[test]
fn what_is_late_is_in_the_next_segment_and_none_changes() {
    let mut reel = reel();
    settled(&mut reel, ms(900), None);
    reel.arrived(ms(11_990));
    check(&reel, &[]);
    reel.arrived(ms(12_000));
    check(&reel, &[(FIRST, &[])]);
    let first = reel.segment(FIRST).unwrap();
    said(&mut reel, &[(1_000, "Late."), (3_000, "Both."), (7_000, "In"), (7_500, "time.")]);
    settled(&mut reel, ms(12_100), Some(1_000));
    let second: &[&str] = &["NOTE late", "01.000 Late.", "NOTE late", "03.000 Both.", "07.000 In time."];
    check(&reel, &[(FIRST, &[]), (FIRST + 1, second)]);
    assert_eq!(reel.segment(FIRST).unwrap(), first);
}

#[test]
fn a_cue_stays_until_it_can_be_read_if_there_is_room() {
    let mut reel = reel();
    said(&mut reel, &[(1_000, "Antidisestablishmentarianism.")]);
    said(&mut reel, &[(2_200, "Why?")]);
    reel.arrived(ms(6_500));
    settled(&mut reel, ms(6_100), Some(2_200));
    let text = String::from_utf8(reel.playlist().segments[0].text.to_vec()).unwrap();
    assert!(text.contains("00:00:01.000 --> 00:00:02.200\nAnti"), "{text}");
}

#[test]
fn a_gap_is_told_where_it_is() {
    let mut reel = reel();
    reel.missing(Span::new(ms(4_000), ms(7_000)), GapReason::Overload);
    reel.arrived(ms(12_000));
    settled(&mut reel, ms(12_000), None);
    let gap = "NOTE gap overload from 00:00:04.000 to 00:00:07.000";
    check(&reel, &[(FIRST, &[gap]), (FIRST + 1, &[gap])]);
}

#[test]
fn old_segments_leave_the_playlist_and_are_kept_as_long_again() {
    let mut reel = reel();
    for n in 1..=10 {
        settled(&mut reel, ms(6_000 * n), None);
        reel.arrived(ms(6_000 * n));
    }
    check(&reel, &[(FIRST + 7, &[]), (FIRST + 8, &[]), (FIRST + 9, &[])]);
    assert!(reel.segment(FIRST + 4).is_some() && reel.segment(FIRST + 3).is_none());
}

#[test]
fn a_feed_that_begins_again_goes_on_in_the_same_playlist() {
    let mut reel = reel();
    said(&mut reel, &[(1_000, "One.")]);
    reel.end(ms(4_000));
    assert!(!reel.playlist().is_ended, "the last words are still to come");
    reel.settled(ms(3_990), Settled { by: Settling::End, last_final: Some(1_000) });
    assert!(reel.playlist().is_ended && reel.playlist().text("").ends_with("#EXT-X-ENDLIST\n"));
    reel.begin(2);
    assert!(!reel.playlist().is_ended);
    settled(&mut reel, ms(6_100), None);
    reel.arrived(ms(6_100));
    reel.begin(1);
    check(&reel, &[(FIRST, &["01.000 One."]), (FIRST + 1, &[])]);
    let text = reel.playlist().text("?token=a");
    let expected = format!("#EXTINF:4.000000,\n{FIRST}.vtt?token=a\n#EXT-X-DISCONTINUITY\n");
    assert!(text.contains(&expected) && text.contains(&format!("MEDIA-SEQUENCE:{FIRST}\n")), "{text}");
    assert!(text.contains("#EXT-X-PROGRAM-DATE-TIME:2026-11-23T04:00:00.000Z\n"), "{text}");
}

fn anchor(number: u64, era: u64, ticks: u64) -> Anchor {
    let wall = "2026-11-23T05:00:00Z".parse().ok();
    Anchor { number, era, target: ms(4_000), length: ms(4_000), lead: 0, ticks: Some(ticks), wall }
}

#[test]
fn segments_of_the_source_are_ours_with_its_numbers_and_its_clock() {
    let mut reel = reel();
    // Its picture begins 100 ms before its sound.
    reel.anchor(MediaTime::ZERO, &Anchor { lead: 70_560_000, ..anchor(41, 7, 126_000) });
    reel.anchor(ms(4_000) + MediaTime::from_flicks(705_600 / 2), &anchor(42, 8, (1 << 33) - 9));
    said(&mut reel, &[(3_000, "A"), (3_500, "b.")]);
    reel.arrived(ms(8_500));
    settled(&mut reel, ms(8_400), Some(3_000));
    check(&reel, &[(41, &["03.000 A b."]), (42, &[])]);
    let playlist = reel.playlist();
    let heads: Vec<_> = playlist
        .segments
        .iter()
        .map(|segment| std::str::from_utf8(&segment.text).unwrap().lines().nth(1).unwrap())
        .collect();
    let last = (1_u64 << 33) - 9 - 45;
    let second = format!("X-TIMESTAMP-MAP=LOCAL:00:00:04.000,MPEGTS:{last}");
    assert_eq!(heads, ["X-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:126000", &second]);
    let text = playlist.text("");
    assert!(
        text.contains("TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:41\n#EXT-X-DISCONTINUITY-SEQUENCE:7\n"),
        "{text}"
    );
    assert!(text.contains("41.vtt\n#EXT-X-DISCONTINUITY\n#EXT-X-PROGRAM-DATE-TIME:2026-11-23T05"), "{text}");
}

#[test]
fn segments_that_the_source_has_lost_are_there_all_the_same() {
    let mut reel = reel();
    reel.anchor(MediaTime::ZERO, &anchor(41, 0, 0));
    reel.missing(Span::new(ms(4_000), ms(12_000)), GapReason::Loss);
    reel.anchor(ms(12_000), &anchor(44, 0, 1_080_000));
    reel.arrived(ms(16_500));
    settled(&mut reel, ms(16_400), None);
    let gap = "NOTE gap loss from 00:00:04.000 to 00:00:12.000";
    check(&reel, &[(42, &[gap]), (43, &[gap]), (44, &[])]);
    // It came back, and begins with what was heard before.
    reel.begin(2);
    reel.anchor(MediaTime::ZERO, &anchor(44, 0, 1_080_000));
    reel.anchor(ms(4_000), &anchor(45, 0, 1_440_000));
    reel.arrived(ms(9_000));
    settled(&mut reel, ms(8_900), None);
    check(&reel, &[(43, &[gap]), (44, &[]), (45, &[])]);
    // Its numbers begin again.
    reel.anchor(ms(8_000), &anchor(0, 0, 0));
    reel.arrived(ms(13_000));
    settled(&mut reel, ms(12_500), None);
    check(&reel, &[(0, &[])]);
}
