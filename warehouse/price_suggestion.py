"""Which known models an unpriced one may be meant as: a suggestion for a person, never a price."""

from difflib import get_close_matches

from warehouse.price_sources import installed, model_names
from warehouse.prices import PriceBook


def nearest(book: PriceBook, provider: str, model: str, most: int = 3) -> list[str]:
    """Give `provider/model` of known prices whose names are nearest, the provider's own first; may be empty."""
    found, names = book.names(provider, model)
    wanted = names[-1].lower()
    own, others = _known(book, found)
    # An unlisted server of one's own runs other people's models under their names.
    last = wanted.rpartition("/")[2]
    near = [own[name] for name in get_close_matches(wanted, own, n=most, cutoff=0.6)]
    near += [others[name] for name in get_close_matches(last, others, n=most, cutoff=0.85)]
    return list(dict.fromkeys(near))[:most]


def _known(book: PriceBook, provider: str) -> tuple[dict[str, str], dict[str, str]]:
    """Models of a provider and of the others, by their names in lower case."""
    own: dict[str, str] = {}
    others: dict[str, str] = {}
    editions = [snapshot.catalogue for snapshot in book.snapshots] or [installed()]
    listed = [(each.id, model.id) for each in editions[0].data.providers for model in each.models]
    for owner, name in (*listed, *((entry.provider, entry.model) for entry in book.overlay.entries)):
        names = (name, *model_names(owner, name))
        for each in names:
            target = own if owner == provider else others
            target.setdefault(each.lower().rpartition("/")[2] if target is others else each.lower(), f"{owner}/{name}")
    return own, others
