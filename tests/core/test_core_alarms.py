"""The alarm book, told the time: each row of durable-objects.md 4.3."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.core.alarms import MAX_RETRIES, AlarmBook, AlarmKey, Outcome

A = AlarmKey("Chat", "a" * 64)
B = AlarmKey("Chat", "b" * 64)


def book_with(time_ms: int = 1000) -> AlarmBook:
    book = AlarmBook()
    book.set(A, time_ms, "a")
    return book


def test_never_early_and_in_order() -> None:
    book = book_with(1000)
    book.set(B, 500, "b")
    assert (book.next_deadline(), book.due(499)) == (500, [])
    assert [(due.key, due.name, due.scheduled_ms, due.retry) for due in book.due(2000)] == [(B, "b", 500, 0), (A, "a", 1000, 0)]
    assert (book.next_deadline(), book.due(5000)) == (None, [])  # one run at a time


def test_setting_again_moves_it() -> None:
    book = book_with(1000)
    book.set(A, 3000)
    assert (book.next_deadline(), book.due(2000)) == (3000, [])
    book.set(A, 100)
    assert [(due.name, due.scheduled_ms) for due in book.due(2000)] == [("a", 100)]


def test_done_ends_it() -> None:
    book = book_with()
    book.due(1000)
    assert book.finished(A, Outcome.DONE, 1001) is None
    assert (len(book), book.next_deadline(), book.time_of(A)) == (0, None, None)


def test_failures_double_their_delay_and_end_after_six_retries() -> None:
    book, now, delays = book_with(), 1000, []
    for retry in range(MAX_RETRIES + 1):
        (run,) = book.due(now)
        assert (run.retry, run.scheduled_ms) == (retry, 1000)
        book.finished(A, Outcome.FAILED if retry % 2 else Outcome.ABORTED, now)
        deadline = book.next_deadline()
        if deadline is not None:
            delays.append(deadline - now)
            now = deadline
    assert delays == [2000, 4000, 8000, 16000, 32000, 64000]
    assert len(book) == 0


@pytest.mark.parametrize(("jitter", "delay"), [(0.0, 2000), (0.1, 2200), (0.25, 2500), (9.0, 2500), (-1.0, 2000)])
def test_jitter_lengthens_by_at_most_a_quarter(jitter: float, delay: int) -> None:
    book = book_with()
    book.due(1000)
    book.finished(A, Outcome.FAILED, 1000, jitter)
    assert book.next_deadline() == 1000 + delay


def test_a_lost_host_is_not_counted_and_retried_at_once_then_later() -> None:
    book, now, delays = book_with(), 1000, []
    for _ in range(13):
        (run,) = book.due(now)
        assert run.retry == 0
        book.finished(A, Outcome.LOST, now)
        deadline = book.next_deadline()
        assert deadline is not None
        delays.append((deadline - now) // 1000)
        now = deadline
    assert delays == [0, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1024, 1024]


def test_set_in_the_handler_then_throw_runs_only_the_new_one() -> None:
    book = book_with()
    book.due(1000)
    book.set(A, 9000)
    assert book.finished(A, Outcome.FAILED, 1500, rearmed=True) == 9000
    assert book.next_deadline() == 9000
    assert [(run.scheduled_ms, run.retry) for run in book.due(9000)] == [(9000, 0)]


def test_delete_in_the_handler_then_throw_is_no_retry() -> None:
    book = book_with()
    book.due(1000)
    book.delete(A)
    assert book.finished(A, Outcome.FAILED, 1500) is None
    assert len(book) == 0


def test_delete_during_backoff_cancels_the_retry() -> None:
    book = book_with()
    book.due(1000)
    book.finished(A, Outcome.FAILED, 1000)
    book.delete(A)
    assert (book.next_deadline(), len(book)) == (None, 0)


def test_set_during_backoff_lets_the_retry_run_first() -> None:
    book = book_with()
    book.due(1000)
    book.finished(A, Outcome.FAILED, 1000)
    book.set(A, 2500)
    assert (book.next_deadline(), book.time_of(A)) == (3000, 2500)
    assert [(run.scheduled_ms, run.retry) for run in book.due(3000)] == [(1000, 1)]
    assert book.finished(A, Outcome.DONE, 3001, rearmed=False) is None  # the retry absorbed it


def test_set_while_the_handler_runs_is_kept() -> None:
    book = book_with()
    book.due(1000)
    book.set(A, 1200)
    assert book.due(1300) == []
    assert book.finished(A, Outcome.DONE, 1400, rearmed=True) == 1200
    assert [(run.scheduled_ms, run.retry) for run in book.due(1400)] == [(1200, 0)]


def test_dropped_is_gone() -> None:
    book = book_with()
    book.due(1000)
    assert book.finished(A, Outcome.DROPPED, 1000) is None
    assert len(book) == 0


def test_fire_runs_it_before_its_time_once() -> None:
    book = book_with(50_000)
    run = book.fire(A)
    assert run is not None and run.scheduled_ms == 50_000
    assert (book.fire(A), book.fire(B), book.due(60_000)) == (None, None, [])


def test_an_unknown_end_changes_nothing() -> None:
    book = book_with()
    assert book.finished(A, Outcome.DONE, 1000) is None
    assert book.next_deadline() == 1000


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("set"), st.integers(0, 20_000)),
        st.tuples(st.just("delete"), st.just(0)),
        st.tuples(st.just("pass"), st.integers(0, 70_000)),
        st.tuples(st.sampled_from([*Outcome]), st.just(0)),
    ),
    max_size=60,
)


@given(STEPS)
def test_whatever_happens_one_run_at_a_time_and_never_early(steps: list[tuple[object, int]]) -> None:
    book, now, running = AlarmBook(), 0, False
    for step, value in steps:
        if step == "set":
            book.set(A, now + value)
            assert book.time_of(A) == now + value
        elif step == "delete":
            book.delete(A)
        elif step == "pass":
            now += value
        elif running and isinstance(step, Outcome):
            book.finished(A, step, now, 0.1)
            running = False
        due = book.due(now)
        assert len(due) <= (0 if running else 1)
        assert all(run.scheduled_ms <= now and run.retry <= MAX_RETRIES for run in due)
        running = running or bool(due)
        deadline = book.next_deadline()
        assert deadline is None or deadline > now
        assert deadline is None or not running
        assert len(book) <= 1
