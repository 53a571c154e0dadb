#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
//! Frames survive exactly, and nothing else gets through.

use models::Word;

use super::*;

fn heard() -> Transcription {
    let mut heard = Transcription {
        language: "de".into(),
        no_speech_probability: 0.062_5,
        mean_log_probability: -0.3,
        n_tokens: 7,
        audio_context: 512,
        ..Transcription::default()
    };
    heard.push_word("Grüße,", 160..4_000, 0.1 + 0.2);
    heard.push_word("Welt.", 4_000..16_000, f32::MIN_POSITIVE / 2.0);
    heard
}

fn request(pcm: &[f32]) -> Vec<u8> {
    let options = DecodeOptions { audio_context: Some(768), language: Some("de"), beam_size: 5 };
    let mut out = Vec::new();
    put_request(u64::MAX - 1, &options, pcm, &mut out);
    out
}

fn answer(outcome: Result<&Transcription, &str>) -> Vec<u8> {
    let mut out = Vec::new();
    put_answer(7, 123_456, outcome, &mut out);
    out
}

fn ready() -> Vec<u8> {
    let mut out = Vec::new();
    let ready = Ready { model: "tiny.en-q8_0".into(), is_multilingual: true, load_ms: 152 };
    put_ready(&ready, &mut out);
    out
}

/// What `bytes` say, by both readers.
fn message(bytes: &[u8]) -> Result<Option<Message>, FrameError> {
    let parsed = parse(bytes);
    let read = read(&mut &*bytes, &mut Vec::new());
    match (&parsed, &read) {
        (Ok(Some((parsed, n_bytes))), Ok(Some(read))) => {
            // By its bits: NaN is what it is.
            assert_eq!((format!("{parsed:?}"), *n_bytes), (format!("{read:?}"), bytes.len()));
        }
        (Ok(None), Ok(None) | Err(FrameError::Truncated { .. })) => {}
        (Err(parsed), Err(read)) => assert_eq!(parsed.to_string(), read.to_string()),
        other => panic!("the readers differ: {other:?}"),
    }
    Ok(parsed?.map(|(message, _)| message))
}

#[test]
fn messages_survive_exactly() {
    let pcm = [0.0, -0.0, 1.0, f32::MIN_POSITIVE, -0.123_456_79];
    let Some(Message::Request { id, options, pcm: read }) = message(&request(&pcm)).unwrap() else {
        panic!("a request")
    };
    assert_eq!((id, options.audio_context, options.beam_size), (u64::MAX - 1, Some(768), 5));
    assert_eq!(options.language, Some("de"));
    assert_eq!(read.map_bits(), pcm.map_bits());
    let expected = Message::Answer { id: 7, decode_us: 123_456, outcome: Ok(heard()) };
    assert_eq!(message(&answer(Ok(&heard()))).unwrap(), Some(expected));
    let expected = Message::Answer { id: 7, decode_us: 123_456, outcome: Err("it fell".into()) };
    assert_eq!(message(&answer(Err("it fell"))).unwrap(), Some(expected));
    let ready_said = Ready { model: "tiny.en-q8_0".into(), is_multilingual: true, load_ms: 152 };
    assert_eq!(message(&ready()).unwrap(), Some(Message::Ready(ready_said)));
    let mut plain = Vec::new();
    let options = DecodeOptions { language: None, ..DecodeOptions::default() };
    put_request(1, &options, &[], &mut plain);
    assert_eq!(message(&plain).unwrap(), Some(Message::Request { id: 1, options, pcm: Vec::new() }));
}

trait Bits {
    fn map_bits(&self) -> Vec<u32>;
}

impl<T: AsRef<[f32]>> Bits for T {
    fn map_bits(&self) -> Vec<u32> {
        self.as_ref().iter().map(|sample| sample.to_bits()).collect()
    }
}

#[test]
fn thirty_seconds_fit_and_no_more() {
    assert!(message(&request(&vec![0.5; 480_000])).unwrap().is_some());
    let error = message(&request(&vec![0.5; 480_016])).unwrap_err().to_string();
    assert_eq!(error, format!("a frame of {} bytes, expected 1 to 1920064", 480_016 * 4 + 23));
}

#[test]
fn truncated_frames_are_incomplete() {
    for frame in [ready(), request(&[0.5; 3]), answer(Ok(&heard())), answer(Err("no"))] {
        for n_bytes in 0..frame.len() {
            assert!(matches!(message(&frame[..n_bytes]), Ok(None)), "{n_bytes} bytes");
        }
    }
}

#[test]
fn every_flipped_bit_is_noticed() {
    for frame in [ready(), request(&[0.5; 3]), answer(Ok(&heard()))] {
        for bit in 0..frame.len() * 8 {
            let mut altered = frame.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            // A longer length waits for bytes that never come.
            assert!(matches!(message(&altered), Ok(None) | Err(_)), "bit {bit}");
        }
    }
}

/// With the right checksum, as a process that lost its mind would send it.
fn sealed(body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32).to_le_bytes(), &crc32fast::hash(body).to_le_bytes(), body].concat()
}

#[test]
fn sealed_nonsense_is_an_error_and_never_more() {
    for frame in [ready(), request(&[0.5; 3]), answer(Ok(&heard())), answer(Err("no"))] {
        let body = &frame[HEAD_BYTES..];
        for idx in 0..body.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut altered = body.to_vec();
                altered[idx] = value;
                if let Ok(Some(Message::Answer { outcome: Ok(heard), .. })) = message(&sealed(&altered)) {
                    assert!(heard.words.iter().all(|word| heard.text.get(word.text.clone()).is_some()));
                }
            }
        }
        // The audio of a request may have any number of samples, everything else has its length.
        let cuts = (1..body.len()).filter(|n_bytes| body[0] != REQUEST || (body.len() - n_bytes) % 4 != 0);
        for n_bytes in cuts {
            assert!(message(&sealed(&body[..n_bytes])).is_err(), "{n_bytes} bytes");
        }
        assert!(message(&sealed(&[body, b"x"].concat())).is_err());
    }
}

#[test]
fn what_makes_no_sense_is_named() {
    let check = |spoil: &dyn Fn(&mut Transcription), expected: &str| {
        let mut heard = heard();
        spoil(&mut heard);
        let error = message(&answer(Ok(&heard))).unwrap_err().to_string();
        assert_eq!(error, format!("a frame whose {expected} makes no sense"));
    };
    check(&|heard| heard.words[1].text.end = 15, "text of a word");
    check(&|heard| heard.words[0].text.end = 3, "text of a word");
    check(&|heard| heard.words[0].text = usize::MAX..usize::MAX, "text of a word");
    check(&|heard| heard.words[1].span = Word::clone(&heard.words[1]).span.end..0, "span of a word");
    check(&|heard| heard.words[0].probability = f32::NAN, "probability of a word");
    check(&|heard| heard.mean_log_probability = f32::NEG_INFINITY, "mean log probability");
    for (bytes, expected) in [(&[9][..], "type"), (&[ANSWER], "id"), (&[READY, 0, 0, 0, 0, 2], "languages")] {
        let error = message(&sealed(bytes)).unwrap_err().to_string();
        assert_eq!(error, format!("a frame whose {expected} makes no sense"));
    }
    let error = message(&[0; 8]).unwrap_err().to_string();
    assert_eq!(error, "a frame of 0 bytes, expected 1 to 1920064");
}

#[test]
fn a_frame_is_parsed_from_among_others() {
    let two = [ready(), answer(Err("no"))].concat();
    let (_, n_bytes) = parse(&two).unwrap().unwrap();
    assert_eq!(n_bytes, ready().len());
    let mut input = &*two;
    assert!(matches!(read(&mut input, &mut Vec::new()), Ok(Some(Message::Ready(_)))));
    assert!(matches!(read(&mut input, &mut Vec::new()), Ok(Some(Message::Answer { .. }))));
    assert!(matches!(read(&mut input, &mut Vec::new()), Ok(None)));
}
