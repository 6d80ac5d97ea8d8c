//! Canaries: secrets of this run alone, in the places and shapes that thieves look for.

use apa_model::{Canary, CanaryKind};

use super::random;

/// A file to plant, or a variable.
pub(super) struct Bait {
    pub(super) canary: Canary,
    /// Mode and content, where it is a file.
    pub(super) file: Option<(u32, String)>,
    /// Value, where it is a variable.
    pub(super) value: Option<String>,
}

/// Who the baits belong to.
pub(super) struct Owner<'a> {
    pub(super) user: &'a str,
    pub(super) hostname: &'a str,
    pub(super) home: &'a str,
    pub(super) company: &'a str,
    /// A folder for a project's `.env`; not the one that packages are installed in.
    pub(super) dot_env: &'a str,
    /// Tokens of a continuous-integration job are in the environment.
    pub(super) ci: bool,
}

/// A fresh set.
pub(super) fn set(owner: &Owner<'_>) -> Vec<Bait> {
    let mut baits = vec![
        ssh_key(owner),
        npm_token(owner),
        pypi_token(owner),
        cargo_token(owner),
        aws_file(owner),
        dot_env(owner),
        browser(owner),
        solana(owner),
        ethereum(owner),
        kubernetes(owner),
        git_credentials(owner),
    ];
    baits.extend(aws_environment());
    baits.push(host_name(owner));
    if owner.ci {
        for (id, variable, prefix) in [
            ("code-host-token", "GITHUB_TOKEN", "ghs_"),
            ("registry-token", "NPM_TOKEN", "npm_"),
        ] {
            let token = random::checked_token(prefix);
            baits.push(variable_bait(
                id,
                CanaryKind::EnvironmentToken,
                variable,
                token,
            ));
        }
    }
    baits
}

fn file(
    id: &str,
    kind: CanaryKind,
    path: String,
    mode: u32,
    text: String,
    secrets: Vec<String>,
) -> Bait {
    let canary = Canary {
        id: id.into(),
        kind,
        planted_at: path,
        secrets,
    };
    Bait {
        canary,
        file: Some((mode, text)),
        value: None,
    }
}

fn variable_bait(id: &str, kind: CanaryKind, name: &str, value: String) -> Bait {
    let secrets = vec![value.clone()];
    let canary = Canary {
        id: id.into(),
        kind,
        planted_at: format!("env:{name}"),
        secrets,
    };
    Bait {
        canary,
        file: None,
        value: Some(value),
    }
}

/// The beginning is what a real unencrypted RSA key of 3072 bits has; the numbers are random.
fn ssh_key(owner: &Owner<'_>) -> Bait {
    const HEAD: &str = "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAABlwAAAAdzc2gtcn";
    let lines: Vec<String> = (0..35).map(|_| random::base64(70)).collect();
    let text = format!(
        "-----BEGIN OPENSSH PRIVATE KEY-----\n{HEAD}\n{}\n{}==\n-----END OPENSSH PRIVATE KEY-----\n",
        lines.join("\n"),
        random::base64(34),
    );
    file(
        "ssh-key-1",
        CanaryKind::SshKey,
        format!("{}/.ssh/id_rsa", owner.home),
        0o600,
        text,
        lines,
    )
}

/// For a scope at a company's registry: the genuine client reads the file and asks nobody for it.
fn npm_token(owner: &Owner<'_>) -> Bait {
    let token = random::checked_token("npm_");
    let company = owner.company;
    let text = format!(
        "@{company}:registry=https://npm.{company}.dev/\n//npm.{company}.dev/:_authToken={token}\nfund=false\n"
    );
    file(
        "npm-token-1",
        CanaryKind::NpmToken,
        format!("{}/.npmrc", owner.home),
        0o600,
        text,
        vec![token],
    )
}

fn pypi_token(owner: &Owner<'_>) -> Bait {
    let token = format!("pypi-AgEIcHlwaS5vcmcC{}", random::alphanumeric(140));
    let text = format!(
        "[distutils]\nindex-servers =\n    {0}\n\n[{0}]\nrepository = https://pypi.{0}.dev/legacy/\nusername = __token__\npassword = {token}\n",
        owner.company
    );
    let secrets = vec![token];
    file(
        "pypi-token-1",
        CanaryKind::PypiToken,
        format!("{}/.pypirc", owner.home),
        0o600,
        text,
        secrets,
    )
}

/// For a company's registry, which the genuine client has no reason to ask.
fn cargo_token(owner: &Owner<'_>) -> Bait {
    let token = format!("cio{}", random::alphanumeric(32));
    let text = format!("[registries.{}]\ntoken = \"{token}\"\n", owner.company);
    file(
        "cargo-token-1",
        CanaryKind::CargoToken,
        format!("{}/.cargo/credentials.toml", owner.home),
        0o600,
        text,
        vec![token],
    )
}

/// No secret, and planted nowhere: it is what the machine answers when it is asked for its name.
fn host_name(owner: &Owner<'_>) -> Bait {
    Bait {
        canary: Canary {
            id: "host-name".into(),
            kind: CanaryKind::HostName,
            planted_at: "hostname".into(),
            secrets: vec![owner.hostname.into()],
        },
        file: None,
        value: None,
    }
}

fn aws_keys() -> (String, String) {
    (format!("AKIA{}", random::base32(16)), random::base64(40))
}

fn aws_file(owner: &Owner<'_>) -> Bait {
    let (id, secret) = aws_keys();
    let text = format!("[default]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n");
    let path = format!("{}/.aws/credentials", owner.home);
    file(
        "aws-file-1",
        CanaryKind::AwsFile,
        path,
        0o600,
        text,
        // The name of an access key is no secret: it stands in every request signed with it.
        vec![secret],
    )
}

fn aws_environment() -> [Bait; 2] {
    let (id, secret) = aws_keys();
    let bait =
        |name, variable, value| variable_bait(name, CanaryKind::AwsEnvironment, variable, value);
    [
        bait("aws-environment-1", "AWS_ACCESS_KEY_ID", id),
        bait("aws-environment-2", "AWS_SECRET_ACCESS_KEY", secret),
    ]
}

fn dot_env(owner: &Owner<'_>) -> Bait {
    let (password, key) = (
        random::alphanumeric(24),
        format!("sk_live_{}", random::alphanumeric(40)),
    );
    let text = format!(
        "NODE_ENV=development\nPORT=3000\nDATABASE_URL=postgres://app:{password}@db.{0}.internal:5432/app\nSTRIPE_SECRET_KEY={key}\n",
        owner.company
    );
    let path = format!("{}/.env", owner.dot_env);
    file(
        "dot-env-1",
        CanaryKind::DotEnv,
        path,
        0o600,
        text,
        vec![password, key],
    )
}

/// The head of the browser's database file, its table, and one row.
fn browser(owner: &Owner<'_>) -> Bait {
    let secret = random::alphanumeric(48);
    let text = format!(
        "SQLite format 3\0\u{10}\0\u{1}\u{1}\0@  \0\0\0\u{7}\0\0\0\u{12}{}CREATE TABLE logins (origin_url VARCHAR NOT NULL, username_value VARCHAR, password_value BLOB)\0\0https://accounts.{}.dev/{}v10{secret}\0",
        "\0".repeat(64),
        owner.company,
        owner.user,
    );
    let path = format!("{}/.config/google-chrome/Default/Login Data", owner.home);
    file(
        "browser-logins-1",
        CanaryKind::BrowserLogins,
        path,
        0o600,
        text,
        vec![secret],
    )
}

fn solana(owner: &Owner<'_>) -> Bait {
    let key: Vec<String> = random::bytes::<64>().iter().map(u8::to_string).collect();
    let secrets = key.chunks(16).map(|part| part.join(",")).collect();
    let path = format!("{}/.config/solana/id.json", owner.home);
    file(
        "wallet-1",
        CanaryKind::Wallet,
        path,
        0o600,
        format!("[{}]", key.join(",")),
        secrets,
    )
}

fn ethereum(owner: &Owner<'_>) -> Bait {
    let (address, cipher, mac) = (random::hex(40), random::hex(64), random::hex(64));
    let text = format!(
        r#"{{"address":"{address}","crypto":{{"cipher":"aes-128-ctr","ciphertext":"{cipher}","cipherparams":{{"iv":"{}"}},"kdf":"scrypt","kdfparams":{{"dklen":32,"n":262144,"p":1,"r":8,"salt":"{}"}},"mac":"{mac}"}},"id":"{}","version":3}}"#,
        random::hex(32),
        random::hex(64),
        random::uuid(),
    );
    let path = format!(
        "{}/.ethereum/keystore/UTC--2026-03-11T08-14-52.118332000Z--{address}",
        owner.home
    );
    file(
        "wallet-2",
        CanaryKind::Wallet,
        path,
        0o600,
        text,
        vec![cipher, mac],
    )
}

fn kubernetes(owner: &Owner<'_>) -> Bait {
    let (key, token) = (random::base64(120), random::alphanumeric(64));
    let text = format!(
        "apiVersion: v1\nkind: Config\nclusters:\n- name: {0}\n  cluster:\n    server: https://k8s.{0}.internal:6443\ncontexts:\n- name: {0}\n  context:\n    cluster: {0}\n    user: {1}\ncurrent-context: {0}\nusers:\n- name: {1}\n  user:\n    client-key-data: {key}\n    token: {token}\n",
        owner.company, owner.user
    );
    let path = format!("{}/.kube/config", owner.home);
    file(
        "kube-config-1",
        CanaryKind::KubeConfig,
        path,
        0o600,
        text,
        vec![key, token],
    )
}

fn git_credentials(owner: &Owner<'_>) -> Bait {
    let token = random::checked_token("ghp_");
    let text = format!("https://{}:{token}@git.{}.dev\n", owner.user, owner.company);
    let path = format!("{}/.git-credentials", owner.home);
    file(
        "git-credentials-1",
        CanaryKind::GitCredentials,
        path,
        0o600,
        text,
        vec![token],
    )
}

/// The public half that lies beside the key.
pub(super) fn ssh_public(owner: &Owner<'_>) -> String {
    format!(
        "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQ{} {}@{}\n",
        random::base64(500),
        owner.user,
        owner.hostname
    )
}
