use apa_apk::{FileKind, Package};
use sha2::{Digest as _, Sha256};

use crate::root::Root;
use crate::store::{Images, Kept};
use crate::{ImageError, ImageRef};

impl Images {
    /// Installs packages (each after what it needs) into a root of their own, without running anything of them. `keys`
    /// are files for `/etc/apk/keys`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn from_packages(
        &self,
        packages: &[Package],
        keys: &[(String, String)],
    ) -> Result<Kept, ImageError> {
        let name = ImageRef::Wolfi.to_string();
        let about = match packages.last() {
            Some(last) => format!(
                "{} packages for {} {}",
                packages.len(),
                last.info.name,
                last.info.version
            ),
            None => "nothing".to_owned(),
        };
        self.build(&name, &digest(packages, keys), about, |root| {
            for package in packages {
                install(root, package)?;
            }
            for (name, key) in keys {
                root.file(&format!("etc/apk/keys/{name}"), 0o644, key.as_bytes())?;
            }
            root.file(
                "lib/apk/db/installed",
                0o644,
                installed(packages).as_bytes(),
            )
        })
    }
}

fn install(root: &mut Root, package: &Package) -> Result<(), ImageError> {
    for file in &package.files {
        match &file.kind {
            FileKind::Folder => root.folder(&file.path, file.mode)?,
            FileKind::File(bytes) => root.file(&file.path, file.mode, bytes)?,
            FileKind::Link(target) => root.link(&file.path, target.as_bytes())?,
        }
    }
    Ok(())
}

/// What is installed, in the form that `apk` keeps it in.
fn installed(packages: &[Package]) -> String {
    let record = |package: &Package| {
        let info = &package.info;
        let provides: Vec<_> = info
            .provides
            .iter()
            .map(|it| match &it.version {
                Some(version) => format!("{}={version}", it.name),
                None => it.name.clone(),
            })
            .collect();
        format!(
            "P:{}\nV:{}\nA:{}\no:{}\np:{}\n\n",
            info.name,
            info.version,
            info.arch,
            info.origin,
            provides.join(" ")
        )
    };
    packages.iter().map(record).collect()
}

fn digest(packages: &[Package], keys: &[(String, String)]) -> String {
    let mut hash = Sha256::new();
    for package in packages {
        let info = &package.info;
        let data = info.data_hash.as_deref().unwrap_or_default();
        hash.update(format!("{} {} {data}\n", info.name, info.version));
    }
    for (name, key) in keys {
        hash.update(format!("{name}\n{key}\n"));
    }
    crate::oci::sha256_name(hash)
}
