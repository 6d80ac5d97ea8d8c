//! Whether what was analysed is the file that a list names by its hash.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use apa_lockfile::{Algorithm, Hash};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

/// Whether each place that gives hashes has one of the analysed files; `None` when no place gives any.
///
/// # Errors
/// When a file cannot be read again.
pub(super) fn matches(
    places: &[Vec<Hash>],
    files: &[impl AsRef<Path>],
) -> io::Result<Option<bool>> {
    if places.is_empty() {
        return Ok(None);
    }
    let mut sums = Vec::new();
    for file in files {
        for algorithm in [Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha512] {
            if places
                .iter()
                .flatten()
                .any(|hash| hash.algorithm == algorithm)
            {
                sums.push(Hash {
                    algorithm,
                    hex: sum(algorithm, file.as_ref())?,
                });
            }
        }
    }
    Ok(Some(
        places
            .iter()
            .all(|place| place.iter().any(|hash| sums.contains(hash))),
    ))
}

fn sum(algorithm: Algorithm, path: &Path) -> io::Result<String> {
    match algorithm {
        Algorithm::Sha1 => digest::<Sha1>(path),
        Algorithm::Sha256 => digest::<Sha256>(path),
        Algorithm::Sha512 => digest::<Sha512>(path),
    }
}

fn digest<D: Digest>(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hash = D::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            n => hash.update(&buffer[..n]),
        }
    }
    Ok(hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_must_allow_one_of_the_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, "abc").unwrap();
        let hash = |algorithm, hex: &str| Hash {
            algorithm,
            hex: hex.into(),
        };
        let right = hash(Algorithm::Sha1, "a9993e364706816aba3e25717850c26c9cd0d89d");
        let other = hash(Algorithm::Sha256, &"0".repeat(64));
        for (places, expected) in [
            (vec![], None),
            (vec![vec![right.clone()]], Some(true)),
            (vec![vec![other.clone(), right.clone()]], Some(true)),
            (vec![vec![right], vec![other.clone()]], Some(false)),
            (vec![vec![other]], Some(false)),
        ] {
            assert_eq!(matches(&places, &[&path]).unwrap(), expected, "{places:?}");
        }
    }
}
