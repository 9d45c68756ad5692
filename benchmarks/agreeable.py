"""A service that does nothing: it says yes to every batch. What is left is the cost of asking."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler

from monitor import protocol


class Agreeable(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        batch = protocol.batch_decoder_msgpack.decode(self.rfile.read(int(self.headers["Content-Length"])))
        body = protocol.msgpack_encoder.encode(protocol.Receipt(high_water=batch.last))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass
