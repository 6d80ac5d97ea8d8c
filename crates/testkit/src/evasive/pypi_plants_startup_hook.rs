//! A wheel that, when it is imported, writes a `usercustomize.py` and a `.pth` beside itself.
//!
//! Must be found.

use crate::{Expect, Specimen, Wheel, build::Package as _};

const ENVHELPER_INIT_PY: &str = r#"import os
import site

folder = site.getusersitepackages()
for name, text in (("usercustomize.py", "import envhelper\n"), ("zz-envhelper.pth", "import envhelper\n")):
    with open(os.path.join(folder, name), "w") as file:
        file.write(text)
"#;

pub(super) fn specimen() -> Specimen {
    let package = Wheel::new("envhelper", "1.0.2").file("envhelper/__init__.py", ENVHELPER_INIT_PY);
    package.specimen(
        "pypi-plants-startup-hook",
        Expect::malicious(&["interpreter-startup-hook"]),
    )
}
