use super::*;

fn interpreter() -> Interpreter {
    Interpreter {
        version: "3.11.2".into(),
        tags: [
            "cp311-cp311-manylinux_2_17_x86_64",
            "cp311-abi3-linux_x86_64",
            "py3-none-any",
        ]
        .map(String::from)
        .into(),
        ..Interpreter::default()
    }
}

fn get(files: &[(&str, &str, &str)], version: Option<&str>) -> Result<Release, EcosystemError> {
    let files: Vec<_> = files
        .iter()
        .map(|(name, time, more)| {
            let more = if more.is_empty() { String::new() } else { format!(", {more}") };
            format!(r#"{{"filename": "{name}", "url": "http://r.test/{name}", "hashes": {{"sha256": "{}"}}, "upload-time": "{time}"{more}}}"#, "ab".repeat(32))
        })
        .collect();
    let json = format!(r#"{{"files": [{}]}}"#, files.join(","));
    let package = PackageRef::new(apa_model::Ecosystem::Pypi, "a-b", version).unwrap();
    release(json.as_bytes(), &package, &interpreter())
}

const JAN: &str = "2024-01-01T00:00:00Z";
const FEB: &str = "2024-02-01T00:00:00Z";
const MAR: &str = "2024-03-01T00:00:00Z";

#[test]
fn the_newest_installable_release_is_taken_and_its_best_wheel_chosen() {
    let release = get(
        &[
            ("a_b-1.9.tar.gz", JAN, ""),
            ("a_b-1.10-py3-none-any.whl", FEB, ""),
            (
                "a_b-1.10-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
                FEB,
                "",
            ),
            ("a_b-1.10-cp311-cp311-win_amd64.whl", FEB, ""),
            ("a-b-1.10.tar.gz", FEB, ""),
            ("a_b-2.0rc1-py3-none-any.whl", MAR, ""),
            ("a_b-2.1-py3-none-any.whl", MAR, r#""yanked": "bad""#),
            (
                "a_b-2.2-py3-none-any.whl",
                MAR,
                r#""requires-python": ">=3.12""#,
            ),
            ("other-9-py3-none-any.whl", MAR, ""),
            ("a_b-3.exe", MAR, ""),
        ],
        None,
    )
    .unwrap();
    assert_eq!(release.package.version.as_deref(), Some("1.10"));
    assert!(release.files[release.chosen].filename.contains("manylinux"));
    assert_eq!(
        release.files.iter().filter(|file| file.compatible).count(),
        3
    );
    assert_eq!(release.previous_version.as_deref(), Some("1.9"));
    assert_eq!(release.published_at.as_deref(), Some(FEB));
    assert_eq!(
        release.to_analyse().len(),
        1,
        "its source would have to be compiled"
    );
}

#[test]
fn a_pure_wheel_is_analysed_with_its_source() {
    let release = get(
        &[
            ("a_b-1-py3-none-any.whl", JAN, ""),
            ("a-b-1.tar.gz", JAN, ""),
        ],
        None,
    )
    .unwrap();
    assert_eq!(release.to_analyse(), [0, 1]);
}

#[test]
fn a_version_is_found_by_value_even_when_withdrawn() {
    let release = get(
        &[("a_b-1.0-py3-none-any.whl", JAN, r#""yanked": true"#)],
        Some("1.0.0"),
    )
    .unwrap();
    assert_eq!(release.package.version.as_deref(), Some("1.0"));
    assert_eq!(release.anomalies[0].kind, "yanked");
}

#[test]
fn previews_are_taken_only_when_there_is_nothing_else() {
    let release = get(&[("a_b-1.0b2.tar.gz", JAN, "")], None).unwrap();
    assert_eq!(release.package.version.as_deref(), Some("1.0b2"));
}

#[test]
fn errors_tell_an_unknown_version_from_one_without_files_for_this_machine() {
    let files = [
        ("a_b-1.0-cp311-cp311-win_amd64.whl", JAN, ""),
        ("a_b-0.9.tar.gz", JAN, ""),
    ];
    let message = get(&files, Some("7")).unwrap_err().to_string();
    assert!(
        message.starts_with("pypi:a-b@7 does not exist; the nearest versions are 1.0, 0.9"),
        "{message}"
    );
    let message = get(&files, Some("1.0")).unwrap_err().to_string();
    assert!(
        message.contains("win_amd64") && message.contains("try another version"),
        "{message}"
    );
    let message = get(&[], None).unwrap_err().to_string();
    assert!(
        message.contains("neither a wheel nor a source"),
        "{message}"
    );
}
