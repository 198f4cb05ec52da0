//! Calendars.

use serde_json::{Value, json};

use super::{
    request::{Reply, Request},
    state::{CalendarRow, Name, State, text},
};

impl State {
    pub(super) fn default_calendar(&self) -> String {
        let default = self.calendars.iter().find(|(_, calendar)| calendar.default);
        default.map(|(id, _)| id.clone()).unwrap_or_default()
    }

    pub(super) fn holds(&self, name: Name, calendar: &str) -> bool {
        let (Name::Event(number) | Name::Occurrence(number, _)) = name;
        self.events.get(&number).is_some_and(|event| event.calendar == calendar)
    }
}

fn value(state: &State, id: &str, row: &CalendarRow) -> Value {
    json!({
        "id": id, "name": row.name, "color": "auto", "hexColor": "", "changeKey": "ck", "isDefaultCalendar": row.default,
        "canEdit": row.can_edit, "canShare": row.default, "canViewPrivateItems": true, "isRemovable": !row.default,
        "isTallyingResponses": false, "allowedOnlineMeetingProviders": ["teamsForBusiness"],
        "defaultOnlineMeetingProvider": "teamsForBusiness",
        "owner": {"name": state.owner, "address": state.owner},
    })
}

pub(super) fn list(state: &mut State, request: &Request) -> Reply {
    if request.method == "POST" {
        let Some(name) = request.json().and_then(|body| text(&body, "name").map(ToOwned::to_owned)) else {
            return Reply::error(400, "ErrorInvalidRequest", "a calendar needs a name");
        };
        if state.calendars.values().any(|row| row.name == name) {
            return Reply::error(
                409,
                "ErrorFolderExists",
                "A folder with the specified name already exists.",
            );
        }
        let id = format!("AAcal/{}=", state.next());
        let row = CalendarRow { name, default: false, can_edit: true };
        state.calendars.insert(id.clone(), row.clone());
        return Reply::json(201, value(state, &id, &row));
    }
    let rows: Vec<Value> = state.calendars.iter().map(|(id, row)| value(state, id, row)).collect();
    super::events::page(state, request, rows)
}

pub(super) fn one(state: &mut State, request: &Request, id: &str) -> Reply {
    let Some(row) = state.calendars.get(id).cloned() else { return Reply::not_found() };
    match request.method.as_str() {
        "GET" => Reply::json(200, value(state, id, &row)),
        "DELETE" if !row.default => {
            state.calendars.remove(id);
            state.events.retain(|_, event| event.calendar != id);
            Reply::empty(204)
        }
        _ => Reply::error(400, "ErrorInvalidRequest", "not served"),
    }
}
