use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType, SerialNumber,
};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, version};
use sha2::{Digest as _, Sha256};
use time::Duration;

use crate::keys::Keys;
use crate::shared::lock;
use crate::{Clock, NetsimError};

/// Leaves kept; a sample that asks for more names has its oldest forged anew.
const CACHED: usize = 2048;

/// Subjects that look like any other root in a trust store.
const ORGANISATIONS: [&str; 4] = [
    "Meridian Trust Services",
    "Northgate Certification",
    "Alder Internet Security",
    "Corvane Digital Trust",
];

/// The certificate authority of one run. The sandbox trusts it; it is worth nothing outside.
#[derive(Clone)]
pub struct Ca {
    pem: String,
    issuer: Arc<Issuer<'static, KeyPair>>,
    seed: Vec<u8>,
}

impl Ca {
    /// Something that is different in every run, and no secret.
    pub(crate) fn seed(&self) -> &[u8] {
        &self.seed
    }

    /// Makes a new authority with a P-256 key, dated back so that it looks established.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn generate() -> Result<Self, NetsimError> {
        Self::generate_at(Clock::default())
    }

    /// The same for machines whose clock is this one.
    ///
    /// # Errors
    /// As [`Ca::generate`].
    pub fn generate_at(clock: Clock) -> Result<Self, NetsimError> {
        let key = KeyPair::generate().map_err(NetsimError::Certificate)?;
        let seed = Sha256::digest(key.public_key_raw()).to_vec();
        let organisation = ORGANISATIONS[usize::from(seed[0]) % ORGANISATIONS.len()];
        let mut name = DistinguishedName::new();
        name.push(DnType::CountryName, "US");
        name.push(DnType::OrganizationName, organisation);
        name.push(
            DnType::CommonName,
            format!("{organisation} Root R{}", 1 + seed[1] % 6),
        );
        let mut params = CertificateParams::default();
        params.distinguished_name = name;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::CrlSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        let age = Duration::days(700 + i64::from(seed[2]));
        params.not_before = clock.now() - age;
        params.not_after = clock.now() + Duration::days(3650) - age;
        params.serial_number = Some(serial(&seed, "root"));
        let pem = params
            .self_signed(&key)
            .map_err(NetsimError::Certificate)?
            .pem();
        Ok(Self {
            pem,
            issuer: Arc::new(Issuer::new(params, key)),
            seed,
        })
    }

    /// The authority's certificate, for trust stores.
    pub fn pem(&self) -> String {
        self.pem.clone()
    }
}

/// Sixteen bytes that differ for every subject and run.
fn serial(seed: &[u8], subject: &str) -> SerialNumber {
    let mut bytes = Sha256::new_with_prefix(seed)
        .chain_update(subject)
        .finalize()[..16]
        .to_vec();
    bytes[0] = bytes[0] & 0x7f | 1;
    SerialNumber::from_slice(&bytes)
}

/// Makes and caches a leaf certificate per name or address, all with one key: forging costs one signature.
pub(crate) struct Forge {
    ca: Ca,
    clock: Clock,
    key: KeyPair,
    signing: Arc<dyn rustls::sign::SigningKey>,
    base: ServerConfig,
    leaves: Mutex<HashMap<String, Arc<CertifiedKey>>>,
    /// The secrets of all connections.
    pub(crate) keys: Arc<Keys>,
}

impl Forge {
    pub(crate) fn new(ca: Ca, clock: Clock) -> Result<Self, NetsimError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = KeyPair::generate().map_err(NetsimError::Certificate)?;
        let signing = load(&provider, &key).map_err(NetsimError::Tls)?;
        let mut base = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&version::TLS13, &version::TLS12])
            .map_err(NetsimError::Tls)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(NoLeaf));
        base.send_tls13_tickets = 1;
        let keys = Arc::new(Keys::default());
        base.key_log = keys.clone();
        Ok(Self {
            ca,
            clock,
            key,
            signing,
            base,
            leaves: Mutex::default(),
            keys,
        })
    }

    /// A server's set-up for one handshake. `host` is a name, or an address written out. One of the protocols in
    /// `agreed` is agreed on; where there is none, those of the client are neither refused nor confirmed.
    pub(crate) fn server(
        &self,
        host: &str,
        agreed: Vec<Vec<u8>>,
    ) -> Result<ServerConfig, NetsimError> {
        let mut config = self.base.clone();
        config.cert_resolver = Arc::new(Leaf(self.leaf(host)?));
        config.alpn_protocols = agreed;
        Ok(config)
    }

    fn leaf(&self, host: &str) -> Result<Arc<CertifiedKey>, NetsimError> {
        let host = host.to_ascii_lowercase();
        if let Some(leaf) = lock(&self.leaves).get(&host) {
            return Ok(leaf.clone());
        }
        let certificate = self.sign(&host).map_err(NetsimError::Certificate)?;
        let leaf = Arc::new(CertifiedKey::new(vec![certificate], self.signing.clone()));
        let mut leaves = lock(&self.leaves);
        if leaves.len() >= CACHED {
            leaves.clear();
        }
        leaves.insert(host, leaf.clone());
        Ok(leaf)
    }

    fn sign(&self, host: &str) -> Result<CertificateDer<'static>, rcgen::Error> {
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![match host.parse::<IpAddr>() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) => SanType::DnsName(host.try_into()?),
        }];
        params.distinguished_name = DistinguishedName::new();
        if host.len() <= 64 {
            params.distinguished_name.push(DnType::CommonName, host);
        }
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        params.not_before = self.clock.now() - Duration::days(40);
        params.not_after = self.clock.now() + Duration::days(320);
        params.serial_number = Some(serial(&self.ca.seed, host));
        Ok(params.signed_by(&self.key, &self.ca.issuer)?.der().clone())
    }
}

fn load(
    provider: &CryptoProvider,
    key: &KeyPair,
) -> Result<Arc<dyn rustls::sign::SigningKey>, rustls::Error> {
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    provider.key_provider.load_private_key(key)
}

#[derive(Debug)]
struct Leaf(Arc<CertifiedKey>);

impl ResolvesServerCert for Leaf {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }
}

/// Stands in the base set-up, which is never used as it is.
#[derive(Debug)]
struct NoLeaf;

impl ResolvesServerCert for NoLeaf {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        None
    }
}
