"""Our answers beside R's on the oracle's cohort, section by section; written by ``make_r_comparison.py``."""
