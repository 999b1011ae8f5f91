"""The database thread: transactions, group commit, records."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tiffin.errors import Conflict, SystemFailure
from tiffin.store.ballast import SIZE, Ballast
from tiffin.store.db import Database
from tiffin.store.records import ContainerRecords, Records


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(str(tmp_path / "tiffin.db"))
    yield opened
    opened.close()


def test_a_failing_function_undoes_itself_and_not_its_neighbours(database: Database) -> None:
    records = Records(database, "network")

    def fail(connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM records")
        raise ValueError("no")

    async def scenario() -> None:
        outcome = await asyncio.gather(
            records.save("1", "one", {"n": 1}),
            database.write(fail),
            records.save("2", "two", {"n": 2}),
            return_exceptions=True,
        )
        assert [type(each) for each in outcome] == [type(None), ValueError, type(None)]

    asyncio.run(scenario())
    assert records.load_all() == [{"n": 1}, {"n": 2}]


def test_a_name_belongs_to_one_and_is_free_after_delete_or_rename(database: Database) -> None:
    records = ContainerRecords(database)

    async def scenario() -> None:
        await records.save("a" * 64, "web", {})
        with pytest.raises(Conflict) as refused:
            await records.save("b" * 64, "web", {})
        assert refused.value.message == (
            f'Conflict. The container name "/web" is already in use by container "{"a" * 64}". You have to remove (or'
            " rename) that container to be able to reuse that name."
        )
        await records.save("a" * 64, "other", {"renamed": True})
        await records.save("b" * 64, "web", {})
        await records.delete("a" * 64)
        await records.delete("a" * 64)
        await records.save("c" * 64, "other", {})
        await Records(database, "volume").save("v", "web", {})

    asyncio.run(scenario())
    assert len(records.load_all()) == 2


def test_what_was_written_is_there_after_reopening_and_nothing_is_taken_after_close(tmp_path: Path) -> None:
    path = str(tmp_path / "tiffin.db")
    database = Database(path)
    asyncio.run(ContainerRecords(database).save("1", "one", {"x": "ä"}))
    database.close()
    database.close()
    with pytest.raises(SystemFailure):
        database.write_now(lambda connection: None)
    again = Database(path)
    assert ContainerRecords(again).load_all() == [{"x": "ä"}]
    again.close()


def test_a_database_of_a_newer_engine_is_refused(tmp_path: Path) -> None:
    path = str(tmp_path / "tiffin.db")
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(SystemFailure, match="newer"):
        Database(path)


def test_a_full_disk_is_relieved_once_and_the_write_repeated(tmp_path: Path) -> None:
    relieved: list[bool] = []
    database = Database(str(tmp_path / "tiffin.db"), on_full=lambda: not relieved and not relieved.append(True))
    database.write_now(lambda connection: connection.execute("SELECT 1"))
    pages = []

    def limit(connection: sqlite3.Connection) -> None:
        pages.append(connection.execute("PRAGMA page_count").fetchone()[0])
        connection.execute(f"PRAGMA max_page_count = {pages[0]}")

    def big(connection: sqlite3.Connection) -> None:
        if relieved:
            connection.execute(f"PRAGMA max_page_count = {pages[0] + 1000}")
        connection.execute("INSERT INTO records VALUES ('k', 'i', 'n', ?)", ("x" * 100_000,))

    database.write_now(limit)
    database.write_now(big)
    assert relieved == [True]
    database.close()


def test_the_ballast_is_made_once_and_given_back_once(tmp_path: Path) -> None:
    ballast = Ballast(str(tmp_path))
    assert ballast.ensure() and ballast.ensure()
    assert (tmp_path / "ballast").stat().st_blocks * 512 >= SIZE
    assert ballast.release() and not ballast.release()
