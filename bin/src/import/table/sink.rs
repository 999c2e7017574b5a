//! Sink connectors for Elasticsearch and OpenSearch: Confluent's, and Aiven's where its names differ.

use serde_json::{Value, json};

use super::super::draft::Draft;
use super::super::parse;
use super::connect::client_setting;
use super::row::{Given, Row, flag, list, no_meaning, number, refused, refused_unless, text, with, word};

const POLICY: &str = "set by behavior.on.malformed.documents, drop.invalid.message and errors.tolerance";
const BYTES: &str = "what waits is bounded in bytes: `index.bulk.max_buffered_bytes`";
const ENDLESS: &str = "what may pass is tried again without end";
const RUSTLS: &str = "TLS 1.2 and 1.3 with the suites of rustls";
const JAVA: &str = "there is no Java class to load: remove it";

pub(super) const WHAT: &[Row] = &[
    text("name", "", "name"),
    with("connector.class", "", "index", |_, _| Ok(())),
    no_meaning(
        "tasks.max",
        "1",
        "one process reads all partitions; start more with the same group to share them",
    ),
    list("topics", "consume.topics"),
    text("topics.regex", "", "consume.topics_regex"),
    with("key.converter", "", "index.id_from", key_converter),
    with("value.converter", "", "index.document", value_converter),
    no_meaning("header.converter", "", "headers are read as they are"),
    with(
        "<side>.converter.schemas.enable",
        "true",
        "converters.value.schemas",
        converter_schemas,
    ),
    no_meaning(
        "<side>.converter.<setting>",
        "",
        "a schema beside the payload is recognised in each record",
    ),
    with(
        "consumer.override.<setting>",
        "",
        "kafka.properties",
        consumer_setting,
    ),
    with("consumer.<setting>", "", "kafka.properties", consumer_setting),
    text("bootstrap.servers", "", "kafka.bootstrap_servers"),
    with(
        "security.protocol",
        "",
        "kafka.properties",
        super::connect::plain_setting,
    ),
    with(
        "sasl.<setting>",
        "",
        "kafka.properties",
        super::connect::plain_setting,
    ),
    with(
        "ssl.<setting>",
        "",
        "kafka.properties",
        super::connect::plain_setting,
    ),
    with(
        "client.<setting>",
        "",
        "kafka.properties",
        super::connect::plain_setting,
    ),
    no_meaning(
        "producer.override.<setting>",
        "",
        "dead letters go by `kafka.properties`",
    ),
    no_meaning(
        "admin.override.<setting>",
        "",
        "topics are created by `kafka.properties`",
    ),
    with("transforms", "", "transforms", super::super::transforms::steps),
    with(
        "transforms.<setting>",
        "",
        "transforms",
        super::super::transforms::setting,
    ),
    with(
        "predicates",
        "",
        "predicates",
        super::super::transforms::predicates,
    ),
    with(
        "predicates.<setting>",
        "",
        "predicates",
        super::super::transforms::predicate_setting,
    ),
    no_meaning(
        "config.action.reload",
        "restart",
        "the file is read once, at the start",
    ),
];

pub(super) const CONNECTION: &[Row] = &[
    with("connection.url", "", "index.urls", urls),
    text("connection.username", "", "index.auth.username"),
    with("connection.password", "", "index.auth.password", password),
    flag("connection.compression", "false", "index.gzip"),
    number("connection.timeout.ms", "1000", "index.connect_timeout_ms"),
    number("read.timeout.ms", "3000", "index.request_timeout_ms"),
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

pub(super) const BATCHES: &[Row] = &[
    number("batch.size", "2000", "index.bulk.max_docs").always(),
    with("bulk.size.bytes", "5242880", "index.bulk.max_bytes", bulk_bytes),
    with(
        "max.in.flight.requests",
        "5",
        "index.bulk.max_in_flight",
        in_flight,
    )
    .always(),
    number("linger.ms", "1", "index.bulk.linger_ms").always(),
    no_meaning("max.buffered.records", "20000", BYTES),
    no_meaning(
        "flush.timeout.ms",
        "180000",
        "the topics are paused while the index takes nothing, however long",
    ),
    no_meaning(
        "flush.synchronously",
        "false",
        "offsets are those of the topics, whatever the documents' names",
    ),
    no_meaning("max.retries", "5", ENDLESS),
    number("retry.backoff.ms", "100", "index.first_backoff_ms").always(),
    no_meaning("errors.retry.timeout", "0", ENDLESS),
    no_meaning("errors.retry.delay.max.ms", "60000", ENDLESS),
];

pub(super) const DOCUMENTS: &[Row] = &[
    word(
        "write.method",
        "insert",
        "index.write",
        &[("insert", "insert"), ("upsert", "upsert")],
    ),
    word(
        "index.write.method",
        "insert",
        "index.write",
        &[("insert", "insert"), ("upsert", "upsert")],
    ),
    with("key.ignore", "false", "index.id_from", key_ignore),
    with("topic.key.ignore", "", "index.overrides", topic_key_ignore),
    with(
        "key.ignore.id.strategy",
        "topic.partition.offset",
        "index.id_from",
        id_strategy,
    ),
    with("use.autogenerated.ids", "false", "index.id_from", automatic_ids),
    with("schema.ignore", "false", "index.mapping.infer", schema_ignore).always(),
    with("topic.schema.ignore", "", "index.overrides", topic_schema_ignore),
    with(
        "compact.map.entries",
        "true",
        "index.mapping.convert.maps",
        compact_map_entries,
    ),
    with("external.version.header", "", "index.versions", version_header),
    word(
        "behavior.on.null.values",
        "fail",
        "index.delete_on",
        &[("fail", "refuse"), ("delete", "any"), ("ignore", "nothing")],
    )
    .always(),
    no_meaning(
        "behavior.on.malformed.documents",
        "fail",
        "read together with errors.deadletterqueue.topic.name",
    )
    .with_path("index.on_bad_document"),
    no_meaning(
        "drop.invalid.message",
        "false",
        "read together with errors.deadletterqueue.topic.name",
    )
    .with_path("index.on_invalid_record"),
    no_meaning(
        "errors.tolerance",
        "none",
        "read together with errors.deadletterqueue.topic.name",
    )
    .with_path("index.on_invalid_record"),
    no_meaning("errors.deadletterqueue.topic.name", "", POLICY)
        .with_path("index.on_bad_document.dead_letter_topic"),
    no_meaning(
        "errors.deadletterqueue.topic.replication.factor",
        "3",
        "topics are created as `kafka.topics` says",
    ),
    no_meaning(
        "errors.deadletterqueue.context.headers.enable",
        "false",
        "the headers are always written",
    ),
    no_meaning("errors.log.enable", "false", "errors are always logged"),
    no_meaning("errors.log.include.messages", "false", "no row is ever logged"),
    no_meaning(
        "behavior.on.version.conflict",
        "fail",
        "the index has a newer state then, which is as it should be; such items are counted",
    ),
    with("routing.type", "none", "index.routing", routing),
    no_meaning(
        "routing.type.record.value.path",
        "",
        "read together with routing.type",
    )
    .with_path("index.routing"),
];

pub(super) const TARGETS: &[Row] = &[
    with("data.stream.type", "none", "index.data_stream.type", stream_type),
    text("data.stream.dataset", "", "index.data_stream.dataset"),
    with(
        "data.stream.namespace",
        "${topic}",
        "index.data_stream.namespace",
        stream_namespace,
    ),
    list(
        "data.stream.timestamp.field",
        "index.data_stream.timestamp_fields",
    ),
    refused_unless(
        "data.stream.enabled",
        &["false"],
        "set data.stream.type and data.stream.dataset, which name the stream type-dataset-topic",
    ),
    refused(
        "data.stream.prefix",
        "set data.stream.type and data.stream.dataset instead",
    ),
    refused(
        "data.streams.existing.index.template.name",
        "the server finds templates by the stream's name: remove it",
    ),
    with(
        "external.resource.usage",
        "disabled",
        "index.resources.kind",
        resource_kind,
    ),
    with(
        "existing.resource.type",
        "",
        "index.resources.kind",
        resource_kind,
    ),
    with(
        "topic.to.external.resource.mapping",
        "",
        "index.resources.by_topic",
        resources,
    ),
    with(
        "topic.to.existing.resource.mapping",
        "",
        "index.resources.by_topic",
        resources,
    ),
    with(
        "max.external.resource.mappings",
        "15",
        "index.resources.by_topic",
        most_resources,
    ),
    with("topic.index.map", "", "index.overrides", topic_index_map),
    no_meaning("type.name", "", "servers of today have one type"),
    no_meaning(
        "auto.create.indices.at.start",
        "true",
        "an index is created before its first document",
    ),
    refused(
        "connection.trust.all.certificates",
        "certificates are always checked: name their authority in `index.tls.ca_file`",
    ),
    refused(
        "connection.ssl.<setting>",
        "name PEM files in the YAML file: `index.tls`",
    ),
    refused(
        "aws.<setting>",
        "requests are not signed for AWS: use a user of the domain, or a signing proxy",
    ),
];

/// What needs more than one property, and what Confluent takes for granted.
pub(in super::super) fn complete(
    draft: &mut Draft,
    given: impl Fn(&str) -> Option<String>,
    empty: impl Fn(&str) -> bool,
) -> Result<(), (String, String)> {
    let fault = |name: &str, text: &str| Err((name.to_owned(), text.to_owned()));
    let is = |name: &str, value: &str| given(name).is_some_and(|v| v.trim().eq_ignore_ascii_case(value));
    draft.set("index.document", "value");
    if draft.get("index.versions").is_none() {
        draft.set("index.versions", "kafka_offset");
    }
    if draft.get("index.resources").is_none() && draft.get("index.data_stream").is_none() {
        draft.set("index.create", true);
    }
    if given("topic.key.ignore").is_some() && is("key.ignore", "true") {
        return fault(
            "topic.key.ignore",
            "has no effect beside key.ignore=true: remove one of them",
        );
    }
    if given("topic.schema.ignore").is_some() && is("schema.ignore", "true") {
        return fault(
            "topic.schema.ignore",
            "has no effect beside schema.ignore=true: remove one of them",
        );
    }
    if given("data.stream.dataset").is_some()
        != given("data.stream.type").is_some_and(|t| !t.eq_ignore_ascii_case("none"))
    {
        return fault(
            "data.stream.dataset",
            "data.stream.type and data.stream.dataset go together",
        );
    }
    let usage = given("external.resource.usage").is_some_and(|u| !u.eq_ignore_ascii_case("disabled"))
        || given("existing.resource.type").is_some();
    let mapped =
        given("topic.to.external.resource.mapping").or_else(|| given("topic.to.existing.resource.mapping"));
    if usage != mapped.is_some() {
        return fault(
            "topic.to.external.resource.mapping",
            "goes together with external.resource.usage",
        );
    }
    // An empty value switches the check off.
    if empty("elastic.https.ssl.endpoint.identification.algorithm") {
        draft.set("index.tls.verify_hostname", false);
    }
    let queue = given("errors.deadletterqueue.topic.name");
    let left_out = || {
        queue
            .clone()
            .map_or_else(|| json!("skip"), |topic| json!({ "dead_letter_topic": topic }))
    };
    let malformed = given("behavior.on.malformed.documents").unwrap_or_else(|| "fail".into());
    match malformed.trim().to_ascii_lowercase().as_str() {
        "fail" => {}
        "ignore" | "warn" | "report" => draft.set("index.on_bad_document", left_out()),
        other => {
            return fault(
                "behavior.on.malformed.documents",
                &format!("`{other}` is none of ignore, warn, fail"),
            );
        }
    }
    let tolerant = match given("errors.tolerance").as_deref().map(str::trim) {
        None | Some("none") => false,
        Some("all") => true,
        Some(other) => return fault("errors.tolerance", &format!("`{other}` is neither none nor all")),
    };
    let drops = match given("drop.invalid.message") {
        Some(text) => parse::flag(&text).map_err(|e| ("drop.invalid.message".to_owned(), e))?,
        None => false,
    };
    if tolerant && given("transforms").is_some() {
        draft.set("on_record_error", "skip");
    }
    draft.set(
        "index.on_invalid_record",
        if tolerant || drops {
            left_out()
        } else {
            json!("fail")
        },
    );
    Ok(())
}

fn key_converter(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    match given.value.trim() {
        "org.apache.kafka.connect.json.JsonConverter" => Ok(()),
        "org.apache.kafka.connect.storage.StringConverter" => {
            if draft.get("index.id_from").is_none() {
                draft.set("index.id_from", "key_text");
            }
            Ok(())
        }
        _ => Err("keys are read as JSON or as text: name JsonConverter or StringConverter".into()),
    }
}

fn value_converter(_: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    if given.value.trim() == "org.apache.kafka.connect.json.JsonConverter" {
        return Ok(());
    }
    Err("only JSON is read: set it to org.apache.kafka.connect.json.JsonConverter".into())
}

/// Matters where transforms look at whole values: without schemas these hold `schema` and `payload`.
fn converter_schemas(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    let schemas = parse::flag(given.value)?;
    let side = given.captures.first().copied().unwrap_or_default();
    let json = given
        .all
        .get(&format!("{side}.converter"))
        .is_none_or(|c| c.trim().ends_with("JsonConverter"));
    if given.all.get("transforms").is_some() && matches!(side, "key" | "value") && json {
        draft.set(
            &format!("converters.{side}"),
            json!({ "type": "json", "schemas": schemas }),
        );
    }
    Ok(())
}

fn consumer_setting(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    if given.captures.first() == Some(&"group.id") {
        draft.set("consume.group_id", given.value);
        return Ok(());
    }
    client_setting(draft, given)
}

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

fn bulk_bytes(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    match parse::number(given.value)? {
        // Without a limit of the connector's, the servers' own holds.
        -1 => draft.set("index.bulk.max_bytes", 100 << 20),
        n => draft.set("index.bulk.max_bytes", n),
    }
    Ok(())
}

fn in_flight(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    let n = parse::number(given.value)?;
    if n > 64 {
        draft.note(
            given.name,
            "is taken as 64: more requests at once bring no server anything",
        );
    }
    draft.set("index.bulk.max_in_flight", n.min(64));
    Ok(())
}

fn key_ignore(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    if parse::flag(given.value)? {
        let strategy = given.all.get("key.ignore.id.strategy");
        draft.set(
            "index.id_from",
            strategy.map_or(Ok("coordinates"), strategy_word)?,
        );
    }
    Ok(())
}

fn strategy_word(value: &str) -> Result<&'static str, String> {
    match value.trim() {
        "none" => Ok("auto"),
        "record.key" => Ok("key"),
        "topic.partition.offset" => Ok("coordinates"),
        other => Err(format!(
            "`{other}` is none of none, record.key, topic.partition.offset"
        )),
    }
}

/// Read together with `key.ignore`; alone it has no effect there either.
fn id_strategy(_: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    strategy_word(given.value).map(drop)
}

fn automatic_ids(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    if parse::flag(given.value)? {
        draft.set("index.id_from", "auto");
    }
    Ok(())
}

fn topic_key_ignore(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    draft.push(
        "index.overrides",
        json!({ "topics": parse::list(given.value), "id_from": "coordinates" }),
    );
    Ok(())
}

fn schema_ignore(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    if parse::flag(given.value)? {
        return Ok(());
    }
    draft.set("index.mapping.infer", true);
    draft.set("index.mapping.on_conflict", "continue");
    draft.set("index.mapping.convert.decimals", "double");
    Ok(())
}

fn topic_schema_ignore(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    draft.push(
        "index.overrides",
        json!({ "topics": parse::list(given.value), "infer": false }),
    );
    Ok(())
}

fn compact_map_entries(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    let maps = if parse::flag(given.value)? {
        "object"
    } else {
        "entries"
    };
    draft.set("index.mapping.convert.maps", maps);
    Ok(())
}

fn version_header(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    draft.set("index.versions", json!({ "header": given.value }));
    Ok(())
}

fn routing(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    match given.value.trim().to_ascii_lowercase().as_str() {
        "none" => {}
        "key" => draft.set("index.routing", "{key}"),
        "value" => {
            let path = given.all.get("routing.type.record.value.path");
            let path = path.ok_or("value needs routing.type.record.value.path")?;
            let dotted = path.trim().trim_start_matches('/').replace('/', ".");
            draft.set("index.routing", format!("{{value.{dotted}}}"));
        }
        other => return Err(format!("`{other}` is none of none, key, value")),
    }
    Ok(())
}

fn stream_type(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    let kind = given.value.trim().to_ascii_lowercase();
    match kind.as_str() {
        "none" => Ok(()),
        "logs" | "metrics" => {
            draft.set("index.data_stream.type", kind);
            Ok(())
        }
        _ => Err(format!("`{}` is none of logs, metrics, none", given.value)),
    }
}

fn stream_namespace(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    draft.set(
        "index.data_stream.namespace",
        given.value.replace("${topic}", "{topic}"),
    );
    Ok(())
}

fn resource_kind(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    let kind = match given.value.trim().to_ascii_lowercase().as_str() {
        "disabled" | "none" => return Ok(()),
        "index" => "index",
        "datastream" | "data_stream" => "data_stream",
        "alias_index" | "index_alias" | "alias" => "alias_index",
        "alias_datastream" => "alias_data_stream",
        other => {
            return Err(format!(
                "`{other}` is none of index, datastream, alias_index, alias_datastream, disabled"
            ));
        }
    };
    draft.set("index.resources.kind", kind);
    Ok(())
}

fn pairs(value: &str) -> Result<Vec<(String, String)>, String> {
    parse::list(value)
        .iter()
        .map(|pair| match pair.split_once(':') {
            Some((topic, name)) if !topic.trim().is_empty() && !name.trim().is_empty() => {
                Ok((topic.trim().to_owned(), name.trim().to_owned()))
            }
            _ => Err(format!("`{pair}` is not of the form topic:name")),
        })
        .collect()
}

fn resources(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    for (topic, name) in pairs(given.value)? {
        draft.set_under("index.resources.by_topic", &topic, name);
    }
    Ok(())
}

fn most_resources(_: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    let most = usize::try_from(parse::number(given.value)?).unwrap_or(0);
    let mapping = given
        .all
        .get("topic.to.external.resource.mapping")
        .unwrap_or_default();
    let count = parse::list(mapping).len();
    if count > most {
        return Err(format!(
            "topic.to.external.resource.mapping has {count} entries: allow as many"
        ));
    }
    Ok(())
}

fn topic_index_map(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    for (topic, name) in pairs(given.value)? {
        draft.push(
            "index.overrides",
            Value::from_iter([("topics", json!([topic])), ("name", json!(name))]),
        );
    }
    Ok(())
}
