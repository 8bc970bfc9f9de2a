"""Li et al. 2022, "Deep Bayesian Active Learning with Hybrid Query Strategies"."""

from __future__ import annotations

from stages.published import checks
from stages.published.claims import Outcome, claim, untested, value

NAME = "hybrid"
M, C = "Section 4.1.2", "Section 4.2.2"
UNCERTAINTY = ["Entropy", "BALD", "Variation ratio"]
DIVERSITY = ["Discriminator", "Posterior var", "Min distance"]
COMPARABLE = 0.5  # points
APPENDIX = ("A1", "A2", "A3", "A4", "A5", "A6")


def pure(dataset: str, method: str) -> float:
    """Final accuracy of a pure strategy, Table 1."""
    return value(NAME, "T1", dataset, method, "f_acc", "baseline")


def hybrids(dataset: str) -> list[float]:
    """Final accuracies of the hybrid strategies, best first."""
    scores = checks.hybrid_scores(dataset)
    return scores.loc[scores["kind"] != "baseline", "mean"].tolist()


@claim(
    NAME, "Section 4.1", "The performance order is still: variation ratio > BALD ~ entropy", "T1"
)
def _order_of_uncertainty() -> Outcome:
    entropy, bald, ratio = (pure("MNIST", x) for x in UNCERTAINTY)
    found = f"{ratio:.2f}, {bald:.2f}, {entropy:.2f}"
    return Outcome(ratio > bald and abs(bald - entropy) < COMPARABLE, found)


@claim(NAME, M, "all uncertainty-based query strategies outperform the uniform baseline, but "
       "only one diversity-based query strategy beats it", "T1")  # fmt: skip
def _above_uniform() -> Outcome:
    uniform = pure("MNIST", "Uniform")
    above = [sum(pure("MNIST", x) > uniform for x in own) for own in (UNCERTAINTY, DIVERSITY)]
    return Outcome(above == [3, 1], f"{above[0]} of 3 and {above[1]} of 3 above {uniform:.2f}")


@claim(NAME, M, "[the best hybrid's] performance is only comparable to the best baseline", "T1",
       *APPENDIX)  # fmt: skip
def _best_hybrid_on_mnist() -> Outcome:
    best, own = pure("MNIST", "Variation ratio"), hybrids("MNIST")[0]
    return Outcome(own - best < COMPARABLE, f"{own:.2f} against {best:.2f} of variation ratio")


@claim(NAME, M, "the uniform baseline reaches the accuracy of 94% using 220 images", "T1")
def _uniform_on_mnist() -> Outcome:
    return Outcome(pure("MNIST", "Uniform") >= 94, f"{pure('MNIST', 'Uniform'):.2f}")


@claim(NAME, "Section 1", "54 hybrid query strategies", *APPENDIX)
def _fifty_four() -> Outcome:
    counts = [len(hybrids(x)) for x in ("MNIST", "CIFAR10")]
    return Outcome(counts == [54, 54], f"{counts[0]} and {counts[1]} printed")


@claim(NAME, C, "accuracy lower than the half of the MNIST experiment", "T1", *APPENDIX)
def _half_of_mnist() -> Outcome:
    top = [max(hybrids(x)[0], *(pure(x, y) for y in UNCERTAINTY)) for x in ("CIFAR10", "MNIST")]
    return Outcome(top[0] < top[1] / 2, f"at most {top[0]:.2f} against {top[1]:.2f}")


@claim(NAME, C, "The best uncertainty-based query strategy is only comparable to the worst "
       "diversity-based", "T1")  # fmt: skip
def _best_against_worst() -> Outcome:
    best = max(pure("CIFAR10", x) for x in UNCERTAINTY)
    worst = min(pure("CIFAR10", x) for x in DIVERSITY)
    return Outcome(abs(best - worst) < COMPARABLE, f"{best:.2f} and {worst:.2f}")


@claim(NAME, C, "The best diversity-based achieves a similar final accuracy to the uniform "
       "baseline", "T1")  # fmt: skip
def _best_diversity() -> Outcome:
    best, uniform = max(pure("CIFAR10", x) for x in DIVERSITY), pure("CIFAR10", "Uniform")
    return Outcome(abs(best - uniform) < COMPARABLE, f"{best:.2f} and {uniform:.2f}")


@claim(NAME, C, "Several hybrid query strategies outperform the best baseline", "T1", *APPENDIX)
def _several_above_the_best() -> Outcome:
    names = [*UNCERTAINTY, *DIVERSITY, "Uniform"]
    best = max(pure("CIFAR10", x) for x in names)
    above = sum(x > best for x in hybrids("CIFAR10"))
    return Outcome(above > 1, f"{above} of 54 above {best:.2f}, as means without a test")


@claim(
    NAME,
    "Section 4.2.1",
    "the top 4 hybrid query strategies whose performances all surpass the best baseline",
    "T1",
    *APPENDIX,
)
def _top_four() -> Outcome:
    best, top = pure("CIFAR10", "Min distance"), hybrids("CIFAR10")[:4]
    shown = sorted((43.60, 43.52, 43.53, 43.98), reverse=True)
    found = ", ".join(f"{x:.2f}" for x in top) + f" against {best:.2f}"
    return Outcome(top == shown and min(top) > best, found)


@claim(
    NAME,
    C,
    "the order of uncertainty-based and diversity-based query strategies reverse again",
    "T1",
)
def _order_reverses() -> Outcome:
    best = {
        x: [max(pure(x, y) for y in own) for own in (UNCERTAINTY, DIVERSITY)]
        for x in ("CIFAR10", "CIFAR10_extended")
    }
    (early, late) = best["CIFAR10"], best["CIFAR10_extended"]
    found = (
        f"best uncertainty-based less best diversity-based: {early[0] - early[1]:+.2f}, then "
        f"{late[0] - late[1]:+.2f}"
    )
    return Outcome(early[0] < early[1] and late[0] > late[1], found)


@claim(NAME, C, "The best uncertainty-based and diversity-based both outperform the uniform "
       "baseline", "T1")  # fmt: skip
def _both_above_uniform() -> Outcome:
    uniform = pure("CIFAR10_extended", "Uniform")
    best = [max(pure("CIFAR10_extended", y) for y in own) for own in (UNCERTAINTY, DIVERSITY)]
    return Outcome(min(best) > uniform, f"{best[0]:.2f} and {best[1]:.2f} against {uniform:.2f}")


@claim(NAME, C, "The best query strategy is still hybrid, though its advantage decreases", "T1")
def _still_hybrid() -> Outcome:
    names = [*UNCERTAINTY, *DIVERSITY, "Uniform"]
    lead = {
        x: hybrids(x)[0] - max(pure(x, y) for y in names) for x in ("CIFAR10", "CIFAR10_extended")
    }
    found = f"ahead by {lead['CIFAR10']:.2f}, then by {lead['CIFAR10_extended']:.2f} points"
    return Outcome(0 < lead["CIFAR10_extended"] < lead["CIFAR10"], found)


@claim(NAME, "Section 6", "The best hybrid query strategies are usually time-decayed", "T1",
       *APPENDIX)  # fmt: skip
def _usually_decayed() -> Outcome:
    best = []
    for dataset in ("MNIST", "CIFAR10", "CIFAR10_extended"):
        scores = checks.hybrid_scores(dataset)
        row = scores[scores["kind"] != "baseline"].iloc[0]
        best.append("decayed" in f"{row['kind']} {row['method']}".lower())
    return Outcome(sum(best) > 1, f"the best one is in {sum(best)} of 3 experiments")


untested(NAME, C, "performances of hybrid query strategies fluctuate less and are usually better",
         "Figure 3 alone shows the curves")  # fmt: skip
untested(NAME, "Abstract", "Hybrid query strategies shine in the difficult task",
         "no deviation and no single run is printed: of 54 means the best are above the best "
         "baseline by chance too, and that chance cannot be computed")  # fmt: skip
