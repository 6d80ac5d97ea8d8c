use crate::{Dependency, Provided};

/// Most lines that are read.
const MOST: usize = 20_000;

/// `.PKGINFO`: what a package says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PkgInfo {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// Architecture, `noarch` for any.
    pub arch: String,
    /// Source package.
    pub origin: String,
    /// SHA-256 of the packed data member, hexadecimal.
    pub data_hash: Option<String>,
    /// When it was built, seconds since 1970.
    pub built: Option<i64>,
    /// The commit it was built from.
    pub commit: Option<String>,
    /// What it needs.
    pub depends: Vec<Dependency>,
    /// What it provides.
    pub provides: Vec<Provided>,
    /// Folders (with `*`) at whose change its trigger runs.
    pub triggers: Vec<String>,
}

impl PkgInfo {
    /// Reads the text; lines it does not know are passed over.
    pub fn parse(text: &str) -> Self {
        let mut info = Self::default();
        for line in text.lines().take(MOST) {
            let Some((key, value)) = line.split_once(" = ") else {
                continue;
            };
            let value = value.trim();
            match key.trim() {
                "pkgname" => info.name = value.to_owned(),
                "pkgver" => info.version = value.to_owned(),
                "arch" => info.arch = value.to_owned(),
                "origin" => info.origin = value.to_owned(),
                "datahash" => info.data_hash = Some(value.to_ascii_lowercase()),
                "builddate" => info.built = value.parse().ok(),
                "commit" => info.commit = Some(value.to_owned()),
                "depend" => info.depends.extend(Dependency::parse_all(value)),
                "provides" => info.provides.extend(Provided::parse_all(value)),
                "triggers" => {
                    let folders = value.split([' ', ':']).filter(|it| !it.is_empty());
                    info.triggers.extend(folders.map(str::to_owned));
                }
                _ => {}
            }
        }
        info
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_may_be_on_one_line_or_on_several() {
        let info = PkgInfo::parse(
            "# Generated\npkgname = a\npkgver = 1.0-r0\ndepend = so:libc.so.6 b>=1\ndepend = !c\n\
             provides = cmd:a=1.0-r0\ntriggers = /usr/share/x /usr/lib/*\ndatahash = ABC\nnonsense\n",
        );
        assert_eq!((info.name.as_str(), info.version.as_str()), ("a", "1.0-r0"));
        assert_eq!(info.depends.len(), 3);
        assert_eq!(info.triggers, ["/usr/share/x", "/usr/lib/*"]);
        assert_eq!(info.data_hash.as_deref(), Some("abc"));
    }
}
