"""Watching: draft-ietf-wish-whep."""

import re

from kaon import FRAGMENT, SDP, WATCH, in_parallel, offer

from cases.whip import attribute, fragment


def test_offer_is_answered_with_location_and_strong_etag(kaon):
    kaon.publish()
    answer = kaon.watch()
    assert answer.type == SDP, answer.type
    assert re.fullmatch(r"/whep/live/[0-9a-f]{32}", answer.headers["Location"]), answer.headers["Location"]
    assert re.fullmatch(r'"[^"]+"', answer.headers["ETag"]), answer.headers["ETag"]


def test_answer_sends_what_is_published_and_announces_the_track(kaon):
    publisher, viewer = kaon.publish().body, kaon.watch().body
    assert viewer.count("a=sendonly\r\n") == 2, viewer
    assert "a=recvonly" not in viewer and "a=sendrecv" not in viewer, viewer
    assert attribute(viewer, "setup") == "passive"
    # RFC 8829 §5.2.1: the player's ontrack hears of one stream.
    assert len(set(re.findall(r"^a=msid:(\S+)", viewer, re.M))) == 1, viewer
    published = re.findall(r"^a=rtpmap:\d+ (\S+)", publisher, re.M)
    for codec in re.findall(r"^a=rtpmap:\d+ (\S+)", viewer, re.M):
        assert codec in published, f"{codec} is not published: {published}"


def test_firefox_may_watch_chromium_and_the_other_way_round(kaon):
    for source, player in (("chromium156", "firefox153esr"), ("firefox153esr", "chromium156")):
        kaon.publish(source, offer(f"{source}/av-data-plain"))
        answer = kaon.watch(source, offer(f"{player}/recvonly")).body
        assert answer.count("a=sendonly\r\n") == 2, answer


def test_stream_that_is_not_there_is_409_with_retry_after(kaon):
    answer = kaon.post("/whep/live", offer(WATCH)).expect(409)
    assert int(answer.headers["Retry-After"]) >= 1
    kaon.publish()
    kaon.post("/whep/other", offer(WATCH)).expect(409)
    kaon.watch()


def test_head_tells_a_player_that_this_is_whep(kaon):
    for method in ("HEAD", "GET"):
        answer = kaon.request(method, "/whep/live").expect(200)
        assert answer.type == SDP and answer.body == "", answer.type


def test_options_and_preflight(kaon):
    assert kaon.request("OPTIONS", "/whep/live").expect(200).headers["Accept-Post"] == SDP
    answer = kaon.request("OPTIONS", "/whep/live", Origin="https://example.org", Access_Control_Request_Method="POST")
    assert "POST" in answer.expect(204).headers["Access-Control-Allow-Methods"]


def test_other_methods_are_405(kaon):
    for method in ("PUT", "DELETE", "PATCH"):
        assert "POST" in kaon.request(method, "/whep/live", "").expect(405).headers["Allow"]


def test_other_content_type_is_415(kaon):
    kaon.publish()
    kaon.post("/whep/live", offer(WATCH), Content_Type="text/plain").expect(415)


def test_offer_without_a_common_codec_is_422(kaon):
    kaon.publish()
    strange = re.sub(r"(a=rtpmap:\d+ )\w+", r"\1strange", offer(WATCH))
    kaon.post("/whep/live", strange).expect(422)


def test_offer_that_only_sends_is_422(kaon):
    kaon.publish()
    kaon.post("/whep/live", offer(WATCH).replace("a=recvonly", "a=sendonly")).expect(422)


def test_offer_that_also_sends_is_answered_sendonly(kaon):
    kaon.publish()
    answer = kaon.watch(sdp=offer(WATCH).replace("a=recvonly", "a=sendrecv")).body
    assert answer.count("a=sendonly\r\n") == 2, answer


def test_delete_ends_the_viewer_alone(kaon):
    publisher = kaon.publish().headers["Location"]
    first, second = kaon.watch().headers["Location"], kaon.watch().headers["Location"]
    kaon.request("DELETE", first).expect(200)
    kaon.request("DELETE", first).expect(404)
    kaon.request("GET", second).expect(200)
    kaon.request("GET", publisher).expect(200)


def test_patch_follows_the_rules_of_whip(kaon):
    kaon.publish()
    answer = kaon.watch()
    session, etag = answer.headers["Location"], answer.headers["ETag"]
    own = fragment(attribute(offer(WATCH), "ice-ufrag"), attribute(offer(WATCH), "ice-pwd"))
    kaon.patch(session, own, If_Match=etag).expect(204)
    kaon.patch(session, own).expect(428)
    kaon.patch(session, own, If_Match='"stale"').expect(412)
    kaon.patch(session, own, If_Match=etag, Content_Type=SDP).expect(415)
    kaon.patch(session, "nonsense", If_Match=etag).expect(400)
    restarted = kaon.patch(session, fragment("new1"), If_Match="*").expect(200)
    assert restarted.type == FRAGMENT and restarted.headers["ETag"] != etag
    kaon.patch(session, own, If_Match=etag).expect(412)


def test_hundred_viewers_at_once_all_get_their_answer(kaon):
    kaon.publish()
    locations = in_parallel(100, lambda _: kaon.watch().headers["Location"])
    assert len(set(locations)) == 100
    assert kaon.api("streams")["streams"][0]["viewers"] == 100
    for status in in_parallel(100, lambda i: kaon.request("DELETE", locations[i]).status):
        assert status == 200, status
    assert kaon.api("streams")["streams"][0]["viewers"] == 0
