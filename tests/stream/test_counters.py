"""What is counted from a stream's bytes is what QEMU counted while it wrote them."""

import re

import pytest

from stream import recorded

WITH_ORDER = [name for name, kind in recorded.KINDS.items() if kind != "mapped-ram"]


@pytest.mark.parametrize("name", WITH_ORDER)
def test_counters_are_qemus_own_to_the_byte(name: str) -> None:
    ram = recorded.expected(name)["query_migrate"]["ram"]
    counted = recorded.stream(name).counters
    names = ["normal", "duplicate", "precopy-bytes", "downtime-bytes", "postcopy-bytes"]
    names += ["multifd-bytes", "transferred"]
    assert {n: counted[n] for n in names} == {n: ram[n] for n in names}


@pytest.mark.parametrize("name", recorded.named("xbzrle"))
def test_differences_are_counted_as_the_cache_counts_them(name: str) -> None:
    cache = recorded.expected(name)["query_migrate"]["xbzrle-cache"]
    assert cache["overflow"] == 0
    counted = recorded.stream(name).counters
    assert counted["xbzrle-bytes"] == cache["bytes"]
    assert 0 < counted["xbzrle-pages"] <= cache["pages"]


@pytest.mark.parametrize("name", recorded.KINDS)
def test_blocks_are_those_of_the_machine(name: str) -> None:
    shown = recorded.expected(name)["info_ramblock"]
    rows = re.findall(r"^ +(\S+) +4 KiB +0x\w+ +(0x\w+)", shown, re.MULTILINE)
    blocks = recorded.stream(name).blocks
    assert dict(zip(blocks["name"], blocks["used_length"], strict=True)) == {
        block: int(used, 16) for block, used in rows
    }
    assert blocks["used_length"].sum() == recorded.expected(name)["query_migrate"]["ram"]["total"]


@pytest.mark.parametrize("name", WITH_ORDER)
def test_pages_sections_and_rounds_tell_the_same(name: str) -> None:
    stream = recorded.stream(name)
    pages, rounds = stream.pages, stream.rounds
    for kind in ("normal", "zero", "xbzrle"):
        assert (pages["kind"] == kind).sum() == rounds[f"{kind}_pages"].sum()
    main = pages[pages["channel"] == "main"]
    records = stream.records
    assert len(main) == records[["normal_pages", "zero_pages", "xbzrle_pages"]].sum().sum()
    in_record = main.groupby("record").size().reindex(records.index, fill_value=0)
    of_record = records[["normal_pages", "zero_pages", "xbzrle_pages"]].sum(axis=1)
    assert (in_record == of_record).all()
    at = records["offset"].loc[main["record"]].to_numpy()
    behind = at + records["bytes"].loc[main["record"]].to_numpy()
    assert ((at < main["offset"]) & (main["offset"] < behind)).all()


@pytest.mark.parametrize("name", recorded.KINDS)
def test_every_byte_belongs_to_one_record(name: str) -> None:
    stream = recorded.stream(name)
    records = stream.records
    top = records[~records["in_package"].fillna(value=False).astype(bool)]
    package = records.loc[records["name"] == "PACKAGED", "value"].sum()
    assert stream.trailing_bytes == 0
    assert top["bytes"].sum() + package == stream.size == len(recorded.main(name))
    assert (top["offset"].diff().iloc[1:] >= top["bytes"].iloc[:-1].to_numpy()).all()


@pytest.mark.parametrize("name", WITH_ORDER)
def test_every_page_comes_at_least_once(name: str) -> None:
    stream = recorded.stream(name)
    total = recorded.expected(name)["query_migrate"]["ram"]["total"] // stream.page_size
    assert stream.pages["page"].nunique() == total
    assert sum(len(stream.page_map(block.name)) for block in stream.ram_blocks) == total


@pytest.mark.parametrize("name", recorded.named("tcp", "xbzrle", "file"))
def test_sweeps_are_about_as_many_as_the_syncs(name: str) -> None:
    # The setup's sync finds nothing new; a sync whose pages all lie behind stays in its sweep.
    syncs = recorded.expected(name)["query_migrate"]["ram"]["dirty-sync-count"]
    assert syncs - 2 <= len(recorded.stream(name).rounds) <= syncs


@pytest.mark.parametrize("name", recorded.named("mapped-ram"))
def test_a_mapped_file_has_what_is_not_zero(name: str) -> None:
    stream = recorded.stream(name)
    ram = recorded.expected(name)["query_migrate"]["ram"]
    present = stream.counters["present-pages"]
    # Sends are counted by QEMU, places by the file: a page that was sent again has one place.
    assert 0 < present <= ram["normal"]
    assert ram["normal"] + ram["duplicate"] >= ram["total"] // 4096
    maps = [stream.page_map(block.name) for block in stream.ram_blocks]
    assert sum(map(len, maps)) == present
    guest = maps[0].index
    assert set(range(1024, 1084)) <= set(guest)  # 60 pages of data from 4 MiB up
    assert stream.blocks["pages_offset"].mod(1 << 20).eq(0).all()
