use apa_archive::ArchiveError;
use thiserror::Error;

/// Why an index or package could not be read.
#[derive(Debug, Error)]
pub enum ApkError {
    /// Not an archive at all.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// An archive without what makes it an index.
    #[error("the index holds no file APKINDEX; ask for another repository")]
    NoIndex,
    /// Damaged or past a limit.
    #[error("the index could not be read whole ({0}); fetch it again")]
    Incomplete(String),
    /// A public key that is none.
    #[error(
        "{name} is no RSA public key in PEM ({reason}); give the key that the repository is signed with"
    )]
    Key {
        /// File name of the key.
        name: String,
        /// What is wrong.
        reason: String,
    },
}
