use std::io::Write as _;

use apa_model::Ecosystem;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};

use super::{File, IN_MEMORY, Package, tar_gz};

/// Builds a gem, with its metadata as RubyGems writes it.
pub struct Gem {
    name: String,
    version: String,
    platform: String,
    ruby: String,
    extensions: Vec<String>,
    executables: Vec<String>,
    dependencies: Vec<(String, String)>,
    files: Vec<File>,
}

impl Gem {
    /// An empty gem for every platform.
    pub fn new(name: &str, version: &str) -> Self {
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            platform: "ruby".to_owned(),
            ruby: ">= 2.5".to_owned(),
            extensions: Vec::new(),
            executables: Vec::new(),
            dependencies: Vec::new(),
            files: Vec::new(),
        }
    }

    /// Sets the platform: `x86_64-linux`.
    #[must_use]
    pub fn platform(mut self, platform: &str) -> Self {
        self.platform = platform.to_owned();
        self
    }

    /// Sets which Ruby it needs: `>= 3.0`.
    #[must_use]
    pub fn ruby(mut self, requirement: &str) -> Self {
        self.ruby = requirement.to_owned();
        self
    }

    /// Adds a build script: `ext/x/extconf.rb`, `Rakefile`.
    #[must_use]
    pub fn extension(mut self, path: &str, text: &str) -> Self {
        self.extensions.push(path.to_owned());
        self.bytes(path, text.as_bytes().to_vec(), 0o755)
    }

    /// Adds a program in `exe`.
    #[must_use]
    pub fn executable(mut self, name: &str, text: &str) -> Self {
        self.executables.push(name.to_owned());
        self.bytes(&format!("exe/{name}"), text.as_bytes().to_vec(), 0o755)
    }

    /// Adds a dependency: name and `>= 1.0`.
    #[must_use]
    pub fn depends(mut self, name: &str, requirement: &str) -> Self {
        self.dependencies
            .push((name.to_owned(), requirement.to_owned()));
        self
    }

    /// Adds a text file.
    #[must_use]
    pub fn file(self, path: &str, text: &str) -> Self {
        self.bytes(path, text.as_bytes().to_vec(), 0o644)
    }

    /// Adds a file with permission bits.
    #[must_use]
    pub fn bytes(mut self, path: &str, bytes: Vec<u8>, mode: u32) -> Self {
        self.files.push(File {
            path: path.to_owned(),
            bytes,
            mode,
        });
        self
    }

    /// Its usual file name.
    pub fn filename(&self) -> String {
        match self.platform.as_str() {
            "ruby" => format!("{}-{}.gem", self.name, self.version),
            platform => format!("{}-{}-{platform}.gem", self.name, self.version),
        }
    }

    /// The archive.
    pub fn build(&self) -> Vec<u8> {
        let data = tar_gz(self.files.iter());
        let metadata = gzip(self.metadata().as_bytes());
        let sums = gzip(checksums(&metadata, &data).as_bytes());
        let mut tar = tar::Builder::new(Vec::new());
        let members = [
            ("metadata.gz", metadata),
            ("data.tar.gz", data),
            ("checksums.yaml.gz", sums),
        ];
        for (name, bytes) in members {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o444);
            header.set_mtime(499_162_500);
            tar.append_data(&mut header, name, bytes.as_slice())
                .expect(IN_MEMORY);
        }
        tar.into_inner().expect(IN_MEMORY)
    }

    fn metadata(&self) -> String {
        let dependencies: String = self
            .dependencies
            .iter()
            .map(|(name, requirement)| dependency(name, requirement))
            .collect();
        let or_none = |text: String| match text.as_str() {
            "" => " []".to_owned(),
            _ => format!("\n{}", text.trim_end()),
        };
        let list = |items: &[String]| -> String {
            or_none(items.iter().map(|item| format!("- {item}\n")).collect())
        };
        let files: Vec<_> = self.files.iter().map(|file| file.path.clone()).collect();
        format!(
            "--- !ruby/object:Gem::Specification\nname: {}\nversion: !ruby/object:Gem::Version\n  version: '{}'\n\
             platform: {}\nauthors:\n- A. Developer\nautorequire:\nbindir: exe\ncert_chain: []\n\
             date: 2024-01-01 00:00:00.000000000 Z\ndependencies:{}\ndescription:\nemail:\nexecutables:{}\n\
             extensions:{}\nextra_rdoc_files: []\nfiles:{}\nhomepage: https://code.example/\nlicenses:\n- MIT\n\
             metadata: {{}}\npost_install_message:\nrdoc_options: []\nrequire_paths:\n- lib\n\
             required_ruby_version: !ruby/object:Gem::Requirement\n{}required_rubygems_version: \
             !ruby/object:Gem::Requirement\n{}requirements: []\nrubygems_version: 3.3.15\nsigning_key:\n\
             specification_version: 4\nsummary: A gem.\ntest_files: []\n",
            self.name,
            self.version,
            self.platform,
            or_none(dependencies),
            list(&self.executables),
            list(&self.extensions),
            list(&files),
            requirement(&self.ruby, "  "),
            requirement(">= 0", "  "),
        )
    }
}

impl Package for Gem {
    const ECOSYSTEM: Ecosystem = Ecosystem::Gem;

    fn archive(&self) -> (String, Vec<u8>) {
        (self.filename(), self.build())
    }
}

fn dependency(name: &str, text: &str) -> String {
    let requirement = requirement(text, "    ");
    format!(
        "- !ruby/object:Gem::Dependency\n  name: {name}\n  requirement: !ruby/object:Gem::Requirement\n{requirement}  \
         type: :runtime\n  prerelease: false\n  version_requirements: !ruby/object:Gem::Requirement\n{requirement}"
    )
}

fn requirement(text: &str, indent: &str) -> String {
    let (operator, version) = text.split_once(' ').unwrap_or(("=", text));
    format!(
        "{indent}requirements:\n{indent}- - \"{operator}\"\n{indent}  - !ruby/object:Gem::Version\n{indent}    \
         version: '{version}'\n"
    )
}

fn checksums(metadata: &[u8], data: &[u8]) -> String {
    let hex = |bytes: &[u8]| -> String {
        let digest = Sha256::digest(bytes);
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    };
    format!(
        "---\nSHA256:\n  metadata.gz: {}\n  data.tar.gz: {}\n",
        hex(metadata),
        hex(data)
    )
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(bytes).expect(IN_MEMORY);
    gzip.finish().expect(IN_MEMORY)
}
