"""Pages for people: one report of a study, and an evidence page for every lesion; all offline."""
