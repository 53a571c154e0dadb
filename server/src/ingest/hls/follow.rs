//! What of a playlist is new: segments by their numbers, each once, and marks on them. Keeps its place over reconnections.
//! Fetches nothing.

use std::collections::VecDeque;
use std::time::Duration;

use engine::event::Marker;
use engine::time::{FLICKS_PER_SECOND, MediaTime};
use jiff::Timestamp;

use super::playlist::{Media, Segment};
use super::ranges::{DateRange, media_time};

/// Target durations before the end of a live playlist at which it is joined (RFC 8216, 6.3.3).
const TARGETS_FROM_END: u32 = 3;
/// Playlists in a row that end before our place until it is believed that the numbers began again. A cache may be behind.
const BEHIND_MAX: u32 = 3;
/// Ranges that were told, so that each is told once. More than a playlist keeps.
const TOLD_MAX: usize = 512;

/// Something marked, and where: flicks after the start of the segment that it comes with.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::ingest) struct Mark {
    pub(in crate::ingest) after: i64,
    pub(in crate::ingest) marker: Marker,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Task {
    /// Fetch it.
    Fetch { segment: Segment, marks: Vec<Mark> },
    /// It is no longer there: about so long.
    Expired { number: u64, length: Duration },
    /// The numbers began again.
    Restart,
}

/// How far a playlist was followed.
#[derive(Debug, Default)]
pub(super) struct Follow {
    /// Number of the next segment.
    next: Option<u64>,
    /// Length of the last one.
    length: Duration,
    n_behind: u32,
    told: VecDeque<DateRange>,
}

impl Follow {
    /// What `media` has that was not done. A playlist that has ended is heard from its start.
    pub(super) fn tasks(&mut self, media: &Media) -> Vec<Task> {
        let mut tasks = Vec::new();
        let last = media.segments.last().map(|segment| segment.number);
        let is_behind = self.next.is_some_and(|next| last.is_some_and(|last| last.saturating_add(1) < next));
        self.n_behind = if is_behind { self.n_behind + 1 } else { 0 };
        if self.n_behind >= BEHIND_MAX {
            (self.next, self.n_behind) = (None, 0);
            tasks.push(Task::Restart);
        }
        let from = self.next.unwrap_or_else(|| join(media));
        let first = media.segments.first().map_or(from, |segment| segment.number);
        if let Some(n) = first.checked_sub(from).filter(|&n| n > 0) {
            let length = if self.length.is_zero() { media.target } else { self.length };
            let length = length.saturating_mul(u32::try_from(n).unwrap_or(u32::MAX));
            tasks.push(Task::Expired { number: first - 1, length });
        }
        let mut fresh = media.segments.iter().filter(|segment| segment.number >= from).peekable();
        if let Some(joined) = fresh.peek().and_then(|first| first.wall).filter(|_| self.next.is_none()) {
            let over = media.ranges.iter().filter(|range| is_over(range, joined.at)).cloned();
            self.tell(over.collect());
        }
        let mut ranges: Vec<&DateRange> =
            media.ranges.iter().filter(|range| !self.told.contains(range)).collect();
        for segment in fresh {
            let marks = marks(segment, &mut ranges);
            tasks.push(Task::Fetch { segment: segment.clone(), marks });
        }
        tasks
    }

    /// A task was done.
    pub(super) fn done(&mut self, task: &Task, media: &Media) {
        match task {
            Task::Fetch { segment, marks } => {
                (self.next, self.length) = (segment.number.checked_add(1), segment.length);
                let of_mark =
                    |mark: &Mark| media.ranges.iter().find(|range| range.marker == mark.marker).cloned();
                self.tell(marks.iter().filter_map(of_mark).collect());
            }
            Task::Expired { number, .. } => self.next = number.checked_add(1),
            Task::Restart => {}
        }
    }

    fn tell(&mut self, ranges: Vec<DateRange>) {
        self.told.extend(ranges);
        self.told.drain(..self.told.len().saturating_sub(TOLD_MAX));
    }
}

/// The number of the first segment that is heard of a playlist that was not heard before.
fn join(media: &Media) -> u64 {
    let wanted = if media.is_ended { Duration::MAX } else { media.target * TARGETS_FROM_END };
    let mut have = Duration::ZERO;
    let mut from = 0;
    for segment in media.segments.iter().rev() {
        if have >= wanted {
            break;
        }
        have = have.saturating_add(segment.length);
        from = segment.number;
    }
    from
}

/// Whether a range is known to have ended before `at`.
fn is_over(range: &DateRange, at: Timestamp) -> bool {
    let lasts = range.marker.duration.or(range.marker.planned_duration);
    lasts.is_some_and(|lasts| range.start.checked_add(lasts.to_duration()).is_ok_and(|end| end < at))
}

/// What is marked in a segment; takes it from `ranges`. What began before it is told with it.
fn marks(segment: &Segment, ranges: &mut Vec<&DateRange>) -> Vec<Mark> {
    let mut marks: Vec<Mark> =
        segment.marks.iter().map(|marker| Mark { after: 0, marker: marker.clone() }).collect();
    let Some(wall) = segment.wall else { return marks };
    ranges.retain(|range| {
        let after =
            range.start.duration_since(wall.at).as_nanos() * i128::from(FLICKS_PER_SECOND) / 1_000_000_000;
        if after >= i128::from(media_time(segment.length).flicks()) {
            return true;
        }
        marks.extend(i64::try_from(after).map(|after| Mark { after, marker: range.marker.clone() }));
        false
    });
    marks
}

/// A mark's place, when the segment that it comes with begins at `here`.
pub(in crate::ingest) fn place(here: MediaTime, after: i64) -> MediaTime {
    let by = MediaTime::from_flicks(after.unsigned_abs());
    if after < 0 { here.saturating_sub(by) } else { here + by }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::super::playlist::{Playlist, parse};
    use super::*;

    /// A playlist of segments `numbers`, with `lines` before the first.
    fn media(numbers: std::ops::Range<u64>, lines: &str) -> Media {
        let segments: String = numbers.clone().map(|n| format!("#EXTINF:6,\n{n}.ts\n")).collect();
        let text = format!(
            "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXT-X-MEDIA-SEQUENCE:{}\n{lines}\n{segments}",
            numbers.start
        );
        let Playlist::Media(media) = parse(&text).unwrap() else { panic!() };
        media
    }

    fn take(follow: &mut Follow, media: &Media) -> Vec<String> {
        let tasks = follow.tasks(media);
        let shown = tasks.iter().map(|task| match task {
            Task::Fetch { segment, marks } if marks.is_empty() => format!("{}", segment.number),
            Task::Fetch { segment, marks } => {
                let marks: Vec<_> = marks.iter().map(|mark| mark.after / 705_600).collect();
                format!("{} {marks:?}", segment.number)
            }
            Task::Expired { length, .. } => format!("expired {length:?}"),
            Task::Restart => "restart".to_owned(),
        });
        let shown = shown.collect();
        tasks.iter().for_each(|task| follow.done(task, media));
        shown
    }

    #[test]
    fn a_live_playlist_is_joined_near_its_end_and_each_segment_is_heard_once() {
        let mut follow = Follow::default();
        assert_eq!(take(&mut follow, &media(40..50, "")), ["47", "48", "49"]);
        assert!(take(&mut follow, &media(40..50, "")).is_empty());
        assert_eq!(take(&mut follow, &media(42..52, "")), ["50", "51"]);
        assert!(take(&mut follow, &media(40..50, "")).is_empty(), "a cache that is behind");
        assert_eq!(take(&mut follow, &media(55..57, "")), ["expired 18s", "55", "56"]);
        assert_eq!(take(&mut Follow::default(), &media(0..2, "")), ["0", "1"]);
    }

    #[test]
    fn a_recording_is_heard_from_its_start() {
        assert_eq!(take(&mut Follow::default(), &media(7..14, "#EXT-X-ENDLIST")).len(), 7);
        let mut follow = Follow::default();
        let ended = media(0..4, "#EXT-X-ENDLIST");
        assert_eq!(take(&mut follow, &ended).len(), 4);
        assert!(take(&mut follow, &ended).is_empty());
    }

    #[test]
    fn numbers_that_begin_again_are_believed_in_the_end() {
        let mut follow = Follow::default();
        take(&mut follow, &media(4_000..4_005, ""));
        let again = media(0..5, "");
        assert!(take(&mut follow, &again).is_empty() && take(&mut follow, &again).is_empty());
        assert_eq!(take(&mut follow, &again), ["restart", "2", "3", "4"]);
        assert!(take(&mut follow, &again).is_empty());
    }

    #[test]
    fn ranges_are_told_once_with_the_segment_that_they_begin_in() {
        let date = |secs: u32| format!("2026-11-23T04:00:{secs:02}Z");
        let range = |id: &str, at: u32, more: &str| {
            format!("#EXT-X-DATERANGE:ID=\"{id}\",START-DATE=\"{}\"{more}\n", date(at))
        };
        let wall = format!("#EXT-X-PROGRAM-DATE-TIME:{}\n", date(10));
        let mut follow = Follow::default();
        let lines = [
            wall.clone(),
            range("over", 1, ",DURATION=5"),
            range("began", 8, ",DURATION=60"),
            range("second", 17, ""),
            range("later", 30, ""),
        ];
        assert_eq!(take(&mut follow, &media(0..3, &lines.concat())), ["0 [-2000]", "1 [1000]", "2"]);
        assert_eq!(take(&mut follow, &media(0..4, &lines.concat())), ["3 [2000]"]);
        let more = [wall, range("second", 17, ",DURATION=9"), range("later", 30, "")];
        assert_eq!(take(&mut follow, &media(0..5, &more.concat())), ["4 [-17000]"], "it says more");
        assert_eq!(place(MediaTime::from_secs(1), -2 * 705_600_000), MediaTime::ZERO);
    }
}
