"""Runs a server that listens everywhere in a network of its own, and passes on what comes to one given socket.

python alone.py FD PORT COMMAND…: FD is a listening socket of the network outside, PORT the server's inside.
"""

import ctypes
import fcntl
import signal
import socket
import struct
import subprocess
import sys
import threading

_SIOCSIFFLAGS, _IFF_UP, _PR_SET_PDEATHSIG = 0x8914, 1, 1


def main() -> None:
    """Inside the new network."""
    listener, port, command = socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2]), sys.argv[3:]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", _IFF_UP))
    server = subprocess.Popen(command, preexec_fn=_end_with_me)
    threading.Thread(target=_serve, args=(listener, port), daemon=True).start()
    sys.exit(server.wait())


def _end_with_me() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _serve(listener: socket.socket, port: int) -> None:
    while True:
        outer, _ = listener.accept()
        try:
            inner = socket.create_connection(("127.0.0.1", port))
        except OSError:
            outer.close()
            continue
        for pair in ((outer, inner), (inner, outer)):
            threading.Thread(target=_pass_on, args=pair, daemon=True).start()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    try:
        while content := source.recv(65536):
            target.sendall(content)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        source.close()
        target.close()


if __name__ == "__main__":
    main()
