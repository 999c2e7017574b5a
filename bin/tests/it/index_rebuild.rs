//! `pgcdc index rebuild`: from the table and from the topic, on both routes, while a writer is at work.

use std::collections::BTreeMap;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cdc_core::wire::{ConnectOptions, Purpose, Session};
use serde_json::{Value, json};

use crate::bench::{Bench, Run};
use crate::search;

/// Rows before the first run.
const ROWS: u64 = 2000;

/// A pipeline whose documents go to an alias.
struct Shop {
    bench: Bench,
    alias: String,
    topic: String,
    config: String,
}

impl Shop {
    fn direct(name: &'static str) -> Self {
        Self::new(name, |dir| {
            format!("offsets: {{type: file, path: '{dir}/offsets'}}\n")
        })
    }

    fn over_kafka(name: &'static str) -> Self {
        Self::new(name, |_| {
            format!("kafka: {{bootstrap_servers: '{}'}}\n", search::kafka())
        })
    }

    fn new(name: &'static str, more: impl Fn(&str) -> String) -> Self {
        let bench = Bench::new(name);
        let alias = search::unique(&name.replace('_', "-"));
        search::create(&format!("{alias}-1"), &alias);
        bench.sql(&format!(
            "INSERT INTO t SELECT g, md5(g::text) FROM generate_series(1, {ROWS}) g"
        ));
        let (url, node) = (bench.url(), search::url());
        let config = format!(
            "name: {alias}\nsource:\n  url: '{url}'\n  slot: {{name: {name}}}\nformat: {{topic_prefix: {alias}}}\n\
             log: {{format: text}}\nindex: {{urls: ['{node}'], name: {alias}, bulk: {{linger_ms: 20}}}}\n{}",
            more(&bench.dir.path().display().to_string())
        );
        Self {
            topic: format!("{alias}.public.t"),
            bench,
            alias,
            config,
        }
    }

    fn run(&self) -> Run<'_> {
        self.bench.run(&self.config)
    }

    fn table(&self) -> BTreeMap<String, Value> {
        let rows = self
            .bench
            .sql("SELECT coalesce(json_object_agg(id, json_build_object('id', id, 'v', v)), '{}') FROM t");
        serde_json::from_str(&rows.unwrap()).unwrap()
    }

    fn until_equal(&self, what: &str) {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let (have, want) = (search::documents(&self.alias), self.table());
            if have == want {
                return;
            }
            if Instant::now() > deadline {
                let differing = want
                    .keys()
                    .chain(have.keys())
                    .filter(|id| have.get(*id) != want.get(*id));
                let shown: Vec<_> = differing
                    .take(5)
                    .map(|id| (id, have.get(id), want.get(id)))
                    .collect();
                panic!(
                    "{what}: {} documents, {} rows: {shown:?}\n{}",
                    have.len(),
                    want.len(),
                    self.bench.log()
                );
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn rebuild(&self, arguments: &[&str]) -> Output {
        let file = self.bench.write(&self.config);
        let output = Command::new(env!("CARGO_BIN_EXE_pgcdc"))
            .args(["index", "rebuild"])
            .arg(file)
            .args(["--patience", "60"])
            .args(arguments)
            .output()
            .unwrap();
        println!("{output:?}");
        output
    }

    /// It must succeed; the index that is then behind the alias.
    fn rebuilt(&self, arguments: &[&str]) -> String {
        let before = search::behind(&self.alias);
        let output = self.rebuild(arguments);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "{said}{}\n{}",
            String::from_utf8_lossy(&output.stderr),
            self.bench.log()
        );
        let now = search::behind(&self.alias);
        assert_eq!((before.len(), now.len()), (1, 1));
        assert_ne!(before, now);
        assert_eq!(
            search::call("GET", &before[0], None).0,
            200,
            "the old index is kept"
        );
        let slots = "SELECT count(*) FROM pg_replication_slots WHERE slot_name LIKE 'pgcdc_rebuild_%' AND database = current_database()";
        self.bench.until("the rebuild's slot is gone", |b| {
            b.sql(slots).as_deref() == Some("0")
        });
        now[0].clone()
    }

    fn writer(&self) -> Writer {
        Writer::start(&self.bench.url())
    }

    fn remove(&self) {
        let all = format!("{}-*", self.alias);
        let (_, found) = search::call("GET", &all, None);
        for index in found.as_object().unwrap().keys() {
            search::call("DELETE", index, None);
        }
    }
}

/// Inserts, updates and deletes until it is told to stop, in transactions that commit in another order than they begin.
struct Writer {
    stop: Arc<AtomicBool>,
    transactions: Arc<AtomicU64>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl Writer {
    fn start(url: &str) -> Self {
        let (stop, transactions) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let threads = (0..2).map(|half| {
            let (url, stop, done) = (url.to_owned(), Arc::clone(&stop), Arc::clone(&transactions));
            std::thread::spawn(move || write(&url, half, &stop, &done))
        });
        Self {
            threads: threads.collect(),
            stop,
            transactions,
        }
    }

    /// Waits until it has committed so many transactions more.
    fn until_more(&self, more: u64, b: &Bench) {
        let done = || self.transactions.load(Ordering::Relaxed);
        let want = done() + more;
        b.until("the writer's transactions", |_| done() >= want);
    }

    fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.into_iter().for_each(|t| t.join().unwrap());
    }
}

fn write(url: &str, half: u64, stop: &AtomicBool, done: &AtomicU64) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let options = ConnectOptions::parse(url).unwrap();
        let mut sql = Session::connect(&options, Purpose::Sql, "writer").await.unwrap();
        let mut n = 0;
        let mut random = 12_345 + half;
        while !stop.load(Ordering::Relaxed) {
            n += 1;
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let id = 2 * ((random >> 33) % ROWS) + half;
            let pause = (random >> 20) % 4;
            sql.query(&format!(
                "BEGIN; UPDATE public.t SET v = 'u{n}' WHERE id = {id}; DELETE FROM public.t WHERE id = {id} + 2; \
                 INSERT INTO public.t SELECT 2 * (max(id) / 2 + 1) + {half}, 'n{half}-{n}' FROM public.t; \
                 SELECT pg_sleep(0.05{pause}); UPDATE public.t SET v = v || '+' WHERE v = 'n{half}-{n}'; COMMIT"
            ))
            .await
            .unwrap();
            done.fetch_add(1, Ordering::Relaxed);
        }
    });
}

/// What both routes must hold.
fn is_rebuilt_from_the_table(shop: &Shop) {
    let run = shop.run();
    shop.until_equal("the first fill");
    let writer = shop.writer();
    writer.until_more(20, &shop.bench);
    let new = shop.rebuilt(&["--table", "public.t"]);
    assert!(new.starts_with(&shop.alias) && !new.ends_with("-1"), "{new}");
    writer.until_more(20, &shop.bench);
    writer.stop();
    shop.until_equal("the new index under write load");
    // Rows that were read from the table, and not changed since: their next change must win, whatever the pipeline's position.
    shop.rebuilt(&[
        "--table",
        "public.t",
        "--new-index",
        &format!("{}-quiet", shop.alias),
    ]);
    shop.bench
        .sql("UPDATE t SET v = 'later' WHERE id < 50; DELETE FROM t WHERE id BETWEEN 50 AND 99");
    shop.until_equal("changes after the rebuild");
    run.stop();
}

#[test]
fn an_index_is_rebuilt_from_the_table_on_the_direct_route() {
    let shop = Shop::direct("rebuild_direct");
    is_rebuilt_from_the_table(&shop);
    shop.remove();
}

#[test]
fn an_index_is_rebuilt_from_the_table_and_from_the_topic_on_the_route_through_kafka() {
    let shop = Shop::over_kafka("rebuild_kafka");
    is_rebuilt_from_the_table(&shop);
    // The topic's versions are those of the changes: an index from the table has others, and the content is the same.
    let run = shop.run();
    let writer = shop.writer();
    let differing = shop.rebuild(&[
        "--topic",
        &shop.topic,
        "--accept-differences",
        "--new-index",
        &format!("{}-topic", shop.alias),
    ]);
    let said = String::from_utf8_lossy(&differing.stdout).into_owned();
    assert!(differing.status.success(), "{said}");
    assert!(
        said.contains("(compared by _id, version and content)") && !said.contains(" 0 different"),
        "{said}"
    );
    assert_eq!(search::behind(&shop.alias), [format!("{}-topic", shop.alias)]);
    shop.rebuilt(&[
        "--topic",
        &shop.topic,
        "--new-index",
        &format!("{}-again", shop.alias),
    ]);
    writer.stop();
    shop.until_equal("the index from the topic");
    run.stop();
    shop.remove();
}

#[test]
fn an_index_that_has_lost_documents_is_replaced_only_if_that_is_said() {
    let shop = Shop::direct("rebuild_lost");
    let run = shop.run();
    shop.until_equal("the first fill");
    let old = search::behind(&shop.alias);
    search::call("DELETE", &format!("{}/_doc/7?refresh=true", old[0]), None);
    let refused = shop.rebuild(&["--table", "public.t"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success());
    assert!(
        said.contains("the alias") && said.contains("--accept-differences"),
        "{said}"
    );
    assert!(String::from_utf8_lossy(&refused.stdout).contains("0 missing, 1 more, 0 different"));
    assert_eq!(search::behind(&shop.alias), old);
    std::thread::sleep(Duration::from_secs(1));
    shop.rebuilt(&["--table", "public.t", "--accept-differences"]);
    shop.until_equal("the new index");
    run.stop();
    shop.remove();
}

#[test]
fn what_cannot_be_rebuilt_is_said_before_anything_is_made() {
    let shop = Shop::direct("rebuild_refused");
    let said = |arguments: &[&str]| {
        let output = shop.rebuild(arguments);
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    for (arguments, why) in [
        (
            &["--table", "public.nowhere"][..],
            "table public.nowhere is not captured",
        ),
        (&["--table", "t"], "table t is not captured"),
        (&["--topic", "x"], "needs the `kafka` section"),
        (
            &["--table", "public.t", "--new-index", &shop.alias],
            "must have another name",
        ),
        (&[], "--topic"),
    ] {
        let text = said(arguments);
        assert!(text.contains(why), "{arguments:?}: {text}");
    }
    // With transforms the table alone does not tell the topic.
    let routed = Shop {
        config: format!(
            "{}transforms: [{{regex_router: {{regex: '(.*)', replacement: '$1-x'}}}}]\n",
            shop.config
        ),
        bench: Bench::new("rebuild_routed"),
        alias: shop.alias.clone(),
        topic: String::new(),
    };
    let output = routed.rebuild(&["--table", "public.t"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("say with --topic"), "{text}");
    let (_, all) = search::call("GET", &format!("{}*", shop.alias), None);
    assert_eq!(all.as_object().unwrap().len(), 1, "{all}");
    assert_eq!(
        search::documents(&shop.alias),
        serde_json::from_value(json!({})).unwrap()
    );
    shop.remove();
}
