//! What a person at a terminal reads.

mod fixture;

use apa_model::report::Report;
use apa_report::{Style, terminal};
use proptest::prelude::*;

const PLAIN: Style = Style {
    color: false,
    width: 100,
    unicode: true,
};

#[test]
fn a_clean_report_is_short_and_says_what_was_run() {
    insta::assert_snapshot!(terminal(&fixture::clean(), &PLAIN));
}

#[test]
fn a_malicious_report_gives_verdict_reasons_then_behaviour() {
    insta::assert_snapshot!(terminal(&fixture::malicious(), &PLAIN));
}

#[test]
fn an_incomplete_report_says_first_what_was_not_seen() {
    insta::assert_snapshot!(terminal(&fixture::incomplete(), &PLAIN));
}

#[test]
fn hostile_strings_are_shown_escaped() {
    insta::assert_snapshot!(terminal(&fixture::hostile(), &PLAIN));
}

#[test]
fn a_huge_report_stays_readable_and_counts_what_it_leaves_out() {
    let text = terminal(&fixture::huge(20_000), &PLAIN);
    insta::assert_snapshot!(text);
}

#[test]
fn a_narrow_ascii_terminal_gets_no_other_character() {
    let style = Style {
        color: false,
        width: 60,
        unicode: false,
    };
    let text = terminal(&fixture::malicious(), &style);
    assert!(text.is_ascii());
    insta::assert_snapshot!(text);
}

#[test]
fn colour_changes_nothing_but_sgr_codes() {
    let colored = Style {
        color: true,
        ..PLAIN
    };
    for report in [fixture::clean(), fixture::malicious(), fixture::hostile()] {
        let text = terminal(&report, &colored);
        assert!(text.contains("\u{1b}[1"));
        assert_eq!(without_sgr(&text), terminal(&report, &PLAIN));
    }
}

#[test]
fn a_report_without_a_reason_for_being_incomplete_still_says_that_it_is() {
    let mut report = fixture::clean();
    report.complete = false;
    assert!(terminal(&report, &PLAIN).contains("Not everything was seen"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_bytes_of_a_package_reach_the_terminal_as_control_characters(
        bytes in proptest::collection::vec(prop_oneof![0u8..0x20, 0x7fu8..=0xff, any::<u8>()], 0..200),
        width in 0usize..200,
        color: bool,
        unicode: bool,
    ) {
        let report = fixture::planted(fixture::malicious(), &bytes);
        check(&report, &Style { color, width, unicode })?;
    }
}

fn check(report: &Report, style: &Style) -> Result<(), TestCaseError> {
    let text = terminal(report, style);
    let bare = if style.color {
        without_sgr(&text)
    } else {
        text
    };
    for line in bare.split('\n') {
        prop_assert!(!line.chars().any(char::is_control), "{line:?}");
        prop_assert!(
            !line.contains(['\u{202e}', '\u{200b}', '\u{feff}']),
            "{line:?}"
        );
        if !style.unicode {
            prop_assert!(line.is_ascii(), "{line:?}");
            prop_assert!(
                line.len() <= style.width.max(40),
                "{} columns: {line}",
                line.len()
            );
        }
    }
    Ok(())
}

/// Takes out exactly the codes the report is allowed to write: `ESC [ digits and ; m`.
fn without_sgr(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("\u{1b}[") {
        out.push_str(&rest[..at]);
        let code = &rest[at + 2..];
        let end = code
            .find(|c: char| !c.is_ascii_digit() && c != ';')
            .unwrap_or(code.len());
        if !code[end..].starts_with('m') {
            out.push_str(&rest[at..at + 2]);
            rest = code;
            continue;
        }
        rest = &code[end + 1..];
    }
    out.push_str(rest);
    out
}
