"""Two studies side by side: folders, commits, DVC experiments."""

from __future__ import annotations

import json
import shutil
import subprocess
from types import SimpleNamespace

import numpy as np
import pytest

from stages.machine.errors import UserError
from stages.reporting import compare
from stages.reporting.compare import differences, index_sets, overlap_rounds, read_study, resolve
from stages.reporting.read.overlap import by_chance, read_overlap
from stages.study import ledger
from stages.study.layout import Layout
from stages.study.problem import Problem

pytestmark = pytest.mark.filterwarnings("error")
ROWS, START, QUERY, ROUNDS = 100, 4, 3, 3
DATA = "digits sha256:" + "a" * 64


def make_run(root, strategy, seed, picks, accuracies, task="digits", data=DATA, start=None):
    """A sound chain: `picks` are the rows that each round but the last selects."""
    layout, n = Layout(root), len(accuracies)
    shared = layout.shared_split(task, seed)
    head = {"data": data, "rows": ROWS, "task": task, "seed": seed}
    first = list(range(START)) if start is None else start
    if (shared / "initial.txt").exists():
        parent = ledger.read(shared / "initial.txt")
    else:
        parent = ledger.write(
            shared / "validation.txt",
            np.array([], int),
            strategy="shared",
            round_n="validation",
            parent=None,
            total=0,
            **head,
        )
        parent = ledger.write(
            shared / "initial.txt",
            np.array(first),
            strategy="shared",
            round_n="initial",
            parent=parent,
            total=START,
            **head,
        )
    total = START
    for name, rows in zip([*range(n), "end"], [[], *picks, []], strict=True):
        total += len(rows)
        parent = ledger.write(
            layout.link(task, strategy, seed, name),
            np.array(rows, int),
            strategy=strategy,
            round_n=name,
            parent=parent,
            total=total,
            **head,
        )
    for number, accuracy in enumerate(accuracies):
        path = layout.result(task, strategy, seed, number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            json.dumps(
                {
                    "format": 1,
                    "task": task,
                    "strategy": strategy,
                    "seed": seed,
                    "round": number,
                    "labeled": START + QUERY * number,
                    "test": 1000,
                    "correct": round(1000 * accuracy),
                    "accuracy": round(accuracy, 6),
                }
            )
        )


SETS = [[10, 11, 12], [13, 14, 15]]


def make_study(root, shift=0.0, picks=SETS, seeds=(0, 1, 2), strategies=("random", "entropy")):
    for strategy in strategies:
        for seed in seeds:
            base = 0.5 + 0.01 * seed * seed
            make_run(root, strategy, seed, picks, [base, base + 0.1 + shift, base + 0.2])
    (root / "params.yaml").write_text(f"threads: 1\nreport:\n  alpha: {0.05 + shift:g}\n")
    return root


@pytest.fixture
def two(tmp_path):
    one = make_study(tmp_path / "one")
    other = tmp_path / "other"
    shutil.copytree(one, other)
    return one, other


def test_a_study_equals_its_copy(two):
    text = compare.compare(*two)
    assert "6 runs in both" in text and "6 of 6 chains of index sets are identical" in text
    assert "6 runs with exactly the same accuracy" in text and "All mean AUBC are equal" in text
    assert "The same data and settings" in text and "Overlap round by round" not in text
    assert text == compare.compare(*two)


def test_other_picks_are_found_in_their_round(two, tmp_path):
    one, _ = two
    other = make_study(tmp_path / "third", picks=[[10, 11, 12], [13, 20, 21]])
    first, second = read_study(one), read_study(other)
    table = index_sets(first, second, {}).set_index("strategy").loc["random"]
    assert table[["seeds", "identical", "same_initial_set", "first_difference"]].tolist() == [
        3,
        0,
        3,
        "1",
    ]
    assert table["final_jaccard"] == pytest.approx(4 / 8)
    rounds = overlap_rounds(first, second, {}).iloc[0]
    assert rounds[["round 0", "round 1", "round 2"]].tolist() == pytest.approx([1, 0.5, 0.5])


def test_another_order_is_a_difference_without_another_set(two, tmp_path):
    other = make_study(tmp_path / "third", picks=[[12, 11, 10], [13, 14, 15]])
    table = index_sets(read_study(two[0]), read_study(other), {}).iloc[0]
    assert (table["first_difference"], table["final_jaccard"]) == ("0", 1)


def test_another_initial_set_is_named(two, tmp_path):
    other = tmp_path / "third"
    for seed in range(3):
        make_run(other, "random", seed, SETS, [0.5, 0.6, 0.7], start=[0, 1, 2, 9])
    table = index_sets(read_study(two[0]), read_study(other), {}).iloc[0]
    assert table[["identical", "same_initial_set", "first_difference"]].tolist() == [0, 0, "none"]


def test_differences_are_tested_in_pairs(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    for seed, (a, b) in enumerate([(0.50, 0.56), (0.55, 0.60), (0.52, 0.59), (0.57, 0.62)]):
        make_run(one, "random", seed, [SETS[0]], [a, a])
        make_run(other, "random", seed, [SETS[0]], [b, b])
    row = differences(read_study(one), read_study(other)).iloc[0]
    assert (row["test"], row["paired"], row["equal_runs"]) == ("paired t", 4, 0)
    assert row["difference"] == pytest.approx(0.0575)
    # d = 6, 5, 7, 5: mean 5.75, deviation 0.957, t = 12.01 with 3 df.
    assert row["p"] == pytest.approx(0.00124, abs=2e-5) and row["wilcoxon_p"] == 0.125
    assert "differs significantly (0.05, Holm) for digits/random" in compare.compare(one, other)
    turned = differences(read_study(other), read_study(one)).iloc[0]
    assert turned["difference"] == -row["difference"] and turned["p"] == row["p"]


def test_without_common_seeds_it_is_welch(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    for seed, (a, b) in enumerate([(0.50, 0.56), (0.55, 0.60), (0.52, 0.59)]):
        make_run(one, "random", seed, [SETS[0]], [a, a])
        make_run(other, "random", seed + 10, [SETS[0]], [b, b])
    make_run(other, "badge", 0, [SETS[0]], [0.5, 0.5])
    row = differences(read_study(one), read_study(other)).iloc[0]
    assert (row["test"], row["paired"]) == ("Welch", 0) and 0 < row["p"] < 0.1
    text = compare.compare(one, other)
    assert "4 runs only in B: digits/badge/seed-0" in text and "0 runs in both" in text


def test_settings_and_data_are_named(two):
    one, other = two
    (other / "params.yaml").write_text("threads: 4\nreport:\n  alpha: 0.05\n")
    for path in (other / "splits").rglob("*.txt"):
        path.write_text(path.read_text().replace("a" * 64, "b" * 64))
    text = compare.compare(one, other)
    assert "`threads`: A 1, B 4" in text and "alpha" not in text.split("## Settings")[1]
    assert "Data of task digits differ" in text and "## Index sets" not in text
    (other / "params.yaml").unlink()
    assert "params.yaml is missing" in compare.compare(one, other)


def test_results_alone_and_chains_alone(two):
    one, other = two
    shutil.rmtree(one / "splits")
    assert "## Difference in AUBC" in compare.compare(one, other)
    shutil.rmtree(other / "reports")
    text = compare.compare(one, other)
    assert "6 runs in both" in text and "## Difference" not in text


def test_damage_is_named(two, tmp_path):
    one, other = two
    (one / "reports/rounds/digits/random/seed-0/round-1.json").write_text("{")
    with pytest.raises(UserError, match="round-1.json: not valid JSON"):
        compare.compare(one, other)
    (tmp_path / "empty/splits").mkdir(parents=True)
    with pytest.raises(UserError, match="no runs"):
        compare.compare(tmp_path / "empty", other)


def git(folder, *arguments):
    done = subprocess.run(
        ["git", "-c", "user.name=x", "-c", "user.email=x@y", *arguments],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


def test_commits_and_experiments_become_folders(tmp_path):
    repo = make_study(tmp_path / "repo")
    git(repo, "init", "-q")
    git(repo, "add", ".")
    git(repo, "commit", "-qm", "one")
    first = git(repo, "rev-parse", "HEAD")
    shutil.rmtree(repo / "splits")
    shutil.rmtree(repo / "reports")
    make_study(repo, shift=0.05)
    git(repo, "add", ".")
    git(repo, "commit", "-qm", "two")
    git(repo, "update-ref", f"refs/exps/ab/{'c' * 38}/bold-run", "HEAD")
    git(repo, "reset", "-q", "--hard", first)
    before = sorted(path for path in repo.rglob("*") if ".git" not in path.parts)
    with resolve(first[:10], repo) as a, resolve("bold-run", repo) as b:
        assert {a, b}.isdisjoint({repo}) and (a / "splits").is_dir()
        text = compare.compare(a, b)
    assert not a.exists() and not b.exists()
    assert "6 of 6 chains" in text and "`report.alpha`: A 0.05, B 0.1" in text
    assert sorted(path for path in repo.rglob("*") if ".git" not in path.parts) == before
    with resolve(repo, tmp_path) as folder:
        assert folder == repo
    # A study in a folder inside a repository.
    inner = make_study(repo / "inner/study")
    git(repo, "add", ".")
    git(repo, "commit", "-qm", "inner")
    with resolve("HEAD", inner) as folder:
        assert (folder / "params.yaml").is_file() and read_study(folder).runs


@pytest.mark.parametrize(
    "name, word",
    [
        ("nothing-like-it", "neither a folder nor"),
        ("--help", "neither a folder nor"),
        ("HEAD", "neither splits"),
    ],
)
def test_what_is_no_study_is_said(tmp_path, name, word):
    git(tmp_path, "init", "-q")
    (tmp_path / "x").write_text("x")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "x")
    with pytest.raises(UserError, match=word), resolve(name, tmp_path):
        pass
    (tmp_path / "folder").mkdir()
    with pytest.raises(UserError, match="no study here"), resolve(tmp_path / "folder", tmp_path):
        pass


def test_overlap_of_strategies_by_hand(tmp_path):
    for seed in (0, 1):
        make_run(tmp_path, "random", seed, [[10, 11, 12], [13, 14, 15]], [0.5, 0.6, 0.7])
        make_run(tmp_path, "entropy", seed, [[12, 13, 30], [10, 40, 41 + seed]], [0.5, 0.6, 0.7])
    settings = SimpleNamespace(
        tasks=["digits"],
        strategies=["random", "entropy", "gone"],
        seeds=[0, 1, 2],
        rounds=[SimpleNamespace(next=name) for name in (1, 2, "end")],
        report=SimpleNamespace(baseline="random"),
    )
    found = read_overlap(settings, tmp_path)
    row = found["overlap"].iloc[0]
    assert row[["first", "second", "labeled", "n"]].tolist() == ["random", "entropy", 10, 2]
    assert row["jaccard"] == pytest.approx(3 / 9) and row["jaccard_std"] == 0
    assert row["by_chance"] == pytest.approx(by_chance(6, ROWS - START))
    rounds = found["overlap_rounds"].query("strategy == 'entropy'")
    assert rounds["labeled"].tolist() == [7, 10]
    assert rounds["with_baseline"].tolist() == pytest.approx([1 / 5, 3 / 9])
    assert rounds["with_others"].tolist() == pytest.approx([1 / 5, 3 / 9])
    assert all(table.empty for table in read_overlap(settings, tmp_path / "none").values())


def test_expected_overlap_of_random_sets():
    rng = np.random.default_rng(0)
    found = []
    for _ in range(2000):
        a, b = (set(rng.choice(50, 10, replace=False)) for _ in range(2))
        found.append(len(a & b) / len(a | b))
    assert by_chance(10, 50) == pytest.approx(np.mean(found), abs=0.01)
    assert np.isnan(by_chance(0, 50)) and by_chance(50, 50) == 1


def test_accuracies_on_different_data_are_not_compared(tmp_path):
    """The same names, and nothing that could be compared: said, and no p value anywhere."""
    picks = [[10, 11, 12], [20, 21, 22]]
    for at, name in enumerate(("digits", "digits", "mnist")):
        root, data = tmp_path / str(at), f"{name} sha256:{at:064x}"
        for seed in (0, 1, 2):
            make_run(root, "random", seed, picks, [0.5, 0.6, 0.7 + at / 100 + seed / 50], data=data)
    text = compare.compare(tmp_path / "0", tmp_path / "1")
    assert "`digits`: A and B are about different data" in text
    assert "one data set with other content" in text and "Difference in AUBC" not in text
    text = compare.compare(tmp_path / "0", tmp_path / "2")
    assert "These are two data sets" in text and "significantly" not in text


def test_the_same_data_under_two_names_and_nothing_in_common(tmp_path):
    make_run(tmp_path / "a", "random", 0, [[9, 8, 7]], [0.5, 0.6])
    make_run(tmp_path / "b", "random", 0, [[9, 8, 7]], [0.5, 0.6], task="other")
    text = compare.compare(tmp_path / "a", tmp_path / "b")
    assert "Nothing can be compared" in text
    assert "Task digits of A and task other of B are about the same data" in text


def test_data_are_known_by_their_manifest_where_index_sets_are_gone(tmp_path):
    for at, name in enumerate("ab"):
        root = tmp_path / name
        make_run(root, "random", 0, [[9, 8, 7]], [0.5, 0.6])
        shutil.rmtree(root / "splits")
        manifest = {"name": "digits", "digest": f"{at:064x}", "classes": ["x"], "train": 5}
        manifest |= {"train_per_class": [5], "test": 1000, "test_per_class": [1000]}
        path = root / "data/digits/manifest.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(manifest))
    text = compare.compare(tmp_path / "a", tmp_path / "b")
    assert "Data of task digits differ" in text and "Difference in AUBC" not in text


def test_one_data_set_under_two_problems_is_not_compared(tmp_path):
    for name, problem in (("a", None), ("b", Problem(open_set=(8, 9)))):
        root = tmp_path / name
        if problem:
            ledger.write(
                Layout(root).shared_split("digits", 0) / "pool.txt", [99], data=DATA, rows=ROWS,
                task="digits", strategy="shared", seed=0, round_n="pool", parent=None, total=0,
                problem=problem,
            )  # fmt: skip
        make_run(root, "random", 0, [[10, 11, 12], [20, 21, 22]], [0.1, 0.2, 0.3])
    said = compare.compare(tmp_path / "a", tmp_path / "b")
    assert "one data set under two problems" in said and "## Difference in AUBC" not in said
