//! Encoders that go away and come back.

use std::io::Write;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use engine::event::{FeedState, GapReason};

use crate::manners::mp3;
use crate::rig::{BASIC, Rig};
use crate::support::hear_until;

/// A gap may be longer or shorter than the encoder was away by this.
const TOLERANCE: Duration = Duration::from_millis(100);

/// The encoder is away for so long.
fn away(length: Duration) {
    let (_nobody, answers) = sync_channel::<()>(0);
    assert_eq!(answers.recv_timeout(length), Err(RecvTimeoutError::Timeout));
}

/// Half of the audio is sent, the connection lost by `lose`, and the rest sent by another one.
fn check_return(rig: &mut Rig, first: std::net::TcpStream, lose: impl FnOnce(std::net::TcpStream)) {
    // 418 bytes a packet, but for some of 417: a cut within one costs that one.
    let (half, rest) = mp3().split_at(mp3().len() / 2);
    let mut first = first;
    first.write_all(half).unwrap();
    let left_at = Instant::now();
    let before = hear_until(&mut rig.audio, |heard| heard.n_frames() > 215_000);
    lose(first);
    away(Duration::from_millis(600));
    let mut second = rig.encoder();
    let truth = left_at.elapsed();
    second.write_all(rest).unwrap();
    let after = hear_until(&mut rig.audio, |heard| heard.n_frames() > 215_000);
    use FeedState::{Connected, Live, Reconnecting, Stalled};
    let states: Vec<_> = after.states().into_iter().filter(|state| *state != Stalled).collect();
    assert_eq!(states, [Reconnecting, Connected, Live]);
    let [(span, gap)] = after.gaps.as_slice() else { panic!("{:?}", after.gaps) };
    assert_eq!((gap.frames, gap.reason), (0, GapReason::Disconnect));
    assert!(span.duration().to_duration().abs_diff(truth) < TOLERANCE, "{span:?}, it was {truth:?}");
    assert!(before.n_frames() + after.n_frames() <= 442_000, "nothing is heard twice");
    assert!(before.gaps.is_empty(), "{:?}", before.gaps);
}

#[test]
fn the_time_without_an_encoder_is_a_gap() {
    let mut rig = Rig::usual();
    let first = rig.encoder();
    check_return(&mut rig, first, drop);
}

/// An answer that is not read makes the system reset the connection.
#[test]
fn an_encoder_that_crashes_is_no_different() {
    let mut rig = Rig::usual();
    let mut first = rig.connect();
    first.write_all(format!("SOURCE /live HTTP/1.0\r\n{BASIC}\r\n").as_bytes()).unwrap();
    assert_eq!(first.peek(&mut [0]).unwrap(), 1);
    check_return(&mut rig, first, drop);
}

#[test]
fn an_encoder_that_falls_silent_is_stalled_and_goes_on() {
    let mut rig = Rig::usual();
    let mut encoder = rig.encoder();
    let (half, rest) = mp3().split_at(mp3().len() / 2);
    encoder.write_all(half).unwrap();
    let before = hear_until(&mut rig.audio, |heard| heard.states().contains(&FeedState::Stalled));
    encoder.write_all(rest).unwrap();
    drop(encoder);
    let after = hear_until(&mut rig.audio, |heard| heard.states().contains(&FeedState::Reconnecting));
    assert_eq!(after.states(), [FeedState::Live, FeedState::Reconnecting]);
    assert!(after.gaps.is_empty() && before.n_frames() + after.n_frames() >= 440_000, "nothing is lost");
}
