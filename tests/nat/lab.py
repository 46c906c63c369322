"""Peers behind NATs, in network namespaces: each host behind a router of its own per uplink, the routers in one public segment,
and there a TURN server."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KAON = Path(os.environ.get("KAON", ROOT / "build/release/apps/kaon/kaon")).resolve()
# Addresses for documentation (RFC 5737), to which `kaon turn` relays only if it is told to.
PUBLIC, SERVER = "203.0.113.0/24", "203.0.113.1"
PORT, TLS_PORT = 3478, 5349
USER, PASSWORD = "u", "p"
SECONDS_TO_START = 10
SERVER_OF_MAPPING = f"""
import socket
first, second, stranger = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(3))
for number, one in enumerate((first, second, stranger)): one.bind(("{SERVER}", 7001 + number))
print("ready", flush=True)
mappings = [one.recvfrom(100)[1] for one in (first, second)]
print(mappings[0] == mappings[1], flush=True)
stranger.sendto(b"x", mappings[0])
"""
CLIENT_OF_MAPPING = f"""
import socket
mine = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
mine.settimeout(0.5)
for port in (7001, 7002): mine.sendto(b"x", ("{SERVER}", port))
try: print(mine.recvfrom(100)[1][1] == 7003)
except TimeoutError: print(False)
"""
# Ends when a Binding request over UDP has been answered and both streams listen.
ANSWERS = f"""
import socket, struct, sys, time
end = time.monotonic() + {SECONDS_TO_START}
def answers():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.settimeout(0.1)
        udp.connect(("{SERVER}", {PORT}))
        udp.send(struct.pack("!HHI12s", 1, 0, 0x2112A442, b"are you here"))
        udp.recv(100)
    for port in ({PORT}, {TLS_PORT}):
        socket.create_connection(("{SERVER}", port), 1).close()
while True:
    try:
        answers()
        break
    except OSError:
        if time.monotonic() > end: sys.exit(1)
        time.sleep(0.02)
"""

# How the routers translate, in the terms of RFC 4787. What comes from outside to a closed port ends at the router, and must not
# leave an entry of its own in the table of connections: it would hold the port that the host behind it is about to be given.
FULL, PORT_RESTRICTED, SYMMETRIC, BLOCKED = "full", "port", "sym", "blocked"
# Whether their mapping and their filtering are endpoint-independent, or address-and-port-dependent; None without UDP.
KINDS = {FULL: (True, True), PORT_RESTRICTED: (True, False), SYMMETRIC: (False, False), BLOCKED: None}


def rules(kind, host):
    """nftables of one router, whose interfaces are `lan` and `pub`."""
    forward = 'iifname "pub" ct state new drop'
    into, random = "", " fully-random" if kind == SYMMETRIC else ""
    if kind == FULL:
        into = f'iifname "pub" udp dport 1024-65535 dnat to {host}'
        forward = 'iifname "pub" ct state new ct status dnat accept'
    elif kind == BLOCKED:
        forward = "meta l4proto udp drop"
    return f"""table ip kaon {{
  chain into {{ type nat hook prerouting priority -100; {into}
  }}
  chain out {{ type nat hook postrouting priority 100; oifname "pub" masquerade{random}
  }}
  chain through {{ type filter hook forward priority 0; {forward}
  }}
  chain here {{ type filter hook input priority 0; iifname "pub" meta l4proto udp ct state new drop
  }}
}}"""


def sh(script):
    done = subprocess.run(["bash", "-e"], input=script, text=True, capture_output=True)
    assert done.returncode == 0, f"status {done.returncode}: {done.stderr.strip()}"
    return done.stdout


def certificate(folder):
    """Paths of a certificate for the server's address, and of its key."""
    cert, key = Path(folder, "cert.pem"), Path(folder, "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=turn.example", "-addext", f"subjectAltName=IP:{SERVER}", "-keyout", key, "-out", cert],
                   check=True, capture_output=True)
    return cert, key


class Lab:
    """`uplinks` has the kinds of NAT of each host: {"A": ["port"], "B": ["sym", "full"]}. The host's interfaces are eth0,
    eth1, …, of which the first is preferred. Namespaces: NAME-A and so on, their routers NAME-A0, NAME-A1, and NAME-server."""

    def __init__(self, name, uplinks, folder):
        self.name, self.uplinks, self.folder = name, uplinks, folder
        self.stack = contextlib.ExitStack()
        self.certificate = None  # of the server, once it runs

    def inside(self, node):
        """What a command begins with that runs there."""
        return ["ip", "netns", "exec", f"{self.name}-{node}"]

    def __enter__(self):
        server = f"{self.name}-server"
        # The route leads nowhere: coturn gives an allocation up when a peer's address has none.
        script = f"""ip netns add {server}; ip -n {server} link set lo up
            ip -n {server} link add hub type bridge; ip -n {server} link set hub up
            ip -n {server} addr add {SERVER}/24 dev hub
            ip -n {server} neigh add 203.0.113.254 lladdr 02:00:00:00:00:fe dev hub nud permanent
            ip -n {server} route add default via 203.0.113.254\n"""
        number = 0
        for host, kinds in self.uplinks.items():
            script += f"ip netns add {self.name}-{host}; ip -n {self.name}-{host} link set lo up\n"
            for index, kind in enumerate(kinds):
                number += 1
                script += self.uplink(host, index, number, kind)
        sh(script)
        return self

    def uplink(self, host, index, number, kind):
        inner, router, server = f"{self.name}-{host}", f"{self.name}-{host}{index}", f"{self.name}-server"
        net, outer, eth = f"10.{number}.0", f"203.0.113.{10 + number}", f"eth{index}"
        return f"""ip netns add {router}; ip -n {router} link set lo up
            ip -n {server} link add port{number} type veth peer name pub netns {router}
            ip -n {server} link set port{number} master hub up
            ip -n {router} addr add {outer}/24 dev pub; ip -n {router} link set pub up
            ip -n {router} route add default via {SERVER}
            ip -n {inner} link add {eth} type veth peer name lan netns {router}
            ip -n {router} addr add {net}.1/24 dev lan; ip -n {router} link set lan up
            ip netns exec {router} sysctl -qw net.ipv4.ip_forward=1
            ip netns exec {router} nft -f - <<'END'
{rules(kind, f"{net}.2")}
END
            ip netns exec {inner} sysctl -qw net.ipv6.conf.{eth}.disable_ipv6=1
            {self.plug(host, index, number)}\n"""

    def plug(self, host, index, number=None):
        """The commands by which a host gets an uplink. What has its address leaves by it."""
        if number is None:
            before = list(self.uplinks)[:list(self.uplinks).index(host)]
            number = sum(len(self.uplinks[name]) for name in before) + index + 1
        inner, net, eth = f"{self.name}-{host}", f"10.{number}.0", f"eth{index}"
        # The address last: who hears of it sends from there at once.
        return f"""ip -n {inner} link set {eth} up
            ip -n {inner} rule del pref {10 + index} 2>/dev/null || true
            ip -n {inner} rule add pref {10 + index} from {net}.2 table {10 + index}
            ip -n {inner} route replace default via {net}.1 dev {eth} onlink table {10 + index}
            ip -n {inner} route replace default via {net}.1 dev {eth} onlink metric {100 + index}
            ip -n {inner} addr replace {net}.2/24 dev {eth}"""

    def unplug(self, host, index):
        """The commands by which it goes, with its address, as a cable or a radio does."""
        return f"ip -n {self.name}-{host} addr flush dev eth{index}; ip -n {self.name}-{host} link set eth{index} down"

    def __exit__(self, *_):
        self.stack.close()
        names = sh("ip netns list").split()
        sh("\n".join(f"ip netns del {name}" for name in names if name.startswith(f"{self.name}-")))

    def serve(self, program):
        """Starts the program that listens to the server's address over UDP, TCP and TLS."""
        cert, key = certificate(self.folder)
        self.certificate = cert
        if program == "kaon":
            command = [KAON, "turn", "--udp", f"{SERVER}:{PORT}", "--tcp", f"{SERVER}:{PORT}", "--tls", f"{SERVER}:{TLS_PORT}",
                       "--cert", cert, "--key", key, "--relay-ip", SERVER, "--realm", "example.org", "--user",
                       f"{USER}:{PASSWORD}", "--allow-peer", PUBLIC]
        else:
            command = ["turnserver", "-n", "--no-cli", "-L", SERVER, "-E", SERVER, "-p", PORT, "--tls-listening-port", TLS_PORT,
                       "--cert", cert, "--pkey", key, "-r", "example.org", "-a", "-u", f"{USER}:{PASSWORD}", "--log-file=stdout",
                       "--userdb", f"{self.folder}/db", "--pidfile", f"{self.folder}/pid"]
        log = Path(self.folder, "server.log")
        with log.open("w") as file:
            process = subprocess.Popen([*self.inside("server"), *map(str, command)], stdout=file, stderr=subprocess.STDOUT)
        self.stack.callback(process.wait)
        self.stack.callback(process.kill)
        probe = subprocess.run([*self.inside("server"), sys.executable, "-c", ANSWERS], capture_output=True, text=True)
        assert probe.returncode == 0, f"{program} does not listen: {log.read_text()[-1000:]}"


def ask_server(lab, host):
    """How the first router of a host translates, asked of sockets of the server: (two of them see one mapping, a third one is let
    in), or None if no packet passes."""
    server = subprocess.Popen([*lab.inside("server"), sys.executable, "-c", SERVER_OF_MAPPING], text=True, stdout=subprocess.PIPE)
    try:
        server.stdout.readline()
        client = subprocess.run([*lab.inside(host), sys.executable, "-c", CLIENT_OF_MAPPING], text=True, capture_output=True)
        assert client.returncode == 0, client.stderr
        server.wait(1)
        return server.stdout.readline() == "True\n", client.stdout == "True\n"
    except subprocess.TimeoutExpired:
        return None
    finally:
        server.kill()
        server.wait()
        server.stdout.close()
