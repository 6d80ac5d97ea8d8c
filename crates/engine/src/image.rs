//! Which root file system a run gets.

use apa_ecosystems::Adapter;
use apa_gateway::Gateway;
use apa_model::Profile;
use apa_sandbox::Image;

use crate::{Engine, EngineError};

impl Engine {
    /// The image that the profile asks for.
    pub(crate) async fn image(
        &self,
        _adapter: &dyn Adapter,
        _gateway: &Gateway,
        _profile: &Profile,
    ) -> Result<Image, EngineError> {
        Ok(Image::Host)
    }
}
