"""Two or more groups compared: means, ranks, shares, ordered classes; tables of patients."""
