"""The Google Calendar emulator driven by Google's own client library, every body checked against Google's own schema.

Usage: google_server_check.py URL TOKEN [-- COMMAND...]

COMMAND is calsync's own test. It runs with CALSYNC_TEST_GOOGLE naming a proxy that checks what it sends and gets in the same
way, reads what the client library wrote before it, and leaves events that the client library reads after it.

The client is google-api-python-client with the discovery document it ships; the same document, as JSON Schema, checks what
goes over the wire in both directions: a member the schema does not have, or one of another type, fails the check.
"""

import http.client
import json
import os
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from urllib.parse import parse_qs, urlsplit

import httplib2
import jsonschema
from google.auth.exceptions import RefreshError
from google.oauth2.credentials import Credentials
from googleapiclient.discovery import build_from_document
from googleapiclient.errors import HttpError
from google_auth_httplib2 import AuthorizedHttp

URL, TOKEN = sys.argv[1], sys.argv[2]


def discovery():
    name = resources.files("googleapiclient.discovery_cache.documents") / "calendar.v3.json"
    document = json.loads(name.read_text())
    document["rootUrl"] = URL
    document["baseUrl"] = URL + "calendar/v3/"
    document.pop("mtlsRootUrl", None)
    return document


DOCUMENT = discovery()


def schema_of(node):
    """A schema of a discovery document as JSON Schema that allows no unknown members."""
    if "$ref" in node:
        return {"$ref": "#/$defs/" + node["$ref"]}
    kind = node.get("type")
    if kind == "object":
        schema = {"type": "object"}
        if "properties" in node:
            schema["properties"] = {name: schema_of(inner) for name, inner in node["properties"].items()}
            schema["additionalProperties"] = False
        elif "additionalProperties" in node:
            schema["additionalProperties"] = schema_of(node["additionalProperties"])
        return schema
    if kind == "array":
        return {"type": "array", "items": schema_of(node["items"])}
    if kind == "any":
        return {}
    schema = {"type": kind}
    if "enum" in node:
        schema["enum"] = node["enum"]
    return schema


DEFS = {name: schema_of(node) for name, node in DOCUMENT["schemas"].items()}


def check(name, body, what):
    # A null clears a member in a PATCH; the schema language of discovery has no word for it.
    errors = list(jsonschema.Draft202012Validator({"$ref": "#/$defs/" + name, "$defs": DEFS}).iter_errors(body))
    assert not errors, f"{what}: {[(list(error.path), error.message) for error in errors[:3]]}"


def methods(resource, found):
    for inner in resource.get("resources", {}).values():
        methods(inner, found)
    for method in resource.get("methods", {}).values():
        found.append(method)
    return found


METHODS = methods(DOCUMENT, [])


def method_of(verb, path):
    """The method of the discovery document that a request is."""
    segments = path.split("/")
    best = None
    for method in METHODS:
        parts = method["path"].split("/")
        if method["httpMethod"] != verb or len(parts) != len(segments):
            continue
        if all(part.startswith("{") or part == segment for part, segment in zip(parts, segments)):
            literal = sum(not part.startswith("{") for part in parts)
            if best is None or literal > best[0]:
                best = (literal, method)
    assert best, f"no method of Google's for {verb} {path}"
    return best[1]


def strip_nulls(body):
    if isinstance(body, dict):
        return {name: strip_nulls(value) for name, value in body.items() if value is not None}
    return body


def check_request(verb, uri, body):
    parts = urlsplit(uri)
    method = method_of(verb, parts.path.split("calendar/v3/", 1)[1])
    allowed = set(method.get("parameters", {})) | set(DOCUMENT["parameters"])
    for name, values in parse_qs(parts.query, keep_blank_values=True).items():
        assert name in allowed, f"{method['id']} has no parameter {name}"
        words = method.get("parameters", {}).get(name, {}).get("enum")
        assert not words or all(value in words for value in values), (method["id"], name, values)
    if body:
        assert "request" in method, f"{method['id']} takes no body"
        check(method["request"]["$ref"], strip_nulls(json.loads(body)), "request of " + method["id"])
    return method


def check_response(method, status, body):
    if 200 <= status < 300 and body:
        assert "response" in method, f"{method['id']} answers nothing"
        check(method["response"]["$ref"], json.loads(body), "answer to " + method["id"])


COUNTS = {"requests": 0}


class CheckedHttp(httplib2.Http):
    """Checks everything that passes."""

    def request(self, uri, method="GET", body=None, headers=None, **rest):
        COUNTS["requests"] += 1
        asked = None if "/batch/" in uri else check_request(method, uri, body)
        response, content = super().request(uri, method=method, body=body, headers=headers, **rest)
        if asked:
            check_response(asked, response.status, content)
        return response, content


def client(token=TOKEN):
    return build_from_document(DOCUMENT, http=AuthorizedHttp(Credentials(token=token), http=CheckedHttp()))


def reason(call, status):
    try:
        call.execute()
    except HttpError as error:
        assert error.resp.status == status, (error.resp.status, error)
        return error.error_details[0]["reason"]
    raise AssertionError(f"{call.uri}: no error")


def timed(summary, day, month=3, **more):
    offset = "+01:00" if month == 3 else "+02:00"
    at = lambda hour: {"dateTime": f"2026-{month:02}-{day:02}T{hour:02}:00:00{offset}", "timeZone": "Europe/Berlin"}
    return {"summary": summary, "start": at(9), "end": at(10), **more}


def everything(events, **query):
    """All pages of a listing, and the sync token of the last."""
    rows, call, token = [], events.list(calendarId="primary", **query), None
    while call is not None:
        page = call.execute()
        rows += page.get("items", [])
        token = page.get("nextSyncToken", token)
        call = events.list_next(call, page)
    return rows, token


class Proxy(BaseHTTPRequestHandler):
    """Passes everything on and checks it, the parts of batches too."""

    violations = []
    checked = 0
    protocol_version = "HTTP/1.1"

    def check(self, what):
        try:
            return what()
        except AssertionError as error:
            Proxy.violations.append(str(error))

    def pass_on(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        target = urlsplit(URL)
        upstream = http.client.HTTPConnection(target.hostname, target.port)
        names = ("authorization", "content-type", "if-match", "if-none-match")
        upstream.request(self.command, self.path, body, {n: self.headers[n] for n in names if self.headers.get(n)})
        answer = upstream.getresponse()
        content = answer.read()
        kind = answer.getheader("Content-Type", "")
        if self.path.startswith("/batch/"):
            asked, got = parts(self.headers["Content-Type"], body), parts(kind, content)
            for name, (first, text) in asked.items():
                verb, path, _ = first.split(" ")
                self.one(verb, path, text, *got["response-" + name])
        else:
            self.one(self.command, self.path, body, f"HTTP/1.1 {answer.status}", content)
        self.send_response(answer.status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def one(self, verb, path, body, status, content):
        Proxy.checked += 1
        method = self.check(lambda: check_request(verb, path, body))
        if method:
            if verb in ("POST", "PUT", "PATCH", "DELETE") and "sendUpdates" in method.get("parameters", {}):
                self.check(lambda: told_nobody(path))
            self.check(lambda: check_response(method, int(status.split(" ")[1]), content))

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = pass_on

    def log_message(self, *_):
        pass


def told_nobody(path):
    assert parse_qs(urlsplit(path).query).get("sendUpdates") == ["none"], f"people would be mailed by {path}"


def parts(kind, body):
    """The messages in a multipart body by their content ids: first line and body."""
    boundary = re.search(r'boundary="?([^";]+)', kind)[1].encode()
    found = {}
    for piece in body.split(b"--" + boundary)[1:-1]:
        outer, inner = piece.lstrip(b"\r\n").split(b"\r\n\r\n", 1)
        name = re.search(rb"(?i)content-id:\s*<?([^>\r\n]+)", outer)[1].decode()
        head, _, text = inner.partition(b"\r\n\r\n")
        found[name] = (head.split(b"\r\n")[0].decode(), text.strip())
    return found


def both_ways(service, command):
    """What the client writes calsync reads, and the other way round."""
    events = service.events()
    weekly = timed("client weekly", 4, 5, id="client00", recurrence=["RRULE:FREQ=WEEKLY;COUNT=5", "EXDATE;TZID=Europe/Berlin:20260511T090000"])
    events.insert(calendarId="primary", body=weekly).execute()
    events.patch(calendarId="primary", eventId="client00_20260518T070000Z", body={"summary": "client moved"}).execute()
    events.delete(calendarId="primary", eventId="client00_20260525T070000Z").execute()
    days = {"summary": "client day", "start": {"date": "2026-05-04"}, "end": {"date": "2026-05-06"}}
    events.insert(calendarId="primary", body=days).execute()
    rich = timed(
        "client rich", 5, 5, id="client01", attendees=[{"email": "ben@example.com", "comment": "late"}],
        reminders={"useDefault": False, "overrides": [{"method": "popup", "minutes": 0}, {"method": "email", "minutes": 60}]},
        extendedProperties={"private": {"mine": "kept"}}, colorId="2",
    )
    events.insert(calendarId="primary", body=rich).execute()

    proxy = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{proxy.server_port}/"
    subprocess.run(command, check=True, env=os.environ | {"CALSYNC_TEST_GOOGLE": url, "CALSYNC_TEST_GOOGLE_TOKEN": TOKEN})
    proxy.shutdown()
    assert not Proxy.violations, Proxy.violations[:5]
    assert Proxy.checked > 40, f"only {Proxy.checked} requests went through the proxy"

    rows, _ = everything(events, singleEvents=True, orderBy="startTime", timeMin="2026-05-06T00:00:00Z", timeMax="2026-05-16T00:00:00Z")
    shown = [(row["summary"], row["start"].get("dateTime", row["start"].get("date"))) for row in rows if "client" not in row["summary"]]
    single = [row for row in shown if "batch" not in row[0]]
    at = lambda day, hour: f"2026-05-{day:02}T{hour:02}:00:00+02:00"
    assert single == [
        ("calsync one", at(6, 9)), ("calsync series", at(7, 9)), ("calsync moved", at(9, 15)), ("calsync moved", at(11, 20)),
        ("calsync series", at(12, 9)), ("calsync days", "2026-05-13"),
    ], single
    assert len(shown) - len(single) == 20
    one = next(row for row in rows if row["summary"] == "calsync one")
    assert one["location"] == "Room 1" and one["reminders"]["overrides"] == [{"method": "popup", "minutes": 15}]
    kept = events.get(calendarId="primary", eventId="client01").execute()
    assert kept["summary"] == "client rich edited" and kept["attendees"][0]["comment"] == "late"
    assert kept["extendedProperties"]["private"] == {"mine": "kept"} and kept["colorId"] == "2"
    print(f"google-server: {Proxy.checked} requests by calsync, every body as Google's schema has it")


def main():
    service = client()
    events = service.events()

    # Calendars.
    listed = service.calendarList().list().execute()["items"]
    assert [entry["id"] for entry in listed if entry.get("primary")] == ["ann@example.com"]
    made = service.calendars().insert(body={"summary": "Team", "timeZone": "Europe/Berlin"}).execute()
    assert service.calendars().get(calendarId=made["id"]).execute()["summary"] == "Team"
    assert "1" in service.colors().get().execute()["event"]
    try:
        client("wrong").calendarList().list().execute()
        raise AssertionError("any token is accepted")
    except RefreshError:
        pass  # What the client makes of a 401 that it cannot mend.

    # A client's own id; the same again is refused; ids of another alphabet, too.
    first = events.insert(calendarId="primary", body=timed("one", 2, id="abc01"), sendUpdates="none").execute()
    assert (first["id"], first["status"], first["iCalUID"]) == ("abc01", "confirmed", "abc01@google.com")
    assert reason(events.insert(calendarId="primary", body=timed("one", 2, id="abc01")), 409) == "duplicate"
    assert reason(events.insert(calendarId="primary", body=timed("one", 2, id="xyz_!")), 400) == "invalid"
    backwards = timed("x", 2)
    backwards["start"], backwards["end"] = backwards["end"], backwards["start"]
    assert reason(events.insert(calendarId="primary", body=backwards), 400) == "timeRangeEmpty"

    # Tags.
    stale = first["etag"]
    patched = events.patch(calendarId="primary", eventId="abc01", body={"location": "here"}).execute()
    assert patched["etag"] != stale and patched["summary"] == "one"
    call = events.update(calendarId="primary", eventId="abc01", body=timed("two", 2))
    call.headers["If-Match"] = stale
    assert reason(call, 412) == "conditionNotMet"
    call.headers["If-Match"] = patched["etag"]
    put = call.execute()
    assert put["summary"] == "two" and "location" not in put
    read = events.get(calendarId="primary", eventId="abc01")
    read.headers["If-None-Match"] = put["etag"]
    try:
        read.execute()
        raise AssertionError("no 304")
    except HttpError as error:
        assert error.resp.status == 304

    # Reminders leave the time of the last change alone.
    reminders = {"reminders": {"useDefault": False, "overrides": [{"method": "popup", "minutes": 0}]}}
    assert events.patch(calendarId="primary", eventId="abc01", body=reminders).execute()["updated"] == put["updated"]

    # Pages and tokens.
    for day in range(1, 8):
        events.insert(calendarId="primary", body=timed(f"day {day}", day)).execute()
    rows, token = everything(events, maxResults=3, showDeleted=True)
    assert len(rows) == 8 and token
    assert everything(events, maxResults=3, showDeleted=True, syncToken=token)[0] == []
    events.delete(calendarId="primary", eventId="abc01", sendUpdates="none").execute()
    rows, token = everything(events, maxResults=3, showDeleted=True, syncToken=token)
    assert [(row["id"], row["status"]) for row in rows] == [("abc01", "cancelled")]
    assert reason(events.delete(calendarId="primary", eventId="abc01"), 410) == "deleted"
    forbidden = events.list(calendarId="primary", maxResults=3, showDeleted=True, syncToken=token, q="x")
    assert reason(forbidden, 400) == "syncTokenWithRequestRestrictions"
    assert reason(events.list(calendarId="primary", syncToken="nonsense"), 410) == "fullSyncRequired"

    # Series, instances, exceptions.
    series = events.insert(
        calendarId="primary",
        body=timed("weekly", 2, id="series1", recurrence=["RRULE:FREQ=WEEKLY;COUNT=4", "EXDATE:20260316T080000Z"]),
    ).execute()
    found = events.instances(calendarId="primary", eventId="series1").execute()["items"]
    assert [row["id"] for row in found] == [f"series1_202603{day:02}T080000Z" for day in (2, 9, 23)]
    one = events.instances(calendarId="primary", eventId="series1", originalStart="2026-03-09T08:00:00Z").execute()
    instance = one["items"][0]
    changed = events.patch(calendarId="primary", eventId=instance["id"], body={"summary": "moved"}).execute()
    assert changed["recurringEventId"] == "series1" and "recurrence" not in changed
    events.delete(calendarId="primary", eventId="series1_20260323T080000Z").execute()
    rows, token = everything(events, maxResults=3, showDeleted=True, syncToken=token)
    assert {row["id"] for row in rows} == {"series1", instance["id"], "series1_20260323T080000Z"}
    bare = next(row for row in rows if row["status"] == "cancelled")
    assert {"id", "recurringEventId", "originalStartTime"} <= set(bare)
    expanded, _ = everything(
        events, singleEvents=True, orderBy="startTime", timeMin="2026-03-08T00:00:00Z", timeMax="2026-04-01T00:00:00Z"
    )
    assert [row["summary"] for row in expanded] == ["moved"]
    assert series["sequence"] == 0

    # Many in one: answers by their ids, a failure for one part only.
    answers = {}
    batch = service.new_batch_http_request(callback=lambda name, answer, error: answers.update({name: (answer, error)}))
    for number in range(20):
        body = timed(f"batch {number}", 10, id="series1" if number == 7 else f"batch{number:02}")
        batch.add(events.insert(calendarId="primary", body=body), request_id=f"n{number}")
    batch.execute()
    failed = [name for name, (_, error) in answers.items() if error]
    assert failed == ["n7"] and answers["n7"][1].resp.status == 409, failed
    assert answers["n3"][0]["summary"] == "batch 3"

    # Channels and busy times.
    body = {"id": "channel-1", "type": "web_hook", "address": "https://host.example/hook", "token": "t"}
    channel = events.watch(calendarId="primary", body=body).execute()
    assert int(channel["expiration"]) > 0
    assert reason(events.watch(calendarId="primary", body=body), 400) == "channelIdNotUnique"
    stop = {"id": "channel-1", "resourceId": channel["resourceId"]}
    service.channels().stop(body=stop).execute()
    assert reason(service.channels().stop(body=stop), 404) == "notFound"
    query = {"timeMin": "2026-03-01T00:00:00Z", "timeMax": "2026-03-09T00:00:00Z", "items": [{"id": "ann@example.com"}, {"id": "x"}]}
    busy = service.freebusy().query(body=query).execute()["calendars"]
    assert len(busy["ann@example.com"]["busy"]) >= 7 and busy["x"]["errors"][0]["reason"] == "notFound"

    # An import is known by its UID.
    imported = timed("imported", 12, iCalUID="u@example.com", organizer={"email": "boss@example.com"})
    a = events.import_(calendarId="primary", body=imported).execute()
    b = events.import_(calendarId="primary", body=imported).execute()
    assert a["id"] == b["id"] and a["organizer"]["email"] == "boss@example.com"

    print(f"google-server: {COUNTS['requests']} requests by Google's client, every body as Google's schema has it")
    if "--" in sys.argv:
        both_ways(service, sys.argv[sys.argv.index("--") + 1 :])


main()
