//! An Alpine package whose data is not what its control section was made for: somebody exchanged it afterwards.
//!
//! Must be found although it does nothing: whoever checks only the signature is fooled.

use crate::build::Package as _;
use crate::{ApkPackage, Expect, Specimen};

pub(super) fn specimen() -> Specimen {
    ApkPackage::new("tidy-tool", "3.1-r0")
        .program("usr/bin/tidy-tool", "#!/bin/sh\necho tidy\n")
        .with_other_data()
        .specimen(
            "apk-changed-data",
            Expect::suspicious(&["broken-integrity"]),
        )
}
