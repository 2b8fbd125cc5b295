"""Bitmaps against sets of pages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migkit._engine.bitmap import Bitmap
from migkit.errors import InputError


@st.composite
def bitmaps(draw, n_pages=None):
    """A bitmap and the same pages as a set: sparse, dense, or full words with holes."""
    n_pages = n_pages or draw(st.integers(1, 300))
    pages = draw(st.sets(st.integers(0, n_pages - 1)))
    if draw(st.booleans()):
        pages = set(range(n_pages)) - pages
    bitmap = Bitmap(n_pages)
    for page in pages:
        bitmap.add(page)
    return bitmap, pages


@st.composite
def bitmaps_and_range(draw):
    bitmap, pages = draw(bitmaps())
    start = draw(st.integers(0, bitmap.n_pages))
    return bitmap, pages, start, draw(st.integers(start, bitmap.n_pages))


@pytest.mark.parametrize(
    ("n_pages", "nbytes"), [(1, 8), (64, 8), (65, 16), (1 << 20, 1 << 17), (1 << 28, 1 << 25)]
)
def test_memory_is_an_eighth_of_a_byte_a_page(n_pages, nbytes):
    assert Bitmap(n_pages).nbytes == nbytes


@given(bitmaps())
def test_pages_added_are_the_pages_found(drawn):
    bitmap, pages = drawn
    assert bitmap.pages() == sorted(pages)
    assert bitmap.count() == len(pages)
    assert all((page in bitmap) == (page in pages) for page in range(-1, bitmap.n_pages + 70))


@given(bitmaps(), st.data())
def test_discard_takes_one_page_out(drawn, data):
    bitmap, pages = drawn
    page = data.draw(st.integers(0, bitmap.n_pages - 1))
    bitmap.discard(page)
    assert bitmap.pages() == sorted(pages - {page})


@given(bitmaps_and_range())
def test_ranges_are_set_and_cleared_exactly(drawn):
    bitmap, pages, start, end = drawn
    bitmap.set_range(start, end)
    assert bitmap.pages() == sorted(pages | set(range(start, end)))
    bitmap.clear_range(start, end)
    assert bitmap.pages() == sorted(pages - set(range(start, end)))


@given(bitmaps_and_range())
def test_next_set_page_is_the_least_one_of_the_range(drawn):
    bitmap, pages, start, end = drawn
    assert bitmap.find_next_set(start, end) == min(
        (page for page in pages if start <= page < end), default=end
    )


def runs_of(pages):
    """Maximal runs of consecutive numbers, by hand."""
    runs = []
    for page in sorted(pages):
        if runs and runs[-1][1] == page:
            runs[-1] = (runs[-1][0], page + 1)
        else:
            runs.append((page, page + 1))
    return runs


@given(bitmaps_and_range())
def test_runs_are_maximal_within_their_range(drawn):
    bitmap, pages, start, end = drawn
    assert bitmap.runs() == runs_of(pages)
    assert bitmap.count_runs() == len(runs_of(pages))
    assert bitmap.runs(start, end) == runs_of(p for p in pages if start <= p < end)


@given(st.integers(1, 300).flatmap(lambda n: st.tuples(bitmaps(n), bitmaps(n))))
def test_merging_a_log_counts_new_pages_once_and_empties_it(drawn):
    (bitmap, pages), (log, logged) = drawn
    assert bitmap.merge_log(log) == len(logged - pages)
    assert bitmap.pages() == sorted(pages | logged)
    assert log.count() == 0
    assert bitmap.merge_log(log) == 0


def take_by_hand(pages, zero_pages, start, end, want):
    """What `take` promises, page by page."""
    taken, next_page, kind = [], end, 0
    for page in range(start, end):
        if page not in pages:
            continue
        if not taken:
            kind = int(page in zero_pages)
        if len(taken) == want or int(page in zero_pages) != kind:
            break
        taken.append(page)
        next_page = page + 1
    return taken, next_page, kind if taken else 0


@given(
    st.integers(1, 300).flatmap(lambda n: st.tuples(bitmaps(n), st.none() | bitmaps(n))),
    st.integers(1, 200),
    st.data(),
)
def test_take_clears_the_next_pages_of_one_class(drawn, want, data):
    (bitmap, pages), zero = drawn
    zero_class, zero_pages = zero or (None, set())
    start = data.draw(st.integers(0, bitmap.n_pages))
    end = data.draw(st.integers(start, bitmap.n_pages))
    taken, next_page, kind = take_by_hand(pages, zero_pages, start, end, want)
    assert bitmap.take(zero_class, start, end, want) == (len(taken), next_page, kind)
    assert bitmap.pages() == sorted(pages - set(taken))


@given(
    st.integers(1, 300).flatmap(lambda n: st.tuples(bitmaps(n), bitmaps(n))), st.integers(1, 70)
)
def test_taking_until_nothing_is_left_takes_every_page_once(drawn, want):
    (bitmap, pages), (zero_class, zero_pages) = drawn
    total, page = 0, 0
    while True:
        taken, page, kind = bitmap.take(zero_class, page, bitmap.n_pages, want)
        if taken == 0:
            break
        assert kind == int((page - 1) in zero_pages)
        total += taken
    assert total == len(pages)
    assert bitmap.count() == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Bitmap(0), "bitmap of 0 pages · allowed 1 or more"),
        (lambda: Bitmap(5).add(5), r"page 5 · allowed 0\.\.4"),
        (lambda: Bitmap(5).discard(-1), r"page -1 · allowed 0\.\.4"),
        (lambda: Bitmap(5).set_range(3, 6), r"pages 3 to 6 · allowed 0\.\.5"),
        (lambda: Bitmap(5).clear_range(3, 2), "pages 3 to 2"),
        (lambda: Bitmap(5).merge_log(Bitmap(6)), "bitmaps of 5 and 6 pages"),
        (lambda: Bitmap(5).take(Bitmap(6), 0, 5, 1), "bitmaps of 5 and 6 pages"),
    ],
)
def test_what_lies_outside_is_named(call, message):
    with pytest.raises(InputError, match=message):
        call()
