"""What a provider does with a prompt is the provider's: said on Privacy and Connections, with a way to each policy."""

from html import escape

from dashboards.processes.connection_child import PROVIDERS, Provider

SAID = (
    "What a provider does with a prompt and its answer, how long it keeps them and whether it learns from them, is the "
    "provider's own, and its policy says it. Neither is seen here: what is read was counted and billed."
)


def link(one: Provider) -> str:
    """The link to a provider's policy; nothing where its address is not one that a browser opens over TLS."""
    if not one.policy.startswith("https://"):
        return ""
    return f'<a href="{escape(one.policy)}" rel="noreferrer noopener" target="_blank">Policy of {escape(one.title)}</a>'


def section() -> str:
    """The sentence, and the policy of each provider that can be connected; the sentence alone where none is listed."""
    listed = "".join(f"<li>{there}</li>" for one in PROVIDERS.all() if (there := link(one)))
    links = f'<ul aria-label="Policies of providers">{listed}</ul>' if listed else ""
    return f"<h2>What providers do</h2><p>{SAID}</p>{links}"
