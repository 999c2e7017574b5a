"""A table as a folder in the form of conformance/cases."""

PAUSE = "select pg_sleep(0.7);\n"


def case(folder, table, settings, definitions):
    """Writes setup.sql, stream.sql and connector.properties."""
    folder.mkdir(parents=True, exist_ok=True)
    setup = definitions + "".join(f"{s};\n" for s in table.ddl(0)) + table.script(0)
    stream = ""
    for p in range(1, len(table.phases)):
        ddl, changes = "".join(f"{s};\n" for s in table.ddl(p)), table.script(p)
        stream += (PAUSE + ddl + PAUSE if ddl else "") + changes
    (folder / "setup.sql").write_text(setup, encoding="utf8")
    if stream:
        (folder / "stream.sql").write_text(stream, encoding="utf8")
    if settings:
        (folder / "connector.properties").write_text("".join(f"{k}={v}\n" for k, v in sorted(settings.items())), encoding="utf8")
