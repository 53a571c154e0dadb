//! Tokens: who may do what. Secrets are neither in the file nor in the memory: only their SHA-256 digests.

use std::fmt;
use std::hint::black_box;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::flaw::Flaw;
use super::format::hex_digest;

/// Shortest secret, bytes: at the request rates that are allowed, 62^8 guesses take thousands of years.
const SECRET_BYTES_MIN: usize = 8;
/// Longest file whose first line is a secret, bytes.
const FILE_BYTES_MAX: u64 = 65_536;

/// What a token allows; each role may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Look at feeds, follow events, search.
    Read,
    /// Bring audio: to mounts and over WebSockets.
    Ingest,
    /// Add, change and remove feeds.
    Admin,
}

/// A token: a secret that a client sends, and what it may do with it. The secret is given by exactly one of `sha256`, `env`
/// and `file`, never itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenSpec {
    /// Name of its bearer, for the log.
    #[schema(min_length = 1, example = "newsroom")]
    pub name: String,
    /// What it allows: `read` (look), `ingest` (bring audio as well), `admin` (change feeds as well).
    pub role: Role,
    /// SHA-256 of the secret, 64 hexadecimal digits: `printf %s SECRET | sha256sum`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = "sha256")]
    pub sha256: Option<String>,
    /// Environment variable that holds the secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1)]
    pub env: Option<String>,
    /// File whose first line is the secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = "path")]
    pub file: Option<PathBuf>,
}

impl TokenSpec {
    /// What is wrong with it, as far as the file says.
    pub(super) fn check(&self) -> Option<Flaw> {
        let given =
            [("sha256", self.sha256.is_some()), ("env", self.env.is_some()), ("file", self.file.is_some())];
        let given: Vec<&str> =
            given.into_iter().filter(|(_, is_given)| *is_given).map(|(key, _)| key).collect();
        (given.len() != 1).then(|| {
            let found = if given.is_empty() { "no secret".to_owned() } else { given.join(" and ") };
            Flaw::new("", format!("{found}, expected one of sha256, env and file"))
        })
    }

    /// The digest of its secret.
    fn digest(&self) -> Result<[u8; 32], Flaw> {
        match (&self.sha256, &self.env, &self.file) {
            (Some(digest), None, None) => {
                hex_digest(digest).ok_or_else(|| Flaw::new("sha256", "expected 64 hexadecimal digits"))
            }
            (None, Some(variable), None) => from_env(variable).map_err(|why| Flaw::new("env", why)),
            (None, None, Some(path)) => from_file(path).map_err(|why| Flaw::new("file", why)),
            _ => Err(self.check().unwrap_or_else(|| Flaw::new("", "no secret"))),
        }
    }
}

fn from_env(variable: &str) -> Result<[u8; 32], String> {
    let secret =
        std::env::var_os(variable).ok_or_else(|| format!("environment variable {variable} is not set"))?;
    let secret = secret.into_string().map_err(|_| format!("environment variable {variable} is not UTF-8"))?;
    digest_of(&secret).map_err(|why| format!("environment variable {variable} holds {why}"))
}

fn from_file(path: &Path) -> Result<[u8; 32], String> {
    let place = path.display();
    let unreadable = |error: std::io::Error| format!("{place}: {error}");
    let length = std::fs::metadata(path).map_err(unreadable)?.len();
    if length > FILE_BYTES_MAX {
        return Err(format!("{place} has {length} bytes, expected at most {FILE_BYTES_MAX}"));
    }
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    digest_of(text.lines().next().unwrap_or("")).map_err(|why| format!("{place} holds {why}"))
}

fn digest_of(secret: &str) -> Result<[u8; 32], String> {
    let secret = secret.trim();
    if secret.len() < SECRET_BYTES_MIN {
        return Err(format!("a secret of {} bytes, expected at least {SECRET_BYTES_MIN}", secret.len()));
    }
    Ok(Sha256::digest(secret).into())
}

/// Who a token belongs to, and what it allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bearer {
    /// Name of the token.
    pub name: String,
    /// What it allows.
    pub role: Role,
}

struct Token {
    bearer: Bearer,
    digest: [u8; 32],
}

/// All tokens of a configuration, ready to be compared.
#[derive(Default)]
pub struct Tokens(Vec<Token>);

impl Tokens {
    /// Reads the secrets where they are. All that is wrong is told, with keys such as `tokens[0].env`.
    pub fn load(specs: &[TokenSpec]) -> Result<Self, Vec<Flaw>> {
        let (mut tokens, mut flaws) = (Vec::with_capacity(specs.len()), Vec::new());
        for (idx, spec) in specs.iter().enumerate() {
            match spec.digest() {
                Ok(digest) => {
                    let bearer = Bearer { name: spec.name.clone(), role: spec.role };
                    tokens.push(Token { bearer, digest });
                }
                Err(flaw) => flaws.push(flaw.within(&format!("tokens[{idx}]"))),
            }
        }
        if flaws.is_empty() { Ok(Self(tokens)) } else { Err(flaws) }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whose secret this is. Takes as long for every secret of the same length, whether it is one or not: digests of
    /// all tokens are compared to their ends.
    #[must_use]
    pub fn bearer(&self, secret: &str) -> Option<&Bearer> {
        let offered: [u8; 32] = Sha256::digest(secret).into();
        let mut found = None;
        for token in &self.0 {
            if black_box(differences(&token.digest, &offered)) == 0 {
                found = Some(&token.bearer);
            }
        }
        found
    }
}

/// Bits that differ, all of them looked at.
fn differences(a: &[u8; 32], b: &[u8; 32]) -> u8 {
    a.iter().zip(b).fold(0, |all, (a, b)| black_box(all | (a ^ b)))
}

/// Names and roles only.
impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|token| &token.bearer)).finish()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const SECRET: &str = "correct horse battery staple";

    fn spec(name: &str, role: Role) -> TokenSpec {
        TokenSpec { name: name.to_owned(), role, sha256: None, env: None, file: None }
    }

    fn hex(secret: &str) -> String {
        Sha256::digest(secret).iter().map(|byte| format!("{byte:02X}")).collect()
    }

    #[test]
    fn secrets_come_from_digests_files_and_the_environment() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        std::fs::write(&file, "from the file\nnot this line\n").unwrap();
        let specs = [
            TokenSpec { sha256: Some(hex(SECRET)), ..spec("digest", Role::Read) },
            TokenSpec { file: Some(file), ..spec("file", Role::Ingest) },
            TokenSpec { env: Some("PATH".to_owned()), ..spec("environment", Role::Admin) },
        ];
        let tokens = Tokens::load(&specs).unwrap();
        let name = |secret: &str| tokens.bearer(secret).map(|bearer| (bearer.name.clone(), bearer.role));
        assert_eq!(name(SECRET), Some(("digest".to_owned(), Role::Read)));
        assert_eq!(name("from the file"), Some(("file".to_owned(), Role::Ingest)));
        let path = std::env::var("PATH").unwrap();
        assert_eq!(name(path.trim()), Some(("environment".to_owned(), Role::Admin)));
        for wrong in ["", "correct horse battery stapl", "not this line", &hex(SECRET), "PATH"] {
            assert_eq!(name(wrong), None, "{wrong}");
        }
        assert!(Role::Read < Role::Ingest && Role::Ingest < Role::Admin);
    }

    #[test]
    fn every_secret_that_is_not_there_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let (absent, short) = (folder.path().join("absent"), folder.path().join("short"));
        std::fs::write(&short, "hunter2\n").unwrap();
        let specs = [
            TokenSpec { env: Some("AIRCHECK_NO_SUCH_VARIABLE".to_owned()), ..spec("a", Role::Read) },
            TokenSpec { file: Some(absent.clone()), ..spec("b", Role::Read) },
            TokenSpec { file: Some(short.clone()), ..spec("c", Role::Read) },
            spec("d", Role::Read),
        ];
        let flaws: Vec<String> = Tokens::load(&specs).unwrap_err().iter().map(Flaw::to_string).collect();
        let (absent, short) = (absent.display(), short.display());
        let expected = [
            "tokens[0].env: environment variable AIRCHECK_NO_SUCH_VARIABLE is not set".to_owned(),
            format!("tokens[1].file: {absent}: No such file or directory (os error 2)"),
            format!("tokens[2].file: {short} holds a secret of 7 bytes, expected at least 8"),
            "tokens[3]: no secret, expected one of sha256, env and file".to_owned(),
        ];
        assert_eq!(flaws, expected);
    }

    #[test]
    fn secrets_and_digests_are_not_shown() {
        let specs = [TokenSpec { sha256: Some(hex(SECRET)), ..spec("newsroom", Role::Read) }];
        let tokens = Tokens::load(&specs).unwrap();
        assert_eq!(format!("{tokens:?}"), r#"[Bearer { name: "newsroom", role: Read }]"#);
    }
}
