"""kaon send, receive and pipe: files between two folders of this machine, by pasted lines and by codes."""

import hashlib
import os
import re
import signal
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

from kaon import PROGRAM, run, until

LIMIT = 60  # seconds for a process to end


class Command:
    """One of the commands as a process of its own, in a folder of its own."""

    def __init__(self, *arguments, folder=None):
        self.process = subprocess.Popen([PROGRAM, *map(str, arguments)], cwd=folder, text=True, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def line(self, pattern, stream="stdout"):
        """The first group of the first line that matches."""
        seen = ""
        for line in getattr(self.process, stream):
            seen += line
            if found := re.search(pattern, line):
                return found[1]
        raise AssertionError(f"no line {pattern!r}: {seen}{self.process.stderr.read()}")

    def say(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def end(self, status=0):
        """What it printed from here on."""
        out, err = self.process.communicate(timeout=LIMIT)
        assert self.process.returncode == status, f"status {self.process.returncode}: {out[-500:]}{err}"
        return out + err


@contextmanager
def folders(size, name="file.bin"):
    """A file of so many bytes in one folder, and another, empty folder."""
    with tempfile.TemporaryDirectory() as there, tempfile.TemporaryDirectory() as here:
        file = Path(there, name)
        block = os.urandom(min(size, 1 << 20))
        with open(file, "wb") as out:
            for begin in range(0, size, max(len(block), 1)):
                out.write(block[:size - begin])
        yield file, Path(here)


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def via(kaon):
    return ["--via", f"http://127.0.0.1:{kaon.port}"]


def start(kaon, file):
    """A sender that waits, and its code."""
    sender = Command("send", file, *via(kaon))
    return sender, sender.line(r"kaon receive (\d+-[a-z]+-[a-z]+)")


def only_the_rest_is_sent(kaon, file, folder, kept):
    """To a folder that has `kept` bytes of the file."""
    sender, code = start(kaon, file)
    told = Command("receive", code, *via(kaon), folder=folder).end()
    sender.end()
    assert digest(folder / "file.bin") == digest(file)
    moved = float(re.search(r"([\d.]+) MB in ", told)[1]) * 1e6
    assert abs(moved - (file.stat().st_size - kept)) < 2_000_000, f"{moved} moved, {kept} were there"


def test_two_pasted_lines_are_enough():
    for size in (0, 1, 5_000_000):
        with folders(size) as (file, folder):
            sender = Command("send", file)
            offer = sender.line(r"kaon receive (kaon-\S+)")
            receiver = Command("receive", folder=folder)
            receiver.say(offer)
            answer = receiver.line(r"^(kaon-\S+)")
            assert len(offer) <= 300 and len(answer) <= 300
            sender.say(answer)
            assert "/s" in receiver.end() and "/s" in sender.end()
            assert digest(folder / "file.bin") == digest(file)
            assert [path.name for path in folder.iterdir()] == ["file.bin"]


def test_a_code_is_enough_where_there_is_a_server(kaon):
    with folders(20_000_000, "Übung 1.bin") as (file, folder):
        sender, code = start(kaon, file)
        Command("receive", code.upper(), *via(kaon), folder=folder).end()
        sender.end()
        assert digest(folder / "Übung 1.bin") == digest(file)


def test_small_files_are_done_before_anybody_looks(kaon):
    # On one processor all of a small transfer, its end too, falls between two looks of the receiver at its connection.
    everywhere = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(everywhere)})
    try:
        for _ in range(8):
            with folders(10) as (file, folder):
                sender, code = start(kaon, file)
                Command("receive", code, *via(kaon), folder=folder).end()
                sender.end()
                assert digest(folder / "file.bin") == digest(file)
    finally:
        os.sched_setaffinity(0, everywhere)


def test_a_stopped_transfer_goes_on_where_it_was(kaon):
    with folders(400_000_000) as (file, folder):
        sender, code = start(kaon, file)
        receiver = Command("receive", code, *via(kaon), folder=folder)
        part = folder / "file.bin.part"
        until(lambda: part.exists() and part.stat().st_size > 20_000_000, "the first bytes", LIMIT)
        receiver.process.send_signal(signal.SIGINT)
        assert "Stopped" in receiver.end(1)
        assert "other side ended it" in sender.end(1)
        kept = part.stat().st_size
        assert kept < 400_000_000, "it was too fast to be stopped"
        only_the_rest_is_sent(kaon, file, folder, kept)


def test_a_part_of_another_file_is_replaced(kaon):
    with folders(3_000_000) as (file, folder):
        (folder / "file.bin.part").write_bytes(b"x" * 100_000)
        sender, code = start(kaon, file)
        Command("receive", code, *via(kaon), folder=folder).end()
        sender.end()
        assert digest(folder / "file.bin") == digest(file)


def test_an_existing_file_is_kept_unless_it_is_said(kaon):
    with folders(1000) as (file, folder):
        (folder / "file.bin").write_bytes(b"mine")
        sender, code = start(kaon, file)
        assert "--overwrite" in Command("receive", code, *via(kaon), folder=folder).end(1)
        assert "exists already" in sender.end(1)
        assert (folder / "file.bin").read_bytes() == b"mine"
        sender, code = start(kaon, file)
        Command("receive", code, "--overwrite", *via(kaon), folder=folder).end()
        sender.end()
        assert digest(folder / "file.bin") == digest(file)


def test_a_place_that_cannot_be_written_is_told_to_both(kaon):
    with folders(1000) as (file, folder):
        sender, code = start(kaon, file)
        receiver = Command("receive", code, "--output", "/nonexistent/x", *via(kaon), folder=folder)
        assert "cannot be written" in receiver.end(1)
        assert "cannot be written" in sender.end(1)


def test_a_file_that_becomes_shorter_is_no_whole_one(kaon):
    with folders(400_000_000) as (file, folder):
        sender, code = start(kaon, file)
        receiver = Command("receive", code, *via(kaon), folder=folder)
        part = folder / "file.bin.part"
        until(lambda: part.exists() and part.stat().st_size > 1_000_000, "the first bytes", LIMIT)
        whole = file.read_bytes()
        os.truncate(file, 1000)
        assert "became shorter" in sender.end(1)
        assert "became shorter" in receiver.end(1)
        assert part.exists() and not (folder / "file.bin").exists()
        kept = part.stat().st_size
        file.write_bytes(whole)
        only_the_rest_is_sent(kaon, file, folder, kept)


def test_three_wrong_codes_end_it(kaon):
    with folders(1000) as (file, folder):
        sender, code = start(kaon, file)
        number = code.split("-")[0]
        for _ in range(3):
            assert "wrong" in Command("receive", f"{number}-wrong-words", *via(kaon), folder=folder).end(1)
        assert "void" in sender.end(1)
        told = Command("receive", code, *via(kaon), folder=folder).end(1)
        assert "nobody with this code" in told, told


def test_mistakes_get_one_sentence(kaon):
    for arguments, words in ((["send", "/nonexistent"], "cannot be read"), (["send", "/"], "folder"),
                             (["receive", "7-copper-violin"], "--via"), (["receive", "hello"], "kaon-"),
                             (["receive", "kaon-abcdefgh"], "changed on the way"),
                             (["receive", "nonsense", *via(kaon)], "7-copper-violin"),
                             (["receive", "999-copper-violin", *via(kaon)], "nobody"),
                             (["pipe", "--via", "http://127.0.0.1:9"], "No connection"),
                             (["receive", "1-a-b", "--via", "nowhere"], "URL")):
        status, out, err = run(*arguments)
        assert status == 1 and words in err and err.count("\n") == 1, f"{arguments}: {status} {out!r} {err!r}"


def test_a_server_with_a_token_wants_it():
    from kaon import Server
    with Server("--token", "hush") as server, folders(1000) as (file, folder):
        assert "--token" in run("send", file, *via(server))[2]
        sender = Command("send", file, "--token", "hush", *via(server))
        code = sender.line(r"kaon receive (\S+)")
        Command("receive", code, "--token", "hush", *via(server), folder=folder).end()
        sender.end()


def test_pipe_goes_both_ways(kaon):
    first = Command("pipe", *via(kaon))
    second = Command("pipe", first.line(r"kaon pipe (\S+)", "stderr"), *via(kaon))
    text = "there and back\n" * 200_000
    outs = []
    for command, message in ((first, "short\n"), (second, text)):
        command.process.stdin.write(message)
        command.process.stdin.close()
    for command in (first, second):
        outs.append(command.process.stdout.read())
        assert command.process.wait(LIMIT) == 0, command.process.stderr.read()
    assert outs == [text, "short\n"], [len(out) for out in outs]


def test_mailboxes(kaon):
    opened = kaon.request("POST", "/api/mailboxes").expect(201)
    number, key = re.fullmatch(r'\{"number":(\d+),"key":"([0-9a-f]{32})"\}', opened.body).groups()
    box = f"/api/mailboxes/{number}"
    assert opened.headers["Location"] == box
    kaon.request("GET", f"{box}/0").expect(204)
    kaon.request("PUT", f"{box}/0", "one").expect(204)
    kaon.request("PUT", f"{box}/0", "two").expect(409)
    got = kaon.request("GET", f"{box}/0").expect(200)
    assert got.body == "one" and got.headers["Cache-Control"] == "no-store"
    kaon.request("PUT", f"{box}/1", "x" * 1025).expect(413)
    for path in (f"{box}/12", f"{box}/x", box, "/api/mailboxes/77/0", "/api/mailboxesx"):
        kaon.request("GET", path).expect(404)
    kaon.request("GET", "/api/mailboxes").expect(405)
    kaon.request("POST", f"{box}/0").expect(405)
    kaon.request("DELETE", f"{box}/{'0' * 32}").expect(403)
    kaon.request("DELETE", f"{box}/{key}").expect(204)
    kaon.request("GET", f"{box}/0").expect(404)
