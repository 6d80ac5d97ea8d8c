use apa_apk::Package;
use apa_archive::Archive;
use apa_model::Anomaly;

use crate::Identity;
use crate::text::excerpt;

/// What can be said without running anything: scripts, left-out files, a package that says it is another.
pub(super) fn facts(archive: &Archive, identity: &Identity) -> Vec<Anomaly> {
    let Some(package) = Package::read(archive) else {
        return vec![fact(
            ".PKGINFO",
            "no-control-section",
            "there is no .PKGINFO with a name",
        )];
    };
    let mut facts: Vec<_> = package
        .scripts
        .iter()
        .map(|(hook, script)| {
            let text = String::from_utf8_lossy(script);
            let detail = format!("runs as {hook}, as root: {}", text.trim_start_matches("#!"));
            fact(&format!(".{hook}"), "install-script", &detail)
        })
        .collect();
    if package.left_out > 0 {
        let detail = format!("{} entries are not put into the root", package.left_out);
        facts.push(fact("", "not-installed", &detail));
    }
    let info = &package.info;
    for (field, expected, found) in [
        ("name", &identity.name, &info.name),
        ("version", &identity.version, &info.version),
    ] {
        if expected
            .as_ref()
            .is_some_and(|expected| expected.rsplit('/').next() != Some(found))
        {
            let detail = format!("the index has another {field} than the package: {found}");
            facts.push(fact(".PKGINFO", "manifest-mismatch", &detail));
        }
    }
    facts
}

fn fact(path: &str, kind: &str, detail: &str) -> Anomaly {
    Anomaly {
        kind: kind.to_owned(),
        path: path.into(),
        detail: excerpt(detail, 300),
    }
}
