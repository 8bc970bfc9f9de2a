"""The report stage end to end on synthetic results."""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import sys
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from study import reseal, write_chain

from stages.machine.errors import UserError
from stages.report import main, report
from stages.reporting import gathered
from stages.reporting.figures import diagrams, figures, gallery
from stages.reporting.read import frames, records
from stages.reporting.table import DF, RUNS, SEEDS, Column, Table

pytestmark = pytest.mark.filterwarnings("error")

TEST_IMAGES = 1000
DIGEST = "abc123" + 58 * "0"


def make_settings(
    tasks=("digits",),
    strategies=("random", "entropy", "badge"),
    seeds=(0, 1, 2),
    rounds=3,
    baseline="random",
    alpha=0.05,
):
    return SimpleNamespace(
        tasks=list(tasks),
        strategies=list(strategies),
        seeds=list(seeds),
        tuned=[],
        rounds=[
            SimpleNamespace(n=n, next=n + 1 if n + 1 < rounds else "end") for n in range(rounds)
        ],
        report=SimpleNamespace(margin=0.005, alpha=alpha, baseline=baseline, primary="auto"),
        reproducible="portable",
        task={task: SimpleNamespace(dataset=SimpleNamespace(name="digits")) for task in tasks},
    )


def put(path: Path, record) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record) if not isinstance(record, str) else record)


def result(task, strategy, seed, n, labeled, correct):
    return {
        "format": 1,
        "task": task,
        "strategy": strategy,
        "seed": seed,
        "round": n,
        "labeled": labeled,
        "test": TEST_IMAGES,
        "correct": correct,
        "accuracy": round(correct / TEST_IMAGES, 6),
        "nll": 0.7,
        "ece": 0.04,
    }


def make_study(root, settings, correct=None, full=True, seals=True, manifests=True):
    """Result files; `correct(strategy number, seed, round)` gives the count of right answers."""
    rng = np.random.default_rng(5)
    for task in settings.tasks:
        for number, strategy in enumerate(settings.strategies):
            for seed in settings.seeds:
                for item in settings.rounds:
                    noise = int(rng.integers(-9, 10))
                    right = (
                        correct(number, seed, item.n)
                        if correct
                        else 500 + 100 * item.n + 20 * number * item.n + noise
                    )
                    put(
                        root / f"reports/rounds/{task}/{strategy}/seed-{seed}/round-{item.n}.json",
                        result(task, strategy, seed, item.n, 10 + 10 * item.n, right),
                    )
                if seals:
                    write_chain(
                        root,
                        [list(range(10 * n, 10 * n + 10)) for n in range(1, len(settings.rounds))],
                        validation=[],
                        initial=list(range(10)),
                        rows=1437,
                        task=task,
                        strategy=strategy,
                        seed=seed,
                        data=f"digits sha256:{DIGEST}",
                    )
        if full:
            for seed in settings.seeds:
                put(
                    root / f"reports/rounds/{task}/seed-{seed}/full.json",
                    result(task, "full", seed, None, 1437, 950 + seed),
                )
        if manifests:
            put(
                root / f"data/{task}/manifest.json",
                {
                    "name": "digits",
                    "digest": DIGEST,
                    "source": "somewhere",
                    "license": "CC0",
                    "classes": ["0", "1"],
                    "train": 1437,
                    "test": TEST_IMAGES,
                    "train_per_class": [719, 718],
                    "test_per_class": [500, 500],
                },
            )


def outputs(root):
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted((root / "reports").rglob("*"))
        if path.is_file() and "rounds" not in path.parts
    }


def read(root, name):
    return pd.read_csv(root / "reports" / name, dtype=str, keep_default_na=False)


def test_everything_is_written_twice_the_same(tmp_path):
    settings = make_settings(tasks=("digits", "other"))
    make_study(tmp_path, settings)
    report(settings, tmp_path)
    first = outputs(tmp_path)
    expected = {
        "reports/report.md",
        "reports/index.html",
        "reports/curve.csv",
        "reports/metrics.json",
    }
    expected |= {
        f"reports/figures/{figure}-{task}.{kind}"
        for figure in ("accuracy", "pairs")
        for task in settings.tasks
        for kind in ("svg", "pdf", "png")
    }
    names = (
        "summary",
        "aubc",
        "win_tie_loss",
        "assumptions",
        "kruskal_wallis",
        "games_howell",
        "verdicts",
        "fingerprints",
    )
    expected |= {f"reports/tables/{name}.{kind}" for name in names for kind in ("csv", "tex", "md")}
    assert set(first) >= expected
    for name in set(first) - expected:
        assert re.fullmatch(
            r"reports/(figures|tables|plots)/[a-zA-Z0-9_-]+\.(svg|pdf|png|csv|tex|md)", name
        ), name
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(tmp_path, elsewhere, ignore=shutil.ignore_patterns("elsewhere"))
    report(settings, elsewhere)
    assert outputs(elsewhere) == first
    page = first["reports/report.md"].decode()
    assert str(tmp_path) not in page
    for link in ("figures/accuracy-other.png", "tables/summary.csv", "curve.csv"):
        assert f"]({link})" in page
    for picture in (name for name in first if name.endswith((".svg", ".png"))):
        for word in (b"Matplotlib", b"dc:date", b"tEXt"):
            assert word not in first[picture]
    for picture in (name for name in first if name.endswith(".pdf")):
        assert b"CreationDate" not in first[picture]
        assert first[picture].startswith(b"%PDF")
    for text in (first["reports/report.md"], first["reports/index.html"]):
        inside = r'(?:\]\(|href=")((?:figures|tables)/[^)"]*|[a-z]+\.(?:md|csv|html))'
        for link in re.findall(inside, text.decode()):
            assert f"reports/{link}" in first, link


def test_numbers_of_a_study_by_hand(tmp_path):
    settings = make_settings(strategies=("random", "entropy"), seeds=(0, 1), rounds=2)
    right = {(0, 0): (400, 600), (0, 1): (500, 700), (1, 0): (400, 800), (1, 1): (500, 900)}
    make_study(tmp_path, settings, correct=lambda s, k, n: right[s, k][n])
    report(settings, tmp_path)
    summary = read(tmp_path, "tables/summary.csv").set_index("strategy")
    assert summary.loc["random", "aubc_mean"] == "0.550000"
    assert summary.loc["random", "aubc_std"] == "0.070711"
    assert summary.loc["entropy", ["aubc_mean", "aubc_rank", "final_mean", "n"]].tolist() == [
        "0.650000",
        "1",
        "0.850000",
        "2",
    ]
    assert summary.index[-1] == "full"
    assert summary.loc["full", ["aubc_mean", "aubc_rank", "final_mean"]].tolist() == [
        "n/a",
        "n/a",
        "0.950500",
    ]
    curve = read(tmp_path, "curve.csv")
    assert curve.iloc[0].tolist() == [
        "digits",
        "random",
        "10",
        "0.450000",
        "0.070711",
        "0.379289",
        "0.520711",
        "2",
    ]
    metrics = json.loads((tmp_path / "reports/metrics.json").read_text())
    assert metrics == {"digits": {"best": 0.65, "gain": 0.1, "better": 0, "worse": 0}}
    counts = read(tmp_path, "tables/win_tie_loss.csv").set_index("strategy")
    assert counts.loc["entropy"].tolist()[:5] == ["1", "0", "0", "2", "1"]
    prints = read(tmp_path, "tables/fingerprints.csv")
    seal = tmp_path / "splits/digits/random/seed-0/round-end.txt"
    digest = hashlib.sha256(seal.read_bytes()).hexdigest()
    assert prints["fingerprint"][0] == digest
    assert f"`{digest[:12]}`" in (tmp_path / "reports/report.md").read_text()


def test_one_seed_leaves_gaps_in_the_curve_and_says_so_elsewhere(tmp_path):
    """Plotting tools take an empty cell for a gap, a reader takes n/a."""
    settings = make_settings(strategies=("random", "entropy"), seeds=(0,), rounds=2)
    make_study(tmp_path, settings, correct=lambda s, k, n: 500 + 100 * n)
    report(settings, tmp_path)
    assert read(tmp_path, "curve.csv").iloc[0].tolist() == [
        "digits", "random", "10", "0.500000", "", "", "", "1"]  # fmt: skip
    row = read(tmp_path, "tables/summary.csv").iloc[0]
    assert row[["aubc_mean", "aubc_std"]].tolist() == ["0.550000", "n/a"]


def test_findings_name_what_is_better(tmp_path):
    settings = make_settings(strategies=("random", "good", "bad", "alike"), seeds=range(5))
    level = [600, 800, 400, 606]  # the noise of the last one is always 0, of the others 6
    make_study(tmp_path, settings, correct=lambda s, k, n: level[s] + 3 * ((k * (s + 2)) % 5) + n)
    report(settings, tmp_path)
    page = (tmp_path / "reports/report.md").read_text()
    assert "`good` has the highest mean AUBC" in page
    assert "`good` is better; `bad` is worse; no difference could be shown for `alike`" in page
    assert read(tmp_path, "tables/primary.csv")["verdict"].tolist() == [
        "better",
        "worse",
        "undetermined",
    ]
    held = read(tmp_path, "tables/verdicts.csv").query("measure == 'aubc'")
    assert held["verdict"].tolist() == ["better", "worse", "undetermined"]


def test_what_learners_tell_of_their_training_is_a_table(tmp_path):
    settings = make_settings(strategies=("random", "entropy"), seeds=(0, 1), rounds=2)
    make_study(tmp_path, settings)
    for path in sorted(tmp_path.glob("reports/rounds/digits/entropy/seed-*/round-*.json")):
        record = json.loads(path.read_text())
        n, seed = record["round"], record["seed"]
        record["signature"] = {"critic_auc": 0.5 + 0.1 * n + 0.02 * seed}
        record["pseudo_labeled"] = {"count": 10 * seed, "wrong": 3 * seed}
        put(path, record)
    reseal(tmp_path)
    report(settings, tmp_path)
    told = pd.read_csv(tmp_path / "reports/tables/training.csv")
    assert set(told["strategy"]) == {"entropy"}
    told = told.set_index(["metric", "labeled"])[["value_mean", "value_std", "n"]]
    assert told.loc[("critic_auc", 20)].tolist() == pytest.approx([0.61, 0.014142, 2], abs=1e-6)
    assert told.loc[("pseudo_labeled", 10)].tolist() == pytest.approx([5, 7.071068, 2], abs=1e-6)
    assert told.loc[("pseudo_labeled_wrong", 10)].tolist()[:1] == [0.3]  # of one seed: 3 of 10
    assert "How training itself went" in (tmp_path / "reports/report.md").read_text()
    without = make_settings(strategies=("random",), seeds=(0, 1), rounds=2)
    report(without, tmp_path)
    assert not (tmp_path / "reports/tables/training.csv").exists()


def test_missing_results_are_named_and_nothing_is_written(tmp_path):
    settings = make_settings()
    make_study(tmp_path, settings)
    for path in tmp_path.glob("reports/rounds/digits/*/seed-*/round-2.json"):
        path.unlink()
    with pytest.raises(UserError) as caught:
        report(settings, tmp_path)
    first = f"{settings.strategies[0]}/seed-{settings.seeds[0]}"
    assert f"reports/rounds/digits/{first}/round-2.json" in str(caught.value)
    assert "9 of 27" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert outputs(tmp_path) == {}


@pytest.mark.parametrize(
    "change, word",
    [
        ("{", "JSON"),
        ("[]", "object"),
        ({"format": 2}, "format"),
        ({"seed": 9}, "seed is 9"),
        ({"strategy": "random"}, "strategy"),
        ({"correct": 1}, "accuracy"),
        ({"labeled": -1}, "count"),
        ({"accuracy": float("nan")}, "NaN"),
        ({"accuracy": True}, "fraction"),
        ({"labeled": 5}, "its chain has 20"),
        ({"selected": 9}, "selected is 9, its chain has 10"),
        ({"test": 900, "correct": 450, "accuracy": 0.5}, "manifest.json says 1000"),
    ],
)
def test_damaged_results_are_named(tmp_path, change, word):
    settings = make_settings()
    make_study(tmp_path, settings)
    path = tmp_path / "reports/rounds/digits/entropy/seed-1/round-1.json"
    put(path, change if isinstance(change, str) else json.loads(path.read_text()) | change)
    with pytest.raises(UserError, match=word) as caught:
        report(settings, tmp_path)
    assert "entropy/seed-1/round-1.json" in str(caught.value)
    assert outputs(tmp_path) == {}


def test_a_record_of_all_rows_that_contradicts_the_data_is_named(tmp_path):
    settings = make_settings()
    make_study(tmp_path, settings)
    path = tmp_path / "reports/rounds/digits/seed-1/full.json"
    put(path, json.loads(path.read_text()) | {"labeled": 1400})
    with pytest.raises(UserError, match="seed-1/full.json: labeled is 1400, its chain has 1437"):
        report(settings, tmp_path)


def test_a_chain_that_is_not_sound_ends_the_report(tmp_path):
    settings = make_settings()
    make_study(tmp_path, settings)
    (tmp_path / "splits/digits/entropy/seed-1/round-1.txt").unlink()
    with pytest.raises(UserError, match=r"entropy/seed-1/round-1\.txt: missing link"):
        report(settings, tmp_path)


def test_command_line(tmp_path, monkeypatch, capsys):
    study = make_settings(strategies=("random", "entropy"), seeds=(0,))
    loader = SimpleNamespace(load=lambda path: {"some.yaml": study}[path])
    monkeypatch.setitem(sys.modules, "stages.study.settings", loader)
    monkeypatch.setattr(sys, "argv", ["report", "--params", "some.yaml", "--root", str(tmp_path)])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 1
    message = capsys.readouterr().err
    assert message.startswith("error: reports/rounds/digits/random/seed-0/round-0.json")
    assert message.count("\n") == 1
    make_study(tmp_path, study)
    main()
    assert capsys.readouterr().out.splitlines() == [
        (tmp_path / "reports" / name).as_posix() for name in ("report.md", "index.html")
    ]


def test_command_line_for_published_tables_comparisons_and_cost(tmp_path, monkeypatch, capsys):
    @contextmanager
    def resolve(name, root):
        yield Path(root) / name

    stubs = {
        "literature.published": {"report": lambda name: f"tables of {name}"},
        "compare": {"resolve": resolve, "compare": lambda a, b: f"{a.name} with {b.name}"},
        "cost": {"report": lambda settings, root: f"seconds of {settings}"},
    }
    for name, functions in stubs.items():
        module = SimpleNamespace(**functions)
        monkeypatch.setitem(sys.modules, f"stages.reporting.{name}", module)
        monkeypatch.setattr(f"stages.reporting.{name}", module, raising=False)
    monkeypatch.setitem(
        sys.modules, "stages.study.settings", SimpleNamespace(load=lambda path: path)
    )
    for arguments, expected in (
        (["--published", "li"], "tables of li"),
        (["--compare", "one", "two"], "one with two"),
        (["--cost", "--params", "p.yaml"], "seconds of p.yaml"),
    ):
        main([*arguments, "--root", str(tmp_path)])
        assert capsys.readouterr().out == f"{expected}\n"
    assert list(tmp_path.iterdir()) == []


def test_many_figures_are_drawn_in_several_processes_alike(monkeypatch):
    drawn = {
        str(at): partial(
            diagrams.critical_difference_figure, {"a": 1.0, "b": 1.5 + at / 10}, 2.0, title="t"
        )
        for at in range(3)
    }
    alone = gallery.draw_all(drawn)
    monkeypatch.setattr(gallery, "MANY", 2)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    assert gallery.draw_all(drawn) == alone


def test_overlap_and_balance_become_figures_where_their_tables_are():
    settings = make_settings(tasks=("digits", "other"), strategies=("random", "bald"))
    overlap = pd.DataFrame(
        {
            "task": "digits",
            "first": "random",
            "second": "bald",
            "labeled": [20, 30, 30],
            "jaccard": [0.9, 0.2, 0.4],
        }
    )
    balance = pd.DataFrame(
        {
            "task": "other",
            "strategy": ["random", "random", "bald"],
            "labeled": 10,
            "balance": [0.5, 0.7, 0.9],
        }
    )
    squares = gallery.overlap_squares({"overlap": overlap}, settings)
    assert list(squares) == ["digits"]
    assert squares["digits"][0, 1] == squares["digits"][1, 0] == pytest.approx(0.3)
    lines = gallery.balance_lines({"class_balance": balance}, settings)
    assert lines["other"]["value"].tolist() == pytest.approx([0.6, 0.9])
    assert gallery.overlap_squares({}, settings) == gallery.balance_lines({}, settings) == {}


def test_stale_outputs_go_and_others_stay(tmp_path):
    before = make_settings(tasks=("digits", "gone"), seeds=(0,))
    make_study(tmp_path, before)
    report(before, tmp_path)
    for name in ("tables/old.csv", "tables/old.tex", "figures/pairs-gone.pdf"):
        put(tmp_path / "reports" / name, "x")
    put(tmp_path / "reports/figures/by-hand.svg", "x")
    report(make_settings(seeds=(0,)), tmp_path)
    names = outputs(tmp_path)
    assert "reports/figures/accuracy-gone.svg" not in names
    for name in ("tables/old.csv", "tables/old.tex", "figures/pairs-gone.pdf"):
        assert f"reports/{name}" not in names
    assert "reports/figures/by-hand.svg" in names
    assert not [name for name in names if "/." in name]


@pytest.mark.parametrize(
    "arguments, study, phrases",
    [
        ({"seeds": (4,)}, {}, ["With one seed there is no spread", "no order of strategies"]),
        ({"seeds": (4, 5)}, {}, ["With two seeds Shapiro-Wilk"]),
        ({"strategies": ("entropy",), "baseline": "entropy"}, {}, ["nothing to compare"]),
        ({"strategies": ("entropy", "badge")}, {}, ["`random` is not among the strategies"]),
        ({"rounds": 1}, {}, ["Main findings"]),
        (
            {"seeds": (0, 1, 2, 3)},
            {"correct": lambda s, k, n: 700},
            [
                "All seeds agree exactly",
                "All 3 strategies have the same mean AUBC",
                "Kruskal-Wallis is n/a in 3 places",  # the first budget is shared, so not tested
            ],
        ),
        (
            {},
            {"correct": lambda s, k, n: 700 + s},
            ["no test is possible for `entropy` and `badge`"],
        ),
        ({}, {"correct": lambda s, k, n: 700 + s * k}, ["All seeds agree exactly"]),
        ({}, {"full": False}, ["so the Full row and line are left out"]),
        ({}, {"seals": False, "manifests": False}, ["no seal", "no manifest"]),
    ],
)
def test_small_and_degenerate_studies_get_a_report(tmp_path, arguments, study, phrases):
    settings = make_settings(**arguments)
    make_study(tmp_path, settings, **study)
    report(settings, tmp_path)
    page = (tmp_path / "reports/report.md").read_text()
    for phrase in phrases:
        assert phrase in page
    for name, data in outputs(tmp_path).items():
        if not name.endswith((".svg", ".pdf", ".png")):
            assert not re.search(rb"\bnan\b", data.lower()), name


def test_a_chain_that_stops_growing_counts_each_budget_once(tmp_path):
    settings = make_settings(strategies=("random",), seeds=(0, 1), rounds=3)
    make_study(tmp_path, settings, seals=False)
    for seed in (0, 1):
        for n, labeled, right in ((0, 10, 400), (1, 30, 600), (2, 30, 700)):
            put(
                tmp_path / f"reports/rounds/digits/random/seed-{seed}/round-{n}.json",
                result("digits", "random", seed, n, labeled, right),
            )
    runs = frames.runs_table(records.read_rounds(settings, tmp_path))
    assert runs["aubc"].tolist() == [0.55, 0.55]
    assert runs["final_accuracy"].tolist() == [0.7, 0.7]


def test_strategy_order_changes_the_display_only(tmp_path):
    settings = make_settings(strategies=("random", "entropy", "badge", "margin"))
    make_study(tmp_path, settings)
    turned = make_settings(strategies=("margin", "badge", "random", "entropy"))
    built = [
        gathered.build(records.read_rounds(s, tmp_path), records.read_full(s, tmp_path), s)
        for s in (settings, turned)
    ]
    for name in (
        "curve",
        "aubc",
        "summary",
        "win_tie_loss",
        "assumptions",
        "verdicts",
        "kruskal_wallis",
    ):
        lines = [
            sorted(gathered.to_csv(made[name], gathered.TABLES[name]).splitlines())
            for made in built
        ]
        assert lines[0] == lines[1], name


def test_numbers_are_printed_with_fixed_decimals():
    table = pd.DataFrame({"a": [-1e-9, np.nan, 0.1], "n": [1, 2, 3], "df": [2.0, 3.5, np.nan]})
    declared = Table("x", "X", RUNS, lambda given: table, (Column("a", "a"), SEEDS, DF))
    assert gathered.to_csv(table, declared) == (
        "a,n,df\n0.000000,1,2.0000\nn/a,2,3.5000\n0.100000,3,n/a\n"
    )


def test_no_two_strategies_look_alike():
    names = ["random", *(f"s{i}" for i in range(60))]
    looks = {tuple(map(str, look.values())) for look in figures.styles(names, "random").values()}
    assert len(looks) == len(names)


def test_figures_ignore_the_users_matplotlib_settings(tmp_path):
    import matplotlib

    curve = pd.DataFrame(
        {
            "strategy": ["a", "a"],
            "labeled": [10, 20],
            "accuracy": [0.5, 0.6],
            "low": [0.4, 0.5],
            "high": [0.6, 0.7],
        }
    )

    def draw():
        return figures.accuracy_figure(curve, 0.9, title="t", strategies=["a"], baseline="a")

    plain = figures.render(draw)
    with matplotlib.rc_context({"lines.linewidth": 9, "font.size": 30, "axes.facecolor": "red"}):
        assert figures.render(draw) == plain
    # Nothing beyond the sixth decimal shows.
    curve[["accuracy", "low", "high"]] += 3e-7
    assert figures.render(draw) == plain
    assert io.BytesIO(plain["png"]).read(4) == b"\x89PNG"


def test_groups_of_the_critical_difference_diagram():
    ranks = dict(zip("abcde", [1.0, 1.8, 3.0, 3.5, 6.0], strict=True))

    def bars(distance):
        axes = diagrams.critical_difference_figure(ranks, distance, title="t").axes[0]
        drawn = [line for line in axes.lines if line.get_color() == "#0072B2"]
        return [tuple(np.round(line.get_xdata(), 1)) for line in drawn]

    assert bars(2.0) == [(1.0, 3.0), (1.8, 3.5)]
    assert bars(0.1) == []


@pytest.mark.parametrize(
    "ranks, distance",
    [
        ({"a": 1.0, "b": 2.0}, 5.0),
        ({f"s{i}": 1 + i for i in range(20)}, 4.0),
        ({"a": 1.5, "b": 1.5, "c": 3.0}, 0.5),
    ],
)
def test_critical_difference_diagrams_are_drawn(ranks, distance):
    def draw():
        return diagrams.critical_difference_figure(ranks, distance, title="t")

    drawn = figures.render(draw)
    assert figures.render(draw) == drawn
    for name in ranks:
        assert name.encode() in drawn["svg"]


def test_pair_matrix_turns_signs_with_the_order():
    pairs = pd.DataFrame({"first": ["a"], "second": ["b"], "difference": [0.25], "p": [0.01]})
    square = diagrams.pair_matrix(pairs, ["b", "a", "c"], "difference")
    assert (square[1, 0], square[0, 1]) == (0.25, -0.25)
    assert np.isnan(square).sum() == 7
    p = diagrams.pair_matrix(pairs, ["b", "a"], "p")
    assert p[0, 1] == p[1, 0] == 0.01


@pytest.mark.parametrize("count", [2, 20])
def test_heat_maps_are_the_same_twice_and_name_everything(count):
    names = [f"strategy_{i}" for i in range(count)]
    rows = [
        (names[i], names[j], (i - j) / 100, 0.001 * (i + j)) for i in range(count) for j in range(i)
    ]
    pairs = pd.DataFrame(rows, columns=["first", "second", "difference", "p"])

    def draw():
        return diagrams.pairwise_figure(pairs, names, 0.05, 20, title="t", label="points")

    drawn = figures.render(draw)
    assert figures.render(draw) == drawn
    assert all(name.encode() in drawn["svg"] for name in names)
    assert sum(map(len, drawn.values())) < 500_000


def test_plot_template_names_the_columns_of_the_curve():
    path = Path(__file__).parents[2] / ".dvc/plots/accuracy_budget.json"
    template = json.loads(path.read_text())
    columns = {"task", "strategy", "labeled", "accuracy", "std", "low", "high", "n"}
    assert set(template["data"]["format"]["parse"]) <= columns
    fields = {value for value in _fields(template) if not value.startswith("<DVC")}
    assert fields <= columns | {"rev"}
    for anchor in ("DATA", "X", "Y", "TITLE"):
        assert f'"<DVC_METRIC_{anchor}>"' in path.read_text()


def _fields(node):
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "field":
                yield value
            else:
                yield from _fields(value)
    elif isinstance(node, list):
        for value in node:
            yield from _fields(value)
