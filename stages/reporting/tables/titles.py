"""Title and explanation of every table: what it is, which test, what it assumes."""

from __future__ import annotations

TITLES: dict[str, tuple[str, str]] = {
    "curve": (
        "Accuracy at every budget",
        "Mean over seeds; std is the sample standard deviation, low and high are mean ± std.",
    ),
    "aubc": ("AUBC and final accuracy of every run", ""),
    "summary": ("AUBC and final accuracy", "Mean ± sample standard deviation over seeds."),
    "primary": (
        "Primary analysis: against the baseline, paired by seed",
        "The one test that decides, on AUBC, over all strategies as one family: better, equivalent "
        "(the difference is smaller than the margin), worse or undetermined. low and high hold for "
        "all strategies together; seen is the least difference that this many seeds show with "
        "power 0.8, if the standard error is right. All other tests are secondary.",
    ),
    "tuned": (
        "Settings chosen on the validation set",
        "validation: accuracy of the chosen candidate on the validation set, mean ± std over "
        "seeds; candidates: each with its mean accuracy. The most right answers over all seeds are "
        "taken, the first of equals. It is the best of several on these images, so it promises a "
        "little too much.",
    ),
    "tuned_candidates": (
        "Candidates on the validation set, seed by seed",
        "validation: accuracy on validation_images images after the last round.",
    ),
    "win_tie_loss": (
        "Win, tie, loss over tasks",
        "Every strategy against every other on mean AUBC; points are 2 × wins + ties. A missing "
        "cell loses to every available one and ties with another missing one.",
    ),
    "improvement": (
        "Improvement over the baseline (API)",
        "Accuracy minus the baseline's with the same seed, averaged over all rounds, the first "
        "included (Li et al. 2022, eq. 1). Paired t test over seeds, Holm over strategies; assumes "
        "normal differences.",
    ),
    "labels_needed": (
        "Labels needed",
        "Labeled images with which the mean curve first reaches an accuracy (a share of the "
        "baseline's final one), linear between rounds; saving is one minus the labels over the "
        "baseline's.",
    ),
    "calibration": (
        "Calibration in the last round",
        "Expected calibration error and mean negative log-likelihood (nats) on the test set, mean "
        "± std over seeds; lower is better.",
    ),
    "classes": (
        "Accuracy by class in the last round",
        "Mean ± std over seeds; worst is the mean over runs of each run's lowest class.",
    ),
    "groups": (
        "Accuracy by group in the last round",
        "Mean ± std over seeds; worst_group is the lowest group of each run, mismatch all "
        "mismatched groups together (Zhan et al. 2022, Waterbird).",
    ),
    "class_balance": (
        "Class balance of the labeled set",
        "balance: entropy of the labeled class shares over its maximum (1: all classes alike); "
        "ratio: largest over smallest class count (∞: a class has no label). Means over seeds.",
    ),
    "selection": (
        "What was selected",
        "Mean distance between embeddings (diversity), mean uncertainty and inconsistency of the "
        "selected images (Li et al. 2022, Figure 2). Means over seeds.",
    ),
    "training": (
        "How training itself went",
        "What learners tell of their own training, round by round, mean ± std over seeds: "
        "pseudo_labeled, how many unlabeled images were believed without buying their label, and "
        "pseudo_labeled_wrong, the share of them that were wrong (never known to the learner); all "
        "else as the learner's entry says.",
    ),
    "overlap": (
        "Overlap of the selected sets",
        "Jaccard index of what two strategies chose from the same initial set with the same seed, "
        "after the last selection, the initial set left out; by_chance: of two random sets.",
    ),
    "overlap_rounds": (
        "Overlap of the selected sets, round by round",
        "Mean Jaccard index with the baseline and with all other strategies.",
    ),
    "tests": (
        "Tests, what they assume, and whether it holds",
        "Not rejecting an assumption does not prove it, least of all with few seeds.",
    ),
    "assumptions": (
        "Tests of assumptions",
        "Shapiro-Wilk and Kolmogorov-Smirnov (with Lilliefors' distribution, as mean and deviation "
        "are estimated): normality of the runs of one strategy; Levene (centre: median): equal "
        "variances. Not corrected for their number.",
    ),
    "kruskal_wallis": (
        "Do the strategies differ at all? Kruskal-Wallis",
        "By ranks; assumes independent runs. p_holm: over all tasks and budgets, AUBC apart.",
    ),
    "welch_anova": (
        "Do the strategies differ at all? Welch's analysis of variance",
        "By means; assumes normal groups, not equal variances. p_holm as for Kruskal-Wallis.",
    ),
    "games_howell": (
        "Pairs of strategies: Games-Howell",
        "Difference is the first minus the second; low and high bound its interval. g is Hedges' g "
        "with the interval of one pair (Bonett 2008). Assumes normal means, not equal variances; p "
        "covers all pairs of one task and measure.",
    ),
    "verdicts": (
        "Verdicts against the baseline: Games-Howell",
        "p covers all pairs of one task and measure.",
    ),
    "verdict_lists": (
        "Better, worse or undetermined against the baseline",
        "By Games-Howell at every budget, as in Table 1 of Munjal et al. 2022.",
    ),
    "paired_tasks": (
        "Pairs of strategies across tasks",
        "Mean AUBC of each task: paired t test (assumes normal differences) and Wilcoxon "
        "signed-rank (assumes symmetric ones), independent tasks; Holm over all pairs.",
    ),
    "paired_seeds": (
        "Pairs of strategies across paired seeds",
        "AUBC of runs that share seed and initial set: paired t test and exact Wilcoxon "
        "signed-rank; Holm over the pairs of a task. With n pairs Wilcoxon's p is at least "
        "2 / 2^n (0.0625 for five).",
    ),
    "penalty": (
        "Pairwise penalty",
        "Share of all (task, budget) cells in which the first beats the second by a two-sided "
        "paired t test over seeds (Ash et al. 2020), not corrected for the number of cells; cells "
        "that cannot be tested count as not beaten.",
    ),
    "friedman": (
        "Do the mean ranks differ? Friedman",
        "On AUBC; blocks are tasks, or the seeds of one task; the verdict is by the F form of Iman "
        "and Davenport, by exact probability where all blocks agree and F is infinite; cd: "
        "Nemenyi's critical difference. Assumes independent blocks.",
    ),
    "mean_ranks": (
        "Mean ranks",
        "1 is best. Strategies that share a clique number are not shown to differ (Nemenyi).",
    ),
    "nemenyi": (
        "Pairs of mean ranks: Nemenyi",
        "Difference of mean ranks, first minus second (negative: the first is better).",
    ),
    "bootstrap": (
        "Bootstrap intervals of AUBC",
        "Percentile and BCa intervals of the mean over seeds, 10,000 resamples with a fixed seed; "
        "too narrow with fewer than about ten runs. Assumes independent runs.",
    ),
    "seeds_needed": (
        "Seeds needed",
        "Runs a strategy with which Welch's two-sided t test sees the observed difference from the "
        "baseline in AUBC with power 0.8, and the least difference that the present number sees. "
        "Assumes normal runs with the observed deviations, which few seeds give roughly, and known "
        "degrees of freedom: below five runs a strategy it is a rough guide.",
    ),
    "literature": (
        "Beside published numbers",
        "Where data set and method match, accuracies at equal labeled counts; in_stds is the "
        "difference in published standard deviations (brought to ddof = 1). AUBC, final accuracy "
        "and API over another range of labeled counts are not comparable: no difference is given. "
        "Training settings may differ: see the note.",
    ),
    "transfer": (
        "Transfer of index sets",
        "Accuracy of a task's model trained on the sets that another run selected (Munjal et al. "
        "2022, Table 4), mean and sample standard deviation over n seeds; difference to the "
        "baseline of the same task, budget and seeds, mean over them; source_accuracy is what the "
        "model that selected achieved itself, where its results came with the import.",
    ),
    "fingerprints": ("Fingerprints of the runs", "SHA-256 of the seal of each chain."),
}
