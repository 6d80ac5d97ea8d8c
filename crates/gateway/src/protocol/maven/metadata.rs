use super::xml::{child, list, text, with_root};

/// What a repository says about the versions of an artifact.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// All versions, in the repository's order.
    pub versions: Vec<String>,
    /// The newest that is no snapshot.
    pub release: Option<String>,
    /// The newest.
    pub latest: Option<String>,
}

impl Metadata {
    /// Reads a `maven-metadata.xml`.
    ///
    /// # Errors
    /// In words, when it is none.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        with_root(bytes, |root| {
            if root.tag_name().name() != "metadata" {
                return Err("its root element is not <metadata>".to_owned());
            }
            let Some(versioning) = child(root, "versioning") else {
                return Ok(Self::default());
            };
            Ok(Self {
                versions: list(versioning, "versions", "version")
                    .filter_map(super::xml::content)
                    .collect(),
                release: text(versioning, "release"),
                latest: text(versioning, "latest"),
            })
        })?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_keep_the_order_of_the_repository() {
        let text = "<metadata><groupId>g</groupId><versioning><latest>2-b</latest><release>1.1</release>
            <versions><version>1.0</version><version> 1.1 </version><version>2-b</version></versions></versioning></metadata>";
        let metadata = Metadata::parse(text.as_bytes()).unwrap();
        assert_eq!(metadata.versions, ["1.0", "1.1", "2-b"]);
        assert_eq!(metadata.release.as_deref(), Some("1.1"));
        assert_eq!(metadata.latest.as_deref(), Some("2-b"));
        assert_eq!(
            Metadata::parse(b"<metadata/>").unwrap(),
            Metadata::default()
        );
        assert!(Metadata::parse(b"<project/>").is_err());
    }
}
