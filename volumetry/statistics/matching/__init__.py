"""Propensity scores: matching, weighting, balance, and the effects after them."""
