"""The table of what the tests reach."""

from __future__ import annotations

from dev.rooms import Reached, by_room, table


def measured(lines: int, all_lines: int, branches: int, all_branches: int) -> dict[str, dict[str, int]]:
    """Return what coverage reports of a file."""
    return {
        "summary": {
            "covered_lines": lines,
            "num_statements": all_lines,
            "covered_branches": branches,
            "num_branches": all_branches,
        }
    }


FILES = {
    "airflow_provider_runcomfy/__init__.py": measured(0, 0, 0, 0),
    "airflow_provider_runcomfy/api/aio.py": measured(8, 10, 1, 2),
    "airflow_provider_runcomfy/api/schemas/__init__.py": measured(5, 10, 2, 4),
    "airflow_provider_runcomfy/ledger.py": measured(3, 3, 0, 0),
}


def test_a_room_is_a_folder_with_all_that_is_in_it_or_a_module() -> None:
    assert by_room(FILES) == {
        "__init__.py": Reached(),
        "api/": Reached(13, 20, 3, 6),
        "ledger.py": Reached(3, 3, 0, 0),
    }


def test_the_table_leaves_out_what_is_empty_and_ends_with_the_whole() -> None:
    assert [line.split() for line in table(by_room(FILES)).splitlines()[2:]] == [
        ["api/", "20", "13", "65.0", "6", "3", "50.0"],
        ["ledger.py", "3", "3", "100.0", "0", "0"],
        ["all", "23", "16", "69.6", "6", "3", "50.0"],
    ]
