//! Which repository Maven itself would use: what its settings say about `central`, else what its own super-POM
//! says. Read from its files; Maven takes seconds to start.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use apa_model::Ecosystem;
use roxmltree::{Document, Node};

use crate::memo::{Key, remember};
use crate::{EcosystemError, RegistryOverrides, host, release};

/// The repository that the super-POM names.
const CENTRAL: &str = "central";
const SUPER_POM: &str = "org/apache/maven/model/pom-4.0.0.xml";
/// Largest file that is read of Maven or its settings, bytes.
const BYTES: u64 = 4 << 20;

/// What Maven is set to use, remembered until its configuration changes.
pub(super) fn registry(overrides: &RegistryOverrides) -> Result<String, EcosystemError> {
    let address = match overrides.addresses.get(&Ecosystem::Maven) {
        Some(address) => address.clone(),
        None => {
            let home = maven_home()?;
            let settings = settings_files(&home);
            let key = settings
                .iter()
                .fold(Key::new("maven repository"), |key, file| key.file(file));
            let key = key.file(&home.join("lib"));
            remember(key, overrides.cache_dir.as_deref(), || {
                ask(&home, &settings)
            })?
        }
    };
    release::check_address(address)
}

fn ask(home: &Path, settings: &[PathBuf]) -> Result<String, EcosystemError> {
    let texts: Vec<String> = settings.iter().filter_map(|path| read(path)).collect();
    if let Some(address) = texts.iter().find_map(|text| configured(text)) {
        return Ok(address);
    }
    super_pom(home)
        .as_deref()
        .and_then(|pom| first_repository(pom, CENTRAL))
        .ok_or_else(|| client("its own model-builder jar names no repository".to_owned()))
}

fn client(why: String) -> EcosystemError {
    EcosystemError::Client { client: "mvn", why }
}

/// The folder Maven is installed in.
pub(super) fn maven_home() -> Result<PathBuf, EcosystemError> {
    let path = host::variable("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join("mvn"))
        .find_map(|program| program.canonicalize().ok())
        .and_then(|program| Some(program.parent()?.parent()?.to_owned()))
        .ok_or_else(|| client("there is no program mvn in PATH".to_owned()))
}

/// The user's file wins over the installation's.
fn settings_files(home: &Path) -> Vec<PathBuf> {
    let user = host::home().map(|home| home.join(".m2/settings.xml"));
    user.into_iter()
        .chain([home.join("conf/settings.xml")])
        .collect()
}

fn read(path: &Path) -> Option<String> {
    let mut text = String::new();
    let file = File::open(path).ok()?;
    file.take(BYTES).read_to_string(&mut text).ok()?;
    Some(text)
}

/// The super-POM from the jar that Maven builds its models with.
fn super_pom(home: &Path) -> Option<String> {
    let jars = std::fs::read_dir(home.join("lib")).ok()?;
    jars.flatten()
        .map(|jar| jar.path())
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.contains("model-builder") && name.ends_with(".jar")
        })
        .find_map(|path| {
            let mut jar = zip::ZipArchive::new(File::open(path).ok()?).ok()?;
            let mut text = String::new();
            let pom = jar.by_name(SUPER_POM).ok()?;
            pom.take(BYTES).read_to_string(&mut text).ok()?;
            Some(text)
        })
}

/// What a settings file makes of `central`: a mirror of it, else a repository of that name in an active profile.
fn configured(settings: &str) -> Option<String> {
    let document = Document::parse(settings).ok()?;
    let root = document.root_element();
    let mirror = elements(root, "mirrors")
        .flat_map(|mirrors| elements(mirrors, "mirror"))
        .find(|mirror| text(*mirror, "mirrorOf").is_some_and(|of| is_mirror_of_central(&of)))
        .and_then(|mirror| text(mirror, "url"));
    let active: Vec<String> = elements(root, "activeProfiles")
        .flat_map(|profiles| elements(profiles, "activeProfile"))
        .filter_map(|profile| Some(profile.text()?.trim().to_owned()))
        .collect();
    let profile = || {
        elements(root, "profiles")
            .flat_map(|profiles| elements(profiles, "profile"))
            .filter(|profile| {
                let always = elements(*profile, "activation").any(|activation| {
                    text(activation, "activeByDefault").as_deref() == Some("true")
                });
                always || text(*profile, "id").is_some_and(|id| active.contains(&id))
            })
            .find_map(|profile| repository(profile, CENTRAL))
    };
    mirror.or_else(profile)
}

/// `*`, `central`, `external:*` and lists of them, unless `!central` is among them.
fn is_mirror_of_central(of: &str) -> bool {
    let parts = || of.split(',').map(str::trim);
    let named = parts().any(|part| matches!(part, "*" | "external:*" | CENTRAL));
    named && !parts().any(|part| part.strip_prefix('!') == Some(CENTRAL))
}

fn first_repository(pom: &str, id: &str) -> Option<String> {
    repository(Document::parse(pom).ok()?.root_element(), id)
}

fn repository(node: Node<'_, '_>, id: &str) -> Option<String> {
    elements(node, "repositories")
        .flat_map(|repositories| elements(repositories, "repository"))
        .find(|repository| text(*repository, "id").as_deref() == Some(id))
        .and_then(|repository| text(repository, "url"))
}

fn elements<'a, 'i>(node: Node<'a, 'i>, name: &'static str) -> impl Iterator<Item = Node<'a, 'i>> {
    node.children()
        .filter(move |child| child.tag_name().name() == name)
}

fn text(node: Node<'_, '_>, name: &'static str) -> Option<String> {
    let text = elements(node, name).next()?.text()?.trim().to_owned();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mirror(of: &str) -> String {
        format!(
            "<settings xmlns=\"http://maven.apache.org/SETTINGS/1.2.0\"><mirrors>
               <mirror><id>blocker</id><mirrorOf>external:http:*</mirrorOf><url>http://0.0.0.0/</url></mirror>
               <mirror><id>m</id><mirrorOf>{of}</mirrorOf><url>https://mirror.test/m2</url></mirror>
             </mirrors></settings>"
        )
    }

    #[test]
    fn a_mirror_of_central_wins() {
        for of in ["central", "*", "external:*", "*,!snapshots", "a, central"] {
            let address = configured(&mirror(of));
            assert_eq!(address.as_deref(), Some("https://mirror.test/m2"), "{of}");
        }
        for of in ["*,!central", "other", "external:http:*"] {
            assert_eq!(configured(&mirror(of)), None, "{of}");
        }
    }

    #[test]
    fn a_repository_of_an_active_profile_counts() {
        let settings = |active: &str| {
            format!(
                "<settings><profiles><profile><id>p</id><repositories><repository><id>central</id>
                 <url>https://own.test/m2</url></repository></repositories></profile></profiles>{active}</settings>"
            )
        };
        let on = settings("<activeProfiles><activeProfile>p</activeProfile></activeProfiles>");
        assert_eq!(configured(&on).as_deref(), Some("https://own.test/m2"));
        assert_eq!(configured(&settings("")), None);
        assert_eq!(configured("<settings>"), None);
    }

    #[test]
    fn the_super_pom_of_the_installed_maven_names_a_repository() {
        match maven_home() {
            Ok(home) => {
                let pom = super_pom(&home).unwrap();
                assert!(first_repository(&pom, CENTRAL).unwrap().starts_with("http"));
            }
            Err(error) => eprintln!("SKIPPED: {error}"),
        }
    }
}
