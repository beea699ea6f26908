"""Serves the double on a free port of this machine, prints the port, and ends with standard input."""

from __future__ import annotations

import signal
import sys
import threading

from werkzeug.serving import make_server

from tests.fleet.double.app import Double


def main() -> None:
    import logging

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all; who started this ends it
    server = make_server("127.0.0.1", int(sys.argv[1]) if sys.argv[1:] else 0, Double(), threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.port, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
