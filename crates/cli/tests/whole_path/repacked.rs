//! Real gems and PHP libraries, taken from the folders that Debian installs them in and packed as their authors do:
//! their registries are not asked.

use std::path::Path;

use apa_model::report::Report;
use apa_model::{Ecosystem, VerdictLabel};
use apa_testkit::{ComposerPackage, Expect, Gem, Specimen};
use serde_json::{Value, json};

use crate::specimens::check;
use crate::support::{Registry, run, sandbox_works};

const GEMS: &str = "/usr/share/rubygems-integration/all/gems";
const BUNDLED: &str = "/usr/lib/ruby/gems/3.1.0/gems";
const VENDOR: &str = "/usr/lib/ruby/vendor_ruby";
const PHP: &str = "/usr/share/php";

/// Every file below a folder, by its path there.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(bytes) = std::fs::read(&path) {
                let name = path.strip_prefix(folder).unwrap();
                found.push((name.to_string_lossy().into_owned(), bytes));
            }
        }
    }
    found.sort();
    found
}

fn clean(name: &'static str, ecosystem: Ecosystem, file: (String, Vec<u8>)) -> Specimen {
    Specimen {
        name,
        ecosystem,
        filename: file.0,
        bytes: file.1,
        served: Vec::new(),
        expect: Expect {
            labels: &[VerdictLabel::Clean],
            rules: &[],
            incomplete: &[],
            dependency: None,
            told: None,
        },
    }
}

fn gem(name: &str, version: &str, folder: &str, executables: &[&str]) -> Option<Gem> {
    let all = files(Path::new(folder));
    all.first()?;
    let gem = all
        .into_iter()
        .fold(Gem::new(name, version), |gem, (path, bytes)| {
            let program = executables
                .iter()
                .find(|name| path == format!("exe/{name}"));
            match program {
                Some(name) => gem.executable(name, &String::from_utf8_lossy(&bytes)),
                None => gem.bytes(&path, bytes, 0o644),
            }
        });
    Some(gem)
}

fn packed(gem: &Gem) -> (String, Vec<u8>) {
    (gem.filename(), gem.build())
}

fn gems() -> Option<Vec<Specimen>> {
    let webrick = gem("webrick", "1.8.1", &format!("{GEMS}/webrick-1.8.1"), &[])?;
    let rake = gem("rake", "13.0.6", &format!("{GEMS}/rake-13.0.6"), &["rake"])?;
    let assert = gem(
        "power_assert",
        "2.0.1",
        &format!("{BUNDLED}/power_assert-2.0.1"),
        &[],
    )?;
    let mut xmlrpc = Gem::new("xmlrpc", "0.3.2").depends("webrick", ">= 0");
    let library = files(&Path::new(VENDOR).join("xmlrpc"));
    library.first()?;
    for (path, bytes) in library {
        xmlrpc = xmlrpc.bytes(&format!("lib/xmlrpc/{path}"), bytes, 0o644);
    }
    xmlrpc = xmlrpc.bytes(
        "lib/xmlrpc.rb",
        std::fs::read(format!("{VENDOR}/xmlrpc.rb")).ok()?,
        0o644,
    );
    let with_dependency = Specimen {
        served: vec![packed(&webrick)],
        ..clean("real-gem-xmlrpc", Ecosystem::Gem, packed(&xmlrpc))
    };
    Some(vec![
        with_dependency,
        clean("real-gem-webrick", Ecosystem::Gem, packed(&webrick)),
        clean("real-gem-rake", Ecosystem::Gem, packed(&rake)),
        clean("real-gem-power_assert", Ecosystem::Gem, packed(&assert)),
    ])
}

/// A library of Debian's PHP folder; the autoloaders that Debian adds are left out.
fn library(name: &str, version: &str, folder: &str, fields: &Value) -> Option<ComposerPackage> {
    let all = files(&Path::new(PHP).join(folder));
    all.first()?;
    let mut package = ComposerPackage::new(name, version);
    for (field, value) in fields.as_object().unwrap() {
        package = package.field(field, value.clone());
    }
    let own = all.into_iter().filter(|(path, _)| path != "autoload.php");
    Some(own.fold(package, |package, (path, bytes)| {
        package.bytes(&path, bytes)
    }))
}

fn libraries() -> Option<Vec<Specimen>> {
    let log = library(
        "psr/log",
        "1.1.4",
        "Psr/Log",
        &json!({
            "require": {"php": ">=5.3.0"}, "autoload": {"psr-4": {"Psr\\Log\\": ""}},
        }),
    )?;
    let promise = library(
        "react/promise",
        "2.9.0",
        "React/Promise",
        &json!({
            "require": {"php": ">=5.4.0"},
            "autoload": {"psr-4": {"React\\Promise\\": ""}, "files": ["functions_include.php"]},
        }),
    )?;
    let semver = library(
        "composer/semver",
        "3.3.2",
        "Composer/Semver",
        &json!({
            "require": {"php": "^5.3.2 || ^7.0 || ^8.0"}, "autoload": {"psr-4": {"Composer\\Semver\\": ""}},
        }),
    )?;
    let finder = library(
        "symfony/finder",
        "5.4.45",
        "Symfony/Component/Finder",
        &json!({
            "require": {"php": ">=7.2.5", "symfony/deprecation-contracts": "^2.1|^3"},
            "autoload": {"psr-4": {"Symfony\\Component\\Finder\\": ""}},
        }),
    )?;
    let contracts = library(
        "symfony/deprecation-contracts",
        "2.5.5",
        "Symfony/Contracts/Deprecation",
        &json!({
            "require": {"php": ">=7.1"}, "autoload": {"files": ["function.php"]},
        }),
    )?;
    let packed = |package: &ComposerPackage| (package.filename(), package.build());
    let composer = Ecosystem::Composer;
    let with_dependency = Specimen {
        served: vec![packed(&contracts)],
        ..clean("real-composer-finder", composer, packed(&finder))
    };
    Some(vec![
        with_dependency,
        clean("real-composer-log", composer, packed(&log)),
        clean("real-composer-promise", composer, packed(&promise)),
        clean("real-composer-semver", composer, packed(&semver)),
    ])
}

fn all_clean(test: &str, found: Option<Vec<Specimen>>) {
    let Some(found) = found else {
        eprintln!("SKIPPED: {test}: the packages of Debian are not installed");
        return;
    };
    if !sandbox_works(test) {
        return;
    }
    let problems: Vec<_> = found.iter().filter_map(check).collect();
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

/// Asks a registry that has it, as a user would: by name, without a version.
fn by_name(name: &str, mut specimen: Specimen) -> Option<Report> {
    if !sandbox_works(name) {
        return None;
    }
    let itself = (specimen.filename.clone(), specimen.bytes.clone());
    specimen.served.push(itself);
    let registry = Registry::serving(&specimen)?;
    let arguments = ["analyze", name, "--format", "json"];
    let output = run(arguments.into_iter().chain(registry.flags()));
    let report = serde_json::from_slice(&output.stdout);
    let report: Report =
        report.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    assert_eq!(
        report.verdict.label,
        VerdictLabel::Clean,
        "{:?}",
        report.verdict
    );
    assert!(report.complete);
    Some(report)
}

#[test]
fn a_gem_is_resolved_by_name_with_its_dependency_and_time() {
    let specimen = gems().and_then(|gems| gems.into_iter().next());
    let report = specimen.and_then(|specimen| by_name("gem:xmlrpc", specimen));
    let Some(report) = report else {
        eprintln!("SKIPPED: a_gem_is_resolved_by_name_with_its_dependency_and_time");
        return;
    };
    let text = serde_json::to_string(&report).unwrap();
    assert!(text.contains("pkg:gem/xmlrpc@0.3.2"));
    assert!(
        text.contains("2024-01-01T00:00:00.000Z"),
        "no time of publication"
    );
}

#[test]
fn a_php_library_is_resolved_by_name_and_its_lack_of_a_hash_is_told() {
    let specimen = libraries().and_then(|libraries| libraries.into_iter().next());
    let report = specimen.and_then(|specimen| by_name("composer:symfony/finder", specimen));
    let Some(report) = report else {
        eprintln!("SKIPPED: a_php_library_is_resolved_by_name_and_its_lack_of_a_hash_is_told");
        return;
    };
    let text = serde_json::to_string(&report).unwrap();
    assert!(text.contains("pkg:composer/symfony/finder@5.4.45"));
    assert!(text.contains("states no hash of the archive"), "{text}");
}

#[test]
fn real_gems_are_clean_and_complete() {
    all_clean("real_gems_are_clean_and_complete", gems());
}

#[test]
fn real_php_libraries_are_clean_and_complete() {
    all_clean("real_php_libraries_are_clean_and_complete", libraries());
}
