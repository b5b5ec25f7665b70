"""From a figure that crossed a line to a mail that arrived once: budgets, refused keys, outbox, SMTP."""
