use std::collections::HashMap;
use std::fmt;

use apa_gateway::{OciRepository, Url};

use crate::oci::{self, Chosen};
use crate::store::{Images, Kept};
use crate::{ImageError, ImageRef};

/// An image in a registry: `registry.example/name:tag`, or with `@sha256:…`. There is no registry by default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    registry: String,
    name: String,
    /// Tag or digest.
    reference: String,
}

impl Reference {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (registry, rest) = text.split_once('/')?;
        let is_host = registry.contains(['.', ':']) || registry == "localhost";
        let plain = |text: &str, more: &[u8]| {
            !text.is_empty()
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || more.contains(&byte))
        };
        let (name, reference) = match rest.split_once('@') {
            Some((name, digest)) => (name.split(':').next()?, digest),
            None => rest.split_once(':').unwrap_or((rest, "latest")),
        };
        let parts = name
            .split('/')
            .all(|part| plain(part, b"-._") && !part.starts_with('.'));
        let usable = is_host
            && plain(registry, b"-.:[]")
            && parts
            && plain(reference, b"-._:")
            && !reference.starts_with('.');
        usable.then(|| Self {
            registry: registry.to_owned(),
            name: name.to_owned(),
            reference: reference.to_owned(),
        })
    }

    /// Plain http on this machine only, as other clients have it.
    fn base(&self) -> Result<Url, ImageError> {
        let host = self
            .registry
            .rsplit_once(':')
            .map_or(self.registry.as_str(), |(host, _)| host);
        let local = host == "localhost" || host.starts_with("127.") || host == "[::1]";
        let scheme = if local { "http" } else { "https" };
        format!("{scheme}://{}/", self.registry)
            .parse()
            .map_err(|_| ImageError::Syntax(self.to_string().into()))
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let separator = if self.reference.starts_with("sha256:") {
            '@'
        } else {
            ':'
        };
        write!(
            f,
            "{}/{}{separator}{}",
            self.registry, self.name, self.reference
        )
    }
}

impl Images {
    /// Pulls an image; every part is checked by its digest.
    ///
    /// # Errors
    /// When the registry does not give it, or it does not fit together.
    pub async fn pull(&self, reference: &Reference) -> Result<Kept, ImageError> {
        let name = ImageRef::Pulled(reference.clone()).to_string();
        let repository = OciRepository::new(reference.base()?, &reference.name)?;
        let mut manifest = repository.manifest(&reference.reference).await?;
        for _ in 0..oci::MOST_NESTED {
            match oci::choose(&name, &manifest)? {
                Chosen::Manifest(found) => {
                    let digest = oci::digest(&manifest);
                    if let Some(kept) = self.of_digest(&digest).filter(|kept| kept.name == name) {
                        return Ok(kept);
                    }
                    let mut blobs = HashMap::new();
                    for layer in &found.layers {
                        let bytes = repository.blob(&layer.digest).await?;
                        blobs.insert(layer.digest.clone(), bytes.to_vec());
                    }
                    let blob = |digest: &str| {
                        let missing = || ImageError::oci(digest, "it was not pulled");
                        blobs.get(digest).cloned().ok_or_else(missing)
                    };
                    return self.unpack(&name, &digest, &found, &blob);
                }
                Chosen::Another(digest) => manifest = repository.manifest(&digest).await?,
            }
        }
        Err(ImageError::oci(&name, "indexes lead to indexes"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_names_its_registry() {
        for (text, shown) in [
            ("registry.test/a/b:1.0", "registry.test/a/b:1.0"),
            ("localhost:5000/a", "localhost:5000/a:latest"),
            (
                "registry.test/a:1@sha256:ab12",
                "registry.test/a@sha256:ab12",
            ),
        ] {
            assert_eq!(Reference::parse(text).unwrap().to_string(), shown);
        }
        for text in [
            "a",
            "a/b:1",
            "registry.test/../b",
            "registry.test/a b",
            "registry.test/a:../x",
        ] {
            assert_eq!(Reference::parse(text), None, "{text}");
        }
        let base = |text| Reference::parse(text).unwrap().base().unwrap().to_string();
        assert_eq!(base("127.0.0.1:5000/a"), "http://127.0.0.1:5000/");
        assert_eq!(base("registry.test/a"), "https://registry.test/");
    }
}
