"""Who is asked or gets anything from here: the providers with a key, the gateway's own stores, the mail server.

Read from the settings alone; nobody is asked. What no setting names is not reached.
"""

import os
from collections.abc import Iterator
from datetime import datetime
from urllib.parse import urlsplit

from pipelines.alerts import postman
from pipelines.alerts.mail_server import MailSettingError
from pipelines.bills import billing_key
from pipelines.bills.biller import billers
from pipelines.gateways import litellm_database, litellm_objects
from pipelines.providers import stripe
from pipelines.providers.google import BILLING_EXPORT
from retention.installation import Processor
from warehouse import database
from warehouse.control.vault import Vault
from warehouse.errors import KeyUnavailableError
from warehouse.home import Home

_BIGQUERY = "bigquery.googleapis.com"
_TLS = {"implicit": "smtps", "starttls": "smtp+starttls", "none": "smtp"}


def configured(home: Home, now: datetime) -> list[Processor]:
    """Everyone who is asked by these settings, by name; an address that is none is left to `doctor`."""
    return sorted((*_providers(), *_stores(), *_mail(home, now)), key=lambda one: one.name)


def _providers() -> Iterator[Processor]:
    for biller in billers().values():
        if biller.address and billing_key.held(biller):
            yield Processor(
                name=biller.title,
                purpose="reading usage and bills",
                sends="the key, and which days are asked for",
                url=os.environ.get(biller.address_variable, "").strip() or biller.address,
                expected_host=urlsplit(biller.address).hostname,
            )
    if os.environ.get(stripe.KEY_VARIABLE, "").strip():
        yield Processor(
            name=stripe.TITLE,
            purpose="reading what customers paid",
            sends="the key, and from when on payments are asked for",
            url=os.environ.get(stripe.ADDRESS_VARIABLE, "").strip() or stripe.ADDRESS,
            expected_host=urlsplit(stripe.ADDRESS).hostname,
        )
    if os.environ.get(BILLING_EXPORT.variable, "").strip():
        yield Processor(
            name="Google BigQuery",
            purpose="reading the billing export",
            sends="the credentials, the table and which days are asked for",
            url=os.environ.get(BILLING_EXPORT.endpoint_variable, "").strip() or f"https://{_BIGQUERY}",
            expected_host=_BIGQUERY,
        )


def _stores() -> Iterator[Processor]:
    if setting := os.environ.get(litellm_database.SETTING, "").strip():
        # libpq prefers TLS; only an owner who asks for it makes it certain.
        is_tls = "sslmode=require" in setting or "sslmode=verify" in setting
        yield Processor(
            name="LiteLLM's database",
            purpose="reading the gateway's log",
            sends="the user and the password",
            url=f"postgresql{'+tls' if is_tls else ''}://{urlsplit(setting).hostname or ''}",
        )
    if setting := os.environ.get(litellm_objects.SETTING, "").strip():
        endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        yield Processor(
            name="LiteLLM's bucket",
            purpose="reading the gateway's log",
            sends="the credentials",
            url=endpoint or f"s3://{urlsplit(setting).hostname or ''}",
        )


def _mail(home: Home, now: datetime) -> Iterator[Processor]:
    if not home.control_file.exists():
        return
    with database.control(home) as control:
        named = control.execute("SELECT 1 FROM setting WHERE name = 'mail_server'").fetchone()
        if not named and not os.environ.get(postman.SETTING):
            return
        try:
            server = postman.server(control, Vault(control, now))
        except (MailSettingError, KeyUnavailableError):
            return
    if server is not None:
        yield Processor(
            name="Mail server",
            purpose="sending alerts and notices",
            sends="addresses, names of budgets and projects, amounts",
            url=f"{_TLS[server.tls]}://{server.host}",
        )
