"""An HTTP proxy of a few lines: CONNECT to where it is told, and nothing else."""

import base64
import socket
import threading


class HttpProxy:
    """On a free port of 127.0.0.1; with `credentials` ("USER:PASSWORD") it wants these."""

    def __init__(self, credentials=None):
        self.wanted = credentials and "Basic " + base64.b64encode(credentials.encode()).decode()
        self.targets, self.refused = [], 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()

    def accept(self):
        try:
            while True:
                threading.Thread(target=self.serve, args=(self.listener.accept()[0],), daemon=True).start()
        except OSError:
            pass  # closed

    def serve(self, client):
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(1)
        line, *fields = head.decode().split("\r\n")
        fields = dict(field.split(": ", 1) for field in fields if field)
        method, target, _ = line.split()
        if self.wanted and fields.get("Proxy-Authorization") != self.wanted:
            self.refused += 1
            client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"x\"\r\n\r\n")
            return client.close()
        assert method == "CONNECT", line
        self.targets.append(target)
        host, port = target.rsplit(":", 1)
        server = socket.create_connection((host.strip("[]"), int(port)), 5)
        for one in (client, server):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        threading.Thread(target=self.pump, args=(client, server), daemon=True).start()
        self.pump(server, client)

    def pump(self, source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the other one has closed
