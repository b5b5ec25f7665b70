"""A browser without a screen: it asks the dashboard what Chromium asks, and keeps every byte that comes back.

A page is a run of Streamlit's script over its socket; a file is made by a button's press and fetched by its address.
"""

import http.client
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from dashboards.access import session

_PATIENCE_S = 120


@dataclass
class Heard:
    """What came back: the status (0 of a socket), and every byte by what it came in."""

    status: int
    parts: list[tuple[str, bytes]] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All of it as text, for looking into."""
        return b"\n".join(data for _, data in self.parts).decode(errors="replace")


@dataclass
class Tab:
    """An open page: all that came, the session that Streamlit gave it, and its buttons that make a file."""

    socket: ClientConnection
    heard: Heard = field(default_factory=lambda: Heard(0))
    session_id: str = ""
    buttons: list[tuple[str, str]] = field(default_factory=list)

    def run(self, page: str = "", query: Mapping[str, object] | None = None) -> Heard:
        """Draw a page of this name for what its address asks; what came until it was drawn."""
        message = BackMsg()
        message.rerun_script.query_string = urlencode(query or {}, doseq=True)
        message.rerun_script.page_name = page
        self.buttons.clear()
        return self._until(
            message, lambda told: told.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY, "script_finished"
        )

    def press(self, file_id: str, session_id: str = "") -> Heard:
        """Press a button that makes a file; the answer names its address, where there is one."""
        message = BackMsg()
        message.backend_operation_request.request_id = file_id
        message.backend_operation_request.session_id = session_id or self.session_id
        message.backend_operation_request.deferred_file.file_id = file_id
        return self._until(message, lambda _: True, "backend_operation_response")

    def _until(self, message: BackMsg, is_last: Any, kind: str) -> Heard:
        heard = Heard(0)
        try:
            # Who signed out everywhere meanwhile is cut off before they ask.
            self.socket.send(message.SerializeToString())
            while True:
                data = self.socket.recv(timeout=_PATIENCE_S)
                assert isinstance(data, bytes)
                heard.parts.append(("socket", data))
                self.heard.parts.append(("socket", data))
                told = ForwardMsg.FromString(data)
                self._note(told)
                if told.WhichOneof("type") == kind and is_last(told):
                    return heard
        except ConnectionClosed as closed:
            # 1008 is what a session that ended is told, 1006 that nobody said why.
            heard.status = closed.rcvd.code if closed.rcvd else 1006
            return heard

    def _note(self, told: ForwardMsg) -> None:
        if told.HasField("new_session"):
            self.session_id = told.new_session.initialize.session_id
        element = told.delta.new_element
        if element.WhichOneof("type") == "download_button":
            self.buttons.append((element.download_button.label, element.download_button.deferred_file_id))


@dataclass(frozen=True)
class Visitor:
    """Somebody's browser at the dashboard on a port of loopback: the id in its cookie, empty for none."""

    port: int
    cookie: str = ""

    def ask(self, method: str, path: str, body: str = "", **headers: str) -> Heard:
        """One request; status line, headers and body are what came back."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.cookie:
            sent.setdefault("Cookie", f"sid={self.cookie}")
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=_PATIENCE_S)) as connection:
            connection.request(method, path, body or None, sent)
            answer = connection.getresponse()
            told = "\n".join(f"{name}: {value}" for name, value in answer.getheaders())
            return Heard(answer.status, [("headers", told.encode()), (path.rpartition("/")[2], answer.read())])

    def get(self, path: str) -> Heard:
        """A page as a person asks for it."""
        return self.ask("GET", path, Accept="text/html")

    def post(self, path: str, **fields: str) -> Heard:
        """A form as a page of ours sends it."""
        told = {"form": session.form_token(self.cookie), **fields}
        origin = f"http://127.0.0.1:{self.port}"
        return self.ask("POST", path, urlencode(told), Origin=origin, Content_Type="application/x-www-form-urlencoded")

    @contextmanager
    def tab(self, taken_over: str = "") -> Iterator[Tab]:
        """A socket as a page opens it; `taken_over` is the session of Streamlit's that it says is its own."""
        names = [Subprotocol(name) for name in ("streamlit", "none", taken_over) if name]
        with connect(
            f"ws://127.0.0.1:{self.port}/_stcore/stream",
            additional_headers={"Cookie": f"sid={self.cookie}"},
            origin=Origin(f"http://127.0.0.1:{self.port}"),
            subprotocols=names,
            max_size=None,
            # A browser asks for no sign of life, and on a busy machine twenty seconds are soon over.
            ping_interval=None,
        ) as socket:
            yield Tab(socket)
