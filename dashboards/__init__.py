"""Everything a person sees. It reads published versions through warehouse and imports nothing of pipelines."""
