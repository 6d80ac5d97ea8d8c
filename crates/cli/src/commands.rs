//! One file a command.

pub(crate) mod analyze;
pub(crate) mod doctor;
pub(crate) mod eval;
pub(crate) mod image;
pub(crate) mod report;
pub(crate) mod scan;
pub(crate) mod schema;
pub(crate) mod statics;
mod work;

use apa_engine::EngineError;
use apa_model::ExitCode;

/// Why a command came to nothing, and what the process ends with for it.
pub(crate) struct Failure {
    pub(crate) error: anyhow::Error,
    pub(crate) code: ExitCode,
}

impl Failure {
    pub(crate) fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self {
            error: error.into(),
            code: ExitCode::Usage,
        }
    }

    pub(crate) fn infrastructure(error: impl Into<anyhow::Error>) -> Self {
        Self {
            error: error.into(),
            code: ExitCode::Incomplete,
        }
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        Self {
            code: error.exit_code(),
            error: error.into(),
        }
    }
}
