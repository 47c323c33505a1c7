//! Parsers of durations and sizes.

use std::time::Duration;

/// Longest duration that is accepted: a hundred years, so that sums with the time of day stay in range.
const LONGEST: Duration = Duration::from_hours(100 * 365 * 24);

/// Parses `500ms`, `30s`, `5m`, `12h`, `7d`, or several from large to small as in `1h30m`; `0` needs no unit.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    const UNITS: [(&str, u64); 5] =
        [("d", 24 * 60 * 60_000), ("h", 60 * 60_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
    let wrong = || "a duration is a number and a unit (ms, s, m, h, d), such as 30s or 1h30m".to_owned();
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut millis = 0_u64;
    let mut rest = text;
    let mut smaller = UNITS.as_slice();
    while !rest.is_empty() || text.is_empty() {
        let (number, after) = split_at(rest, |c| !c.is_ascii_digit());
        let (unit, after) = split_at(after, |c| c.is_ascii_digit());
        let place = smaller.iter().position(|(name, _)| *name == unit).ok_or_else(wrong)?;
        let number: u64 = number.parse().map_err(|_| wrong())?;
        millis =
            number.checked_mul(smaller[place].1).and_then(|n| n.checked_add(millis)).ok_or_else(wrong)?;
        smaller = &smaller[place + 1..];
        rest = after;
    }
    let duration = Duration::from_millis(millis);
    if duration > LONGEST { Err("a duration is at most 36500d".to_owned()) } else { Ok(duration) }
}

/// Parses a duration that is not zero.
pub(super) fn positive_duration(text: &str) -> Result<Duration, String> {
    duration(text).and_then(|read| if read.is_zero() { Err("it must not be 0".to_owned()) } else { Ok(read) })
}

/// Parses a number of bytes, at least `LEAST`: `65536`, `64KiB`, `16MiB`, `1GiB`.
pub(super) fn size<const LEAST: usize>(text: &str) -> Result<usize, String> {
    let wrong = || "a size is a number of bytes, or one with KiB, MiB or GiB, such as 16MiB".to_owned();
    let (number, unit) = split_at(text, |c| !c.is_ascii_digit());
    let factor = match unit {
        "" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(wrong()),
    };
    let bytes =
        number.parse::<usize>().ok().and_then(|number| number.checked_mul(factor)).ok_or_else(wrong)?;
    if bytes < LEAST { Err(format!("it must be at least {LEAST} bytes")) } else { Ok(bytes) }
}

/// Splits before the first character for which `ends` is true.
fn split_at(text: &str, ends: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(ends).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_durations_are_parsed() {
        for (text, millis) in [
            ("0", 0),
            ("0s", 0),
            ("500ms", 500),
            ("30s", 30_000),
            ("5m", 300_000),
            ("12h", 43_200_000),
            ("7d", 604_800_000),
            ("1h30m", 5_400_000),
            ("1d1ms", 86_400_001),
            ("36500d", 3_153_600_000_000),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn invalid_durations_are_refused() {
        for text in [
            "",
            "s",
            "30",
            "-1s",
            "1.5h",
            " 1s",
            "1s ",
            "1 s",
            "1S",
            "1y",
            "30m1h",
            "1s1s",
            "1h30",
            "36501d",
            "99999999999999999999s",
            "99999999999999999d",
            "1d99999999999999999999ms",
            "١s",
        ] {
            assert!(duration(text).is_err(), "{text:?}");
        }
        assert!(positive_duration("0").is_err() && positive_duration("0ms").is_err());
        assert_eq!(positive_duration("1ms"), Ok(Duration::from_millis(1)));
    }

    #[test]
    fn sizes_are_parsed_or_refused() {
        for (text, bytes) in
            [("0", 0), ("65536", 65_536), ("64KiB", 65_536), ("16MiB", 16 << 20), ("2GiB", 2 << 30)]
        {
            assert_eq!(size::<0>(text), Ok(bytes), "{text}");
        }
        for text in ["", "KiB", "-1", "1.5MiB", "64kb", "64 KiB", "99999999999999999999", "99999999999999GiB"]
        {
            assert!(size::<0>(text).is_err(), "{text:?}");
        }
        assert_eq!(size::<1024>("1KiB"), Ok(1024));
        assert!(size::<1024>("1023").is_err());
    }
}
