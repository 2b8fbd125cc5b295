"""The folder of a tap's copies: made when the tap listens, and what happens where it fails."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from migkit.errors import ChannelError
from migkit.tap import Tap
from tap.wire import LIMIT_S, Destination, until


def test_an_address_in_use_leaves_no_folder(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"tcp:127.0.0.1:{taken.getsockname()[1]}"
        tap = Tap(address, "tcp:127.0.0.1:1", record=tmp_path / "copies")
        with pytest.raises(ChannelError, match="in use"), tap:
            pass
    assert not (tmp_path / "copies").exists()


def test_a_copy_that_cannot_be_made_ends_that_connection_alone(tmp_path: Path) -> None:
    with Destination() as destination:
        tap = Tap("tcp:127.0.0.1:0", destination.address, record=tmp_path / "copies")
        with tap:
            port = int(str(tap.address).rsplit(":", 1)[1])
            (tmp_path / "copies" / "channel-0-to-destination").mkdir()
            with socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S) as refused:
                assert refused.recv(1) == b""
            (tmp_path / "copies" / "channel-0-to-destination").rmdir()
            with socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S) as taken:
                taken.sendall(b"QEVM")
                assert until(lambda: b"QEVM" in map(bytes, destination.received))
    assert any("channel-0" in error and "directory" in error for error in tap.errors)
