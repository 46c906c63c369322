"""Offers that get 400, 413 or 422, with one sentence of why, and leave nothing behind."""

import re

from kaon import PUBLISH, WATCH, offer

GOOD = offer(PUBLISH)


def refused(kaon, sdp, *statuses):
    """The offer gets one of the statuses as a publisher's and, while somebody publishes, as a viewer's."""
    answer = kaon.post("/whip/live", sdp)
    assert answer.status in statuses, f"{answer.status} instead of {statuses} from WHIP: {answer.body}"
    answer.expect(answer.status)
    session = kaon.publish().headers["Location"]
    answer = kaon.post("/whep/live", sdp)
    assert answer.status in statuses, f"{answer.status} instead of {statuses} from WHEP: {answer.body}"
    answer.expect(answer.status)
    assert kaon.api("status")["connections"] == 1, "a refused offer left a session"
    kaon.request("DELETE", session).expect(200)
    return answer


def test_what_is_no_sdp_is_400(kaon):
    for text in ("nonsense", "v=0\r\n", "v=1\r\n" + GOOD[5:], "{}", "\0" * 100, "\xff\xfe\xfd", "a" * 100_000,
                 "v=0\r\n" * 1000):
        refused(kaon, text.encode("latin-1"), 400)


def test_empty_body_is_400(kaon):
    refused(kaon, b"", 400)


def test_truncated_offers_never_break_anything(kaon):
    for length in range(0, len(GOOD), 101):
        answer = kaon.post("/whip/live", GOOD[:length])
        assert answer.status in (201, 400, 422), f"{length} bytes: {answer.status}"
        if answer.status == 201:
            kaon.request("DELETE", answer.headers["Location"]).expect(200)
    assert kaon.api("status")["connections"] == 0


def test_malformed_lines_are_400(kaon):
    for old, new in (("m=audio 9 ", "m=audio 99999 "), ("m=audio 9 ", "m=audio x "), ("o=-", "o="), ("s=-", "s"),
                     ("m=audio", "mm=audio"), ("v=0", "v=x")):
        assert old in GOOD
        refused(kaon, GOOD.replace(old, new, 1), 400)


def test_body_of_1_mb_is_413(kaon):
    refused(kaon, GOOD + "a=x:" + "x" * 1_000_000 + "\r\n", 413)


def test_body_of_10_mb_is_413(kaon):
    refused(kaon, GOOD + "a=x:" + "x" * 10_000_000 + "\r\n", 413)


def test_chunked_body_of_1_mb_is_413(kaon):
    connection = kaon.connect()
    connection.request("POST", "/whip/live", iter([b"a" * 1000] * 1000), {"Content-Type": "application/sdp"},
                       encode_chunked=True)
    assert connection.getresponse().status == 413
    connection.close()


def test_10000_m_lines_are_refused(kaon):
    section = "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n"
    refused(kaon, GOOD + section * 7000, 400, 422)
    refused(kaon, GOOD + section * 10_000, 400, 413, 422)


def test_many_attributes_are_answered_or_refused_in_time(kaon):
    for line in ("a=candidate:1 1 udp 1 10.0.0.1 1000 typ host\r\n", "a=extmap:1 urn:x\r\n", "a=ssrc:1 cname:x\r\n",
                 "a=rtpmap:96 VP8/90000\r\n", "a=group:BUNDLE 0\r\n"):
        answer = kaon.post("/whip/live", GOOD + line * (200_000 // len(line)))
        assert answer.status in (201, 400, 422), f"{line}: {answer.status}"
        if answer.status == 201:
            kaon.request("DELETE", answer.headers["Location"])


def test_no_common_codec_is_422(kaon):
    refused(kaon, re.sub(r"(a=rtpmap:\d+ )\w+", r"\1strange", GOOD), 422)


def test_one_track_without_a_common_codec_is_422_for_the_whole_offer(kaon):
    # RFC 9725 §4.2: no partial acceptance.
    audio, video = GOOD.split("m=video")
    kaon.post("/whip/live", audio + "m=video" + re.sub(r"(a=rtpmap:\d+ )\w+", r"\1strange", video)).expect(422)


def test_no_bundle_is_422(kaon):
    refused(kaon, GOOD.replace("a=group:BUNDLE 0 1 2\r\n", ""), 422)


def test_section_outside_the_bundle_is_422(kaon):
    refused(kaon, GOOD.replace("a=group:BUNDLE 0 1 2", "a=group:BUNDLE 0 2"), 422)


def test_no_rtcp_mux_is_422(kaon):
    refused(kaon, GOOD.replace("a=rtcp-mux\r\n", ""), 422)


def test_no_ice_credentials_or_fingerprint_are_422(kaon):
    for name in ("ice-ufrag", "ice-pwd", "fingerprint"):
        refused(kaon, re.sub(rf"a={name}:.*?\r\n", "", GOOD), 400, 422)


def test_data_alone_is_422(kaon):
    refused(kaon, offer("chromium156/data"), 422)


def test_publisher_that_sends_nothing_is_422(kaon):
    kaon.post("/whip/live", offer(WATCH)).expect(422)


def test_plain_rtp_is_422(kaon):
    refused(kaon, GOOD.replace("UDP/TLS/RTP/SAVPF", "RTP/AVP"), 400, 422)


def test_two_videos_are_422(kaon):
    # RFC 9725 §4.2: at most one track of each kind.
    video = "m=video" + GOOD.split("m=video")[1].split("m=application")[0]
    video = re.sub(r"a=ssrc.*?\r\n", "", video).replace("a=mid:1", "a=mid:9")
    two = GOOD.replace("BUNDLE 0 1 2", "BUNDLE 0 1 2 9") + video
    kaon.post("/whip/live", two).expect(422)
