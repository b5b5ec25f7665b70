"""What an installation can show: who it asks, its audit of itself, the report, disclosures, what a breach touched."""
