//! Which root file system a run gets.

use apa_ecosystems::{Adapter, EcosystemError};
use apa_gateway::Gateway;
use apa_images::{ImageError, ImageRef, Images, Kept, TOOLCHAINS};
use apa_model::{Ecosystem, Profile};
use apa_sandbox::Image;

use crate::detonate::blocking;
use crate::{Engine, EngineError};

impl Engine {
    /// The images that are kept.
    pub fn images(&self) -> Images {
        Images::new(&self.config.cache_dir)
    }

    /// The image that the profile asks for. Without a word of it a system's packages get a small system of their own
    /// repository, and everything else the host's.
    pub(crate) async fn image(
        &self,
        adapter: &dyn Adapter,
        gateway: &Gateway,
        profile: &Profile,
    ) -> Result<Image, EngineError> {
        let wanted: Option<ImageRef> = profile.image.as_deref().map(str::parse).transpose()?;
        let kept = match wanted {
            None if adapter.changes_system() => self.system(gateway).await?,
            None | Some(ImageRef::Host) => None,
            Some(ImageRef::Wolfi) if adapter.changes_system() => {
                let own = self.system(gateway).await?;
                Some(own.ok_or(ImageError::Missing("wolfi".into(), "build wolfi"))?)
            }
            Some(ImageRef::Folder(path)) => {
                Some(blocking("looking at the image", move || ImageRef::of_folder(&path)).await??)
            }
            Some(ImageRef::Layout(path)) => {
                let images = self.images();
                Some(blocking("unpacking the image", move || images.from_layout(&path)).await??)
            }
            Some(image) => Some(self.kept(&image)?),
        };
        Ok(kept.map_or(Image::Host, |kept| Image::Folder {
            name: kept.title(),
            root: kept.root,
        }))
    }

    fn kept(&self, image: &ImageRef) -> Result<Kept, ImageError> {
        let how = match image {
            ImageRef::Pulled(_) => "pull IMAGE",
            ImageRef::Wolfi => "build wolfi",
            _ => "build debian",
        };
        let name = image.to_string();
        let kept = self.images().named(&name);
        kept.ok_or(ImageError::Missing(name, how))
    }

    /// A small system of the repository's own packages, if it makes one.
    async fn system(&self, gateway: &Gateway) -> Result<Option<Kept>, EngineError> {
        let system = apa_ecosystems::system(gateway, self.config.keys.as_deref()).await?;
        let Some(system) = system else {
            return Ok(None);
        };
        let images = self.images();
        let kept = blocking("building the image", move || {
            images.from_packages(&system.packages, &system.keys)
        });
        Ok(Some(kept.await??))
    }

    /// Builds or pulls an image. One that is there already and still the same is kept.
    ///
    /// # Errors
    /// When there is nothing to build, or its parts cannot be had.
    pub async fn make_image(&self, image: &ImageRef) -> Result<Kept, EngineError> {
        let images = self.images();
        match image {
            ImageRef::Debian => {
                let downloads = self.config.cache_dir.join("debian-packages");
                let build = move || images.debian(&TOOLCHAINS, &downloads);
                Ok(blocking("building the image", build).await??)
            }
            ImageRef::Wolfi => {
                let gateway = self
                    .gateway(Ecosystem::Apk, &Profile::default(), true)
                    .await?;
                let none = || EcosystemError::NoFiles {
                    package: apa_model::PackageRef {
                        ecosystem: Ecosystem::Apk,
                        name: "wolfi-base".into(),
                        version: None,
                    },
                    why: "the repository has no packages that make a system".into(),
                    next: "name another repository",
                };
                Ok(self.system(&gateway).await?.ok_or_else(none)?)
            }
            ImageRef::Layout(path) => {
                let path = path.clone();
                Ok(blocking("unpacking the image", move || images.from_layout(&path)).await??)
            }
            ImageRef::Pulled(reference) => Ok(images.pull(reference).await?),
            ImageRef::Host | ImageRef::Folder(_) => {
                let text = format!("{image} (nothing is to be built for it)");
                Err(ImageError::Syntax(text.into()).into())
            }
        }
    }
}
