"""Regression: linear, logistic, Cox, Firth, estimating equations, mixed models."""
