"""From raw rows to models and marts, day by day, only those that something touched."""
