"""What leaves for other tools: FOCUS and Parquet with a manifest, closed months and their corrections."""
