"""Makes a failing table as small as it can be while it still fails, many candidates in one run."""
import copy

from . import transforms


def candidates(table):
    """Smaller versions of a table, the boldest first."""
    out = []
    names = [c.name for c in table.columns if c.name != "id"] + [op[1].name for p in table.phases for op in p["ddl"] if op[0] == "add"]
    if len(names) > 2:
        half = len(names) // 2
        for part in (names[:half], names[half:]):
            out.append(fold(table, part))
    out += [table.without(n) for n in names]
    for p, phase in enumerate(table.phases):
        for i in range(len(phase["txs"])):
            out.append(cut(table, p, "txs", i))
            if len(phase["txs"][i]) > 1:
                out += [cut(table, p, "txs", i, j) for j in range(len(phase["txs"][i]))]
        out += [cut(table, p, "ddl", i) for i in range(len(phase["ddl"]))]
    for steps in transforms.shorter(table.chain):
        c = copy.deepcopy(table)
        c.chain = steps
        out.append(c)
    for field, plain in (("identity", "default"), ("schema", "public"), ("suffix", "_t")):
        if getattr(table, field) != plain and not (field == "identity" and table.identity == "index"):
            c = copy.deepcopy(table)
            setattr(c, field, plain)
            out.append(c)
    for i, column in enumerate(table.columns):
        for field in ("comment", "default", "external", "not_null"):
            if getattr(column, field):
                c = copy.deepcopy(table)
                setattr(c.columns[i], field, None if field in ("comment", "default") else False)
                out.append(c)
    return [c for c in out if c is not None]


def fold(table, names):
    for n in names:
        smaller = table.without(n)
        table = smaller if smaller is not None else table
    return table


def cut(table, phase, what, i, j=None):
    c = copy.deepcopy(table)
    if j is None:
        del c.phases[phase][what][i]
    else:
        del c.phases[phase][what][i][j]
    return c


def size(table):
    return (len(table.columns) + sum(len(p["ddl"]) for p in table.phases) + sum(len(tx) for p in table.phases for tx in p["txs"]),
            sum(1 for c in table.columns for f in ("comment", "default", "external", "not_null") if getattr(c, f)),
            len(table.chain) * 10 + sum(len(s[1]) for s in table.chain), (table.identity != "default") + (table.schema != "public") + (table.suffix != "_t"))


def shrink(table, failing, rounds=12):
    """`failing` runs tables, numbered as they come, and returns the numbers of those that still fail."""
    for _ in range(rounds):
        tries = [c for c in candidates(table) if size(c) < size(table)]
        for n, c in enumerate(tries):
            c.number = n
        bad = [tries[n] for n in failing(tries)]
        if not bad:
            break
        table = min(bad, key=size)
    return table
