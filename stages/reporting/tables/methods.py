"""The measures and tests of a report in words: those that the report has, and no other."""

from __future__ import annotations

from collections.abc import Collection

# Each paragraph with the tables of which it speaks; () for what every report has.
PARAGRAPHS: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        (),
        """\
- **AUBC**, area under the accuracy-budget curve: trapezoids over the real labeled counts, round 0
  included, divided by their range, so that it is a mean accuracy between 0 and 1 (Zhan et al. 2022,
  *A Comparative Survey of Deep Active Learning*).
- **Final accuracy**: test accuracy in the last round. **Full**: a model trained with all labels.
- **±** is one sample standard deviation over seeds (ddof = 1); bands in figures are the same.""",
    ),
    (
        ("primary",),
        """\
- **Primary analysis**: differences from the baseline within each seed, so that what runs of a
  seed share does not count. *paired*, from five seeds on: t tests of the differences, each strategy
  with a deviation of its own, stepwise over the strategies. *blocked*, with fewer: a two-way layout
  of seeds and strategies, one deviation for all, Dunnett's test (1955), stepwise; it assumes that
  all strategies vary alike. *flips*, on request: the largest |t| over the signs of the differences
  (Westfall & Young 1993). **Equivalent**: two one-sided tests (Schuirmann 1987) of the margin.""",
    ),
    (
        ("tuned",),
        """\
- **Tuned settings**: every candidate is run with each seed, and the one with the most right answers
  on the validation sets of all seeds together is taken, the first of equals (Li et al. 2022, *Deep
  Bayesian Active Learning with Hybrid Query Strategies*). No test label plays a part.""",
    ),
    (
        ("win_tie_loss",),
        """\
- **Win, tie, loss**: of each pair the strategy with a mean AUBC higher by more than the margin wins
  (Zhan et al. 2022). It looks at means only and is no test.""",
    ),
    (
        ("improvement",),
        """\
- **API**, average performance improvement: accuracy minus the baseline's with the same seed, mean
  over all rounds (Li et al. 2022, *An Empirical Study on the Efficacy of Deep Active Learning for
  Image Classification*). A paired t test over seeds holds it against 0.""",
    ),
    (
        ("labels_needed",),
        """\
- **Labels needed**: where the mean curve, straight between rounds, first reaches an accuracy.""",
    ),
    (
        ("calibration",),
        """\
- **Expected calibration error**: mean distance of accuracy and confidence over 15 equal bins of
  confidence (Guo et al. 2017, *On Calibration of Modern Neural Networks*). **NLL**: mean negative
  log-likelihood in nats.""",
    ),
    (
        ("class_balance",),
        """\
- **Class balance**: entropy of the class shares of the labeled set over log of the number of
  classes.""",
    ),
    (
        ("selection",),
        """\
- **Diversity, uncertainty, inconsistency** of the selected images: mean distance between their
  embeddings, mean of 1 - max p, and mean total variation between the predictions with and without
  augmentation, as in Figure 2 of Li et al. 2022 (*An Empirical Study*).""",
    ),
    (
        ("overlap", "overlap_rounds"),
        """\
- **Overlap**: Jaccard index of two strategies' chosen sets, size of the intersection over size of
  the union (Jaccard 1912).""",
    ),
    (
        ("assumptions",),
        """\
- **Shapiro-Wilk** (Shapiro & Wilk 1965) tests whether the runs of one strategy are normally
  distributed. **Kolmogorov-Smirnov** tests the same, with the distribution of Lilliefors (1967),
  because mean and deviation are estimated from the runs. **Levene's test** with the median as
  centre (Brown & Forsythe 1974) tests whether all strategies have equal variance. Not rejecting an
  assumption does not prove it.""",
    ),
    (
        ("kruskal_wallis",),
        """\
- **Kruskal-Wallis** (1952) compares all strategies by ranks and assumes neither; H is corrected for
  ties and referred to the chi-square distribution with (strategies - 1) degrees of freedom.""",
    ),
    (
        ("welch_anova",),
        """\
- **Welch's analysis of variance** (1951) compares the means of all strategies without assuming
  equal variances, but normal groups.""",
    ),
    (
        ("games_howell",),
        """\
- **Games-Howell** (1976) compares pairs of strategies without assuming equal variances: Welch's
  standard error sqrt(s1²/n1 + s2²/n2) and degrees of freedom, and the studentized range over all
  strategies, which covers all pairs of one task and one measure, not several tasks or budgets. It
  does assume roughly normal means. **Hedges' g** (1981) is the difference in standard deviations,
  corrected for few runs, with the interval of Bonett (2008).""",
    ),
    (
        ("verdicts", "verdict_lists"),
        """\
- **Verdicts**, as in Table 1 of Munjal et al. 2022: *better* or *worse* than the baseline where
  the Games-Howell p is below alpha, undetermined (·) elsewhere.""",
    ),
    (
        ("paired_seeds", "paired_tasks", "improvement", "penalty"),
        """\
- **Paired t test** (Student 1908): the mean of the differences over their standard error, with
  (pairs - 1) degrees of freedom; pairs are seeds, or the means of tasks. It assumes normal
  differences.""",
    ),
    (
        ("paired_seeds", "paired_tasks"),
        """\
- **Wilcoxon's signed-rank test** (1945): ranks of the absolute differences, those of one sign
  added up; differences of 0 are dropped, p counts all assignments of signs (up to 50 pairs). It
  assumes symmetric differences, and n pairs give no p below 2 / 2^n.""",
    ),
    (
        ("penalty",),
        """\
- **Pairwise penalty** (Ash et al. 2020, *Deep Batch Active Learning by Diverse, Uncertain Gradient
  Lower Bounds*): in how many cells of task and budget one strategy beats another by a two-sided
  paired t test over seeds. One test a cell, without correction.""",
    ),
    (
        ("friedman",),
        """\
- **Friedman's test** (1937) compares the mean ranks of all strategies over tasks, or over the seeds
  of a task; the verdict is by the F form of Iman & Davenport (1980). Blocks must be
  independent.""",
    ),
    (
        ("nemenyi", "mean_ranks"),
        """\
- **Nemenyi's test** (1963; Demšar 2006, *Statistical Comparisons of Classifiers over Multiple Data
  Sets*) compares pairs of mean ranks: those nearer than the critical difference, joined by a line
  in the diagrams, are not shown to differ. It covers all pairs.""",
    ),
    (
        ("bootstrap",),
        """\
- **Bootstrap intervals** of the mean (Efron & Tibshirani 1993, *An Introduction to the Bootstrap*):
  percentiles of the means of resampled runs, and BCa, which corrects them for bias and skewness.
  With fewer than about ten runs they are too narrow.""",
    ),
    (
        ("seeds_needed",),
        """\
- **Seeds needed**: the power of Welch's (1947) two-sided t test by the noncentral t distribution,
  with the deviations observed here, which few seeds give roughly.""",
    ),
    (
        ("kruskal_wallis", "welch_anova", "paired_seeds", "paired_tasks", "improvement"),
        """\
- **Holm's correction** (1979), in columns named p (Holm): the smallest of m p values times m, the
  next times m - 1, and so on, never falling; it holds the chance of any false rejection in its
  family at alpha, whatever the dependence.""",
    ),
    (
        ("literature",),
        """\
- **Beside published numbers** nothing is tested: the difference is given in published standard
  deviations, of AUBC, final accuracy and API only over the same range of labeled counts.""",
    ),
    (
        (),
        """\
- Runs of one seed share their initial set. The tests of groups (Kruskal-Wallis, Welch,
  Games-Howell, Levene) take all runs as independent and do not use that; the tests over pairs and
  Friedman's do. Strategies that share the initial set and the training share their first budget
  too: no difference is to be expected there.""",
    ),
)


def methods(tables: Collection[str]) -> str:
    """What a report with these tables measures and tests, as a list in Markdown.

    Args:
        tables: names of the tables that the report has.
    """
    return "\n".join(
        text for about, text in PARAGRAPHS if not about or any(name in tables for name in about)
    )
