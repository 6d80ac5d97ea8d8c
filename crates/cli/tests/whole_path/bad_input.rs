use std::fs;
use std::os::unix::fs::symlink;

use crate::support::{apa, run};

struct Case {
    target: String,
    code: i32,
    names: &'static str,
}

#[test]
fn bad_targets_are_named_and_nothing_runs() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path.to_string_lossy().into_owned()
    };
    let huge = folder.path().join("huge.tgz");
    fs::File::create(&huge).unwrap().set_len(2 << 30).unwrap();
    symlink("/dev/zero", folder.path().join("device.tgz")).unwrap();
    let whole = apa_testkit::specimens()
        .into_iter()
        .find(|one| one.filename.ends_with(".tgz"))
        .unwrap()
        .bytes;
    let cases = [
        Case {
            target: "npm:../../etc/passwd".into(),
            code: 2,
            names: "passwd",
        },
        Case {
            target: "npm:a\nb".into(),
            code: 2,
            names: "a\\nb",
        },
        Case {
            target: "npm:$(touch /tmp/x)".into(),
            code: 2,
            names: "$(touch",
        },
        Case {
            target: "pkg:npm/a@1#../../x".into(),
            code: 2,
            names: "pkg:npm",
        },
        Case {
            target: "nothing-with-a-colon".into(),
            code: 2,
            names: "nothing-with-a-colon",
        },
        Case {
            target: "nuget:serde".into(),
            code: 4,
            names: "nuget",
        },
        Case {
            target: "pkg:nuget/rails@7".into(),
            code: 4,
            names: "nuget",
        },
        Case {
            target: folder.path().to_string_lossy().into_owned(),
            code: 4,
            names: "is a directory",
        },
        Case {
            target: file("empty.tgz", b""),
            code: 4,
            names: "empty.tgz",
        },
        Case {
            target: file("text.tgz", b"this is no archive at all\n"),
            code: 4,
            names: "text.tgz",
        },
        Case {
            target: file("cut.tgz", &whole[..whole.len() / 2]),
            code: 4,
            names: "cut.tgz",
        },
        Case {
            target: huge.to_string_lossy().into_owned(),
            code: 4,
            names: "huge.tgz",
        },
        Case {
            target: folder
                .path()
                .join("device.tgz")
                .to_string_lossy()
                .into_owned(),
            code: 4,
            names: "device.tgz",
        },
        Case {
            target: "./absent.tgz".into(),
            code: 4,
            names: "absent.tgz",
        },
    ];
    for Case {
        target,
        code,
        names,
    } in cases
    {
        let output = run(["analyze", &target]);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{target:?}: {stderr}");
        assert!(stderr.contains(names), "{target:?} is not named: {stderr}");
        assert!(stderr.starts_with("error: "), "{target:?}: {stderr}");
        assert!(output.stdout.is_empty(), "{target:?} gave a report");
        assert!(
            !stderr.chars().any(|c| c.is_control() && c != '\n'),
            "{target:?}: {stderr:?}"
        );
    }
    let data = std::path::PathBuf::from(
        apa()
            .get_envs()
            .find(|(name, _)| *name == "APA_DATA_DIR")
            .unwrap()
            .1
            .unwrap(),
    );
    let runs = fs::read_dir(data.join("runs"))
        .map(|runs| runs.count())
        .unwrap_or(0);
    assert_eq!(runs, 0, "a refused target left a run behind");
}

#[test]
fn an_unreachable_registry_is_named_with_the_next_step() {
    let output = apa()
        .args([
            "analyze",
            "npm:left-pad",
            "--registry",
            "npm=http://127.0.0.1:9/",
        ])
        .env("APA_CACHE_DIR", tempfile::tempdir().unwrap().path())
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    assert!(
        stderr.contains("127.0.0.1:9") && stderr.contains("--offline"),
        "{stderr}"
    );
}
