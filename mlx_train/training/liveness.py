"""Each process of a group notices when another one has died, whichever backend MLX uses.

When a process dies, MLX's ring raises an error, but the other backends wait for ever. So each process keeps a TCP
connection to rank 0. A process that ends in good order sends a goodbye first; a process whose connection closes without
a goodbye has died. Rank 0 then tells the other processes.
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

#: A message's first byte: its sender ends in good order; another process has died.
_GOODBYE, _LOST = b".", b"!"

#: Seconds for the main thread to end by itself after a process has died; then the whole process is ended.
_GRACE = 3.0


class Watch:
    """The connections of one process: rank 0's to each other process, another's to rank 0. A thread listens."""

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
        """Connect every process with rank 0 -> the watch; None for a process without a connection.

        Prints a message if a process does not reach rank 0.

        rank: this process's rank. gather: a function that returns a JSON value of every process, in order of the ranks.
        hosts: the name of each rank's machine. address: rank 0's address, None if it is unknown.
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
        """Report the dead process in a message and to the other processes; end this process after `_GRACE`."""
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
        """Whether a process has died. Waits up to `_GRACE`: MLX may raise its error before the connection closes."""
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
