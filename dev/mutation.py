"""
Change one thing at a time in the code that decides about money, and see whether a test notices: ``make mutation``.

mutmut makes the changes and runs the tests that reach each, in a copy of the repository. What survives is compared with
``tests/mutants.toml``, which says of each survivor why no test is missing.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path

from dev.mutation_results import Change, Mutant, read_mutants, summary, toml_entry

PACKAGE = "airflow_provider_runcomfy"
COPY = Path(".mutation")
EXPLAINED = Path("tests/mutants.toml")
# In per cent of all that was changed, explained survivors included.
LEAST_KILLED = 90.0
# More than there are cores: many tests wait for a server.
PROCESSES = 4
# The tests that are quick, and whose subject is the code that is changed.
TESTS = [
    "tests/api",
    "tests/submission",
    "tests/hooks/test_connection_test.py",
    "tests/test_failures.py",
    "tests/test_ledger.py",
    "tests/test_record.py",
    "tests/test_store.py",
    # Seconds each: what survives would be tried against them again and again.
    "--ignore=tests/submission/test_state_machine.py",
    "--deselect=tests/api/test_schema.py::TestHostileValues::test_many_times_within_itself",
]
# A seed, so that what hypothesis finds once it finds always. Each test takes some seconds at most: one that waits for
# ever has noticed the change.
OPTIONS = ["-p", "no:cacheprovider", "-p", "no:xdist", "--hypothesis-seed=0", "--timeout=60"]
SETTINGS = """
[tool.mutmut]
source_paths = ["{package}"]
only_mutate = {modules}
also_copy = ["dev", "example_dags"]
pytest_add_cli_args_test_selection = {tests}
pytest_add_cli_args = {options}
use_git_change_detection = false
track_dependencies = false
"""


def all_modules() -> list[str]:
    """Return the modules that are changed, as paths within the package."""
    api = sorted(path for path in Path(PACKAGE, "api").rglob("*.py") if path.stat().st_size)
    return ["ledger.py", "submission.py", *(str(path.relative_to(PACKAGE)) for path in api)]


def make_copy() -> None:
    """Make the copy in which mutmut works, with its settings."""
    shutil.rmtree(COPY, ignore_errors=True)
    for folder in (PACKAGE, "tests", "dev", "example_dags"):
        shutil.copytree(folder, COPY / folder, ignore=shutil.ignore_patterns("__pycache__"))
    settings = SETTINGS.format(
        package=PACKAGE,
        modules=[f"{PACKAGE}/{module}" for module in all_modules()],
        tests=["-m", "not slow and not browser", *TESTS],
        options=OPTIONS,
    )
    (COPY / "pyproject.toml").write_text(Path("pyproject.toml").read_text() + settings)


def run_mutmut(modules: Iterable[str]) -> None:
    """Run the tests of each change to the modules."""
    paths = [module.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for module in modules]
    names = [f"{PACKAGE}.{path}.*" for path in paths]
    command = [sys.executable, "-m", "dev.mutation_engine", "run", "--max-children", str(PROCESSES), *names]
    subprocess.run(command, cwd=COPY, check=True)


def explained_changes(modules: Sequence[str]) -> set[Change]:
    """Return the survivors that are explained, of these modules."""
    listed = tomllib.loads(EXPLAINED.read_text())
    changes = set()
    for module in modules:
        for entry in listed.get(module, []):
            if not entry["why"]:
                raise ValueError(f"{EXPLAINED}: {module}, {entry['function']}: no reason")
            changes.add(Change(module, entry["function"], entry["was"], entry["becomes"]))
    return changes


def faults(mutants: Sequence[Mutant], explained: set[Change]) -> list[str]:
    """Return what is wrong: too few killed, a survivor without an explanation, an explanation without a survivor."""
    found = []
    noticed = sum(mutant.status.is_noticed for mutant in mutants)
    if 100 * noticed < LEAST_KILLED * len(mutants):
        found.append(f"only {noticed} of {len(mutants)} were killed; {LEAST_KILLED:g} % are asked for")
    survivors = {mutant.change for mutant in mutants if not mutant.status.is_noticed}
    found += [f"not explained in {EXPLAINED}:\n{toml_entry(change)}" for change in sorted(survivors - explained)]
    gone = sorted(explained - survivors)
    found += [f"explained, and did not survive:\n{toml_entry(change)}" for change in gone]
    return found


def main(modules: Sequence[str]) -> int:
    """Change the modules, or all, and return 1 where a test is missing."""
    unknown = set(modules) - set(all_modules())
    if unknown:
        print(f"No module that is changed: {', '.join(sorted(unknown))}. There are: {', '.join(all_modules())}")
        return 2
    modules = modules or all_modules()
    make_copy()
    run_mutmut(modules)
    mutants = [mutant for module in modules for mutant in read_mutants(COPY / "mutants" / PACKAGE, module)]
    print("\n".join(summary(modules, mutants)))
    found = faults(mutants, explained_changes(modules))
    print("\n".join(f"FAULT: {fault}" for fault in found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
