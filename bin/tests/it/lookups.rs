//! Fields that are looked up in a table, on the way from Kafka to the index.

use cdc_kafka::KafkaConfig;
use serde_json::json;

use crate::bench::Bench;
use crate::search;

#[test]
fn a_field_is_looked_up_in_a_table_whose_server_may_close_the_connection() {
    let bench = Bench::new("lookups");
    bench.sql("CREATE TABLE centers (id int, lang text, name jsonb, PRIMARY KEY (id, lang))");
    bench.sql(r#"INSERT INTO centers VALUES (1, 'eng', '"O''Hara"'), (1, 'fra', '1.50'), (2, 'eng', NULL)"#);
    let topic = search::unique("lookups");
    let config = KafkaConfig::new(search::kafka());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let produce = |records: &[(&str, &str)]| {
        let records: Vec<_> = records.iter().map(|(k, v)| (Some(*k), Some(*v))).collect();
        runtime.block_on(search::produce(&config, &topic, &records, &[]));
    };
    produce(&[
        (r#"{"k":1}"#, r#"{"id":1}"#),
        (r#"{"k":2}"#, r#"{"id":1,"lang":"fra"}"#),
        (r#"{"k":3}"#, r#"{"id":2}"#),
        (r#"{"k":4}"#, r#"{"id":"no number'"}"#),
        (r#"{"k":5}"#, r#"{"id":null}"#),
    ]);
    let file = format!(
        "name: {topic}\nkafka: {{bootstrap_servers: '{}'}}\nconsume: {{topics: [{topic}]}}\nlog: {{format: text}}\n\
         index: {{urls: ['{}'], versions: kafka_offset, create: true, mappings: {{properties: {{id: {{type: keyword}}, center: {{type: keyword}}}}}}}}\n\
         transforms:\n  - dynamic_new_field:\n      postgres: {{url: \"{}\", table: public.centers, columns: [id, lang], output_column: name}}\n      \
         input_fields: [id, lang]\n      input_default_values: ['null', eng]\n      output_field: center\n      cache_seconds: 0\n",
        search::kafka(),
        search::url(),
        bench.url()
    );
    let run = bench.run(&file);
    bench.until("the first documents", |_| search::documents(&topic).len() == 5);
    let all = search::documents(&topic);
    assert_eq!(all["1"], json!({"id": 1, "center": "O'Hara"}));
    assert_eq!(all["2"], json!({"id": 1, "lang": "fra", "center": 1.5}));
    assert_eq!(all["3"], json!({"id": 2, "center": null}));
    assert_eq!(all["4"], json!({"id": "no number'", "center": null}));
    assert_eq!(all["5"], json!({"id": null}));
    let ended = bench.sql("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'pgcdc lookup' AND datname = current_database()");
    assert_eq!(ended.as_deref(), Some("1"), "one connection, used again");
    produce(&[(r#"{"k":6}"#, r#"{"id":1}"#)]);
    bench.until("a document by another connection", |_| {
        search::documents(&topic).len() == 6
    });
    assert_eq!(search::documents(&topic)["6"]["center"], "O'Hara");
    // What the role may not read is said, and nothing is passed over.
    bench.sql("DROP TABLE centers");
    produce(&[(r#"{"k":7}"#, r#"{"id":1}"#)]);
    let said = run.fails();
    assert!(
        said.contains("table public.centers cannot be looked up in") && said.contains("42P01"),
        "{said}"
    );
    assert_eq!(search::documents(&topic).len(), 6);
    search::call("DELETE", &topic, None);
}
