"""The measures and tests of a report in words."""

METHODS = """\
- **AUBC**, area under the accuracy-budget curve: trapezoids over the real labeled counts, round 0
  included, divided by their range, so that it is a mean accuracy between 0 and 1 (Zhan et al. 2022,
  *A Comparative Survey of Deep Active Learning*).
- **Final accuracy**: test accuracy in the last round. **Full**: a model trained with all labels.
- **±** is one sample standard deviation over seeds (ddof = 1); bands in figures are the same.
- **Shapiro-Wilk** tests whether the runs of one strategy are normally distributed, **Levene's
  test** with the median as centre (the Brown-Forsythe form) whether all strategies have equal
  variance. Not rejecting an assumption does not prove it.
- **Kruskal-Wallis** compares all strategies by ranks and assumes neither; H is corrected for ties
  and referred to the chi-square distribution with (strategies - 1) degrees of freedom.
- **Games-Howell** (1976) compares pairs of strategies without assuming equal variances: Welch's
  standard error sqrt(s1²/n1 + s2²/n2) and degrees of freedom, and the studentized range over all
  strategies, which covers all pairs of one task and one measure, not several tasks or budgets. It
  does assume roughly normal means.
- **Verdicts**, as in Table 1 of Munjal et al. 2022: *better* or *worse* than the baseline where
  the Games-Howell p is below alpha, undetermined (·) elsewhere.
- The tests take the runs as independent. Runs of one seed share their initial set, and pairing by
  seed is not used here. Strategies that share the initial set and the training share their first
  budget too: no difference is to be expected there."""
