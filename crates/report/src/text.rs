//! Numbers, names and hostile text as people read them; the same in every format.

use apa_model::{Hostile, ProcessExit};
use serde::Serialize;

/// Text without anything that a terminal obeys or that hides characters. For strings of our own that may
/// quote a package; [`Hostile`] does it by itself.
pub(crate) fn safe(text: &str) -> String {
    Hostile::from(text).to_string()
}

/// At most `max` bytes of hostile text, escaped.
pub(crate) fn shown(text: &Hostile, max: usize) -> String {
    text.shortened(max).to_string()
}

/// Arguments in a line of at most about `max` bytes. For reading, not for pasting into a shell.
pub(crate) fn command_line(argv: &[Hostile], max: usize) -> String {
    let mut line = Vec::new();
    for argument in argv {
        if !line.is_empty() {
            line.push(b' ');
        }
        if argument.is_empty() || argument.as_bytes().contains(&b' ') {
            line.push(b'\'');
            line.extend_from_slice(argument.shortened(max).as_bytes());
            line.push(b'\'');
        } else {
            line.extend_from_slice(argument.shortened(max).as_bytes());
        }
        if line.len() > max {
            break;
        }
    }
    shown(&Hostile::new(line), max)
}

/// The last part of a path.
pub(crate) fn base_name(path: &Hostile, max: usize) -> String {
    let bytes = path.as_bytes();
    let start = bytes
        .iter()
        .rposition(|byte| *byte == b'/')
        .map_or(0, |at| at + 1);
    shown(&Hostile::from(&bytes[start..]), max)
}

/// The stable name of a value of a closed list, as the JSON report has it.
pub(crate) fn name<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => text,
        _ => String::new(),
    }
}

/// The same for reading: `timed out`.
pub(crate) fn words<T: Serialize>(value: &T) -> String {
    name(value).replace(['_', '-'], " ")
}

/// `12,345`.
pub(crate) fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 process`, `12 processes`.
pub(crate) fn count(value: usize, one: &str, many: &str) -> String {
    format!(
        "{} {}",
        number(value as u64),
        if value == 1 { one } else { many }
    )
}

/// `312 B`, `1.2 KiB`, `3.4 GiB`.
pub(crate) fn bytes(value: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if value < 1024 {
        return format!("{value} B");
    }
    let mut amount = value as f64 / 1024.0;
    let mut unit = 0;
    while amount >= 1024.0 && unit + 1 < UNITS.len() {
        amount /= 1024.0;
        unit += 1;
    }
    if amount.fract() < 0.05 {
        format!("{amount:.0} {}", UNITS[unit])
    } else {
        format!("{amount:.1} {}", UNITS[unit])
    }
}

/// `12 ms`, `2.31 s`, `60.0 s`, `2 min 5 s`.
pub(crate) fn millis(value: u64) -> String {
    match value {
        0..100 => format!("{value} ms"),
        100..10_000 => format!("{:.2} s", value as f64 / 1000.0),
        10_000..120_000 => format!("{:.1} s", value as f64 / 1000.0),
        _ if value % 60_000 < 1000 => format!("{} min", value / 60_000),
        _ => format!("{} min {} s", value / 60_000, value % 60_000 / 1000),
    }
}

/// Time since the start: `1.234 s`.
pub(crate) fn moment(us: u64) -> String {
    format!("{}.{:03} s", us / 1_000_000, us % 1_000_000 / 1000)
}

/// The first digits of a hash.
pub(crate) fn digest(sha256: &str) -> String {
    shown(&Hostile::from(sha256), 12).replace('…', "")
}

/// How a process ended.
pub(crate) fn exit(exit: Option<ProcessExit>) -> String {
    match exit {
        Some(ProcessExit::Status(status)) => format!("exit {status}"),
        Some(ProcessExit::Signal(signal)) => format!("signal {signal}"),
        None => "still running at the end".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(number(0), "0");
        assert_eq!(number(999), "999");
        assert_eq!(number(1_234_567), "1,234,567");
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(2 << 30), "2 GiB");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(u64::MAX), "16 EiB");
        assert_eq!(millis(99), "99 ms");
        assert_eq!(millis(2310), "2.31 s");
        assert_eq!(millis(60_000), "60.0 s");
        assert_eq!(millis(600_999), "10 min");
        assert_eq!(millis(125_000), "2 min 5 s");
        assert_eq!(moment(1_034_567), "1.034 s");
    }

    #[test]
    fn a_command_line_is_one_bounded_line_that_shows_empty_arguments() {
        let argv = ["sh", "-c", "a b", "", "x\ny"].map(Hostile::from);
        assert_eq!(command_line(&argv, 100), "sh -c 'a b' '' x\\ny");
        let long = vec![Hostile::new(vec![b'a'; 1000]); 1000];
        assert!(command_line(&long, 100).len() < 110);
    }

    #[test]
    fn a_digest_that_is_no_digest_is_still_cut_and_escaped() {
        assert_eq!(digest("0123456789abcdef"), "0123456789ab");
        assert_eq!(digest("\u{1b}[2J"), "\\u{1b}[2J");
    }
}
