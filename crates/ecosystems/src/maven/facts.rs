use apa_archive::Archive;
use apa_model::{Anomaly, Hostile};

use super::jar::Jar;
use crate::Identity;
use crate::text::excerpt;

/// What a Java archive says about itself: everything that is started without being called.
pub(super) fn facts(archive: &Archive, identity: &Identity) -> Vec<Anomaly> {
    let Some(jar) = Jar::read(archive) else {
        return vec![fact(
            "no-classes",
            "",
            "there is nothing of Java in it".into(),
        )];
    };
    let mut facts = Vec::new();
    let manifest = "META-INF/MANIFEST.MF";
    for (attribute, kind, when) in [
        ("Main-Class", "program", "java -jar starts it"),
        (
            "Launcher-Agent-Class",
            "agent",
            "java -jar starts it before the program",
        ),
        (
            "Premain-Class",
            "agent",
            "java -javaagent starts it in every program",
        ),
        (
            "Agent-Class",
            "agent",
            "it can be loaded into running programs",
        ),
    ] {
        if let Some(class) = jar.manifest.get(attribute) {
            facts.push(fact(
                kind,
                manifest,
                join(&format!("{attribute}, {when}: "), class),
            ));
        }
    }
    for processor in jar.processors() {
        let before = "javac starts it when it is on the class path: ";
        facts.push(fact(
            "annotation-processor",
            "META-INF/services",
            join(before, &processor),
        ));
    }
    if let Some(plugin) = jar.plugin() {
        let goals: Vec<_> = plugin.goals.iter().map(|goal| goal.name.as_str()).collect();
        let goals = goals.join(", ");
        facts.push(fact(
            "maven-plugin",
            "META-INF/maven/plugin.xml",
            join("goals: ", &goals),
        ));
    }
    for service in jar.services.iter().take(50) {
        let before = "whoever asks for the service makes its provider: ";
        facts.push(fact(
            "service-provider",
            "META-INF/services",
            join(before, service),
        ));
    }
    let releases: Vec<_> = jar.releases().iter().map(u32::to_string).collect();
    if !releases.is_empty() {
        let detail = format!("other classes for Java {}", releases.join(", "));
        facts.push(fact("multi-release", "META-INF/versions", detail.into()));
    }
    if jar.unread > 0 {
        let detail = format!(
            "{} class files or jars inside it cannot be read",
            jar.unread
        );
        facts.push(fact("unreadable-class", "", detail.into()));
    }
    facts.extend(contradiction(&jar, identity));
    facts
}

/// A POM inside that says something else than the repository.
fn contradiction(jar: &Jar<'_>, identity: &Identity) -> Option<Anomaly> {
    let (name, version) = (identity.name.as_deref()?, identity.version.as_deref()?);
    let artifact = name.split_once(':').map_or(name, |(_, artifact)| artifact);
    let pom = jar.pom(&format!("{artifact}-{version}.jar"))?;
    let found = super::coordinates(&pom)?;
    let expected = format!("{name}:{version}");
    (found != expected).then(|| {
        let before = format!("the repository's coordinates are {expected}, its own are ");
        fact("manifest-mismatch", "META-INF/maven", join(&before, &found))
    })
}

fn fact(kind: &str, path: &str, detail: Hostile) -> Anomaly {
    Anomaly {
        kind: kind.to_owned(),
        path: path.into(),
        detail,
    }
}

fn join(before: &str, hostile: &str) -> Hostile {
    excerpt(&format!("{before}{hostile}"), 300)
}
