"""From measured cases to rows: reads, visits in order, pairs, and tables of other sites and programs."""
