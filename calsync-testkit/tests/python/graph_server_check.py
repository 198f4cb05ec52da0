#!/usr/bin/env python3
"""Drives the Microsoft Graph emulator with Microsoft's own client and with O365: independent readers of what it answers.

usage: graph_server_check.py URL TOKEN write|read, the URL as printed by the emulator (ending in /v1.0/)

Needs the PyPI packages msgraph-sdk and O365, and no network beyond this machine. `write` leaves one series
made by msgraph-sdk and one event made by O365 behind, for a reader that comes after it; `read` reads what calsync has
made of them and added.
"""
import asyncio
import datetime as dt
import sys
import uuid
import zoneinfo

from kiota_abstractions.api_error import APIError
from kiota_abstractions.authentication import AnonymousAuthenticationProvider
from kiota_abstractions.base_request_configuration import RequestConfiguration
from kiota_abstractions.headers_collection import HeadersCollection
from msgraph import GraphRequestAdapter, GraphServiceClient
from msgraph_core.requests.batch_request_builder import BatchRequestBuilder
from msgraph_core.requests.batch_request_content import BatchRequestContent
from msgraph_core.requests.batch_request_item import BatchRequestItem
from msgraph.generated.models.date_time_time_zone import DateTimeTimeZone
from msgraph.generated.models.day_of_week import DayOfWeek
from msgraph.generated.models.event import Event
from msgraph.generated.models.event_type import EventType
from msgraph.generated.models.item_body import ItemBody
from msgraph.generated.models.body_type import BodyType
from msgraph.generated.models.patterned_recurrence import PatternedRecurrence
from msgraph.generated.models.recurrence_pattern import RecurrencePattern
from msgraph.generated.models.recurrence_pattern_type import RecurrencePatternType
from msgraph.generated.models.recurrence_range import RecurrenceRange
from msgraph.generated.models.recurrence_range_type import RecurrenceRangeType
from msgraph.generated.models.free_busy_status import FreeBusyStatus
from msgraph.generated.users.item.calendars.item.calendar_view.delta.delta_request_builder import (
    DeltaRequestBuilder,
)
from msgraph.generated.users.item.events.item.event_item_request_builder import EventItemRequestBuilder
from msgraph.generated.users.item.events.item.instances.instances_request_builder import InstancesRequestBuilder
from msgraph.generated.users.item.calendar.get_schedule.get_schedule_post_request_body import (
    GetSchedulePostRequestBody,
)

ROMANCE = "Romance Standard Time"


class Bearer(AnonymousAuthenticationProvider):
    def __init__(self, token):
        self.token = token

    async def authenticate_request(self, request, additional_authentication_context=None):
        request.headers.add("Authorization", f"Bearer {self.token}")


def graph_client(url, token):
    adapter = GraphRequestAdapter(Bearer(token))
    adapter.base_url = url.rstrip("/")
    return GraphServiceClient(request_adapter=adapter)


def headers(**more):
    collection = HeadersCollection()
    collection.add("Prefer", 'IdType="ImmutableId"')
    for name, value in more.items():
        collection.add(name.replace("_", "-"), value)
    return collection


def at(text, zone="UTC"):
    return DateTimeTimeZone(date_time=text, time_zone=zone)


def weekly(subject):
    return Event(
        subject=subject,
        body=ItemBody(content_type=BodyType.Text, content="one\ntwo <three>"),
        start=at("2026-01-05T09:00:00", ROMANCE),
        end=at("2026-01-05T10:00:00", ROMANCE),
        transaction_id=str(uuid.uuid4()),
        show_as=FreeBusyStatus.Tentative,
        recurrence=PatternedRecurrence(
            pattern=RecurrencePattern(
                type=RecurrencePatternType.Weekly,
                interval=1,
                days_of_week=[DayOfWeek.Monday],
                first_day_of_week=DayOfWeek.Monday,
            ),
            range=RecurrenceRange(
                type=RecurrenceRangeType.Numbered,
                start_date=dt.date(2026, 1, 5),
                number_of_occurrences=5,
                recurrence_time_zone=ROMANCE,
            ),
        ),
    )


async def microsofts_own(url, token):
    graph = graph_client(url, token)
    calendars = (await graph.me.calendars.get()).value
    assert len(calendars) == 1 and calendars[0].can_edit and calendars[0].is_default_calendar
    calendar = graph.me.calendars.by_calendar_id(calendars[0].id)

    # A series, sent twice: one event.
    wanted = weekly("series of msgraph-sdk")
    config = RequestConfiguration(headers=headers())
    made = await calendar.events.post(wanted, request_configuration=config)
    again = await calendar.events.post(wanted, request_configuration=config)
    assert made.id == again.id and made.type == EventType.SeriesMaster, made.type
    assert made.recurrence.range.number_of_occurrences == 5
    assert made.original_start_time_zone == ROMANCE
    assert made.start.time_zone == "UTC" and made.start.date_time.startswith("2026-01-05T08:00:00")
    assert made.body.content_type == BodyType.Html and "two &lt;three&gt;" in made.body.content

    # Instances, one changed, one deleted.
    query = InstancesRequestBuilder.InstancesRequestBuilderGetQueryParameters(
        start_date_time="2026-01-01T00:00:00Z", end_date_time="2026-12-31T00:00:00Z"
    )
    config = RequestConfiguration(query_parameters=query, headers=headers())
    event = graph.me.events.by_event_id(made.id)
    found = (await event.instances.get(request_configuration=config)).value
    assert [row.start.date_time[:10] for row in found] == [
        "2026-01-05", "2026-01-12", "2026-01-19", "2026-01-26", "2026-02-02",
    ]
    assert all(row.type == EventType.Occurrence and row.series_master_id == made.id for row in found)
    config = RequestConfiguration(headers=headers())
    changed = await graph.me.events.by_event_id(found[1].id).patch(Event(subject="other"), request_configuration=config)
    assert changed.type == EventType.Exception and changed.subject == "other"
    await graph.me.events.by_event_id(found[2].id).delete(request_configuration=config)
    query = EventItemRequestBuilder.EventItemRequestBuilderGetQueryParameters(
        select=["subject", "cancelledOccurrences"], expand=["exceptionOccurrences"]
    )
    config = RequestConfiguration(query_parameters=query, headers=headers())
    whole = await event.get(request_configuration=config)
    assert [name.rsplit(".", 1)[1] for name in whole.cancelled_occurrences] == ["2026-01-19"]
    assert [row.subject for row in whole.exception_occurrences] == ["other"]

    # An instance cannot pass its neighbour.
    try:
        await graph.me.events.by_event_id(found[3].id).patch(
            Event(start=at("2026-02-03T09:00:00"), end=at("2026-02-03T10:00:00"))
        )
        raise AssertionError("an instance was moved past its neighbour")
    except APIError as error:
        assert error.response_status_code == 400 and error.error.code == "ErrorOccurrenceCrossingBoundary"

    # A stale version is refused, a current one taken.
    etag = whole.additional_data.get("@odata.etag")
    config = RequestConfiguration(headers=headers(If_Match='W/"old"'))
    try:
        await event.patch(Event(subject="lost"), request_configuration=config)
        raise AssertionError("a stale version was taken")
    except APIError as error:
        assert error.response_status_code == 412, error
    config = RequestConfiguration(headers=headers(If_Match=etag))
    assert (await event.patch(Event(location=None, categories=["Red"]), request_configuration=config)).categories == ["Red"]

    # Changes, page by page, then since.
    query = DeltaRequestBuilder.DeltaRequestBuilderGetQueryParameters(
        start_date_time="2026-01-01T00:00:00Z", end_date_time="2026-12-31T00:00:00Z"
    )
    small = headers()
    small.add("Prefer", "odata.maxpagesize=2")
    config = RequestConfiguration(query_parameters=query, headers=headers(Prefer="odata.maxpagesize=2"))
    builder = calendar.calendar_view.delta
    page = await builder.get(request_configuration=config)
    rows = list(page.value)
    while page.odata_next_link:
        page = await builder.with_url(page.odata_next_link).get(request_configuration=RequestConfiguration(headers=small))
        rows.extend(page.value)
    assert len(rows) == 4, len(rows)
    skeletons = [row for row in rows if row.type == EventType.Occurrence]
    assert len(skeletons) == 3 and all(row.subject is None for row in skeletons)
    link = page.odata_delta_link
    page = await builder.with_url(link).get(request_configuration=RequestConfiguration(headers=headers()))
    assert page.value == [] and page.odata_delta_link
    single = await calendar.events.post(
        Event(subject="single", start=at("2026-03-02T09:00:00"), end=at("2026-03-02T10:00:00")),
        request_configuration=RequestConfiguration(headers=headers()),
    )
    page = await builder.with_url(link).get(request_configuration=RequestConfiguration(headers=headers()))
    assert [row.id for row in page.value] == [single.id]
    link = page.odata_delta_link
    await graph.me.events.by_event_id(single.id).delete()
    page = await builder.with_url(link).get(request_configuration=RequestConfiguration(headers=headers()))
    assert page.value[0].additional_data["@removed"] == {"reason": "deleted"}

    # Writes in one batch, each with its own condition and answer.
    def part(name, info, **more):
        for key, value in more.items():
            info.headers.add(key.replace("_", "-"), value)
        item = BatchRequestItem(info, name)
        # The service takes addresses below its root.
        item.url = item.url.split("/v1.0", 1)[1]
        return item

    wanted = Event(subject="in a batch", start=at("2026-03-03T09:00:00"), end=at("2026-03-03T10:00:00"))
    content = BatchRequestContent()
    for item in (
        part("new", calendar.events.to_post_request_information(wanted)),
        part("bad", calendar.events.to_post_request_information(Event(subject="without a time"))),
        part("stale", event.to_patch_request_information(Event(subject="late")), If_Match='W/"old"'),
        part("none", graph.me.events.by_event_id("nothing").to_delete_request_information()),
        part("read", event.to_get_request_information()),
    ):
        content.add_request(item.id, item)
    batch = BatchRequestBuilder(graph.request_adapter)
    answer = await batch.post(content)
    assert answer.get_response_status_codes() == {
        "new": 201, "bad": 400, "stale": 412, "none": 404, "read": 200,
    }, answer.get_response_status_codes()
    # msgraph-core 1.5.2 loses the bodies of such answers: what was made is found in the calendar.
    events = (await calendar.events.get(request_configuration=RequestConfiguration(headers=headers()))).value
    assert sorted(event.subject for event in events) == ["in a batch", "series of msgraph-sdk"]
    batched = next(event for event in events if event.subject == "in a batch")
    content = BatchRequestContent()
    content.add_request("gone", part("gone", graph.me.events.by_event_id(batched.id).to_delete_request_information()))
    assert (await batch.post(content)).get_response_status_codes() == {"gone": 204}

    # Busy times.
    body = GetSchedulePostRequestBody(
        schedules=["ann@example.com", "nobody@example.com"],
        start_time=at("2026-01-05T00:00:00"), end_time=at("2026-01-06T00:00:00"),
    )
    answer = (await graph.me.calendar.get_schedule.post(body)).value
    assert len(answer[0].schedule_items) == 1 and answer[0].schedule_items[0].status == FreeBusyStatus.Tentative
    assert answer[1].error.response_code == "ErrorMailRecipientNotFound"

    # A wrong token.
    try:
        await graph_client(url, "wrong").me.calendars.get()
        raise AssertionError("a wrong token was taken")
    except APIError as error:
        assert error.response_status_code == 401 and error.error.code == "InvalidAuthenticationToken"


def o365(url, token):
    import requests
    from O365 import Account, MSGraphProtocol
    from O365.connection import Connection

    class Local(Connection):
        def get_session(self, load_token=False):
            session = requests.Session()
            session.headers["Authorization"] = f"Bearer {token}"
            return session

        def _check_delay(self):
            pass

        def oauth_request(self, url, method, **kwargs):
            return self._internal_request(self.get_session(), url, method, **kwargs)

    protocol = MSGraphProtocol(default_resource="me", timezone="UTC")
    protocol.service_url = url
    account = Account(("id", "secret"), protocol=protocol)
    account.con = Local(("id", "secret"))
    schedule = account.schedule()
    schedule.con = account.con
    calendar = schedule.get_default_calendar()
    event = calendar.new_event()
    event.subject = "event of O365"
    event.body = "<p>hello</p>"
    event.location = "Room 1"
    event.start = dt.datetime(2026, 1, 7, 9, 0, tzinfo=zoneinfo.ZoneInfo("UTC"))
    event.end = dt.datetime(2026, 1, 7, 10, 0, tzinfo=zoneinfo.ZoneInfo("UTC"))
    event.remind_before_minutes = 20
    assert event.save(), "O365 could not create"
    event.subject = "event of O365, edited"
    assert event.save(), "O365 could not update"
    names = sorted(found.subject for found in calendar.get_events(limit=50, include_recurring=False))
    assert names == ["event of O365, edited", "series of msgraph-sdk"], names
    gone = calendar.new_event("gone")
    gone.start, gone.end = event.start, event.end
    assert gone.save() and gone.delete()


async def read(url, token):
    graph = graph_client(url, token)
    config = RequestConfiguration(headers=headers())
    events = {event.subject: event for event in (await graph.me.events.get(request_configuration=config)).value}
    assert sorted(events) == ["event of O365, edited", "series of calsync", "series of msgraph-sdk"], sorted(events)
    series = events["series of calsync"]
    assert series.type == EventType.SeriesMaster and series.original_start_time_zone == ROMANCE
    assert series.recurrence.pattern.days_of_week == [DayOfWeek.Monday]
    assert series.recurrence.pattern.first_day_of_week == DayOfWeek.Monday
    assert series.recurrence.range.number_of_occurrences == 4
    assert "from calsync" in series.body.content and series.is_reminder_on is False and not series.attendees
    query = InstancesRequestBuilder.InstancesRequestBuilderGetQueryParameters(
        start_date_time="2026-01-01T00:00:00Z", end_date_time="2026-12-31T00:00:00Z"
    )
    config = RequestConfiguration(query_parameters=query, headers=headers())
    rows = (await graph.me.events.by_event_id(series.id).instances.get(request_configuration=config)).value
    found = [(row.start.date_time[:16], row.subject) for row in rows]
    assert found == [
        ("2026-01-05T08:00", "series of calsync"),
        ("2026-01-13T15:00", "moved by calsync"),
        ("2026-01-26T08:00", "series of calsync"),
    ], found
    assert events["event of O365, edited"].categories == ["edited by calsync"]


def main():
    url, token, what = sys.argv[1:]
    if what == "read":
        asyncio.run(read(url, token))
        print("msgraph-sdk reads calsync: ok")
        return
    asyncio.run(microsofts_own(url, token))
    print("msgraph-sdk: ok")
    o365(url, token)
    print("O365: ok")


if __name__ == "__main__":
    main()
