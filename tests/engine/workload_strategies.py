"""Hypothesis strategies for workloads, and writers of both kinds read one write at a time."""

import numpy as np
from hypothesis import strategies as st

from migkit.workloads import HotCold, Idle, Sequential, Uniform, Zipf
from migkit.workloads.phased import Phase, Phases
from migkit.workloads.recorded import Callback, RecordedPages, RecordedRate

MEMORY_PAGES = 500
MS = 1_000_000

rates = st.integers(0, 20_000) | st.floats(0, 20_000) | st.sampled_from([0.1, 1 / 3, 999.999])


@st.composite
def common(draw, generators=("counter",)):
    base = draw(st.integers(0, 300))
    return {
        "rate_pages_per_s": draw(rates),
        "pages": draw(st.integers(1, 200)),
        "base_page": base,
        "batch_ms": draw(st.integers(1, 20)),
        "seed": draw(st.integers(0, 2**63 - 1) | st.integers(0, 3)),
        "generator": draw(st.sampled_from(generators)),
        "total_pages": draw(st.none() | st.integers(0, 200)),
    }


@st.composite
def programs(draw):
    either = ("counter", "xorshift32")
    kind = draw(st.sampled_from([Idle, Sequential, Uniform, HotCold, Zipf]))
    fields = draw(common(("counter",) if kind is Zipf else either))
    if kind is Idle:
        fields["rate_pages_per_s"] = 0
    if kind is HotCold:
        fields["pages"] = max(fields["pages"], 2)
        fields["hot_pages"] = draw(st.integers(1, fields["pages"] - 1))
        fields["hot_percent"] = draw(st.integers(0, 100))
    if kind is Zipf:
        fields["exponent"] = draw(st.floats(0, 10) | st.sampled_from([0, 1, 1.0 + 1e-12, 2]))
    return kind(**fields)


@st.composite
def recordings(draw):
    fields = draw(common())
    n = draw(st.integers(1, 8))
    t_ns = sorted(draw(st.lists(st.integers(0, 60 * MS), min_size=n, max_size=n)))
    if draw(st.booleans()):
        page = st.integers(0, fields["pages"] - 1)
        values = draw(st.lists(page, min_size=n, max_size=n))
        return RecordedPages(t_ns=np.array(t_ns), page=np.array(values), **fields)
    values = draw(st.lists(st.integers(0, 9000), min_size=n, max_size=n))
    return RecordedRate(t_ns=np.array(t_ns), rates=np.array(values), **fields)


@st.composite
def callbacks(draw):
    fields = draw(common())
    step = draw(st.integers(1, 50))

    def function(from_ns, to_ns):
        assert to_ns - from_ns == fields["batch_ms"] * MS
        number = to_ns // MS
        return [number * step % fields["pages"]] * (number % 3)

    return Callback(function=function, **fields)


parts = programs() | recordings() | callbacks()


@st.composite
def phases(draw):
    drawn = draw(st.lists(st.tuples(parts, st.integers(1, 25)), min_size=1, max_size=4))
    return Phases(phases=tuple(Phase(workload=w, duration_ms=d) for w, d in drawn))


workloads = (parts | phases()).map(lambda spec: spec.within(MEMORY_PAGES))
leads = st.integers(0, 40 * MS) | st.sampled_from([0, MS, 20 * MS])
moments = st.lists(st.integers(0, 80 * MS), max_size=6).map(sorted)


def writes_of(writer, until_ns, most=300):
    """The writes of a writer of either kind, one by one."""
    compiled = hasattr(writer, "next_write")
    found = []
    while len(found) < most:
        due = writer.next_write(until_ns) if compiled else writer.peek()
        if due is None or due[0] > until_ns:
            break
        found.append(due)
        if compiled:
            writer.drop_write()
        else:
            writer.pop()
    return found
