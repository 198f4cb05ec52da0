//! Quirks as products have them, measured or reported in 2026. Approximations: what has no switch is left out.

use super::quirks::Quirks;
use super::switch::{
    Anonymous, AnswerToken, BadBody, BriefItems, ChunkedPut, ClientLimit, CollectionSlash, Compression,
    DeleteMissing, ErrorBody, EtagProperty, Etags, EventEnd, HomeListing, HrefEncoding, HrefForm, IfMatch,
    IfMatchAny, IfNoneMatch, IllegalCharacters, InitialSync, MultigetEmpty, MultigetMissing, MultigetOrder,
    PrincipalDepth, Privileges, PropertyEdits, PutBody, PutEtag, PutName, QueryDepth, Racing, SelfEntry,
    SyncData, SyncSupport, TokenForm, TokenProperty, UidConflict, UnknownToken, WellKnown, XmlLayout,
    XmlPrefixes, XmlQuotes, XmlReturns, XmlStyle, XmlText,
};

impl Quirks {
    /// All products with their names, for tests that must pass on each.
    pub fn products() -> Vec<(&'static str, Self)> {
        vec![
            ("radicale", Self::radicale()),
            ("xandikos", Self::xandikos()),
            ("sabre", Self::sabre()),
            ("nextcloud", Self::nextcloud()),
            ("cyrus", Self::cyrus()),
            ("davical", Self::davical()),
            ("sogo", Self::sogo()),
            ("icloud", Self::icloud()),
            ("davmail", Self::davmail()),
            ("gmx", Self::gmx()),
            ("yahoo", Self::yahoo()),
            ("calypso", Self::calypso()),
            ("rust_dav_server", Self::rust_dav_server()),
        ]
    }

    /// Radicale 3.9.
    pub fn radicale() -> Self {
        Self {
            token_prefix: Some("http://radicale.org/ns/sync/".to_owned()),
            href_encoding: HrefEncoding::Upper,
            initial_sync: InitialSync::WithDead,
            client_limit: ClientLimit::Ignored,
            multiget_order: MultigetOrder::Reversed,
            put_body: PutBody::Rewritten,
            uid_conflict: UidConflict::WithoutHref,
            bad_body: BadBody::BadRequest,
            chunked_put: ChunkedPut::Refused,
            compression: Compression::Gzip,
            xml: XmlStyle { prefixes: XmlPrefixes::Mixed, ..XmlStyle::default() },
            ..Self::default()
        }
    }

    /// Xandikos 0.4, which has no authentication on plain HTTP.
    pub fn xandikos() -> Self {
        Self {
            anonymous: Anonymous::Open,
            well_known: WellKnown::Found,
            unknown_token: UnknownToken::PreconditionFailed,
            client_limit: ClientLimit::Silent,
            brief_items: BriefItems::Omitted,
            query_depth: QueryDepth::Empty,
            sync_data: SyncData::Absent,
            property_edits: PropertyEdits::MoveToken,
            put_body: PutBody::Rewritten,
            uid_conflict: UidConflict::PreconditionFailed,
            bad_body: BadBody::PreconditionFailed,
            privileges: Privileges::All,
            xml: XmlStyle { prefixes: XmlPrefixes::Numbered, ..XmlStyle::default() },
            ..Self::default()
        }
    }

    /// sabre/dav 4.7, the engine of Baikal, Davis and ownCloud.
    pub fn sabre() -> Self {
        Self {
            token_form: TokenForm::BareNumber,
            client_limit: ClientLimit::Ignored,
            self_entry: SelfEntry::AfterPropertyEdit,
            property_edits: PropertyEdits::MoveToken,
            multiget_missing: MultigetMissing::Omitted,
            href_encoding: HrefEncoding::Lower,
            uid_conflict: UidConflict::Accepted,
            bad_body: BadBody::Unsupported,
            racing: Racing::TwoWinners,
            delete_missing: DeleteMissing::PreconditionFailed,
            query_depth: QueryDepth::Refused,
            headers: vec![("X-Sabre-Version".to_owned(), "4.7.1".to_owned())],
            xml: XmlStyle {
                prefixes: XmlPrefixes::Lower,
                quotes: XmlQuotes::Escaped,
                returns: XmlReturns::References,
                ..XmlStyle::default()
            },
            ..Self::default()
        }
    }

    /// Nextcloud: sabre/dav with its own storage.
    pub fn nextcloud() -> Self {
        Self {
            client_limit: ClientLimit::Refused,
            home_listing: HomeListing::WithNeighbours,
            uid_conflict: UidConflict::WithoutHref,
            racing: Racing::OneWinner,
            ..Self::sabre()
        }
    }

    /// Cyrus 3.6, the engine of Fastmail.
    pub fn cyrus() -> Self {
        Self {
            anonymous: Anonymous::UnauthenticatedPrincipal,
            well_known: WellKnown::WithoutSlash,
            home_listing: HomeListing::WithNeighbours,
            token_prefix: Some("data:,".to_owned()),
            property_edits: PropertyEdits::MoveToken,
            put_body: PutBody::Rewritten,
            uid_conflict: UidConflict::SchedulingObject,
            headers: vec![("Server".to_owned(), "Cyrus-HTTP/3.6.1".to_owned())],
            xml: XmlStyle {
                text: XmlText::Cdata,
                returns: XmlReturns::References,
                illegal: IllegalCharacters::Raw,
                ..XmlStyle::default()
            },
            ..Self::default()
        }
    }

    /// DAViCal 1.1.
    pub fn davical() -> Self {
        Self {
            token_prefix: Some("data:,".to_owned()),
            unknown_token: UnknownToken::FullList,
            client_limit: ClientLimit::Ignored,
            sync_data: SyncData::Absent,
            multiget_missing: MultigetMissing::Omitted,
            multiget_empty: MultigetEmpty::ServerError,
            href_encoding: HrefEncoding::Upper,
            uid_conflict: UidConflict::Accepted,
            bad_body: BadBody::PlainPreconditionFailed,
            racing: Racing::TwoWinners,
            headers: vec![("X-DAViCal-Version".to_owned(), "DAViCal/1.1.12".to_owned())],
            xml: XmlStyle {
                prefixes: XmlPrefixes::DefaultNamespace,
                layout: XmlLayout::Pretty,
                ..XmlStyle::default()
            },
            ..Self::default()
        }
    }

    /// SOGo 5.8 without the rule of its front end for the well-known address.
    pub fn sogo() -> Self {
        Self {
            anonymous: Anonymous::ChallengeLowercase,
            well_known: WellKnown::Html,
            home_listing: HomeListing::WithNeighbours,
            href_encoding: HrefEncoding::Eager,
            token_form: TokenForm::BareNumber,
            token_prefix: Some(String::new()),
            unknown_token: UnknownToken::Replay,
            client_limit: ClientLimit::Ignored,
            time_range: super::switch::TimeRange::Ignored,
            etags: Etags::Counter,
            put_body: PutBody::Rewritten,
            if_none_match: IfNoneMatch::Ignored,
            if_match_any: IfMatchAny::Ignored,
            if_match_put: IfMatch::PassesWhenMissing,
            if_match_delete: IfMatch::Ignored,
            racing: Racing::TwoWinners,
            uid_conflict: UidConflict::Bare,
            bad_body: BadBody::NotFound,
            error_body: ErrorBody::WrongNamespace,
            chunked_put: ChunkedPut::Refused,
            xml: XmlStyle { quotes: XmlQuotes::Escaped, ..XmlStyle::default() },
            ..Self::default()
        }
    }

    /// iCloud, from reports.
    pub fn icloud() -> Self {
        Self {
            anonymous: Anonymous::ChallengeCombined,
            principal_depth: PrincipalDepth::ZeroOnly,
            home_listing: HomeListing::WithNeighbours,
            href_form: HrefForm::Url,
            client_limit: ClientLimit::Ignored,
            self_entry: SelfEntry::Member,
            if_match_any: IfMatchAny::Backwards,
            event_end: EventEnd::Required,
            bad_body: BadBody::NotFound,
            headers: vec![("Server".to_owned(), "AppleHttpServer/1".to_owned())],
            ..Self::default()
        }
    }

    /// DavMail 6, in front of Exchange.
    pub fn davmail() -> Self {
        Self {
            sync_support: SyncSupport::CtagOnly,
            put_name: PutName::Eml,
            put_body: PutBody::Rewritten,
            ..Self::default()
        }
    }

    /// GMX and Web.de, from reports.
    pub fn gmx() -> Self {
        Self {
            principal_depth: PrincipalDepth::ZeroOnly,
            sync_support: SyncSupport::CtagOnly,
            put_etag: PutEtag::Weak,
            ..Self::default()
        }
    }

    /// Yahoo, from reports.
    pub fn yahoo() -> Self {
        Self {
            anonymous: Anonymous::SilentChallenge,
            sync_support: SyncSupport::CtagOnly,
            if_match_any: IfMatchAny::Backwards,
            ..Self::default()
        }
    }

    /// Calypso 2.1.
    pub fn calypso() -> Self {
        Self {
            collection_slash: CollectionSlash::Absent,
            token_property: TokenProperty::Empty,
            answer_token: AnswerToken::Missing,
            if_none_match: IfNoneMatch::Ignored,
            put_etag: PutEtag::Unquoted,
            etag_property: EtagProperty::Unquoted,
            put_name: PutName::Uid,
            headers: vec![("Server".to_owned(), "Calypso/2.1".to_owned())],
            ..Self::default()
        }
    }

    /// The crate `dav-server` 0.11: listing only.
    pub fn rust_dav_server() -> Self {
        Self {
            sync_support: SyncSupport::Neither,
            multiget_missing: MultigetMissing::WithoutStatus,
            etag_property: EtagProperty::Unquoted,
            uid_conflict: UidConflict::Accepted,
            bad_body: BadBody::Accepted,
            racing: Racing::TwoWinners,
            xml: XmlStyle { illegal: IllegalCharacters::Raw, ..XmlStyle::default() },
            ..Self::default()
        }
    }
}
