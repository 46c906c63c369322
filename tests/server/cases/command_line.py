"""The command line: help, mistakes, files, ports, and the end of the server."""

import http.client
import os
import re
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from pathlib import Path

from kaon import PROGRAM, Server, run

COMMANDS = ["serve", "turn", "stun", "doctor", "whip", "record", "send", "receive", "pipe", "inspect"]


def one_line(status, out, err, expected):
    """The program ended with this status and said why in one line."""
    assert status == expected, f"status {status}: {out}{err}"
    assert out == "" and err.endswith("\n") and err.count("\n") == 1, f"stdout {out!r} stderr {err!r}"
    assert err.startswith("kaon: ") and len(err) < 250, err
    return err


def certificate(folder, names="DNS:test.example"):
    """Paths of a certificate and its key, made by openssl."""
    cert, key = Path(folder, "cert.pem"), Path(folder, "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
                    "2", "-subj", "/CN=test.example", "-addext", f"subjectAltName={names}", "-keyout", key, "-out", cert],
                   check=True, capture_output=True)
    return cert, key


def https_get(port, path="/api/status"):
    """Status of a GET over HTTPS, and the server's certificate in DER."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=10)
    connection.request("GET", path)
    der = connection.sock.getpeercert(binary_form=True)
    return connection.getresponse().status, der


# -- help and version ------------------------------------------------------------------------------------------------


def test_version_is_one_line():
    status, out, err = run("--version")
    assert status == 0 and err == "" and re.fullmatch(r"kaon \d+\.\d+\.\d+.*\n", out), f"{status} {out!r} {err!r}"


def test_help_names_the_commands():
    for option in ("--help", "-h"):
        status, out, err = run(option)
        assert status == 0 and err == "", err
        assert all(re.search(rf"^\s+{command}\s", out, re.M) for command in COMMANDS), out


def test_help_of_each_command_reads_well():
    for command in COMMANDS:
        status, out, err = run(command, "--help")
        assert status == 0 and err == "", err
        assert f"{command}" in out and "--help" in out
        for line in out.splitlines():
            assert len(line) <= 130, f"{command}: a line of {len(line)}: {line}"
            option = re.match(r"\s+-\S+.*?\s{2,}(.*)", line)
            assert option is None or option[1], f"{command}: no description: {line}"
        assert "Usage" in out, out


def test_help_of_serve_names_its_options():
    out = run("serve", "--help")[1]
    for option in ("--http", "--https", "--cert", "--key", "--udp", "--ice-lite", "--public-ip", "--ice-server", "--token",
                   "--config"):
        assert option in out, f"{option} is missing: {out}"


# -- mistakes --------------------------------------------------------------------------------------------------------


def test_mistakes_on_the_command_line_are_status_2_with_a_hint():
    for arguments in ([], ["nonsense"], ["serve", "--nonsense"], ["serve", "--udp", "x"], ["serve", "--udp", "70000"],
                      ["serve", "--log", "loud"], ["serve", "extra"], ["whip"], ["record"], ["serve", "--http"],
                      ["serve", "--loops", "-1"], ["serve", "--config", "/nonexistent"]):
        status, out, err = run(*arguments)
        assert status == 2, f"{arguments}: status {status}: {out}{err}"
        assert out == "" and "--help" in err and err.count("\n") <= 3, f"{arguments}: {out!r} {err!r}"


def test_values_that_make_no_sense_are_one_clear_line():
    for arguments in (["--http", "nowhere"], ["--http", "1.2.3.4"], ["--http", "127.0.0.1:99999"], ["--public-ip", "host"],
                      ["--https", "x:y"]):
        error = one_line(*run("serve", *arguments), 1)
        assert arguments[1] in error and arguments[0] in error, error


def test_ice_server_that_is_none_is_refused_without_telling_its_secret():
    for text in ("http://a.example,me,hush", "turn:a.example", "stun:"):
        error = one_line(*run("serve", "--ice-server", text), 1)
        assert "--ice-server" in error and "hush" not in error, error


def test_http_port_in_use_is_one_clear_line():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        error = one_line(*run("serve", "--http", f"127.0.0.1:{port}", "--udp", 0), 1)
        assert str(port) in error and "in use" in error.lower(), error


def test_udp_port_in_use_is_one_clear_line():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("0.0.0.0", 0))
        port = taken.getsockname()[1]
        error = one_line(*run("serve", "--http", "127.0.0.1:0", "--udp", port), 1)
        assert str(port) in error and "in use" in error.lower(), error


def test_second_server_does_not_share_the_udp_port_of_the_first():
    with Server() as first:
        error = one_line(*run("serve", "--http", "127.0.0.1:0", "--udp", first.udp_port), 1)
        assert str(first.udp_port) in error, error


def test_address_of_another_machine_is_one_clear_line():
    one_line(*run("serve", "--http", "192.0.2.1:8080", "--udp", 0), 1)


# -- certificates ----------------------------------------------------------------------------------------------------


def test_unreadable_certificate_files_are_one_clear_line():
    with tempfile.TemporaryDirectory() as folder:
        cert, key = certificate(folder)
        nothing, text = Path(folder, "nothing.pem"), Path(folder, "text.pem")
        text.write_text("This is no certificate.\n")
        https = ["serve", "--http", "127.0.0.1:0", "--udp", "0", "--https", "127.0.0.1:0"]
        for a, b, named in ((nothing, key, "nothing.pem"), (cert, nothing, "nothing.pem"), (text, key, "certificate"),
                            (cert, text, "key"), (folder, key, "certificate")):
            error = one_line(*run(*https, "--cert", a, "--key", b), 1)
            assert named in error, error
        one_line(*run(*https, "--cert", cert), 1)
        other = certificate(tempfile.mkdtemp(dir=folder))[1]
        one_line(*run(*https, "--cert", cert, "--key", other), 1)


def test_given_certificate_is_used_for_https():
    with tempfile.TemporaryDirectory() as folder:
        cert, key = certificate(folder)
        with Server("--https", "127.0.0.1:0", "--cert", cert, "--key", key) as kaon:
            assert https_get(kaon.https_port) == (200, ssl.PEM_cert_to_DER_cert(cert.read_text()))


def test_self_signed_certificate_is_kept_between_runs_and_private():
    with tempfile.TemporaryDirectory() as folder:
        seen = set()
        for _ in range(2):
            with Server("--https", "127.0.0.1:0", env={"XDG_STATE_HOME": folder}) as kaon:
                status, der = https_get(kaon.https_port)
                assert status == 200
                seen.add(der)
        assert len(seen) == 1, "a new certificate on each run"
        keys = [path for path in Path(folder).rglob("*") if path.is_file() and "PRIVATE KEY" in path.read_text()]
        assert keys and all(path.stat().st_mode & 0o077 == 0 for path in keys), [oct(p.stat().st_mode) for p in keys]


def test_state_folder_that_cannot_be_written_is_one_clear_line():
    with tempfile.NamedTemporaryFile() as file:
        error = one_line(*run("serve", "--http", "127.0.0.1:0", "--udp", 0, "--https", "127.0.0.1:0",
                              env={"XDG_STATE_HOME": file.name}), 1)
        assert file.name in error and "--cert" in error, error


def test_plain_http_on_the_https_port_is_cut():
    with tempfile.TemporaryDirectory() as folder:
        with Server("--https", "127.0.0.1:0", env={"XDG_STATE_HOME": folder}) as kaon:
            with socket.create_connection(("127.0.0.1", kaon.https_port), timeout=5) as connection:
                connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
                assert not connection.recv(100).startswith(b"HTTP")
            assert https_get(kaon.https_port)[0] == 200


# -- configuration file ----------------------------------------------------------------------------------------------


def test_options_may_come_from_a_file_and_the_command_line_wins():
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "kaon.toml")
        file.write_text('token = "from the file"\nloops = 3\nudp = 0\nice-server = ["stun:a", "turn:b,me,secret"]\n')
        with Server("--config", file, "--token", "secret") as kaon:
            answer = kaon.request("GET", "/api/status", Authorization="Bearer secret").expect(200)
            assert '"loops":3' in answer.body, answer.body
            links = kaon.request("OPTIONS", "/whip/live", Authorization="Bearer secret").headers.get_all("Link")
            assert [link.split(">")[0] for link in links] == ["<stun:a", "<turn:b"], links


def test_mistakes_in_the_file_are_told():
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "kaon.toml")
        for text in ('nonsense = "x"\n', 'udp = "x"\n'):
            file.write_text(text)
            status, out, err = run("serve", "--http", "127.0.0.1:0", "--config", file)
            assert status == 2 and out == "" and text.split()[0] in err, f"{status} {out!r} {err!r}"


# -- the end ---------------------------------------------------------------------------------------------------------


def test_signals_end_the_server_within_2_s_with_status_0_whatever_goes_on():
    for number in (signal.SIGTERM, signal.SIGINT):
        with Server() as kaon:
            kaon.publish()
            for _ in range(20):
                kaon.watch()
            idle = [socket.create_connection(("127.0.0.1", kaon.port)) for _ in range(20)]
            for connection in idle:
                connection.sendall(b"GET / HT")
            start = time.monotonic()
            kaon.process.send_signal(number)
            status = kaon.process.wait(10)
            assert status == 0 and time.monotonic() - start < 2, f"{status} after {time.monotonic() - start:.1f} s"
            for connection in idle:
                connection.close()


def test_port_is_free_at_once_for_the_next_run():
    with Server() as kaon:
        kaon.request("GET", "/api/status").expect(200)
        http_port, udp_port = kaon.port, kaon.udp_port
    with Server(http=f"127.0.0.1:{http_port}", udp=udp_port) as kaon:
        assert (kaon.port, kaon.udp_port) == (http_port, udp_port)


def test_greeting_tells_the_addresses_and_nothing_goes_to_standard_error():
    with Server("--log", "warning") as kaon:
        assert f"http://127.0.0.1:{kaon.port}/" in kaon.greeting
        kaon.publish()
        kaon.watch()
        text = re.sub(r".*(buffer|net\.core).*\n", "", kaon.errors())  # the kernel's limits, said once
        assert text == "", text


def test_forms_of_listen_addresses():
    for address, family in (("127.0.0.1:0", socket.AF_INET), ("0", socket.AF_INET), (":0", socket.AF_INET),
                            ("[::1]:0", socket.AF_INET6)):
        if family == socket.AF_INET6 and not os.path.exists("/proc/net/if_inet6"):
            continue
        with Server(http=address) as kaon:
            with socket.create_connection(("::1" if family == socket.AF_INET6 else "127.0.0.1", kaon.port), timeout=5):
                pass


def test_ice_lite_and_public_ip_show_in_the_answer():
    with Server("--ice-lite", "--public-ip", "203.0.113.7") as kaon:
        answer = kaon.publish().body
        assert "a=ice-lite\r\n" in answer, answer
        assert f" 203.0.113.7 {kaon.udp_port} typ host" in answer, answer
