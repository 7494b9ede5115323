"""Noticing that another process of the group has died, whatever MLX's backend does then.

The ring raises an error, other backends wait for ever. So each process holds a connection of its own to rank 0, over
which it sends nothing but a goodbye at its end: a process whose connection closes without the goodbye has died. Rank 0
tells the others.
"""

import contextlib
import os
import selectors
import socket
import sys
import threading
from collections.abc import Callable
from typing import Any

from mlx_train.system.progress import say

#: A message's first byte: the process ends in good order; another one has died.
_GOODBYE, _LOST = b".", b"!"

#: Seconds that the main thread has to end by itself once a process is lost.
_GRACE = 3.0


class Watch:
    """The connections of one process: rank 0's to all others, another's to rank 0. A thread listens on them."""

    def __init__(self, rank: int, peers: dict[int, socket.socket], hosts: list[str]):
        self._rank, self._peers, self._hosts = rank, peers, hosts
        self._lost = threading.Event()
        for connection in peers.values():
            _keep_alive(connection)
        threading.Thread(target=self._listen, daemon=True).start()

    @classmethod
    def start(
        cls, rank: int, gather: Callable[[Any], list[Any]], hosts: list[str], address: str | None
    ) -> "Watch | None":
        """Connect every process with rank 0; None, and a line about it, where one of them does not reach rank 0.

        rank: of this process. gather: a JSON value of every process, in order of the ranks. hosts: the name of each
        rank's machine. address: of rank 0, None where it is not known.
        """
        if rank == 0:
            with socket.create_server(("", 0), backlog=len(hosts)) as server:
                gather(server.getsockname()[1])
                server.settimeout(30)
                peers: dict[int, socket.socket] = {}
                reached = gather(True)
                for _ in range(sum(reached) - 1):
                    connection = server.accept()[0]
                    connection.settimeout(None)
                    peers[int.from_bytes(connection.recv(4), "big")] = connection
        else:
            port = gather(0)[0]
            peers = {}
            with contextlib.suppress(OSError):
                if address is not None:
                    peers[0] = socket.create_connection((address, port), timeout=30)
                    peers[0].settimeout(None)
                    peers[0].sendall(rank.to_bytes(4, "big"))
            reached = gather(bool(peers))
        if not all(reached):
            say("not all processes reach rank 0 beside MLX: if one dies, others may have to be ended by hand")
        return cls(rank, peers, hosts) if peers else None

    def _listen(self) -> None:
        selector = selectors.DefaultSelector()
        for rank, connection in self._peers.items():
            selector.register(connection, selectors.EVENT_READ, rank)
        while selector.get_map():
            for key, _ in selector.select():
                try:
                    message = self._peers[key.data].recv(5)
                except OSError:
                    message = b""
                if message[:1] == _GOODBYE:
                    selector.unregister(key.fileobj)
                    continue
                self._end(int.from_bytes(message[1:], "big") if message[:1] == _LOST else key.data)
                return

    def _end(self, lost: int) -> None:
        """Tell the person and the other processes who has died, and end this one if it does not by itself."""
        if self._rank == 0:
            text = f"rank {lost} on {self._hosts[lost]} has died; the others end too. Go on with --resume"
            print(f"error: {text}", file=sys.stderr, flush=True)
            for connection in self._peers.values():
                with contextlib.suppress(OSError):
                    connection.sendall(_LOST + lost.to_bytes(4, "big"))
        elif lost == 0:
            print(f"error: rank {self._rank} ends: rank 0 on {self._hosts[0]} has died", file=sys.stderr, flush=True)
        self._lost.set()
        threading.Event().wait(_GRACE)
        os._exit(1)

    def lost(self) -> bool:
        """Whether a process has died. Waits a little: the backend may know it before the connection does."""
        return self._lost.wait(_GRACE)

    def leave(self) -> None:
        """Say goodbye to all."""
        for connection in self._peers.values():
            with contextlib.suppress(OSError):
                connection.sendall(_GOODBYE)


def _keep_alive(connection: socket.socket) -> None:
    """Have the system ask every few seconds whether the other machine is still there."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 10), ("TCP_KEEPALIVE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, name):
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
