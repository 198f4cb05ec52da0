@file:UseSerializers(InstantText::class)

package io.calsync

import java.time.Instant
import kotlinx.serialization.Serializable
import kotlinx.serialization.UseSerializers

/**
 * What seals tokens in the store of an engine, and opens them. It is written nowhere, and [toString] shows no key.
 *
 * @property current the name of the key that seals.
 * @property keys each is 32 random bytes in Base64, as `openssl rand -base64 32` prints them. Those beside [current] open what was sealed with
 * them before. Their names are kept in the store, beside what they seal.
 */
@Serializable
class MasterKeys(val current: String, val keys: Map<String, String>) {
    /** Without the keys. */
    override fun toString(): String = "MasterKeys(current=$current)"
}

/**
 * Your application as an authorization server knows it. [toString] does not show its secret.
 *
 * @property provider `google` and `microsoft` bring their addresses and the scopes two-way sync needs. Any other name is your own, with
 * [authorize] and [token].
 * @property clientSecret a phone or a desktop program keeps none.
 * @property tenant for Microsoft (`common`).
 * @property scopes in the place of those the provider brings.
 * @property authorize an endpoint of a server of your own. It comes with [token]; [revoke] and [issuer] are then only what is said here.
 * @property revoke where tokens are taken back (RFC 7009).
 * @property issuer who has to have issued the tokens.
 * @property grantDays how many days a grant lasts where the provider does not say so: 7 for a client at Google whose consent screen is in
 * testing.
 * @property trustAddress allows endpoints at private and local addresses, and without TLS: only for those that whoever runs the application
 * wrote.
 */
@Serializable
data class OAuthClient(
    val provider: String,
    val clientId: String,
    val clientSecret: String? = null,
    val tenant: String? = null,
    val scopes: List<String>? = null,
    val authorize: String? = null,
    val token: String? = null,
    val revoke: String? = null,
    val issuer: String? = null,
    val grantDays: Int? = null,
    val trustAddress: Boolean = false,
) {
    /** Without the secret. */
    override fun toString(): String = "OAuthClient(provider=$provider, clientId=$clientId)"
}

/**
 * A connection somebody allowed; its tokens are in the store.
 *
 * @property subject what identifies the account for ever at its provider, where that said so. The same one has to come back the next time.
 * @property label how a person knows the account.
 * @property missingScopes what was asked for and not granted.
 * @property ends the account has to be connected again before; `null`: nobody said so.
 */
@Serializable
data class OAuthGrant(
    val connection: String,
    val subject: String?,
    val label: String?,
    val missingScopes: List<String>,
    val ends: Instant?,
)
