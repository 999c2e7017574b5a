//! How the servers are reached: addresses, credentials, certificates, proxies.

use sink_es::IndexConfig;

use super::super::super::draft::Draft;
use super::super::super::parse;
use super::super::row::{Given, Row, flag, no_meaning, number, refused, text, with};

const RUSTLS: &str = "TLS 1.2 and 1.3 with the suites of rustls";
const JAVA: &str = "there is no Java class to load: remove it";

pub(in super::super) const CONNECTION: &[Row] = &[
    with("connection.url", "", "index.urls", urls),
    text("connection.username", "", "index.auth.username"),
    with("connection.password", "", "index.auth.password", password),
    flag("connection.compression", "false", "index.gzip"),
    number("connection.timeout.ms", "1000", "index.connect_timeout_ms"),
    with(
        "read.timeout.ms",
        "3000",
        "index.request_timeout_ms",
        read_timeout,
    ),
    number("max.connection.idle.time.ms", "60000", "index.idle_timeout_ms"),
    with("proxy.host", "", "index.proxy.url", proxy_host),
    no_meaning("proxy.port", "8080", "read together with proxy.host"),
    text("proxy.username", "", "index.proxy.username"),
    with("proxy.password", "", "index.proxy.password", proxy_password),
    no_meaning(
        "elastic.security.protocol",
        "PLAINTEXT",
        "the address says whether TLS is used: https://",
    ),
    with(
        "elastic.https.ssl.truststore.location",
        "",
        "index.tls.ca_file",
        truststore,
    ),
    with(
        "elastic.https.ssl.keystore.location",
        "",
        "index.tls.certificate_file",
        keystore,
    ),
    with(
        "elastic.https.ssl.truststore.type",
        "JKS",
        "index.tls.ca_file",
        pem_only,
    ),
    with(
        "elastic.https.ssl.keystore.type",
        "JKS",
        "index.tls.certificate_file",
        pem_only,
    ),
    no_meaning(
        "elastic.https.ssl.truststore.password",
        "",
        "PEM certificates have none",
    ),
    refused(
        "elastic.https.ssl.keystore.password",
        "encrypted keys are not read: write the key without a password",
    ),
    refused(
        "elastic.https.ssl.key.password",
        "encrypted keys are not read: write the key without a password",
    ),
    refused(
        "elastic.https.ssl.truststore.certificates",
        "write the certificates into a file: `index.tls.ca_file`",
    ),
    refused(
        "elastic.https.ssl.keystore.certificate.chain",
        "write it into a file: `index.tls.certificate_file`",
    ),
    refused(
        "elastic.https.ssl.keystore.key",
        "write it into a file: `index.tls.key_file`",
    ),
    with(
        "elastic.https.ssl.endpoint.identification.algorithm",
        "https",
        "index.tls.verify_hostname",
        identification,
    ),
    no_meaning("elastic.https.ssl.protocol", "TLSv1.3", RUSTLS),
    no_meaning("elastic.https.ssl.enabled.protocols", "TLSv1.2,TLSv1.3", RUSTLS),
    no_meaning("elastic.https.ssl.cipher.suites", "", RUSTLS),
    no_meaning("elastic.https.ssl.keymanager.algorithm", "SunX509", RUSTLS),
    no_meaning("elastic.https.ssl.trustmanager.algorithm", "PKIX", RUSTLS),
    no_meaning("elastic.https.ssl.secure.random.implementation", "", RUSTLS),
    refused("elastic.https.ssl.provider", JAVA),
    refused("elastic.https.ssl.engine.factory.class", JAVA),
    refused(
        "kerberos.user.principal",
        "Kerberos is not supported: use basic authentication, an API key or a certificate",
    ),
    refused(
        "kerberos.keytab.path",
        "Kerberos is not supported: use basic authentication, an API key or a certificate",
    ),
];

fn urls(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    let all = parse::list(given.value);
    let secure = all.iter().any(|u| u.starts_with("https://"));
    let with_scheme = |u: &String| {
        let bare = u
            .strip_prefix("http://")
            .or_else(|| u.strip_prefix("https://"))
            .unwrap_or(u);
        format!(
            "{}://{}",
            if secure { "https" } else { "http" },
            bare.trim_end_matches('/')
        )
    };
    draft.set("index.urls", all.iter().map(with_scheme).collect::<Vec<_>>());
    Ok(())
}

/// There it bounds the wait for a sign of life from the socket, here the wait for the whole answer: a shorter one than ours
/// would give up what that one waits for.
fn read_timeout(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    let ours = IndexConfig::REQUEST_TIMEOUT_MS;
    let theirs = parse::number(given.value)?;
    if theirs > i64::try_from(ours).unwrap_or(i64::MAX) {
        draft.set("index.request_timeout_ms", theirs);
    } else {
        draft.note(
            given.name,
            format!(
                "has no effect: it bounds the silence of a connection, and an answer may take {ours} ms here"
            ),
        );
    }
    Ok(())
}

fn password(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    draft.set_secret("index.auth", "password", given.value, "PGCDC_INDEX_PASSWORD");
    Ok(())
}

fn proxy_host(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    let port = given.all.get("proxy.port").map_or(Ok(8080), parse::number)?;
    draft.set("index.proxy.url", format!("http://{}:{port}", given.value.trim()));
    Ok(())
}

fn proxy_password(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    draft.set_secret(
        "index.proxy",
        "password",
        given.value,
        "PGCDC_INDEX_PROXY_PASSWORD",
    );
    Ok(())
}

fn pem(given: &Given<'_>, kind: &str) -> Result<(), String> {
    let is_pem = given
        .all
        .get(kind)
        .is_some_and(|t| t.trim().eq_ignore_ascii_case("PEM"));
    if is_pem {
        return Ok(());
    }
    Err(format!(
        "only PEM files are read: convert it (`openssl pkcs12 -in STORE -out FILE.pem -nodes`, a JKS first with \
         `keytool -importkeystore`) and set {kind}=PEM"
    ))
}

fn truststore(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    pem(given, "elastic.https.ssl.truststore.type")?;
    draft.set("index.tls.ca_file", given.value);
    Ok(())
}

fn keystore(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    pem(given, "elastic.https.ssl.keystore.type")?;
    draft.set("index.tls.certificate_file", given.value);
    draft.set("index.tls.key_file", given.value);
    Ok(())
}

fn pem_only(_: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    if given.value.trim().eq_ignore_ascii_case("PEM") {
        return Ok(());
    }
    Err("only PEM files are read: convert the store and set it to PEM".into())
}

fn identification(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    if given.value.trim().eq_ignore_ascii_case("https") {
        draft.set("index.tls.verify_hostname", true);
        return Ok(());
    }
    Err("is https, or empty to accept any name".into())
}
