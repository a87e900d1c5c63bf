// Authorizes requests to an upstream: Basic with the configured credentials, or Bearer with a token that a token
// server inside the trust boundary issued for them (docker registry v2 token authentication). A token is cached until
// shortly before it expires, and concurrent requests share one fetch.
//
//   401 + WWW-Authenticate -> a known challenge -> realm trusted? -> token -> the request once more
//
// Invariants: credentials go to the upstream itself or to a trusted realm and nowhere else, and no redirect is
// followed with them; a client's Authorization never comes here; no message contains a secret.

import { Effect, Exit, Redacted, Schema } from "effect"
import { Base64 } from "effect/encoding"
import { HttpClient, HttpClientRequest } from "effect/http"
import { BoundedMap } from "../../protocol/kit/bounded-map.ts"
import { type Micros, seconds } from "../../protocol/kit/time.ts"
import { toDuration } from "../services/clock.ts"
import { makeExpiringCache } from "../services/expiring-cache.ts"
import { Secrets, type SecretUnavailable, secretOf } from "../services/secrets.ts"
import { boundedBody, reasonIn } from "./bounded-body.ts"
import { type Challenge, parseChallenges } from "./challenge.ts"
import { makeCredentialWatch } from "./credential-watch.ts"
import { UpstreamLimits } from "./limits.ts"
import type { Upstream } from "./mirror-config.ts"
import { isDistrusted, type TrustBoundary } from "./trust-boundary.ts"
import { UpstreamAway, type UpstreamError, UpstreamLacks } from "./upstream-errors.ts"

/** The value of an Authorization header. */
export type Authorization = Redacted.Redacted

export interface UpstreamTokens {
  /** The Authorization that earlier challenges taught for a repository, if any. */
  readonly known: (repository: string) => Effect.Effect<Authorization | undefined, UpstreamError>
  /** The Authorization to send after a 401 with this WWW-Authenticate. `refused` is the one sent before. */
  readonly answer: (
    repository: string,
    header: string | undefined,
    refused: Authorization | undefined
  ) => Effect.Effect<Authorization, UpstreamError>
  /** What the upstream itself said to a request with this Authorization. */
  readonly judged: (authorization: Authorization | undefined, isAccepted: boolean) => Effect.Effect<void>
}

interface Token {
  readonly authorization: Authorization
  readonly lifetime: Micros
}

/** How a repository's requests are authorized: the key of a token, or Basic. */
type Way = { readonly tag: "Basic" } | { readonly tag: "Bearer"; readonly key: string }

const TokenAnswer = Schema.fromJsonString(
  Schema.Struct({
    token: Schema.optionalKey(Schema.NullOr(Schema.String)),
    access_token: Schema.optionalKey(Schema.NullOr(Schema.String)),
    expires_in: Schema.optionalKey(Schema.NullOr(Schema.Number))
  })
)
const decodeToken = Schema.decodeUnknownEffect(TokenAnswer)
const decoder = new TextDecoder()

const isSame = (one: Authorization, other: Authorization | undefined): boolean =>
  other !== undefined && Redacted.value(one) === Redacted.value(other)

const refusedBasic = "it answered 401 to its credentials"

const isBasic = (authorization: Authorization): boolean => Redacted.value(authorization).startsWith("Basic ")

/** Whether a text may stand in a header: a token server must not write lines of the next request. */
const isTokenText = (text: string): boolean => /^[\x21-\x7e]+$/.test(text)

export const makeUpstreamTokens = (
  upstream: Upstream,
  boundary: TrustBoundary
): Effect.Effect<UpstreamTokens, never, HttpClient.HttpClient> =>
  Effect.gen(function* () {
    const client = yield* HttpClient.HttpClient
    const limits = yield* UpstreamLimits
    const secrets = yield* Secrets
    const { credentials, name } = upstream
    const watch = yield* makeCredentialWatch(name)
    /** Oldest first. */
    const ways = new BoundedMap<string, Way>(limits.maxUpstreamTokens)

    const learn = (repository: string, way: Way): void => {
      ways.set(repository, way)
    }

    const away = (why: string) => new UpstreamAway({ message: `${name}: ${why}` })
    const noSecret = (error: SecretUnavailable) =>
      away(`the password of its credentials cannot be read: ${error.message}`)

    const basic: Effect.Effect<Authorization | undefined, UpstreamAway> = Effect.suspend(() => {
      if (credentials === undefined) return Effect.succeed(undefined)
      const { password, username } = credentials
      return secretOf(secrets, password).pipe(
        Effect.tapError(({ message }) => watch.refused(`the password cannot be read: ${message}`)),
        Effect.mapError(noSecret),
        Effect.map((secret) =>
          Redacted.make(`Basic ${Base64.encode(`${username}:${Redacted.value(secret)}`)}`)
        )
      )
    })

    const askToken = (url: string): Effect.Effect<Token, UpstreamError> =>
      Effect.gen(function* () {
        const host = new URL(url).host
        const authorization = yield* basic
        const response = yield* client.execute(
          HttpClientRequest.get(url, {
            headers: {
              accept: "application/json",
              "accept-encoding": "identity",
              ...(authorization === undefined ? {} : { authorization: Redacted.value(authorization) })
            }
          })
        )
        if (response.status !== 200) {
          const reason = `the token server ${host} answered ${response.status}: ${yield* reasonIn(response, limits.maxTokenBytes)}`
          if (response.status !== 401 && response.status !== 403) return yield* away(reason)
          if (authorization !== undefined) yield* watch.refused(reason)
          return yield* new UpstreamLacks({ denied: true, message: `${name}: ${reason}` })
        }
        if (authorization !== undefined) yield* watch.accepted
        const bytes = yield* boundedBody(response, `the token of ${host}`, limits.maxTokenBytes)
        const answer = yield* Effect.mapError(decodeToken(decoder.decode(bytes)), () =>
          away(`the token server ${host} answered something other than a token`)
        )
        const token = answer.token ?? answer.access_token ?? ""
        if (!isTokenText(token)) return yield* away(`the token server ${host} gave no token`)
        // The protocol says 60 seconds when the server does not.
        const expires = answer.expires_in ?? 60
        const lifetime = Math.min(Math.max(0, seconds(expires * limits.tokenUse)), limits.maxTokenLifetime)
        return { authorization: Redacted.make(`Bearer ${token}`), lifetime }
      }).pipe(
        Effect.catchTag("HttpClientError", (error) =>
          Effect.fail(
            away(`the token server ${new URL(url).host} does not answer: ${error.message.slice(0, 200)}`)
          )
        ),
        Effect.timeoutOrElse({
          duration: toDuration(limits.upstreamHeadersTimeout),
          orElse: () =>
            Effect.fail(
              away(
                `the token server ${new URL(url).host} did not answer within ${limits.upstreamHeadersTimeout / 1_000_000} s`
              )
            )
        })
      )

    const tokens = yield* makeExpiringCache(askToken, {
      capacity: limits.maxUpstreamTokens,
      lifetime: (result) => (Exit.isSuccess(result) ? result.value.lifetime : 0)
    })

    const authorize = (way: Way): Effect.Effect<Authorization | undefined, UpstreamError> =>
      way.tag === "Basic" ? basic : Effect.map(tokens.get(way.key), (token) => token.authorization)

    /** The URL that issues the token for a Bearer challenge. */
    const tokenUrl = (challenge: Challenge, repository: string): Effect.Effect<string, UpstreamAway> => {
      const realm = boundary.realm(challenge.parameters.get("realm") ?? "")
      if (isDistrusted(realm)) return Effect.fail(new UpstreamAway({ message: realm.reason }))
      const service = challenge.parameters.get("service")
      if (service !== undefined) realm.searchParams.set("service", service)
      realm.searchParams.set("scope", challenge.parameters.get("scope") ?? `repository:${repository}:pull`)
      return Effect.succeed(realm.href)
    }

    const wayOf = (
      repository: string,
      challenges: ReadonlyArray<Challenge>
    ): Effect.Effect<Way, UpstreamError> => {
      const bearer = challenges.find(({ scheme }) => scheme === "bearer")
      if (bearer !== undefined) {
        return Effect.map(tokenUrl(bearer, repository), (key): Way => ({ tag: "Bearer", key }))
      }
      if (challenges.some(({ scheme }) => scheme === "basic") && credentials !== undefined) {
        return Effect.succeed({ tag: "Basic" })
      }
      const schemes = challenges.map(({ scheme }) => scheme).join(", ")
      const why = `requires credentials (${schemes}), and its configuration has none for that`
      return Effect.andThen(
        watch.refused(`it ${why}`),
        new UpstreamLacks({ denied: true, message: `${name} ${why}` })
      )
    }

    return {
      known: (repository) => {
        const way = ways.get(repository)
        return way === undefined ? Effect.succeed(undefined) : authorize(way)
      },
      answer: (repository, header, refused) =>
        Effect.gen(function* () {
          const challenges = parseChallenges(header ?? "", limits)
          if (challenges === undefined) {
            return yield* new UpstreamLacks({
              denied: true,
              message: `${name} answered 401 without a readable challenge`
            })
          }
          const way = yield* wayOf(repository, challenges)
          if (way.tag === "Bearer") {
            yield* tokens.forgetWhen(way.key, (token) => isSame(token.authorization, refused))
          }
          const authorization = yield* authorize(way)
          if (authorization === undefined || (way.tag === "Basic" && isSame(authorization, refused))) {
            yield* watch.refused(refusedBasic)
            return yield* new UpstreamLacks({
              denied: true,
              message: `${name} does not accept the configured credentials`
            })
          }
          learn(repository, way)
          return authorization
        }),
      judged: (authorization, isAccepted) => {
        // What is said to a token is about a repository; its token server judged the credentials.
        if (authorization === undefined || !isBasic(authorization)) return Effect.void
        return isAccepted ? watch.accepted : watch.refused(refusedBasic)
      }
    }
  })
