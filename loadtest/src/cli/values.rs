//! Values of flags as people write them: `2.3M`, `1.5m`, `20ms`, `0.5%`. Each parser says what is allowed when a value is not.

use clap::builder::RangedU64ValueParser;

/// A whole number from `least` to `most`.
pub(super) fn whole<T: TryFrom<u64> + Clone + Send + Sync + 'static>(least: u64, most: u64) -> RangedU64ValueParser<T> {
    RangedU64ValueParser::new().range(least..=most)
}

/// A number from `least` to `most`.
pub(super) fn number(least: f64, most: f64) -> impl Fn(&str) -> Result<f64, String> + Clone + Send + Sync + 'static {
    move |text| {
        let value = text.parse().ok().filter(|value| (least..=most).contains(value));
        value.ok_or_else(|| format!("expected a number from {least} to {most}"))
    }
}

/// Bits per second from `least` to `most`: `64000`, `64k`, `2.3M`.
pub(super) fn bitrate(least: u64, most: u64) -> impl Fn(&str) -> Result<u64, String> + Clone + Send + Sync + 'static {
    move |text| {
        let (digits, factor) = match text.strip_suffix(['k', 'K']) {
            Some(digits) => (digits, 1e3),
            None => text.strip_suffix('M').map_or((text, 1.0), |digits| (digits, 1e6)),
        };
        let value = digits.parse::<f64>().ok().map(|value| (value * factor).round());
        let value = value.filter(|value| (least as f64..=most as f64).contains(value));
        value
            .map(|value| value as u64)
            .ok_or_else(|| format!("expected bits per second such as 64k or 2.3M, from {least} to {most}"))
    }
}

/// A length of time from `least` to `most` seconds, in seconds: `90`, `90s`, `1.5m`, `2h`, `500ms`.
pub(super) fn seconds(least: f64, most: f64) -> impl Fn(&str) -> Result<f64, String> + Clone + Send + Sync + 'static {
    move |text| {
        let value =
            parse_ms(text).or_else(|| text.parse().ok().map(|seconds: f64| seconds * 1000.0)).map(|ms| ms / 1000.0);
        let value = value.filter(|value| (least..=most).contains(value));
        value.ok_or_else(|| format!("expected a length of time such as 90s, 1.5m or 2h, from {least} s to {most} s"))
    }
}

/// A length of time up to ten minutes, in milliseconds, with its unit: nobody has to guess what a bare `20` means.
pub(super) fn milliseconds(text: &str) -> Result<f64, String> {
    let value = parse_ms(text).filter(|value| (0.0..=600_000.0).contains(value));
    value.ok_or_else(|| "expected a length of time with its unit, such as 20ms or 1.5s, up to 10m".to_owned())
}

/// Microseconds of processor time: `1.5us`, `1.5µs`, or without the unit.
pub(super) fn microseconds(text: &str) -> Result<f64, String> {
    let digits = text.strip_suffix("us").or_else(|| text.strip_suffix("µs")).unwrap_or(text);
    let value = digits.parse().ok().filter(|value| (0.0..=1e6).contains(value));
    value.ok_or_else(|| "expected microseconds such as 1.5us, from 0 to 1000000".to_owned())
}

/// A share from 0 to 1, which may be written in percent: `0.005` or `0.5%`.
pub(super) fn share(text: &str) -> Result<f64, String> {
    let value = match text.strip_suffix('%') {
        Some(percent) => percent.parse::<f64>().ok().map(|percent| percent / 100.0),
        None => text.parse().ok(),
    };
    let value = value.filter(|value| (0.0..=1.0).contains(value));
    value.ok_or_else(|| "expected a share from 0 to 1 such as 0.005, or a percentage such as 0.5%".to_owned())
}

fn parse_ms(text: &str) -> Option<f64> {
    // "ms" before "s" and "m".
    let units = [("ms", 1.0), ("s", 1e3), ("m", 60e3), ("h", 3_600e3)];
    let (digits, factor) = units.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, factor)))?;
    digits.parse::<f64>().ok().map(|value| value * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_people_do() {
        assert_eq!(bitrate(1, 100_000_000)("2.3M"), Ok(2_300_000));
        assert_eq!(bitrate(1, 100_000_000)("64k"), Ok(64_000));
        assert_eq!(bitrate(1, 100_000_000)("64000"), Ok(64_000));
        assert_eq!(seconds(0.1, 1e4)("90"), Ok(90.0));
        assert_eq!(seconds(0.1, 1e4)("1.5m"), Ok(90.0));
        assert_eq!(seconds(0.1, 1e4)("500ms"), Ok(0.5));
        assert_eq!(seconds(0.1, 1e4)("2h"), Ok(7200.0));
        assert_eq!(milliseconds("20ms"), Ok(20.0));
        assert_eq!(milliseconds("1.5s"), Ok(1500.0));
        assert_eq!((microseconds("1.5us"), microseconds("1.5µs"), microseconds("2")), (Ok(1.5), Ok(1.5), Ok(2.0)));
        assert_eq!(
            (share("0.5%"), share("0.005"), share("1"), share("100%")),
            (Ok(0.005), Ok(0.005), Ok(1.0), Ok(1.0))
        );
        assert_eq!(number(0.1, 10.0)("2.5"), Ok(2.5));
    }

    #[test]
    fn what_is_out_of_range_or_nothing_is_told_what_is_allowed() {
        let texts = ["", "x", "-1", "NaN", "inf", "1e99", "M", "ms", "%"];
        for text in texts {
            assert!(bitrate(1_000, 2_000)(text).unwrap_err().contains("from 1000 to 2000"), "{text}");
            assert!(seconds(1.0, 2.0)(text).unwrap_err().contains("from 1 s to 2 s"), "{text}");
            assert!(number(1.0, 2.0)(text).unwrap_err().contains("from 1 to 2"), "{text}");
            assert!(milliseconds(text).unwrap_err().contains("20ms"), "{text}");
            assert!(microseconds(text).is_err(), "{text}");
            assert!(share(text).unwrap_err().contains("0.5%"), "{text}");
        }
        assert!(milliseconds("20").is_err());
        assert!(share("5").is_err());
        assert!(share("101%").is_err());
    }
}
