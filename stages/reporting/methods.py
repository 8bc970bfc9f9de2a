"""Paragraphs on methods that several tables share, or that every report has."""

from __future__ import annotations

AREA = """\
- **AUBC**, area under the accuracy-budget curve: trapezoids over the real labeled counts, round 0
  included, divided by their range, so that it is a mean accuracy between 0 and 1 (Zhan et al. 2022,
  *A Comparative Survey of Deep Active Learning*).
- **Final accuracy**: test accuracy in the last round. **Full**: a model trained with all labels.
- **±** is one sample standard deviation over seeds (ddof = 1); bands in figures are the same."""

PAIRED_T = """\
- **Paired t test** (Student 1908): the mean of the differences over their standard error, with
  (pairs - 1) degrees of freedom; pairs are seeds, or the means of tasks. It assumes normal
  differences."""

WILCOXON = """\
- **Wilcoxon's signed-rank test** (1945): ranks of the absolute differences, those of one sign
  added up; differences of 0 are dropped, p counts all assignments of signs (up to 50 pairs). It
  assumes symmetric differences, and n pairs give no p below 2 / 2^n."""

NEMENYI = """\
- **Nemenyi's test** (1963; Demšar 2006, *Statistical Comparisons of Classifiers over Multiple Data
  Sets*) compares pairs of mean ranks: those nearer than the critical difference, joined by a line
  in the diagrams, are not shown to differ. It covers all pairs."""

OVERLAP = """\
- **Overlap**: Jaccard index of two strategies' chosen sets, size of the intersection over size of
  the union (Jaccard 1912)."""

VERDICTS = """\
- **Verdicts**, as in Table 1 of Munjal et al. 2022: *better* or *worse* than the baseline where
  the Games-Howell p is below alpha, undetermined (·) elsewhere."""

HOLM = """\
- **Holm's correction** (1979), in columns named p (Holm): the smallest of m p values times m, the
  next times m - 1, and so on, never falling; it holds the chance of any false rejection in its
  family at alpha, whatever the dependence."""

SHARED_SETS = """\
- Runs of one seed share their initial set. The tests of groups (Kruskal-Wallis, Welch,
  Games-Howell, Levene) take all runs as independent and do not use that; the tests over pairs and
  Friedman's do. Strategies that share the initial set and the training share their first budget
  too: no difference is to be expected there."""
