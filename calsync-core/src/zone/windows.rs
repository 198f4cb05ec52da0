//! The names Windows, Outlook and Exchange give to time zones, and the zones of the IANA database for them.
//!
//! The pairs are those of the Unicode CLDR (`windowsZones.xml`, territory 001), with the present spelling where
//! the CLDR keeps a former one (`Asia/Kolkata` for `Asia/Calcutta`). The way back is many to one:
//! `Europe/Madrid` becomes `Romance Standard Time`, and that becomes `Europe/Paris`.

use std::str::FromStr;

use super::Tz;

use super::territories::TERRITORY_ZONES;

/// The zone of a Windows name such as `W. Europe Standard Time`, in any case.
///
/// `Customized Time Zone` and the display names of [`from_display_name`] are not among these.
pub fn to_iana(name: &str) -> Option<Tz> {
    let exact = WINDOWS_ZONES.binary_search_by(|row| row.0.cmp(name)).ok();
    let row = exact.or_else(|| WINDOWS_ZONES.iter().position(|row| row.0.eq_ignore_ascii_case(name)))?;
    zone_of(WINDOWS_ZONES.get(row)?.1)
}

/// The Windows name for a zone, or `None` when Windows has no zone with its rules (`Antarctica/Troll`).
pub fn from_iana(tz: Tz) -> Option<&'static str> {
    let name = tz.name();
    if let Ok(at) = TERRITORY_ZONES.binary_search_by(|pair| pair.0.cmp(name)) {
        return TERRITORY_ZONES.get(at).map(|pair| pair.1);
    }
    WINDOWS_ZONES.iter().find(|row| row.1 == name).map(|row| row.0)
}

/// The zone of a name as a person sees it on Windows, present or former, without the offset in front:
/// `Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna`. Case does not matter, nor whether commas or slashes part
/// the cities.
pub fn from_display_name(name: &str) -> Option<Tz> {
    let same = |display: &str| letters(display).eq(letters(name));
    let present = WINDOWS_ZONES.iter().find(|row| same(row.2)).map(|row| row.1);
    present
        .or_else(|| FORMER_DISPLAY_NAMES.iter().find(|pair| same(pair.0)).map(|pair| pair.1))
        .and_then(zone_of)
}

/// The zones Windows names stand for, in the order of these names.
pub(super) fn zones() -> impl Iterator<Item = Tz> {
    WINDOWS_ZONES.iter().filter_map(|row| zone_of(row.1))
}

/// A database compiled in may be older than the table and lack a zone.
fn zone_of(name: &str) -> Option<Tz> {
    Tz::from_str(name).ok()
}

/// The letters of a display name in lower case, with one blank for what stands between words.
fn letters(name: &str) -> impl Iterator<Item = char> {
    let words = name.split([' ', ',', '/', ':', ';']).filter(|word| !word.is_empty());
    words.flat_map(|word| word.chars().chain([' '])).flat_map(char::to_lowercase)
}

/// Windows name, IANA name, display name without its offset; sorted by the first.
#[rustfmt::skip]
const WINDOWS_ZONES: &[(&str, &str, &str)] = &[
    ("AUS Central Standard Time", "Australia/Darwin", "Darwin"),
    ("AUS Eastern Standard Time", "Australia/Sydney", "Canberra, Melbourne, Sydney"),
    ("Afghanistan Standard Time", "Asia/Kabul", "Kabul"),
    ("Alaskan Standard Time", "America/Anchorage", "Alaska"),
    ("Alberta Standard Time", "America/Edmonton", "Alberta"),
    ("Aleutian Standard Time", "America/Adak", "Aleutian Islands"),
    ("Altai Standard Time", "Asia/Barnaul", "Barnaul, Gorno-Altaysk"),
    ("Arab Standard Time", "Asia/Riyadh", "Kuwait, Riyadh"),
    ("Arabian Standard Time", "Asia/Dubai", "Abu Dhabi, Muscat"),
    ("Arabic Standard Time", "Asia/Baghdad", "Baghdad"),
    ("Argentina Standard Time", "America/Argentina/Buenos_Aires", "City of Buenos Aires"),
    ("Astrakhan Standard Time", "Europe/Astrakhan", "Astrakhan, Ulyanovsk"),
    ("Atlantic Standard Time", "America/Halifax", "Atlantic Time (Canada)"),
    ("Aus Central W. Standard Time", "Australia/Eucla", "Eucla"),
    ("Azerbaijan Standard Time", "Asia/Baku", "Baku"),
    ("Azores Standard Time", "Atlantic/Azores", "Azores"),
    ("Bahia Standard Time", "America/Bahia", "Salvador"),
    ("Bangladesh Standard Time", "Asia/Dhaka", "Dhaka"),
    ("Belarus Standard Time", "Europe/Minsk", "Minsk"),
    ("Bougainville Standard Time", "Pacific/Bougainville", "Bougainville Island"),
    ("British Columbia Standard Time", "America/Vancouver", "British Columbia"),
    ("Canada Central Standard Time", "America/Regina", "Saskatchewan"),
    ("Cape Verde Standard Time", "Atlantic/Cape_Verde", "Cabo Verde Is."),
    ("Caucasus Standard Time", "Asia/Yerevan", "Yerevan"),
    ("Cen. Australia Standard Time", "Australia/Adelaide", "Adelaide"),
    ("Central America Standard Time", "America/Guatemala", "Central America"),
    ("Central Asia Standard Time", "Asia/Bishkek", "Bishkek"),
    ("Central Brazilian Standard Time", "America/Cuiaba", "Cuiaba"),
    ("Central Europe Standard Time", "Europe/Budapest", "Belgrade, Bratislava, Budapest, Ljubljana, Prague"),
    ("Central European Standard Time", "Europe/Warsaw", "Sarajevo, Skopje, Warsaw, Zagreb"),
    ("Central Pacific Standard Time", "Pacific/Guadalcanal", "Solomon Is., New Caledonia"),
    ("Central Standard Time", "America/Chicago", "Central Time (US & Canada)"),
    ("Central Standard Time (Mexico)", "America/Mexico_City", "Guadalajara, Mexico City, Monterrey"),
    ("Chatham Islands Standard Time", "Pacific/Chatham", "Chatham Islands"),
    ("China Standard Time", "Asia/Shanghai", "Beijing, Chongqing, Hong Kong, Urumqi"),
    ("Cuba Standard Time", "America/Havana", "Havana"),
    ("Dateline Standard Time", "Etc/GMT+12", "International Date Line West"),
    ("E. Africa Standard Time", "Africa/Nairobi", "Nairobi"),
    ("E. Australia Standard Time", "Australia/Brisbane", "Brisbane"),
    ("E. Europe Standard Time", "Europe/Chisinau", "Chisinau"),
    ("E. South America Standard Time", "America/Sao_Paulo", "Brasilia"),
    ("Easter Island Standard Time", "Pacific/Easter", "Easter Island"),
    ("Eastern Standard Time", "America/New_York", "Eastern Time (US & Canada)"),
    ("Eastern Standard Time (Mexico)", "America/Cancun", "Chetumal"),
    ("Egypt Standard Time", "Africa/Cairo", "Cairo"),
    ("Ekaterinburg Standard Time", "Asia/Yekaterinburg", "Ekaterinburg"),
    ("FLE Standard Time", "Europe/Kyiv", "Helsinki, Kyiv, Riga, Sofia, Tallinn, Vilnius"),
    ("Fiji Standard Time", "Pacific/Fiji", "Fiji"),
    ("GMT Standard Time", "Europe/London", "Dublin, Edinburgh, Lisbon, London"),
    ("GTB Standard Time", "Europe/Bucharest", "Athens, Bucharest"),
    ("Georgian Standard Time", "Asia/Tbilisi", "Tbilisi"),
    ("Greenland Standard Time", "America/Nuuk", "Greenland"),
    ("Greenwich Standard Time", "Atlantic/Reykjavik", "Monrovia, Reykjavik"),
    ("Haiti Standard Time", "America/Port-au-Prince", "Haiti"),
    ("Hawaiian Standard Time", "Pacific/Honolulu", "Hawaii"),
    ("India Standard Time", "Asia/Kolkata", "Chennai, Kolkata, Mumbai, New Delhi"),
    ("Iran Standard Time", "Asia/Tehran", "Tehran"),
    ("Israel Standard Time", "Asia/Jerusalem", "Jerusalem"),
    ("Jordan Standard Time", "Asia/Amman", "Amman"),
    ("Kaliningrad Standard Time", "Europe/Kaliningrad", "Kaliningrad"),
    ("Korea Standard Time", "Asia/Seoul", "Seoul"),
    ("Libya Standard Time", "Africa/Tripoli", "Tripoli"),
    ("Line Islands Standard Time", "Pacific/Kiritimati", "Kiritimati Island"),
    ("Lord Howe Standard Time", "Australia/Lord_Howe", "Lord Howe Island"),
    ("Magadan Standard Time", "Asia/Magadan", "Magadan"),
    ("Magallanes Standard Time", "America/Punta_Arenas", "Punta Arenas"),
    ("Manitoba Standard Time", "America/Winnipeg", "Manitoba"),
    ("Marquesas Standard Time", "Pacific/Marquesas", "Marquesas Islands"),
    ("Mauritius Standard Time", "Indian/Mauritius", "Port Louis"),
    ("Middle East Standard Time", "Asia/Beirut", "Beirut"),
    ("Montevideo Standard Time", "America/Montevideo", "Montevideo"),
    ("Morocco Standard Time", "Africa/Casablanca", "Casablanca"),
    ("Mountain Standard Time", "America/Denver", "Mountain Time (US & Canada)"),
    ("Mountain Standard Time (Mexico)", "America/Mazatlan", "La Paz, Mazatlan"),
    ("Myanmar Standard Time", "Asia/Yangon", "Yangon (Rangoon)"),
    ("N. Central Asia Standard Time", "Asia/Novosibirsk", "Novosibirsk"),
    ("Namibia Standard Time", "Africa/Windhoek", "Windhoek"),
    ("Nepal Standard Time", "Asia/Kathmandu", "Kathmandu"),
    ("New Zealand Standard Time", "Pacific/Auckland", "Auckland, Wellington"),
    ("Newfoundland Standard Time", "America/St_Johns", "Newfoundland"),
    ("Norfolk Standard Time", "Pacific/Norfolk", "Norfolk Island"),
    ("North Asia East Standard Time", "Asia/Irkutsk", "Irkutsk"),
    ("North Asia Standard Time", "Asia/Krasnoyarsk", "Krasnoyarsk"),
    ("North Korea Standard Time", "Asia/Pyongyang", "Pyongyang"),
    ("Omsk Standard Time", "Asia/Omsk", "Omsk"),
    ("Pacific SA Standard Time", "America/Santiago", "Santiago"),
    ("Pacific Standard Time", "America/Los_Angeles", "Pacific Time (US & Canada)"),
    ("Pacific Standard Time (Mexico)", "America/Tijuana", "Baja California"),
    ("Pakistan Standard Time", "Asia/Karachi", "Islamabad, Karachi"),
    ("Paraguay Standard Time", "America/Asuncion", "Asuncion"),
    ("Qyzylorda Standard Time", "Asia/Qyzylorda", "Qyzylorda"),
    ("Romance Standard Time", "Europe/Paris", "Brussels, Copenhagen, Madrid, Paris"),
    ("Russia Time Zone 10", "Asia/Srednekolymsk", "Chokurdakh"),
    ("Russia Time Zone 11", "Asia/Kamchatka", "Anadyr, Petropavlovsk-Kamchatsky"),
    ("Russia Time Zone 3", "Europe/Samara", "Izhevsk, Samara"),
    ("Russian Standard Time", "Europe/Moscow", "Moscow, St. Petersburg"),
    ("SA Eastern Standard Time", "America/Cayenne", "Cayenne, Fortaleza"),
    ("SA Pacific Standard Time", "America/Bogota", "Bogota, Lima, Quito, Rio Branco"),
    ("SA Western Standard Time", "America/La_Paz", "Georgetown, La Paz, Manaus, San Juan"),
    ("SE Asia Standard Time", "Asia/Bangkok", "Bangkok, Hanoi, Jakarta"),
    ("Saint Pierre Standard Time", "America/Miquelon", "Saint Pierre and Miquelon"),
    ("Sakhalin Standard Time", "Asia/Sakhalin", "Sakhalin"),
    ("Samoa Standard Time", "Pacific/Apia", "Samoa"),
    ("Sao Tome Standard Time", "Africa/Sao_Tome", "Sao Tome"),
    ("Saratov Standard Time", "Europe/Saratov", "Saratov"),
    ("Singapore Standard Time", "Asia/Singapore", "Kuala Lumpur, Singapore"),
    ("South Africa Standard Time", "Africa/Johannesburg", "Harare, Pretoria"),
    ("South Sudan Standard Time", "Africa/Juba", "Juba"),
    ("Sri Lanka Standard Time", "Asia/Colombo", "Sri Jayawardenepura"),
    ("Sudan Standard Time", "Africa/Khartoum", "Khartoum"),
    ("Syria Standard Time", "Asia/Damascus", "Damascus"),
    ("Taipei Standard Time", "Asia/Taipei", "Taipei"),
    ("Tasmania Standard Time", "Australia/Hobart", "Hobart"),
    ("Tocantins Standard Time", "America/Araguaina", "Araguaina"),
    ("Tokyo Standard Time", "Asia/Tokyo", "Osaka, Sapporo, Tokyo"),
    ("Tomsk Standard Time", "Asia/Tomsk", "Tomsk"),
    ("Tonga Standard Time", "Pacific/Tongatapu", "Nuku'alofa"),
    ("Transbaikal Standard Time", "Asia/Chita", "Chita"),
    ("Turkey Standard Time", "Europe/Istanbul", "Istanbul"),
    ("Turks And Caicos Standard Time", "America/Grand_Turk", "Turks and Caicos"),
    ("US Eastern Standard Time", "America/Indiana/Indianapolis", "Indiana (East)"),
    ("US Mountain Standard Time", "America/Phoenix", "Arizona"),
    ("UTC", "Etc/UTC", "Coordinated Universal Time"),
    ("UTC+12", "Etc/GMT-12", "Coordinated Universal Time+12"),
    ("UTC+13", "Etc/GMT-13", "Coordinated Universal Time+13"),
    ("UTC-02", "Etc/GMT+2", "Coordinated Universal Time-02"),
    ("UTC-08", "Etc/GMT+8", "Coordinated Universal Time-08"),
    ("UTC-09", "Etc/GMT+9", "Coordinated Universal Time-09"),
    ("UTC-11", "Etc/GMT+11", "Coordinated Universal Time-11"),
    ("Ulaanbaatar Standard Time", "Asia/Ulaanbaatar", "Ulaanbaatar"),
    ("Venezuela Standard Time", "America/Caracas", "Caracas"),
    ("Vladivostok Standard Time", "Asia/Vladivostok", "Vladivostok"),
    ("Volgograd Standard Time", "Europe/Volgograd", "Volgograd"),
    ("W. Australia Standard Time", "Australia/Perth", "Perth"),
    ("W. Central Africa Standard Time", "Africa/Lagos", "West Central Africa"),
    ("W. Europe Standard Time", "Europe/Berlin", "Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna"),
    ("W. Mongolia Standard Time", "Asia/Hovd", "Hovd"),
    ("West Asia Standard Time", "Asia/Tashkent", "Ashgabat, Tashkent"),
    ("West Bank Standard Time", "Asia/Hebron", "Gaza, Hebron"),
    ("West Pacific Standard Time", "Pacific/Port_Moresby", "Guam, Port Moresby"),
    ("Yakutsk Standard Time", "Asia/Yakutsk", "Yakutsk"),
    ("Yukon Standard Time", "America/Whitehorse", "Yukon"),];

/// Display names of Windows and Exchange versions of the past, and the zones they stood for.
#[rustfmt::skip]
const FORMER_DISPLAY_NAMES: &[(&str, &str)] = &[
    ("Abu Dhabi, Muscat, Baku, Tbilisi", "Asia/Dubai"),
    ("Almaty, Novosibirsk", "Asia/Novosibirsk"),
    ("Almaty, Dhaka", "Asia/Dhaka"),
    ("Arab, Kuwait, Riyadh", "Asia/Riyadh"),
    ("Astana", "Asia/Almaty"),
    ("Astana, Dhaka", "Asia/Dhaka"),
    ("Athens, Bucharest, Istanbul", "Europe/Athens"),
    ("Athens, Istanbul, Minsk", "Europe/Athens"),
    ("Auckland, Wellington, Fiji", "Pacific/Auckland"),
    ("Baghdad, Kuwait, Riyadh", "Asia/Baghdad"),
    ("Baku, Tbilisi, Yerevan", "Asia/Baku"),
    ("Bangkok, Jakarta, Hanoi", "Asia/Bangkok"),
    ("Beijing, Chongqing, Hong Kong SAR, Urumqi", "Asia/Shanghai"),
    ("Belgrade, Pozsony, Budapest, Ljubljana, Prague", "Europe/Budapest"),
    ("Belgrade, Sarajevo, Bratislava, Budapest, Ljubljana, Prague, Skopje, Warsaw, Zagreb", "Europe/Budapest"),
    ("Berlin, Stockholm, Rome, Bern, Brussels, Vienna", "Europe/Berlin"),
    ("Bogota, Lima, Quito", "America/Bogota"),
    ("Brussels, Copenhagen, Madrid, Paris, Vilnius", "Europe/Paris"),
    ("Bucharest", "Europe/Bucharest"),
    ("Buenos Aires", "America/Argentina/Buenos_Aires"),
    ("Buenos Aires, Georgetown", "America/Argentina/Buenos_Aires"),
    ("Cairo, Egypt", "Africa/Cairo"),
    ("Cape Verde Is.", "Atlantic/Cape_Verde"),
    ("Caracas, La Paz", "America/La_Paz"),
    ("Casablanca, Monrovia", "Atlantic/Reykjavik"),
    ("Casablanca, Monrovia, Reykjavik", "Atlantic/Reykjavik"),
    ("Caucasus Standard Time", "Asia/Yerevan"),
    ("Chihuahua, La Paz, Mazatlan", "America/Mazatlan"),
    ("Darwin, Australia", "Australia/Darwin"),
    ("E. Europe", "Europe/Chisinau"),
    ("Eniwetok, Kwajalein, Dateline Time", "Etc/GMT+12"),
    ("Fiji, Kamchatka, Marshall Is.", "Pacific/Fiji"),
    ("Fiji Islands, Kamchatka, Marshall Is.", "Pacific/Fiji"),
    ("Fiji, Marshall Is.", "Pacific/Fiji"),
    ("Georgetown, La Paz, San Juan", "America/La_Paz"),
    ("Greenwich Mean Time", "Europe/London"),
    ("Greenwich Mean Time : Dublin, Edinburgh, Lisbon, London", "Europe/London"),
    ("Greenwich Mean Time; Dublin, Edinburgh, London", "Europe/London"),
    ("Guadalajara, Mexico City, Monterrey - New", "America/Mexico_City"),
    ("Guadalajara, Mexico City, Monterrey - Old", "America/Mexico_City"),
    ("Harare, Pretoria, Jerusalem", "Africa/Johannesburg"),
    ("Helsinki, Kiev, Riga, Sofia, Tallinn, Vilnius", "Europe/Kyiv"),
    ("Helsinki, Riga, Tallinn", "Europe/Kyiv"),
    ("Hobart, Tasmania", "Australia/Hobart"),
    ("Irkutsk, Ulaan Bataar", "Asia/Irkutsk"),
    ("Islamabad, Karachi, Tashkent", "Asia/Karachi"),
    ("Israel, Jerusalem Standard Time", "Asia/Jerusalem"),
    ("Kamchatka", "Asia/Kamchatka"),
    ("Kathmandu, Nepal", "Asia/Kathmandu"),
    ("Krasnoyarsk", "Asia/Krasnoyarsk"),
    ("Magadan, Solomon Is., New Caledonia", "Pacific/Guadalcanal"),
    ("Manaus", "America/Cuiaba"),
    ("Mexico City, Tegucigalpa", "America/Mexico_City"),
    ("Midway Island, Samoa", "Pacific/Pago_Pago"),
    ("Minsk", "Europe/Minsk"),
    ("Moscow, St. Petersburg, Volgograd", "Europe/Moscow"),
    ("Mumbai, Kolkata, Chennai, New Delhi", "Asia/Kolkata"),
    ("Bombay, Calcutta, Madras, New Delhi, India Standard Time", "Asia/Kolkata"),
    ("Nuku'alofa, Tonga", "Pacific/Tongatapu"),
    ("Osaka, Sapporo, Tokyo, Seoul", "Asia/Tokyo"),
    ("Pacific Time (US & Canada); Tijuana", "America/Los_Angeles"),
    ("Petropavlovsk-Kamchatsky - Old", "Asia/Kamchatka"),
    ("Prague, Central Europe", "Europe/Budapest"),
    ("Rangoon", "Asia/Yangon"),
    ("Santiago", "America/Santiago"),
    ("Sarajevo, Skopje, Sofia, Vilnius, Warsaw, Zagreb", "Europe/Warsaw"),
    ("Seoul, Korea Standard time", "Asia/Seoul"),
    ("Sri Jayawardenepura, Sri Lanka", "Asia/Colombo"),
    ("Tijuana, Baja California", "America/Tijuana"),
    ("Tijuana, Baja California (US & Canada)", "America/Tijuana"),
    ("Volgograd", "Europe/Volgograd"),
    ("Universal Coordinated Time", "Etc/UTC"),
    ("Universal Time, Coordinated", "Etc/UTC"),
    ("Vladivostok", "Asia/Vladivostok"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_in_order_and_of_the_database() {
        assert!(WINDOWS_ZONES.is_sorted_by(|a, b| a.0 < b.0));
        assert!(TERRITORY_ZONES.is_sorted_by(|a, b| a.0 < b.0));
        assert_eq!(WINDOWS_ZONES.len(), 142);
        for row in WINDOWS_ZONES {
            let tz = to_iana(row.0).unwrap_or_else(|| panic!("{}", row.0));
            assert_eq!(from_iana(tz), Some(row.0));
            assert_eq!(from_display_name(row.2), Some(tz), "{}", row.2);
        }
        for (iana, windows) in TERRITORY_ZONES {
            assert!(to_iana(windows).is_some(), "{windows}");
            assert!(!WINDOWS_ZONES.iter().any(|row| row.1 == *iana), "{iana} is in both tables");
        }
        for (display, iana) in FORMER_DISPLAY_NAMES {
            assert_eq!(from_display_name(display).map(Tz::name), Some(*iana), "{display}");
        }
    }

    #[test]
    fn every_zone_of_the_database_has_a_windows_name_but_one() {
        let without: Vec<_> = Tz::all().filter(|tz| from_iana(*tz).is_none()).map(Tz::name).collect();
        assert_eq!(without, ["Antarctica/Troll"]);
    }

    #[test]
    fn several_zones_share_a_windows_name() {
        for (iana, windows) in [
            ("Europe/Madrid", "Romance Standard Time"),
            ("Asia/Kolkata", "India Standard Time"),
            ("Asia/Calcutta", "India Standard Time"),
            ("Etc/UTC", "UTC"),
            ("UTC", "UTC"),
            ("America/Toronto", "Eastern Standard Time"),
        ] {
            assert_eq!(Tz::from_str(iana).ok().and_then(from_iana), Some(windows), "{iana}");
        }
    }

    #[test]
    fn case_and_separators_of_names_do_not_matter() {
        assert_eq!(to_iana("romance standard TIME"), Tz::from_str("Europe/Paris").ok());
        assert_eq!(
            from_display_name("Amsterdam / Berlin / Bern / Rome / Stockholm / Vienna"),
            Tz::from_str("Europe/Berlin").ok()
        );
        assert_eq!(to_iana("Customized Time Zone"), None);
        assert_eq!(from_display_name(""), None);
    }
}
