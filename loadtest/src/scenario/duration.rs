//! Durations as people write them: `300ms`, `5s`, `1.5h`.

use std::time::Duration;

/// What a duration looks like, for messages.
pub(super) const EXPECTED: &str = "a duration such as 300ms, 5s, 2m or 1.5h";

/// Longest duration that is taken: 30 days.
const SECS_MAX: f64 = 30.0 * 86_400.0;

/// Units, and how many seconds each has; `ms` before `m` and `s`, of which it is made.
const UNITS: [(&str, f64); 5] = [("us", 1e-6), ("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3_600.0)];

/// A number of at most 30 days, and its unit: us, ms, s, m or h.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("\"{text}\", expected {EXPECTED}");
    let text = text.trim();
    let cut = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(cut);
    let unit = unit.trim_start();
    let (_, secs) = UNITS.into_iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
    let number: f64 = number.parse().map_err(|_| wrong())?;
    if number * secs > SECS_MAX {
        return Err(format!("\"{text}\", expected at most 30 days (720h)"));
    }
    // To the microsecond: 0.3 s is 300 ms and not 299.999 999 988 ms.
    Ok(Duration::from_micros((number * secs * 1e6).round() as u64))
}

/// The same in the largest unit that needs no fraction, or seconds: `300ms`, `1.5s`, `90s`, `2h`.
#[must_use]
pub fn show_duration(duration: Duration) -> String {
    let micros = duration.as_micros();
    let whole = |unit: u128| micros.is_multiple_of(unit);
    match micros {
        0 => "0s".to_owned(),
        _ if whole(3_600_000_000) => format!("{}h", micros / 3_600_000_000),
        _ if whole(60_000_000) => format!("{}m", micros / 60_000_000),
        _ if micros >= 1_000_000 => format!("{}s", micros as f64 / 1e6),
        _ if whole(1_000) => format!("{}ms", micros / 1_000),
        _ => format!("{micros}us"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn durations_are_read_and_written() {
        for (text, micros, shown) in [
            ("300ms", 300_000, "300ms"),
            ("0.3s", 300_000, "300ms"),
            ("1.5s", 1_500_000, "1.5s"),
            ("90 s", 90_000_000, "90s"),
            ("2m", 120_000_000, "2m"),
            ("1.5h", 5_400_000_000, "90m"),
            ("8h", 28_800_000_000, "8h"),
            ("250us", 250, "250us"),
            ("0s", 0, "0s"),
        ] {
            let duration = parse_duration(text).unwrap();
            assert_eq!((duration.as_micros(), show_duration(duration).as_str()), (micros, shown), "{text}");
            assert_eq!(parse_duration(shown), Ok(duration));
        }
    }

    #[test]
    fn a_number_without_its_unit_is_refused() {
        for text in ["5", "", "s", "-5s", "5 seconds", "1..5s", ".s", "NaNs"] {
            let error = parse_duration(text).unwrap_err();
            assert!(error.ends_with(EXPECTED), "{text}: {error}");
        }
        assert_eq!(parse_duration("721h").unwrap_err(), "\"721h\", expected at most 30 days (720h)");
    }
}
