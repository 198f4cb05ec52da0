//! The switches of the server: each deviation seen on a real one, all off by default.

use super::switch::{
    Anonymous, AnswerToken, BadBody, BriefItems, ChunkedPut, ClientLimit, CollectionSlash, Compression,
    DeadEntries, DeleteMissing, DeletionStatus, ErrorBody, EtagProperty, Etags, EventEnd, GetEtag,
    HomeListing, Homes, HrefEncoding, HrefForm, IfMatch, IfMatchAny, IfNoneMatch, InitialSync,
    MultigetCopies, MultigetEmpty, MultigetMissing, MultigetOrder, PrincipalDepth, Privileges, PropertyEdits,
    PutBody, PutEtag, PutName, QueryDepth, Racing, Redirect, SelfEntry, SyncAnswers, SyncData, SyncDepth,
    SyncSupport, TimeRange, TokenForm, TokenProperty, Truncation, UidConflict, UnknownToken, WellKnown,
    XmlStyle,
};

/// How the server deviates from the RFCs. The default is a well-behaved server.
///
/// The scenarios, each of which was met on a real server, and where they are switched:
///
/// 1. anonymous 207 `unauthenticated`: [`anonymous`](Self::anonymous)
/// 2. redirect to another host or port: [`redirect`](Self::redirect) with the base of a second server
/// 3. 303: [`redirect`](Self::redirect) with that status
/// 4. well-known that answers 200 and a web page: [`well_known`](Self::well_known)
/// 5. home with inbox, outbox, proxies and pseudo files: [`home_listing`](Self::home_listing)
/// 6. several homes, absolute hrefs: [`homes`](Self::homes), [`href_form`](Self::href_form)
/// 7. tokens: [`sync_support`](Self::sync_support), [`token_form`](Self::token_form),
///    [`token_prefix`](Self::token_prefix), [`token_property`](Self::token_property), [`unknown_token`](Self::unknown_token),
///    [`sync_answers`](Self::sync_answers), [`answer_token`](Self::answer_token), [`truncation`](Self::truncation),
///    [`client_limit`](Self::client_limit); a change log that forgets silently is
///    [`DavServer::prune_change_log`](super::DavServer::prune_change_log)
/// 8. initial sync with dead entries, 418, the collection itself: [`initial_sync`](Self::initial_sync),
///    [`deletion_status`](Self::deletion_status), [`dead_entries`](Self::dead_entries), [`self_entry`](Self::self_entry), [`brief_items`](Self::brief_items)
/// 9. multiget: [`multiget_missing`](Self::multiget_missing), [`multiget_order`](Self::multiget_order),
///    [`multiget_copies`](Self::multiget_copies), [`multiget_empty`](Self::multiget_empty), [`poison`](Self::poison),
///    [`compression`](Self::compression), [`sync_depth`](Self::sync_depth), [`query_depth`](Self::query_depth)
/// 10. listed href that always answers 404: [`ghosts`](Self::ghosts)
/// 11. PUT answers: [`put_etag`](Self::put_etag), [`put_body`](Self::put_body), [`put_name`](Self::put_name),
///     [`etag_property`](Self::etag_property), [`get_etag`](Self::get_etag)
/// 12. conditions: [`if_none_match`](Self::if_none_match), [`if_match_any`](Self::if_match_any),
///     [`if_match_put`](Self::if_match_put), [`if_match_delete`](Self::if_match_delete),
///     [`delete_missing`](Self::delete_missing), [`racing`](Self::racing)
/// 13. refusals: [`bad_body`](Self::bad_body), [`refused_texts`](Self::refused_texts), [`event_end`](Self::event_end),
///     [`uid_conflict`](Self::uid_conflict)
/// 14. entity tags that come back after a recreation: [`etags`](Self::etags)
/// 15. recreated collection with a stale token: [`DavServer::recreate_calendar`](super::DavServer::recreate_calendar)
///     with [`token_form`](Self::token_form)
/// 16. error bodies and XML spelling: [`error_body`](Self::error_body), [`xml`](Self::xml)
/// 17. percent-encoding: [`href_encoding`](Self::href_encoding), [`collection_slash`](Self::collection_slash)
/// 18. 423, 429, 503 with `Retry-After`: [`Fault::status`](super::Fault::status) with
///     [`retry_after_seconds`](super::Fault::retry_after_seconds) or [`retry_after_date`](super::Fault::retry_after_date)
/// 19. a server that mails: count the ATTENDEEs in [`DavServer::requests`](super::DavServer::requests)
/// 20. 401 after success: [`revoke_after`](Self::revoke_after),
///     [`DavServer::revoke_credentials`](super::DavServer::revoke_credentials)
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Quirks {
    /// Requests without credentials.
    pub anonymous: Anonymous,
    /// Redirects; `None`: none but the well-known one.
    pub redirect: Option<Redirect>,
    /// The well-known address.
    pub well_known: WellKnown,
    /// Depth of a PROPFIND of the principal.
    pub principal_depth: PrincipalDepth,
    /// What the home lists beside calendars.
    pub home_listing: HomeListing,
    /// How many homes the principal has.
    pub homes: Homes,
    /// The form of hrefs.
    pub href_form: HrefForm,
    /// The percent-encoding of hrefs.
    pub href_encoding: HrefEncoding,
    /// The trailing slash of collection hrefs.
    pub collection_slash: CollectionSlash,
    /// Which change markers there are.
    pub sync_support: SyncSupport,
    /// The form of sync tokens.
    pub token_form: TokenForm,
    /// What a sync token starts with; `None`: a URI. An empty text leaves bare numbers, as SOGo's.
    pub token_prefix: Option<String>,
    /// The `sync-token` property.
    pub token_property: TokenProperty,
    /// The answer to an unknown token.
    pub unknown_token: UnknownToken,
    /// Whether a sync reports changes.
    pub sync_answers: SyncAnswers,
    /// The token in a sync answer.
    pub answer_token: AnswerToken,
    /// The server's own limit on entries; `None`: no limit.
    pub truncation: Option<Truncation>,
    /// The client's limit on entries.
    pub client_limit: ClientLimit,
    /// What an initial sync lists.
    pub initial_sync: InitialSync,
    /// The status of removed entries.
    pub deletion_status: DeletionStatus,
    /// How removed entries are grouped.
    pub dead_entries: DeadEntries,
    /// The Depth of a sync-collection REPORT.
    pub sync_depth: SyncDepth,
    /// The Depth of a calendar-query REPORT.
    pub query_depth: QueryDepth,
    /// Objects created and deleted between two syncs.
    pub brief_items: BriefItems,
    /// The entry for the collection itself.
    pub self_entry: SelfEntry,
    /// `calendar-data` in a sync answer.
    pub sync_data: SyncData,
    /// Whether PROPPATCH counts as a change.
    pub property_edits: PropertyEdits,
    /// hrefs multiget does not find.
    pub multiget_missing: MultigetMissing,
    /// The order of a multiget answer.
    pub multiget_order: MultigetOrder,
    /// How often multiget answers one href.
    pub multiget_copies: MultigetCopies,
    /// A multiget without hrefs.
    pub multiget_empty: MultigetEmpty,
    /// Names of objects that make every REPORT returning their `calendar-data` fail with 500, in any calendar. GET works.
    pub poison: Vec<String>,
    /// Names that every listing and initial sync shows, in any calendar, and that are then never found.
    pub ghosts: Vec<String>,
    /// The time range of a query.
    pub time_range: TimeRange,
    /// How entity tags are made.
    pub etags: Etags,
    /// The `ETag` header of PUT.
    pub put_etag: PutEtag,
    /// The `ETag` header of GET.
    pub get_etag: GetEtag,
    /// The `getetag` property.
    pub etag_property: EtagProperty,
    /// What PUT stores.
    pub put_body: PutBody,
    /// The name PUT stores under.
    pub put_name: PutName,
    /// `If-None-Match: *` on PUT.
    pub if_none_match: IfNoneMatch,
    /// `If-Match: *` on PUT and DELETE.
    pub if_match_any: IfMatchAny,
    /// `If-Match` with tags on PUT.
    pub if_match_put: IfMatch,
    /// `If-Match` with tags on DELETE.
    pub if_match_delete: IfMatch,
    /// `If-Match` on DELETE of a missing object.
    pub delete_missing: DeleteMissing,
    /// Two writers with one tag.
    pub racing: Racing,
    /// A UID that is taken.
    pub uid_conflict: UidConflict,
    /// A body that is refused.
    pub bad_body: BadBody,
    /// Bodies holding one of these texts are refused as [`bad_body`](Self::bad_body) says.
    pub refused_texts: Vec<String>,
    /// Events without end.
    pub event_end: EventEnd,
    /// Chunked PUT.
    pub chunked_put: ChunkedPut,
    /// Bodies of errors.
    pub error_body: ErrorBody,
    /// Spelling of XML.
    pub xml: XmlStyle,
    /// Content coding.
    pub compression: Compression,
    /// `current-user-privilege-set`.
    pub privileges: Privileges,
    /// Headers of every answer, such as a `Server` that names a product.
    pub headers: Vec<(String, String)>,
    /// After this many authenticated requests the credentials stop working; `None`: never.
    pub revoke_after: Option<usize>,
}
