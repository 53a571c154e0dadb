//! MPEG transport streams (ISO/IEC 13818-1): the audio of a whole segment, and its time. Bytes in, bytes out; decodes nothing.
//!
//! Of a program the first audio that can be decoded is taken: AAC with ADTS headers or MPEG audio. What is damaged is left out;
//! the decoder finds its way again, and the time stamps of the next segment say what is missing.

use thiserror::Error;

/// Bytes of a packet.
const PACKET: usize = 188;
/// First byte of a packet.
const SYNC: u8 = 0x47;
/// Longest section that is read, bytes (2.4.4.3: 1021 behind the first three).
const SECTION_MAX: usize = 1_024;
/// Ticks of a time stamp in a second.
pub(super) const TICKS_PER_SECOND: u32 = 90_000;
/// Time stamps start again after this many ticks.
pub(super) const TICKS: u64 = 1 << 33;

/// What a segment holds that can be heard.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Elementary {
    pub(super) kind: Kind,
    pub(super) bytes: Vec<u8>,
    /// Time of the first audio, ticks.
    pub(super) start: Option<u64>,
    /// Time of the first picture, where there is one.
    pub(super) picture: Option<u64>,
}

/// Kinds of audio that can be decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    /// AAC with ADTS headers.
    #[default]
    Adts,
    /// MPEG audio, layers 1 to 3.
    Mpeg,
}

/// Why nothing can be heard of a segment.
#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum TsError {
    #[error("a transport stream without a program table")]
    NoProgram,
    #[error("a transport stream with {0}, expected aac (ADTS) or MPEG audio")]
    NoAudio(&'static str),
    #[error("a scrambled transport stream")]
    Scrambled,
}

/// Whether `bytes` begin with packets of a transport stream.
pub(super) fn is_transport_stream(bytes: &[u8]) -> bool {
    let syncs = bytes.iter().step_by(PACKET).take(3);
    bytes.len() >= PACKET && syncs.clone().all(|&byte| byte == SYNC)
}

/// The audio of a segment.
pub(super) fn demux(mut bytes: &[u8]) -> Result<Elementary, TsError> {
    let mut demux = Demux::default();
    while let Some((packet, rest)) = bytes.split_at_checked(PACKET) {
        if packet.first() == Some(&SYNC) {
            demux.packet(packet)?;
            bytes = rest;
        } else {
            // Lost: to the next byte that begins two packets, or is the last one's.
            let mut starts = 1..bytes.len();
            let is_start = |&at: &usize| {
                bytes.get(at) == Some(&SYNC) && bytes.get(at + PACKET).is_none_or(|&byte| byte == SYNC)
            };
            bytes = starts.find(is_start).and_then(|at| bytes.get(at..)).unwrap_or(&[]);
        }
    }
    demux.finish()
}

#[derive(Default)]
struct Demux {
    tables: Section,
    map: Section,
    map_pid: Option<u16>,
    streams: Option<Streams>,
    audio: Pes,
    picture: Option<u64>,
}

/// What a program is made of.
#[derive(Clone, Copy, Debug, Default)]
struct Streams {
    audio: Option<(u16, Kind)>,
    video: Option<u16>,
    /// What other audio is in it.
    other: Option<&'static str>,
}

impl Demux {
    /// 2.4.3.2.
    fn packet(&mut self, packet: &[u8]) -> Result<(), TsError> {
        let Some((&[_, second, third, fourth], mut payload)) = packet.split_first_chunk::<4>() else {
            return Ok(());
        };
        let pid = u16::from_be_bytes([second & 0x1f, third]);
        let (is_broken, is_start) = (second & 0x80 != 0, second & 0x40 != 0);
        if fourth & 0x20 != 0 {
            let len = payload.first().map_or(0, |&len| usize::from(len) + 1);
            payload = payload.get(len..).unwrap_or(&[]);
        }
        if is_broken || fourth & 0x10 == 0 {
            return Ok(());
        }
        let streams = self.streams.unwrap_or_default();
        if fourth & 0xc0 != 0 && streams.audio.is_some_and(|(audio, _)| audio == pid) {
            return Err(TsError::Scrambled);
        }
        if pid == 0 {
            self.map_pid =
                self.tables.take(payload, is_start).and_then(|table| program(&table)).or(self.map_pid);
        } else if self.map_pid == Some(pid) {
            self.streams = self.map.take(payload, is_start).map(|table| streams_of(&table)).or(self.streams);
        } else if streams.audio.is_some_and(|(audio, _)| audio == pid) {
            self.audio.take(payload, is_start);
        } else if streams.video == Some(pid) && is_start && self.picture.is_none() {
            self.picture = pes(payload).and_then(|(time, _)| time);
        }
        Ok(())
    }

    fn finish(self) -> Result<Elementary, TsError> {
        let streams = self.streams.ok_or(TsError::NoProgram)?;
        let (_, kind) = streams.audio.ok_or(TsError::NoAudio(streams.other.unwrap_or("no audio")))?;
        Ok(Elementary { kind, bytes: self.audio.bytes, start: self.audio.start, picture: self.picture })
    }
}

/// A table, put together from packets.
#[derive(Default)]
struct Section(Vec<u8>);

impl Section {
    /// More of it; answers with it once it is whole: from its first byte on, without its checksum.
    fn take(&mut self, payload: &[u8], is_start: bool) -> Option<Vec<u8>> {
        let part = if is_start {
            self.0.clear();
            let pointer = usize::from(*payload.first()?);
            payload.get(1 + pointer..)?
        } else if self.0.is_empty() {
            return None;
        } else {
            payload
        };
        let room = SECTION_MAX.saturating_sub(self.0.len());
        self.0.extend_from_slice(part.get(..room).unwrap_or(part));
        let len = usize::from(u16::from_be_bytes([self.0.get(1)? & 0x0f, *self.0.get(2)?]));
        let whole = self.0.get(..(3 + len).checked_sub(4)?)?.to_vec();
        // It must all be here, its checksum too.
        if self.0.len() < 3 + len {
            return None;
        }
        self.0.clear();
        Some(whole)
    }
}

/// 2.4.4.3: the place of the map of the first program.
fn program(table: &[u8]) -> Option<u16> {
    let programs = table.get(8..)?.chunks_exact(4).filter_map(|entry| entry.first_chunk::<4>());
    let mut programs = programs.filter(|[a, b, ..]| u16::from_be_bytes([*a, *b]) != 0);
    programs.next().map(|&[_, _, c, d]| u16::from_be_bytes([c & 0x1f, d]))
}

/// 2.4.4.8: what a program is made of.
fn streams_of(table: &[u8]) -> Streams {
    let mut streams = Streams::default();
    let info_len = |high: u8, low: u8| usize::from(u16::from_be_bytes([high & 0x0f, low]));
    let Some(&[high, low]) = table.get(10..).and_then(|rest| rest.first_chunk::<2>()) else { return streams };
    let mut rest = table.get(12 + info_len(high, low)..).unwrap_or(&[]);
    while let Some((&[kind, a, b, c, d], after)) = rest.split_first_chunk::<5>() {
        let pid = u16::from_be_bytes([a & 0x1f, b]);
        // Table 2-34, and what Apple and ATSC have added.
        match kind {
            0x0f => streams.audio = streams.audio.or(Some((pid, Kind::Adts))),
            0x03 | 0x04 => streams.audio = streams.audio.or(Some((pid, Kind::Mpeg))),
            0x01 | 0x02 | 0x10 | 0x1b | 0x24 | 0x33 => streams.video = streams.video.or(Some(pid)),
            0x11 => streams.other = Some("aac (LATM)"),
            0x81 | 0xc1 => streams.other = Some("ac-3 audio"),
            0x87 | 0xc2 => streams.other = Some("e-ac-3 audio"),
            0xcf => streams.other = Some("encrypted aac"),
            0x06 => streams.other = streams.other.or(Some("private data")),
            _ => {}
        }
        rest = after.get(info_len(c, d)..).unwrap_or(&[]);
    }
    streams
}

/// The audio, put together from packets.
#[derive(Default)]
struct Pes {
    bytes: Vec<u8>,
    start: Option<u64>,
    is_begun: bool,
}

impl Pes {
    fn take(&mut self, payload: &[u8], is_start: bool) {
        if !is_start {
            // The end of what began in the segment before is not here.
            if self.is_begun {
                self.bytes.extend_from_slice(payload);
            }
            return;
        }
        let Some((time, audio)) = pes(payload) else { return };
        if !self.is_begun {
            (self.is_begun, self.start) = (true, time);
        }
        self.bytes.extend_from_slice(audio);
    }
}

/// 2.4.3.7: time of presentation and what follows the header.
fn pes(payload: &[u8]) -> Option<(Option<u64>, &[u8])> {
    let (&[0, 0, 1, _, _, _, _, flags, header_len], rest) = payload.split_first_chunk::<9>()? else {
        return None;
    };
    let (header, audio) = rest.split_at_checked(usize::from(header_len))?;
    let time = header.first_chunk::<5>().filter(|_| flags & 0x80 != 0).map(|&[a, b, c, d, e]| {
        let [a, b, c, d, e] = [a, b, c, d, e].map(u64::from);
        (a >> 1 & 0x07) << 30 | b << 22 | (c >> 1) << 15 | d << 7 | e >> 1
    });
    Some((time, audio))
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A packet of `pid` with `payload`, stuffed where that is short.
    fn packet(pid: u16, is_start: bool, payload: &[u8]) -> Vec<u8> {
        let [high, low] = pid.to_be_bytes();
        let stuffing = 184 - payload.len();
        let mut packet =
            vec![SYNC, high | if is_start { 0x40 } else { 0 }, low, if stuffing > 0 { 0x30 } else { 0x10 }];
        if stuffing > 0 {
            packet.push(u8::try_from(stuffing - 1).unwrap());
            packet.extend(std::iter::repeat_n(0, stuffing - 1));
        }
        packet.extend(payload);
        packet
    }

    fn section(id: u8, body: &[u8]) -> Vec<u8> {
        let len = u8::try_from(body.len() + 9).unwrap();
        [&[0, id, 0xb0, len, 0, 1, 0xc1, 0, 0], body, &[0; 4]].concat()
    }

    fn with_time(ticks: u64, audio: &[u8]) -> Vec<u8> {
        let byte =
            |shift: u64, mask: u64, low: u64| u8::try_from((ticks >> shift & mask) << 1 | low).unwrap();
        let high = u8::try_from(ticks >> 22 & 0xff).unwrap();
        let low = u8::try_from(ticks >> 7 & 0xff).unwrap();
        let time = [0x20 | byte(30, 7, 1), high, byte(15, 0x7f, 1), low, byte(0, 0x7f, 1)];
        [&[0, 0, 1, 0xc0, 0, 0, 0x80, 0x80, 5], &time[..], audio].concat()
    }

    /// A segment with streams of these (type, pid), and `packets` behind the tables.
    fn segment(streams: &[(u8, u16)], packets: &[Vec<u8>]) -> Vec<u8> {
        let mut map = vec![0xe1, 0x00, 0xf0, 0x00];
        for (kind, pid) in streams {
            let [high, low] = pid.to_be_bytes();
            map.extend([*kind, 0xe0 | high, low, 0xf0, 2, 0xaa, 0xbb]);
        }
        let tables = [
            packet(0, true, &section(0, &[0, 0, 0xe0, 0x1f, 0, 1, 0xf0, 0x00])),
            packet(0x1000, true, &section(2, &map)),
        ];
        tables.iter().chain(packets).flatten().copied().collect()
    }

    /// A segment of ADTS audio at `ticks`, for other tests.
    pub(in crate::ingest::hls) fn adts_segment(ticks: u64, audio: &[u8]) -> Vec<u8> {
        let packets: Vec<_> = audio
            .chunks(170)
            .enumerate()
            .map(|(n, part)| {
                packet(0x101, n == 0, &if n == 0 { with_time(ticks, part) } else { part.to_vec() })
            })
            .collect();
        segment(&[(0x0f, 0x101)], &packets)
    }

    #[test]
    fn the_audio_of_a_program_is_put_together() {
        let last = TICKS - 1;
        let bytes = segment(
            &[(0x1b, 0x100), (0x81, 0x102), (0x03, 0x101), (0x0f, 0x103)],
            &[
                packet(0x101, false, b"before"),
                packet(0x100, true, &with_time(900, b"picture")),
                packet(0x101, true, &with_time(last, b"abc")),
                packet(0x103, true, &with_time(1, b"other")),
                packet(0x101, false, b"def"),
                packet(0x1fff, false, b"nothing"),
                packet(0x100, true, &with_time(1_800, b"picture")),
                packet(0x101, true, &with_time(7, &[9; 170])),
            ],
        );
        assert!(is_transport_stream(&bytes));
        let expected = Elementary {
            kind: Kind::Mpeg,
            bytes: [&b"abcdef"[..], &[9; 170]].concat(),
            start: Some(last),
            picture: Some(900),
        };
        assert_eq!(demux(&bytes), Ok(expected));
    }

    #[test]
    fn tables_may_go_over_several_packets() {
        let streams: Vec<_> = (0..30).map(|n| (0x1b, 0x200 + n)).chain([(0x0f, 0x101)]).collect();
        let mut map = vec![0xe1, 0x00, 0xf0, 0x00];
        for (kind, pid) in streams {
            let [high, low] = u16::to_be_bytes(pid);
            map.extend([kind, 0xe0 | high, low, 0xf0, 0]);
        }
        let table = section(2, &map);
        let (first, second) = table.split_at(100);
        let bytes = [
            packet(0, true, &section(0, &[0, 1, 0xf0, 0x00])),
            packet(0x1000, true, first),
            packet(0x1000, false, second),
            packet(0x101, true, &with_time(5, b"abc")),
        ]
        .concat();
        assert_eq!(demux(&bytes).unwrap().bytes, b"abc");
    }

    #[test]
    fn what_is_between_packets_is_skipped() {
        let whole = segment(&[(0x0f, 0x101)], &[packet(0x101, true, &with_time(5, b"abc"))]);
        let (tables, audio) = whole.split_at(2 * PACKET);
        let torn = [&b"junk G "[..], tables, b"more G junk", audio, &audio[..100]].concat();
        assert_eq!(demux(&torn).unwrap(), demux(&whole).unwrap());
    }

    #[test]
    fn what_cannot_be_heard_is_named() {
        let message = |bytes: &[u8]| demux(bytes).unwrap_err().to_string();
        assert_eq!(message(&[]), "a transport stream without a program table");
        let expected = "a transport stream with ac-3 audio, expected aac (ADTS) or MPEG audio";
        assert_eq!(message(&segment(&[(0x1b, 0x100), (0x81, 0x101)], &[])), expected);
        assert!(message(&segment(&[(0x1b, 0x100)], &[])).contains("with no audio"));
        let mut scrambled = packet(0x101, true, &with_time(5, b"abc"));
        scrambled[3] |= 0x80;
        assert_eq!(message(&segment(&[(0x0f, 0x101)], &[scrambled])), "a scrambled transport stream");
    }

    #[test]
    fn any_bytes_come_to_an_end() {
        let whole = adts_segment(77, &[1; 600]);
        let mut state = 1_u32;
        for round in 0..2_000 {
            let mut bytes = whole.clone();
            for _ in 0..8 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let at = state as usize % bytes.len();
                bytes[at] = (state >> 24) as u8;
            }
            bytes.truncate(state as usize % (bytes.len() + 1));
            let found = demux(&bytes);
            assert!(found.map_or(0, |found| found.bytes.len()) <= bytes.len(), "{round}");
        }
        // Nothing but bytes that look like the start of a packet.
        assert_eq!(demux(&vec![SYNC; 100_000]), Err(TsError::NoProgram));
    }
}
