use apa_engine::Engine;
use apa_images::{ImageRef, Images, Kept};
use apa_model::{ExitCode, Hostile};

use super::{Failure, work};
use crate::args::{Image, ImageCommand};
use crate::config::File;
use crate::output;

pub(crate) fn run(args: &Image) -> Result<ExitCode, Failure> {
    let file = File::here().map_err(Failure::usage)?;
    let config = file.engine(&args.places).map_err(Failure::usage)?;
    let images = Images::new(&config.cache_dir);
    match &args.command {
        ImageCommand::List => {
            print(&list(&images.list()))?;
            Ok(ExitCode::Clean)
        }
        ImageCommand::Build { image } | ImageCommand::Pull { image } => {
            let image: ImageRef = image.parse().map_err(apa_engine::EngineError::from)?;
            let kept = work::block_on(async {
                let engine = Engine::open(config)?;
                Ok(engine.make_image(&image).await?)
            })?;
            print(&list(&[kept]))?;
            Ok(ExitCode::Clean)
        }
        ImageCommand::Rm { image } => match images.remove(image) {
            Ok(0) => Err(Failure::usage(anyhow::anyhow!(
                "there is no image \"{}\"; `apa image list` shows those there are",
                Hostile::from(image.as_str())
            ))),
            Ok(count) => {
                output::note(&format!("apa: {count} removed"));
                Ok(ExitCode::Clean)
            }
            Err(error) => Err(Failure::infrastructure(error)),
        },
    }
}

fn print(text: &str) -> Result<(), Failure> {
    output::print(text).map_err(Failure::infrastructure)
}

/// One line for each; the host's own system is always there.
fn list(kept: &[Kept]) -> String {
    let mut text = String::new();
    for one in kept {
        let name = Hostile::from(one.name.as_str());
        let about = Hostile::from(one.about.as_str());
        text.push_str(&format!("{name}\t{}\t{about}\n", one.digest));
    }
    if text.is_empty() {
        text.push_str("host\t-\tthis machine's own system (no other image is kept)\n");
    }
    text
}
