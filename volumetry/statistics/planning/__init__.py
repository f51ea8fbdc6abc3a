"""Power, sample size, and p-values adjusted for many tests."""
