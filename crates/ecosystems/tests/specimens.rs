//! Every specimen is recognised and planned; what its manifest says is found without running it.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use apa_ecosystems::{GuestView, Identity, PlanInput, Provision, adapter, adapters};
use apa_model::{Artifact, ArtifactKind, Ecosystem, Limits, Owner, Phase, Plan, StepKind};
use apa_testkit::{Specimen, specimen, specimens};

fn plan(specimen: &Specimen) -> Plan {
    let archive = apa_archive::read_bytes(
        &specimen.bytes,
        specimen.name,
        &apa_archive::Limits::default(),
    )
    .unwrap();
    let adapter = adapter(specimen.ecosystem).unwrap();
    let identity = adapter.identify(&specimen.filename, &archive).unwrap();
    adapter.plan(&PlanInput {
        provision: &Provision::default(),
        artifact: &Artifact {
            sha256: String::new(),
            size: 0,
            filename: specimen.filename.as_str().into(),
            kind: identity.kind,
        },
        artifact_path: Path::new("/cache/x"),
        archive: &archive,
        identity: &identity,
        guest: GuestView {
            home: "/home/dev".into(),
            project_dir: "/home/dev/work".into(),
            user: "dev".into(),
            root: "/".into(),
        },
        gateway_url: "http://127.0.0.1:4873",
        limits: &Limits::default(),
    })
}

#[test]
fn each_is_recognised_by_its_own_ecosystem_alone_whatever_its_name() {
    for specimen in specimens() {
        let archive = apa_archive::read_bytes(
            &specimen.bytes,
            specimen.name,
            &apa_archive::Limits::default(),
        )
        .unwrap();
        assert!(
            archive.complete && archive.anomalies.is_empty(),
            "{}",
            specimen.name
        );
        for adapter in adapters() {
            let identity = adapter.identify("upload.bin", &archive);
            assert_eq!(
                identity.is_some(),
                adapter.ecosystem() == specimen.ecosystem,
                "{}",
                specimen.name
            );
            if let Some(Identity { name, version, .. }) = identity {
                assert!(name.is_some() && version.is_some(), "{}", specimen.name);
            }
        }
    }
}

#[test]
fn each_plan_is_absolute_and_names_nothing_of_ours() {
    for specimen in specimens() {
        let plan = plan(&specimen);
        // Nothing installs a Java library.
        if specimen.ecosystem != Ecosystem::Maven {
            assert_eq!(plan.steps[0].phase, Phase::Install, "{}", specimen.name);
            assert_eq!(plan.steps[0].owner, Owner::Manager);
        }
        for file in &plan.files {
            assert!(file.path.starts_with("/home/dev/"), "{}", file.path);
            if let apa_model::FileContent::Bytes(bytes) = &file.content {
                let text = String::from_utf8_lossy(bytes).to_lowercase();
                for word in [
                    "sandbox", "apa-", "malware", "analysis", "harness", "detonat",
                ] {
                    assert!(!text.contains(word), "{} says {word}", file.path);
                }
            }
        }
        for step in &plan.steps {
            assert!(
                step.argv[0].starts_with('/') && step.cwd.starts_with('/'),
                "{}",
                step.name
            );
            let lists = step.argv.iter().filter(|word| *word == "{entries}").count();
            assert_eq!(
                lists,
                usize::from(matches!(step.kind, StepKind::Entries(_))),
                "{}",
                step.name
            );
        }
    }
}

#[test]
fn hooks_of_the_manifest_are_expected() {
    let hooks = |name: &str| -> Vec<String> {
        plan(&specimen(name).unwrap())
            .hooks
            .into_iter()
            .map(|hook| hook.name)
            .collect()
    };
    assert_eq!(hooks("npm-postinstall-ssh-key"), ["postinstall"]);
    assert_eq!(hooks("pypi-setup-downloads-and-runs").len(), 1);
    assert!(hooks("pypi-pth-stealer").is_empty());
    assert!(hooks("npm-steals-when-called").is_empty());
    assert_eq!(hooks("gem-rakefile"), ["Rakefile"]);
    assert_eq!(hooks("gem-plugin"), ["lib/rubygems_plugin.rb"]);
    assert!(hooks("gem-require").is_empty());
    assert_eq!(hooks("composer-plugin"), ["plug-in src/Plugin.php"]);
    assert_eq!(hooks("composer-autoload-file"), ["autoload file start.php"]);
    assert_eq!(hooks("composer-project-method"), ["post-autoload-dump"]);
    assert!(hooks("composer-include").is_empty());
}

#[test]
fn manifests_give_static_facts() {
    let kinds = |name: &str| -> Vec<String> {
        let specimen = specimen(name).unwrap();
        let archive =
            apa_archive::read_bytes(&specimen.bytes, name, &apa_archive::Limits::default())
                .unwrap();
        let adapter = adapter(specimen.ecosystem).unwrap();
        let identity = adapter.identify(&specimen.filename, &archive).unwrap();
        adapter
            .static_facts(&archive, &identity)
            .into_iter()
            .map(|fact| fact.kind)
            .collect()
    };
    assert_eq!(kinds("npm-dropper"), ["lifecycle-script"]);
    assert_eq!(kinds("pypi-pth-stealer"), ["pth-file"]);
    assert_eq!(kinds("pypi-sdist-only"), ["setup-script"]);
    assert!(kinds("pypi-wheel-only").is_empty());
    assert_eq!(kinds("gem-cmake"), ["build-script"]);
    assert_eq!(kinds("gem-plugin-hook"), ["gem-plugin"]);
    assert_eq!(kinds("composer-plugin"), ["composer-plugin"]);
    assert_eq!(kinds("composer-project-php"), ["composer-script"]);
    assert_eq!(kinds("composer-autoload-file"), ["autoload-file"]);
}

#[test]
fn baselines_are_packages_of_the_same_shape_that_do_nothing() {
    for (ecosystem, kind) in [
        (Ecosystem::Npm, ArtifactKind::NpmTarball),
        (Ecosystem::Pypi, ArtifactKind::Wheel),
        (Ecosystem::Pypi, ArtifactKind::Sdist),
        (Ecosystem::Gem, ArtifactKind::Gem),
        (Ecosystem::Composer, ArtifactKind::ComposerPackage),
    ] {
        let adapter = adapter(ecosystem).unwrap();
        let empty = adapter.empty_like(kind);
        let archive =
            apa_archive::read_bytes(&empty.bytes, "empty", &apa_archive::Limits::default())
                .unwrap();
        let identity = adapter.identify(empty.filename, &archive).unwrap();
        assert_eq!(identity.kind, kind);
    }
}

/// A typing error would make a specimen silently harmless.
#[test]
fn every_script_of_every_specimen_can_be_parsed() {
    let folder = tempfile::tempdir().unwrap();
    let mut written = 0;
    for specimen in specimens() {
        let archive = apa_archive::read_bytes(
            &specimen.bytes,
            specimen.name,
            &apa_archive::Limits::default(),
        )
        .unwrap();
        let files = archive.entries.iter();
        for entry in files.filter(|entry| entry.kind == apa_archive::EntryKind::File) {
            let path = entry.safe_path.as_deref().unwrap();
            let file = folder.path().join(specimen.name).join(path);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(&file, &entry.bytes).unwrap();
            let ends = [".js", ".mjs", ".py", ".rb", ".php"];
            written += usize::from(ends.iter().any(|end| path.ends_with(end)));
        }
    }
    let find = |ends: &[&str]| -> Vec<String> {
        let mut command = std::process::Command::new("find");
        command.arg(folder.path()).args(["-name", ends[0]]);
        for end in &ends[1..] {
            command.args(["-o", "-name", end]);
        }
        let output = command.output().unwrap().stdout;
        String::from_utf8(output)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect()
    };
    let (scripts, modules) = (find(&["*.js", "*.mjs"]), find(&["*.py"]));
    let (ruby, php) = (find(&["*.rb"]), find(&["*.php"]));
    assert_eq!(
        scripts.len() + modules.len() + ruby.len() + php.len(),
        written
    );
    let check = |program: &str, before: &[&str], files: &[String]| {
        if !Path::new(program).exists() {
            eprintln!("SKIPPED: {program} is not installed");
            return;
        }
        let output = std::process::Command::new(program)
            .args(before)
            .args(files)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    };
    for script in &scripts {
        check("/usr/bin/node", &["--check"], std::slice::from_ref(script));
    }
    check("/usr/bin/ruby", &["-c"], &ruby);
    check("/usr/bin/php", &["-l"], &php);
    let compile = "import sys\nfor f in sys.argv[1:]: compile(open(f).read(), f, 'exec')";
    check("/usr/bin/python3", &["-c", compile], &modules);
}
