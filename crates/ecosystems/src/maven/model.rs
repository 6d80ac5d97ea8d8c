//! POMs as they take effect: with what they inherit, filled in, and with the versions that bills of materials give.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use apa_gateway::maven::{Coordinates, Metadata, Pom, PomDependency};
use apa_gateway::{Gateway, GatewayError};

use super::version;
use crate::BoxFuture;

/// Longest chain of parents, or of bills of materials that import others.
const DEPTH: usize = 20;
/// Most POMs read for one artifact.
const POMS: usize = 1_500;
/// Most versions of a range that are asked when they came.
const RANGE: usize = 100;
/// How often an artifact may say that it has moved.
const MOVES: usize = 4;

/// Why something is not known, in words.
pub(super) type Trouble = String;

/// Reads POMs through the gateway, each once.
pub(super) struct Models<'a> {
    gateway: &'a Gateway,
    effective: Mutex<HashMap<(String, String), Arc<Pom>>>,
    left: AtomicUsize,
}

impl<'a> Models<'a> {
    pub(super) fn new(gateway: &'a Gateway) -> Self {
        Self {
            gateway,
            effective: Mutex::default(),
            left: AtomicUsize::new(POMS),
        }
    }

    /// The effective POM of a released version, under the name it is really found by.
    pub(super) async fn of(
        &self,
        name: &str,
        version: &str,
    ) -> Result<(String, String, Arc<Pom>), Trouble> {
        let (mut name, mut version) = (name.to_owned(), version.to_owned());
        for _ in 0..MOVES {
            let pom = self.effective(&name, &version, 0).await?;
            let Some(moved) = &pom.relocation else {
                return Ok((name, version, pom));
            };
            let (group, artifact) = name.split_once(':').unwrap_or((&name, ""));
            let group = moved.group.as_deref().unwrap_or(group);
            let artifact = moved.artifact.as_deref().unwrap_or(artifact);
            name = format!("{}:{}", pom.fill(group), pom.fill(artifact));
            version = moved.version.as_ref().map_or(version, |to| pom.fill(to));
        }
        Err(format!("{name} has moved more than {MOVES} times"))
    }

    /// What a POM that is at hand comes to.
    pub(super) async fn complete(&self, pom: Pom) -> Result<Pom, Trouble> {
        self.inherited(pom, 0).await
    }

    /// The version that a range means, or the text itself.
    pub(super) async fn version(&self, name: &str, wanted: &str) -> Result<String, Trouble> {
        if !version::is_range(wanted) {
            return Ok(wanted.to_owned());
        }
        let told = |error: GatewayError| error.to_string();
        let bytes = self.gateway.maven_metadata(name).await.map_err(told)?;
        let mut versions = Metadata::parse(&bytes)?.versions;
        for _ in 0..RANGE {
            let Some(highest) = version::highest(wanted, &versions).cloned() else {
                break;
            };
            let there = self.gateway.maven_was_there(name, &highest).await;
            if there.map_err(told)? {
                return Ok(highest);
            }
            versions.retain(|version| *version != highest);
        }
        Err(format!("no version of {name} is in {wanted}"))
    }

    fn effective<'s>(
        &'s self,
        name: &'s str,
        version: &'s str,
        depth: usize,
    ) -> BoxFuture<'s, Result<Arc<Pom>, Trouble>> {
        Box::pin(async move {
            let key = (name.to_owned(), version.to_owned());
            if let Some(known) = self.known(&key) {
                return Ok(known);
            }
            let pom = self.read(name, version).await?;
            let pom = Arc::new(self.inherited(pom, depth).await?);
            self.effective
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(key, Arc::clone(&pom));
            Ok(pom)
        })
    }

    fn known(&self, key: &(String, String)) -> Option<Arc<Pom>> {
        let known = self.effective.lock();
        known
            .unwrap_or_else(PoisonError::into_inner)
            .get(key)
            .cloned()
    }

    async fn read(&self, name: &str, version: &str) -> Result<Pom, Trouble> {
        let taken = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(1)
            });
        if taken.is_err() {
            return Err(format!("more than {POMS} POMs would have to be read"));
        }
        self.gateway
            .maven_pom(name, version)
            .await
            .map_err(|error| format!("the POM of {name} {version}: {error}"))
    }

    async fn inherited(&self, pom: Pom, depth: usize) -> Result<Pom, Trouble> {
        let mut whole = pom;
        let mut parent = whole.parent.clone();
        let mut chain = 0;
        while let Some(at) = parent {
            chain += 1;
            if chain > DEPTH {
                return Err(format!("it has more than {DEPTH} parents"));
            }
            let (name, version) = exact(&whole, &at)?;
            let version = self.version(&name, &version).await?;
            let above = self.read(&name, &version).await?;
            parent = above.parent.clone();
            inherit(&mut whole, above);
        }
        fill(&mut whole);
        self.import(whole, depth).await
    }

    /// Takes in the versions that imported bills of materials give. Its own come first.
    async fn import(&self, mut pom: Pom, depth: usize) -> Result<Pom, Trouble> {
        let (imports, own): (Vec<_>, Vec<_>) = pom
            .managed
            .into_iter()
            .partition(|managed| managed.scope.as_deref() == Some("import"));
        pom.managed = own;
        if depth >= DEPTH && !imports.is_empty() {
            return Err(format!(
                "bills of materials are nested more than {DEPTH} deep"
            ));
        }
        for import in imports {
            let (name, version) = exact(&pom, &import.at)?;
            let bill = self.effective(&name, &version, depth + 1).await?;
            pom.managed.extend(bill.managed.iter().cloned());
        }
        Ok(pom)
    }
}

/// `group:artifact` and version, both known.
fn exact(pom: &Pom, at: &Coordinates) -> Result<(String, String), Trouble> {
    let part = |part: &Option<String>, what: &str| {
        part.as_ref()
            .map(|text| pom.fill(text))
            .filter(|text| !text.contains("${"))
            .ok_or_else(|| format!("a POM that is needed has no {what}"))
    };
    let name = format!(
        "{}:{}",
        part(&at.group, "group")?,
        part(&at.artifact, "name")?
    );
    Ok((name, part(&at.version, "version")?))
}

/// What is said below wins over what is said above.
fn inherit(pom: &mut Pom, above: Pom) {
    let parent = above.parent.as_ref();
    let group = above.group.clone();
    let version = above.version.clone();
    pom.group = pom.group.take().or(group).or_else(|| parent?.group.clone());
    pom.version = pom
        .version
        .take()
        .or(version)
        .or_else(|| parent?.version.clone());
    for (name, value) in above.properties {
        pom.properties.entry(name).or_insert(value);
    }
    add(&mut pom.dependencies, above.dependencies);
    add(&mut pom.managed, above.managed);
}

fn add(own: &mut Vec<PomDependency>, above: Vec<PomDependency>) {
    for dependency in above {
        if !own.iter().any(|known| key(known) == key(&dependency)) {
            own.push(dependency);
        }
    }
}

/// What makes two dependencies the same.
pub(super) fn key(dependency: &PomDependency) -> (&str, &str, &str, &str) {
    (
        dependency.at.group.as_deref().unwrap_or_default(),
        dependency.at.artifact.as_deref().unwrap_or_default(),
        dependency.kind.as_deref().unwrap_or("jar"),
        dependency.classifier.as_deref().unwrap_or_default(),
    )
}

/// Replaces every `${…}` that is known.
fn fill(pom: &mut Pom) {
    let mut filled = pom.clone();
    for dependency in filled.dependencies.iter_mut().chain(&mut filled.managed) {
        let parts = [
            &mut dependency.at.group,
            &mut dependency.at.artifact,
            &mut dependency.at.version,
            &mut dependency.kind,
            &mut dependency.classifier,
            &mut dependency.scope,
        ];
        for part in parts.into_iter().flatten() {
            *part = pom.fill(part);
        }
    }
    *pom = filled;
}
