"""/api: what docs/http-api.md promises, field by field."""

from kaon import until

STREAM = {"name", "seconds", "viewers", "video", "audio", "width", "height", "kilobits"}
CONNECTION = {"id", "stream", "role", "state", "seconds", "remote", "rtt_ms", "kilobits_in", "kilobits_out",
              "packets_lost", "loss_percent", "jitter_ms", "frames_per_second", "codec"}
STATUS = {"version", "loops", "udp_port", "connections", "streams", "uptime_seconds", "drops"}


def test_streams(kaon):
    assert kaon.api("streams") == {"streams": []}
    kaon.publish("b")
    kaon.publish("a")
    kaon.watch("a")
    streams = kaon.api("streams")["streams"]
    assert [(stream["name"], stream["viewers"]) for stream in streams] == [("a", 1), ("b", 0)], streams
    assert set(streams[0]) == STREAM, streams[0]
    assert streams[0]["audio"] == "opus" and streams[0]["video"] in ("VP8", "H264", "VP9", "AV1"), streams[0]


def test_connections(kaon):
    assert kaon.api("connections") == {"connections": []}
    kaon.publish()
    kaon.watch()
    connections = kaon.api("connections")["connections"]
    assert sorted(connection["role"] for connection in connections) == ["publisher", "viewer"]
    for connection in connections:
        assert set(connection) == CONNECTION, connection
        assert connection["stream"] == "live"
    until(lambda: all(c["state"] in ("new", "connecting") for c in kaon.api("connections")["connections"]), "a state")


def test_ids_of_connections_open_no_session(kaon):
    kaon.publish()
    number = kaon.api("connections")["connections"][0]["id"]
    kaon.request("DELETE", f"/whip/live/{number}").expect(404)


def test_status(kaon):
    status = kaon.api("status")
    assert STATUS <= set(status), status
    assert status["udp_port"] == kaon.udp_port and status["loops"] >= 1
    assert status["connections"] == 0 and status["streams"] == 0
    assert isinstance(status["drops"], dict), status
    kaon.publish()
    kaon.watch()
    status = kaon.api("status")
    assert status["connections"] == 2 and status["streams"] == 1, status


def test_answers_are_json_that_nobody_keeps(kaon):
    for what in ("streams", "connections", "status"):
        answer = kaon.request("GET", f"/api/{what}").expect(200)
        assert answer.type == "application/json" and answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
