//! The page loads nothing, runs nothing, cannot be bent by what a package chose, and stays small.

mod fixture;

use apa_report::html;
use base64::Engine as _;
use proptest::prelude::*;
use sha2::{Digest, Sha256};

const MAX_BYTES: usize = 5_000_000;

/// The page without text and attribute values: tag names and attribute names in order.
fn skeleton(page: &str) -> Vec<String> {
    let style_ends = page.find("</style>").expect("the page has a style sheet");
    page[style_ends..]
        .split('<')
        .skip(1)
        .map(|piece| {
            let tag = piece.split('>').next().unwrap_or_default();
            tag.split('"').step_by(2).collect()
        })
        .collect()
}

/// Values of an attribute.
fn values<'a>(page: &'a str, attribute: &str) -> Vec<&'a str> {
    page.split(&format!(" {attribute}=\""))
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap_or_default())
        .collect()
}

#[test]
fn it_is_self_contained_and_has_no_script() {
    for report in [
        fixture::clean(),
        fixture::malicious(),
        fixture::incomplete(),
        fixture::hostile(),
    ] {
        let page = html(&report);
        for tag in skeleton(&page) {
            let name = tag
                .split([' ', '/'])
                .find(|part| !part.is_empty())
                .unwrap_or_default()
                .to_owned();
            assert!(
                ![
                    "script", "img", "link", "iframe", "object", "embed", "image", "use", "base",
                    "form"
                ]
                .contains(&name.as_str()),
                "<{tag}>"
            );
            assert!(
                !tag.contains(" src=") && !tag.contains(" on") && !tag.contains(" style="),
                "<{tag}>"
            );
        }
        assert!(
            values(&page, "href")
                .iter()
                .all(|link| link.starts_with('#'))
        );
    }
}

#[test]
fn its_policy_allows_its_own_style_sheet_and_nothing_else() {
    let page = html(&fixture::malicious());
    let style = page.split("<style>").nth(1).expect("a style sheet");
    let style = style.split("</style>").next().expect("its end");
    let hash = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(style));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'"
    );
    assert!(page.contains(&policy));
    assert!(!style.contains("url(") && !style.contains("@import"));
}

#[test]
fn every_link_has_its_place_and_every_id_is_there_once() {
    for report in [
        fixture::malicious(),
        fixture::hostile(),
        fixture::huge(2_000),
    ] {
        let page = html(&report);
        let ids = values(&page, "id");
        let unique: std::collections::HashSet<_> = ids.iter().collect();
        assert_eq!(unique.len(), ids.len());
        for link in values(&page, "href") {
            assert!(unique.contains(&&link[1..]), "{link} leads nowhere");
        }
        let labels = values(&page, "aria-labelledby");
        assert!(labels.iter().all(|id| unique.contains(id)));
    }
}

#[test]
fn the_strongest_reasons_link_to_findings_and_those_to_their_evidence() {
    let page = html(&fixture::malicious());
    let header = page.split("</header>").next().expect("a header");
    assert_eq!(
        values(header, "href")
            .iter()
            .filter(|link| link.starts_with("#finding-"))
            .count(),
        3
    );
    let findings = page.split("id=\"findings\"").nth(1).expect("findings");
    let links = values(
        findings.split("</section>").next().expect("its end"),
        "href",
    );
    for kind in ["#flow-", "#blob-", "#bait-"] {
        assert!(
            links.iter().any(|link| link.starts_with(kind)),
            "no {kind} in {links:?}"
        );
    }
}

#[test]
fn what_was_not_seen_stands_before_everything_else() {
    let page = html(&fixture::incomplete());
    let gap = page.find("Not everything was seen").expect("the gaps");
    assert!(gap < page.find("id=\"phases\"").expect("the phases"));
    for code in ["timeout", "install-failed", "events-lost"] {
        assert!(page[gap..].contains(code));
    }
}

#[test]
fn a_huge_report_stays_small_and_says_what_it_leaves_out() {
    let page = html(&fixture::huge(100_000));
    assert!(page.len() < MAX_BYTES, "{} bytes", page.len());
    for what in [
        "processes",
        "conversations",
        "facts",
        "findings",
        "files",
        "phases",
    ] {
        let note = format!(" of 100,000 {what}; the JSON report has all of them.");
        assert!(page.contains(&note), "no note about {what}");
    }
}

#[test]
fn long_hostile_strings_cannot_blow_it_up() {
    let bytes = b"\"\xff<&\x01".repeat(400);
    let page = html(&fixture::planted(fixture::huge(1_600), &bytes));
    assert!(page.len() < MAX_BYTES, "{} bytes", page.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn what_a_package_chose_never_changes_the_structure(
        bytes in prop_oneof![
            proptest::collection::vec(any::<u8>(), 1..60),
            "[<>\"'&/=! a-z;#-]{1,60}".prop_map(String::into_bytes),
        ],
    ) {
        let page = html(&fixture::planted(fixture::malicious(), &bytes));
        let innocent = html(&fixture::planted(fixture::malicious(), b"x"));
        prop_assert_eq!(skeleton(&page), skeleton(&innocent));
        let shown = page.chars().all(|c| c == '\n' || !c.is_control());
        prop_assert!(shown);
    }
}
