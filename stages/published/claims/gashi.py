"""Gashi et al. 2024, "Deep Active Learning: A Reality Check"."""

from __future__ import annotations

from functools import lru_cache

import pandas as pd

from stages.published import checks
from stages.published.claims import Outcome, claim, untested, value

NAME = "gashi"
MAIN = {"T2": "CIFAR10", "T3": "CIFAR100", "T4": "Caltech101", "T5": "Caltech256"}
R = "Random"
MAIN_SECTION, DIVERSITY = "Section 4.2", "Section 4.3.3"
OTHERS = ["LLAL", "CoreSet", "BALD", "VarRatio"]
NEAR = 0.5  # points that "circa" and "around" may be off


@lru_cache
def wide(table: str) -> pd.DataFrame:
    """Mean accuracies (%) of one table, (labeled, methods)."""
    return checks.reality_check(table).pivot(index="labeled", columns="method", values="mean")


def gap(table: str, method: str, cycle: int, other: str = R) -> float:
    """Points by which a method is ahead at the n-th cycle, 1 for the first."""
    own = wide(table).iloc[cycle - 1]
    return float(own[method] - own[other])


def near(found: list[float], said: list[float]) -> bool:
    """Whether numbers are those that a text rounds off."""
    return all(abs(x - y) <= NEAR for x, y in zip(found, said, strict=True))


def shown(found: list[float]) -> str:
    """Signed points, listed."""
    return ", ".join(f"{x:+.2f}" for x in found) + " points"


@claim(NAME, "Figure 1", "entropy reaches the highest results in all datasets", *MAIN)
def _entropy_ends_highest() -> Outcome:
    best = {name: wide(table).iloc[-1].idxmax() for table, name in MAIN.items()}
    areas = {
        name: wide(table).apply(lambda y: checks.area(y.index, y)).idxmax()
        for table, name in MAIN.items()
    }
    last = sum(x == "Entropy" for x in best.values())
    whole = sum(x == "Entropy" for x in areas.values())
    odd = ", ".join(f"{y} on {x}" for x, y in areas.items() if y != "Entropy")
    found = f"final accuracy: {last} of 4; area under the curve: {whole} of 4 ({odd})"
    return Outcome(last == 4, found)


@claim(NAME, "Figure 1", "with the random baseline typically reaching the worst results", *MAIN)
def _random_ends_lowest() -> Outcome:
    worst = {name: wide(table).iloc[-1].idxmin() for table, name in MAIN.items()}
    areas = [wide(table).apply(lambda y: checks.area(y.index, y)).idxmin() for table in MAIN]
    found = (
        "lowest final accuracy: "
        + ", ".join(f"{y} on {x}" for x, y in worst.items())
        + f"; lowest area: random on {areas.count(R)} of 4"
    )
    return Outcome(sum(y == R for y in worst.values()) > 2, found)


@claim(NAME, "Abstract", "no single-model method decisively outperforms entropy-based", *MAIN)
def _none_beats_entropy() -> Outcome:
    last, earlier = 0, []
    for table, name in MAIN.items():
        held = checks.reality_verdicts(table, "Entropy")
        better = held[(held["verdict"] == "better") & (held["method"] != R)]
        last += int((better["labeled"] == held["labeled"].max()).sum())
        if len(better):
            earlier.append(f"{better['method'].iloc[0]} at {better['labeled'].nunique()} on {name}")
    found = f"Games-Howell, n = 5: {last} of 16 better at the last budget; at earlier ones " + (
        ", ".join(earlier) or "none"
    )
    return Outcome(last == 0, found)


@claim(NAME, "Abstract", "some even fall short of random sampling", *MAIN)
def _some_below_random() -> Outcome:
    worse = []
    for table, name in MAIN.items():
        held = checks.reality_verdicts(table)
        own = held[held["verdict"] == "worse"]
        worse += [f"{m} at {len(x)} on {name}" for m, x in own.groupby("method")]
    return Outcome(bool(worse), "worse by Games-Howell: " + (", ".join(worse) or "none"))


@claim(NAME, MAIN_SECTION, "[CIFAR-10] entropy and LLAL ... outperform the random baseline by "
       "1.4 ... 1.1pp. In the third cycle ... over 2.5pp", "T2")  # fmt: skip
def _cifar10_early() -> Outcome:
    second, third = ([gap("T2", x, c) for x in ("Entropy", "LLAL")] for c in (2, 3))
    return Outcome(near([*second, *third], [1.4, 1.1, 2.5, 2.5]), shown([*second, *third]))


@claim(NAME, MAIN_SECTION, "[CIFAR-10, entropy] outperforming LLAL by around 1pp in the last "
       "10 AL cycles", "T2")  # fmt: skip
def _cifar10_late() -> Outcome:
    gaps = [gap("T2", "Entropy", c, "LLAL") for c in range(11, 21)]
    mean = sum(gaps) / 10
    return Outcome(near([mean], [1.0]), f"{mean:.2f} on mean, {min(gaps):.2f} to {max(gaps):.2f}")


@claim(NAME, MAIN_SECTION, "[CIFAR-10] random baseline outperforms BALD and Variation Ratio in "
       "the first four AL cycles, and Core-set in the first five", "T2")  # fmt: skip
def _cifar10_random_first() -> Outcome:
    rows = (("BALD", 4), ("VarRatio", 4), ("CoreSet", 5))
    counts = {m: sum(gap("T2", m, c) < 0 for c in range(1, n + 1)) for m, n in rows}
    found = ", ".join(f"{m} below in {counts[m]} of {n}" for m, n in rows)
    return Outcome(all(counts[m] == n for m, n in rows), found)


@claim(NAME, MAIN_SECTION, "[CIFAR-100, Core-set] outperforming the random baseline by 1pp and "
       "entropy by 2pp in the first step. In the second ... 1.5pp, and entropy by almost 3pp",
       "T3")  # fmt: skip
def _cifar100_coreset() -> Outcome:
    found = [gap("T3", "CoreSet", c, x) for c in (2, 3) for x in (R, "Entropy")]
    holds = near(found, [1.0, 2.0, 1.5, 3.0])
    return Outcome(holds, shown(found) + " (a step is a cycle after the first)")


@claim(NAME, MAIN_SECTION, "[CIFAR-100, Core-set] outperforming entropy until the 13th step "
       "... finishing in the 20th step by almost 2pp worse", "T3")  # fmt: skip
def _cifar100_crossing() -> Outcome:
    ahead = [c for c in range(2, 21) if gap("T3", "CoreSet", c, "Entropy") > 0]
    last = gap("T3", "CoreSet", 20, "Entropy")
    found = f"ahead in cycles {min(ahead)} to {max(ahead)}, {last:+.2f} points at the end"
    return Outcome(ahead == list(range(2, max(ahead) + 1)) and max(ahead) in (12, 13)
                   and near([last], [-2.0]), found)  # fmt: skip


@claim(NAME, MAIN_SECTION, "[CIFAR-100] entropy starts clearly outperforming the random "
       "baseline only after the 12th AL step, LLAL ... only after the 14th", "T3")  # fmt: skip
def _cifar100_late() -> Outcome:
    held = checks.reality_verdicts("T3")
    firsts = {}
    for method in ("Entropy", "LLAL"):
        own = held[(held["method"] == method) & (held["verdict"] == "better")]
        firsts[method] = int(own["labeled"].min() / 1000) if len(own) else 0
    found = "first better by Games-Howell in cycle " + ", ".join(
        f"{y} ({x})" for x, y in firsts.items()
    )
    return Outcome(firsts["Entropy"] >= 12 and firsts["LLAL"] >= 14, found)


@claim(NAME, MAIN_SECTION, "[Caltech-101, entropy and Core-set] close to 5.5pp ... 2.5pp ... "
       "next cycle ... 9pp and respectively 6pp ... last ... over 7pp ... 2.2pp", "T4")  # fmt: skip
def _caltech101() -> Outcome:
    found = [gap("T4", x, c) for c in (2, 3, 5) for x in ("Entropy", "CoreSet")]
    odd = "; Core-set's last is not 2.2" if abs(found[5] - 2.2) > NEAR else ""
    return Outcome(near(found, [5.5, 2.5, 9.0, 6.0, 7.3, 2.2]), shown(found) + odd)


@claim(NAME, MAIN_SECTION, "[Caltech-256] the random baseline outperforms all the other "
       "methods in the fourth and fifth steps", "T5")  # fmt: skip
def _caltech256_early() -> Outcome:
    best = [wide("T5").iloc[c - 1].idxmax() for c in (4, 5)]
    return Outcome(best == [R, R], f"best are {best[0]} and {best[1]}")


@claim(NAME, MAIN_SECTION, "[Caltech-256] entropy ... outperforming the random by over 4pp. "
       "BALD, Coreset and Variation Ratio ... by around 2.5pp ... LLAL ... almost 1pp",
       "T5")  # fmt: skip
def _caltech256_end() -> Outcome:
    found = [gap("T5", x, 10) for x in ("Entropy", "BALD", "CoreSet", "VarRatio", "LLAL")]
    return Outcome(found[0] > 4 and near(found[1:], [2.5, 2.5, 2.5, -1.0]), shown(found))


@claim(NAME, "Recommendation 1", "The Core-set, in general, shows the second-best performance "
       "after the entropy", *MAIN)  # fmt: skip
def _coreset_second() -> Outcome:
    order = pd.DataFrame({n: wide(t).iloc[-1] for t, n in MAIN.items()})
    ranks = order.rank(ascending=False).mean(axis=1).sort_values()
    found = "mean ranks of final accuracy: " + ", ".join(f"{x} {y:.2f}" for x, y in ranks.items())
    return Outcome(ranks.index[0] == "Entropy" and ranks.index[1] == "CoreSet", found)


@claim(NAME, "Section 4.3.1", "2000 and 3000 labeled samples, the medium case outperforms the "
       "small case by 3.5 - 4pp ... At the end ... by around half a percentage point",
       "T6")  # fmt: skip
def _budget_per_cycle() -> Outcome:
    def at(size: int, labeled: int) -> float:
        variant = f"budget per cycle, entropy {size}"
        return value(NAME, "T6", "CIFAR10", "Entropy", "accuracy", variant, labeled)

    early = [at(1000, n) - at(500, n) for n in (2000, 3000)]
    late = [at(1000, 20_000) - at(size, 20_000) for size in (500, 2000)]
    return Outcome(near(early, [3.75, 3.75]) and near(late, [0.5, 0.5]), shown([*early, *late]))


@claim(NAME, "Section 4.3.2", "In the second and third AL cycles, the networks trained from "
       "scratch outperform ... by an average of 4pp", "T7")  # fmt: skip
def _scratch_early() -> Outcome:
    gaps = [gap("T7", "Scratch", c, "Finetune") for c in (2, 3)]
    mean = sum(gaps) / 2
    return Outcome(near([mean], [4.0]), f"{mean:.2f} points on average ({shown(gaps)})")


@claim(NAME, "Section 4.3.2", "[later] with both the methods performing the same", "T7")
def _scratch_late() -> Outcome:
    held = checks.reality_verdicts("T7", "Finetune")
    late = held[held["labeled"] > 10_000]
    apart = int((late["verdict"] != "undetermined").sum())
    widest = float(late["difference"].abs().max())
    found = (
        f"beyond 10,000 labels at most {widest:.2f} points apart; {apart} of {len(late)} budgets "
        "differ by Games-Howell"
    )
    return Outcome(widest < NEAR, found)


@claim(NAME, DIVERSITY, "improves the results by 1.5pp in the second cycle, by a maximum of 2pp in "
       "the fourth", "T8")  # fmt: skip
def _diversity_early() -> Outcome:
    gaps = [gap("T8", "Diversity", c, "No diversity") for c in range(1, 21)]
    found = (
        f"{gaps[1]:+.2f} and {gaps[3]:+.2f} points, largest in cycle {gaps.index(max(gaps)) + 1}"
    )
    return Outcome(near([gaps[1], gaps[3]], [1.5, 2.0]) and max(gaps) == gaps[3], found)


@claim(NAME, DIVERSITY, "After the sixth cycle, we do not see any difference", "T8")
def _diversity_late() -> Outcome:
    held = checks.reality_verdicts("T8", "Diversity")
    late = held[(held["method"] == "No diversity") & (held["labeled"] > 6000)]
    apart = late[late["verdict"] != "undetermined"]
    found = f"{len(apart)} of {len(late)} budgets differ by Games-Howell" + (
        f" (12,000 labels: {gap('T8', 'Diversity', 12, 'No diversity'):+.2f} points; its "
        "neighbours suggest that 93.38 is a misprint of 92.38)"
        if len(apart)
        else ""
    )
    return Outcome(apart.empty, found)


@claim(NAME, DIVERSITY, "[duplicated pools, no diversity] actually performs worse than the "
       "random baseline", "T9", "T10")  # fmt: skip
def _duplicates() -> Outcome:
    below = {t: sum(gap(t, "No diversity", c) < 0 for c in range(2, 21)) for t in ("T9", "T10")}
    found = (
        f"below random at {below['T9']} of 19 budgets with two copies, at {below['T10']} of 19 "
        "with five"
    )
    return Outcome(min(below.values()) > 9, found)


@claim(
    NAME,
    DIVERSITY,
    "the higher the repetition, the worse the results of the method",
    "T8",
    "T9",
    "T10",
)
def _repetition() -> Outcome:
    means = [float(wide(t)["No diversity"].mean()) for t in ("T8", "T9", "T10")]
    found = "mean accuracies " + ", ".join(f"{x:.2f}" for x in means)
    return Outcome(means == sorted(means, reverse=True), found)


@claim(NAME, DIVERSITY, "we first randomly pre-select 10000 samples [Table 8, as an ablation of "
       "the entropy of Table 2]", "T2", "T8")  # fmt: skip
def _same_numbers() -> Outcome:
    same = int((checks.same_numbers()["difference"].abs() <= 0.01).sum())
    found = (
        f"equal to 0.01 in {same} of 20 rows: the headline results of entropy are those with the "
        "random pre-selection"
    )
    return Outcome(same < 20, found)


@claim(NAME, "Section 4.3.4", "Core-Set, LLAL and entropy ... ending the training by at least 1pp "
       "better than the random baseline", "T11")  # fmt: skip
def _detection_end() -> Outcome:
    found = [gap("T11", x, 6) for x in ("CoreSet", "LLAL", "Entropy")]
    return Outcome(round(min(found), 1) >= 1.0, shown(found))


@claim(NAME, "Section 4.3.4", "all methods except Core-Set perform roughly the same. Core-Set "
       "... almost 2pp. In the third cycle, all ... at least 0.5pp", "T11")  # fmt: skip
def _detection_early() -> Outcome:
    second = [gap("T11", x, 1) for x in ("Entropy", *OTHERS)]
    third = {x: gap("T11", x, 2) for x in ("Entropy", *OTHERS)}
    low = [f"{x} {y:+.2f}" for x, y in third.items() if y < 0.5]
    core = gap("T11", "CoreSet", 1)
    found = f"Core-Set {core:+.2f}; in the third below 0.5: {', '.join(low) or 'none'}"
    holds = near([core], [2.0]) and not low and sorted(second)[-2] < NEAR
    return Outcome(holds, found)


@claim(NAME, "Section 4.3.5", "[detection] entropy outperforms random by more than 1pp in the "
       "last three AL cycles, with a peak of 1.7", "T12")  # fmt: skip
def _semi_supervised_detection() -> Outcome:
    found = [gap("T12", "Entropy", c) for c in (4, 5, 6)]
    return Outcome(min(found) > 1 and round(max(found), 1) == 1.7, shown(found))


@claim(NAME, "Section 4.3.5", "both the entropy and consistency considerably improve over the "
       "random baseline, with inconsistency-based AL reaching the best results", "T13")  # fmt: skip
def _semi_supervised() -> Outcome:
    table, held = wide("T13"), checks.reality_verdicts("T13")
    best = int((table.idxmax(axis=1) == "Inconsistency").sum())
    better = held.groupby("method")["verdict"].apply(lambda x: int((x == "better").sum()))
    found = (
        f"inconsistency is highest at {best} of {len(table)}; better than random by Games-Howell: "
        f"entropy at {better['Entropy']}, inconsistency at {better['Inconsistency']}"
    )
    return Outcome(best == len(table), found)


untested(NAME, "Section 4.1", "the same initial split and random seed",
         "no index set and no single run is published")  # fmt: skip
