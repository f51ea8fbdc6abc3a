"""Printed numbers of a paper, checked against each other."""
