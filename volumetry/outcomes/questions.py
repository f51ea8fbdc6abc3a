"""What an analysis asks: an id that programs read, and the label that people read.

Ids steer (which estimates are shown, what a forest plot takes, what a figure shows); labels never do.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Scale = Literal["ratio", "difference", "share", "none"]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One question that a plan can ask.

    Attributes
    ----------
    label : str
        In words, for tables and captions.
    scale : {"ratio", "difference", "share", "none"}
        What its main estimate is; ratios and differences are effects of the first group against the second.
    shown : int
        How many of its estimates a page shows; the others are in ``estimates.csv``.
    """

    label: str
    scale: Scale = "none"
    shown: int = 1


QUESTIONS = MappingProxyType(
    {
        # yes or no
        "share": Asked(label="share", scale="share"),
        "shares-compared": Asked(label="comparison of shares", scale="ratio"),
        "risk-difference": Asked(label="risk difference", scale="difference"),
        "odds-ratio": Asked(label="odds ratio", scale="ratio"),
        "odds-ratio-firth": Asked(label="odds ratio, Firth", scale="ratio"),
        "odds-ratio-adjusted": Asked(label="odds ratio, adjusted", scale="ratio"),
        "odds-ratio-adjusted-firth": Asked(label="odds ratio, adjusted, Firth", scale="ratio"),
        # numbers
        "means-compared": Asked(label="comparison of groups", scale="difference"),
        "mean-difference": Asked(label="mean difference", scale="difference"),
        "mean-difference-mixed": Asked(label="mean difference, mixed model", scale="difference"),
        "mean-difference-adjusted": Asked(label="mean difference, adjusted", scale="difference"),
        "mean-difference-adjusted-mixed": Asked(
            label="mean difference, adjusted, mixed model", scale="difference"
        ),
        "difference-given-baseline": Asked(
            label="difference at follow-up, given the baseline", scale="difference"
        ),
        "difference-given-baseline-mixed": Asked(
            label="difference at follow-up, given the baseline, mixed model", scale="difference"
        ),
        "change-within-group": Asked(label="change within the group", scale="none"),
        # time to an event
        "survival-curves": Asked(label="survival curves", shown=2),
        "survival-at-horizon": Asked(label="survival at the horizon", scale="share"),
        "log-rank": Asked(label="log-rank test"),
        "log-rank-clustered": Asked(label="log-rank test, clustered"),
        "hazard-ratio": Asked(label="hazard ratio", scale="ratio"),
        "hazard-ratio-firth": Asked(label="hazard ratio, Firth", scale="ratio"),
        "hazard-ratio-adjusted": Asked(label="hazard ratio, adjusted", scale="ratio"),
        "hazard-ratio-adjusted-firth": Asked(label="hazard ratio, adjusted, Firth", scale="ratio"),
        "proportional-hazards": Asked(label="proportional hazards of the hazard ratio", shown=0),
        "proportional-hazards-adjusted": Asked(
            label="proportional hazards of the hazard ratio, adjusted", shown=0
        ),
        "restricted-mean": Asked(label="restricted mean", scale="difference", shown=1),
        "interval-censored-curves": Asked(label="survival curves, events between two films", shown=2),
        "interval-censored-log-rank": Asked(label="log-rank test, events between two films"),
        "cumulative-incidence": Asked(label="cumulative incidence"),
        "gray-test": Asked(label="Gray's test"),
        # classes
        "relative-change": Asked(label="relative change", shown=3),
        "classes-compared": Asked(label="comparison of classes"),
        "odds-of-higher-class": Asked(label="odds of a higher class", scale="ratio"),
        "class-shares-clustered": Asked(label="shares of classes, clustered"),
        # readers
        "intraclass-correlation": Asked(label="intraclass correlation"),
        "repeatability": Asked(label="repeatability", shown=7),
        "limits-of-agreement-absolute": Asked(label="limits of agreement, absolute", shown=3),
        "limits-of-agreement-log": Asked(label="limits of agreement, log", shown=3),
        "limits-of-agreement-percent": Asked(label="limits of agreement, percent", shown=3),
        "kappa-of-classes": Asked(label="kappa of classes of change"),
        # matching, sample size
        "pairs": Asked(label="pairs", shown=3),
        "weighted-odds-ratio": Asked(label="odds ratio under weights", scale="ratio"),
        "weighted-mean-difference": Asked(label="mean difference under weights", scale="difference"),
        "weighted-hazard-ratio": Asked(label="hazard ratio under weights", scale="ratio"),
        "sample-size": Asked(label="rows as independent", shown=2),
        "sample-size-clustered": Asked(label="with the design effect of this cohort", shown=2),
    }
)
"""Every question by its id."""

LIMITS = MappingProxyType({scale: f"limits-of-agreement-{scale}" for scale in ("absolute", "log", "percent")})
"""The question of each scale of the limits of agreement."""
