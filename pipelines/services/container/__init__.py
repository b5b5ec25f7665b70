"""apiledger in a container, beside a LiteLLM proxy: how it is built, and how the two are run."""
