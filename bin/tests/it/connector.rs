//! Connector properties whose meaning Debezium's own tests pin down.

use std::collections::HashMap;

use pgcdc::import::{Form, Imported};

const LEAST: &str = "topic.prefix=srv\ndatabase.hostname=h\ndatabase.user=u\ndatabase.dbname=d\nplugin.name=pgoutput\nbootstrap.servers=k:9092\n";

fn yaml(lines: &str) -> Result<String, String> {
    let read = Imported::read(
        &format!("{LEAST}{lines}\n"),
        Some(Form::Properties),
        &HashMap::new(),
    );
    let checked = read.and_then(|i| i.validated().map(|_| i.yaml(false)));
    checked.map_err(|e| e.to_string())
}

#[test]
fn the_least_connector_is_taken_and_an_empty_one_refused() {
    yaml("").unwrap();
    let empty = Imported::read("", Some(Form::Properties), &HashMap::new())
        .unwrap_err()
        .to_string();
    for name in ["topic.prefix", "database.hostname", "database.dbname"] {
        assert!(empty.contains(name), "{empty}");
    }
}

#[test]
fn configured_snapshots_are_one_of_the_modes() {
    let switched = |data: bool, stream: bool, lost: bool| {
        let p = "snapshot.mode.configuration.based";
        yaml(&format!(
            "snapshot.mode=configuration_based\n{p}.snapshot.data={data}\n{p}.start.stream={stream}\n{p}.snapshot.on.data.error={lost}"
        ))
    };
    for (switches, mode) in [
        ((true, true, false), "mode: initial\n"),
        ((true, false, false), "mode: initial_only\n"),
        ((false, true, false), "mode: no_data\n"),
        ((true, true, true), "mode: when_needed\n"),
    ] {
        let yaml = switched(switches.0, switches.1, switches.2).unwrap();
        assert!(yaml.contains(mode), "{switches:?}\n{yaml}");
    }
    assert!(
        switched(false, false, true)
            .unwrap_err()
            .contains("combination of switches")
    );
}

#[test]
fn a_slots_name_may_hold_digits_but_no_hyphen() {
    assert!(yaml("slot.name=12345").unwrap().contains("12345"));
    assert!(
        yaml("slot.name=xx-aa")
            .unwrap_err()
            .contains("slot.name: must be 1 to 63 lower-case letters")
    );
}

#[test]
fn what_only_java_or_a_later_version_has_is_refused_by_name() {
    for (line, says) in [
        ("snapshot.mode=custom", "there is no Java class to load"),
        ("snapshot.mode.custom.name=x", "there is no Java class to load"),
        (
            "replica.identity.autoset.values=public.t:FULL",
            "tables are not altered",
        ),
        ("flush.lsn.source=false", "positions are always acknowledged"),
        ("lsn.flush.mode=manual", "positions are always acknowledged"),
        (
            "offset.mismatch.strategy=trust_offset",
            "the stored offset is always checked",
        ),
        (
            "offset.mismatch.strategy=trust_slot",
            "the stored offset is always checked",
        ),
        ("xmin.fetch.interval.ms=10", "source.xmin is always null"),
        (
            "guardrail.collections.max=5",
            "the number of tables is not limited",
        ),
        (
            "signal.data.collection=public.s,public.t",
            "signal.data.collection: must name one table",
        ),
        ("signal.enabled.channels=kafka", "signal.enabled.channels: "),
        (
            "notification.enabled.channels=sink",
            "notification.enabled.channels: ",
        ),
        ("sourceinfo.struct.maker=x.Y", "there is no Java class to load"),
        ("post.processors=reselector", "there is no Java class to load"),
        ("converters=isbn", "there is no Java class to load"),
        ("queue.provider.type=chronicle", "there is no queue to replace"),
        (
            "openlineage.integration.enabled=true",
            "OpenLineage events are not sent",
        ),
        ("custom.metric.tags=a=b", "custom.metric.tags: "),
        (
            "snapshot.isolation.mode=read_uncommitted",
            "a snapshot reads the state of the slot's starting point",
        ),
        (
            "time.precision.mode=structured",
            "time.precision.mode: `structured` is none of",
        ),
        ("value.converter=org.example.MyConverter", "value.converter: "),
    ] {
        let text = yaml(line).unwrap_err();
        let name = line.split('=').next().unwrap();
        assert!(text.contains(name) && text.contains(says), "{line}\n{text}");
    }
    for line in [
        "flush.lsn.source=true",
        "lsn.flush.mode=connector_and_driver",
        "offset.mismatch.strategy=trust_greater_lsn",
        "snapshot.isolation.mode=repeatable_read",
        "snapshot.isolation.mode=serializable",
        "event.processing.failure.handling.mode=ignore",
    ] {
        yaml(line).unwrap();
    }
}

#[test]
fn blanks_around_list_items_do_not_matter() {
    let text = yaml("table.include.list=s1.a , s2.b\nmessage.key.columns=s1.a : pk , aa ; s2.b:pk").unwrap();
    for part in ["- s1.a\n", "- s2.b\n", "- pk\n", "- aa\n"] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

#[test]
fn initial_statements_end_at_single_semicolons() {
    let text = yaml("database.initial.statements=SELECT 'a;;b'; SET x = 1").unwrap();
    assert!(
        text.contains("SELECT 'a;b'") && text.contains("SET x = 1"),
        "{text}"
    );
}

#[test]
fn empty_prefixes_of_transforms_are_prefixes() {
    let unwrap = "transforms=u\ntransforms.u.type=io.debezium.transforms.ExtractNewRecordState\ntransforms.u.add.fields=op";
    let given = format!("{unwrap}\ntransforms.u.add.fields.prefix=");
    assert!(yaml(&given).unwrap().contains("add_fields_prefix:"));
    assert!(!yaml(unwrap).unwrap().contains("add_fields_prefix:"));
}

#[test]
fn a_static_value_without_its_field_has_no_effect() {
    let text = yaml(
        "transforms=i\ntransforms.i.type=org.apache.kafka.connect.transforms.InsertField$Value\ntransforms.i.topic.field=t\ntransforms.i.static.value=x",
    );
    assert!(!text.unwrap().contains("static_value"));
}
