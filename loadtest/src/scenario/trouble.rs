//! Disturbances as they are written: `stall 5s`, `jitter 300ms for 30s`, `drift -200ppm at 1m on 50%`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::duration::{parse_duration, show_duration};
use super::suggest::nearest;
use super::{Disturbance, Trouble};

/// How every kind is written.
const FORMS: [(&str, &str); 12] = [
    ("stall", "stall 5s"),
    ("burst", "burst 5s"),
    ("disconnect", "disconnect"),
    ("jitter", "jitter 300ms for 30s"),
    ("scramble", "scramble 2% for 30s"),
    ("garbage", "garbage 3s"),
    ("change", "change"),
    ("drift", "drift 200ppm"),
    ("slow-sink", "slow-sink 10s"),
    ("full-disk", "full-disk 20s"),
    ("freeze", "freeze 3s"),
    ("kill", "kill"),
];

impl FromStr for Trouble {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let (kind, rest) = words.split_first().ok_or_else(|| format!("nothing, expected {}", all_forms()))?;
        let form = FORMS.into_iter().find(|(name, _)| name == kind).map(|(_, form)| form);
        let form = form.ok_or_else(|| unknown(kind))?;
        let wrong = |why: String| format!("\"{text}\": {why}, expected for example \"{form}\"");
        read(kind, rest).map_err(wrong)
    }
}

fn read(kind: &str, rest: &[&str]) -> Result<Trouble, String> {
    Ok(match (kind, rest) {
        ("disconnect", []) => Trouble::Disconnect,
        ("change", []) => Trouble::Change,
        ("kill", []) => Trouble::Kill,
        ("drift", [by]) => Trouble::Drift(parts_per_million(by)?),
        ("jitter", [by, "for", length]) => Trouble::Jitter { by: some(by)?, length: some(length)? },
        ("scramble", [share, "for", length]) => {
            Trouble::Scramble { probability: parse_share(share)?, length: some(length)? }
        }
        ("stall", [length]) => Trouble::Stall(some(length)?),
        ("burst", [length]) => Trouble::Burst(some(length)?),
        ("garbage", [length]) => Trouble::Garbage(some(length)?),
        ("slow-sink", [length]) => Trouble::SlowSink(some(length)?),
        ("full-disk", [length]) => Trouble::FullDisk(some(length)?),
        ("freeze", [length]) => Trouble::Freeze(some(length)?),
        _ => return Err("cannot be read".to_owned()),
    })
}

/// A duration that is not zero.
fn some(text: &str) -> Result<Duration, String> {
    match parse_duration(text)? {
        Duration::ZERO => Err("no time at all".to_owned()),
        duration => Ok(duration),
    }
}

/// Largest clock error that is played: a hundred times that of a bad crystal.
const PPM_MAX: i32 = 20_000;

fn parts_per_million(text: &str) -> Result<i32, String> {
    let number = text.strip_suffix("ppm").and_then(|number| number.parse().ok());
    let number = number.ok_or_else(|| format!("\"{text}\" is no clock error"))?;
    if (-PPM_MAX..=PPM_MAX).contains(&number) && number != 0 {
        Ok(number)
    } else {
        Err(format!("{number}ppm is not within +-{PPM_MAX}ppm, or zero"))
    }
}

/// A share above 0: `2%`, `0.02`.
pub(super) fn parse_share(text: &str) -> Result<f64, String> {
    let number = match text.strip_suffix('%') {
        Some(percent) => percent.trim_end().parse::<f64>().map(|percent| percent / 100.0),
        None => text.parse(),
    };
    match number {
        Ok(share) if share > 0.0 && share <= 1.0 => Ok(share),
        _ => Err(format!("\"{text}\", expected a share such as 50% or 0.5")),
    }
}

fn unknown(kind: &str) -> String {
    match nearest(kind, FORMS.iter().map(|(name, _)| *name)) {
        Some(meant) => format!("\"{kind}\" is no trouble; did you mean \"{meant}\"?"),
        None => format!("\"{kind}\" is no trouble, expected {}", all_forms()),
    }
}

fn all_forms() -> String {
    let forms: Vec<String> = FORMS.iter().map(|(_, form)| format!("\"{form}\"")).collect();
    forms.join(", ")
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lasting = |kind: &str, length: &Duration| format!("{kind} {}", show_duration(*length));
        let text = match self {
            Self::Stall(length) => lasting("stall", length),
            Self::Burst(length) => lasting("burst", length),
            Self::Disconnect => "disconnect".to_owned(),
            Self::Jitter { by, length } => {
                format!("jitter {} for {}", show_duration(*by), show_duration(*length))
            }
            Self::Scramble { probability, length } => {
                format!("scramble {}% for {}", percent(*probability), show_duration(*length))
            }
            Self::Garbage(length) => lasting("garbage", length),
            Self::Change => "change".to_owned(),
            Self::Drift(by) => format!("drift {by}ppm"),
            Self::SlowSink(length) => lasting("slow-sink", length),
            Self::FullDisk(length) => lasting("full-disk", length),
            Self::Freeze(length) => lasting("freeze", length),
            Self::Kill => "kill".to_owned(),
        };
        f.write_str(&text)
    }
}

/// To a millionth, without the noise of binary fractions.
fn percent(share: f64) -> f64 {
    (share * 1e8).round() / 1e6
}

/// `TROUBLE at DURATION [on SHARE]`; all feeds unless it says.
impl FromStr for Disturbance {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (rest, share) = match text.rsplit_once(" on ") {
            Some((rest, share)) => (rest, parse_share(share.trim())?),
            None => (text, 1.0),
        };
        let (trouble, at) = rest.rsplit_once(" at ").ok_or_else(|| {
            format!("\"{text}\" does not say when, expected for example \"stall 5s at 30s on 50%\"")
        })?;
        Ok(Self { at: parse_duration(at)?, trouble: trouble.parse()?, share })
    }
}

impl fmt::Display for Disturbance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.trouble, show_duration(self.at))?;
        if self.share < 1.0 { write!(f, " on {}%", percent(self.share)) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_trouble_is_written_as_it_is_read() {
        for (_, form) in FORMS {
            assert_eq!(form.parse::<Trouble>().unwrap().to_string(), form);
        }
        let jitter = Trouble::Jitter { by: Duration::from_millis(300), length: Duration::from_secs(30) };
        assert_eq!("jitter 0.3s for 30s".parse(), Ok(jitter));
        assert_eq!("drift -200ppm".parse(), Ok(Trouble::Drift(-200)));
        assert_eq!("freeze 3s".parse(), Ok(Trouble::Freeze(Duration::from_secs(3))));
    }

    #[test]
    fn what_is_no_trouble_is_told_with_what_would_be() {
        let check = |text: &str, expected: &str| assert_eq!(text.parse::<Trouble>().unwrap_err(), expected);
        check("stal 5s", "\"stal\" is no trouble; did you mean \"stall\"?");
        check(
            "stall 5",
            "\"stall 5\": \"5\", expected a duration such as 300ms, 5s, 2m or 1.5h, expected for example \"stall 5s\"",
        );
        check("stall 0s", "\"stall 0s\": no time at all, expected for example \"stall 5s\"");
        check(
            "jitter 300ms",
            "\"jitter 300ms\": cannot be read, expected for example \"jitter 300ms for 30s\"",
        );
        check("kill 3s", "\"kill 3s\": cannot be read, expected for example \"kill\"");
        check(
            "drift 1000000ppm",
            "\"drift 1000000ppm\": 1000000ppm is not within +-20000ppm, or zero, expected for example \"drift 200ppm\"",
        );
        assert!("".parse::<Trouble>().is_err() && "scramble 200% for 3s".parse::<Trouble>().is_err());
    }

    #[test]
    fn a_disturbance_says_when_and_whom() {
        let text = "scramble 2% for 20s at 1m on 50%";
        let disturbance: Disturbance = text.parse().unwrap();
        assert_eq!((disturbance.at, disturbance.share), (Duration::from_secs(60), 0.5));
        assert_eq!(disturbance.to_string(), text);
        assert_eq!("kill at 30s".parse::<Disturbance>().unwrap().to_string(), "kill at 30s");
        assert!("kill".parse::<Disturbance>().unwrap_err().contains("does not say when"));
        assert!("kill at 30s on 0%".parse::<Disturbance>().is_err());
    }
}
