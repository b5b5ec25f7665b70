"""The page that asks once more: a browser that comes from another site sends no cookie of ours the first time."""

from starlette.responses import HTMLResponse

_BOUNCE = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>One moment</title>'
    '<meta http-equiv="refresh" content="0"><p>One moment.</p></html>'
)


def page() -> HTMLResponse:
    """A page that asks for itself again, as one of our own."""
    return HTMLResponse(_BOUNCE, headers={"Cache-Control": "no-store", "Referrer-Policy": "same-origin"})
