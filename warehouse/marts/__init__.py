"""model.* -> mart.*: one .sql file a mart, one select each; the first line of each says the journey."""
