"""Publishing: RFC 9725."""

import re
import time

from kaon import FRAGMENT, PUBLISH, SDP, WATCH, Server, in_parallel, offer, until

BROWSER_OFFERS = ["chromium156/av-data-plain", "chromium156/av-data", "chromium156/max-bundle", "chromium156/screen",
                  "firefox153esr/av-data-plain", "firefox153esr/av-data", "firefox153esr/max-bundle"]


def attribute(text, name):
    """The value of the first a=NAME:VALUE line."""
    return re.search(rf"^a={name}:(.*?)\r?$", text, re.M)[1]


def fragment(ufrag="abcd", password="p" * 24, candidate="candidate:1 1 udp 2130706431 127.0.0.1 40000 typ host"):
    return (f"a=ice-ufrag:{ufrag}\r\na=ice-pwd:{password}\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n"
            f"a={candidate}\r\n")


def trickle(name=PUBLISH):
    """A fragment for the session that was made with this offer."""
    return fragment(attribute(offer(name), "ice-ufrag"), attribute(offer(name), "ice-pwd"))


# -- POST ------------------------------------------------------------------------------------------------------------


def test_offer_is_answered_with_location_and_strong_etag(kaon):
    answer = kaon.publish()
    assert answer.type == SDP, answer.type
    assert re.fullmatch(r"/whip/live/[0-9a-f]{32}", answer.headers["Location"]), answer.headers["Location"]
    assert re.fullmatch(r'"[^"]+"', answer.headers["ETag"]), answer.headers["ETag"]
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    exposed = answer.headers["Access-Control-Expose-Headers"]
    assert all(name in exposed for name in ("Location", "ETag", "Link", "Retry-After")), exposed


def test_every_recorded_browser_offer_is_accepted(kaon):
    for name in BROWSER_OFFERS:
        answer = kaon.publish(name.replace("/", "-"), offer(name)).body
        sections = offer(name).count("\r\nm=")
        assert answer.count("\r\nm=") == sections, f"{name}: {answer}"


def test_answer_receives_only_is_passive_and_has_all_its_candidates(kaon):
    answer = kaon.publish().body
    assert answer.startswith("v=0\r\n")
    assert answer.count("a=recvonly\r\n") == 2, answer
    assert "a=sendrecv" not in answer and "a=sendonly" not in answer, answer
    assert attribute(answer, "setup") == "passive", "Kaon picks the cipher as the DTLS server"
    assert attribute(answer, "group") == "BUNDLE 0 1 2"
    assert f" {kaon.udp_port} typ host" in attribute(answer, "candidate"), answer
    assert "a=end-of-candidates\r\n" in answer, "WHIP has no trickle from the server"


def test_answer_has_one_codec_per_track(kaon):
    for line in kaon.publish().body.split("\r\n"):
        if line.startswith("m=") and not line.startswith("m=application"):
            formats = line.split()[3:]
            assert len(formats) <= 2, f"the publisher would be free to switch: {line}"


def test_content_type_with_parameters_and_in_capitals_is_understood(kaon):
    kaon.post("/whip/a", offer(PUBLISH), Content_Type="application/sdp; charset=utf-8").expect(201)
    kaon.post("/whip/b", offer(PUBLISH), Content_Type="Application/SDP").expect(201)


def test_other_content_type_is_415(kaon):
    kaon.post("/whip/live", offer(PUBLISH), Content_Type="application/json").expect(415)
    kaon.post("/whip/live", offer(PUBLISH), Content_Type="application/sdpfrag").expect(415)
    kaon.post("/whip/live", offer(PUBLISH), Content_Type="").expect(415)


def test_taken_name_is_409_and_the_first_publisher_stays(kaon):
    first = kaon.publish()
    kaon.post("/whip/live", offer(PUBLISH)).expect(409)
    kaon.request("GET", first.headers["Location"]).expect(200)


def test_of_a_hundred_publishers_at_once_one_gets_the_name(kaon):
    answers = in_parallel(100, lambda i: kaon.post("/whip/live", offer(PUBLISH)).status)
    assert sorted(set(answers)) == [201, 409], answers
    assert answers.count(201) == 1, answers


def test_name_is_free_after_a_refused_offer(kaon):
    kaon.post("/whip/live", offer(PUBLISH).replace("a=rtcp-mux\r\n", "")).expect(422)
    kaon.post("/whip/live", re.sub(r"(a=rtpmap:\d+ )\w+", r"\1strange", offer(PUBLISH))).expect(422)
    kaon.publish()


def test_name_is_free_after_delete(kaon):
    for _ in range(5):
        session = kaon.publish().headers["Location"]
        kaon.request("DELETE", session).expect(200)


def test_names_have_1_to_64_plain_characters(kaon):
    kaon.publish("A-z_0.9")
    kaon.publish("x" * 64)
    for name in ("", "x" * 65, "..", ".", "a%20b", "a%2fb", "%c3%a9", "a%00b", "a%zz", "a+b", "%3Cscript%3E"):
        status = kaon.post(f"/whip/{name}", offer(PUBLISH)).status
        assert status in (400, 404), f"{name}: {status}"


def test_ice_servers_are_told_in_link_headers_after_the_token_was_checked():
    servers = ["stun:stun.example.net", "turn:turn.example.net?transport=udp,us\"er,pass,wo\\rd"]
    links = ['<stun:stun.example.net>; rel="ice-server"',
             '<turn:turn.example.net?transport=udp>; rel="ice-server"; username="us\\"er"; credential="pass,wo\\\\rd"; '
             'credential-type="password"']
    with Server("--token", "secret", "--ice-server", servers[0], "--ice-server", servers[1]) as kaon:
        token = {"Authorization": "Bearer secret"}
        for folder, name in (("whip", PUBLISH), ("whep", WATCH)):
            answer = kaon.post(f"/{folder}/live", offer(name), **token).expect(201)
            assert answer.headers.get_all("Link") == links, answer.headers.get_all("Link")
            answer = kaon.request("OPTIONS", f"/{folder}/live", **token).expect(200)
            assert answer.headers.get_all("Link") == links, answer.headers.get_all("Link")
            for secretless in (kaon.request("OPTIONS", f"/{folder}/live", Access_Control_Request_Method="POST"),
                               kaon.request("OPTIONS", f"/{folder}/live"), kaon.post(f"/{folder}/live", offer(name)),
                               kaon.request("OPTIONS", f"/{folder}/live", Authorization="Bearer wrong")):
                assert "Link" not in secretless.headers, "credentials are for those with the token"


def test_the_turn_server_inside_is_told_under_the_name_that_was_asked():
    with Server("--turn", "127.0.0.1:0") as kaon:
        def servers(host):
            links = kaon.request("OPTIONS", "/whip/live", Host=host).headers.get_all("Link") or []
            return [re.fullmatch(r'<(turn:.*:\d+\?transport=\w+)>; rel="ice-server"; username="(\d+:\w+)"; credential="(.*)"; '
                                 r'credential-type="password"', link).groups() for link in links]
        for host, name in (("kaon.example:8080", "kaon.example"), ("kaon.example", "kaon.example"), ("[::1]:80", "[::1]")):
            told = servers(host)
            assert [re.sub(r"\d+\?", "?", url) for url, *_ in told] == \
                [f"turn:{name}:?transport=udp", f"turn:{name}:?transport=tcp"], told
        assert servers("kaon.example")[0][1:] != servers("kaon.example")[0][1:], "each client gets a name of its own"
        assert int(servers("a")[0][1].split(":")[0]) > time.time() + 3600
        for hostile in ('a"b', "a>b", "a b", "a;b", "", "[::1"):
            assert servers(hostile) == [], hostile


def test_without_ice_servers_there_is_no_link(kaon):
    assert "Link" not in kaon.publish().headers
    assert "Link" not in kaon.request("OPTIONS", "/whip/live").headers


def test_offers_that_also_receive_or_are_active_are_answered_alike(kaon):
    # RFC 9725 §4.2: sendrecv is allowed; RFC 8842 §5.3: an active offerer leaves us passive.
    answer = kaon.publish("both", offer(PUBLISH).replace("a=sendonly", "a=sendrecv")).body
    assert answer.count("a=recvonly\r\n") == 2 and "a=sendrecv" not in answer, answer
    answer = kaon.publish("active", offer(PUBLISH).replace("a=setup:actpass", "a=setup:active")).body
    assert attribute(answer, "setup") == "passive", answer


def test_simulcast_is_accepted(kaon):
    # RFC 8853 §5.3: what the offer sends, the answer receives.
    answer = kaon.publish("layers", offer("chromium156/simulcast")).body
    assert re.search(r"^a=simulcast:recv ", answer, re.M), answer


# -- OPTIONS, GET, HEAD ----------------------------------------------------------------------------------------------


def test_options_tells_what_can_be_posted(kaon):
    answer = kaon.request("OPTIONS", "/whip/live").expect(200)
    assert answer.headers["Accept-Post"] == SDP
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


def test_preflight_allows_what_pages_need(kaon):
    session = kaon.publish().headers["Location"]
    for path in ("/whip/other", session):
        answer = kaon.request("OPTIONS", path, Origin="https://example.org", Access_Control_Request_Method="PATCH",
                              Access_Control_Request_Headers="if-match").expect(204)
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        methods = answer.headers["Access-Control-Allow-Methods"]
        assert all(method in methods for method in ("POST", "PATCH", "DELETE")), methods
        allowed = answer.headers["Access-Control-Allow-Headers"].lower()
        assert all(name in allowed for name in ("authorization", "content-type", "if-match")), allowed


def test_get_and_head_are_answered_without_content(kaon):
    session = kaon.publish().headers["Location"]
    for path in ("/whip/live", "/whip/nobody", session):
        for method in ("GET", "HEAD"):
            assert kaon.request(method, path).expect(200).body == ""


def test_other_methods_are_405_and_the_allowed_ones_are_named(kaon):
    session = kaon.publish().headers["Location"]
    for method, path in (("PUT", "/whip/live"), ("DELETE", "/whip/live"), ("PATCH", "/whip/live"), ("POST", session),
                         ("PUT", session), ("BREW", session)):
        answer = kaon.request(method, path, "").expect(405)
        assert "GET" in answer.headers["Allow"], answer.headers["Allow"]
    kaon.request("GET", session).expect(200)


# -- DELETE ----------------------------------------------------------------------------------------------------------


def test_delete_ends_the_session_whatever_the_etag(kaon):
    session = kaon.publish().headers["Location"]
    kaon.request("DELETE", session, If_Match='"stale"').expect(200)
    for method in ("GET", "HEAD", "DELETE"):
        assert kaon.request(method, session).status == 404
    kaon.patch(session, trickle(), If_Match="*").expect(404)
    assert kaon.api("streams") == {"streams": []}
    until(lambda: kaon.api("status")["connections"] == 0, "the end of the connection")


def test_delete_ends_the_viewers(kaon):
    session = kaon.publish().headers["Location"]
    viewers = [kaon.watch().headers["Location"] for _ in range(3)]
    kaon.request("DELETE", session).expect(200)
    for viewer in viewers:
        kaon.request("GET", viewer).expect(404)
    assert kaon.api("connections") == {"connections": []}


def test_unknown_sessions_are_404(kaon):
    session = kaon.publish().headers["Location"]
    for path in ("/whip/live/" + "0" * 32, "/whip/other/" + session.split("/")[-1], session.replace("whip", "whep"),
                 session + "x", session + "/x", session + "/"):
        kaon.request("DELETE", path).expect(404)
        kaon.request("GET", path).expect(404)
        kaon.patch(path, trickle(), If_Match="*").expect(404)
    kaon.request("GET", session).expect(200)


# -- PATCH -----------------------------------------------------------------------------------------------------------


def test_trickled_candidate_is_204_without_a_new_etag(kaon):
    answer = kaon.publish()
    for _ in range(2):
        patched = kaon.patch(answer.headers["Location"], trickle(), If_Match=answer.headers["ETag"]).expect(204)
        assert patched.body == "" and "ETag" not in patched.headers


def test_candidates_that_cannot_be_used_are_ignored(kaon):
    answer = kaon.publish()
    for candidate in ("candidate:1 1 tcp 1518280447 127.0.0.1 9 typ host tcptype active",
                      "candidate:2 1 udp 2113937151 0f9f0f5a-7ed6-4b1e-9ab4-1b6f8a8f9f0e.local 40000 typ host",
                      "candidate:nonsense", "candidate:1 1 udp 1 127.0.0.1 99999 typ host", "end-of-candidates"):
        body = fragment(attribute(offer(PUBLISH), "ice-ufrag"), attribute(offer(PUBLISH), "ice-pwd"), candidate)
        kaon.patch(answer.headers["Location"], body, If_Match=answer.headers["ETag"]).expect(204)


def test_patch_without_if_match_is_428(kaon):
    kaon.patch(kaon.publish().headers["Location"], trickle()).expect(428)


def test_patch_with_a_stale_etag_is_412(kaon):
    kaon.patch(kaon.publish().headers["Location"], trickle(), If_Match='"stale"').expect(412)


def test_patch_of_another_type_is_415(kaon):
    answer = kaon.publish()
    for kind in (SDP, "text/plain", ""):
        kaon.patch(answer.headers["Location"], trickle(), If_Match=answer.headers["ETag"], Content_Type=kind).expect(415)


def test_malformed_fragments_are_400_and_change_nothing(kaon):
    answer = kaon.publish()
    session = answer.headers["Location"]
    for body in ("nonsense", "a=ice-ufrag:abcd\r\n", "m=audio\r\n", "\0\0\0", "a=x:" + "x" * 100_000 + "\r\n",
                 "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=candidate:1\r\n"):
        kaon.patch(session, body, If_Match="*").expect(400)
    kaon.patch(session, trickle(), If_Match=answer.headers["ETag"]).expect(204)


def test_ice_restart_gives_new_credentials_and_a_new_etag(kaon):
    answer = kaon.publish()
    session, etags, ufrags = answer.headers["Location"], {answer.headers["ETag"]}, {attribute(answer.body, "ice-ufrag")}
    # RFC 9725 writes the star in quotes, RFC 9110 without.
    for i, star in enumerate(("*", '"*"')):
        restarted = kaon.patch(session, fragment(f"new{i}"), If_Match=star).expect(200)
        assert restarted.type == FRAGMENT, restarted.type
        assert attribute(restarted.body, "ice-pwd") and attribute(restarted.body, "mid") == "0"
        assert f" {kaon.udp_port} typ host" in attribute(restarted.body, "candidate"), restarted.body
        ufrags.add(attribute(restarted.body, "ice-ufrag"))
        etags.add(restarted.headers["ETag"])
        kaon.patch(session, fragment(f"new{i}"), If_Match=answer.headers["ETag"]).expect(412)
        kaon.patch(session, fragment(f"new{i}"), If_Match=restarted.headers["ETag"]).expect(204)
    assert len(ufrags) == 3 and len(etags) == 3, f"{ufrags} {etags}"


def test_malformed_ice_restart_leaves_the_session_as_it_was(kaon):
    answer = kaon.publish()
    session = answer.headers["Location"]
    for ufrag, password in (("x", "p" * 24), ("abcd", "short"), ("a b c d", "p" * 24), ("u" * 257, "p" * 24),
                            ("abcd", "p" * 257)):
        kaon.patch(session, fragment(ufrag, password), If_Match="*").expect(400)
    kaon.patch(session, trickle(), If_Match=answer.headers["ETag"]).expect(204)
    kaon.request("DELETE", session).expect(200)


def test_any_etag_of_a_list_matches(kaon):
    answer = kaon.publish()
    both = f'"other", {answer.headers["ETag"]}'
    kaon.patch(answer.headers["Location"], trickle(), If_Match=both).expect(204)


# -- access ----------------------------------------------------------------------------------------------------------


def test_token_is_asked_of_every_request_but_preflights():
    with Server("--token", "secret") as kaon:
        endpoints = ["/whip/live", "/whep/live", "/whip/live/" + "0" * 32, "/api/streams", "/api/status"]
        for path in endpoints:
            for method in ("GET", "POST", "PATCH", "DELETE", "OPTIONS"):
                answer = kaon.request(method, path, "").expect(401)
                assert answer.headers["WWW-Authenticate"].startswith("Bearer")
                assert answer.headers["Access-Control-Allow-Origin"] == "*", "the page must see why"
                kaon.request(method, path, "", Authorization="Bearer secret2").expect(403)
                kaon.request(method, path, "", Authorization="Bearer secre").expect(403)
                kaon.request(method, path, "", Authorization="Basic c2VjcmV0").expect(401)
            kaon.request("OPTIONS", path, Access_Control_Request_Method="POST").expect(204)
        kaon.request("GET", "/").expect(200)
        answer = kaon.post("/whip/live", offer(PUBLISH), Authorization="Bearer secret").expect(201)
        kaon.post("/whip/other", offer(PUBLISH), Authorization="bearer secret").expect(201)
        kaon.request("DELETE", answer.headers["Location"]).expect(401)
        kaon.request("DELETE", answer.headers["Location"], Authorization="Bearer secret").expect(200)


# -- a publisher that never comes ------------------------------------------------------------------------------------


def test_session_that_never_connects_is_removed_with_its_viewers(kaon):
    publisher = kaon.publish().headers["Location"]
    viewer = kaon.watch().headers["Location"]
    until(lambda: kaon.api("streams")["streams"] == [], "the end of the stream", seconds=45)
    kaon.request("GET", publisher).expect(404)
    until(lambda: kaon.request("GET", viewer).status == 404, "the end of the viewer")
    assert kaon.api("status")["connections"] == 0
    kaon.publish()


test_session_that_never_connects_is_removed_with_its_viewers.background = True
